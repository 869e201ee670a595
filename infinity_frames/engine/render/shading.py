"""Shading: the light that reaches a point, and the part that leaves it towards the camera.

It has two steps, and static objects need the first only once: ``irradiance`` computes the light of
each lamp and of the room, shadowed by static objects; ``attenuate`` computes the share that moving
objects leave. Units: W/m^2/sr; a diffuse white sheet 2.5 m below a lamp of 100 W has about 1.6.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined
from infinity_frames.engine.render.lighting import Ambient, Lamps
from infinity_frames.engine.render.probes import REACH, Probes, gather
from infinity_frames.engine.render.shadow_maps import DepthMaps, occluded, shadowed
from infinity_frames.engine.render.surface import Point, Vector, unit

__all__ = ["Body", "Lighting", "attenuate", "influenced", "irradiance"]

_BIAS = 0.012  # m, tolerance of maps: texels and coarser shadow faces
_TEXEL = 0.045  # m, the same for the coarser maps of static objects
_SHELL = 0.6  # strength of a wall's ambient occlusion of a corner; the wall reflects light itself
_BODY = 0.9  # the same of any other object


class Body(NamedTuple):
    """Shadow maps of some casters: of each lamp point and of each ambient direction."""

    shadow: DepthMaps
    ambient: DepthMaps
    low: NDArray[np.float64]  # (3,) corners of a box around the casters
    high: NDArray[np.float64]  # (3,)


class Lighting(NamedTuple):
    """All lights and their shadow casters."""

    lamps: Lamps
    ambient: Ambient
    static: Body
    moving: Body
    shell: DepthMaps  # walls and the like, which block no lamp
    probes: Probes  # cache of the shadows of ``static``


@inlined
def _crosses(
    body: Body, x: float, y: float, z: float, to: NDArray[np.float64], margin: float
) -> bool:
    """Return whether the segment from a point to a light meets the box around the casters."""
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


@inlined
def _touched(body: Body, x: float, y: float, z: float) -> bool:
    """Return whether the casters are near enough to dim a point's ambient light."""
    dx = max(body.low[0] - x, x - body.high[0], 0.0)
    dy = max(body.low[1] - y, y - body.high[1], 0.0)
    dz = max(body.low[2] - z, z - body.high[2], 0.0)
    return bool(dx * dx + dy * dy + dz * dz < REACH * REACH)


@inlined
def influenced(lighting: Lighting, position: Vector) -> bool:
    """Return whether moving objects can change the light at a point."""
    if _touched(lighting.moving, *position):
        return True
    lamps = lighting.lamps
    for light in range(len(lamps.size)):
        if _crosses(lighting.moving, *position, lamps.center[light], 0.5 * lamps.size[light]):
            return True
    return False


@inlined
def irradiance(
    lighting: Lighting,
    point: Point,
    eye: NDArray[np.float64],
    moves: bool,
    hidden: NDArray[np.float32],
    parts: NDArray[np.float64],
    share: NDArray[np.uint8],
    direct: NDArray[np.float32],
) -> Vector:
    """Compute the light sent to the camera in the absence of moving objects.

    Parameters
    ----------
    lighting, point, eye
        The scene's light, the lit point, and the position of the camera.
    moves : bool
        The point is on a moving object: shadows of static objects are interpolated, and walls do
        not dim their corners.
    hidden : (N + D,) float32 array
    parts : (N,) float64 array
        Scratch space.
    share : (N,) uint8 array
        Filled: the lamp points' relative parts in the light of their lamp.
    direct : (L, 3) float32 array
        Filled: radiance due to each lamp.

    Returns
    -------
    tuple of float
        Radiance due to the room.
    """
    x, y, z = point.position
    nx, ny, nz = point.normal
    vx, vy, vz = unit(eye[0] - x, eye[1] - y, eye[2] - z)
    facing = max(nx * vx + ny * vy + nz * vz, 0.02)
    # Fresnel reflection of the room, dimmer the rougher the surface.
    gloss = 1.0 - point.roughness
    fresnel = point.specular + (1.0 - point.specular) * (1.0 - facing) ** 5 * gloss
    metal = min(max((point.specular - 0.1) * 2.5, 0.0), 1.0)
    matt = (1.0 - fresnel) * (1.0 - metal)
    lamps = lighting.lamps
    if moves:
        static = lighting.static
        gather(lighting.probes, static.shadow, static.ambient, point.position, hidden)
    for light in range(len(lamps.size)):
        first, last = lamps.first[light], lamps.first[light + 1]
        sent = _lamp_irradiance(lighting, point, first, last, moves, hidden, parts, share)
        if sent > 0.0 and lamps.first_opening[light + 1] > lamps.first_opening[light]:
            sent *= _through_openings(lamps, light, point.position)
            if sent == 0.0:  # an unlit point needs no shadows
                for i in range(first, last):
                    share[i] = 0
        lobe = 0.0
        if sent > 0.0:
            c = lamps.center[light]
            lx, ly, lz = c[0] - x, c[1] - y, c[2] - z
            wide = 0.5 * lamps.size[light] / math.sqrt(lx * lx + ly * ly + lz * lz)
            lx, ly, lz = unit(lx, ly, lz)
            lobe = _specular(point, facing, wide, lx, ly, lz, vx, vy, vz)
        for k in range(3):
            tinted = 1.0 + metal * (point.color[k] - 1.0)
            sends = point.color[k] * matt / math.pi + lobe * tinted
            direct[light, k] = sent * lamps.intensity[first, k] * sends
    r, g, b = _surrounding(lighting, point, moves, hidden)
    return (
        r * (point.color[0] * matt + fresnel * (1.0 + metal * (point.color[0] - 1.0))),
        g * (point.color[1] * matt + fresnel * (1.0 + metal * (point.color[1] - 1.0))),
        b * (point.color[2] * matt + fresnel * (1.0 + metal * (point.color[2] - 1.0))),
    )


@inlined
def _through_openings(lamps: Lamps, light: int, position: Vector) -> float:
    """Return the share of a light that reaches a point through the light's apertures, 0..1."""
    x, y, z = position
    c = lamps.center[light]
    dx, dy, dz = c[0] - x, c[1] - y, c[2] - z
    total = 0.0
    for i in range(lamps.first_opening[light], lamps.first_opening[light + 1]):
        o, u, v = lamps.opening[i, 0], lamps.opening[i, 1], lamps.opening[i, 2]
        nx, ny, nz = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
        along = nx * dx + ny * dy + nz * dz
        if along == 0.0:
            continue
        at = (nx * (o[0] - x) + ny * (o[1] - y) + nz * (o[2] - z)) / along
        if at <= 0.0 or at >= 1.0:
            continue
        hx, hy, hz = x + at * dx - o[0], y + at * dy - o[1], z + at * dz - o[2]
        # The light's extent, seen from the point, blurs the edges of the opening.
        blur = max(lamps.size[light] * at, 0.004)
        total += _inside_by(hx, hy, hz, u, blur) * _inside_by(hx, hy, hz, v, blur)
    return min(total, 1.0)


@inlined
def _inside_by(x: float, y: float, z: float, half: NDArray[np.float64], blur: float) -> float:
    """Return the position of a point within the blurred edge of a strip, 0 outside to 1 inside."""
    length = math.sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2])
    away = abs(x * half[0] + y * half[1] + z * half[2]) / length
    return float(min(max((length - away) / blur + 0.5, 0.0), 1.0))


@inlined
def _lamp_irradiance(
    lighting: Lighting,
    point: Point,
    first: int,
    last: int,
    moves: bool,
    hidden: NDArray[np.float32],
    parts: NDArray[np.float64],
    share: NDArray[np.uint8],
) -> float:
    """Return the irradiance by one lamp, per unit of intensity; fill its points' ``share``."""
    lamps = lighting.lamps
    x, y, z = point.position
    nx, ny, nz = point.normal
    bx, by, bz = x + nx * _TEXEL, y + ny * _TEXEL, z + nz * _TEXEL
    total, largest = 0.0, 0.0
    for i in range(first, last):
        p, f = lamps.position[i], lamps.facing[i]
        lx, ly, lz = p[0] - x, p[1] - y, p[2] - z
        squared = lx * lx + ly * ly + lz * lz
        cosine = nx * lx + ny * ly + nz * lz
        emitted = -(f[0] * lx + f[1] * ly + f[2] * lz)
        part = 0.0
        if cosine > 0.0 and emitted > 0.0:
            part = cosine * emitted / (squared * max(squared, 0.05))
            if moves:
                part *= 1.0 - hidden[i]
            else:
                part *= 1.0 - shadowed(lighting.static.shadow, i, bx, by, bz, _BIAS)
        parts[i] = part
        total += part
        largest = max(largest, part)
    for i in range(first, last):
        share[i] = 0 if largest == 0.0 else int(parts[i] / largest * 255.0 + 0.5)
    return total


@inlined
def _surrounding(
    lighting: Lighting, point: Point, moves: bool, hidden: NDArray[np.float32]
) -> Vector:
    """Return the ambient radiance, averaged over the visible hemisphere of the point."""
    x, y, z = point.position
    nx, ny, nz = point.normal
    x, y, z = x + nx * _BIAS, y + ny * _BIAS, z + nz * _BIAS
    out = 0.03  # m, off a wall, so that it does not dim itself
    sx, sy, sz = x + out * nx, y + out * ny, z + out * nz
    ambient = lighting.ambient
    lamp_points = len(lighting.lamps.position)
    near = _touched(lighting.static, x, y, z)
    red, green, blue, total = 0.0, 0.0, 0.0, 1e-9
    for i in range(len(ambient.direction)):
        d = ambient.direction[i]
        cosine = nx * d[0] + ny * d[1] + nz * d[2]
        if cosine <= 0.0:
            continue
        total += cosine
        if moves:
            cosine *= 1.0 - _BODY * hidden[lamp_points + i]
        elif near:
            cosine *= 1.0 - _BODY * occluded(lighting.static.ambient, i, x, y, z, _BIAS, REACH)
        if not moves:
            cosine *= 1.0 - _SHELL * occluded(lighting.shell, i, sx, sy, sz, _BIAS, REACH)
        red += cosine * ambient.radiance[i, 0]
        green += cosine * ambient.radiance[i, 1]
        blue += cosine * ambient.radiance[i, 2]
    return red / total, green / total, blue / total


@inlined
def attenuate(
    lighting: Lighting,
    position: Vector,
    normal: Vector,
    share: NDArray[np.uint8],
    left: NDArray[np.float32],
) -> None:
    """Compute the share of the light from ``irradiance`` that moving objects leave, 0..1.

    Fill the NaN values of ``left`` (L + 1,): of each lamp's light, then of the room's.
    """
    x, y, z = position
    nx, ny, nz = normal
    x, y, z = x + nx * _BIAS, y + ny * _BIAS, z + nz * _BIAS
    lamps = lighting.lamps
    for light in range(len(lamps.size)):
        if not math.isnan(left[light]):
            continue
        left[light] = 1.0
        if _crosses(lighting.moving, x, y, z, lamps.center[light], 0.5 * lamps.size[light]):
            total, passed = 1e-9, 1e-9
            for i in range(lamps.first[light], lamps.first[light + 1]):
                if share[i] > 0:
                    part = float(share[i])
                    total += part
                    hidden = shadowed(lighting.moving.shadow, i, x, y, z, _BIAS)
                    passed += part * (1.0 - hidden)
            left[light] = passed / total
    if math.isnan(left[len(lamps.size)]):
        left[len(lamps.size)] = _openness(lighting, x, y, z, nx, ny, nz)


@inlined
def _openness(
    lighting: Lighting, x: float, y: float, z: float, nx: float, ny: float, nz: float
) -> float:
    """Return the share of a point's ambient light that moving objects leave, 0..1."""
    if not _touched(lighting.moving, x, y, z):
        return 1.0
    ambient = lighting.ambient
    hidden, total = 0.0, 1e-9
    for i in range(len(ambient.direction)):
        d = ambient.direction[i]
        cosine = nx * d[0] + ny * d[1] + nz * d[2]
        if cosine > 0.0:
            cosine *= ambient.radiance[i, 1]
            total += cosine
            hidden += cosine * occluded(lighting.moving.ambient, i, x, y, z, _BIAS, REACH)
    return 1.0 - _BODY * hidden / total


@inlined
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

    After Karis, "Real shading in Unreal Engine 4" (2013).
    """
    nx, ny, nz = point.normal
    hx, hy, hz = unit(lx + vx, ly + vy, lz + vz)
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
