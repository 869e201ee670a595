"""How thick a body is where it rests on the floor, so that neither thin nor heavy ones sink in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body import Body
from infinity_frames.engine.people.exercises import Exercise
from infinity_frames.engine.people.motion.keyframes import CLEARANCES
from infinity_frames.engine.people.motion.motion import Motion
from infinity_frames.engine.people.skeleton import JOINT_INDEX

__all__ = ["clearances"]

Array = NDArray[np.float64]

# What lies around which joints and how far from them, m, when a part rests on the floor.
_AROUND = {
    "seat": {"pelvis": 0.28},
    "belly": {"pelvis": 0.28},
    "side": {"pelvis": 0.28},
    "shoulders": {"spine3": 0.27, "pelvis": 0.27, "neck": 0.22},
    "knee": {"left_knee": 0.20, "right_knee": 0.20},
}
_PLACES = 9
_PRESSED = 0.004  # how far flesh gives way on a floor, m


def clearances(exercise: Exercise, body: Body) -> dict[str, float | Array]:
    """Heights above the floor of the joints that rest on it.

    Each is measured on the body's own skin, along the course without noise: as much as the skin
    around the joint is below the floor or above it at its lowest.

    Parameters
    ----------
    exercise : Exercise
        What is done.
    body : Body
        By whom.

    Returns
    -------
    dict of str to float or (N,) array
        m, for `Motion`: of what carries the trunk at N places along the course, since another part
        of it comes to lie below as it rolls.
    """
    parts = {name.rpartition("_")[2] for name in exercise.contacts} & set(_AROUND)
    if not parts:
        return {}
    motion = Motion(exercise, rest_joints=body.rest_joints, flesh=body.flesh)
    pose = motion.exact(np.linspace(0.0, 1.0, _PLACES))
    joints, _ = pose.joints(body.rest_joints)
    lowest = {part: np.full(_PLACES, np.inf) for part in parts}
    for k, (quaternions, root) in enumerate(zip(pose.quaternions, pose.root, strict=True)):
        vertices, _ = body.pose(quaternions, root)
        for part in parts:
            for name, radius in _AROUND[part].items():
                away = np.linalg.norm(vertices - joints[k, JOINT_INDEX[name]], axis=1)
                near = vertices[away < radius * body.stature / 1.75, 1]
                lowest[part][k] = min(lowest[part][k], near.min(initial=np.inf))
    heights = {part: CLEARANCES[part] - low - _PRESSED for part, low in lowest.items()}
    # A knee is on the floor or off it, and is as thick whenever it is on.
    return {
        part: float(height.max()) if part == "knee" else height for part, height in heights.items()
    }
