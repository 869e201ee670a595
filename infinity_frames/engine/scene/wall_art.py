"""Wall art: paintings, photographs and mirrors, different for every seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.scene.rooms import Room
from infinity_frames.engine.scene.scene import Material, Mesh, Object
from infinity_frames.engine.scene.solids import Box, Quad, merge, place

__all__ = ["painted", "wall_art"]

Array = NDArray[np.float64]
_Painter = Callable[[Array, Array, np.random.Generator], Array]

_FRAMES = (
    Material((0.03, 0.025, 0.02), roughness=0.5),
    Material((0.30, 0.17, 0.08), (0.22, 0.12, 0.05), "wood", 0.3, roughness=0.5),
    Material((0.70, 0.69, 0.66), roughness=0.5),
)
_CANVAS = Material((1.0, 1.0, 1.0), roughness=0.6)
_GLASS = Material((0.86, 0.88, 0.88), roughness=0.0)
_MOUNT = Material((0.78, 0.77, 0.74), roughness=0.9)
_MIRROR_HEIGHT = 1.2  # m, height of its center
_COLUMNS, _ROWS = 120, 90  # points of a canvas that are painted

# Pigments that go together, linear RGB.
_PALETTES = np.array(
    [
        [[0.78, 0.70, 0.55], [0.62, 0.20, 0.06], [0.05, 0.16, 0.26], [0.80, 0.50, 0.10]],
        [[0.72, 0.74, 0.72], [0.04, 0.20, 0.22], [0.75, 0.30, 0.22], [0.10, 0.10, 0.11]],
        [[0.10, 0.08, 0.16], [0.55, 0.12, 0.22], [0.85, 0.55, 0.20], [0.25, 0.35, 0.55]],
        [[0.70, 0.62, 0.48], [0.20, 0.28, 0.16], [0.42, 0.16, 0.10], [0.85, 0.80, 0.70]],
        [[0.80, 0.78, 0.74], [0.70, 0.05, 0.03], [0.03, 0.08, 0.38], [0.80, 0.62, 0.04]],
    ]
)


def wall_art(room: Room, kind: str, seed: int) -> Object:
    """Build the wall art of the north wall.

    Parameters
    ----------
    room : Room
    kind : {"ABSTRACT", "PHOTO", "MIRROR"}
    seed : int
        The job's seed: its size, place and colors vary.

    Returns
    -------
    Object
        ``wall_art``; part of the room, without a category.
    """
    draw = stream(seed, "wall_art")
    wide, tall = draw.uniform(0.80, 1.10), draw.uniform(0.65, 0.90)
    shift = draw.uniform(-0.12, 0.12, 2)
    border = _FRAMES[int(draw.integers(len(_FRAMES)))]
    if kind == "MIRROR":
        wide, tall = 0.62, 1.25
    frame = Box((wide + 0.07, 0.03, tall + 0.07), (0.0, -0.015, 0.0)).mesh()
    if kind == "MIRROR":
        glass = Quad((0.0, -0.031, 0.0), (wide / 2, 0.0, 0.0), (0.0, 0.0, tall / 2), 1).mesh()
        mesh, surface = merge([frame, glass]), _GLASS
    elif kind == "PHOTO":
        mount = Quad((0.0, -0.031, 0.0), (wide / 2, 0.0, 0.0), (0.0, 0.0, tall / 2), 2).mesh()
        mesh = painted(merge([frame, mount]), _landscape, wide - 0.14, tall - 0.14, draw)
        surface = _CANVAS
    else:
        style = (_discs, _fields, _grid)[int(draw.integers(3))]
        mesh, surface = painted(frame, style, wide, tall, draw), _CANVAS
    height = _MIRROR_HEIGHT if kind == "MIRROR" else room.art[1]
    where = np.array([room.art[0] + shift[0], room.north, height + shift[1] / 2])
    materials = (border, surface, _MOUNT)
    return Object("wall_art", place(mesh, np.eye(3), where), materials, casts_shadow=False)


def painted(
    frame: Mesh,
    paint: _Painter,
    wide: float,
    tall: float,
    draw: np.random.Generator,
    *,
    brightest: float = 1.0,
) -> Mesh:
    """Build a framed picture: a grid of colored vertices in front of y = 0.

    Parameters
    ----------
    frame : Mesh
        The frame around the picture.
    paint : callable
        ``paint(u, v, draw)`` returns colors (N, 3) of points; u (right) and v (up) are in heights
        of the picture.
    wide, tall : float
        Size of the picture, m.
    draw : numpy.random.Generator
        Passed to ``paint``.
    brightest : float
        Colors are clipped to it.

    Returns
    -------
    Mesh
        The picture has material 1.
    """
    u, v = (
        grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, _COLUMNS), np.linspace(0, 1, _ROWS))
    )
    vertices = np.stack([(u - 0.5) * wide, np.full(len(u), -0.032), (v - 0.5) * tall], axis=1)
    corner = (np.arange(_ROWS - 1)[:, None] * _COLUMNS + np.arange(_COLUMNS - 1)).ravel()[:, None]
    below = corner + np.array([0, 1, _COLUMNS + 1])
    above = corner + np.array([0, _COLUMNS + 1, _COLUMNS])
    faces = np.concatenate([below, above])
    # Both coordinates share the unit, the height, so that circles stay round.
    colors = np.clip(paint(u * wide / tall, v, draw), 0.0, brightest)
    return Mesh(
        vertices=np.concatenate([frame.vertices, vertices]),
        faces=np.concatenate([frame.faces, faces + len(frame.vertices)]).astype(np.int32),
        normals=np.concatenate([frame.normals, np.tile([0.0, -1.0, 0.0], (len(u), 1))]),
        materials=np.concatenate([frame.materials, np.ones(len(faces))]).astype(np.int32),
        colors=np.concatenate([np.ones_like(frame.vertices), colors]).astype(np.float32),
    )


def _palette(draw: np.random.Generator) -> Array:
    return np.asarray(draw.permutation(_PALETTES[int(draw.integers(len(_PALETTES)))]))


def _waves(u: Array, v: Array, draw: np.random.Generator, finest: float) -> Array:
    """Smooth noise around 0, as a sum of waves of random directions: clouds, brush strokes."""
    total = np.zeros_like(u)
    for octave in range(10):
        frequency = finest * 0.75**octave
        angle, phase = draw.uniform(0, 2 * np.pi, 2)
        wave = np.sin(frequency * (u * np.cos(angle) + v * np.sin(angle)) + phase)
        total += wave * 0.75 ** (9 - octave)
    return total / 3.0


def _laid(picture: Array, cover: Array, color: Array) -> Array:
    """Blend a color over a picture; ``cover`` (0..1) is its opacity at every point."""
    cover = np.clip(cover, 0.0, 1.0)[:, None]
    return np.asarray(picture * (1 - cover) + color * cover)


def _discs(u: Array, v: Array, draw: np.random.Generator) -> Array:
    """Discs, rings and bars over one another on a plain ground."""
    colors = _palette(draw)
    picture = np.tile(colors[0], (len(u), 1))
    for shape in range(9):
        x, y = draw.uniform(0.05, 1.2), draw.uniform(0.05, 0.95)
        size, angle = draw.uniform(0.08, 0.32), draw.uniform(0, np.pi)
        away = np.hypot(u - x, v - y)
        inside = size - away
        if shape % 3 == 1:
            inside = 0.22 * size - np.abs(away - 0.8 * size)
        elif shape % 3 == 2:
            along = (u - x) * np.cos(angle) + (v - y) * np.sin(angle)
            inside = np.minimum(
                1.6 * size - np.abs(along), 0.25 * size - np.sqrt(np.maximum(away**2 - along**2, 0))
            )
        picture = _laid(picture, 0.92 * (inside / 0.012 + 0.5), colors[1 + shape % 3])
    return picture * (1.0 + 0.10 * _waves(u, 3.0 * v, draw, 60.0))[:, None]


def _fields(u: Array, v: Array, draw: np.random.Generator) -> Array:
    """Two or three fields of color with soft edges, one above the other."""
    colors = _palette(draw)
    wide = float(u.max())
    picture = np.tile(0.75 * colors[0], (len(u), 1))
    edges = np.linspace(0.06, 0.94, int(draw.integers(2, 4)) + 1)
    edges[1:-1] += draw.uniform(-0.12, 0.12, len(edges) - 2)
    rough = 0.018 * _waves(u, v, draw, 40.0)
    for field in range(len(edges) - 1):
        low, high = edges[field] + 0.02, edges[field + 1] - 0.02
        inside = np.minimum(np.minimum(v - low, high - v), np.minimum(u, wide - u) - 0.07) + rough
        picture = _laid(picture, 0.9 * np.clip(inside / 0.05, 0, 1), colors[1 + field % 3])
    return picture * (1.0 + 0.16 * _waves(u, v, draw, 25.0))[:, None]


def _grid(u: Array, v: Array, draw: np.random.Generator) -> Array:
    """Rectangles between black lines, some of them colored."""
    colors = _palette(draw)
    picture = np.tile(np.array([0.80, 0.79, 0.75]), (len(u), 1))
    columns = np.sort(draw.uniform(0.08, float(u.max()) - 0.08, 4))
    rows = np.sort(draw.uniform(0.08, 0.92, 3))
    cell = np.searchsorted(columns, u) * 7 + np.searchsorted(rows, v)
    chosen = draw.integers(0, 7, 40)
    for number, color in enumerate(colors):
        picture = _laid(picture, (chosen[cell] == number).astype(float), color)
    line = np.minimum(
        np.abs(u[:, None] - columns).min(axis=1), np.abs(v[:, None] - rows).min(axis=1)
    )
    return _laid(picture, (0.014 - line) / 0.008 + 0.5, np.full(3, 0.015))


def _landscape(u: Array, v: Array, draw: np.random.Generator) -> Array:
    """Return a photograph of hills, one ridge before the other, under an evening sky."""
    warm = draw.uniform(0.0, 1.0)
    high = (1 - warm) * np.array([0.20, 0.42, 0.80]) + warm * np.array([0.22, 0.22, 0.45])
    low = (1 - warm) * np.array([0.75, 0.80, 0.85]) + warm * np.array([0.95, 0.50, 0.22])
    picture = low + (high - low) * np.clip(1.6 * v - 0.5, 0, 1)[:, None]
    cloud = np.clip(_waves(0.6 * u, 2.5 * v, draw, 30.0) - 0.1, 0, 1) * (v > 0.5)
    picture = _laid(picture, 0.7 * cloud, np.array([0.95, 0.88, 0.82]))
    x, y = draw.uniform(0.25, 1.0), draw.uniform(0.52, 0.72)
    sun = np.exp(-((u - x) ** 2 + (v - y) ** 2) / 0.003)
    picture = picture + sun[:, None] * np.array([1.0, 0.85, 0.5])
    for ridge in range(4):
        top = 0.58 - 0.13 * ridge + (0.05 + 0.015 * ridge) * _waves(u, 0 * v, draw, 14.0)
        haze = 1.0 - (ridge + 1) / 4.0
        shade = (1 - haze) * np.array([0.02, 0.045, 0.03]) + 0.55 * haze * low
        texture = 1.0 + 0.25 * (1 - haze) * _waves(u, v, draw, 90.0)
        picture = (
            _laid(picture, (top - v) / 0.008 + 0.5, shade)
            * np.where(v < top, texture, 1.0)[:, None]
        )
    return np.asarray(picture)
