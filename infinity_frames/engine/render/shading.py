"""Radiance towards the camera of a point on a face.

Units: W/m^2/sr, so a diffuse white sheet 2.5 m from a lamp of 100 W has about 1.6.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render._jit import kernel
from infinity_frames.engine.render.geometry import Surfaces
from infinity_frames.engine.render.lighting import Ambient, Lamps
from infinity_frames.engine.render.maps import DepthMaps, blocked
from infinity_frames.engine.render.patterns import evaluate

__all__ = ["REACH", "Body", "Frame", "Lighting", "Point", "point_at", "radiance", "unmoving_light"]

REACH = 1.4
"""How far away a thing can be and still dim the ambient light of a point, m."""

_BIAS = 0.012  # m, by which maps are not trusted: texels and coarser shadow faces
_SHELL = 0.6  # how dark a wall makes its corners; it reflects light itself
_BODY = 0.9

_Vector = tuple[float, float, float]


class Frame(NamedTuple):
    """The vertices of one frame, and the camera that sees them."""

    clip: NDArray[np.float64]  # (V, 3)
    vertices: NDArray[np.float64]  # (V, 3)
    normals: NDArray[np.float64]  # (V, 3)
    eye: NDArray[np.float64]  # (3,)
    focal: float  # px


class Body(NamedTuple):
    """What some casters hide: of each lamp point, and of each ambient direction."""

    shadow: DepthMaps
    ambient: DepthMaps
    low: NDArray[np.float64]  # (3,) corners of a box around the casters
    high: NDArray[np.float64]  # (3,)


class Lighting(NamedTuple):
    """All light, and what stands in its way."""

    lamps: Lamps
    ambient: Ambient
    still: Body
    moving: Body
    shell: DepthMaps  # walls and the like, which block no lamp


class Point(NamedTuple):
    """A point on a surface, ready to be lit."""

    position: _Vector
    normal: _Vector
    color: _Vector
    roughness: float
    specular: float


@kernel
def point_at(surfaces: Surfaces, frame: Frame, face: int, x: float, y: float) -> Point:
    """What lies at pixel coordinates (x, y) on a face."""
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
    nx, ny, nz = _unit(*_blend(frame.normals, a, b, c, f0, f1, f2))
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
    return Point(
        (px, py, pz),
        (nx, ny, nz),
        (
            min(r * tint * (first[0] + mix * (second[0] - first[0])), 0.95),
            min(g * tint * (first[1] + mix * (second[1] - first[1])), 0.95),
            min(b2 * tint * (first[2] + mix * (second[2] - first[2])), 0.95),
        ),
        min(max(surfaces.finish[material, 1] * gloss, 0.08), 1.0),
        surfaces.finish[material, 2],
    )


@kernel
def _blend(
    values: NDArray[np.float64], a: int, b: int, c: int, f0: float, f1: float, f2: float
) -> _Vector:
    return (
        f0 * values[a, 0] + f1 * values[b, 0] + f2 * values[c, 0],
        f0 * values[a, 1] + f1 * values[b, 1] + f2 * values[c, 1],
        f0 * values[a, 2] + f1 * values[b, 2] + f2 * values[c, 2],
    )


@kernel
def _unit(x: float, y: float, z: float) -> _Vector:
    length = math.sqrt(x * x + y * y + z * z)
    if length < 1e-12:
        return 0.0, 0.0, 1.0
    return x / length, y / length, z / length


@kernel
def _turned(frame: Frame, a: int, b: int, c: int) -> bool:
    """Whether a face is seen from behind."""
    p, q, r = frame.vertices[a], frame.vertices[b], frame.vertices[c]
    ux, uy, uz = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    vx, vy, vz = r[0] - p[0], r[1] - p[1], r[2] - p[2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    eye = frame.eye
    return nx * (eye[0] - p[0]) + ny * (eye[1] - p[1]) + nz * (eye[2] - p[2]) < 0.0


@kernel
def _crosses(
    body: Body, x: float, y: float, z: float, to: NDArray[np.float64], margin: float
) -> bool:
    """Whether the segment from a point to a light meets the box around the casters."""
    enter, leave = 0.0, 1.0
    for axis in range(3):
        start = x if axis == 0 else (y if axis == 1 else z)
        delta = to[axis] - start
        low, high = body.low[axis] - margin - start, body.high[axis] + margin - start
        if abs(delta) < 1e-9:
            if low > 0.0 or high < 0.0:
                return False
            continue
        near, far = low / delta, high / delta
        if near > far:
            near, far = far, near
        enter, leave = max(enter, near), min(leave, far)
    return enter <= leave


@kernel
def _touched(body: Body, x: float, y: float, z: float) -> bool:
    """Whether the casters are near enough to dim a point's ambient light."""
    dx = max(body.low[0] - x, x - body.high[0], 0.0)
    dy = max(body.low[1] - y, y - body.high[1], 0.0)
    dz = max(body.low[2] - z, z - body.high[2], 0.0)
    return dx * dx + dy * dy + dz * dz < REACH * REACH


@kernel
def influenced(lighting: Lighting, x: float, y: float, z: float) -> bool:
    """Whether what moves can change the light at a point."""
    if _touched(lighting.moving, x, y, z):
        return True
    lamps = lighting.lamps
    for light in range(len(lamps.size)):
        if _crosses(lighting.moving, x, y, z, lamps.centre[light], 0.5 * lamps.size[light]):
            return True
    return False


@kernel
def unmoving_light(
    lighting: Lighting, point: Point, with_shell: bool, seen: NDArray[np.float32]
) -> _Vector:
    """What of the lamps' points is seen past what stands still, and the ambient light.

    ``seen`` (N,) is filled, 0..1; the ambient light is returned, averaged over the hemisphere.
    """
    x, y, z = point.position
    nx, ny, nz = point.normal
    x, y, z = x + nx * _BIAS, y + ny * _BIAS, z + nz * _BIAS
    for i in range(len(seen)):
        seen[i] = 1.0 - blocked(lighting.still.shadow, i, x, y, z, _BIAS, 0.0)
    ambient = lighting.ambient
    near = _touched(lighting.still, x, y, z)
    red, green, blue, total = 0.0, 0.0, 0.0, 1e-9
    for i in range(len(ambient.direction)):
        d = ambient.direction[i]
        cosine = nx * d[0] + ny * d[1] + nz * d[2]
        if cosine <= 0.0:
            continue
        total += cosine
        if near:
            cosine *= 1.0 - _BODY * blocked(lighting.still.ambient, i, x, y, z, _BIAS, REACH)
        if with_shell:
            out = 0.03
            cosine *= 1.0 - _SHELL * blocked(
                lighting.shell, i, x + out * nx, y + out * ny, z + out * nz, _BIAS, REACH
            )
        red += cosine * ambient.radiance[i, 0]
        green += cosine * ambient.radiance[i, 1]
        blue += cosine * ambient.radiance[i, 2]
    return red / total, green / total, blue / total


@kernel
def _openness(lighting: Lighting, point: Point) -> float:
    """The share of its ambient light that what moves leaves a point, 0..1."""
    x, y, z = point.position
    nx, ny, nz = point.normal
    x, y, z = x + nx * _BIAS, y + ny * _BIAS, z + nz * _BIAS
    if not _touched(lighting.moving, x, y, z):
        return 1.0
    ambient = lighting.ambient
    open_, total = 0.0, 1e-9
    for i in range(len(ambient.direction)):
        d = ambient.direction[i]
        cosine = nx * d[0] + ny * d[1] + nz * d[2]
        if cosine > 0.0:
            cosine *= ambient.radiance[i, 1]
            total += cosine
            hidden = blocked(lighting.moving.ambient, i, x, y, z, _BIAS, REACH)
            open_ += cosine * (1.0 - _BODY * hidden)
    return open_ / total


@kernel
def radiance(
    lighting: Lighting,
    point: Point,
    eye: NDArray[np.float64],
    seen: NDArray[np.float32],
    ambient: _Vector,
) -> _Vector:
    """Light sent to the camera, given what ``unmoving_light`` found; adds what moves."""
    x, y, z = point.position
    nx, ny, nz = point.normal
    vx, vy, vz = _unit(eye[0] - x, eye[1] - y, eye[2] - z)
    facing = max(nx * vx + ny * vy + nz * vz, 0.02)
    lamps = lighting.lamps
    bx, by, bz = x + nx * _BIAS, y + ny * _BIAS, z + nz * _BIAS
    diffuse_r, diffuse_g, diffuse_b = 0.0, 0.0, 0.0
    gloss_r, gloss_g, gloss_b = 0.0, 0.0, 0.0
    for light in range(len(lamps.size)):
        crosses = _crosses(
            lighting.moving, bx, by, bz, lamps.centre[light], 0.5 * lamps.size[light]
        )
        sum_r, sum_g, sum_b = 0.0, 0.0, 0.0
        for i in range(lamps.first[light], lamps.first[light + 1]):
            lx, ly, lz = (
                lamps.position[i, 0] - x,
                lamps.position[i, 1] - y,
                lamps.position[i, 2] - z,
            )
            squared = lx * lx + ly * ly + lz * lz
            distance = math.sqrt(squared)
            cosine = (nx * lx + ny * ly + nz * lz) / distance
            f = lamps.facing[i]
            emitted = -(f[0] * lx + f[1] * ly + f[2] * lz) / distance
            if cosine <= 0.0 or emitted <= 0.0 or seen[i] <= 0.0:
                continue
            share = cosine * emitted / max(squared, 0.05) * seen[i]
            if crosses:
                share *= 1.0 - blocked(lighting.moving.shadow, i, bx, by, bz, _BIAS, 0.0)
            sum_r += share * lamps.intensity[i, 0]
            sum_g += share * lamps.intensity[i, 1]
            sum_b += share * lamps.intensity[i, 2]
        if sum_g > 0.0 or sum_r > 0.0 or sum_b > 0.0:
            c = lamps.centre[light]
            lx, ly, lz = c[0] - x, c[1] - y, c[2] - z
            wide = 0.5 * lamps.size[light] / math.sqrt(lx * lx + ly * ly + lz * lz)
            lx, ly, lz = _unit(lx, ly, lz)
            lobe = _specular(point, facing, wide, lx, ly, lz, vx, vy, vz)
            gloss_r += lobe * sum_r
            gloss_g += lobe * sum_g
            gloss_b += lobe * sum_b
        diffuse_r += sum_r
        diffuse_g += sum_g
        diffuse_b += sum_b
    open_ = _openness(lighting, point)
    # Fresnel reflection of the room, dimmer the rougher the surface (Lazarov, 2013, simplified).
    fresnel = point.specular + (1.0 - point.specular) * (1.0 - facing) ** 5 * (
        1.0 - point.roughness
    )
    metal = min(max((point.specular - 0.1) * 2.5, 0.0), 1.0)
    r, g, b = point.color
    matt = (1.0 - fresnel) * (1.0 - metal)
    sr, sg, sb = 1.0 + metal * (r - 1.0), 1.0 + metal * (g - 1.0), 1.0 + metal * (b - 1.0)
    mirror = fresnel * open_
    return (
        r * matt * (diffuse_r / math.pi + ambient[0] * open_)
        + sr * (gloss_r + mirror * ambient[0]),
        g * matt * (diffuse_g / math.pi + ambient[1] * open_)
        + sg * (gloss_g + mirror * ambient[1]),
        b * matt * (diffuse_b / math.pi + ambient[2] * open_)
        + sb * (gloss_b + mirror * ambient[2]),
    )


@kernel
def _specular(
    point: Point,
    facing: float,
    wide: float,
    lx: float,
    ly: float,
    lz: float,
    vx: float,
    vy: float,
    vz: float,
) -> float:
    """Cook-Torrance with the GGX distribution, its lobe widened by the light's extent.

    Karis, "Real shading in Unreal Engine 4" (2013): the widened lobe keeps its energy.
    """
    nx, ny, nz = point.normal
    hx, hy, hz = _unit(lx + vx, ly + vy, lz + vz)
    half = max(nx * hx + ny * hy + nz * hz, 0.0)
    toward = max(vx * hx + vy * hy + vz * hz, 0.0)
    light = max(nx * lx + ny * ly + nz * lz, 0.0)
    narrow = point.roughness * point.roughness
    alpha = min(narrow + 0.5 * wide, 1.0)
    squared = alpha * alpha
    bottom = half * half * (squared - 1.0) + 1.0
    distribution = squared / (math.pi * bottom * bottom)
    k = 0.5 * narrow
    visible = 1.0 / ((light * (1.0 - k) + k) * (facing * (1.0 - k) + k) * 4.0 + 1e-6)
    fresnel = point.specular + (1.0 - point.specular) * (1.0 - toward) ** 5
    return distribution * visible * fresnel
