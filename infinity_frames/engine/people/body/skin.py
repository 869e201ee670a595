"""Skinning: weights of bones, and the kernel that applies them.

A joint's bend is spread over two helper rotations at 1/3 and 2/3 of it, which keeps the volume that
plain blending between two far rotations loses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import kernel
from infinity_frames.engine.people.skeleton import JOINTS, PARENTS, forward, matrices

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


def _products(a: Array, b: Array) -> Array:
    w, x, y, z = np.moveaxis(a, -1, 0)
    s, i, j, k = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            w * s - x * i - y * j - z * k,
            w * i + x * s + y * k - z * j,
            w * j - x * k + y * s + z * i,
            w * k + x * j - y * i + z * s,
        ],
        axis=-1,
    )


def bone_transforms(
    quaternions: Array, root: Array, joints: Array, rest: Array, rest_frames: tuple[Array, Array]
) -> tuple[Array, Array]:
    """What each bone does to points of the A-pose.

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
    positions, turned = forward(quaternions, root, joints)
    rest_positions, rest_turned = rest_frames
    rotations = np.empty((BONES, 3, 3))
    rotations[: len(JOINTS)] = turned @ rest_turned.transpose(0, 2, 1)
    bend = np.array(_SPREAD)
    parents = _PARENTS[bend]
    change = _products(quaternions[bend], rest[bend] * (1.0, -1.0, -1.0, -1.0))
    change = np.where(change[:, :1] < 0, -change, change)
    sine = np.linalg.norm(change[:, 1:], axis=1)
    half = np.arctan2(sine, change[:, 0])
    axis = change[:, 1:] / np.maximum(sine, 1e-12)[:, None]
    for k, part in enumerate((1 / 3, 2 / 3)):
        partial = np.column_stack([np.cos(part * half), np.sin(part * half)[:, None] * axis])
        rotations[len(JOINTS) + k :: 2] = (
            turned[parents] @ matrices(partial) @ rest_turned[parents].transpose(0, 2, 1)
        )
    pivot = np.concatenate([np.arange(len(JOINTS)), np.repeat(bend, 2)])
    offsets = positions[pivot] - np.einsum("bij,bj->bi", rotations, rest_positions[pivot])
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
