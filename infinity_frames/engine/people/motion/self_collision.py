"""Arms kept clear of trunk, thighs and head, however thick these are.

Key poses are those of a person of average build. Where an arm, or what its hand holds, would pass
through the flesh of another, the shoulder turns it outward.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from infinity_frames.engine.core.jit import kernel
from infinity_frames.engine.people.exercises import Held
from infinity_frames.engine.people.motion.capsules import Bulk
from infinity_frames.engine.people.motion.grip import grip_point
from infinity_frames.engine.people.skeleton import JOINT_INDEX, PARENTS, forward

__all__ = ["kept_clear"]

Array = NDArray[np.float64]

_STEPS = 4
_SOFTNESS = 0.006  # within which an arm gives way to the flesh it comes near, m
_NORM = 4.0

_ARMS = tuple(
    JOINT_INDEX[f"{side}_{part}"] for side in ("left", "right") for part in ("shoulder", "elbow")
)
_MIDDLE = np.array([0.4, 0.6])  # of an upper arm: shares of its ends
# The flesh around the parts of an arm of average thickness, m.
_UPPER, _ELBOW, _FOREARM, _WRIST, _KNUCKLES, _FINGERS = 0.048, 0.042, 0.040, 0.030, 0.022, 0.014
_HEAD_OF_DUMBBELL = (0.10, 0.055)  # its middle from that of the bar, and its radius, m


def kept_clear(turns: Array, rest: Array, flesh: tuple[Bulk, ...], held: Iterable[Held]) -> Array:
    """Joint rotations with both arms outside the rest of the body.

    Parameters
    ----------
    turns : (F, 55, 4) array
        Rotations relative to the parents, w x y z.
    rest : (55, 3) array
        Joint positions of the body in the T-pose, m.
    flesh : tuple of Bulk
        What the arms keep clear of, and the arms themselves.
    held : iterable of Held
        What the hands hold.

    Returns
    -------
    (F, 55, 4) array
    """
    positions, rotations = forward(turns, np.zeros((len(turns), 3)), rest)
    out = turns.copy()
    carried = {what.joint for what in held if what.grip == "hand"}
    limbs = {bulk.joint: bulk for bulk in flesh if bulk.joint in _ARMS}
    flesh = tuple(bulk for bulk in flesh if bulk.joint not in _ARMS)
    for side in ("left", "right"):
        shoulder = JOINT_INDEX[f"{side}_shoulder"]
        points, radii = _arm(side, positions, rotations, rest, f"{side}_wrist" in carried)
        if limbs:
            upper, fore = limbs[shoulder], limbs[JOINT_INDEX[f"{side}_elbow"]]
            radii[:4] = upper.radii @ _MIDDLE, fore.radii[0], fore.radii.mean(), fore.radii[1]
        pivot = positions[:, None, shoulder]
        turned = Rotation.identity(len(turns))
        for _ in range(_STEPS):
            arms = points - pivot
            push = _push(points, radii, positions, rotations, flesh)
            twists = np.cross(arms, push) / np.sum(arms * arms, axis=-1, keepdims=True)
            step = Rotation.from_rotvec(_largest(twists))
            turned = step * turned
            points = pivot + np.einsum("fij,fpj->fpi", step.as_matrix(), arms)
        above = rotations[:, PARENTS[shoulder]]
        local = np.swapaxes(above, -1, -2) @ turned.as_matrix() @ rotations[:, shoulder]
        out[:, shoulder] = Rotation.from_matrix(local).as_quat(canonical=True, scalar_first=True)
    return out


def _arm(
    side: str, positions: Array, rotations: Array, rest: Array, dumbbell: bool
) -> tuple[Array, Array]:
    """Return points of an arm and of what it holds, (F, P, 3), and the radii around them, (P,)."""
    wrist_index = JOINT_INDEX[f"{side}_wrist"]
    shoulder, elbow, wrist, knuckles, *fingers = (
        positions[:, JOINT_INDEX[f"{side}_{part}"]]
        for part in ("shoulder", "elbow", "wrist", "middle1", "index3", "middle3", "pinky3")
    )
    upper = _MIDDLE[0] * shoulder + _MIDDLE[1] * elbow
    points = [upper, elbow, 0.5 * (elbow + wrist), wrist, knuckles, *fingers]
    radii = [_UPPER, _ELBOW, _FOREARM, _WRIST, _KNUCKLES, *[_FINGERS] * len(fingers)]
    if dumbbell:
        reach, radius = _HEAD_OF_DUMBBELL
        for end in (-reach, reach):
            offset = grip_point(side, rest) + np.array([0.0, 0.0, end])
            points.append(wrist + rotations[:, wrist_index] @ offset)
            radii.append(radius)
    return np.stack(points, axis=1), np.array(radii)


def _push(
    points: Array, radii: Array, positions: Array, rotations: Array, flesh: tuple[Bulk, ...]
) -> Array:
    """Return how far and where to each point has to move to be outside, (F, P, 3) m."""
    return _pushes(
        np.ascontiguousarray(points),
        radii,
        positions,
        rotations,
        np.array([bulk.joint for bulk in flesh]),
        np.array([np.stack([bulk.start, bulk.end]) for bulk in flesh]),
        np.array([np.stack([bulk.radii, bulk.wide]) for bulk in flesh]),
    )


@kernel
def _pushes(
    points: Array,
    radii: Array,
    positions: Array,
    rotations: Array,
    joints: NDArray[np.int64],
    ends: Array,
    sizes: Array,
) -> Array:
    """Loop of `_push` over frames, points and bulks.

    Each bulk pushes a point out by a smooth positive part of the depth; `_largest` combines them.
    """
    out = np.zeros(points.shape)
    local, nearest, push = np.empty(3), np.empty(3), np.empty(3)
    for f in range(points.shape[0]):
        for p in range(points.shape[1]):
            total = 0.0
            for b in range(len(joints)):
                joint, start, bone = joints[b], ends[b, 0], ends[b, 1] - ends[b, 0]
                turn = rotations[f, joint]
                for i in range(3):
                    local[i] = 0.0
                    for j in range(3):
                        local[i] += turn[j, i] * (points[f, p, j] - positions[f, joint, j])
                share, length = 0.0, 0.0
                for i in range(3):
                    share += (local[i] - start[i]) * bone[i]
                    length += bone[i] * bone[i]
                share = min(max(share / length, 0.0), 1.0)
                wide = (1.0 - share) * sizes[b, 1, 0] + share * sizes[b, 1, 1]
                for i in range(3):
                    nearest[i] = local[i] - (start[i] + share * bone[i])
                nearest[0] -= min(max(nearest[0], -wide), wide)
                away = np.sqrt(nearest[0] ** 2 + nearest[1] ** 2 + nearest[2] ** 2)
                depth = radii[p] - away + (1.0 - share) * sizes[b, 0, 0] + share * sizes[b, 0, 1]
                step = 0.5 * (depth + np.sqrt(depth * depth + _SOFTNESS * _SOFTNESS))
                step /= max(away, 1e-9)
                for i in range(3):
                    push[i] = 0.0
                    for j in range(3):
                        push[i] += step * turn[i, j] * nearest[j]
                size = np.sqrt(push[0] ** 2 + push[1] ** 2 + push[2] ** 2) + 1e-9
                weight = size**3
                total += weight * size
                for i in range(3):
                    out[f, p, i] += weight * push[i]
            for i in range(3):
                out[f, p, i] /= total**0.75
    return out


def _largest(vectors: Array) -> Array:
    """Return a smooth largest of vectors (..., N, 3)."""
    size = np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9
    weight = size ** (_NORM - 1.0)
    total = np.sum(size**_NORM, axis=-2) ** ((_NORM - 1.0) / _NORM)
    return np.asarray(np.sum(weight * vectors, axis=-2) / total)
