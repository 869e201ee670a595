"""From a request to a shaped body: amounts of the shape targets, size, rest pose and joints.

The targets are MakeHuman's: weights along independent axes (gender, age, muscle, weight) multiply,
and kinds of faces are mixed by shares that add up to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from infinity_frames.engine.people.body.appearance import Appearance
from infinity_frames.engine.people.body.human import Shaped, human, vertex_normals
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS, PARENTS, T_POSE

__all__ = ["Figure", "amounts", "figure", "template"]

Array = NDArray[np.float64]

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_SIDES = ("left", "right")
_BALL = 0.35  # height of the joint in the ball of the foot, relative to the ankle's
# The heads of the thigh bones lie inside the front corners of the pelvis, by 14 % of the 0.24 m
# between these on each side (Bell, Pedersen and Brand, "A comparison of the accuracy of several hip
# center location prediction methods", J. Biomech. 23, 1990): 0.17 m apart. The mesh has 0.22 m.
_HIPS = 0.77
_YOUNG, _OLD = 25.0, 90.0  # ages of the young and the old shapes, years


def _macro(gender: float, age: float, muscle: float, weight: float) -> dict[str, float]:
    """Amounts of the whole-body targets: gender 0 female to 1 male, the others 0..1 and beyond."""
    old = float(np.clip((age - _YOUNG) / (_OLD - _YOUNG), 0.0, 1.0))
    out = {}
    for sex, share in (("female", 1.0 - gender), ("male", gender)):
        for years, part in (("young", 1.0 - old), ("old", old)):
            for muscles, m in _three(muscle, "muscle").items():
                for weights, w in _three(weight, "weight").items():
                    out[f"universal-{sex}-{years}-{muscles}-{weights}"] = share * part * m * w
    return out


def _three(value: float, what: str) -> dict[str, float]:
    """Return shares of the least, average and greatest shape; beyond 0..1 they extrapolate."""
    high, low = max(0.0, 2.0 * value - 1.0), max(0.0, 1.0 - 2.0 * value)
    return {f"min{what}": low, f"average{what}": 1.0 - high - low, f"max{what}": high}


def _kinds(gender: float, age: float, shares: Mapping[str, float]) -> dict[str, float]:
    old = float(np.clip((age - _YOUNG) / (_OLD - _YOUNG), 0.0, 1.0))
    return {
        f"{kind}-{sex}-{years}": share * of * part
        for kind, share in shares.items()
        for sex, of in (("female", 1.0 - gender), ("male", gender))
        for years, part in (("young", 1.0 - old), ("old", old))
    }


def _traits(values: Mapping[str, float]) -> dict[str, float]:
    """Return amounts of the two targets of each trait: less of it and more of it."""
    return {f"{name}{'+' if value > 0 else '-'}": abs(value) for name, value in values.items()}


def amounts(appearance: Appearance) -> dict[str, float]:
    """Return amounts of all shape targets of a person.

    Parameters
    ----------
    appearance : Appearance
        Who.

    Returns
    -------
    dict of str to float
    """
    a, b = appearance, appearance.betas.tolist()
    gender = 0.0 if a.female else 1.0
    heavy = 0.275 if a.relative_weight > 0 else 0.17
    weight = 0.5 + heavy * a.relative_weight
    muscle = (0.42 if a.female else 0.55) + 0.13 * b[5] - 0.002 * max(a.age - 40.0, 0.0)
    sex = "female" if a.female else "male"
    tall = 0.04 * a.relative_height
    out = {
        **_macro(gender, a.age, muscle, weight),
        **_kinds(gender, a.age, a.ancestry),
        f"{sex}-{'maxheight' if tall > 0 else 'minheight'}": abs(tall),
        f"{sex}-idealproportions": 0.35,
        # The neutral shapes look stern.
        "mouth_corner_puller": 0.22,
        "eyebrows_inner_up": 0.25,
    }
    traits = {
        **a.face,
        "trunk_length": -0.25 * b[2],
        "shoulder_width": 0.30 * b[3],
        "hip_width": 0.22 * b[4],
        "belly": 0.12 * b[6] + 0.03 * max(a.relative_weight, 0.0),
        "face_width": 0.18 * b[8],
        "face_length": 0.18 * b[9],
        "face_age": 0.5 * (a.age - 35.0) / 40.0,
        "face_fat": 0.10 * float(np.clip(a.relative_weight, -2, 4)),
        "eye_bags": 0.5 * (a.age - 45.0) / 30.0,
        # Sports clothes flatten the bust of the neutral shape.
        ("bust" if a.female else "pectorals"): 0.30 * b[7] - (0.25 if a.female else 0.0),
    }
    return {name: value for name, value in (out | _traits(traits)).items() if value}


@dataclass(frozen=True, eq=False)
class Figure:
    """A body of its true size in MakeHuman's rest pose, standing near the origin, m.

    Parameters
    ----------
    shaped : Shaped
        Vertices, and the joints in the rest pose. The pelvis is where the T-pose has it.
    joints : (55, 3) array
        T-pose joints; the soles are on y = 0.
    rest_pose : (55, 4) array
        Quaternions that take the T-pose to the rest pose.
    """

    shaped: Shaped
    joints: Array
    rest_pose: Array

    @property
    def skin(self) -> Array:
        """Vertices of the skin, (V, 3)."""
        return self.shaped.skin

    @property
    def rest(self) -> Array:
        """Joints in the rest pose, (55, 3)."""
        return self.shaped.joints

    @cached_property
    def normals(self) -> Array:
        """Unit normals of the skin, (V, 3)."""
        return vertex_normals(self.skin, human().faces)

    @cached_property
    def smooth_normals(self) -> Array:
        """Normals averaged over three rings of neighbors: where cloth is offset to, (V, 3)."""
        normals = self.normals
        for _ in range(3):
            normals = human().smoothing @ normals
        return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))

    @property
    def floor(self) -> float:
        """Height of the soles in the rest pose, m."""
        ankle = JOINT_INDEX["left_ankle"]
        return float(self.rest[ankle, 1] - self.joints[ankle, 1])

    def at(self, name: str) -> Array:
        """Return a joint in the rest pose, (3,)."""
        return np.asarray(self.rest[JOINT_INDEX[name]])


def figure(appearance: Appearance) -> Figure:
    """Shape a person of the requested stature.

    Parameters
    ----------
    appearance : Appearance
        Who.

    Returns
    -------
    Figure
    """
    return _sized(human().shaped(amounts(appearance)), appearance.stature)


@lru_cache(maxsize=1)
def template() -> Figure:
    """The body that cuts of clothes and hair are defined on: halfway between man and woman."""
    shares = {"african": 0.33, "asian": 0.33, "caucasian": 0.34}
    kinds = _kinds(0.5, _YOUNG, shares)
    return _sized(human().shaped(_macro(0.5, _YOUNG, 0.5, 0.5) | kinds), 1.70)


def _sized(shaped: Shaped, stature: float) -> Figure:
    sole = float(shaped.skin[:, 1].min())
    joints = shaped.joints.copy()
    for side in _SIDES:
        ankle, ball = (JOINT_INDEX[f"{side}_{part}"] for part in ("ankle", "foot"))
        joints[ball, 1] = sole + _BALL * (joints[ankle, 1] - sole)
        joints[JOINT_INDEX[f"{side}_hip"], 0] *= _HIPS
    standing, rest_pose = _t_pose(joints)
    # The legs are closer to each other in the T-pose than in the rest pose, hence longer.
    standing[:, 1] -= standing[JOINT_INDEX["left_ankle"], 1] - (
        joints[JOINT_INDEX["left_ankle"], 1] - sole
    )
    shift = standing[0] - joints[0]
    size = stature / float(shaped.skin[:, 1].max() + shift[1])

    def placed(points: Array) -> Array:
        return np.asarray(size * (points + shift))

    moved = Shaped(*(placed(p) for p in (shaped.skin, shaped.eye, shaped.lashes, joints)))
    return Figure(moved, size * standing, rest_pose)


def _t_pose(joints: Array) -> tuple[Array, Array]:
    """T-pose joints and the quaternions of the rest pose, from the rest pose's joints (55, 3).

    A limb's rest rotation is the smallest that takes its direction in the reference T-pose to its
    own; a hand's is found from its frame; trunk, head and feet are not turned.
    """
    turns = np.tile(np.eye(3), (len(JOINTS), 1, 1))

    def aim(joint: str, child: str) -> None:
        index, end = JOINT_INDEX[joint], JOINT_INDEX[child]
        above = turns[PARENTS[index]]
        own = above.T @ (joints[end] - joints[index])
        turns[index] = above @ _smallest(T_POSE[end] - T_POSE[index], own)

    for side in _SIDES:
        for start, end in (("hip", "knee"), ("knee", "ankle")):
            aim(f"{side}_{start}", f"{side}_{end}")
        for start, end in (("shoulder", "elbow"), ("elbow", "wrist")):
            aim(f"{side}_{start}", f"{side}_{end}")
        wrist = JOINT_INDEX[f"{side}_wrist"]
        turns[wrist] = _hand(joints, side) @ _hand(T_POSE, side).T
        for finger in _FINGERS:
            turns[JOINT_INDEX[f"{side}_{finger}1"]] = turns[wrist]
            for k in (1, 2):
                aim(f"{side}_{finger}{k}", f"{side}_{finger}{k + 1}")
            last = JOINT_INDEX[f"{side}_{finger}3"]
            turns[last] = turns[PARENTS[last]]
    local, standing = turns.copy(), np.zeros((len(JOINTS), 3))
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        local[joint] = turns[parent].T @ turns[joint]
        standing[joint] = standing[parent] + turns[parent].T @ (joints[joint] - joints[parent])
    quaternions = Rotation.from_matrix(local).as_quat(canonical=True, scalar_first=True)
    return standing, np.asarray(quaternions)


def _smallest(a: Array, b: Array) -> Array:
    """Rotation matrix of the smallest turn from one direction to another."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    x, y, z = np.cross(a, b)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1.0 + a @ b))


def _hand(joints: Array, side: str) -> Array:
    """Axes of a hand as columns: to the middle finger, out of the back, across."""
    wrist, middle, index, pinky = (
        joints[JOINT_INDEX[f"{side}_{name}"]] for name in ("wrist", "middle1", "index1", "pinky1")
    )
    along = (middle - wrist) / np.linalg.norm(middle - wrist)
    back = np.cross(index - pinky, along)
    back /= np.linalg.norm(back)
    return np.stack([along, back, np.cross(along, back)], axis=1)
