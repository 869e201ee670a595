"""Flat mirrors: their reflection is rendered as a separate picture by a mirrored camera.

A material of roughness 0 is a mirror. All visible mirror faces are assumed to lie in one plane;
other mirrors appear in a reflection with their plain color.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render.geometry import Geometry
from infinity_frames.engine.scene.scene import Camera, Placement, Scene

__all__ = ["Mirror"]

Draw = Callable[[Mapping[str, Placement]], NDArray[np.float32]]


class Mirror:
    """The mirror of a scene, and the pixels that show it.

    Parameters
    ----------
    scene : Scene
    geometry : Geometry
        Geometry of the scene.
    face_id : (H, W) int32 array
        Static face at each pixel; -1 for none.
    """

    def __init__(self, scene: Scene, geometry: Geometry, face_id: NDArray[np.int32]) -> None:
        surfaces = geometry.surfaces
        self._is_mirror = np.append(surfaces.finish[surfaces.material, 1] == 0.0, False)
        rows, columns = self._is_mirror[face_id].nonzero()
        self.scene: Scene | None = None
        """The scene whose picture is the reflection; None if no mirror is in view."""
        if not len(rows):
            return
        self._first, self._last = (rows.min(), columns.min()), (rows.max() + 1, columns.max() + 1)
        face = face_id[rows[0], columns[0]]
        self._tint = surfaces.color[surfaces.material[face]].astype(np.float32)
        owner = int(surfaces.owner[face])
        others = tuple(item for i, item in enumerate(scene.objects) if i != owner)
        corners = geometry.vertices[surfaces.faces[face]]
        self.scene = replace(scene, objects=others, camera=self._behind(scene.camera, corners))

    def show(
        self, picture: NDArray[np.float32], face_id: NDArray[np.int32], color: NDArray[np.float32]
    ) -> None:
        """Copy a picture of ``scene`` into the mirror's pixels of ``color`` (H, W, 3)."""
        part = tuple(slice(a, b) for a, b in zip(self._first, self._last, strict=True))
        seen = self._is_mirror[face_id[part]]
        color[part][seen] = picture[:, ::-1][seen] * self._tint

    def _behind(self, camera: Camera, corners: NDArray[np.float64]) -> Camera:
        """Return the camera mirrored in the mirror's plane.

        A reflection swaps left and right, so its picture is drawn flipped and then flipped back.
        """
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= np.linalg.norm(normal)
        reflection = np.eye(3) - 2.0 * np.outer(normal, normal)
        shift = 2.0 * (corners[0] @ normal) * normal
        flip = np.diag([-1.0, 1.0, 1.0])
        rotation, translation = camera.RT[:, :3], camera.RT[:, 3]
        pose = flip @ np.column_stack([rotation @ reflection, rotation @ shift + translation])
        intrinsics = camera.K.copy()
        intrinsics[0, 2] = self._last[1] - camera.K[0, 2]
        intrinsics[1, 2] = camera.K[1, 2] - self._first[0]
        height, width = (int(b - a) for a, b in zip(self._first, self._last, strict=True))
        return Camera(intrinsics, pose, width, height, camera.distortion)
