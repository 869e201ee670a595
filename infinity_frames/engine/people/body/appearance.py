"""Who is asked for, and the proportions that follow: shape coefficients and rest joints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS, T_POSE, forward

__all__ = ["Appearance", "Gender", "Proportions", "rest_quaternions"]

Array = NDArray[np.float64]
Gender = Literal["MALE", "FEMALE"]

STATURE = {"MALE": (1.76, 0.071), "FEMALE": (1.63, 0.064)}
"""Mean and standard deviation of adult stature, m."""

ARM_DROP = np.deg2rad(40.0)
LEG_SPREAD = np.deg2rad(7.0)

# Of the world-wide identities, told apart from every other draw of the engine.
_IDENTITIES = 1_907


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
        0..24: proportions of body and face, hair, skin, colours of the clothes.
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

    def draws(self, what: str) -> np.random.Generator:
        """Random generator of one trait of this identity and gender."""
        return stream(_IDENTITIES, what, self.identity, int(self.gender == "FEMALE"))


@dataclass(frozen=True, eq=False)
class Proportions:
    """A body of unit size: reference stature, own proportions.

    Parameters
    ----------
    female : bool
        Whether the female tables apply.
    betas : (10,) array
        See `Appearance.betas`.
    """

    female: bool
    betas: Array

    @property
    def girth(self) -> float:
        """Growth of the trunk's girth over the mean: -0.19..0.44 for -4..4 deviations."""
        weight = float(self.betas[1])
        return 0.11 * weight if weight > 0 else 0.048 * weight

    @property
    def limb(self) -> float:
        """Factor on the radii of arms and legs."""
        return 1.0 + 0.62 * self.girth + 0.02 * float(self.betas[5])

    @property
    def leg(self) -> float:
        """Factor on the length of the legs."""
        return 1.0 + 0.02 * float(self.betas[2])

    @property
    def arm(self) -> float:
        """Factor on the length of the arms."""
        return (0.955 if self.female else 1.0) * (1.0 + 0.015 * float(self.betas[2]))

    @property
    def hand(self) -> float:
        """Factor on the size of the hands."""
        return 0.92 if self.female else 1.0

    @property
    def foot(self) -> float:
        """Factor on the width and height of the feet."""
        return 0.92 if self.female else 1.0

    @property
    def head(self) -> float:
        """Factor on the size of the head."""
        return 0.98 if self.female else 1.0

    @property
    def shoulders(self) -> float:
        """Factor on the distance of the shoulders from the spine."""
        return (0.885 if self.female else 1.0) + 0.03 * float(self.betas[3]) + 0.05 * self.girth

    @property
    def hips(self) -> float:
        """Factor on the width of the pelvis."""
        return (1.02 if self.female else 1.0) + 0.03 * float(self.betas[4])

    def height(self, y: float | Array) -> Array:
        """Height in this body of a height in the reference body: only the legs stretch."""
        shank = 0.085 + 0.405 * self.leg
        thigh = shank + 0.41 * self.leg
        return np.asarray(
            np.interp(y, [0.0, 0.085, 0.49, 0.90, 2.0], [0.0, 0.085, shank, thigh, thigh + 1.1])
        )

    @cached_property
    def joints(self) -> Array:
        """T-pose joints, (55, 3)."""
        joints = T_POSE.copy()
        joints[:, 1] = self.height(T_POSE[:, 1])
        head, wrist = JOINT_INDEX["head"], T_POSE[JOINT_INDEX["left_wrist"]]
        for index, name in enumerate(JOINTS):
            side = np.array([-1.0 if name.startswith("right") else 1.0, 1.0, 1.0])
            part = name.split("_", 1)[-1]
            if part == "hip":
                joints[index, 0] *= self.hips
            elif part in ("jaw", "eye_smplhf"):
                joints[index] = joints[head] + self.head * (T_POSE[index] - T_POSE[head])
            elif part in ("collar", "shoulder"):
                joints[index, 0] *= self.shoulders
            elif part in ("elbow", "wrist"):
                start = T_POSE[JOINT_INDEX["left_shoulder"]]
                own = joints[JOINT_INDEX["left_shoulder"]]
                joints[index] = side * (own + self.arm * (T_POSE[index] * side - start))
            elif part[-1] in "123" and not part.startswith("spine"):
                own = joints[JOINT_INDEX["left_wrist"]]
                joints[index] = side * (own + self.hand * (T_POSE[index] * side - wrist))
        return joints

    @cached_property
    def rest(self) -> Array:
        """Joints in the A-pose that the body is modelled in, (55, 3)."""
        positions, _ = forward(rest_quaternions(), self.joints[0], self.joints)
        return positions


def rest_quaternions() -> Array:
    """The A-pose, (55, 4): arms half down and legs apart, so that nothing touches."""
    quaternions = np.tile([1.0, 0.0, 0.0, 0.0], (len(JOINTS), 1))
    turns = {"shoulder": -ARM_DROP, "hip": LEG_SPREAD, "ankle": -LEG_SPREAD}
    for part, angle in turns.items():
        for side, sign in (("left", 1.0), ("right", -1.0)):
            half = 0.5 * sign * angle
            quaternions[JOINT_INDEX[f"{side}_{part}"]] = np.cos(half), 0.0, 0.0, np.sin(half)
    return quaternions
