"""Surface properties at a point of a face: position, normal, color, gloss."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined
from infinity_frames.engine.render.geometry import Surfaces
from infinity_frames.engine.render.patterns import evaluate

__all__ = ["Frame", "Point", "Vector", "point_at", "unit"]

Vector = tuple[float, float, float]


class Frame(NamedTuple):
    """The vertices of one frame, and the camera that sees them."""

    clip: NDArray[np.float64]  # (V, 3)
    vertices: NDArray[np.float64]  # (V, 3)
    normals: NDArray[np.float64]  # (V, 3)
    eye: NDArray[np.float64]  # (3,)
    focal: float  # px


class Point(NamedTuple):
    """A point on a surface, ready to be lit."""

    position: Vector
    normal: Vector
    color: Vector
    glow: Vector  # emitted radiance
    roughness: float
    specular: float


@inlined
def point_at(surfaces: Surfaces, frame: Frame, face: int, x: float, y: float) -> Point:
    """Return the surface properties of a face at pixel coordinates (x, y)."""
    faces, clip = surfaces.faces, frame.clip
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    x0, y0, w0 = clip[a]
    x1, y1, w1 = clip[b]
    x2, y2, w2 = clip[c]
    f0 = (y1 * w2 - w1 * y2) * x + (w1 * x2 - x1 * w2) * y + (x1 * y2 - y1 * x2)
    f1 = (y2 * w0 - w2 * y0) * x + (w2 * x0 - x2 * w0) * y + (x2 * y0 - y2 * x0)
    f2 = (y0 * w1 - w0 * y1) * x + (w0 * x1 - x0 * w1) * y + (x0 * y1 - y0 * x1)
    total = f0 + f1 + f2
    f0, f1, f2 = f0 / total, f1 / total, f2 / total
    px, py, pz = _blend(frame.vertices, a, b, c, f0, f1, f2)
    nx, ny, nz = unit(*_blend(frame.normals, a, b, c, f0, f1, f2))
    ex, ey, ez = frame.eye[0] - px, frame.eye[1] - py, frame.eye[2] - pz
    distance = math.sqrt(ex * ex + ey * ey + ez * ez)
    facing = (nx * ex + ny * ey + nz * ez) / distance
    if facing < 0.0 and _turned(frame, a, b, c):
        nx, ny, nz, facing = -nx, -ny, -nz, -facing
    material = surfaces.material[face]
    scale = surfaces.finish[material, 0]
    footprint = distance / frame.focal / math.sqrt(max(facing, 0.08)) / scale
    tx, ty, tz = _blend(surfaces.texture, a, b, c, f0, f1, f2)
    axis = surfaces.axis[face]
    if axis == 0:
        u, v, w = ty, tz, tx
    elif axis == 1:
        u, v, w = tx, tz, ty
    else:
        u, v, w = tx, ty, tz
    mix, tint, gloss = evaluate(
        surfaces.pattern[material], u / scale, v / scale, w / scale, footprint
    )
    mix = min(max(mix, 0.0), 1.0)
    tint = max(tint, 0.0)
    r, g, b2 = _blend(surfaces.tint, a, b, c, f0, f1, f2)
    first, second = surfaces.color[material], surfaces.color2[material]
    r *= tint * (first[0] + mix * (second[0] - first[0]))
    g *= tint * (first[1] + mix * (second[1] - first[1]))
    b2 *= tint * (first[2] + mix * (second[2] - first[2]))
    return Point(
        (px, py, pz),
        (nx, ny, nz),
        (min(r, 1.0), min(g, 1.0), min(b2, 1.0)),
        (max(r - 1.0, 0.0), max(g - 1.0, 0.0), max(b2 - 1.0, 0.0)),
        min(max(surfaces.finish[material, 1] * gloss, 0.08), 1.0),
        surfaces.finish[material, 2],
    )


@inlined
def _blend(
    values: NDArray[np.floating], a: int, b: int, c: int, f0: float, f1: float, f2: float
) -> Vector:
    return (
        f0 * values[a, 0] + f1 * values[b, 0] + f2 * values[c, 0],
        f0 * values[a, 1] + f1 * values[b, 1] + f2 * values[c, 1],
        f0 * values[a, 2] + f1 * values[b, 2] + f2 * values[c, 2],
    )


@inlined
def unit(x: float, y: float, z: float) -> Vector:
    """Scale a vector to length 1; a zero vector becomes the direction up."""
    length = math.sqrt(x * x + y * y + z * z)
    if length < 1e-12:
        return 0.0, 0.0, 1.0
    return x / length, y / length, z / length


@inlined
def _turned(frame: Frame, a: int, b: int, c: int) -> bool:
    """Return whether the back of a face is visible."""
    p, q, r = frame.vertices[a], frame.vertices[b], frame.vertices[c]
    ux, uy, uz = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    vx, vy, vz = r[0] - p[0], r[1] - p[1], r[2] - p[2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    eye = frame.eye
    return bool(nx * (eye[0] - p[0]) + ny * (eye[1] - p[1]) + nz * (eye[2] - p[2]) < 0.0)
