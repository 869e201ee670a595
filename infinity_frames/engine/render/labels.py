"""The label pass: the visible object at each pixel, by one sample at the pixel's center."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render.geometry import Geometry
from infinity_frames.engine.render.raster import NEAREST, nearest, rasterize
from infinity_frames.engine.scene.camera import sample_rays, undistort
from infinity_frames.engine.scene.scene import Camera

__all__ = ["LabelPass", "SampleGrid", "Visibility"]


class SampleGrid(NamedTuple):
    """Sample positions of an image, one per pixel."""

    camera: Camera
    shift: tuple[float, float]  # offset from the pixel centers, px
    rays: NDArray[np.float64]  # (H, W, 2) undistorted samples, px; empty without distortion

    @classmethod
    def of(cls, camera: Camera, shift: tuple[float, float] = (0.0, 0.0)) -> SampleGrid:
        """Build the samples at an offset from the pixel centers."""
        return cls(camera, shift, sample_rays(camera, shift))

    def places(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Undistorted x and y of the samples of given pixels, px."""
        if len(self.rays):
            found = self.rays[rows, columns]
            return np.ascontiguousarray(found[:, 0]), np.ascontiguousarray(found[:, 1])
        x, y = columns + (0.5 + self.shift[0]), rows + (0.5 + self.shift[1])
        return x.astype(np.float64), y.astype(np.float64)


@dataclass(eq=False)
class Visibility:
    """Visibility buffer: the nearest face at one sample of every pixel.

    Parameters
    ----------
    inverse_depth : (H, W) float64 array
        1/z, 1/m; 0 for background.
    face_id : (H, W) int32 array
        Index of the face; -1 for background.
    """

    inverse_depth: NDArray[np.float64]
    face_id: NDArray[np.int32]

    @classmethod
    def empty(cls, height: int, width: int) -> Visibility:
        """Build an empty buffer."""
        return cls(np.zeros((height, width)), np.full((height, width), -1, np.int32))

    def copy(self) -> Visibility:
        """Copy the buffer, to draw further faces into it."""
        return Visibility(self.inverse_depth.copy(), self.face_id.copy())

    def draw(
        self,
        geometry: Geometry,
        clip: NDArray[np.float64],
        members: NDArray[np.int32],
        grid: SampleGrid,
    ) -> None:
        """Draw faces; ``clip`` holds the vertices' homogeneous pixel coordinates."""
        rasterize(
            clip,
            np.ones(len(clip)),
            geometry.surfaces.faces,
            members,
            geometry.one_sided,
            grid.shift[0],
            grid.shift[1],
            grid.rays,
            grid.camera.lens,
            1.0 / NEAREST,
            self.inverse_depth,
            self.face_id,
        )


@dataclass(eq=False)
class LabelPass:
    """The result of a label pass.

    Parameters
    ----------
    ids : (H, W) int32 array
        0 for background, else the object's position in ``scene.objects`` plus 1.
    depth : (H, W) float32 array
        z in camera axes, m; inf for background.
    geometry, clip, grid
        Inputs of the pass, kept for further masks.
    """

    ids: NDArray[np.int32]
    depth: NDArray[np.float32]
    geometry: Geometry
    clip: NDArray[np.float64]
    grid: SampleGrid

    @classmethod
    def of(
        cls,
        visibility: Visibility,
        geometry: Geometry,
        clip: NDArray[np.float64],
        grid: SampleGrid,
    ) -> LabelPass:
        """Build the label pass of a visibility buffer."""
        owners = np.append(geometry.surfaces.owner + 1, 0).astype(np.int32)  # -1 is background
        with np.errstate(divide="ignore"):
            depth = (1.0 / visibility.inverse_depth).astype(np.float32)
        return cls(owners[visibility.face_id], depth, geometry, clip, grid)

    def depth_at(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Depth of the nearest surface exactly at given image points, not at pixel centers.

        Parameters
        ----------
        pixels : (N, 2) array
            px.

        Returns
        -------
        (N,) array
            m; infinite for background.
        """
        geometry = self.geometry
        near = nearest(
            self.clip,
            geometry.surfaces.faces,
            geometry.one_sided,
            1.0 / NEAREST,
            np.ascontiguousarray(undistort(self.grid.camera, pixels), dtype=np.float64),
        )
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / near)

    def unoccluded(self, object_id: int) -> NDArray[np.bool_]:
        """Draw the unoccluded mask of one object.

        Parameters
        ----------
        object_id : int
            As in ``ids``, 1 or more.

        Returns
        -------
        (H, W) bool array
            Contains every pixel where ``ids == object_id``.
        """
        alone = Visibility.empty(*self.ids.shape)
        alone.draw(self.geometry, self.clip, self.geometry.members([object_id - 1]), self.grid)
        return alone.face_id >= 0
