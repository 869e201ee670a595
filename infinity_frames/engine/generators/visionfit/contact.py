"""How thick a body is where it rests on the floor, so that neither thin nor heavy ones sink in."""

from __future__ import annotations

import numpy as np

from infinity_frames.engine.motion.exercises import Exercise
from infinity_frames.engine.motion.keyframes import CLEARANCES
from infinity_frames.engine.motion.motion import Motion
from infinity_frames.engine.motion.skeleton import JOINT_INDEX
from infinity_frames.engine.motion.timeline import Timeline
from infinity_frames.engine.scene.body import Body

__all__ = ["clearances"]

# What lies around which joints and how far from them, m, when a part rests on the floor.
_AROUND = {
    "seat": (("pelvis",), 0.28),
    "belly": (("pelvis",), 0.28),
    "side": (("pelvis",), 0.28),
    "shoulders": (("spine3",), 0.24),
    "knee": (("left_knee", "right_knee"), 0.10),
}
_POSES = 9
_PRESSED = 0.004  # how far flesh gives way on a floor, m


def clearances(exercise: Exercise, body: Body) -> dict[str, float]:
    """Heights above the floor of the joints that rest on it.

    Each is measured on the body's own skin, through one rep without noise: as much as the skin
    around the joint is below the floor or above it at its lowest.

    Parameters
    ----------
    exercise : Exercise
        What is done.
    body : Body
        By whom.

    Returns
    -------
    dict of str to float
        m, for `Motion`.
    """
    parts = {name.rpartition("_")[2] for name in exercise.contacts} & set(_AROUND)
    if not parts:
        return {}
    timeline = Timeline(exercise, seed=0)
    moments = timeline.at(np.linspace(0.0, timeline.duration, _POSES))
    pose = Motion(exercise, rest_joints=body.rest_joints).pose(moments)
    joints, _ = pose.joints(body.rest_joints)
    lowest = dict.fromkeys(parts, np.inf)
    for quaternions, root, places in zip(pose.quaternions, pose.root, joints, strict=True):
        vertices, _ = body.pose(quaternions, root)
        for part in parts:
            names, radius = _AROUND[part]
            for name in names:
                away = np.linalg.norm(vertices - places[JOINT_INDEX[name]], axis=1)
                near = vertices[away < radius * body.stature / 1.75, 1]
                lowest[part] = min(lowest[part], float(near.min(initial=np.inf)))
    return {
        part: CLEARANCES[part] - low - _PRESSED for part, low in lowest.items() if np.isfinite(low)
    }
