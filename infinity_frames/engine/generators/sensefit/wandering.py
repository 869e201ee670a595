"""Random motion of arms, trunk and head, without reps; the feet stay in place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.people.exercises import Exercise, KeyPose, exercise
from infinity_frames.engine.people.motion.motion import Motion, Pose
from infinity_frames.engine.people.skeleton import JOINT_INDEX

__all__ = ["SECONDS", "SmoothMotion", "random_motion"]

Array = NDArray[np.float64]

SECONDS = 26.0
"""Duration of a random motion, s: longer than the longest job."""

_EVERY = 1.0  # s between poses
_SMOOTHING_S = 0.08  # deviation of a Gaussian window: muscles change their force no faster
_GRID_RATE = 50.0  # poses per second that are averaged, Hz
_STANDING = "SQUAT-BODYWEIGHT"

# Range of each angle of the left side, deg; exercises.py explains the angles.
_RANGES = {
    "spine1": ((-4, -8, -4), (10, 8, 4)),
    "spine3": ((-4, -10, -4), (8, 10, 4)),
    "neck": ((-8, -15, -6), (10, 15, 6)),
    "left_shoulder": ((-50, -85, -80), (35, 5, 60)),
    "left_elbow": ((-80, -130, 0), (60, -8, 0)),
    "left_wrist": ((0, -12, -30), (0, 12, 35)),
    "right_shoulder": ((-50, -85, -80), (35, 5, 60)),
    "right_elbow": ((-80, -130, 0), (60, -8, 0)),
    "right_wrist": ((0, -12, -30), (0, 12, 35)),
}
_MIRRORED = np.array([1.0, -1.0, -1.0])


def random_motion(seed: int) -> Exercise:
    """Draw a motion through random poses, one per second.

    Poses are drawn independently, so that a longer job begins like a shorter one.

    Parameters
    ----------
    seed : int
        The job's seed.

    Returns
    -------
    Exercise
        Use only its first half, from start to midpoint, which takes `SECONDS`.
    """
    standing = exercise(_STANDING)
    count = int(SECONDS / _EVERY) + 1
    keys = [_pose(seed, number, number / (count - 1), standing.keys[0]) for number in range(count)]
    return replace(standing, name="RANDOM", held=(), seconds=2 * SECONDS, keys=tuple(keys))


def _pose(seed: int, number: int, at: float, standing: KeyPose) -> KeyPose:
    angles = standing.angles.copy()
    for joint, (low, high) in _RANGES.items():
        drawn = stream(seed, f"random_{joint}", number).uniform(low, high)
        side = _MIRRORED if joint.startswith("right_") else 1.0
        angles[JOINT_INDEX[joint]] = drawn * side
    return replace(standing, at=at, angles=angles)


class SmoothMotion:
    """A random motion whose poses are averaged over time, with a Gaussian window.

    Keeping an arm clear of the trunk moves it away within a few hundredths of a second, at several
    times the acceleration of a real arm. Averaged arms press up to 2 cm into the flesh instead.

    Parameters
    ----------
    motion : Motion
        Made of :func:`random_motion`.
    until : float
        The last time that is needed, s.
    """

    def __init__(self, motion: Motion, until: float) -> None:
        time = np.arange(0.0, until + 1.0, 1.0 / _GRID_RATE)
        pose = motion.exact(np.clip(time / SECONDS, 0.0, 1.0))
        turns = pose.quaternions.reshape(len(time), -1, 4).copy()
        # Neighbors must have the same sign: q and -q are the same rotation.
        flips = np.sum(turns[1:] * turns[:-1], axis=2) < 0.0
        turns[1:] *= np.cumprod(np.where(flips, -1.0, 1.0), axis=0)[:, :, None]
        width = _SMOOTHING_S * _GRID_RATE
        self._turns, self._root = (
            make_interp_spline(time, gaussian_filter1d(values, width, axis=0, mode="nearest"), k=5)
            for values in (turns, pose.root)
        )

    def pose(self, time: Array) -> Pose:
        """Poses at some times, (F,) s."""
        turns = self._turns(time)
        return Pose(turns / np.linalg.norm(turns, axis=2, keepdims=True), self._root(time))
