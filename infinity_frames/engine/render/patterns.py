"""Procedural patterns: how a material's color and gloss vary over a surface.

A pattern is a kernel ``pattern(u, v, w, footprint) -> (mix, tint, gloss)``; it may take fewer
coordinates. Coordinates are in repeats (meters divided by the material's ``scale``), with ``w``
along the axis that the surface faces. ``footprint`` is the width of a pixel in repeats: details
that are too fine for it are faded out instead of aliasing. ``mix`` blends the material's first
color into its second, ``tint`` multiplies the result, ``gloss`` multiplies the roughness.

A new pattern is a function here, its name in ``PATTERNS``, and its line in ``evaluate``.
"""

from __future__ import annotations

import math

from infinity_frames.engine.core.jit import kernel

__all__ = ["PATTERNS", "evaluate"]

PATTERNS = (
    "plain",
    "planks",
    "tiles",
    "rubber",
    "plaster",
    "fabric",
    "skin",
    "carpet",
    "brushed_metal",
    "painting_abstract",
    "stripes",
    "brick",
    "wood",
    "concrete",
)
"""Every pattern a material may name, in the order ``evaluate`` numbers them."""

_Texel = tuple[float, float, float]


@kernel
def _hash(x: int, y: int, z: int) -> float:
    """Uniform in 0..1 of a lattice point."""
    h = ((x * 73856093) ^ (y * 19349663) ^ (z * 83492791)) & 0xFFFFFFFF
    h = (((h >> 16) ^ h) * 0x45D9F3B) & 0xFFFFFFFF
    h = (((h >> 16) ^ h) * 0x45D9F3B) & 0xFFFFFFFF
    return ((h >> 16) ^ h) / 4294967296.0


@kernel
def _smooth(low: float, high: float, x: float) -> float:
    """Smooth step from 0 at ``low`` to 1 at ``high``; ``high`` may be the smaller one."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@kernel
def _keep(footprint: float, size: float) -> float:
    """Return the visibility of a detail of a given size at this footprint, 0..1."""
    return 1.0 - _smooth(0.3, 1.2, footprint / size)


@kernel
def _noise(x: float, y: float, z: float) -> float:
    """Value noise, 0..1, smooth, of unit wavelength."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - i, y - j, z - k
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    near = (1 - fy) * ((1 - fx) * _hash(i, j, k) + fx * _hash(i + 1, j, k)) + fy * (
        (1 - fx) * _hash(i, j + 1, k) + fx * _hash(i + 1, j + 1, k)
    )
    far = (1 - fy) * ((1 - fx) * _hash(i, j, k + 1) + fx * _hash(i + 1, j, k + 1)) + fy * (
        (1 - fx) * _hash(i, j + 1, k + 1) + fx * _hash(i + 1, j + 1, k + 1)
    )
    return (1 - fz) * near + fz * far


@kernel
def _fractal(x: float, y: float, z: float, footprint: float) -> float:
    """Three octaves of noise, 0..1, each faded by the footprint, around 0.5."""
    total = 0.5
    size = 1.0
    for octave in range(3):
        keep = _keep(footprint, size)
        if keep > 0.0:
            f = 1.0 / size
            total += size * 0.55 * keep * (_noise(x * f, y * f, z * f + 17.0 * octave) - 0.5)
        size *= 0.5
    return total


@kernel
def _line(distance: float, width: float, footprint: float) -> float:
    """Return the share of a pixel that a line covers, by the distance of their centers."""
    reach = 0.5 * max(footprint, 1e-6)
    return min(max((0.5 * width + reach - abs(distance)) / (2 * reach), 0.0), 1.0) * min(
        1.0, width / (2 * reach)
    )


@kernel
def _grid(x: float) -> float:
    """Return distance to the nearest whole number."""
    return abs(x - math.floor(x + 0.5))


@kernel
def _planks(u: float, v: float, footprint: float) -> _Texel:
    row = math.floor(v)
    along = u / 8.0 + 7.0 * _hash(row, 3, 0)
    board = math.floor(along)
    tone = _hash(row, board, 1)
    shift = 40.0 * _hash(row, board, 2)
    bend = 0.35 * _noise(u * 0.5 + shift, v * 1.5, 3.0)
    grain = _fractal(u * 0.35 + shift, (v + bend) * 7.0, shift, footprint * 7.0)
    fine = _noise(u * 1.3 + shift, v * 38.0, 9.0) - 0.5
    gap = max(_line(_grid(v), 0.018, footprint), _line(_grid(along) * 8.0, 0.018, footprint))
    mix = min(max(0.55 * tone + 0.9 * (grain - 0.5), 0.0), 1.0)
    tint = 0.9 + 0.2 * _hash(row, board, 5) + 0.12 * fine * _keep(footprint, 0.05)
    return mix, tint * (1.0 - 0.72 * gap), 0.85 + 0.4 * grain + gap


@kernel
def _tiles(u: float, v: float, w: float, footprint: float) -> _Texel:
    column, row = math.floor(u), math.floor(v)
    grout = max(_line(_grid(u), 0.025, footprint), _line(_grid(v), 0.025, footprint))
    cloud = _fractal(u * 2.0 + 9.0 * column, v * 2.0 + 5.0 * row, w, footprint * 2.0) - 0.5
    return grout, 0.95 + 0.1 * _hash(column, row, 1) + 0.1 * cloud, 1.0 + 1.5 * grout


@kernel
def _speck(u: float, v: float) -> float:
    """Scattered crumbs of various sizes, in one cell of three."""
    i, j = math.floor(u), math.floor(v)
    cover = 0.0
    for b in range(j - 1, j + 2):
        for a in range(i - 1, i + 2):
            if _hash(a, b, 7) < 0.35:
                x, y = u - a - _hash(a, b, 8), v - b - _hash(a, b, 9)
                size = 0.12 + 0.3 * _hash(a, b, 10)
                stretch = 0.6 + 0.8 * _hash(a, b, 11)
                far = math.sqrt(x * x * stretch + y * y / stretch + 0.8 * x * y * (stretch - 1.0))
                cover = max(cover, _smooth(size + 0.12, size - 0.12, far))
    return cover


@kernel
def _rubber(u: float, v: float, w: float, footprint: float) -> _Texel:
    keep = _keep(footprint, 0.16)
    speck = _speck(4.0 * u, 4.0 * v) * keep + 0.12 * (1.0 - keep)
    wear = _fractal(u * 0.1, v * 0.1, w * 0.1, footprint * 0.1) - 0.5
    return 0.8 * speck, 1.0 + 0.14 * wear, 1.0 + 0.2 * wear


@kernel
def _plaster(u: float, v: float, w: float, footprint: float) -> _Texel:
    broad = _fractal(u * 1.2, v * 1.2, w, footprint * 1.2) - 0.5
    fine = (_noise(u * 45.0, v * 45.0, w * 45.0) - 0.5) * _keep(footprint, 0.022)
    return 0.25 + 0.5 * broad, 1.0 + 0.06 * broad + 0.05 * fine, 1.0


@kernel
def _fabric(u: float, v: float, w: float, footprint: float) -> _Texel:
    # Wavelengths in repeats: threads 1, slubs some, and soft folds of several centimeters.
    keep = _keep(footprint, 0.5)
    thread = math.sin(6.2832 * (u + 0.5 * w)) * math.sin(6.2832 * (v - 0.5 * w)) * keep
    slub = _fractal(u * 0.16, v * 0.16, w * 0.16, footprint * 0.16) - 0.5
    fold = _noise(u * 0.022 + 0.4 * slub, v * 0.022, w * 0.022) - 0.5
    return 0.35 + 0.25 * thread + 0.3 * slub - 0.5 * fold, 1.0 + 0.1 * thread + 0.18 * fold, 1.0


@kernel
def _skin(u: float, v: float, w: float, footprint: float) -> _Texel:
    broad = _noise(u * 0.6, v * 0.6, w * 0.6)
    fine = _fractal(u * 4.0, v * 4.0, w * 4.0, footprint * 4.0) - 0.5
    return 0.28 * broad + 0.22 * fine, 1.0 + 0.06 * fine, 1.0 + 0.25 * fine


@kernel
def _carpet(u: float, v: float, w: float, footprint: float) -> _Texel:
    tuft = (_noise(u, v, w) - 0.5) * _keep(footprint, 0.6)
    patch = _fractal(u * 0.04, v * 0.04, w * 0.04, footprint * 0.04) - 0.5
    return 0.4 + 0.8 * tuft + 0.5 * patch, 1.0 + 0.35 * tuft + 0.15 * patch, 1.0


@kernel
def _brushed_metal(u: float, v: float, w: float, footprint: float) -> _Texel:
    keep = _keep(footprint, 0.03)
    streak = (_noise(u * 0.8, v * 30.0, w * 30.0) - 0.5) * keep
    return 0.5 + streak, 1.0 + 0.16 * streak, 1.0 + 0.5 * streak


@kernel
def _painting_abstract(u: float, v: float, footprint: float) -> _Texel:
    # Overlapping discs and bars on a ground, then brush strokes over all.
    mix, tint = 0.12, 1.0
    i, j = math.floor(u * 0.8), math.floor(v * 0.8)
    for dj in range(-1, 2):
        for di in range(-1, 2):
            a, b = i + di, j + dj
            x = u * 0.8 - a - _hash(a, b, 1)
            y = v * 0.8 - b - _hash(a, b, 2)
            size = 0.2 + 0.4 * _hash(a, b, 3)
            inside = size - math.sqrt(x * x + y * y)
            if _hash(a, b, 4) > 0.6:
                inside = size - max(abs(x) * 2.5, abs(y))
            cover = _smooth(-0.02 - footprint, 0.02 + footprint, inside)
            mix += cover * (_hash(a, b, 5) - mix)
            tint += cover * (0.35 + 1.2 * _hash(a, b, 6) - tint)
    stroke = _noise(u * 2.5, v * 30.0, 4.0) - 0.5
    return mix, tint * (1.0 + 0.2 * stroke * _keep(footprint, 0.05)), 1.0


@kernel
def _stripes(u: float, footprint: float) -> _Texel:
    edge = 0.5 - 2.0 * _grid(u)  # above 0 within half a repeat
    keep = _keep(footprint, 1.0)
    band = _smooth(-2.0 * footprint - 0.01, 2.0 * footprint + 0.01, edge)
    return band * keep + 0.5 * (1.0 - keep), 1.0, 1.0


@kernel
def _brick(u: float, v: float, w: float, footprint: float) -> _Texel:
    # A repeat is the length of a brick, three courses high.
    row = math.floor(3.0 * v)
    along = u + 0.5 * (row & 1)
    brick = math.floor(along)
    joint = 0.045
    mortar = max(
        _line(_grid(3.0 * v) / 3.0, joint, footprint), _line(_grid(along), joint, footprint)
    )
    rough = _fractal(u * 9.0, v * 9.0, w, footprint * 9.0) - 0.5
    tone = 0.75 + 0.45 * _hash(row, brick, 1)
    return mortar, mortar + (1.0 - mortar) * tone + 0.3 * rough, 1.0


@kernel
def _wood(u: float, v: float, w: float, footprint: float) -> _Texel:
    # Growth rings about an axis that runs along u, cut by the surface.
    bend = _fractal(u * 0.4, v * 0.9, w * 0.9, footprint)
    y, z = v + 0.5 * bend + 2.3, w + 0.3 * bend + 1.1
    ring = math.sqrt(y * y + z * z) * 5.0 + 2.0 * bend
    keep = _keep(footprint, 0.12)
    grain = (ring - math.floor(ring) - 0.5) * keep
    fiber = (_noise(u * 1.5, v * 40.0, w * 40.0) - 0.5) * _keep(footprint, 0.04)
    return 0.4 + 0.45 * grain + 0.5 * (bend - 0.5), 1.0 + 0.12 * fiber, 1.0 + 0.2 * grain


@kernel
def _concrete(u: float, v: float, w: float, footprint: float) -> _Texel:
    stain = _fractal(u * 0.8, v * 0.8, w * 0.8, footprint * 0.8) - 0.5
    grit = (_noise(u * 30.0, v * 30.0, w * 30.0) - 0.5) * _keep(footprint, 0.03)
    joint = max(
        _line(_grid(u / 4.0) * 4.0, 0.012, footprint), _line(_grid(v / 4.0) * 4.0, 0.012, footprint)
    )
    return (
        0.4 + 0.9 * stain,
        (1.0 + 0.1 * stain + 0.14 * grit) * (1.0 - 0.5 * joint),
        1.0 + 0.4 * stain,
    )


@kernel
def evaluate(pattern: int, u: float, v: float, w: float, footprint: float) -> _Texel:
    """Evaluate the pattern with a given number in ``PATTERNS``."""
    if pattern == 1:
        return _planks(u, v, footprint)
    if pattern == 2:
        return _tiles(u, v, w, footprint)
    if pattern == 3:
        return _rubber(u, v, w, footprint)
    if pattern == 4:
        return _plaster(u, v, w, footprint)
    if pattern == 5:
        return _fabric(u, v, w, footprint)
    if pattern == 6:
        return _skin(u, v, w, footprint)
    if pattern == 7:
        return _carpet(u, v, w, footprint)
    if pattern == 8:
        return _brushed_metal(u, v, w, footprint)
    if pattern == 9:
        return _painting_abstract(u, v, footprint)
    if pattern == 10:
        return _stripes(u, footprint)
    if pattern == 11:
        return _brick(u, v, w, footprint)
    if pattern == 12:
        return _wood(u, v, w, footprint)
    if pattern == 13:
        return _concrete(u, v, w, footprint)
    return 0.0, 1.0, 1.0
