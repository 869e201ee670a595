"""Where held equipment is: a transform per frame of each object an exercise holds.

An object's own axes: origin at the middle of its bar, x along the bar. ``hand`` and ``goblet``
dumbbells follow the hand and the chest; a barbell lies across the palms or the shoulders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.exercises import Exercise, Held
from infinity_frames.engine.people.motion.capsules import Bulk
from infinity_frames.engine.people.motion.ik import aim, unit
from infinity_frames.engine.people.skeleton import JOINT_INDEX, T_POSE, forward

__all__ = ["Chest", "grip_point", "hands_on", "held_transforms"]

Array = NDArray[np.float64]

# Depth of a bar's middle under the line from the wrist to the knuckles, m.
_PALM_DEPTH = 0.0285
_PALM_SHARE = 0.85

# Of the reference body, from the joint spine3, m: its length up to the neck, its depth.
_SPINE, _FRONT, _BACK = 0.21, 0.135, 0.125
_ON_SHOULDERS = 0.11  # height of a bar there
_BEFORE_CHEST = (0.03, 0.08)  # height of an upright dumbbell, and its distance from the chest

_GRIP_WIDTH = {"hands": 0.08, "back": 0.23}

GOBLET_GRIP = (0.05, 0.03)


@dataclass(frozen=True)
class Chest:
    """Where a trunk's surface is, from the joint ``spine3``.

    Parameters
    ----------
    size : float
        Relative to the reference body.
    front, back : float
        Depth of the chest (or of the belly below, where it stands out more) and of the back, m.
    """

    size: float = 1.0
    front: float = _FRONT
    back: float = _BACK

    @classmethod
    def of(cls, rest: Array, flesh: Sequence[Bulk]) -> Chest:
        """Measure a body of these T-pose joints and this flesh; none is that of the reference."""
        spine3, spine2 = JOINT_INDEX["spine3"], JOINT_INDEX["spine2"]
        size = float(np.linalg.norm(rest[JOINT_INDEX["neck"]] - rest[spine3])) / _SPINE
        here = {bulk.joint: bulk for bulk in flesh}
        if spine3 not in here:
            return cls(size, _FRONT * size, _BACK * size)
        middle = rest[spine2, 2] - rest[spine3, 2]
        front = max(
            here[joint].start[2] + here[joint].radii[0] + shift
            for joint, shift in ((spine3, 0.0), (spine2, middle))
        )
        return cls(size, float(front), float(here[spine3].radii[0] - here[spine3].start[2]))


def grip_point(side: str, rest: Array) -> Array:
    """Middle of a gripped bar from the wrist, in the T-pose, (3,) m."""
    knuckles = rest[JOINT_INDEX[f"{side}_middle1"]] - rest[JOINT_INDEX[f"{side}_wrist"]]
    return np.asarray(_PALM_SHARE * knuckles - [0.0, _PALM_DEPTH, 0.0])


def hands_on(
    held: Held, positions: Array, rotations: Array, rest: Array, chest: Chest
) -> dict[str, tuple[Array, Array]]:
    """Return where the hands must be to hold what both of them hold.

    Parameters
    ----------
    held : Held
        What is held.
    positions, rotations : (F, 55, 3) and (F, 55, 3, 3) array
        Joints of the poses before the hands are put on it.
    rest : (55, 3) array
        Joint positions of the body in the T-pose, m.
    chest : Chest
        Where its trunk ends.

    Returns
    -------
    dict of str to ((F, 3) array, (F, 3, 3) array)
        Position and rotation of the wrist, by side; empty for what one hand holds.
    """
    if held.grip == "hand":
        return {}
    place = _PLACES[held.grip](held, positions, rotations, rest, chest)
    out = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        turn = rotations[:, JOINT_INDEX[f"{side}_wrist"]]
        if held.grip == "goblet":
            # The hands cup the upper head from both sides.
            point = np.array([GOBLET_GRIP[0], 0.0, 0.0]) + sign * np.array([0, 0, GOBLET_GRIP[1]])
        else:
            shoulder = rest[JOINT_INDEX["left_shoulder"], 0]
            point = np.array([sign * (shoulder + _GRIP_WIDTH[held.grip]), 0.0, 0.0])
            thumb = np.array([0.0, 0.0, 1.0])
            towards = place[:, :3, 0] * np.sign(
                np.sum(turn[..., 2] * place[:, :3, 0], axis=-1, keepdims=True)
            )
            turn = aim(thumb, turn, towards)
        grip = place[:, :3, 3] + place[:, :3, :3] @ point
        out[side] = (grip - turn @ grip_point(side, rest), turn)
    return out


def held_transforms(
    exercise: Exercise,
    quaternions: Array,
    root: Array,
    rest: Array = T_POSE,
    flesh: Sequence[Bulk] = (),
) -> dict[str, Array]:
    """Place what an exercise holds.

    Parameters
    ----------
    exercise : Exercise
        What is done.
    quaternions : (F, 55, 4) array
        The poses' joint rotations, w x y z.
    root : (F, 3) array
        The poses' pelvis positions, body axes, m.
    rest : (55, 3) array
        Joint positions of the body in the T-pose, m.
    flesh : sequence of Bulk
        How thick the body is; default: as the reference.

    Returns
    -------
    dict of str to (F, 4, 4) array
        From the object's axes to body axes, by the object's name.
    """
    if not exercise.held:
        return {}
    positions, rotations = forward(quaternions, root, rest)
    chest = Chest.of(rest, flesh)
    return {
        held.name: _PLACES[held.grip](held, positions, rotations, rest, chest)
        for held in exercise.held
    }


def _in_hand(held: Held, positions: Array, rotations: Array, rest: Array, _: Chest) -> Array:
    joint = JOINT_INDEX[held.joint]
    turn = rotations[:, joint]
    middle = positions[:, joint] + turn @ grip_point(held.joint.split("_")[0], rest)
    # The bar lies across the palm, from the little finger to the index.
    return _transform(middle, turn[..., 2], turn[..., 1])


def _across_hands(_held: Held, positions: Array, rotations: Array, rest: Array, _: Chest) -> Array:
    left, right = (
        positions[:, joint] + rotations[:, joint] @ grip_point(side, rest)
        for side in ("left", "right")
        for joint in (JOINT_INDEX[f"{side}_wrist"],)
    )
    back_of_hands = sum(
        rotations[:, JOINT_INDEX[f"{side}_wrist"], :, 1] for side in ("left", "right")
    )
    return _transform((left + right) / 2.0, left - right, np.asarray(back_of_hands))


def _on_shoulders(held: Held, positions: Array, rotations: Array, _: Array, chest: Chest) -> Array:
    offset = np.array([0.0, _ON_SHOULDERS * chest.size, -chest.back])
    return _on_spine(held, positions, rotations, offset, along=0, up=1)


def _before_chest(held: Held, positions: Array, rotations: Array, _: Array, chest: Chest) -> Array:
    height, gap = _BEFORE_CHEST
    offset = np.array([0.0, height * chest.size, chest.front + gap])
    return _on_spine(held, positions, rotations, offset, along=1, up=2)


def _on_spine(
    held: Held, positions: Array, rotations: Array, offset: Array, along: int, up: int
) -> Array:
    turn = rotations[:, JOINT_INDEX[held.joint]]
    middle = positions[:, JOINT_INDEX[held.joint]] + turn @ offset
    return _transform(middle, turn[..., along], turn[..., up])


def _transform(middle: Array, along: Array, up: Array) -> Array:
    """Transforms with the given origin and x axis, and y as near to ``up`` as can be."""
    x = unit(along)
    z = unit(np.cross(x, up))
    out = np.zeros((len(middle), 4, 4))
    out[:, :3, 0], out[:, :3, 1], out[:, :3, 2] = x, np.cross(z, x), z
    out[:, :3, 3], out[:, 3, 3] = middle, 1.0
    return out


_PLACES: dict[str, Callable[[Held, Array, Array, Array, Chest], Array]] = {
    "hand": _in_hand,
    "hands": _across_hands,
    "back": _on_shoulders,
    "goblet": _before_chest,
}
