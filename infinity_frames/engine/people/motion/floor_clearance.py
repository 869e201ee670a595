"""Free limbs kept above the floor: a leg, an arm or the head that would sink in turns up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from infinity_frames.engine.people.motion.ik import soft_positive
from infinity_frames.engine.people.skeleton import JOINT_INDEX, PARENTS, forward

__all__ = ["FLESH", "Chain", "chains", "lifted"]

Array = NDArray[np.float64]

_SOFTNESS = 0.01
_NORM = 4.0
# With a level arm much shorter than this a joint is below the pivot rather than beside it, m.
_SHORTEST_ARM = 0.06

FLESH: Mapping[str, float] = MappingProxyType(
    {
        "knee": 0.05,
        "ankle": 0.045,
        "foot": 0.03,
        "elbow": 0.045,
        "wrist": 0.03,
        "middle2": 0.015,
        "head": 0.095,
    }
)
"""Flesh between the joints of the free limbs and the floor, of the reference body, m."""


@dataclass(frozen=True)
class Chain:
    """A part of the body that turns about its first joint to stay off the floor."""

    pivot: int
    joints: tuple[int, ...]
    flesh: tuple[float, ...]

    @classmethod
    def of(cls, flesh: Mapping[str, float], pivot: str, *parts: str) -> Chain:
        """Return the chain from a joint, such as ``left_hip``, to parts that could sink in."""
        side, _, _ = pivot.rpartition("_")
        names = [f"{side}_{part}" if side else part for part in parts]
        return cls(
            JOINT_INDEX[pivot],
            tuple(JOINT_INDEX[name] for name in names),
            tuple(flesh[part] for part in parts),
        )


def chains(held_by_ik: frozenset[str], flesh: Mapping[str, float] = FLESH) -> tuple[Chain, ...]:
    """List the chains that inverse kinematics leaves free.

    Parameters
    ----------
    held_by_ik : frozenset of str
        Effectors that are put somewhere: ``left_foot``, ``left_knee``, ``left_hand``, ...
    flesh : mapping of str to float
        Flesh between each part's joint and the floor, as `FLESH`, m.
    """
    out = [Chain.of(flesh, "neck", "head")]
    for side in ("left", "right"):
        if f"{side}_knee" in held_by_ik:
            out.append(Chain.of(flesh, f"{side}_knee", "ankle", "foot"))
        elif f"{side}_foot" not in held_by_ik:
            out.append(Chain.of(flesh, f"{side}_hip", "knee", "ankle", "foot"))
        if f"{side}_hand" not in held_by_ik:
            out.append(Chain.of(flesh, f"{side}_shoulder", "elbow", "wrist", "middle2"))
    return tuple(out)


def lifted(quaternions: Array, root: Array, rest: Array, free: tuple[Chain, ...]) -> Array:
    """Joint rotations with every free chain off the floor.

    Parameters
    ----------
    quaternions : (F, 55, 4) array
        Poses, w x y z.
    root : (F, 3) array
        Their pelvis positions, the floor at y = 0, m.
    rest : (55, 3) array
        Joint positions of the body in the T-pose, m.
    free : tuple of Chain
        Which parts may turn.

    Returns
    -------
    (F, 55, 4) array
    """
    positions, rotations = forward(quaternions, root, rest)
    out = quaternions.copy()
    for chain in free:
        arms = positions[:, chain.joints] - positions[:, [chain.pivot]]
        level = np.linalg.norm(arms[..., [0, 2]], axis=-1)
        depth = np.array(chain.flesh) - positions[:, chain.joints, 1]
        # What is right below the pivot cannot be lifted by turning, and turns nothing.
        tilt = soft_positive(depth, _SOFTNESS) * level / (level**2 + _SHORTEST_ARM**2)
        angle = np.sum(tilt**_NORM, axis=-1) ** (1.0 / _NORM)
        # Turning about the level axis square to the chain raises its end.
        heading = arms[:, -1, [0, 2]] / np.hypot(level[:, -1:], _SHORTEST_ARM)
        axis = np.stack([-heading[:, 1], np.zeros(len(heading)), heading[:, 0]], axis=-1)
        turn = Rotation.from_rotvec(angle[:, None] * axis).as_matrix()
        above = rotations[:, PARENTS[chain.pivot]]
        local = np.swapaxes(above, -1, -2) @ turn @ rotations[:, chain.pivot]
        out[:, chain.pivot] = Rotation.from_matrix(local).as_quat(canonical=True, scalar_first=True)
    return out
