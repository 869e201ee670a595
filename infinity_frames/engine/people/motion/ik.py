"""Analytic inverse kinematics of limbs, over many frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

__all__ = ["TwoBone", "aim", "blend", "soft_positive", "unit"]

Array = NDArray[np.float64]

# A limb is never stretched beyond this share of its length, where its hinge snaps straight, and
# gives way within the softness, m.
_LONGEST = 0.9995
_SOFTNESS = 0.004


@dataclass(frozen=True, eq=False)
class TwoBone:
    """A limb of two bones and a hinge: hip-knee-ankle or shoulder-elbow-wrist.

    Parameters
    ----------
    upper, lower : (3,) array
        The bones in the T-pose, m.
    bend : (3,) array
        Where the hinge points when the limb bends, in the T-pose: a knee forward, an elbow back.
    """

    upper: Array
    lower: Array
    bend: Array

    @property
    def length(self) -> float:
        """Length of the straight limb, m."""
        return float(np.linalg.norm(self.upper) + np.linalg.norm(self.lower))

    def solve(self, start: Array, end: Array, pole: Array) -> tuple[Array, Array]:
        """Rotations that put the limb's end where it should be.

        Parameters
        ----------
        start, end : (F, 3) array
            Where the limb starts and should end, m; the end is pulled in if out of reach.
        pole : (F, 3) array
            Where the hinge should point.

        Returns
        -------
        upper, lower : (F, 3, 3) array
            Rotations of the two bones from the T-pose.
        """
        a, b = np.linalg.norm(self.upper), np.linalg.norm(self.lower)
        reach = end - start
        direction = unit(reach)
        longest = (a + b) * _LONGEST
        slack = longest - np.linalg.norm(reach, axis=-1, keepdims=True)
        shortest = abs(a - b) + _SOFTNESS
        distance = np.maximum(longest - soft_positive(slack, _SOFTNESS), shortest)
        out = unit(pole - np.sum(pole * direction, axis=-1, keepdims=True) * direction)
        along = (a**2 - b**2 + distance**2) / (2.0 * distance)
        hinge = along * direction + np.sqrt(np.maximum(a**2 - along**2, 0.0)) * out
        axis = np.cross(direction, out)
        rest_axis = unit(np.cross(self.upper, self.bend))
        upper = _turn(self.upper, rest_axis, hinge, axis)
        lower = _turn(self.lower, rest_axis, distance * direction - hinge, axis)
        return upper, lower

    def twisted(self, lower: Array, end: Array) -> Array:
        """Return the lower bone twisted about itself as far as what it ends in asks for.

        A forearm turns with the hand: what is left for the wrist is bending only.

        Parameters
        ----------
        lower, end : (F, 3, 3) array
            Rotations of the lower bone, before the twist, and of the joint it ends in.

        Returns
        -------
        (F, 3, 3) array
        """
        axis = unit(self.lower)
        relative = Rotation.from_matrix(np.swapaxes(lower, -1, -2) @ end)
        x, y, z, w = np.moveaxis(relative.as_quat(canonical=True), -1, 0)
        angle = 2.0 * np.arctan2(np.stack([x, y, z], axis=-1) @ axis, w)
        return np.asarray(lower @ Rotation.from_rotvec(angle[:, None] * axis).as_matrix())


def aim(bone: Array, rotation: Array, direction: Array) -> Array:
    """Return the smallest turn of a bone that makes it point somewhere.

    Parameters
    ----------
    bone : (3,) array
        The bone in the T-pose.
    rotation : (F, 3, 3) array
        Its rotations now.
    direction : (F, 3) array
        Where it should point.

    Returns
    -------
    (F, 3, 3) array
        Its rotations then.
    """
    before, after = unit(rotation @ bone), unit(direction)
    axis = np.cross(before, after)
    cosine = np.sum(before * after, axis=-1)[:, None, None]
    cross = np.zeros((*axis.shape, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        cross[:, i, j], cross[:, j, i] = -axis[:, k], axis[:, k]
    return np.asarray((np.eye(3) + cross + cross @ cross / (1.0 + cosine)) @ rotation)


def blend(first: Array, second: Array, share: Array) -> Array:
    """Rotations between two, (F, 3, 3); ``share`` (F, 1) of the second."""
    a, b = (Rotation.from_matrix(turn).as_quat() for turn in (first, second))
    signs = np.where(np.sum(a * b, axis=-1, keepdims=True) < 0.0, -1.0, 1.0)
    # The sum of two rotations less than half a turn apart is never 0.
    return np.asarray(Rotation.from_quat((1.0 - share) * a + share * signs * b).as_matrix())


def soft_positive(x: Array, softness: float) -> Array:
    """Smooth max(x, 0): off by half the softness at 0, and by nothing far from it."""
    return np.asarray(0.5 * (x + np.sqrt(x * x + softness * softness)))


def unit(vectors: Array) -> Array:
    """Vectors of length 1, (..., 3)."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _turn(rest: Array, rest_axis: Array, bone: Array, axis: Array) -> Array:
    """Rotations that take a bone and its hinge axis from the T-pose to where they should be."""
    return _frame(bone, axis) @ np.swapaxes(_frame(rest, rest_axis), -1, -2)


def _frame(bone: Array, axis: Array) -> Array:
    first = unit(bone)
    third = unit(axis - np.sum(axis * first, axis=-1, keepdims=True) * first)
    return np.stack([first, np.cross(third, first), third], axis=-1)
