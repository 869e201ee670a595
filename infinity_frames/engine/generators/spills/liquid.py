"""The spill of v0.1.0: its growing outline, and the look of its liquid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream

__all__ = ["LIQUIDS", "Liquid", "Spill"]

Array = NDArray[np.float64]

_DIRECTIONS = 720
_HARMONICS = np.arange(2, 10)

_DEEPEST_BAY = 0.44  # largest distance of the outline inside its ellipse, as a share
_SMOOTH_AT_FIRST = 0.35  # share of the irregularity at the start; it grows with the spill
# Deeper bays between growing arms would dry up again: the derivative of `Spill.edge` by `grown` is
# negative at the end where waves < -1 / (3 - 2 s), with s the share above.
_GROWING_BAY = -1.0 / (3.0 - 2.0 * _SMOOTH_AT_FIRST)


@dataclass(frozen=True)
class Liquid:
    """A liquid.

    Parameters
    ----------
    color : tuple of float
        Color of a deep layer, linear RGB.
    hides : float
        Share of the floor's light that 1 mm absorbs.
    wets : float
        Brightness of the wet floor relative to the dry one: wet pores scatter less.
    """

    color: tuple[float, float, float]
    hides: float
    wets: float = 1.0


LIQUIDS: Mapping[str, Liquid] = {
    "RED": Liquid((0.17, 0.006, 0.008), 0.80),
    "BROWN": Liquid((0.045, 0.018, 0.006), 0.80),
    "WHITE": Liquid((0.72, 0.70, 0.65), 0.88),
    "TRANSPARENT": Liquid((0.30, 0.33, 0.34), 0.03, 0.66),
}


@dataclass(frozen=True, eq=False)
class Spill:
    """A spill on the floor at z = 0.

    Parameters
    ----------
    center : (2,) array
        Source, global, m.
    radii : (N,) array
        Distances from the source to the final ellipse, in evenly spaced directions, m.
    waves : (N,) array
        Deviation of the final outline from the ellipse, as a share of the radius.
    """

    center: Array
    radii: Array
    waves: Array

    @classmethod
    def of(cls, params: Mapping[str, Any], center: Array, seed: int) -> Spill:
        """Draw the spill of a job; each property has its own random stream.

        Parameters
        ----------
        params : mapping
            Every parameter of Spills.
        center : (2,) array
            Source, global, m.
        seed : int
            The job's seed.
        """
        around = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
        yaw = stream(seed, "spill_yaw").uniform(0.0, np.pi)
        draws = stream(seed, "spill_outline")
        sizes = draws.normal(0.0, 1.0, len(_HARMONICS)) / _HARMONICS**0.8
        phases = draws.uniform(0.0, 2 * np.pi, len(_HARMONICS))
        turns = _HARMONICS[:, None] * around + phases[:, None]
        waves = (sizes[:, None] * np.cos(turns)).sum(axis=0)
        waves *= _DEEPEST_BAY * params["profile_irregularity"] / np.abs(waves).max()
        waves = np.maximum(waves, _GROWING_BAY)
        ratio = params["aspect_ratio"]
        along, across = np.cos(around - yaw), np.sin(around - yaw)
        radii = 1.0 / np.sqrt(along**2 / ratio + across**2 * ratio)
        outline = radii * (1.0 + waves)
        area = np.pi * np.mean(outline**2)
        wanted = np.pi * (params["size"] / 100.0) ** 2
        return cls(center, radii * np.sqrt(wanted / area), waves)

    def edge(self, direction: Array, grown: float) -> Array:
        """Return the distance of the edge from the center; it never shrinks in any direction.

        Parameters
        ----------
        direction : array
            rad, 0 along X.
        grown : float
            Share of the liquid that has come out, 0..1.

        Returns
        -------
        array of the same shape
            m.
        """
        waves = self.waves * (_SMOOTH_AT_FIRST + (1.0 - _SMOOTH_AT_FIRST) * grown)
        outline = self.radii * np.sqrt(grown) * (1.0 + waves)
        place = np.mod(direction, 2 * np.pi) * (_DIRECTIONS / (2 * np.pi))
        before = place.astype(np.intp) % _DIRECTIONS
        share = place - np.floor(place)
        return np.asarray(
            outline[before] * (1.0 - share) + outline[(before + 1) % _DIRECTIONS] * share
        )
