"""Rooms as objects of a scene: the shell, its window, what hangs and stands in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.rng import stream
from infinity_frames.engine.scene.furniture import furniture
from infinity_frames.engine.scene.model import Color, Light, Material, Mesh, Object
from infinity_frames.engine.scene.rooms import Room, Wall, Window
from infinity_frames.engine.scene.shapes import Box, Part, Sheet, merge, place, yaw_matrix

__all__ = ["room_light", "room_objects", "wall_art"]

_Painter = Callable[
    [NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]
]

_PAINT = Material((0.70, 0.70, 0.68), roughness=0.5)
_CEILING = Material((0.62, 0.68, 0.76), roughness=0.95)  # cool: the floor's colour lights it
_FRAME = Material((0.03, 0.025, 0.02), roughness=0.5)
# Brighter than any paint: it is day outside.
_SKY = Material((2.2, 2.3, 2.4), roughness=1.0, specular=0.0)
_CURTAIN = Material((0.48, 0.46, 0.43), (0.38, 0.36, 0.34), "stripes", 0.12, roughness=0.95)
_LAMP = (-0.7, -1.3)  # x and y of the lamp in the ceiling, m
_CANVAS = Material((1.0, 1.0, 1.0), roughness=0.6)
_GLASS = Material((1.0, 1.0, 1.0), roughness=0.08, specular=0.4)


def room_objects(room: Room, seed: int) -> list[Object]:
    """Everything in a room that stands still, whatever the view.

    Parameters
    ----------
    room : Room
    seed : int
        The job's seed: furniture is moved and turned a little.

    Returns
    -------
    list of Object
        In global coordinates; the shell has no category, the furniture has.
    """
    objects = _shell(room)
    if room.window is not None:
        objects.append(_window(room, room.window))
    for index, standing in enumerate(room.furniture):
        draw = stream(seed, "furniture", index)
        position = np.array([standing.x, standing.y]) + draw.uniform(-1, 1, 2) * standing.play
        yaw = standing.yaw + draw.uniform(-60, 60) * standing.play
        objects.append(furniture(standing.kind, f"{standing.kind}_{index}", position, yaw))
    return objects


def room_light(room: Room, power: float) -> Light:
    """The room's lamp: an area light under the ceiling, before the avatar and to its right.

    Parameters
    ----------
    room : Room
    power : float
        W.

    Returns
    -------
    Light
    """
    return Light((_LAMP[0], _LAMP[1], room.height - 0.1), (*_LAMP, 0.0), 1.2, power, room.light)


def wall_art(room: Room, kind: str, seed: int) -> Object:
    """What hangs on the north wall.

    Parameters
    ----------
    room : Room
    kind : {"ABSTRACT", "PHOTO", "MIRROR"}
    seed : int
        The job's seed: its size, place and colours vary.

    Returns
    -------
    Object
        ``wall_art``; part of the room, without a category.
    """
    draw = stream(seed, "wall_art")
    wide, tall = draw.uniform(0.75, 1.05), draw.uniform(0.60, 0.85)
    shift = draw.uniform(-0.12, 0.12, 2)
    colors = draw.uniform(0.04, 0.65, (4, 3))
    if kind == "MIRROR":
        wide, tall = 0.55, 1.15
    frame = Box((wide + 0.07, 0.03, tall + 0.07), (0.0, -0.015, 0.0)).mesh()
    if kind == "ABSTRACT":
        face = Sheet((0.0, -0.031, 0.0), (wide / 2, 0.0, 0.0), (0.0, 0.0, tall / 2), 1).mesh()
        surface = Material(_rgb(colors[0]), _rgb(colors[1]), "painting_abstract", wide / 3)
        mesh = merge([frame, face])
    else:
        paint = _landscape if kind == "PHOTO" else _reflection
        surface = _CANVAS if kind == "PHOTO" else _GLASS
        mesh = _painted(frame, paint, wide, tall, colors)
    where = np.array([room.art[0] + shift[0], room.north, room.art[1] + shift[1] / 2])
    return Object("wall_art", place(mesh, np.eye(3), where), (_FRAME, surface), casts_shadow=False)


def _shell(room: Room) -> list[Object]:
    """Floor, walls with skirting, ceiling and rug."""
    x, y = (room.west + room.east) / 2, (room.south + room.north) / 2
    half_x, half_y = (room.east - room.west) / 2, (room.north - room.south) / 2
    half_z = room.height / 2
    floor = Sheet((x, y, 0.0), (half_x, 0.0, 0.0), (0.0, half_y, 0.0))
    ceiling = Sheet((x, y, room.height), (0.0, half_y, 0.0), (half_x, 0.0, 0.0))
    up = (0.0, 0.0, half_z)
    walls: list[Part] = [
        Sheet((x, room.north, half_z), (half_x, 0.0, 0.0), up, 1),
        Sheet((x, room.south, half_z), (-half_x, 0.0, 0.0), up, 0),
        Sheet((room.east, y, half_z), (0.0, -half_y, 0.0), up, 0),
        Sheet((room.west, y, half_z), (0.0, half_y, 0.0), up, 0),
        Box((2 * half_x, 0.02, 0.09), (x, room.north - 0.01, 0.045), 2),
        Box((0.02, 2 * half_y, 0.09), (room.west + 0.01, y, 0.045), 2),
        Box((0.02, 2 * half_y, 0.09), (room.east - 0.01, y, 0.045), 2),
    ]
    objects = [
        _fixed("floor", [floor], (room.floor,)),
        _fixed("walls", walls, (room.walls, room.accent, _PAINT)),
        _fixed("ceiling", [ceiling], (_CEILING,)),
    ]
    if room.rug is not None:
        material, (rug_x, rug_y), (width, depth) = room.rug
        rug = Sheet((rug_x, rug_y, 0.002), (width / 2, 0.0, 0.0), (0.0, depth / 2, 0.0))
        objects.append(_fixed("rug", [rug], (material,)))
    return objects


def _fixed(name: str, parts: list[Part], materials: tuple[Material, ...]) -> Object:
    mesh = merge([part.mesh() for part in parts])
    return Object(name, mesh, materials, one_sided=True, casts_shadow=False)


def _window(room: Room, window: Window) -> Object:
    """Frame, bright panes, sill and curtains, built in a north wall and turned into theirs."""
    wide, tall, bar = window.width, window.height, 0.05
    middle = window.sill + tall / 2
    parts: list[Part] = [
        Sheet((0.0, -0.012, middle), (wide / 2, 0.0, 0.0), (0.0, 0.0, tall / 2), 1),
        *(Box((bar, 0.05, tall + bar), (at, -0.025, middle)) for at in (-wide / 2, 0.0, wide / 2)),
        *(
            Box((wide + bar, 0.05, bar), (0.0, -0.025, middle + at))
            for at in (-tall / 2, tall / 6, tall / 2)
        ),
        Box((wide + 0.2, 0.16, 0.03), (0.0, -0.08, window.sill - 0.04)),
    ]
    if window.curtains:
        parts += [
            Box((wide + 0.9, 0.02, 0.02), (0.0, -0.12, middle + tall / 2 + 0.18)),
            *(
                Box(
                    (0.09, 0.05, 1.9),
                    (
                        side * (wide / 2 + 0.05 + 0.1 * fold),
                        -0.10 - 0.03 * (fold % 2),
                        middle + tall / 2 + 0.16 - 0.95,
                    ),
                    2,
                )
                for side in (-1, 1)
                for fold in range(4)
            ),
        ]
    mesh = merge([part.mesh() for part in parts])
    yaw, spot = _wall_frame(room, window.wall, window.at)
    return Object(
        "window",
        place(mesh, yaw_matrix(yaw), spot),
        (_PAINT, _SKY, _CURTAIN),
        one_sided=True,
        casts_shadow=False,
    )


def _wall_frame(room: Room, wall: Wall, at: float) -> tuple[float, NDArray[np.float64]]:
    """Turn (deg) and place of what is built for a north wall around x = 0."""
    if wall == "north":
        return 0.0, np.array([at, room.north, 0.0])
    if wall == "west":
        return 90.0, np.array([room.west, at, 0.0])
    return -90.0, np.array([room.east, at, 0.0])


def _rgb(color: NDArray[np.float64]) -> Color:
    return (float(color[0]), float(color[1]), float(color[2]))


def _painted(
    frame: Mesh, paint: _Painter, wide: float, tall: float, colors: NDArray[np.float64]
) -> Mesh:
    """The frame with a picture in it: a grid whose vertices are coloured."""
    columns, rows = 40, 30
    u, v = (
        grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    )
    vertices = np.stack([(u - 0.5) * wide, np.full(len(u), -0.031), (v - 0.5) * tall], axis=1)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()[:, None]
    below = corner + np.array([0, 1, columns + 1])
    above = corner + np.array([0, columns + 1, columns])
    faces = np.concatenate([below, above])
    face_colors = paint(u, v, colors)
    return Mesh(
        vertices=np.concatenate([frame.vertices, vertices]),
        faces=np.concatenate([frame.faces, faces + len(frame.vertices)]).astype(np.int32),
        normals=np.concatenate([frame.normals, np.tile([0.0, -1.0, 0.0], (len(u), 1))]),
        materials=np.concatenate([frame.materials, np.ones(len(faces))]).astype(np.int32),
        colors=np.concatenate([np.ones_like(frame.vertices), face_colors]).astype(np.float32),
    )


def _landscape(
    u: NDArray[np.float64], v: NDArray[np.float64], colors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A photograph of hills, one ridge before the other, under an evening sky."""
    sky = np.array([0.25, 0.45, 0.80]) * v[:, None] + np.array([0.90, 0.55, 0.30]) * (
        1 - v[:, None]
    )
    sun = np.exp(-((u - colors[0, 0] - 0.15) ** 2 + (v - 0.62) ** 2) / 0.004)
    picture = sky + sun[:, None] * np.array([1.0, 0.8, 0.4])
    for ridge in range(3):
        waves = 3.0 + 2.0 * ridge + 6.0 * colors[1 + ridge, 0]
        top = 0.55 - 0.15 * ridge + 0.07 * np.sin(waves * u + 9.0 * colors[1 + ridge, 1])
        shade = np.array([0.10, 0.16, 0.20]) * (1.6 - 0.55 * ridge)
        picture = np.where((v < top)[:, None], shade, picture)
    return np.asarray(np.clip(picture, 0.0, 1.0))


def _reflection(
    u: NDArray[np.float64], v: NDArray[np.float64], colors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What a mirror shows of a plain room: floor, wall, a soft streak of light."""
    wall = np.array([0.42, 0.44, 0.45]) * (0.8 + 0.3 * v[:, None])
    picture = np.where((v < 0.22)[:, None], np.array([0.20, 0.17, 0.14]), wall)
    streak = np.exp(-((u - v * 0.8 - 0.3 * colors[0, 0]) ** 2) / 0.012)
    return np.asarray(np.clip(picture + 0.18 * streak[:, None], 0.0, 1.0))
