"""The pinhole camera that looks at an avatar from a distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from infinity_frames.engine.scene.scene import Camera

__all__ = ["FOCAL_LENGTH", "NEAR", "SENSOR_WIDTH", "intrinsics", "look", "project"]

FOCAL_LENGTH = 0.035
"""Of the lens, m."""

SENSOR_WIDTH = 0.036
"""Of the sensor along the longer side of the image, m."""

NEAR = 0.05
"""A point at this depth or less has no place in the image, m."""


def intrinsics(width: int, height: int) -> NDArray[np.float64]:
    """Intrinsic matrix of an image size: square pixels, principal point in the middle.

    Parameters
    ----------
    width, height : int
        Image size, px.

    Returns
    -------
    (3, 3) array
        K, px.
    """
    focal = FOCAL_LENGTH / SENSOR_WIDTH * max(width, height)
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def look(location: ArrayLike, yaw: float, pitch: float, width: int, height: int) -> Camera:
    """Camera at a place, looking in a direction, upright.

    Parameters
    ----------
    location : (3,) array-like
        Center of projection, global, m.
    yaw : float
        About the vertical, deg; 0 looks along +Y, positive turns towards -X.
    pitch : float
        Degrees from straight down: 90 is parallel to the ground, more looks up.
    width, height : int
        Image size, px.

    Returns
    -------
    Camera
    """
    turn, rise = np.radians(yaw), np.radians(pitch - 90.0)
    right = np.array([np.cos(turn), np.sin(turn), 0.0])
    forward = np.array(
        [-np.sin(turn) * np.cos(rise), np.cos(turn) * np.cos(rise), np.sin(rise)],
    )
    rotation = np.stack([right, np.cross(forward, right), forward])
    translation = -rotation @ np.asarray(location, dtype=np.float64)
    return Camera(
        K=intrinsics(width, height),
        RT=np.column_stack([rotation, translation]),
        width=width,
        height=height,
    )


def project(
    camera: Camera, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project global points into the image.

    Parameters
    ----------
    camera : Camera
    points : (N, 3) array
        Global, m.

    Returns
    -------
    pixels : (N, 2) array
        x and y, px; 0 where the point is at depth `NEAR` or less.
    depth : (N,) array
        Distance along the camera's z axis, m.
    """
    projection = camera.P
    # A row per axis: several times faster than a row per point.
    homogeneous = projection[:, :3] @ points.T + projection[:, 3:]
    depth = homogeneous[2]
    ahead = depth > NEAR
    pixels = homogeneous[:2] * ahead / np.where(ahead, depth, 1.0)
    return pixels.T, depth
