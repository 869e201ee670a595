"""Obstacles on a floor: the footprints that a liquid flows around."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.scene.scene import Mesh, Scene

__all__ = ["footprints"]

Array = NDArray[np.float64]

_HEIGHT = 0.02  # m, objects below this height above the floor stand on it
_FINER = 5  # polygons are filled on a grid this many times finer
_SHIFT = 6  # fractional bits of OpenCV's fixed-point coordinates
_SHELL = ("floor", "ceiling", "walls")


def footprints(scene: Scene, to_grid: Array, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mark the grid cells that objects stand on.

    Parameters
    ----------
    scene : Scene
        Its floor is at z = 0.
    to_grid : (2, 3) array
        From global x, y, 1 (m) to column and row of the grid; a cell's center is at a whole number.
    shape : (int, int)
        Rows and columns.

    Returns
    -------
    bool array of that shape
    """
    # OpenCV fills every pixel that a polygon touches; a finer grid reduces this excess.
    fine = (shape[0] * _FINER, shape[1] * _FINER)
    covered = np.zeros(fine, np.uint8)
    for item in scene.objects:
        if item.name in _SHELL:
            continue
        own = np.zeros(fine, np.uint8)
        for polygon in _near_floor(item.mesh):
            points = _FINER * (polygon[:, :2] @ to_grid[:, :2].T + to_grid[:, 2]) + _FINER // 2
            if (points.max(axis=0) < 0).any() or (points.min(axis=0) > fine[::-1]).any():
                continue
            fixed = np.round(np.clip(points, -1e4, 1e4) * (1 << _SHIFT)).astype(np.int32)
            cv2.fillPoly(own, [fixed[:, None]], 1, shift=_SHIFT)
        if own.any():
            # Liquid cannot reach the inside of a hollow footprint.
            edges, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(covered, edges, -1, 1, cv2.FILLED)
    return covered[_FINER // 2 :: _FINER, _FINER // 2 :: _FINER].astype(bool)


def _near_floor(mesh: Mesh) -> list[Array]:
    """Return the parts of a mesh's faces just above the floor, as polygons."""
    corners = mesh.vertices[mesh.faces]
    low = corners[(corners[..., 2].min(axis=1) < _HEIGHT) & (corners[..., 2].max(axis=1) > -1e-6)]
    return [polygon for polygon in map(_below, low) if len(polygon) > 2]


def _below(triangle: Array) -> Array:
    """Clip a triangle at the height of footprints."""
    out = []
    for start, end in zip(triangle, np.roll(triangle, -1, axis=0), strict=True):
        if start[2] <= _HEIGHT:
            out.append(start)
        if (start[2] <= _HEIGHT) != (end[2] <= _HEIGHT):
            share = (_HEIGHT - start[2]) / (end[2] - start[2])
            out.append(start + share * (end - start))
    return np.array(out)
