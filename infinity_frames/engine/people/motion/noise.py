"""Smooth, repeatable variation of a motion: no rep is like another.

Each rep and joint draws its own control points; a uniform cubic B-spline through all reps joins
them, so the variation has a continuous second derivative also where one rep becomes the next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS

__all__ = ["joint_noise", "joint_spread"]

Array = NDArray[np.float64]

_POINTS_PER_REP = 4
_LARGEST = 2.5

# Standard deviation of the control points, deg, and as a share of the range the exercise moves
# the angle through: people vary most in what they move most.
_SPREAD = {
    "pelvis": 0.5,
    "spine1": 0.7,
    "spine2": 0.7,
    "spine3": 0.7,
    "neck": 1.5,
    "head": 2.0,
    "hip": 1.2,
    "knee": 1.2,
    "ankle": 0.6,
    "collar": 0.8,
    "shoulder": 2.2,
    "elbow": 2.2,
    "wrist": 1.5,
}
_RANGE_SHARE = 0.04


def joint_spread(angles: Array) -> Array:
    """Return how much each joint angle varies between people and reps.

    Parameters
    ----------
    angles : (K, 55, 3) array
        Key poses of the exercise, deg.

    Returns
    -------
    (55, 3) array
        Standard deviation of the noise's control points at noise factor 1, deg.
    """
    base = np.zeros((len(JOINTS), 3))
    for name, index in JOINT_INDEX.items():
        part = name.removeprefix("left_").removeprefix("right_")
        base[index] = _SPREAD.get(part, 0.0)
    # Hinges bend about one axis only.
    for side in ("left", "right"):
        base[JOINT_INDEX[f"{side}_knee"], 1:] = 0.0
        base[JOINT_INDEX[f"{side}_elbow"], 2] = 0.0
    return np.asarray(base + np.minimum(_RANGE_SHARE * np.ptp(angles, axis=0), base))


def joint_noise(seed: int, clock: Array, spread: Array) -> Array:
    """Variation of every joint angle.

    Parameters
    ----------
    seed : int
        The job's seed.
    clock : (F,) array
        Reps done, smooth in time, at least 0.
    spread : (55, 3) array
        Standard deviations, deg; a joint of 0 throughout draws nothing.

    Returns
    -------
    (F, 55, 3) array
        Angles to add, deg.
    """
    knot = clock * _POINTS_PER_REP
    first = np.floor(knot).astype(np.intp)
    basis = _cubic_basis(knot - first)
    noise = np.zeros((len(clock), *spread.shape))
    # A span needs one control point before it and two after.
    low, high = int(first.min()) - 1, int(first.max()) + 2
    reps = range(low // _POINTS_PER_REP, high // _POINTS_PER_REP + 1)
    for joint in np.flatnonzero(spread.any(axis=1)):
        # The rep before the first one is a draw too, hence + 1.
        draws = [
            stream(seed, "kinematic_noise", rep + 1, int(joint)).normal(size=(_POINTS_PER_REP, 3))
            for rep in reps
        ]
        points = np.clip(np.concatenate(draws), -_LARGEST, _LARGEST)
        around = first[:, None] + np.arange(-1, 3) - reps[0] * _POINTS_PER_REP
        noise[:, joint] = np.einsum("fk,fkc->fc", basis, points[around]) * spread[joint]
    return noise


def _cubic_basis(u: Array) -> Array:
    """Uniform cubic B-spline weights of the four control points around a span, (F, 4)."""
    weights = [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, 3 * (u + u**2 - u**3) + 1, u**3]
    return np.stack(weights, axis=-1) / 6.0
