"""Rooms as objects of a scene: shell, window, wall art, furniture and lights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.scene.furniture.home import furniture
from infinity_frames.engine.scene.outdoors import outdoor_view
from infinity_frames.engine.scene.rooms import Room, Wall, Window
from infinity_frames.engine.scene.scene import Aperture, Color, Light, Material, Object
from infinity_frames.engine.scene.solids import Box, Part, Quad, Revolved, merge, place, yaw_matrix
from infinity_frames.engine.scene.wall_art import painted

__all__ = ["ceiling_lamp", "room_lights", "room_objects", "sun"]

_PAINT = Material((0.70, 0.70, 0.68), roughness=0.5)
_CEILING = Material((0.72, 0.73, 0.74), roughness=0.95)
_VIEW = Material((1.0, 1.0, 1.0), roughness=1.0, specular=0.0)  # its vertices have the colors
_BRIGHTEST = 6.0  # W/m^2/sr, of the view
_CURTAIN = Material((0.48, 0.46, 0.43), (0.38, 0.36, 0.34), "stripes", 0.12, roughness=0.95)
_LAMP = (-0.7, -1.3)  # x and y of the lamp in the ceiling, m
_BAR = 0.05  # m, thickness of a window's bars
_SUN_DISTANCE = 8.0  # m, distance of the sun from the window: its rays are nearly parallel
_SUN_SIZE = 0.12  # m
_SUN_COLOR = (1.0, 0.90, 0.74)
_DAYLIGHT = 55.0  # W/m^2, of a window
_DAYLIGHT_COLOR = (0.68, 0.84, 1.0)
_GLOW, _GLOW_EXPONENT = 0.12, 0.5  # radiance of the lamp's shade: factor and exponent of its power


def room_objects(room: Room, seed: int) -> list[Object]:
    """Build the static objects of a room.

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
        objects.append(_window(room, room.window, seed))
    for index, standing in enumerate(room.furniture):
        draw = stream(seed, "furniture", index)
        position = np.array([standing.x, standing.y]) + draw.uniform(-1, 1, 2) * standing.play
        yaw = standing.yaw + draw.uniform(-60, 60) * standing.play
        objects.append(
            furniture(room.pieces[standing.kind], f"{standing.kind}_{index}", position, yaw)
        )
    return objects


def room_lights(
    room: Room, power: float, size: float = 1.2, sunlight: Light | None = None
) -> tuple[Light, ...]:
    """Build the room's lamp and the daylight of its window.

    Parameters
    ----------
    room : Room
    power : float
        Power of the lamp, W; the daylight is always the same.
    size : float
        Side of the lamp, m.
    sunlight : Light, optional
        Of `sun`.

    Returns
    -------
    tuple of Light
        The lamp is an area light under the ceiling, before the avatar and to its right.
    """
    lamp = Light((*_LAMP, room.height - 0.1), (*_LAMP, 0.0), size, power, room.light)
    suns = () if sunlight is None else (sunlight,)
    if room.window is None:
        return (lamp, *suns)
    window = room.window
    yaw, spot = _wall_frame(room, window.wall, window.at)
    inward = yaw_matrix(yaw) @ np.array([0.0, -1.0, 0.0])
    middle = spot + 0.16 * inward + np.array([0.0, 0.0, window.sill + window.height / 2])
    aim = middle + 2.5 * inward - np.array([0.0, 0.0, 1.2])
    size = float(np.sqrt(window.width * window.height))
    daylight = Light(_point(middle), _point(aim), size, _DAYLIGHT * size**2, _DAYLIGHT_COLOR)
    return (lamp, daylight, *suns)


def sun(room: Room, irradiance: float, location: NDArray[np.float64], seed: int) -> Light | None:
    """Build sunlight that falls through the window, or through a skylight in rooms without one.

    Parameters
    ----------
    room : Room
    irradiance : float
        On a surface that faces the sun, W/m^2.
    location : (3,) array
        Location of the avatar, m; the beam passes near it.
    seed : int
        The job's seed; it decides where exactly the beam falls.

    Returns
    -------
    Light or None
        None where the irradiance is 0.
    """
    if irradiance <= 0.0:
        return None
    draw = stream(seed, "sun")
    panes = _panes(room)
    middle = np.mean([pane.center for pane in panes], axis=0)
    target = location + draw.uniform((-0.8, -0.6, 0.0), (0.8, 0.6, 0.9))
    toward = (middle - target) / np.linalg.norm(middle - target)
    place = middle + _SUN_DISTANCE * toward
    distance = float(np.linalg.norm(place - target))
    power = irradiance * np.pi * distance**2
    return Light(_point(place), _point(target), _SUN_SIZE, power, _SUN_COLOR, tuple(panes))


def _panes(room: Room) -> list[Aperture]:
    """Openings of the window between its bars, or of the skylight in rooms without a window."""
    if room.window is None:
        middle = ((room.west + room.east) / 2, -0.6, room.height)
        return [
            Aperture((middle[0] + x, middle[1], middle[2]), (0.55, 0.0, 0.0), (0.0, 0.8, 0.0))
            for x in (-0.6, 0.6)
        ]
    window = room.window
    yaw, spot = _wall_frame(room, window.wall, window.at)
    turn, wide, tall = yaw_matrix(yaw), window.width, window.height
    rows = ((-tall / 2, tall / 6), (tall / 6, tall / 2))
    panes = []
    for left, right in ((-wide / 2, 0.0), (0.0, wide / 2)):
        for low, high in rows:
            x, z = (left + right) / 2, window.sill + tall / 2 + (low + high) / 2
            u, v = (right - left - _BAR) / 2, (high - low - _BAR) / 2
            center = spot + turn @ np.array([x, 0.0, z])
            panes.append(
                Aperture(_point(center), _point(turn @ np.array([u, 0.0, 0.0])), (0.0, 0.0, v))
            )
    return panes


def ceiling_lamp(room: Room, power: float) -> Object:
    """Build the visible lamp; it glows with its power.

    Parameters
    ----------
    room : Room
    power : float
        W.

    Returns
    -------
    Object
        ``ceiling_lamp``; part of the room, without a category.
    """
    glow = 1.0 + _GLOW * power**_GLOW_EXPONENT
    shine = Material(_point(np.array(room.light) * glow), roughness=0.9, specular=0.0)
    x, y = _LAMP
    parts: list[Part]
    if room.tubes:
        parts = [
            part
            for side in (-0.5, 0.5)
            for part in (
                Box((0.16, 1.5, 0.05), (x + side, y, room.height - 0.03), 0),
                Box((0.10, 1.46, 0.03), (x + side, y, room.height - 0.065), 1),
            )
        ]
    else:
        parts = [
            Revolved(((0.26, -0.03), (0.26, 0.0)), (x, y, room.height), material=0, segments=36),
            Revolved(
                ((0.10, -0.11), (0.20, -0.09), (0.24, -0.03)),
                (x, y, room.height),
                material=1,
                segments=36,
            ),
        ]
    return _fixed("ceiling_lamp", parts, (_PAINT, shine))


def _shell(room: Room) -> list[Object]:
    """Build floor, walls with skirting, ceiling and rug."""
    x, y = (room.west + room.east) / 2, (room.south + room.north) / 2
    half_x, half_y = (room.east - room.west) / 2, (room.north - room.south) / 2
    half_z = room.height / 2
    floor = Quad((x, y, 0.0), (half_x, 0.0, 0.0), (0.0, half_y, 0.0))
    ceiling = Quad((x, y, room.height), (0.0, half_y, 0.0), (half_x, 0.0, 0.0))
    up = (0.0, 0.0, half_z)
    walls: list[Part] = [
        Quad((x, room.north, half_z), (half_x, 0.0, 0.0), up, 1),
        Quad((x, room.south, half_z), (-half_x, 0.0, 0.0), up, 0),
        Quad((room.east, y, half_z), (0.0, -half_y, 0.0), up, 0),
        Quad((room.west, y, half_z), (0.0, half_y, 0.0), up, 0),
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
        rug = Quad((rug_x, rug_y, 0.002), (width / 2, 0.0, 0.0), (0.0, depth / 2, 0.0))
        objects.append(_fixed("rug", [rug], (material,)))
    return objects


def _fixed(name: str, parts: list[Part], materials: tuple[Material, ...]) -> Object:
    mesh = merge([part.mesh() for part in parts])
    return Object(name, mesh, materials, one_sided=True, casts_shadow=False)


def _window(room: Room, window: Window, seed: int) -> Object:
    """Build frame, view, sill and curtains for a north wall, and turn them to the window's wall."""
    wide, tall, bar = window.width, window.height, _BAR
    middle = window.sill + tall / 2
    parts: list[Part] = [
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
    up = np.array([0.0, 0.0, middle])
    frame = place(merge([part.mesh() for part in parts]), np.eye(3), -up)
    view = stream(seed, "outdoors")
    pictured = painted(frame, outdoor_view, wide, tall, view, brightest=_BRIGHTEST)
    mesh = place(replace(pictured, texture=None), np.eye(3), up)
    yaw, spot = _wall_frame(room, window.wall, window.at)
    return Object(
        "window",
        place(mesh, yaw_matrix(yaw), spot),
        (_PAINT, _VIEW, _CURTAIN),
        one_sided=True,
        casts_shadow=False,
    )


def _wall_frame(room: Room, wall: Wall, at: float) -> tuple[float, NDArray[np.float64]]:
    """Turn (deg) and translation that move objects from a north wall around x = 0 to the window."""
    if wall == "north":
        return 0.0, np.array([at, room.north, 0.0])
    if wall == "west":
        return 90.0, np.array([room.west, at, 0.0])
    return -90.0, np.array([room.east, at, 0.0])


def _point(values: NDArray[np.float64]) -> Color:
    return (float(values[0]), float(values[1]), float(values[2]))
