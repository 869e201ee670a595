"""Rasterization: the visible triangle at each pixel, in 2-D homogeneous coordinates.

Edge functions of the homogeneous vertices (Olano and Greer, "Triangle scan conversion using 2D
homogeneous coordinates", 1997) need no clipping: geometry behind the camera never covers a pixel.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined, kernel

__all__ = ["NEAREST", "clip_coordinates", "nearest", "rasterize"]

NEAREST = 1e-3
"""Points closer to the camera plane are not drawn, m."""


_Corners = tuple[float, float, float, float, float, float, float, float, float]
_Triple = tuple[float, float, float]
_Edges = tuple[_Triple, _Triple, _Triple]
_Bounds = tuple[int, int, int, int]
_Box = tuple[float, float, float, float]


@kernel
def clip_coordinates(
    projection: NDArray[np.float64], vertices: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Homogeneous pixel coordinates (x w, y w, w) of points, (V, 3), by a (3, 4) projection."""
    # Not a matrix product: BLAS may round a point differently by its position in the array.
    homogeneous = np.empty_like(vertices)
    for i in range(len(vertices)):
        x, y, z = vertices[i]
        for j in range(3):
            row = projection[j]
            homogeneous[i, j] = row[0] * x + row[1] * y + row[2] * z + row[3]
    return homogeneous


@inlined
def _corners(clip: NDArray[np.float64], a: int, b: int, c: int) -> _Corners:
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
    # Exactly one of two triangles that share an edge has it with this sign (the top-left rule).
    return ex > 0.0 or (ex == 0.0 and ey > 0.0)


@inlined
def _span(
    ex: float, rest: float, scale: float, first: int, last: int, offset: float
) -> tuple[int, int]:
    """Return the columns of a row where an edge function can be 0 or more, rounded outward."""
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
    rays: NDArray[np.float64],
    lens: NDArray[np.float64],
    limit: float,
    inverse_depth: NDArray[np.float64],
    face_id: NDArray[np.int32],
) -> None:
    """Draw triangles into an inverse-depth buffer and an index buffer, in place.

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
        Faces to draw.
    one_sided : (F,) bool array
        Faces that are not drawn from behind.
    shift_x, shift_y : float
        Offset of the sample from the center of its pixel, px.
    rays : (H, W, 2) float64 array
        Undistorted image coordinates of every sample, px; empty for a lens without distortion.
    lens : (6,) float64 array
        Of `Camera.lens`.
    limit : float
        Inverse depth at and above which nothing is drawn.
    inverse_depth, face_id : (H, W) arrays
        The buffers. At equal inverse depth, the face with the smaller index wins in any drawing
        order.
    """
    height, width = face_id.shape
    for k in range(members.size):
        face = members[k]
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        corners = _corners(clip, a, b, c)
        bounds = _bounds(corners, lens, shift_x, shift_y, width, height)
        if bounds[0] > bounds[1] or bounds[2] > bounds[3]:
            continue
        edges, area = _edges(corners)
        if area == 0.0 or (area > 0.0 and one_sided[face]):
            continue
        if area < 0.0:
            area = -area
            edges = (
                (-edges[0][0], -edges[0][1], -edges[0][2]),
                (-edges[1][0], -edges[1][1], -edges[1][2]),
                (-edges[2][0], -edges[2][1], -edges[2][2]),
            )
        weights = (weight[a] / area, weight[b] / area, weight[c] / area)
        if len(rays):
            _fill_bent(edges, weights, bounds, rays, face, limit, inverse_depth, face_id)
        else:
            shift = (shift_x, shift_y)
            _fill_straight(edges, weights, bounds, shift, face, limit, inverse_depth, face_id)


@inlined
def _bounds(
    corners: _Corners, lens: NDArray[np.float64], dx: float, dy: float, width: int, height: int
) -> _Bounds:
    """Return the first and last column and row that a triangle can cover; none if first > last."""
    x0, y0, w0, x1, y1, w1, x2, y2, w2 = corners
    if w0 <= 0.0 and w1 <= 0.0 and w2 <= 0.0:
        return 0, -1, 0, -1
    if w0 <= 0.0 or w1 <= 0.0 or w2 <= 0.0:
        return 0, width - 1, 0, height - 1
    u0, u1, u2 = x0 / w0, x1 / w1, x2 / w2
    v0, v1, v2 = y0 / w0, y1 / w1, y2 / w2
    west, east, north, south = min(u0, u1, u2), max(u0, u1, u2), min(v0, v1, v2), max(v0, v1, v2)
    if lens[4] != 0.0:
        west, east, north, south = _bent_box(lens, west, east, north, south)
    left, right = _covered(west - 0.5 - dx, east - 0.5 - dx, width)
    top, bottom = _covered(north - 0.5 - dy, south - 0.5 - dy, height)
    return left, right, top, bottom


@inlined
def _covered(low: float, high: float, count: int) -> tuple[int, int]:
    low, high = low - 1e-6, high + 1e-6
    if low > count - 1 or high < 0:
        return 0, -1
    return max(0, math.ceil(max(low, -1.0))), min(count - 1, math.floor(min(high, count)))


@inlined
def _bent_box(
    lens: NDArray[np.float64], west: float, east: float, north: float, south: float
) -> _Box:
    """Return a box of the distorted image that contains the image of an undistorted box.

    The radial factor 1 + k r^2 is monotone in r^2, so its ends over the box bound it.
    """
    cx, cy, focal_x, focal_y, k, most = lens[0], lens[1], lens[2], lens[3], lens[4], lens[5]
    x0, x1 = (west - cx) / focal_x, (east - cx) / focal_x
    y0, y1 = (north - cy) / focal_y, (south - cy) / focal_y
    nx, ny = min(max(0.0, x0), x1), min(max(0.0, y0), y1)
    fx, fy = max(abs(x0), abs(x1)), max(abs(y0), abs(y1))
    one = 1.0 + k * min(nx * nx + ny * ny, most)
    two = 1.0 + k * min(fx * fx + fy * fy, most)
    return (
        cx + focal_x * min(x0 * one, x0 * two),
        cx + focal_x * max(x1 * one, x1 * two),
        cy + focal_y * min(y0 * one, y0 * two),
        cy + focal_y * max(y1 * one, y1 * two),
    )


@inlined
def _edges(corners: _Corners) -> tuple[_Edges, float]:
    """Edge functions (coefficients of x, y, 1), and twice the signed homogeneous area.

    They are cross products of the vertices. Both triangles at an edge compute the same numbers with
    opposite signs, so no pixel between them is drawn twice or left out.
    """
    x0, y0, w0, x1, y1, w1, x2, y2, w2 = corners
    first = (y1 * w2 - w1 * y2, w1 * x2 - x1 * w2, x1 * y2 - y1 * x2)
    second = (y2 * w0 - w2 * y0, w2 * x0 - x2 * w0, x2 * y0 - y2 * x0)
    third = (y0 * w1 - w0 * y1, w0 * x1 - x0 * w1, x0 * y1 - y0 * x1)
    area = x0 * first[0] + y0 * first[1] + w0 * first[2]
    return (first, second, third), area


@inlined
def _fill_straight(
    edges: _Edges,
    weights: _Triple,
    bounds: _Bounds,
    shift: tuple[float, float],
    face: int,
    limit: float,
    inverse_depth: NDArray[np.float64],
    face_id: NDArray[np.int32],
) -> None:
    """Draw one triangle, samples on a regular grid: rows are cut to the columns they can cover."""
    (e0x, e0y, e0z), (e1x, e1y, e1z), (e2x, e2y, e2z) = edges
    left, right, top, bottom = bounds
    height = len(face_id)
    offset_x, offset_y = 0.5 + shift[0], 0.5 + shift[1]
    own0, own1, own2 = _owns(e0x, e0y), _owns(e1x, e1y), _owns(e2x, e2y)
    n0, n1, n2 = weights
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
            if value < limit and (value > held or (value == held and face < face_id[row, column])):
                inverse_depth[row, column] = value
                face_id[row, column] = face


@inlined
def _fill_bent(
    edges: _Edges,
    weights: _Triple,
    bounds: _Bounds,
    rays: NDArray[np.float64],
    face: int,
    limit: float,
    inverse_depth: NDArray[np.float64],
    face_id: NDArray[np.int32],
) -> None:
    """Draw one triangle through a distorting lens: each sample has a ray of its own."""
    (e0x, e0y, e0z), (e1x, e1y, e1z), (e2x, e2y, e2z) = edges
    left, right, top, bottom = bounds
    own0, own1, own2 = _owns(e0x, e0y), _owns(e1x, e1y), _owns(e2x, e2y)
    n0, n1, n2 = weights
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            x, y = rays[row, column, 0], rays[row, column, 1]
            f0 = e0x * x + (e0y * y + e0z)
            f1 = e1x * x + (e1y * y + e1z)
            f2 = e2x * x + (e2y * y + e2z)
            if f0 < 0.0 or f1 < 0.0 or f2 < 0.0:
                continue
            if (f0 == 0.0 and not own0) or (f1 == 0.0 and not own1) or (f2 == 0.0 and not own2):
                continue
            value = f0 * n0 + f1 * n1 + f2 * n2
            held = inverse_depth[row, column]
            if value < limit and (value > held or (value == held and face < face_id[row, column])):
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
    """Return the inverse depth of the nearest triangle at given points of the image.

    Parameters
    ----------
    clip, faces, one_sided, limit
        As for `rasterize`; all faces are tested.
    points : (N, 2) float64 array
        px.

    Returns
    -------
    (N,) float64 array
        1/z, 1/m; 0 for background.
    """
    out = np.zeros(len(points))
    order = np.argsort(points[:, 0])  # only the points between the ends of the face are tested
    across = points[order, 0]
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
        for place in range(np.searchsorted(across, left), len(points)):
            k = order[place]
            x, y = points[k, 0], points[k, 1]
            if x > right:
                break
            if y < top or y > bottom:
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
