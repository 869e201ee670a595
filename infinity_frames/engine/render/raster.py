"""Which triangle is seen at each pixel: 2-D homogeneous rasterization.

Edge functions of the homogeneous vertices (Olano and Greer, "Triangle scan conversion using 2D
homogeneous coordinates", 1997) need no clipping: what lies behind the camera never covers a pixel.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined, kernel

__all__ = ["NEAREST", "clip_coordinates", "nearest", "rasterize"]

NEAREST = 1e-3
"""What is closer to the camera plane than this is not seen, m."""


@kernel
def clip_coordinates(
    projection: NDArray[np.float64], vertices: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Homogeneous pixel coordinates (x w, y w, w) of points, (V, 3), by a (3, 4) projection."""
    # Not a matrix product: BLAS may round a point differently by where it stands in the array.
    homogeneous = np.empty_like(vertices)
    for i in range(len(vertices)):
        x, y, z = vertices[i]
        for j in range(3):
            row = projection[j]
            homogeneous[i, j] = row[0] * x + row[1] * y + row[2] * z + row[3]
    return homogeneous


@inlined
def _corners(
    clip: NDArray[np.float64], a: int, b: int, c: int
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Homogeneous coordinates of three vertices, one after the other."""
    return (
        clip[a, 0],
        clip[a, 1],
        clip[a, 2],
        clip[b, 0],
        clip[b, 1],
        clip[b, 2],
        clip[c, 0],
        clip[c, 1],
        clip[c, 2],
    )


@inlined
def _owns(ex: float, ey: float) -> bool:
    # Of two triangles that share an edge exactly one sees it with this sign (the top-left rule).
    return ex > 0.0 or (ex == 0.0 and ey > 0.0)


@inlined
def _span(
    ex: float, rest: float, scale: float, first: int, last: int, offset: float
) -> tuple[int, int]:
    """Columns of a row where an edge function can be 0 or more; a superset by rounding."""
    if abs(ex) > 1e-9 * scale:
        column = -rest / ex - offset
        if ex > 0.0:
            if column > first:
                first = last + 1 if column > last + 1 else math.ceil(column - 1e-6)
        elif column < last:
            last = first - 1 if column < first - 1 else math.floor(column + 1e-6)
    return first, last


@kernel
def rasterize(
    clip: NDArray[np.float64],
    weight: NDArray[np.float64],
    faces: NDArray[np.int32],
    members: NDArray[np.int32],
    one_sided: NDArray[np.bool_],
    shift_x: float,
    shift_y: float,
    limit: float,
    inverse_depth: NDArray[np.float64],
    face_id: NDArray[np.int32],
) -> None:
    """Draw triangles into a inverse_depth buffer and an index buffer, in place.

    Parameters
    ----------
    clip : (V, 3) float64 array
        Homogeneous pixel coordinates of the vertices; w is 1 for an orthographic view.
    weight : (V,) float64 array
        Interpolated as inverse depth (larger wins): ones give 1/z of a perspective view; an
        orthographic view takes the negative depth of the vertices.
    faces : (F, 3) int32 array
        Vertex indices.
    members : (M,) int32 array
        Which faces to draw.
    one_sided : (F,) bool array
        Faces that are left out when seen from behind.
    shift_x, shift_y : float
        Where in a pixel its sample lies, from its center, px.
    limit : float
        Inverse depth at and beyond which nothing is seen.
    inverse_depth, face_id : (H, W) arrays
        The buffers. At equal inverse depth the face of the smaller index wins, whatever the
        drawing order.
    """
    height, width = face_id.shape
    offset_x = 0.5 + shift_x
    offset_y = 0.5 + shift_y
    for k in range(members.size):
        face = members[k]
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        x0, y0, w0, x1, y1, w1, x2, y2, w2 = _corners(clip, a, b, c)
        if w0 <= 0.0 and w1 <= 0.0 and w2 <= 0.0:
            continue
        left, right, top, bottom = 0, width - 1, 0, height - 1
        if w0 > 0.0 and w1 > 0.0 and w2 > 0.0:
            u0, u1, u2 = x0 / w0, x1 / w1, x2 / w2
            v0, v1, v2 = y0 / w0, y1 / w1, y2 / w2
            low = min(u0, u1, u2) - offset_x - 1e-6
            high = max(u0, u1, u2) - offset_x + 1e-6
            if low > right or high < left:
                continue
            left = max(left, math.ceil(max(low, -1.0)))
            right = min(right, math.floor(min(high, width)))
            low = min(v0, v1, v2) - offset_y - 1e-6
            high = max(v0, v1, v2) - offset_y + 1e-6
            if low > bottom or high < top:
                continue
            top = max(top, math.ceil(max(low, -1.0)))
            bottom = min(bottom, math.floor(min(high, height)))
            if left > right or top > bottom:
                continue
        # Edge functions: cross products of the vertices. Both triangles at an edge compute the
        # same numbers with opposite signs, so no pixel between them is drawn twice or not at all.
        e0x, e0y, e0z = y1 * w2 - w1 * y2, w1 * x2 - x1 * w2, x1 * y2 - y1 * x2
        e1x, e1y, e1z = y2 * w0 - w2 * y0, w2 * x0 - x2 * w0, x2 * y0 - y2 * x0
        e2x, e2y, e2z = y0 * w1 - w0 * y1, w0 * x1 - x0 * w1, x0 * y1 - y0 * x1
        area = x0 * e0x + y0 * e0y + w0 * e0z
        if area > 0.0:
            if one_sided[face]:
                continue
        elif area < 0.0:
            area = -area
            e0x, e0y, e0z = -e0x, -e0y, -e0z
            e1x, e1y, e1z = -e1x, -e1y, -e1z
            e2x, e2y, e2z = -e2x, -e2y, -e2z
        else:
            continue
        own0, own1, own2 = _owns(e0x, e0y), _owns(e1x, e1y), _owns(e2x, e2y)
        n0, n1, n2 = weight[a] / area, weight[b] / area, weight[c] / area
        scale0 = abs(e0y) * height + abs(e0z)
        scale1 = abs(e1y) * height + abs(e1z)
        scale2 = abs(e2y) * height + abs(e2z)
        for row in range(top, bottom + 1):
            y = row + offset_y
            r0, r1, r2 = e0y * y + e0z, e1y * y + e1z, e2y * y + e2z
            first, last = left, right
            if last - first > 4:
                first, last = _span(e0x, r0, scale0, first, last, offset_x)
                first, last = _span(e1x, r1, scale1, first, last, offset_x)
                first, last = _span(e2x, r2, scale2, first, last, offset_x)
            for column in range(first, last + 1):
                x = column + offset_x
                f0, f1, f2 = e0x * x + r0, e1x * x + r1, e2x * x + r2
                if f0 < 0.0 or f1 < 0.0 or f2 < 0.0:
                    continue
                if (f0 == 0.0 and not own0) or (f1 == 0.0 and not own1) or (f2 == 0.0 and not own2):
                    continue
                value = f0 * n0 + f1 * n1 + f2 * n2
                held = inverse_depth[row, column]
                if value < limit and (
                    value > held or (value == held and face < face_id[row, column])
                ):
                    inverse_depth[row, column] = value
                    face_id[row, column] = face


@kernel
def nearest(
    clip: NDArray[np.float64],
    faces: NDArray[np.int32],
    one_sided: NDArray[np.bool_],
    limit: float,
    points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How near the nearest triangle is at some places of the image, whatever pixels they are in.

    Parameters
    ----------
    clip, faces, one_sided, limit
        As for `rasterize`; all faces are looked at.
    points : (N, 2) float64 array
        px.

    Returns
    -------
    (N,) float64 array
        1/z, 1/m; 0 where nothing is.
    """
    out = np.zeros(len(points))
    for face in range(len(faces)):
        corners = _corners(clip, faces[face, 0], faces[face, 1], faces[face, 2])
        x0, y0, w0, x1, y1, w1, x2, y2, w2 = corners
        if w0 <= 0.0 and w1 <= 0.0 and w2 <= 0.0:
            continue
        left, right, top, bottom = -np.inf, np.inf, -np.inf, np.inf
        if w0 > 0.0 and w1 > 0.0 and w2 > 0.0:
            u0, u1, u2 = x0 / w0, x1 / w1, x2 / w2
            v0, v1, v2 = y0 / w0, y1 / w1, y2 / w2
            left, right = min(u0, u1, u2), max(u0, u1, u2)
            top, bottom = min(v0, v1, v2), max(v0, v1, v2)
        for k in range(len(points)):
            x, y = points[k, 0], points[k, 1]
            if x < left or x > right or y < top or y > bottom:
                continue
            f0 = (y1 * w2 - w1 * y2) * x + (w1 * x2 - x1 * w2) * y + (x1 * y2 - y1 * x2)
            f1 = (y2 * w0 - w2 * y0) * x + (w2 * x0 - x2 * w0) * y + (x2 * y0 - y2 * x0)
            f2 = (y0 * w1 - w0 * y1) * x + (w0 * x1 - x0 * w1) * y + (x0 * y1 - y0 * x1)
            turned = x0 * (y1 * w2 - w1 * y2) + y0 * (w1 * x2 - x1 * w2) + w0 * (x1 * y2 - y1 * x2)
            if turned == 0.0 or (turned > 0.0 and one_sided[face]):
                continue
            if turned < 0.0:
                f0, f1, f2 = -f0, -f1, -f2
            if f0 < 0.0 or f1 < 0.0 or f2 < 0.0:
                continue
            value = (f0 + f1 + f2) / abs(turned)
            if out[k] < value < limit:
                out[k] = value
    return out
