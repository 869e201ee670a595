"""Obstacles that are placed near a spill: cartons, canisters, floor signs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.scene.rooms import Room
from infinity_frames.engine.scene.scene import Material, Mesh, Object, Scene
from infinity_frames.engine.scene.solids import Box, Revolved, merge, yaw_matrix

__all__ = ["clutter"]

Array = NDArray[np.float64]

_CARDBOARD = Material((0.42, 0.29, 0.17), (0.37, 0.25, 0.14), "plaster", 0.15, roughness=0.9)
_TAPE = Material((0.52, 0.42, 0.27), roughness=0.4)
_BLUE = Material((0.03, 0.12, 0.32), roughness=0.45)
_YELLOW = Material((0.70, 0.48, 0.02), roughness=0.5)
_BLACK = Material((0.02, 0.02, 0.02), roughness=0.6)

_KINDS = ("carton", "canister", "sign")
_ATTEMPTS = 20
_GAP = 0.06  # m, between obstacles and the source, and between obstacles
_NEAREST, _FARTHEST = 0.35, 0.95  # distance from the source, in radii of the spill
_FOOT = 0.14  # m, between a board of a floor sign and the sign's middle
_LOW = 1.0  # m, other objects below this height are in the way


def clutter(scene: Scene, room: Room, center: Array, size: float, number: int, seed: int) -> Scene:
    """Place obstacles on the floor around the source of a liquid.

    Parameters
    ----------
    scene : Scene
    room : Room
    center : (2,) array
        Where the liquid comes out, global, m.
    size : float
        Radius of a disc as large as the spill, m.
    number : int
        Number of obstacles; those that find no room are left out.
    seed : int
        The job's seed.
    """
    taken = [_bounds(item) for item in scene.objects if item.name not in ("floor", "ceiling")]
    added: list[Object] = []
    for index in range(number):
        draw = stream(seed, "clutter", index)
        mesh, materials = _thing(_KINDS[int(draw.integers(len(_KINDS)))], draw)
        half = float(np.hypot(*mesh.vertices[:, :2].T).max())
        for _ in range(_ATTEMPTS):
            angle = draw.uniform(0.0, 2 * np.pi)
            away = half + _GAP + size * draw.uniform(_NEAREST, _FARTHEST)
            at = center + away * np.array([np.cos(angle), np.sin(angle)])
            yaw = float(draw.uniform(0.0, 360.0))
            if _is_free(at, half, taken, room):
                added.append(Object(f"clutter_{index}", _placed(mesh, at, yaw), materials))
                taken.append(_bounds(added[-1]))
                break
    return Scene((*scene.objects, *added), scene.camera, scene.lights, scene.ambient)


def _thing(kind: str, draw: np.random.Generator) -> tuple[Mesh, tuple[Material, ...]]:
    if kind == "carton":
        wide, deep, tall = draw.uniform((0.24, 0.20, 0.16), (0.50, 0.36, 0.40)).tolist()
        body = Box((wide, deep, tall), (0.0, 0.0, tall / 2))
        tape = Box((0.05, deep + 0.002, 0.002), (0.0, 0.0, tall + 0.001), 1)
        return merge([body.mesh(), tape.mesh()]), (_CARDBOARD, _TAPE)
    if kind == "canister":
        profile = ((0.12, 0.0), (0.12, 0.29), (0.10, 0.32), (0.03, 0.325), (0.03, 0.35))
        return Revolved(profile, segments=32).mesh(), (_BLUE,)
    # A floor sign: two boards that lean against each other.
    board = Box((0.30, 0.012, 0.62), (0.0, 0.0, 0.31)).mesh()
    boards = [_leaning(board, side) for side in (-1.0, 1.0)]
    ridge = Box((0.30, 0.03, 0.015), (0.0, 0.0, 0.605), 1).mesh()
    return merge([*boards, ridge]), (_YELLOW, _BLACK)


def _leaning(board: Mesh, side: float) -> Mesh:
    """Return a board whose foot is 14 cm from the middle and that leans towards it."""
    tilt = side * np.arctan2(_FOOT, 0.6)
    c, s = np.cos(tilt), np.sin(tilt)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    vertices = board.vertices @ turn.T + [0.0, side * _FOOT, 0.0]
    vertices[:, 2] -= vertices[:, 2].min()
    return Mesh(vertices, board.faces, board.normals @ turn.T, board.materials)


def _placed(mesh: Mesh, at: Array, yaw: float) -> Mesh:
    turn = yaw_matrix(yaw)
    vertices = mesh.vertices @ turn.T + [*at, 0.0]
    return Mesh(vertices, mesh.faces, mesh.normals @ turn.T, mesh.materials)


def _bounds(item: Object) -> tuple[Array, Array] | None:
    """Bounds in x and y of the low part of an object; None if it has none."""
    if item.name == "walls":
        return None
    low = item.mesh.vertices[item.mesh.vertices[:, 2] < _LOW, :2]
    return (low.min(axis=0), low.max(axis=0)) if len(low) else None


def _is_free(at: Array, half: float, taken: list[tuple[Array, Array] | None], room: Room) -> bool:
    low, high = np.array([room.west, room.south]), np.array([room.east, room.north])
    if (at - half < low + _GAP).any() or (at + half > high - _GAP).any():
        return False
    for bounds in taken:
        if bounds is not None:
            nearest = np.clip(at, *bounds)
            if np.hypot(*(at - nearest)) < half + _GAP:
                return False
    return True
