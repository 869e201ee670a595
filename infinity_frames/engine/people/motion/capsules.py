"""How thick a body is around its bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bulk"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bulk:
    """The flesh around one bone: a rounded bar of varying radius, wider than deep for a trunk.

    Parameters
    ----------
    joint : int
        The joint it moves with.
    start, end : (3,) array
        Ends of its middle from that joint, in the T-pose, m.
    radii : (2,) array
        Depth from the middle to the surface at either end, m.
    wide : (2,) array
        How far the middle extends to either side, m; 0 for what is round.
    """

    joint: int
    start: Array
    end: Array
    radii: Array
    wide: Array

    def away(self, points: Array, positions: Array, rotations: Array) -> tuple[Array, Array]:
        """Signed distances (F, P) of points (F, P, 3) from the surface, and directions out."""
        turn = rotations[:, self.joint]
        local = np.einsum("fji,fpj->fpi", turn, points - positions[:, None, self.joint])
        bone = self.end - self.start
        along = np.clip((local - self.start) @ bone / (bone @ bone), 0.0, 1.0)
        middle = self.start + along[..., None] * bone
        wide = (1.0 - along) * self.wide[0] + along * self.wide[1]
        middle[..., 0] += np.clip(local[..., 0] - middle[..., 0], -wide, wide)
        offset = local - middle
        distance = np.linalg.norm(offset, axis=-1)
        out = offset / np.maximum(distance, 1e-9)[..., None]
        radius = (1.0 - along) * self.radii[0] + along * self.radii[1]
        return distance - radius, np.einsum("fij,fpj->fpi", turn, out)
