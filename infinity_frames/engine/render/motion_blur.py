"""Motion blur: radiance gathered along the motion of the visible surfaces.

The filter is that of McGuire, Hennessy, Bukowski and Osman ("A reconstruction filter for plausible
motion blur", 2012): a pixel gathers along the fastest motion in its neighborhood, and depth and
speed decide which samples cover it during the exposure.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined, kernel

__all__ = ["blurred", "pixel_motion"]

_SHORT = 0.5  # px, shorter paths are not blurred
_MOST_SAMPLES = 24
_DEPTH = 0.05  # m, difference in depth from which one surface counts as before another
_WIDEST = 1 / 12  # longest half path, as a share of the longer side


@kernel
def pixel_motion(
    faces: NDArray[np.int32],
    clip: NDArray[np.float64],
    later: NDArray[np.float64],
    lens: NDArray[np.float64],
    face: NDArray[np.int32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` (n, 2) with the motion in the image of the surface points at some samples, px.

    ``clip`` and ``later`` are homogeneous pixel coordinates of the vertices at two moments; ``x``
    and ``y`` are undistorted.
    """
    for i in range(len(face)):
        a, b, c = faces[face[i], 0], faces[face[i], 1], faces[face[i], 2]
        x0, y0, w0 = clip[a]
        x1, y1, w1 = clip[b]
        x2, y2, w2 = clip[c]
        f0 = (y1 * w2 - w1 * y2) * x[i] + (w1 * x2 - x1 * w2) * y[i] + (x1 * y2 - y1 * x2)
        f1 = (y2 * w0 - w2 * y0) * x[i] + (w2 * x0 - x2 * w0) * y[i] + (x2 * y0 - y2 * x0)
        f2 = (y0 * w1 - w0 * y1) * x[i] + (w0 * x1 - x0 * w1) * y[i] + (x0 * y1 - y0 * x1)
        depth = f0 * later[a, 2] + f1 * later[b, 2] + f2 * later[c, 2]
        total = f0 + f1 + f2
        if total == 0.0 or depth / total <= 1e-3:
            continue
        u = (f0 * later[a, 0] + f1 * later[b, 0] + f2 * later[c, 0]) / depth
        v = (f0 * later[a, 1] + f1 * later[b, 1] + f2 * later[c, 1]) / depth
        end_x, end_y = _distorted(lens, u, v)
        start_x, start_y = _distorted(lens, x[i], y[i])
        out[i, 0], out[i, 1] = end_x - start_x, end_y - start_y


@inlined
def _distorted(lens: NDArray[np.float64], x: float, y: float) -> tuple[float, float]:
    u, v = (x - lens[0]) / lens[2], (y - lens[1]) / lens[3]
    factor = 1.0 + lens[4] * min(u * u + v * v, lens[5])
    return lens[0] + lens[2] * u * factor, lens[1] + lens[3] * v * factor


def blurred(
    color: NDArray[np.float32], motion: NDArray[np.float32], inverse_depth: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Blur a picture along the motion of its surfaces.

    Parameters
    ----------
    color : (H, W, 3) float32 array
        Radiance at the middle of the exposure.
    motion : (H, W, 2) float32 array
        From the middle of the exposure to its end, px.
    inverse_depth : (H, W) float64 array
        1/m; 0 for background.

    Returns
    -------
    (H, W, 3) float32 array
    """
    widest = max(math.ceil(_WIDEST * max(color.shape[:2])), 1)
    fastest = _fastest(motion, widest)
    out = color.copy()
    _gather(color, motion, inverse_depth, fastest, widest, out)
    return out


@kernel
def _fastest(motion: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the longest motion in and around every square of pixels, at most its side."""
    height, width, _ = motion.shape
    rows, columns = (height + size - 1) // size, (width + size - 1) // size
    own = np.zeros((rows, columns, 2), np.float32)
    for row in range(height):
        for column in range(width):
            x, y = motion[row, column]
            best = own[row // size, column // size]
            if x * x + y * y > best[0] * best[0] + best[1] * best[1]:
                best[0], best[1] = x, y
    out = np.zeros_like(own)
    for row in range(rows):
        for column in range(columns):
            best = out[row, column]
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    x, y = own[r, c]
                    if x * x + y * y > best[0] * best[0] + best[1] * best[1]:
                        best[0], best[1] = x, y
            length = math.sqrt(best[0] * best[0] + best[1] * best[1])
            if length > size:
                best[0], best[1] = best[0] * size / length, best[1] * size / length
    return out


@inlined
def _depth_at(inverse_depth: NDArray[np.float64], row: int, column: int) -> float:
    return float(1.0 / max(inverse_depth[row, column], 1e-3))


@inlined
def _length_at(motion: NDArray[np.float32], row: int, column: int, most: int) -> float:
    x, y = motion[row, column, 0], motion[row, column, 1]
    return min(math.sqrt(x * x + y * y), float(most))


@inlined
def _cone(distance: float, length: float) -> float:
    return min(max(1.0 - distance / max(length, 1e-6), 0.0), 1.0)


@inlined
def _cylinder(distance: float, length: float) -> float:
    t = min(max((distance - 0.95 * length) / max(0.1 * length, 1e-6), 0.0), 1.0)
    return 1.0 - t * t * (3.0 - 2.0 * t)


@kernel
def _gather(
    color: NDArray[np.float32],
    motion: NDArray[np.float32],
    inverse_depth: NDArray[np.float64],
    fastest: NDArray[np.float32],
    size: int,
    out: NDArray[np.float32],
) -> None:
    height, width, _ = color.shape
    for row in range(height):
        for column in range(width):
            path = fastest[row // size, column // size]
            reach = math.sqrt(path[0] * path[0] + path[1] * path[1])
            if reach < _SHORT:
                continue
            count = min(2 * math.ceil(reach) + 1, _MOST_SAMPLES)
            own_depth = _depth_at(inverse_depth, row, column)
            own_length = max(_length_at(motion, row, column, size), 0.5)
            total = 1.0 / own_length
            red, green, blue = color[row, column] * total
            for i in range(count):
                along = 2.0 * (i + 0.5) / count - 1.0
                r = math.floor(row + along * path[1] + 0.5)
                c = math.floor(column + along * path[0] + 0.5)
                if r < 0 or c < 0 or r >= height or c >= width or (r == row and c == column):
                    continue
                distance = math.sqrt((r - row) ** 2 + (c - column) ** 2)
                depth = _depth_at(inverse_depth, r, c)
                length = max(_length_at(motion, r, c, size), 0.5)
                before = min(max(1.0 - (depth - own_depth) / _DEPTH, 0.0), 1.0)
                behind = min(max(1.0 - (own_depth - depth) / _DEPTH, 0.0), 1.0)
                weight = before * _cone(distance, length) + behind * _cone(distance, own_length)
                weight += 2.0 * _cylinder(distance, length) * _cylinder(distance, own_length)
                total += weight
                red += weight * color[r, c, 0]
                green += weight * color[r, c, 1]
                blue += weight * color[r, c, 2]
            out[row, column, 0] = red / total
            out[row, column, 1] = green / total
            out[row, column, 2] = blue / total
