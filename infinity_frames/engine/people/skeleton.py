"""The skeleton: 55 joints, their parents, the T-pose, forward kinematics.

Body axes: metres, x to the person's left, y up, z forward. Rotations are unit quaternions
(w, x, y, z), each relative to the parent joint; all identity is the T-pose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BODY_TO_GLOBAL", "JOINTS", "JOINT_INDEX", "PARENTS", "T_POSE", "forward", "matrices"]

Array = NDArray[np.float64]

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_SPINE = ("spine1", "spine2", "spine3")

# Left side and centre of the T-pose, m; the right side mirrors x.
_CENTRE = {
    "pelvis": (0.0, 0.955, 0.0),
    "spine1": (0.0, 1.06, -0.01),
    "spine2": (0.0, 1.17, -0.01),
    "spine3": (0.0, 1.25, -0.005),
    "neck": (0.0, 1.46, -0.03),
    "head": (0.0, 1.55, -0.005),
    "jaw": (0.0, 1.575, 0.02),
}
_LEFT = {
    "hip": (0.092, 0.90, 0.0),
    "knee": (0.105, 0.49, 0.005),
    "ankle": (0.11, 0.085, -0.03),
    "foot": (0.125, 0.03, 0.10),
    "eye_smplhf": (0.032, 1.635, 0.082),
    "collar": (0.06, 1.40, -0.02),
    "shoulder": (0.175, 1.415, -0.03),
    "elbow": (0.445, 1.415, -0.035),
    "wrist": (0.70, 1.415, -0.03),
    "index1": (0.790, 1.413, 0.000),
    "index2": (0.828, 1.412, 0.003),
    "index3": (0.852, 1.411, 0.005),
    "middle1": (0.793, 1.415, -0.023),
    "middle2": (0.835, 1.414, -0.023),
    "middle3": (0.862, 1.413, -0.023),
    "pinky1": (0.775, 1.409, -0.064),
    "pinky2": (0.803, 1.408, -0.068),
    "pinky3": (0.823, 1.407, -0.071),
    "ring1": (0.786, 1.413, -0.044),
    "ring2": (0.825, 1.412, -0.047),
    "ring3": (0.851, 1.411, -0.049),
    "thumb1": (0.722, 1.400, 0.004),
    "thumb2": (0.748, 1.394, 0.028),
    "thumb3": (0.774, 1.390, 0.046),
}
_LEFT_PARENTS = {
    "hip": "pelvis",
    "knee": "hip",
    "ankle": "knee",
    "foot": "ankle",
    "eye_smplhf": "head",
    "collar": "spine3",
    "shoulder": "collar",
    "elbow": "shoulder",
    "wrist": "elbow",
}
_CENTRE_PARENTS = {
    "spine1": "pelvis",
    "spine2": "spine1",
    "spine3": "spine2",
    "neck": "spine3",
    "head": "neck",
    "jaw": "head",
}


def _joint_names() -> tuple[str, ...]:
    names = ["pelvis"]
    names += [f"{side}_{part}" for part in ("hip", "knee", "ankle", "foot") for side in _SIDES]
    names += [*_SPINE, "neck", "head", "jaw", "left_eye_smplhf", "right_eye_smplhf"]
    names += [
        f"{side}_{part}" for part in ("collar", "shoulder", "elbow", "wrist") for side in _SIDES
    ]
    for side in _SIDES:
        names += [f"{side}_{finger}{segment}" for finger in _FINGERS for segment in (1, 2, 3)]
    return tuple(names)


_SIDES = ("left", "right")
JOINTS: tuple[str, ...] = _joint_names()
JOINT_INDEX: dict[str, int] = {name: index for index, name in enumerate(JOINTS)}


def _parent(name: str) -> str | None:
    if name == "pelvis":
        return None
    if name in _CENTRE_PARENTS:
        return _CENTRE_PARENTS[name]
    side, part = name.split("_", 1)
    if part in _LEFT_PARENTS:
        parent = _LEFT_PARENTS[part]
        return parent if parent in _CENTRE else f"{side}_{parent}"
    segment = int(part[-1])
    return f"{side}_wrist" if segment == 1 else f"{side}_{part[:-1]}{segment - 1}"


def _t_pose(name: str) -> tuple[float, float, float]:
    if name in _CENTRE:
        return _CENTRE[name]
    side, part = name.split("_", 1)
    x, y, z = _LEFT[part]
    return (x if side == "left" else -x, y, z)


PARENTS: tuple[int, ...] = tuple(
    -1 if (parent := _parent(name)) is None else JOINT_INDEX[parent] for name in JOINTS
)
"""Index of each joint's parent, -1 for the pelvis; parents come before their children."""

T_POSE: Array = np.array([_t_pose(name) for name in JOINTS])
"""Joint positions of the reference body, standing with feet on y = 0, (55, 3) m."""

BODY_TO_GLOBAL: Array = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Body axes to global axes of an avatar at yaw 0: facing -Y, towards a camera looking along +Y."""


def matrices(quaternions: Array) -> Array:
    """Rotation matrices of unit quaternions.

    Parameters
    ----------
    quaternions : (..., 4) array
        w, x, y, z.

    Returns
    -------
    (..., 3, 3) array
    """
    w, x, y, z = np.moveaxis(quaternions, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def forward(quaternions: Array, root: Array, rest: Array = T_POSE) -> tuple[Array, Array]:
    """Forward kinematics of one or many poses.

    Parameters
    ----------
    quaternions : (..., 55, 4) array
        Rotation of each joint relative to its parent, w, x, y, z.
    root : (..., 3) array
        Position of the pelvis, body axes, m.
    rest : (55, 3) array
        Joint positions of this body in the T-pose, m.

    Returns
    -------
    positions : (..., 55, 3) array
        Joint positions, m.
    rotations : (..., 55, 3, 3) array
        Rotation of each joint in body axes.
    """
    local = matrices(quaternions)
    rotations = np.empty_like(local)
    positions = np.empty((*local.shape[:-2], 3))
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            rotations[..., joint, :, :] = local[..., joint, :, :]
            positions[..., joint, :] = root
            continue
        rotations[..., joint, :, :] = rotations[..., parent, :, :] @ local[..., joint, :, :]
        offset = rest[joint] - rest[parent]
        positions[..., joint, :] = positions[..., parent, :] + rotations[..., parent, :, :] @ offset
    return positions, rotations
