"""Depth maps of the shadow casters, seen from a light or from a direction of the sky."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined, kernel

__all__ = ["Casters", "DepthMaps", "occluded", "orthographic", "perspective", "shadowed"]

_EMPTY = -1e30
_PLANE = 1e-3  # m, casters closer to a source's plane cast no shadow


class Casters(NamedTuple):
    """Faces that block light, over the vertices they use."""

    vertices: NDArray[np.float64]  # (V, 3)
    faces: NDArray[np.int32]  # (F, 3)
    closed: NDArray[np.bool_]  # (F,) face of a closed mesh: drawn from one side

    def sphere(self) -> tuple[NDArray[np.float64], float]:
        """Return center and radius of a sphere around all casters; it is small without casters."""
        if not len(self.vertices):
            return np.zeros(3), 0.02
        low, high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        center = (low + high) / 2
        return center, float(np.linalg.norm(self.vertices - center, axis=1).max()) + 0.02


class DepthMaps(NamedTuple):
    """Square depth maps, a stack of one size."""

    projection: NDArray[np.float64]  # (N, 3, 4) global to homogeneous map pixels
    row: NDArray[np.float64]  # (N, 4) what is interpolated as inverse_depth
    inverse_depth: NDArray[
        np.float32
    ]  # (N, S, S) 1/z, or height towards the source if orthographic
    blur: NDArray[np.float64]  # (N, 4) 1/z of the casters' middle; px per 1/z off it; cos, sin


def _axes(forward: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right-handed axes (N, 3, 3) whose third rows are ``forward`` (N, 3)."""
    helper = np.eye(3)[np.abs(forward).argmin(axis=1)]
    right = _cross(helper, forward)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, _cross(forward, right), forward], axis=1)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross products of rows; numpy's own takes ten times as long for so few."""
    (a0, a1, a2), (b0, b1, b2) = a.T, b.T
    return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=1)


def perspective(
    positions: NDArray[np.float64],
    facing: NDArray[np.float64],
    spacing: NDArray[np.float64],
    casters: Casters,
    size: int,
) -> DepthMaps:
    """Draw maps from points, each fitted to the sphere around the casters.

    A point inside that sphere looks along ``facing`` with a field of view of 150 degrees.
    ``spacing`` is the distance between the points, m: shadows are blurred by it to hide the steps.
    """
    center, radius = casters.sphere()
    offset = center - positions
    distance = np.maximum(np.linalg.norm(offset, axis=1), 1e-6)
    outside = distance > 1.1 * radius
    forward = np.where(outside[:, None], offset / distance[:, None], facing)
    half_angle = np.where(outside, np.arcsin(np.minimum(radius / distance, 0.95)), 1.309)
    focal = size / 2 / (np.tan(half_angle) + 1e-3)
    axes = _axes(forward)
    view = np.concatenate([axes, -axes @ positions[:, :, None]], axis=2)
    projection = np.empty_like(view)
    projection[:, :2] = focal[:, None, None] * view[:, :2] + size / 2 * view[:, 2:]
    projection[:, 2] = view[:, 2]
    row = np.tile([0.0, 0.0, 0.0, 1.0], (len(positions), 1))
    angle = np.arange(len(positions)) * math.pi * (3 - math.sqrt(5))  # golden: no two alike
    blur = np.stack(
        [1 / distance, np.where(outside, spacing * focal, 0.0), np.cos(angle), np.sin(angle)], 1
    )
    return _rendered(projection, row, blur, casters, size)


def orthographic(directions: NDArray[np.float64], casters: Casters, size: int) -> DepthMaps:
    """Draw orthographic maps along directions, fitted to the sphere around the casters.

    Of closed meshes they hold the side away from the source, so that the distance to that side
    counts and no surface shadows itself.
    """
    center, radius = casters.sphere()
    axes = _axes(-directions)[:, :2] * (size / 2 / radius)
    projection = np.zeros((len(directions), 3, 4))
    projection[:, :2, :3] = axes
    projection[:, :2, 3] = size / 2 - axes @ center
    projection[:, 2, 3] = 1.0
    row = np.concatenate([directions, np.zeros((len(directions), 1))], axis=1)
    inside_out = np.where(casters.closed[:, None], casters.faces[:, ::-1], casters.faces)
    turned = Casters(casters.vertices, inside_out, casters.closed)
    return _rendered(projection, row, np.zeros((len(directions), 4)), turned, size)


def _rendered(
    projection: NDArray[np.float64],
    row: NDArray[np.float64],
    blur: NDArray[np.float64],
    casters: Casters,
    size: int,
) -> DepthMaps:
    inverse_depth = np.full((len(projection), size, size), _EMPTY, np.float32)
    _render_maps(projection, row, casters.vertices, casters.faces, casters.closed, inverse_depth)
    return DepthMaps(projection, row, inverse_depth, blur)


@kernel
def _render_maps(
    projection: NDArray[np.float64],
    row: NDArray[np.float64],
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    one_sided: NDArray[np.bool_],
    inverse_depth: NDArray[np.float32],
) -> None:
    """Draw the casters into every map; one that crosses its source's plane is left out."""
    seen = np.empty((len(vertices), 3))
    for i in range(len(projection)):
        p, r = projection[i], row[i]
        for j in range(len(vertices)):
            x, y, z = vertices[j]
            w = p[2, 0] * x + p[2, 1] * y + p[2, 2] * z + p[2, 3]
            near = 1.0 / w if w > _PLANE else 0.0
            seen[j, 0] = (p[0, 0] * x + p[0, 1] * y + p[0, 2] * z + p[0, 3]) * near
            seen[j, 1] = (p[1, 0] * x + p[1, 1] * y + p[1, 2] * z + p[1, 3]) * near
            height = r[0] * x + r[1] * y + r[2] * z + r[3]
            seen[j, 2] = height * near if w > _PLANE else math.nan
        _deepen(seen, faces, one_sided, inverse_depth[i])


@inlined
def _deepen(
    seen: NDArray[np.float64],
    faces: NDArray[np.int32],
    one_sided: NDArray[np.bool_],
    inverse_depth: NDArray[np.float32],
) -> None:
    """Keep the greatest inverse depth of any face at every texel's center."""
    size = len(inverse_depth)
    for k in range(len(faces)):
        a, b, c = faces[k, 0], faces[k, 1], faces[k, 2]
        u0, v0, n0 = seen[a, 0], seen[a, 1], seen[a, 2]
        u1, v1, n1 = seen[b, 0], seen[b, 1], seen[b, 2]
        u2, v2, n2 = seen[c, 0], seen[c, 1], seen[c, 2]
        area = (u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0)
        if area == 0.0 or (area > 0.0 and one_sided[k]) or math.isnan(n0 + n1 + n2):
            continue
        left = max(math.ceil(max(min(u0, u1, u2), 0.0) - 0.5), 0)
        right = math.floor(min(max(u0, u1, u2), size) - 0.5)
        top = max(math.ceil(max(min(v0, v1, v2), 0.0) - 0.5), 0)
        bottom = math.floor(min(max(v0, v1, v2), size) - 0.5)
        if left > right or top > bottom:
            continue
        # Weights of the first two corners are linear over the map; the third's is the rest.
        ax, ay = (v1 - v2) / area, (u2 - u1) / area
        bx, by = (v2 - v0) / area, (u0 - u2) / area
        for line in range(top, bottom + 1):
            dy = line + 0.5 - v2
            for column in range(left, right + 1):
                dx = column + 0.5 - u2
                wa, wb = ax * dx + ay * dy, bx * dx + by * dy
                wc = 1.0 - wa - wb
                if wa >= 0.0 and wb >= 0.0 and wc >= 0.0:
                    value = wa * n0 + wb * n1 + wc * n2
                    if value > inverse_depth[line, column]:
                        inverse_depth[line, column] = value


@inlined
def shadowed(maps: DepthMaps, i: int, x: float, y: float, z: float, bias: float) -> float:
    """Return the share of the light of perspective map i that is hidden from a point, 0..1.

    Two texels are compared one by one and averaged (percentage-closer filtering). They lie on
    opposite sides of the point, rotated differently for every map, at the distance between the
    shadows of neighboring sources: few sources then look like many.
    """
    p = maps.projection
    w = p[i, 2, 0] * x + p[i, 2, 1] * y + p[i, 2, 2] * z + p[i, 2, 3]
    if w <= bias:
        return 0.0
    size = maps.inverse_depth.shape[1]
    near = 1.0 / w
    u = (p[i, 0, 0] * x + p[i, 0, 1] * y + p[i, 0, 2] * z + p[i, 0, 3]) * near
    v = (p[i, 1, 0] * x + p[i, 1, 1] * y + p[i, 1, 2] * z + p[i, 1, 3]) * near
    if u < 0.0 or v < 0.0 or u >= size or v >= size:
        return 0.0
    ring = max(0.7, maps.blur[i, 1] * (maps.blur[i, 0] - near))
    own = 1.0 / (w - bias)
    du, dv = ring * maps.blur[i, 2], ring * maps.blur[i, 3]
    # Written out and without branches: as a loop it takes ten times as long.
    texels, last = maps.inverse_depth[i], size - 1
    one = texels[_within(v + dv, last), _within(u + du, last)] > own
    other = texels[_within(v - 0.6 * dv, last), _within(u - 0.6 * du, last)] > own
    return float(0.5 * one + 0.5 * other)


@inlined
def _within(at: float, last: int) -> int:
    return min(max(int(at), 0), last)


@inlined
def occluded(
    maps: DepthMaps, i: int, x: float, y: float, z: float, bias: float, reach: float
) -> float:
    """Return the hidden share of the light from orthographic map i's direction, 0..1.

    Casters count less with their distance from the point, and not at all beyond ``reach``.
    """
    p = maps.projection
    size = maps.inverse_depth.shape[1]
    u = p[i, 0, 0] * x + p[i, 0, 1] * y + p[i, 0, 2] * z + p[i, 0, 3] - 0.5
    v = p[i, 1, 0] * x + p[i, 1, 1] * y + p[i, 1, 2] * z + p[i, 1, 3] - 0.5
    if u < 0.0 or v < 0.0 or u >= size - 1 or v >= size - 1:
        return 0.0
    column, line = int(u), int(v)
    r, texels = maps.row, maps.inverse_depth[i]
    own = r[i, 0] * x + r[i, 1] * y + r[i, 2] * z + bias
    a, b = texels[line, column] - own, texels[line, column + 1] - own
    c, d = texels[line + 1, column] - own, texels[line + 1, column + 1] - own
    if max(max(a, b), max(c, d)) <= 0.0:
        return 0.0
    fu, fv, share = u - column, v - line, 1.0 / reach
    upper = (1 - fu) * _nearby(a, share) + fu * _nearby(b, share)
    lower = (1 - fu) * _nearby(c, share) + fu * _nearby(d, share)
    return float((1 - fv) * upper + fv * lower)


@inlined
def _nearby(distance: float, share: float) -> float:
    # Without a branch: what is above a point and what is not lie side by side.
    t = max(1.0 - distance * share, 0.0) * (distance > 0.0)
    return t * t
