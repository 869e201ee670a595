"""How thick a person is, measured on the mesh: arms, and what they have to keep clear of."""

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
_PLACES, _RING = (0.25, 0.9), 0.06  # where limbs are measured, and half of a ring's width
_BREAST = 0.12  # from the uppermost joint of the spine to the top of the chest, m
_MIRROR = np.array([-1.0, 1.0, 1.0])
_THICK = 85.0  # percentile of a limb's radii that counts as its surface


def measured(
    vertices: Array, owners: NDArray[np.intp], joints: Array, standing: Array
) -> tuple[Bulk, ...]:
    """Fit bars to trunk, thighs, arms and head.

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
    out += _limbs(vertices, owners, joints, standing, "hip", "knee")
    out += _limbs(vertices, owners, joints, standing, "shoulder", "elbow")
    out += _limbs(vertices, owners, joints, standing, "elbow", "wrist")
    out += [_neck(vertices, owners, joints), _skull(vertices, owners, joints)]
    return tuple(out)


def _neck(vertices: Array, owners: NDArray[np.intp], joints: Array) -> Bulk:
    """Return the flesh between the joints of neck and head."""
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
    """Return the head above the jaw, hair included: a bar from the forehead to its back."""
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


def _limbs(
    vertices: Array, owners: NDArray[np.intp], joints: Array, standing: Array, *ends: str
) -> list[Bulk]:
    """Both thighs, upper arms or forearms, equally thick."""
    bones = [tuple(JOINT_INDEX[f"{side}_{part}"] for part in ends) for side in ("left", "right")]
    movers = [JOINT_INDEX["pelvis"]] if ends[0] == "hip" else []
    fitted = []
    for start, end in bones:
        own = np.isin(owners, [start, end, *movers]) & (vertices[:, 0] * joints[start, 0] > 0)
        fitted.append(_limb(vertices[own], joints[start], joints[end]))
    # Folds of cloth differ from side to side; arms keep clear of the thicker one on both.
    radii = np.max([radii for _, radii in fitted], axis=0)
    middle = 0.5 * (fitted[0][0] + fitted[1][0] * _MIRROR)
    out = []
    for (start, end), flip in zip(bones, (1.0, _MIRROR), strict=True):
        first, last = flip * middle
        bone = standing[end] - standing[start]
        out.append(Bulk(start, first, bone + last, radii, np.zeros(2)))
    return out


def _limb(vertices: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Middle of a limb's flesh beside the ends of its bone, (2, 3) m, and radii there, (2,) m."""
    bone = end - start
    along = (vertices - start) @ bone / (bone @ bone)
    aside = vertices - start - along[:, None] * bone
    middles, radii = [], []
    for place in _PLACES:
        ring = aside[np.abs(along - place) < _RING]
        middle = 0.5 * (np.percentile(ring, 5.0, axis=0) + np.percentile(ring, 95.0, axis=0))
        middles.append(middle)
        radii.append(np.percentile(np.linalg.norm(ring - middle, axis=1), _THICK))
    # On a straight line through both, to the ends of the bone.
    shares = (np.array([0.0, 1.0]) - _PLACES[0]) / (_PLACES[1] - _PLACES[0])
    mix = np.stack([1.0 - shares, shares], axis=1)
    return mix @ np.array(middles), mix @ np.array(radii)
