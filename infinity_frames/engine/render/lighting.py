"""Light sources: point samples of the area lights, and the ambient light of the room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render.geometry import Geometry, Surfaces
from infinity_frames.engine.scene.scene import Light, Scene

__all__ = ["Ambient", "Lamps", "ambient_light", "sample_lights"]

_POINTS_PER_LIGHT = {1: 16, 2: 9}
_POINTS_OF_MANY = 7
_POINTS_OF_HARD = 4
_HARD = 0.1  # a light of a smaller size relative to its distance casts hard shadows
_DIRECTIONS = 32
_PLASTIC = 1.32471795724474602596  # base of the R2 sequence


class Lamps(NamedTuple):
    """Area lights as points; the points of a light are contiguous."""

    position: NDArray[np.float64]  # (N, 3) m
    facing: NDArray[np.float64]  # (N, 3)
    intensity: NDArray[np.float64]  # (N, 3) intensity along facing, W/sr
    spacing: NDArray[np.float64]  # (N,) distance of a point from its neighbors, m
    first: NDArray[np.int64]  # (L + 1,) first point of each light
    center: NDArray[np.float64]  # (L, 3) m
    size: NDArray[np.float64]  # (L,) m
    opening: NDArray[np.float64]  # (A, 3, 3) apertures: center, and vectors of half the sides, m
    first_opening: NDArray[np.int64]  # (L + 1,) first aperture of each light


class Ambient(NamedTuple):
    """Ambient light by direction."""

    direction: NDArray[np.float64]  # (D, 3) direction towards the light
    radiance: NDArray[np.float64]  # (D, 3) W/m^2/sr


def sample_lights(lights: Sequence[Light]) -> Lamps:
    """Spread points over every light.

    They follow the R2 low-discrepancy sequence (Roberts, 2018). No two points share a line parallel
    to a side of the light, so the penumbra of a straight edge has as many steps as points.
    """
    lit = [light for light in lights if light.power > 0]
    hard = [_is_hard(light) for light in lit]
    soft = _POINTS_PER_LIGHT.get(len(lit) - sum(hard), _POINTS_OF_MANY)
    counts = [_POINTS_OF_HARD if small else soft for small in hard]
    positions, facings, intensities = [], [], []
    for light, count in zip(lit, counts, strict=True):
        center = np.array(light.location, float)
        facing = np.array(light.target, float) - center
        facing /= np.linalg.norm(facing)
        helper = np.array([1.0, 0.0, 0.0]) if abs(facing[2]) > 0.9 else np.array([0.0, 0.0, 1.0])
        right = np.cross(facing, helper)
        right /= np.linalg.norm(right)
        plane = np.stack([right, np.cross(right, facing)]) * light.size
        steps = np.arange(1, count + 1)[:, None] / np.array([_PLASTIC, _PLASTIC**2])
        positions.append(center + ((steps + 0.5) % 1.0 - 0.5) @ plane)
        facings.append(np.tile(facing, (count, 1)))
        # A Lambertian emitter of power P sends P / pi per steradian along its normal.
        intensities.append(
            np.tile(np.array(light.color) * light.power / math.pi / count, (count, 1))
        )
    none = np.empty((0, 3))
    openings = [(o.center, o.u, o.v) for light in lit for o in light.apertures]
    return Lamps(
        np.concatenate([none, *positions]),
        np.concatenate([none, *facings]),
        np.concatenate([none, *intensities]),
        np.repeat([i.size / math.sqrt(n) for i, n in zip(lit, counts, strict=True)], counts),
        np.cumsum([0, *counts]),
        np.array([light.location for light in lit], float).reshape(-1, 3),
        np.array([light.size for light in lit], float),
        np.array(openings, float).reshape(-1, 3, 3),
        np.cumsum([0, *(len(light.apertures) for light in lit)]),
    )


def _is_hard(light: Light) -> bool:
    """Return whether a light looks so small from its target that few points suffice."""
    distance = np.linalg.norm(np.subtract(light.target, light.location))
    return bool(light.size < _HARD * distance)


def _power_in_room(light: Light) -> float:
    """Return the power that a light sends into the room, through its apertures if any, W."""
    if not light.apertures:
        return light.power
    power = 0.0
    for opening in light.apertures:
        offset = np.subtract(opening.center, light.location)
        area = 4.0 * abs(float(np.cross(opening.u, opening.v) @ offset)) / np.linalg.norm(offset)
        power += light.power / math.pi / float(offset @ offset) * float(area)
    return power


def ambient_light(scene: Scene, geometry: Geometry, members: NDArray[np.int32]) -> Ambient:
    """Build the light that reaches a point from the room instead of directly from a lamp.

    It is the sum of the scene's ambient light, the lamps' light after many reflections (the formula
    of the integrating sphere for a room of the scene's extent), and light reflected by the floor
    from below. ``members`` are the faces of the room.
    """
    corners = geometry.vertices[geometry.surfaces.faces[members]]
    floor_color, mean_color = _albedos(geometry.surfaces, members, corners)
    extent = np.ptp(corners.reshape(-1, 3), axis=0) if len(members) else np.zeros(3)
    area = 2 * (extent[0] * extent[1] + extent[1] * extent[2] + extent[2] * extent[0]) + 10.0
    power = sum((np.array(i.color) * _power_in_room(i) for i in scene.lights), np.zeros(3))
    reflected = 0.8 * power * mean_color / (1 - mean_color) / (area * math.pi)
    around = np.array(scene.ambient) * 0.5 + reflected
    # Light from the floor is reflected by other objects on its way, so it loses half its color.
    gray = floor_color @ np.array([0.2126, 0.7152, 0.0722])
    bounced = 0.5 * (floor_color + gray)
    floor = bounced * (around + 0.7 * _floor_irradiance(scene) / math.pi)
    # A Fibonacci lattice: even density over the sphere.
    k = np.arange(_DIRECTIONS) + 0.5
    z = 1 - 2 * k / _DIRECTIONS
    angle = k * math.pi * (1 + math.sqrt(5))
    ring = np.sqrt(1 - z * z)
    direction = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], 1)
    upward = np.clip(0.5 + 1.4 * z, 0, 1)[:, None]
    radiance = floor * (1 - upward) + around * (0.85 + 0.3 * np.maximum(z, 0)[:, None]) * upward
    return Ambient(direction, np.ascontiguousarray(radiance))


def _albedos(
    surfaces: Surfaces, members: NDArray[np.int32], corners: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean colors, by area, of upward faces near the lowest level and of all faces."""
    if not len(members):
        return np.full(3, 0.3), np.full(3, 0.4)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1)
    second = np.where(surfaces.pattern > 0, 0.3, 0.0)[:, None]  # pattern 0 is plain
    mixed = (1 - second) * surfaces.color + second * surfaces.color2
    colors = np.minimum(mixed, 1.0)[surfaces.material[members]]  # a larger value is emitted light
    mean = (colors * area[:, None]).sum(0) / max(area.sum(), 1e-9)
    height = corners[:, 0, 2]
    below = area * ((height < corners[..., 2].min() + 0.1) & (normal[:, 2] > 0.9 * area))
    floor = (colors * below[:, None]).sum(0) / below.sum() if below.sum() > 0 else mean
    return np.clip(floor, 0.0, 0.9), np.clip(mean, 0.0, 0.75)


def _floor_irradiance(scene: Scene) -> NDArray[np.float64]:
    """Return the lamps' irradiance of a level floor under their targets, W/m^2."""
    total = np.zeros(3)
    for light in scene.lights:
        if light.apertures:
            continue  # such a light reaches only a patch of the floor
        offset = np.array([light.target[0], light.target[1], 0.0]) - np.array(light.location)
        distance = float(np.linalg.norm(offset))
        facing = np.array(light.target) - np.array(light.location)
        facing = facing / np.linalg.norm(facing)
        cosines = max(float(facing @ offset), 0.0) * max(-offset[2], 0.0) / distance**2
        total += np.array(light.color) * light.power / math.pi * cosines / distance**2
    return total
