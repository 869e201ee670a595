"""Skinning: weights that are functions of the rest position, and the kernel that applies them.

Weights break off stick by stick from the pelvis outward: at each joint a smooth function of
position says which share of what has come so far goes on beyond it. Cloth and the skin beneath it
so move alike, whatever their meshes. A joint's bend is spread over two helper rotations at 1/3 and
2/3 of it, which keeps the volume that plain blending between two far rotations loses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined, kernel
from infinity_frames.engine.people.body.appearance import LEG_SPREAD, Proportions
from infinity_frames.engine.people.body.shape import ARM_AXES
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS, PARENTS

__all__ = [
    "INFLUENCES",
    "OWNER",
    "body_weights",
    "bone_transforms",
    "finger_weights",
    "mirror_weights",
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

_SIDES = (("left", 1.0), ("right", -1.0))
_OTHER = {"left": "right", "right": "left"}


def _step(x: Array, low: float | Array, high: float | Array) -> Array:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _segment_distance(points: Array, a: Array, b: Array) -> Array:
    along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0.0, 1.0)
    return np.asarray(np.linalg.norm(points - a - along[:, None] * (b - a), axis=1))


def _shares(points: Array, body: Proportions) -> dict[int, Array]:
    """For each joint but the fingers': which share of what reaches its parent goes beyond it."""
    rest = body.rest
    y = points[:, 1]
    shares: dict[int, Array] = {}
    arms = np.zeros(len(points))
    for side, sign in _SIDES:
        joint = {
            part: rest[JOINT_INDEX[f"{side}_{part}"]]
            for part in ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
        }
        axis = ARM_AXES[0] * np.array([sign, 1.0, 1.0])
        along = (points - joint["shoulder"]) @ axis
        elbow = float((joint["elbow"] - joint["shoulder"]) @ axis)
        wrist = float((joint["wrist"] - joint["shoulder"]) @ axis)
        reach = _segment_distance(points, joint["shoulder"], joint["shoulder"] + axis)
        radius = 0.075 * body.limb + 0.09 * _step(along, 0.12, 0.30)
        arm = _step(along, -0.060, 0.095) * (1.0 - _step(reach, radius, radius + 0.05))
        # All that turns with the arm must first have left the spine, or the skin creases there.
        socket = _step(along, -0.14, -0.04) * (1.0 - _step(reach, radius + 0.03, radius + 0.09))
        girdle = _step(points[:, 0] * sign, 0.02, 0.15) * _step(
            y, joint["shoulder"][1] - 0.13, joint["shoulder"][1] + 0.03
        )
        shares[JOINT_INDEX[f"{side}_shoulder"]] = arm
        shares[JOINT_INDEX[f"{side}_collar"]] = np.maximum(0.85 * girdle, socket)
        shares[JOINT_INDEX[f"{side}_elbow"]] = _step(along, elbow - 0.05, elbow + 0.05)
        shares[JOINT_INDEX[f"{side}_wrist"]] = _step(along, wrist - 0.045, wrist + 0.025)
        arms = np.maximum(arms, arm)
        shares |= _leg_shares(points, side, sign, joint, body)
    for name, half in (("spine1", 0.06), ("spine2", 0.06), ("spine3", 0.06)):
        height = rest[JOINT_INDEX[name], 1]
        shares[JOINT_INDEX[name]] = np.maximum(_step(y, height - half, height + half), arms)
    neck, head = rest[JOINT_INDEX["neck"]], rest[JOINT_INDEX["head"]]
    middle = 1.0 - _step(np.abs(points[:, 0]), 0.05, 0.11)
    nape = y + 0.35 * (points[:, 2] - neck[2])
    shares[JOINT_INDEX["neck"]] = np.maximum(
        _step(nape, neck[1] - 0.035, neck[1] + 0.035) * middle, _step(y, neck[1] + 0.04, head[1])
    )
    shares[JOINT_INDEX["head"]] = _step(
        y + 0.45 * (points[:, 2] - head[2]), head[1] - 0.03, head[1] + 0.035
    )
    return shares


def _leg_shares(
    points: Array, side: str, sign: float, joint: dict[str, Array], body: Proportions
) -> dict[int, Array]:
    x, y, _ = (points - joint["hip"]).T
    crease = 0.34 * sign * x - 0.94 * y
    wide = 0.075 * body.limb
    own = _step(points[:, 0] * sign, -0.018, 0.018)
    down = np.array([sign * np.sin(LEG_SPREAD), -np.cos(LEG_SPREAD), 0.0])
    far = np.abs(points[:, 0]) - 0.30 > 0.25 * (joint["hip"][1] - y)  # a hand beside the hip
    reach = _segment_distance(points, joint["hip"], joint["ankle"] + 0.1 * down)
    near = 1.0 - _step(reach, 0.17 * body.limb, 0.22 * body.limb)
    hip = _step(crease, -wide, wide) * own * np.where(far, near, 1.0)
    along = (points - joint["hip"]) @ down
    knee = float((joint["knee"] - joint["hip"]) @ down)
    bend = 0.06 * body.limb
    below = joint["ankle"][1] - points[:, 1]
    return {
        JOINT_INDEX[f"{side}_hip"]: hip,
        JOINT_INDEX[f"{side}_knee"]: _step(along, knee - bend, knee + bend),
        JOINT_INDEX[f"{side}_ankle"]: _step(below, -0.035, 0.02),
        JOINT_INDEX[f"{side}_foot"]: _step(points[:, 2] - joint["foot"][2], -0.022, 0.022)
        * _step(below, -0.01, 0.02),
    }


def body_weights(points: Array, body: Proportions) -> Array:
    """Weights of every bone at rest positions, fingers left to their wrist.

    Parameters
    ----------
    points : (N, 3) array
        In the A-pose of `body`, m.
    body : Proportions
        Whose joints.

    Returns
    -------
    (N, bones) array
        Rows sum to 1; the first 55 bones are the joints, then two helpers per bending joint.
    """
    shares = _shares(points, body)
    crowd: dict[int, Array] = {}
    for joint, share in shares.items():
        parent = PARENTS[joint]
        crowd[parent] = crowd.get(parent, np.zeros(len(points))) + share
    arriving = {0: np.ones(len(points))}
    weights = np.zeros((len(points), BONES))
    weights[:, 0] = 1.0
    for joint in sorted(shares):
        parent = PARENTS[joint]
        share = shares[joint] / np.maximum(crowd[parent], 1.0)
        knots = np.stack([1 - np.abs(3 * share - 1), 1 - np.abs(3 * share - 2), 3 * share - 2])
        first, second, beyond = np.clip(knots, 0.0, None) * arriving[parent]
        weights[:, _HELPER[joint]] = first
        weights[:, _HELPER[joint] + 1] = second
        weights[:, parent] -= first + second + beyond
        weights[:, joint] = arriving[joint] = beyond
    weights = np.maximum(weights, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def finger_weights(along: Array, knots: Array, joints: list[int]) -> Array:
    """Weights along a finger: wrist and three joints at `knots` (3,) of the distance `along`."""
    weights = np.zeros((len(along), BONES))
    reached = [np.ones(len(along)), *(_step(along, knot - 0.005, knot + 0.005) for knot in knots)]
    for k, joint in enumerate(joints):
        weights[:, joint] = reached[k] - (reached[k + 1] if k < 3 else 0.0)
    return weights


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


def mirror_weights(weights: Array) -> Array:
    """Weights of the same vertices on the other side of the body."""
    other = [
        JOINT_INDEX.get(f"{_OTHER.get(name.split('_')[0])}_{name.split('_', 1)[-1]}", index)
        for index, name in enumerate(JOINTS)
    ]
    helpers = [_HELPER[other[joint]] + k for joint in _SPREAD for k in (0, 1)]
    return weights[:, [*other, *helpers]]
