"""The camera: lens, pose and projection."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from infinity_frames.engine.scene.scene import Camera

__all__ = [
    "FOCAL_LENGTH",
    "NEAR",
    "SENSOR_WIDTH",
    "distort",
    "intrinsics",
    "look",
    "project",
    "sample_rays",
    "undistort",
]

FOCAL_LENGTH = 0.035
"""Default focal length of the lens, m."""

SENSOR_WIDTH = 0.036
"""Width of the sensor along the longer side of the image, m."""

NEAR = 0.05
"""Points at this depth or less are not projected, m."""

_NEWTON_STEPS = 12


def intrinsics(width: int, height: int, focal_length: float = FOCAL_LENGTH) -> NDArray[np.float64]:
    """Intrinsic matrix of an image size: square pixels, principal point in the middle.

    Parameters
    ----------
    width, height : int
        Image size, px.
    focal_length : float
        Of the lens, m.

    Returns
    -------
    (3, 3) array
        K, px.
    """
    focal = focal_length / SENSOR_WIDTH * max(width, height)
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def look(
    location: ArrayLike,
    yaw: float,
    pitch: float,
    width: int,
    height: int,
    *,
    focal_length: float = FOCAL_LENGTH,
    distortion: float = 0.0,
) -> Camera:
    """Build an upright camera from its location and direction of view.

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
    focal_length : float
        Of the lens, m.
    distortion : float
        Radial displacement of the image's corner against a pinhole camera, as a share of its
        radius: positive outward (pincushion), negative inward (barrel); above -1/3.

    Returns
    -------
    Camera
    """
    matrix = intrinsics(width, height, focal_length)
    corner = (width**2 + height**2) / (2.0 * matrix[0, 0]) ** 2
    turn, rise = np.radians(yaw), np.radians(pitch - 90.0)
    right = np.array([np.cos(turn), np.sin(turn), 0.0])
    forward = np.array(
        [-np.sin(turn) * np.cos(rise), np.cos(turn) * np.cos(rise), np.sin(rise)],
    )
    rotation = np.stack([right, np.cross(forward, right), forward])
    translation = -rotation @ np.asarray(location, dtype=np.float64)
    return Camera(
        K=matrix,
        RT=np.column_stack([rotation, translation]),
        width=width,
        height=height,
        # The corner is seen at (1 + distortion) times its undistorted radius.
        distortion=distortion * (1.0 + distortion) ** 2 / corner,
    )


def distort(camera: Camera, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply the lens's distortion to undistorted image points.

    Parameters
    ----------
    camera : Camera
    pixels : (..., 2) array
        px.

    Returns
    -------
    (..., 2) array
        px.
    """
    if camera.distortion == 0.0:
        return pixels
    center, focal, (k, most) = np.split(camera.lens, [2, 4])
    offset = pixels - center
    squared = np.minimum(((offset / focal) ** 2).sum(axis=-1, keepdims=True), most)
    return np.asarray(center + offset * (1.0 + k * squared))


def undistort(camera: Camera, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of `distort` for points in the image, by Newton's method on the radius.

    Parameters
    ----------
    camera : Camera
    pixels : (..., 2) array
        px.

    Returns
    -------
    (..., 2) array
        px.
    """
    if camera.distortion == 0.0:
        return pixels
    center, focal, (k, _) = np.split(camera.lens, [2, 4])
    offset = pixels - center
    target = np.sqrt(((offset / focal) ** 2).sum(axis=-1, keepdims=True))
    radius = target.copy()
    for _ in range(_NEWTON_STEPS):
        radius -= (radius + k * radius**3 - target) / (1.0 + 3.0 * k * radius**2)
    return np.asarray(center + offset / (1.0 + k * radius**2))


def sample_rays(camera: Camera, shift: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
    """Undistorted image coordinates of one sample per pixel.

    Parameters
    ----------
    camera : Camera
    shift : (float, float)
        From the pixel's center, px.

    Returns
    -------
    (H, W, 2) array
        px; empty for a lens without distortion, whose samples are on a regular grid.
    """
    if camera.distortion == 0.0:
        return np.empty((0, 0, 2))
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    return np.ascontiguousarray(undistort(camera, np.stack([x, y], axis=-1) + np.array(shift)))


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
    if camera.distortion:
        return np.where(ahead[:, None], distort(camera, pixels.T), 0.0), depth
    return pixels.T, depth
