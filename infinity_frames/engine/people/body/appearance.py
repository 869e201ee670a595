"""What a body is requested to look like, and the traits that each identity draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream

__all__ = ["Appearance", "Gender"]

Array = NDArray[np.float64]
Gender = Literal["MALE", "FEMALE"]

STATURE = {"MALE": (1.76, 0.071), "FEMALE": (1.63, 0.064)}
"""Mean and standard deviation of adult stature, m."""

# Stream of the identities, which every job of every user shares.
_IDENTITIES = 1_907

# Traits of the face that an identity draws, each in units of its two shape targets.
_FACE = (
    *("nose_length", "nose_width", "nose_depth", "nose_hump", "nose_point"),
    *("chin_width", "chin_height", "chin_prominence", "jaw", "mouth_width", "upper_lip"),
    *("lower_lip", "mouth_corners", "cheek_bones", "cheeks", "eye_size", "eye_gap", "eye_slant"),
    *("brow_height", "brow_angle", "forehead", "ear_size", "ear_wing", "neck_width"),
)
_SPREAD, _LARGEST = 0.30, 0.60
_YOUNGEST, _OLDEST = 18.0, 75.0


@dataclass(frozen=True)
class Appearance:
    """A request for a body.

    Parameters
    ----------
    gender : {"MALE", "FEMALE"}
        Presenting gender.
    relative_height, relative_weight : float
        Standard deviations of stature and girth, -4..4.
    identity : int
        0..24: proportions of body and face, age, hair, skin, colors of the clothes.
    outfit : int
        0..4: which garments.
    hide_shoes, add_socks : bool
        Bare feet (or socks) instead of shoes; socks under the shoes or alone.
    skin_tone_seed : int or None
        Draws the skin tone instead of taking the identity's.
    """

    gender: Gender = "MALE"
    relative_height: float = 0.0
    relative_weight: float = 0.0
    identity: int = 0
    outfit: int = 0
    hide_shoes: bool = False
    add_socks: bool = False
    skin_tone_seed: int | None = None

    @property
    def female(self) -> bool:
        """Whether the shapes of women apply."""
        return self.gender == "FEMALE"

    @property
    def stature(self) -> float:
        """Height of the body without shoes and hair, m."""
        mean, deviation = STATURE[self.gender]
        return mean + deviation * self.relative_height

    @cached_property
    def betas(self) -> Array:
        """Shape coefficients, (10,), in standard deviations.

        0 stature, 1 girth, then drawn with the identity: 2 leg and arm length, 3 shoulder width,
        4 hip width, 5 muscularity, 6 belly, 7 chest or bust, 8 width of the face, 9 its length.
        """
        drawn = np.clip(self.draws("proportions").normal(0.0, 0.7, 8), -1.6, 1.6)
        return np.concatenate([[self.relative_height, self.relative_weight], drawn])

    @cached_property
    def tone(self) -> float:
        """Place of the identity's skin between the lightest (0) and the darkest (1)."""
        # The golden ratio spreads the identities evenly over the palette.
        return (0.21 + 0.61803399 * self.identity) % 1.0

    @cached_property
    def age(self) -> float:
        """Age of the identity, years."""
        # Spread evenly over the identities, the young more often than the old.
        share = (0.30 + 0.15 * self.female + 0.75487767 * self.identity) % 1.0
        return float(_YOUNGEST + (_OLDEST - _YOUNGEST) * share**1.5)

    @cached_property
    def ancestry(self) -> Mapping[str, float]:
        """Shares of MakeHuman's three kinds of faces; they follow the tone of the skin."""
        first, second = self.draws("ancestry").uniform(size=2)
        african = float(np.clip((self.tone - 0.50) / 0.22, 0.0, 1.0))
        mixed = 0.9 if first < 0.42 and self.tone > 0.12 else 0.12 * float(second)
        asian = (1.0 - african) * mixed
        return {"african": african, "asian": asian, "caucasian": 1.0 - african - asian}

    @cached_property
    def face(self) -> Mapping[str, float]:
        """Amounts of the face's traits."""
        drawn = self.draws("face").normal(0.0, _SPREAD, len(_FACE))
        return dict(zip(_FACE, np.clip(drawn, -_LARGEST, _LARGEST).tolist(), strict=True))

    def draws(self, what: str) -> np.random.Generator:
        """Random generator of one trait of this identity and gender."""
        return stream(_IDENTITIES, what, self.identity, int(self.female))
