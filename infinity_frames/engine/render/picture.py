"""Lit pictures from visibility buffers: shading, and smoothing of edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render._jit import inlined, kernel
from infinity_frames.engine.render.geometry import Surfaces
from infinity_frames.engine.render.lighting import Lamps
from infinity_frames.engine.render.shading import Lighting, finish, influenced, receive
from infinity_frames.engine.render.surface import Frame, Vector, point_at

__all__ = ["SAMPLES", "Backdrop", "shade_frame", "shade_still", "smooth_edges"]

SAMPLES = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))
"""Where in a pixel further samples lie, from its centre, px: a rotated grid."""


class Backdrop(NamedTuple):
    """What stands still, lit once; per pixel."""

    winner: NDArray[np.int32]  # (H, W) face
    point: NDArray[np.float64]  # (H, W, 6) position, normal
    share: NDArray[np.uint8]  # (H, W, N) of each lamp point
    direct: NDArray[np.float32]  # (H, W, L, 3) due to each lamp
    ambient: NDArray[np.float64]  # (H, W, 3) due to the room
    color: NDArray[np.float32]  # (H, W, 3) all together

    @classmethod
    def empty(cls, winner: NDArray[np.int32], lamps: Lamps) -> Backdrop:
        """Nothing lit yet."""
        shape = winner.shape
        return cls(
            winner,
            np.zeros((*shape, 6)),
            np.zeros((*shape, len(lamps.position)), np.uint8),
            np.zeros((*shape, len(lamps.size), 3), np.float32),
            np.zeros((*shape, 3)),
            np.zeros((*shape, 3), np.float32),
        )


@kernel
def shade_still(surfaces: Surfaces, frame: Frame, lighting: Lighting, out: Backdrop) -> None:
    """Light everything that ``out.winner`` sees, and keep what later frames need of it."""
    height, width = out.winner.shape
    for row in range(height):
        for column in range(width):
            face = out.winner[row, column]
            if face < 0:
                continue
            point = point_at(surfaces, frame, face, column + 0.5, row + 0.5)
            share, direct = out.share[row, column], out.direct[row, column]
            ambient = receive(lighting, point, frame.eye, True, share, direct)
            for k in range(3):
                out.point[row, column, k] = point.position[k]
                out.point[row, column, 3 + k] = point.normal[k]
                out.ambient[row, column, k] = ambient[k]
                out.color[row, column, k] = ambient[k] + direct[:, k].sum()


@inlined
def _shade(
    surfaces: Surfaces, frame: Frame, lighting: Lighting, face: int, x: float, y: float
) -> Vector:
    """Radiance of a face at some pixel coordinates, from nothing."""
    share = np.empty(len(lighting.lamps.position), np.uint8)
    direct = np.empty((len(lighting.lamps.size), 3), np.float32)
    point = point_at(surfaces, frame, face, x, y)
    ambient = receive(lighting, point, frame.eye, False, share, direct)
    return finish(lighting, point.position, point.normal, share, direct, ambient)


@kernel
def shade_frame(
    surfaces: Surfaces,
    frame: Frame,
    lighting: Lighting,
    backdrop: Backdrop,
    winner: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None:
    """Shade what moves and what that shadows into ``out``, which holds the backdrop's colours."""
    height, width = winner.shape
    for row in range(height):
        for column in range(width):
            face = winner[row, column]
            if face < 0:
                continue
            if face == backdrop.winner[row, column]:
                p, a = backdrop.point[row, column], backdrop.ambient[row, column]
                position = p[0], p[1], p[2]
                if not influenced(lighting, position):
                    continue
                color = finish(
                    lighting,
                    position,
                    (p[3], p[4], p[5]),
                    backdrop.share[row, column],
                    backdrop.direct[row, column],
                    (a[0], a[1], a[2]),
                )
            else:
                color = _shade(surfaces, frame, lighting, face, column + 0.5, row + 0.5)
            for k in range(3):
                out[row, column, k] = color[k]


@inlined
def _alike(surfaces: Surfaces, frame: Frame, one: int, other: int) -> bool:
    """Whether two faces belong to one smooth surface."""
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
    """Whether two nearnesses may belong to one surface: a step in depth of 3 % is an edge."""
    return abs(one - other) < 0.03 * max(one, other)


@kernel
def smooth_edges(
    surfaces: Surfaces,
    frame: Frame,
    lighting: Lighting,
    winner: NDArray[np.int32],
    nearness: NDArray[np.float64],
    winners: NDArray[np.int32],
    nearnesses: NDArray[np.float64],
    shifts: NDArray[np.float64],
    color: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Average further samples of pixels that an edge runs through.

    Only visibility is sampled more often: a sample takes its light from the neighbouring pixel
    that sees the same surface, and is shaded itself only where there is none (Chajdas, McGuire and
    Luebke, "Subpixel reconstruction antialiasing", 2011).
    """
    height, width = winner.shape
    count = len(shifts)
    for row in range(height):
        for column in range(width):
            centre, depth = winner[row, column], nearness[row, column]
            flat = True
            for s in range(count):
                face = winners[s, row, column]
                if face != centre and not (
                    _alike(surfaces, frame, centre, face)
                    and _near(depth, nearnesses[s, row, column])
                ):
                    flat = False
                    break
            if flat:
                continue
            red, green, blue = color[row, column, 0], color[row, column, 1], color[row, column, 2]
            for s in range(count):
                face, near = winners[s, row, column], nearnesses[s, row, column]
                best, best_r, best_c = 1e30, -1, -1
                for r in range(max(row - 1, 0), min(row + 2, height)):
                    for c in range(max(column - 1, 0), min(column + 2, width)):
                        other = winner[r, c]
                        if not (
                            _alike(surfaces, frame, face, other)
                            and (face < 0 or _near(near, nearness[r, c]))
                        ):
                            continue
                        dx = c - column - shifts[s, 0]
                        dy = r - row - shifts[s, 1]
                        if dx * dx + dy * dy < best:
                            best, best_r, best_c = dx * dx + dy * dy, r, c
                if best_r >= 0:
                    red += color[best_r, best_c, 0]
                    green += color[best_r, best_c, 1]
                    blue += color[best_r, best_c, 2]
                elif face >= 0:
                    extra = _shade(
                        surfaces,
                        frame,
                        lighting,
                        face,
                        column + 0.5 + shifts[s, 0],
                        row + 0.5 + shifts[s, 1],
                    )
                    red += extra[0]
                    green += extra[1]
                    blue += extra[2]
            out[row, column, 0] = red / (count + 1)
            out[row, column, 1] = green / (count + 1)
            out[row, column, 2] = blue / (count + 1)
