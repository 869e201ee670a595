"""The label pass: what is seen at each pixel, one sample at its center."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render.geometry import Geometry
from infinity_frames.engine.render.raster import NEAREST, nearest, rasterize

__all__ = ["LabelPass", "Visibility"]


@dataclass(eq=False)
class Visibility:
    """The nearest face at one sample of every pixel.

    Parameters
    ----------
    inverse_depth : (H, W) float64 array
        1/z, 1/m; 0 where nothing is.
    face_id : (H, W) int32 array
        Face; -1 where nothing is.
    """

    inverse_depth: NDArray[np.float64]
    face_id: NDArray[np.int32]

    @classmethod
    def empty(cls, height: int, width: int) -> Visibility:
        """See nothing yet."""
        return cls(np.zeros((height, width)), np.full((height, width), -1, np.int32))

    def copy(self) -> Visibility:
        """Draw on without changing the original."""
        return Visibility(self.inverse_depth.copy(), self.face_id.copy())

    def draw(
        self,
        geometry: Geometry,
        clip: NDArray[np.float64],
        members: NDArray[np.int32],
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Add faces, seen from the camera that ``clip`` is of."""
        rasterize(
            clip,
            np.ones(len(clip)),
            geometry.surfaces.faces,
            members,
            geometry.one_sided,
            shift[0],
            shift[1],
            1.0 / NEAREST,
            self.inverse_depth,
            self.face_id,
        )


@dataclass(eq=False)
class LabelPass:
    """What every pixel's center sees.

    Parameters
    ----------
    ids : (H, W) int32 array
        0 where nothing is seen, else the object's position in ``scene.objects`` plus 1.
    depth : (H, W) float32 array
        z in camera axes, m; inf where nothing is seen.
    geometry, clip
        What it was drawn from, for further masks.
    """

    ids: NDArray[np.int32]
    depth: NDArray[np.float32]
    geometry: Geometry
    clip: NDArray[np.float64]

    @classmethod
    def of(cls, visibility: Visibility, geometry: Geometry, clip: NDArray[np.float64]) -> LabelPass:
        """Name what a visibility buffer sees."""
        owners = np.append(geometry.surfaces.owner + 1, 0).astype(np.int32)  # [-1] is nothing
        with np.errstate(divide="ignore"):
            depth = (1.0 / visibility.inverse_depth).astype(np.float32)
        return cls(owners[visibility.face_id], depth, geometry, clip)

    def depth_at(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Depth of what is seen exactly at some places, not at the centers of their pixels.

        Parameters
        ----------
        pixels : (N, 2) array
            px.

        Returns
        -------
        (N,) array
            m; infinite where nothing is seen.
        """
        geometry = self.geometry
        near = nearest(
            self.clip,
            geometry.surfaces.faces,
            geometry.one_sided,
            1.0 / NEAREST,
            np.ascontiguousarray(pixels, dtype=np.float64),
        )
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / near)

    def unoccluded(self, object_id: int) -> NDArray[np.bool_]:
        """Where one object would be seen if nothing stood before it.

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
        alone.draw(self.geometry, self.clip, self.geometry.members([object_id - 1]))
        return alone.face_id >= 0
