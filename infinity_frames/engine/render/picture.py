"""Lit pictures from visibility buffers: shading of lists of points, and anti-aliasing."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined, kernel
from infinity_frames.engine.render.geometry import Surfaces
from infinity_frames.engine.render.lighting import Lamps
from infinity_frames.engine.render.shading import Lighting, attenuate, influenced, irradiance
from infinity_frames.engine.render.surface import Frame, point_at

__all__ = [
    "SAMPLES",
    "Lit",
    "Samples",
    "attenuate_points",
    "between",
    "coarse_grid",
    "compose",
    "edge_samples",
    "irradiate_points",
]

SAMPLES = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))
"""Offsets of the further samples from the center of a pixel, px: a rotated grid."""

_FLAT = 0.1  # attenuations that differ by less are interpolated


class Samples(NamedTuple):
    """Points of the image to shade."""

    face: NDArray[np.int32]  # (n,) -1 for background
    x: NDArray[np.float64]  # (n,) px
    y: NDArray[np.float64]  # (n,) px

    def part(self, which: slice) -> Samples:
        """Return a slice that shares the memory."""
        return Samples(self.face[which], self.x[which], self.y[which])


class Lit(NamedTuple):
    """Points, and the light that they send to the camera in the absence of moving objects."""

    point: NDArray[np.float64]  # (n, 6) position, normal
    share: NDArray[np.uint8]  # (n, N) of each lamp point in its lamp's light
    direct: NDArray[np.float32]  # (n, L, 3) due to each lamp
    ambient: NDArray[np.float32]  # (n, 3) due to the room
    glow: NDArray[np.float32]  # (n, 3) its own

    @classmethod
    def empty(cls, count: int, lamps: Lamps) -> Lit:
        """Allocate points that are not lit yet."""
        return cls(
            np.zeros((count, 6)),
            np.zeros((count, len(lamps.position)), np.uint8),
            np.zeros((count, len(lamps.size), 3), np.float32),
            np.zeros((count, 3), np.float32),
            np.zeros((count, 3), np.float32),
        )

    def part(self, which: slice) -> Lit:
        """Return a slice that shares the memory."""
        return Lit(
            self.point[which],
            self.share[which],
            self.direct[which],
            self.ambient[which],
            self.glow[which],
        )


@kernel
def irradiate_points(
    surfaces: Surfaces,
    frame: Frame,
    lighting: Lighting,
    samples: Samples,
    moves: bool,
    out: Lit,
) -> None:
    """Fill ``out`` with the light of every sample, shadowed by static objects."""
    hidden = np.empty(lighting.probes.hidden.shape[3], np.float32)
    parts = np.empty(len(lighting.lamps.position))
    for i in range(len(samples.face)):
        face = samples.face[i]
        if face < 0:
            continue
        point = point_at(surfaces, frame, face, samples.x[i], samples.y[i])
        share, direct = out.share[i], out.direct[i]
        ambient = irradiance(lighting, point, frame.eye, moves, hidden, parts, share, direct)
        for k in range(3):
            out.point[i, k] = point.position[k]
            out.point[i, 3 + k] = point.normal[k]
            out.ambient[i, k] = ambient[k]
            out.glow[i, k] = point.glow[k]


@kernel
def attenuate_points(
    lighting: Lighting, lit: Lit, which: NDArray[np.int64], left: NDArray[np.float32]
) -> None:
    """Fill NaN values of ``left`` (n, L + 1): unshadowed shares of each lamp and the room."""
    for j in range(len(which)):
        i = which[j]
        p = lit.point[i]
        attenuate(lighting, (p[0], p[1], p[2]), (p[3], p[4], p[5]), lit.share[i], left[i])


@kernel
def compose(lit: Lit, left: NDArray[np.float32], color: NDArray[np.float32]) -> None:
    """Sum the unshadowed light into ``color`` (n, 3)."""
    lamps = lit.direct.shape[1]
    for i in range(len(color)):
        for k in range(3):
            total = lit.glow[i, k] + left[i, lamps] * lit.ambient[i, k]
            for light in range(lamps):
                total += left[i, light] * lit.direct[i, light, k]
            color[i, k] = total


@kernel
def coarse_grid(
    lighting: Lighting, lit: Lit, static: NDArray[np.bool_], step: int
) -> NDArray[np.int64]:
    """Return pixels of every ``step``-th row and column whose light moving objects can change."""
    height, width = static.shape
    chosen = np.empty(static.size, np.int64)
    count = 0
    for row in range(0, height, step):
        for column in range(0, width, step):
            i = row * width + column
            p = lit.point[i]
            if static[row, column] and influenced(lighting, (p[0], p[1], p[2])):
                chosen[count] = i
                count += 1
    return chosen[:count]


@kernel
def between(
    lit: Lit,
    static: NDArray[np.bool_],
    owner: NDArray[np.int32],
    step: int,
    left: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Interpolate ``left`` between pixels of the coarse grid; return the pixels to compute.

    A light is interpolated if the four surrounding pixels lie on one flat surface and its values
    there hardly differ; other values stay NaN.
    """
    height, width = static.shape
    chosen = np.empty(static.size, np.int64)
    count = 0
    corners = np.empty(4, np.int64)
    for row in range(height):
        top = row - row % step
        bottom = top if top == row else top + step
        for column in range(width):
            near = column - column % step
            far = near if near == column else near + step
            if not static[row, column] or (top == row and near == column):
                continue
            i = row * width + column
            fits = bottom < height and far < width
            if fits:
                corners[0], corners[1] = top * width + near, top * width + far
                corners[2], corners[3] = bottom * width + near, bottom * width + far
                for j in corners:
                    fits = fits and static[j // width, j % width] and owner[j] == owner[i]
                    fits = fits and _parallel(lit.point, i, j)
            if fits:
                fx, fy = (column - near) / step, (row - top) / step
                for k in range(left.shape[1]):
                    a, b = left[corners[0], k], left[corners[1], k]
                    c, d = left[corners[2], k], left[corners[3], k]
                    left[i, k] = (1 - fy) * ((1 - fx) * a + fx * b) + fy * ((1 - fx) * c + fx * d)
                    if max(a, b, c, d) - min(a, b, c, d) > _FLAT:
                        left[i, k] = math.nan
                        fits = False
            else:
                left[i] = math.nan
            if not fits:
                chosen[count] = i
                count += 1
    return chosen[:count]


@inlined
def _parallel(point: NDArray[np.float64], i: int, j: np.int64) -> bool:
    a, b = point[i], point[j]
    return bool(a[3] * b[3] + a[4] * b[4] + a[5] * b[5] > 0.98)


@inlined
def _alike(surfaces: Surfaces, frame: Frame, one: int, other: int) -> bool:
    """Return whether two faces belong to one smooth surface."""
    if one == other:
        return True
    if one < 0 or other < 0 or surfaces.owner[one] != surfaces.owner[other]:
        return False
    if surfaces.material[one] != surfaces.material[other]:
        return False
    a, b = surfaces.faces[one, 0], surfaces.faces[other, 0]
    n, m = frame.normals[a], frame.normals[b]
    return bool(n[0] * m[0] + n[1] * m[1] + n[2] * m[2] > 0.8)


@inlined
def _near(one: float, other: float) -> bool:
    """Return whether two inverse depths may belong to one surface: a step of 3 % is an edge."""
    return abs(one - other) < 0.03 * max(one, other)


@kernel
def edge_samples(
    surfaces: Surfaces,
    frame: Frame,
    face_id: NDArray[np.int32],
    inverse_depth: NDArray[np.float64],
    face_ids: NDArray[np.int32],
    inverse_depths: NDArray[np.float64],
    shifts: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the pixels at edges, and the source of light of each of their samples.

    Only visibility is sampled more often: a sample takes its light from a neighboring pixel that
    shows the same surface, and is shaded only if there is none (Chajdas, McGuire and Luebke,
    "Subpixel reconstruction antialiasing", 2011).

    Returns
    -------
    (E,) int64 array
        The pixels, counted row by row.
    (E, S) int64 array
        The pixel whose light each sample takes; -1 for none.
    """
    height, width = face_id.shape
    count = len(shifts)
    pixels = np.empty(face_id.size, np.int64)
    sources = np.empty((face_id.size, count), np.int64)
    found = 0
    for row in range(height):
        for column in range(width):
            center, depth = face_id[row, column], inverse_depth[row, column]
            flat = True
            for s in range(count):
                face = face_ids[s, row, column]
                if face != center and not (
                    _alike(surfaces, frame, center, face)
                    and _near(depth, inverse_depths[s, row, column])
                ):
                    flat = False
                    break
            if flat:
                continue
            pixels[found] = row * width + column
            for s in range(count):
                face, near = face_ids[s, row, column], inverse_depths[s, row, column]
                best, source = 1e30, -1
                for r in range(max(row - 1, 0), min(row + 2, height)):
                    for c in range(max(column - 1, 0), min(column + 2, width)):
                        dx, dy = c - column - shifts[s, 0], r - row - shifts[s, 1]
                        distance = dx * dx + dy * dy
                        if (
                            distance < best
                            and _alike(surfaces, frame, face, face_id[r, c])
                            and _near(near, inverse_depth[r, c])
                        ):
                            best, source = distance, r * width + c
                sources[found, s] = source
            found += 1
    return pixels[:found], sources[:found]
