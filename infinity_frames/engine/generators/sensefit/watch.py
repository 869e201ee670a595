"""The watch: its position on a wrist, and the orientation that its motion sensor reports.

The device's axes are those of its screen: x to the right, where the crown is, y up, z out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from infinity_frames.engine.generators.sensefit.placements import Mount
from infinity_frames.engine.people.body import Body
from infinity_frames.engine.people.skeleton import JOINT_INDEX
from infinity_frames.engine.scene.scene import Material, Mesh, Object
from infinity_frames.engine.scene.solids import Box, Revolved, merge

__all__ = ["Watch", "orientations", "readings"]

Array = NDArray[np.float64]

_FROM_WRIST = 0.035  # m, distance from the joint up the forearm, for a stature of 1.75 m
_BAND = 0.022  # width of the band, m
_ABOVE_SKIN = 0.002
_CASE = (0.038, 0.044, 0.011)
_RUBBER = Material((0.02, 0.02, 0.022), roughness=0.7)
_STEEL = Material((0.55, 0.56, 0.58), pattern="brushed_metal", scale=0.02, roughness=0.3)
_GLASS = Material((0.004, 0.004, 0.006), roughness=0.15, specular=0.08)
_CROWN = Material((0.6, 0.03, 0.02), roughness=0.4)
# With the crown to the left, the watch is rotated by half a turn about z.
_HALF_TURN = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Watch:
    """A watch on the wrist of a body.

    Parameters
    ----------
    joint : int
        Joint of the bone that carries it: the elbow, which includes the twist of the forearm.
    axes : (3, 3) array
        Its axes x, y and z as columns, in the T-pose, body axes.
    place : (3,) array
        Its center, on the forearm's axis, relative to that joint, in the T-pose, m.
    radii : (float, float)
        Radii of the band: across the screen and out of it, m.
    """

    joint: int
    axes: Array
    place: Array
    radii: tuple[float, float]

    @classmethod
    def worn(cls, params: Mapping[str, Any], body: Body) -> Watch:
        """Place the watch of a job on the skin (or sleeve) of a body."""
        side = params["watch_location"].lower()
        elbow, wrist = (body.rest_joints[JOINT_INDEX[f"{side}_{name}"]] for name in _FOREARM)
        length = np.linalg.norm(wrist - elbow)
        along = (wrist - elbow) / length
        # On either wrist, a crown on the right points to the person's left in the T-pose: to the
        # hand on the left arm, to the elbow on the right arm.
        x = along if side == "left" else -along
        back = np.array([0.0, 1.0, 0.0])  # back of the hand: palms face down
        z = back - (back @ x) * x
        z /= np.linalg.norm(z)
        axes = np.column_stack([x, np.cross(z, x), z])
        turn = Rotation.from_rotvec(np.radians(params["wrist_offset_deg"]) * x).as_matrix()
        place = along * (length - _FROM_WRIST * body.stature / 1.75)
        radii = _thickness(body, elbow + place, axes)
        turned = turn @ axes
        if params["crown_orientation"] == "LEFT":
            turned = turned @ _HALF_TURN
        return cls(JOINT_INDEX[f"{side}_elbow"], turned, place, radii)

    @property
    def object(self) -> Object:
        """Object of the watch, in its own axes, with the middle of the wrist at the origin."""
        across, out = self.radii
        ring = Revolved(((1.0, -_BAND / 2), (1.0, _BAND / 2)), axis="x", segments=32).mesh()
        band = _squeezed(ring, across, out)
        wide, tall, thick = _CASE
        case = merge(
            [
                Box(_CASE, (0.0, 0.0, out + thick / 2), 1).mesh(),
                Box((wide - 0.006, tall - 0.006, 0.001), (0.0, 0.0, out + thick), 2).mesh(),
                Revolved(
                    ((0.004, wide / 2), (0.004, wide / 2 + 0.004)),
                    (0.0, 0.008, out + thick / 2),
                    axis="x",
                    material=3,
                ).mesh(),
            ]
        )
        return Object("watch", merge([band, case]), (_RUBBER, _STEEL, _GLASS, _CROWN))

    def transform(self, joints: Array, rotations: Array) -> Array:
        """Transform from the watch's axes to body axes, (4, 4).

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


_FOREARM = ("elbow", "wrist")


def orientations(
    watch: Watch | Mount, rotations: Array, turn: Array, ref_xy_rotation: float
) -> Array:
    """Rotation matrices as CoreMotion gives them.

    Row i holds the device's axis i in the axes of a reference frame whose Z is vertical: the matrix
    takes a vector from the reference frame to the device (``CMAttitude.rotationMatrix``), and its
    last column is the direction up, as the device sees it.

    Parameters
    ----------
    watch : Watch or Mount
    rotations : (F, 55, 3, 3) array
        Rotations of the joints, body axes.
    turn : (3, 3) array
        From body axes to global ones, whose Z is up.
    ref_xy_rotation : float
        Turn of the reference frame against the global one, rad, counter-clockwise from above.

    Returns
    -------
    (F, 3, 3) array
    """
    device = turn @ rotations[:, watch.joint] @ watch.axes
    reference = Rotation.from_euler("z", ref_xy_rotation).as_matrix()
    return np.asarray(np.swapaxes(device, 1, 2) @ reference)


def readings(
    time: Array, matrices: Array, ref_xy_rotation: float, counts: Mapping[str, Array]
) -> pd.DataFrame:
    """Return the series of a job, a row per sample.

    Parameters
    ----------
    time : (F,) array
        s.
    matrices : (F, 3, 3) array
        See :func:`orientations`.
    ref_xy_rotation : float
        rad; repeated in every row.
    counts : mapping of str to (F,) array
        Rep counts; empty for random motion.
    """
    frame = pd.DataFrame({"ref_xy_rotation": ref_xy_rotation, "time": time})
    for row in range(3):
        for column in range(3):
            frame[f"rotation_matrix_m{row + 1}{column + 1}"] = matrices[:, row, column]
    return frame.assign(**counts)


def _thickness(body: Body, middle: Array, axes: Array) -> tuple[float, float]:
    """Return the skin's distances from a point in the forearm, across and out of the screen, m."""
    identity = np.zeros_like(body.rest_pose)
    identity[:, 0] = 1.0
    vertices, _ = body.pose(identity, body.rest_joints[0])
    x, y, z = ((vertices - middle) @ axes).T
    around = (np.abs(x) < _BAND / 2) & (np.hypot(y, z) < 0.08)
    across, out = np.abs(y[around]).max(), np.abs(z[around]).max()
    return float(across + _ABOVE_SKIN), float(out + _ABOVE_SKIN)


def _squeezed(mesh: Mesh, across: float, out: float) -> Mesh:
    """Scale a ring of radius 1 about x to an ellipse."""
    scale = np.array([1.0, across, out])
    normals = mesh.normals / scale
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh(mesh.vertices * scale, mesh.faces, normals, mesh.materials)
