"""The picture of the video: a studio with the body; armature and axes are drawn over it."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from infinity_frames.engine.generators.sensefit.wearer import Moment
from infinity_frames.engine.people.actor import Extent
from infinity_frames.engine.people.skeleton import JOINTS, PARENTS
from infinity_frames.engine.scene.camera import FOCAL_LENGTH, SENSOR_WIDTH, look, project
from infinity_frames.engine.scene.room_geometry import room_lights, room_objects
from infinity_frames.engine.scene.rooms import Room
from infinity_frames.engine.scene.scene import Camera, Material, Object, Scene

__all__ = ["AXIS_COLORS", "Sketch", "build_scene"]

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

_STUDIO = Room(
    west=-4.5,
    east=4.5,
    south=-7.0,
    north=3.2,
    height=3.6,
    floor=Material((0.20, 0.21, 0.22), (0.26, 0.27, 0.28), "tiles", 0.5, roughness=0.85),
    walls=Material((0.42, 0.43, 0.45), (0.38, 0.39, 0.41), "plaster", 1.2, roughness=0.95),
    accent=Material((0.33, 0.37, 0.42), (0.30, 0.34, 0.39), "plaster", 1.2, roughness=0.95),
    furniture=(),
    light=(1.0, 0.97, 0.93),
    tubes=True,
)
_POWER = 260.0  # W, of the studio's lamp
_ASIDE = 32.0  # deg, turn of the camera to the side of the watch
_DOWN = 12.0  # deg, angle at which the camera looks down
_FLESH = 0.16  # m, of the body around its outermost joints
_MARGIN = 1.06

AXIS_COLORS = ((226, 52, 52), (38, 168, 62), (46, 104, 232))
"""Colors of x, y and z, sRGB."""

_DEVICE_AXIS = 0.24  # m
_REFERENCE_AXIS = 0.10  # of the distance from the camera
_REFERENCE_AT = (0.17, 0.84)  # position of its origin, as shares of the picture
_BONE, _BONE_EDGE = (250, 250, 250), (40, 44, 52)
_BONES = tuple(
    (parent, joint)
    for joint, parent in enumerate(PARENTS)
    if parent >= 0 and not JOINTS[joint].endswith(("jaw", "eye_smplhf"))
)
_NEAREST = 0.1  # m, nearer points are not drawn
_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates


def build_scene(
    objects: list[Object], extent: Extent, watch_location: str, width: int, height: int
) -> Scene:
    """Build the studio with a person in it, seen from the side of the watch.

    Parameters
    ----------
    objects : list of Object
        The person and its equipment.
    extent : Extent
        Extent of the motion.
    watch_location : {"LEFT", "RIGHT"}
        The arm that the camera sees best.
    width, height : int
        Size of the picture, px.

    Returns
    -------
    Scene
    """
    yaw = _ASIDE if watch_location == "LEFT" else -_ASIDE
    turn, down = np.radians(yaw), np.radians(_DOWN)
    half = np.array([width, height]) / max(width, height) * SENSOR_WIDTH / 2 / FOCAL_LENGTH
    tall = (extent.high[1] - extent.low[1]) / 2 + _FLESH
    wide = extent.reach + _FLESH
    distance = _MARGIN * max(wide / half[0], (tall + wide * np.sin(down)) / half[1]) + 0.5 * wide
    middle = np.array([0.0, 0.0, float(extent.middle[1])])
    back = np.array([np.sin(turn) * np.cos(down), -np.cos(turn) * np.cos(down), np.sin(down)])
    camera = look(middle + distance * back, yaw, 90.0 - _DOWN, width, height)
    still = room_objects(_STUDIO, 0)
    return Scene((*objects, *still), camera, room_lights(_STUDIO, _POWER))


class Sketch:
    """Draws the armature and the axes over a picture.

    Parameters
    ----------
    camera : Camera
    ref_xy_rotation : float
        Turn of the reference frame about the vertical, rad.
    """

    def __init__(self, camera: Camera, ref_xy_rotation: float) -> None:
        self._camera = camera
        self._size = max(1.0, min(camera.width, camera.height) / 480)
        turn = Rotation.from_euler("z", ref_xy_rotation).as_matrix()
        self._reference = np.eye(4)
        self._reference[:3, :3] = turn
        self._reference[:3, 3] = _on_floor(camera, _REFERENCE_AT)
        away = np.linalg.norm(self._reference[:3, 3] - camera.location)
        self._reference_axis = _REFERENCE_AXIS * float(away)

    def draw(self, picture: Image, moment: Moment) -> None:
        """Draw over a picture, (H, W, 3) RGB, in place."""
        self._armature(picture, moment.joints)
        self._axes(picture, self._reference, self._reference_axis)
        self._axes(picture, moment.watch, _DEVICE_AXIS)

    def _armature(self, picture: Image, joints: Array) -> None:
        pixels, depth = project(self._camera, joints)
        for color, width in ((_BONE_EDGE, 3.0), (_BONE, 1.2)):
            for parent, joint in _BONES:
                if min(depth[joint], depth[parent]) > _NEAREST:
                    self._line(picture, pixels[[parent, joint]], color, width)

    def _axes(self, picture: Image, frame: Array, length: float) -> None:
        """Draw the axes of a frame, (4, 4) to global; an axis that points away is drawn first."""
        tips = frame[:3, 3] + length * frame[:3, :3].T
        pixels, depth = project(self._camera, np.vstack([frame[:3, 3], tips]))
        if depth.min() <= _NEAREST:
            return
        for axis in np.argsort(-depth[1:]):
            ends = pixels[[0, axis + 1]]
            self._line(picture, ends, (255, 255, 255), 4.0)
            self._line(picture, ends, AXIS_COLORS[axis], 2.2)
            self._letter(picture, ends, "xyz"[axis], AXIS_COLORS[axis])

    def _letter(self, picture: Image, ends: Array, text: str, color: tuple[int, ...]) -> None:
        """Draw a letter beyond the end of an axis, with a white outline."""
        along = ends[1] - ends[0]
        away = along / max(float(np.linalg.norm(along)), 1e-6) * 9.0 * self._size
        scale = 0.5 * self._size
        (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        x, y = np.round(ends[1] + away + [-wide / 2, tall / 2]).astype(int).tolist()
        for ink, width in (((255, 255, 255), 4.0), (color, 1.6)):
            thick = max(1, round(width * self._size))
            cv2.putText(
                picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thick, cv2.LINE_AA
            )

    def _line(self, picture: Image, ends: Array, color: tuple[int, ...], width: float) -> None:
        # Pixel centers are at half pixels here, and at whole pixels in OpenCV.
        points = np.round((ends - 0.5) * (1 << _SHIFT)).astype(int).tolist()
        for start, end in pairwise(points):
            thick = max(1, round(width * self._size))
            cv2.line(picture, start, end, color, thick, cv2.LINE_AA, _SHIFT)


def _on_floor(camera: Camera, share: tuple[float, float]) -> Array:
    """Return the global point of the floor, m, at a position in the picture."""
    pixel = np.array([share[0] * camera.width, share[1] * camera.height, 1.0])
    ray = camera.RT[:, :3].T @ np.linalg.inv(camera.K) @ pixel
    return np.asarray(camera.location - ray * camera.location[2] / ray[2])
