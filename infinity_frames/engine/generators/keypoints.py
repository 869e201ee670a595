"""Keypoints of the person: positions in the image, and visibility."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render import LabelPass
from infinity_frames.engine.scene.camera import NEAR, project
from infinity_frames.engine.scene.scene import Camera

__all__ = ["HIDDEN", "OUTSIDE", "VISIBLE", "inside", "named", "visibility"]

OUTSIDE, HIDDEN, VISIBLE = 0, 1, 2
"""Values of ``v``: outside the image, inside but hidden, visible."""

# An object that lies less than this before a point does not hide it, m: rounding, half a pixel.
_CONTACT = 0.005


def inside(
    camera: Camera, pixels: NDArray[np.float64], depth: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which projected points are inside the image.

    Parameters
    ----------
    camera : Camera
    pixels : (N, 2) array
        px.
    depth : (N,) array
        m.

    Returns
    -------
    (N,) bool array
    """
    x, y = pixels.T
    return np.asarray(
        (depth > NEAR) & (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
    )


def visibility(
    camera: Camera,
    seen: LabelPass,
    owner: int,
    pixels: NDArray[np.float64],
    depth: NDArray[np.float64],
    tolerance: NDArray[np.float64],
    on_skin: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Decide the visibility of points by comparing depths.

    Parameters
    ----------
    camera : Camera
    seen : LabelPass
        Of the same camera.
    owner : int
        Id of the object that the points belong to.
    pixels : (N, 2) array
        Projected points, px.
    depth : (N,) array
        Their depths, m.
    tolerance : (N,) array
        Largest depth of the owner's surface before a point that still counts as visible, m.
    on_skin : (N,) bool array
        Points on the owner's surface. The center of their pixel may show another part of it, so
        they are compared with the exact depth at their position. The other points are inside the
        owner.

    Returns
    -------
    (N,) int array
        `OUTSIDE`, `HIDDEN` or `VISIBLE`.
    """
    within = inside(camera, pixels, depth)
    columns, rows = np.where(within[:, None], pixels, 0.0).astype(np.intp).T
    own = seen.ids[rows, columns] == owner
    # An object thinner than a pixel may cover no pixel center: look at the neighboring pixels too.
    around = np.array([(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)])[:, :, None]
    beside_rows = np.clip(rows + around[:, 0], 0, camera.height - 1)
    beside_columns = np.clip(columns + around[:, 1], 0, camera.width - 1)
    touched = (seen.ids[beside_rows, beside_columns] == owner).any(axis=0)
    before = seen.depth[rows, columns].astype(np.float64)
    before[on_skin] = seen.depth_at(pixels[on_skin])
    clear = touched & (depth - before <= np.where(own | on_skin, tolerance, _CONTACT))
    return np.where(within, np.where(clear, VISIBLE, HIDDEN), OUTSIDE)


def named(
    names: tuple[str, ...],
    camera: Camera,
    points: NDArray[np.float64],
    states: NDArray[np.int64],
) -> dict[str, dict[str, Any]]:
    """Build keypoints in the format of the labels.

    Parameters
    ----------
    names : tuple of str
    camera : Camera
    points : (N, 3) array
        Global, m.
    states : (N,) int array
        Visibility of the points.

    Returns
    -------
    dict of dict
        Per name: x, y (px), v, z (depth, m), x_global, y_global, z_global (m).
    """
    pixels, depth = project(camera, points)
    # Rounded to the micrometer: near the lens and far off its axis, a pixel is hardly larger.
    metric = np.round(np.column_stack([depth, points]), 6).tolist()
    return {
        name: {
            "x": x,
            "y": y,
            "v": v,
            "z": z,
            "x_global": x_global,
            "y_global": y_global,
            "z_global": z_global,
        }
        for name, (x, y), v, (z, x_global, y_global, z_global) in zip(
            names, np.round(pixels, 3).tolist(), states.tolist(), metric, strict=True
        )
    }
