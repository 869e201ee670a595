"""How thick a body is where it rests on the floor, so that neither thin nor heavy ones sink in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body import Body
from infinity_frames.engine.people.body.skin import OWNER
from infinity_frames.engine.people.exercises import Exercise
from infinity_frames.engine.people.motion.keyframes import CLEARANCES
from infinity_frames.engine.people.motion.motion import Motion
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS

__all__ = ["clearances"]

Array = NDArray[np.float64]

# What lies around which joints and how far from them, m, when a part rests on the floor.
_AROUND = {
    "seat": {"pelvis": 0.28},
    "belly": {"pelvis": 0.28, "spine3": 0.25},
    "side": {"pelvis": 0.28},
    "shoulders": {"spine3": 0.27, "pelvis": 0.27, "neck": 0.22},
    "knee": {"left_knee": 0.20, "right_knee": 0.20},
}
# Which joints move the flesh around the joints of a free limb, and how far it reaches from the
# joint along the limb, m.
_LIMBS = {
    "head": (("head", "jaw"), 1.0),
    "knee": (("knee", "hip"), 0.12),
    "ankle": (("ankle",), 1.0),
    "foot": (("foot",), 1.0),
    "elbow": (("elbow", "shoulder"), 0.10),
    "wrist": (("wrist",), 0.06),
    "middle2": (("index", "middle", "ring", "pinky"), 1.0),
}
_PLACES = 17
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "hip")
_PRESSED = 0.004  # how far flesh gives way on a floor, m
_NEAR = 0.08  # height below which flesh could come to rest on the floor, m


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
    if all(contact.endswith(("_foot", "_toes")) for contact in exercise.contacts):
        return {}
    motion = Motion(exercise, rest_joints=body.rest_joints, flesh=body.flesh)
    pose = motion.exact(np.linspace(0.0, 1.0, _PLACES))
    joints, _ = pose.joints(body.rest_joints)
    skins = [body.pose(*state)[0] for state in zip(pose.quaternions, pose.root, strict=True)]
    resting = _of_contacts(exercise, body, skins, joints)
    if not set(resting) - {"knee"}:
        resting["trunk"] = _sunk(body, skins)
    return {**_of_limbs(body, skins, joints), **resting}


def _sunk(body: Body, skins: list[Array]) -> Array:
    """Return how far a trunk that hands and feet carry would sink into the floor, (N,) m."""
    owner = np.array(JOINTS)[OWNER[body.bones[:, 0]]]
    rows = np.flatnonzero([name.endswith(_TRUNK) for name in owner])
    lowest = np.array([vertices[rows, 1].min() for vertices in skins])
    return np.asarray(np.maximum(-lowest - _PRESSED, 0.0))


def _of_contacts(
    exercise: Exercise, body: Body, skins: list[Array], joints: Array
) -> dict[str, float | Array]:
    """Clearances of what the exercise rests on the floor."""
    parts = {name.rpartition("_")[2] for name in exercise.contacts} & set(_AROUND)
    lowest = {part: np.full(_PLACES, np.inf) for part in parts}
    for k, vertices in enumerate(skins):
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


def _of_limbs(body: Body, skins: list[Array], joints: Array) -> dict[str, float]:
    """Clearances of limbs that are free to move but come near the floor."""
    owner = np.array(JOINTS)[OWNER[body.bones[:, 0]]]
    out: dict[str, float] = {}
    for part, (movers, reach) in _LIMBS.items():
        for side in ("left_", "right_") if part != "head" else ("",):
            names = tuple(side + mover for mover in movers)
            rows = np.flatnonzero([name.startswith(names) for name in owner])
            joint = JOINT_INDEX[side + part]
            for k, vertices in enumerate(skins):
                offset = vertices[rows] - joints[k, joint]
                own = offset[np.linalg.norm(offset, axis=1) < reach * body.stature / 1.75, 1]
                depth = -float(own.min(initial=0.0))
                if joints[k, joint, 1] - depth < _NEAR:
                    out[part] = max(out.get(part, 0.0), depth - _PRESSED)
    return out
