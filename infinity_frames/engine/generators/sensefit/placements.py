"""Placements of a sensor on the body, and its axes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from infinity_frames.engine.people.body import Body
from infinity_frames.engine.people.skeleton import JOINT_INDEX
from infinity_frames.engine.scene.scene import Material, Object
from infinity_frames.engine.scene.solids import Box, merge

__all__ = ["PLACEMENTS", "Mount", "mounted"]

Array = NDArray[np.float64]

_CASE = (0.038, 0.044, 0.011)  # m
_PLASTIC = Material((0.03, 0.03, 0.034), roughness=0.6)
_GLASS = Material((0.004, 0.004, 0.006), roughness=0.15, specular=0.08)
_HALF_TURN = np.diag([-1.0, -1.0, 1.0])
_BESIDE = 0.022  # m, distance from the sensor's axis within which skin is searched
_UP, _FORWARD = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class _Site:
    """A point between the two joints of a bone, and the axes of a sensor there.

    `out` is the body axis along which the sensor's z points; "side" is the person's left or right.
    On an arm, x lies along the bone, as for a watch; elsewhere y points up.
    """

    start: str
    end: str
    share: float
    out: str
    arm: bool = False


_SITES = {
    "WRIST": _Site("elbow", "wrist", 0.86, "up", arm=True),
    "FOREARM": _Site("elbow", "wrist", 0.45, "up", arm=True),
    "UPPER_ARM": _Site("shoulder", "elbow", 0.5, "up", arm=True),
    "ANKLE": _Site("knee", "ankle", 0.85, "side"),
    "HIP_POCKET": _Site("hip", "knee", 0.3, "forward"),
    "CHEST": _Site("spine3", "neck", 0.25, "forward"),
}
PLACEMENTS = tuple(_SITES)
"""Names of the places."""


@dataclass(frozen=True, eq=False)
class Mount:
    """A sensor fixed to a bone of a body.

    Parameters
    ----------
    joint : int
        The joint that turns the bone.
    axes : (3, 3) array
        The sensor's axes x, y and z as columns, in the T-pose, body axes.
    place : (3,) array
        The sensor's center relative to that joint, in the T-pose, m.
    """

    joint: int
    axes: Array
    place: Array

    @property
    def object(self) -> Object:
        """Object of the sensor, in its own axes."""
        wide, tall, thick = _CASE
        glass = Box((wide - 0.006, tall - 0.006, 0.001), (0.0, 0.0, thick / 2), 1).mesh()
        case = merge([Box(_CASE, (0.0, 0.0, 0.0), 0).mesh(), glass])
        return Object("watch", case, (_PLASTIC, _GLASS))

    def transform(self, joints: Array, rotations: Array) -> Array:
        """Transform from the sensor's axes to body axes, (4, 4).

        Parameters
        ----------
        joints : (55, 3) array
            Positions of the joints, body axes, m.
        rotations : (55, 3, 3) array
            Their rotations.
        """
        out = np.eye(4)
        out[:3, :3] = rotations[self.joint] @ self.axes
        out[:3, 3] = joints[self.joint] + rotations[self.joint] @ self.place
        return out


def mounted(params: Mapping[str, Any], body: Body) -> Mount:
    """Place the sensor on the skin or the clothes of a body.

    Parameters
    ----------
    params : mapping
        ``placement``, ``watch_location``, ``crown_orientation`` and ``wrist_offset_deg``.
    body : Body

    Returns
    -------
    Mount
    """
    site, side = _SITES[params["placement"]], params["watch_location"].lower()
    start, end = (_joint(name, side) for name in (site.start, site.end))
    bone = body.rest_joints[end] - body.rest_joints[start]
    axes = _axes(site, side, bone / np.linalg.norm(bone))
    turn = Rotation.from_rotvec(np.radians(params["wrist_offset_deg"]) * _roll(site, axes))
    axes = turn.as_matrix() @ axes
    if params["crown_orientation"] == "LEFT":
        axes = axes @ _HALF_TURN
    inside = site.share * bone
    height = _skin_height(body, body.rest_joints[start] + inside, axes)
    return Mount(start, axes, inside + (height + _CASE[2] / 2) * axes[:, 2])


def _joint(name: str, side: str) -> int:
    return JOINT_INDEX[name] if name in JOINT_INDEX else JOINT_INDEX[f"{side}_{name}"]


def _axes(site: _Site, side: str, along: Array) -> Array:
    sign = 1.0 if side == "left" else -1.0
    out = {"up": _UP, "forward": _FORWARD, "side": np.array([sign, 0.0, 0.0])}[site.out]
    if site.arm:
        x = sign * along
        z = out - (out @ x) * x
        z /= np.linalg.norm(z)
        return np.column_stack([x, np.cross(z, x), z])
    y = along if along[1] > 0 else -along
    z = out - (out @ y) * y
    z /= np.linalg.norm(z)
    return np.column_stack([np.cross(y, z), y, z])


def _roll(site: _Site, axes: Array) -> Array:
    """Return the axis of the limb, about which the sensor may be rotated."""
    return np.asarray(axes[:, 0 if site.arm else 1])


def _skin_height(body: Body, middle: Array, axes: Array) -> float:
    """Return the distance of the surface from a point in the bone along the sensor's z, m."""
    identity = np.zeros_like(body.rest_pose)
    identity[:, 0] = 1.0
    vertices, _ = body.pose(identity, body.rest_joints[0])
    x, y, z = ((vertices - middle) @ axes).T
    around = (np.abs(x) < _BESIDE) & (np.abs(y) < _BESIDE) & (z > 0) & (z < 0.3)
    return float(z[around].max())
