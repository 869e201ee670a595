"""Skinning: weights of bones, and the kernel that applies them.

A joint's bend is spread over two helper rotations at 1/3 and 2/3 of it, which keeps the volume that
plain blending between two far rotations loses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined, kernel
from infinity_frames.engine.people.skeleton import JOINTS, PARENTS

__all__ = [
    "INFLUENCES",
    "OWNER",
    "bone_transforms",
    "bone_weights",
    "pack",
    "skin",
]

Array = NDArray[np.float64]

INFLUENCES = 8
"""Most bones that move one vertex."""

# Joints whose bend is spread over helpers: all that bend but the fingers' and the face's.
_SPREAD = tuple(
    index
    for index, name in enumerate(JOINTS)
    if PARENTS[index] >= 0
    and (name[-1] not in "123" or name.startswith("spine"))
    and not name.endswith(("jaw", "smplhf"))
)
_PARENTS = np.array(PARENTS)
_BEND = np.array(_SPREAD)
_HELPER = {joint: len(JOINTS) + 2 * k for k, joint in enumerate(_SPREAD)}
BONES = len(JOINTS) + 2 * len(_SPREAD)
OWNER: NDArray[np.intp] = np.concatenate([np.arange(len(JOINTS)), np.repeat(_SPREAD, 2)])
"""The joint of each bone."""


def bone_weights(weights: Array) -> Array:
    """Spread weights of the joints over the joints and the helpers of their bends.

    At each joint a share of what has come so far goes on beyond it: the weight of everything beyond
    it, relative to that of everything beyond its parent.

    Parameters
    ----------
    weights : (N, 55) array
        How much each joint moves each vertex; rows sum to 1.

    Returns
    -------
    (N, bones) array
        Rows sum to 1; the first 55 bones are the joints, then two helpers per bending joint.
    """
    beyond = weights.copy()
    for joint in range(len(JOINTS) - 1, 0, -1):
        beyond[:, PARENTS[joint]] += beyond[:, joint]
    out = np.zeros((len(weights), BONES))
    out[:, 0] = 1.0
    arriving = {0: np.ones(len(weights))}
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        share = np.divide(
            beyond[:, joint],
            beyond[:, parent],
            out=np.zeros(len(weights)),
            where=beyond[:, parent] > 1e-9,
        )
        if joint in _HELPER:
            knots = np.stack([1 - np.abs(3 * share - 1), 1 - np.abs(3 * share - 2), 3 * share - 2])
            first, second, last = np.clip(knots, 0.0, None) * arriving[parent]
            out[:, _HELPER[joint]], out[:, _HELPER[joint] + 1] = first, second
        else:
            first = second = np.zeros(len(weights))
            last = share * arriving[parent]
        out[:, parent] -= first + second + last
        out[:, joint] = arriving[joint] = last
    out = np.maximum(out, 0.0)
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def pack(weights: Array) -> tuple[NDArray[np.int32], Array]:
    """Bones and weights (V, 8) of the largest influences, largest first, summing to 1."""
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES].astype(np.int32)
    largest = np.take_along_axis(weights, bones, axis=1)
    return bones, largest / largest.sum(axis=1, keepdims=True)


@inlined
def _turn(quaternion: Array, out: Array) -> None:
    """Fill ``out`` (3, 3) with the rotation matrix of a unit quaternion."""
    w, x, y, z = quaternion
    out[0, 0], out[0, 1], out[0, 2] = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
    )
    out[1, 0], out[1, 1], out[1, 2] = (
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
    )
    out[2, 0], out[2, 1], out[2, 2] = (
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    )


@inlined
def _times(a: Array, b: Array, out: Array) -> None:
    """Fill ``out`` with the product of two (3, 3) matrices."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@inlined
def _against(a: Array, b: Array, out: Array) -> None:
    """Fill ``out`` with the product of a (3, 3) matrix and another one's transpose."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[j, 0] + a[i, 1] * b[j, 1] + a[i, 2] * b[j, 2]


@inlined
def _shares_of_bend(own: Array, rest: Array, shares: Array) -> None:
    """Fill ``shares`` (2, 4) with the rotations at 1/3 and 2/3 from one to another."""
    w, x, y, z = own
    s, i, j, k = rest[0], -rest[1], -rest[2], -rest[3]
    a = w * s - x * i - y * j - z * k
    b = w * i + x * s + y * k - z * j
    c = w * j - x * k + y * s + z * i
    d = w * k + x * j - y * i + z * s
    if a < 0:
        a, b, c, d = -a, -b, -c, -d
    sine = np.sqrt(b * b + c * c + d * d)
    half, scale = np.arctan2(sine, a), 1.0 / max(sine, 1e-12)
    for part in range(2):
        angle = (part + 1) / 3 * half
        across = np.sin(angle) * scale
        shares[part, 0], shares[part, 1] = np.cos(angle), across * b
        shares[part, 2], shares[part, 3] = across * c, across * d


@kernel
def bone_transforms(
    quaternions: Array, root: Array, joints: Array, rest: Array, rest_frames: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Return what each bone does to points of the A-pose.

    Parameters
    ----------
    quaternions : (55, 4) array
        The pose.
    root : (3,) array
        Pelvis, m.
    joints : (55, 3) array
        T-pose joints, m.
    rest : (55, 4) array
        The A-pose, about the T-pose's pelvis.
    rest_frames : tuple of (55, 3) and (55, 3, 3) array
        Joint positions and rotations of the A-pose, from `skeleton.forward`.

    Returns
    -------
    rotations : (bones, 3, 3) array
    offsets : (bones, 3) array
        A point p goes to ``rotation @ p + offset``.
    """
    rest_positions, rest_turned = rest_frames
    count = len(quaternions)
    turned, positions = np.empty((count, 3, 3)), np.empty((count, 3))
    rotations, offsets = np.empty((BONES, 3, 3)), np.empty((BONES, 3))
    local, bent, shares = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 4))
    for joint in range(count):
        parent = _PARENTS[joint]
        if parent < 0:
            _turn(quaternions[joint], turned[joint])
            positions[joint] = root
        else:
            _turn(quaternions[joint], local)
            _times(turned[parent], local, turned[joint])
            x, y, z = joints[joint] - joints[parent]
            for i in range(3):
                t = turned[parent, i]
                positions[joint, i] = positions[parent, i] + t[0] * x + t[1] * y + t[2] * z
        _against(turned[joint], rest_turned[joint], rotations[joint])
    for k in range(len(_BEND)):
        joint = _BEND[k]
        parent = _PARENTS[joint]
        _shares_of_bend(quaternions[joint], rest[joint], shares)
        for part in range(2):
            _turn(shares[part], local)
            _times(turned[parent], local, bent)
            _against(bent, rest_turned[parent], rotations[count + 2 * k + part])
    for bone in range(BONES):
        x, y, z = rest_positions[OWNER[bone]]
        for i in range(3):
            r = rotations[bone, i]
            offsets[bone, i] = positions[OWNER[bone], i] - (r[0] * x + r[1] * y + r[2] * z)
    return rotations, offsets


@kernel
def skin(
    vertices: Array,
    normals: Array,
    bones: NDArray[np.int32],
    weights: Array,
    rotations: Array,
    offsets: Array,
) -> tuple[Array, Array]:
    """Linear blend skinning of vertices and normals (V, 3) with (V, 8) bones and weights."""
    moved = np.empty_like(vertices)
    turned = np.empty_like(normals)
    for i in range(vertices.shape[0]):
        m = np.zeros(12)
        for k in range(bones.shape[1]):
            w = weights[i, k]
            if w == 0.0:
                break
            b = bones[i, k]
            for r in range(3):
                m[4 * r] += w * rotations[b, r, 0]
                m[4 * r + 1] += w * rotations[b, r, 1]
                m[4 * r + 2] += w * rotations[b, r, 2]
                m[4 * r + 3] += w * offsets[b, r]
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        u, v, n = normals[i, 0], normals[i, 1], normals[i, 2]
        size = 0.0
        for r in range(3):
            moved[i, r] = m[4 * r] * x + m[4 * r + 1] * y + m[4 * r + 2] * z + m[4 * r + 3]
            turned[i, r] = m[4 * r] * u + m[4 * r + 1] * v + m[4 * r + 2] * n
            size += turned[i, r] * turned[i, r]
        size = 1.0 / max(np.sqrt(size), 1e-12)
        for r in range(3):
            turned[i, r] *= size
    return moved, turned
