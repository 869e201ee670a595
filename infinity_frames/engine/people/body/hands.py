"""Hands: a palm in the skin's own field, fingers as tubes that can curl round a bar."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.appearance import Proportions
from infinity_frames.engine.people.body.mesh import Part
from infinity_frames.engine.people.body.sdf import Field
from infinity_frames.engine.people.body.shape import ARM_AXES, hand_points
from infinity_frames.engine.people.body.skin import finger_weights
from infinity_frames.engine.people.skeleton import JOINT_INDEX, T_POSE

__all__ = ["FINGERS", "add_palm", "finger"]

Array = NDArray[np.float64]

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_RADII = {
    "index": 0.0092,
    "middle": 0.0096,
    "ring": 0.0090,
    "pinky": 0.0078,
    "thumb": 0.0108,
}
_SIDES = 8
_ROOT = 0.022  # how deep a finger starts inside the palm, m
_TIP = 0.024  # length of the last segment, m

# Distance from the wrist; centre up and forward; radii up, down, forward, back, m.
_PALM = np.array(
    [
        [-0.030, 0.000, 0.002, 0.018, 0.017, 0.026, 0.025],
        [0.015, -0.001, 0.000, 0.015, 0.018, 0.031, 0.031],
        [0.050, 0.000, -0.002, 0.013, 0.017, 0.038, 0.037],
        [0.074, -0.001, -0.003, 0.011, 0.014, 0.041, 0.038],
        [0.088, -0.001, 0.001, 0.009, 0.012, 0.036, 0.032],
        [0.096, -0.001, 0.004, 0.004, 0.005, 0.026, 0.022],
    ]
)


def _wrist_relative(name: str) -> Array:
    """A left joint along, up across and forward of the wrist, reference hand."""
    return np.asarray(T_POSE[JOINT_INDEX[f"left_{name}"]] - T_POSE[JOINT_INDEX["left_wrist"]])


def add_palm(field: Field, body: Proportions) -> Field:
    """The left palm, with the ball of the thumb and the knuckles."""
    scale = body.hand
    field.loft(
        hand_points(body, np.zeros(3)), ARM_AXES[0], ARM_AXES[1], _PALM * scale, 0.012, power=2.4
    )
    base, middle = _wrist_relative("thumb1"), _wrist_relative("thumb2")
    start = hand_points(body, base + np.array([-0.004, 0.002, -0.010]))
    field.cone(start, hand_points(body, middle), 0.0165 * scale, 0.0118 * scale, 0.014)
    for name in ("index", "middle", "ring", "pinky"):
        at = hand_points(body, _wrist_relative(f"{name}1") + np.array([-0.002, 0.0, 0.0]))
        radius = 1.04 * _RADII[name] * scale
        field.ellipsoid(at, (radius * 1.2, radius, radius), 0.008)
    return field


def finger(name: str, body: Proportions, material: int) -> tuple[Part, Array]:
    """A left finger as a closed tube, in the A-pose, and its bone weights (V, bones)."""
    joints = [JOINT_INDEX["left_wrist"]] + [JOINT_INDEX[f"left_{name}{k}"] for k in (1, 2, 3)]
    bends = np.array([_wrist_relative(f"{name}{k}") for k in (1, 2, 3)])
    tip = bends[2] + _TIP * (bends[2] - bends[1]) / np.linalg.norm(bends[2] - bends[1])
    root = bends[0] - _ROOT * (bends[1] - bends[0]) / np.linalg.norm(bends[1] - bends[0])
    path = np.vstack([root, bends, tip])
    reach = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    along, radii = _profile(reach, _RADII[name])
    centers = np.stack([np.interp(along, reach, path[:, k]) for k in range(3)], axis=1)
    vertices, normals = _tube(centers, radii)
    faces = _tube_faces(len(along))
    distance = np.concatenate([np.repeat(along, _SIDES), along[[0, -1]]])
    weights = finger_weights(distance, reach[1:4], joints)
    part = Part(
        hand_points(body, vertices),
        normals @ ARM_AXES,
        faces,
        np.full(len(faces), material, np.int32),
        np.ones_like(vertices),
    )
    return part, weights


def _profile(reach: Array, radius: float) -> tuple[Array, Array]:
    """Rings along a finger: thick at the joints, slim between, rounded at the tip."""
    end = reach[-1]
    knots = [0.0]
    for a, b in pairwise(reach[1:].tolist()):
        knots += [a - 0.004, a + 0.004, 0.5 * (a + b)]
    knots[-1] = end - 0.9 * radius
    along = np.array([*knots, end - 0.45 * radius, end - 0.12 * radius])
    taper = 1.0 - 0.22 * (along - reach[1]) / (end - reach[1])
    swell = 1.0 + 0.05 * np.isin(np.arange(len(along)), [4, 5, 7, 8])
    cap = np.array([1.0] * (len(along) - 2) + [0.83, 0.45])
    return along, radius * np.minimum(taper, 1.06) * swell * cap


def _tube(centers: Array, radii: Array) -> tuple[Array, Array]:
    tangent = np.gradient(centers, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0]) - tangent * tangent[:, 1:2]
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    across = np.cross(tangent, up)
    angle = np.linspace(0.0, 2 * np.pi, _SIDES, endpoint=False)
    ring = (
        np.cos(angle)[None, :, None] * up[:, None]
        + np.sin(angle)[None, :, None] * (across[:, None])
    )
    vertices = centers[:, None] + radii[:, None, None] * ring
    lean = -np.gradient(radii, np.linalg.norm(centers - centers[0], axis=1))
    normals = ring + lean[:, None, None] * tangent[:, None]
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    ends = np.stack([centers[0], centers[-1] + 0.12 * radii[-2] * tangent[-1]])
    return (
        np.vstack([vertices.reshape(-1, 3), ends]),
        np.vstack([normals.reshape(-1, 3), -tangent[:1], tangent[-1:]]),
    )


def _tube_faces(rings: int) -> NDArray[np.int32]:
    faces = []
    for ring in range(rings - 1):
        for k in range(_SIDES):
            a, b = ring * _SIDES + k, ring * _SIDES + (k + 1) % _SIDES
            faces += [[a, b, a + _SIDES], [b, b + _SIDES, a + _SIDES]]
    first, last = rings * _SIDES, rings * _SIDES + 1
    for k in range(_SIDES):
        a, b = k, (k + 1) % _SIDES
        end = (rings - 1) * _SIDES
        faces += [[first, b, a], [last, end + a, end + b]]
    return np.array(faces, np.int32)
