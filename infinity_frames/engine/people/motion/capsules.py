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
