"""How thick a person is, measured on the mesh: what arms have to keep clear of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.motion.capsules import Bulk
from infinity_frames.engine.people.skeleton import JOINT_INDEX

__all__ = ["measured"]

Array = NDArray[np.float64]

_TRUNK = ("pelvis", "spine1", "spine2", "spine3")
_HIPS = ("left_hip", "right_hip")
_SLICE = 0.025  # half the height of a slice of the mesh that is measured, m
_REACH = 0.15  # how far from its bone the flesh of a thigh may be, m
_BREAST = 0.12  # from the uppermost joint of the spine to the top of the chest, m
_THICK = 85.0  # percentile of a thigh's radii that counts as its surface


def measured(
    vertices: Array, owners: NDArray[np.intp], joints: Array, standing: Array
) -> tuple[Bulk, ...]:
    """The flesh of trunk, thighs and head.

    Parameters
    ----------
    vertices : (V, 3) array
        The mesh in the A-pose, m.
    owners : (V,) array
        The joint that moves each vertex most.
    joints, standing : (55, 3) array
        The joints in the A-pose and in the T-pose, m.

    Returns
    -------
    tuple of Bulk
    """
    trunk = vertices[np.isin(owners, [JOINT_INDEX[name] for name in (*_TRUNK, *_HIPS)])]
    slices = [_slice(trunk, joints[JOINT_INDEX[name]]) for name in _TRUNK]
    slices.append(slices[-1])
    places = [standing[JOINT_INDEX[name]] for name in _TRUNK]
    places.append(places[-1] + np.array([0.0, _BREAST, 0.0]))
    out = []
    for k, name in enumerate(_TRUNK):
        (w0, f0, b0), (w1, f1, b1) = slices[k], slices[k + 1]
        radii = np.array([f0 + b0, f1 + b1]) / 2
        middle = np.array([[0.0, 0.0, (f0 - b0) / 2], [0.0, 0.0, (f1 - b1) / 2]])
        bone = places[k + 1] - places[k]
        wide = np.maximum(np.array([w0, w1]) - radii, 0.0)
        out.append(Bulk(JOINT_INDEX[name], middle[0], bone + middle[1], radii, wide))
    legs = [
        tuple(JOINT_INDEX[f"{side}_{part}"] for part in ("hip", "knee"))
        for side in ("left", "right")
    ]
    # Folds of cloth differ from side to side; arms keep clear of the thicker one on both.
    radii = np.max([_thigh(vertices, joints[hip], joints[knee]) for hip, knee in legs], axis=0)
    for hip, knee in legs:
        out.append(Bulk(hip, np.zeros(3), standing[knee] - standing[hip], radii, np.zeros(2)))
    out += [_neck(vertices, owners, joints), _skull(vertices, owners, joints)]
    return tuple(out)


def _neck(vertices: Array, owners: NDArray[np.intp], joints: Array) -> Bulk:
    """The flesh between the joints of neck and head."""
    neck, head = JOINT_INDEX["neck"], JOINT_INDEX["head"]
    bone = joints[head] - joints[neck]
    own = vertices[owners == neck] - joints[neck]
    along = own @ bone / (bone @ bone)
    own = own[(along > 0.0) & (along < 1.0)]
    wide, front, back = np.abs(own[:, 0]).max(), own[:, 2].max(), -own[:, 2].min()
    middle = np.array([0.0, 0.0, (front - back) / 2])
    radius = (front + back) / 2
    aside = max(float(wide - radius), 0.0)
    return Bulk(neck, middle, bone + middle, np.full(2, radius), np.full(2, aside))


def _skull(vertices: Array, owners: NDArray[np.intp], joints: Array) -> Bulk:
    """The head above the jaw, hair included: a bar from the forehead to its back."""
    head = JOINT_INDEX["head"]
    eyes = joints[JOINT_INDEX["left_eye_smplhf"], 1] - joints[head, 1]
    own = vertices[owners == head] - joints[head]
    own = own[own[:, 1] > eyes]
    radius = float(np.abs(own[:, 0]).max())
    height = float(own[:, 1].max()) - radius
    start = np.array([0.0, height, own[:, 2].min() + radius])
    end = np.array([0.0, height, max(own[:, 2].max() - radius, start[2] + 0.01)])
    return Bulk(head, start, end, np.full(2, radius), np.zeros(2))


def _slice(vertices: Array, joint: Array) -> tuple[float, float, float]:
    """Half-width, front and back of the trunk at a joint's height, m."""
    level = vertices[np.abs(vertices[:, 1] - joint[1]) < _SLICE] - joint
    return float(np.abs(level[:, 0]).max()), float(level[:, 2].max()), float(-level[:, 2].min())


def _thigh(vertices: Array, hip: Array, knee: Array) -> Array:
    """Radii of a thigh near its ends, (2,) m."""
    bone = knee - hip
    along = (vertices - hip) @ bone / (bone @ bone)
    around = np.linalg.norm(vertices - hip - along[:, None] * bone, axis=1)
    own = (around < _REACH) & (vertices[:, 0] * hip[0] > 0)
    places = (0.25, 0.9)
    radii = [np.percentile(around[own & (np.abs(along - at) < 0.06)], _THICK) for at in places]
    # On a straight line through both, to the ends of the bone.
    slope = (radii[1] - radii[0]) / (places[1] - places[0])
    return np.array([radii[0] - places[0] * slope, radii[1] + (1.0 - places[1]) * slope])
