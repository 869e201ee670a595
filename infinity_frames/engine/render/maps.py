"""Depth maps: what a light, or a direction of the sky, sees of the casters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render._jit import kernel
from infinity_frames.engine.render.raster import clip_coordinates, rasterise

__all__ = ["Casters", "DepthMaps", "blocked", "orthographic", "perspective", "render_maps"]

_EMPTY = -1e30


class Casters(NamedTuple):
    """Faces that block light, over the vertices they use."""

    vertices: NDArray[np.float64]  # (V, 3)
    faces: NDArray[np.int32]  # (F, 3)

    def sphere(self) -> tuple[NDArray[np.float64], float]:
        """Centre and radius of a sphere around all."""
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        centre = (low + high) / 2
        return centre, float(np.linalg.norm(self.vertices - centre, axis=1).max()) + 0.02


class DepthMaps(NamedTuple):
    """Square depth maps, a stack of one size."""

    projection: NDArray[np.float64]  # (N, 3, 4) global to homogeneous map pixels
    row: NDArray[np.float64]  # (N, 4) what is interpolated as nearness
    nearness: NDArray[np.float32]  # (N, S, S) 1/z, or height towards the source if orthographic


def _basis(forward: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right-handed axes whose third is ``forward``, as rows."""
    helper = np.eye(3)[np.argmin(np.abs(forward))]
    right = np.cross(helper, forward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def perspective(
    positions: NDArray[np.float64],
    facing: NDArray[np.float64],
    casters: Casters,
    size: int,
) -> DepthMaps:
    """Maps from points, each fitted to the sphere around the casters.

    A point inside of that sphere looks along ``facing`` with a field of view of 150 degrees.
    """
    projections = []
    centre, radius = casters.sphere() if len(casters.faces) else (np.zeros(3), 0.0)
    for position, ahead in zip(positions, facing, strict=True):
        distance = float(np.linalg.norm(centre - position))
        if distance > 1.1 * radius and distance > 0:
            forward, half_width = (
                (centre - position) / distance,
                math.tan(math.asin(radius / distance)) + 1e-3,
            )
        else:
            forward, half_width = ahead, math.tan(math.radians(75))
        axes = _basis(forward)
        focal = size / 2 / half_width
        intrinsics = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
        projections.append(intrinsics @ np.c_[axes, -axes @ position])
    row = np.tile([0.0, 0.0, 0.0, 1.0], (len(positions), 1))
    return _rendered(np.array(projections).reshape(-1, 3, 4), row, casters, size)


def orthographic(directions: NDArray[np.float64], casters: Casters, size: int) -> DepthMaps:
    """Maps from infinitely far off in some directions, fitted to the sphere around the casters."""
    centre, radius = casters.sphere() if len(casters.faces) else (np.zeros(3), 1.0)
    projections = []
    for direction in directions:
        axes = _basis(-direction)[:2] * (size / 2 / radius)
        projections.append(np.r_[np.c_[axes, size / 2 - axes @ centre], [[0, 0, 0, 1]]])
    row = np.c_[directions, np.zeros(len(directions))]
    return _rendered(np.array(projections).reshape(-1, 3, 4), row, casters, size)


def _rendered(
    projection: NDArray[np.float64], row: NDArray[np.float64], casters: Casters, size: int
) -> DepthMaps:
    nearness = np.full((len(projection), size, size), _EMPTY, np.float32)
    render_maps(projection, row, casters.vertices, casters.faces, nearness)
    return DepthMaps(projection, row, nearness)


@kernel
def render_maps(
    projection: NDArray[np.float64],
    row: NDArray[np.float64],
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    nearness: NDArray[np.float32],
) -> None:
    """Draw the casters into every map."""
    members = np.arange(len(faces)).astype(np.int32)
    one_sided = np.zeros(len(faces), np.bool_)
    winner = np.full(nearness.shape[1:], -1, np.int32)
    weight = np.empty(len(vertices))
    for i in range(len(projection)):
        clip = clip_coordinates(projection[i], vertices)
        for j in range(len(vertices)):
            x, y, z = vertices[j]
            weight[j] = row[i, 0] * x + row[i, 1] * y + row[i, 2] * z + row[i, 3]
        rasterise(clip, weight, faces, members, one_sided, 0.0, 0.0, 1e4, nearness[i], winner)


@kernel
def blocked(
    maps: DepthMaps, i: int, x: float, y: float, z: float, bias: float, reach: float
) -> float:
    """How much of the light from map i a point does not get, 0..1.

    The four texels around the point are compared one by one and blended (percentage-closer
    filtering). With ``reach`` above 0 (orthographic maps) a blocker counts less the farther it is
    from the point, and beyond ``reach`` not at all; with 0 any blocker counts fully.
    """
    p = maps.projection[i]
    w = p[2, 0] * x + p[2, 1] * y + p[2, 2] * z + p[2, 3]
    if w <= 1e-6:
        return 0.0
    size = maps.nearness.shape[1]
    u = (p[0, 0] * x + p[0, 1] * y + p[0, 2] * z + p[0, 3]) / w - 0.5
    v = (p[1, 0] * x + p[1, 1] * y + p[1, 2] * z + p[1, 3]) / w - 0.5
    if not (u >= 0.0 and v >= 0.0 and u < size - 1 and v < size - 1):
        return 0.0
    column, line = int(u), int(v)
    fu, fv = u - column, v - line
    nearness = maps.nearness
    t00, t01 = nearness[i, line, column], nearness[i, line, column + 1]
    t10, t11 = nearness[i, line + 1, column], nearness[i, line + 1, column + 1]
    if reach == 0.0:
        if w <= bias:
            return 0.0
        own = 1.0 / (w - bias)
        s00, s01 = 1.0 if t00 > own else 0.0, 1.0 if t01 > own else 0.0
        s10, s11 = 1.0 if t10 > own else 0.0, 1.0 if t11 > own else 0.0
    else:
        r = maps.row[i]
        own = r[0] * x + r[1] * y + r[2] * z + r[3] + bias
        s00, s01 = _nearby(t00 - own, reach), _nearby(t01 - own, reach)
        s10, s11 = _nearby(t10 - own, reach), _nearby(t11 - own, reach)
    return (1 - fv) * ((1 - fu) * s00 + fu * s01) + fv * ((1 - fu) * s10 + fu * s11)


@kernel
def _nearby(distance: float, reach: float) -> float:
    if distance <= 0.0 or distance >= reach:
        return 0.0
    t = 1.0 - distance / reach
    return t * t
