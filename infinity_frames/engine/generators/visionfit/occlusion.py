"""Places furniture between avatar and camera that never hides more than the job allows.

The share is measured on rendered masks. A first place is found by poses without noise, a fraction
of what is allowed; then the piece moves aside until it holds for the moments that look worst among
all the reps that a job can have. So its place depends neither on how many reps there are nor on the
frame rate, and finding it takes as long for a preview as for a long video. What lies between those
moments has a margin; should a frame exceed it all the same, `OcclusionLimit` tells while rendering.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.generators.visionfit.parameters import SPEC
from infinity_frames.engine.generators.visionfit.trajectory import Performance, Trajectory
from infinity_frames.engine.people.actor import extent
from infinity_frames.engine.people.skeleton import JOINT_INDEX, PARENTS
from infinity_frames.engine.render import LabelPass, Renderer
from infinity_frames.engine.scene.camera import project
from infinity_frames.engine.scene.furniture.home import FURNITURE, furniture, piece_mesh
from infinity_frames.engine.scene.rooms import Room
from infinity_frames.engine.scene.scene import Camera, Object, Scene

__all__ = ["OcclusionLimit", "place_occluder"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_AIMED = (0.1, 0.8)  # share of what is allowed that a piece hides in a typical rep
_STEP = 0.04  # of moving aside, m
_ASIDE = 1.1  # farthest from the line of sight, m: there the room's own furniture begins
_CLEARANCE = 0.30  # from the camera and from what the exercise takes up, m
_FOREGROUND = 0.55  # share of the distance that stays free: nearer things fill the picture
_FLESH = 0.20  # around the joints that an exercise's extent is made of, m
_MARGIN = 0.92  # share of what is allowed that the moments looked at may take up
_WORST = 10  # moments that are rendered to be sure, of those that look worst
_MOST_REPS = int(SPEC.by_name["num_reps"].max or 1)

# Along which bones, given by their ends, a person is seen, and about how thick it is there, m.
_BONES = {
    "head": 0.20,
    "neck": 0.20,
    "spine2": 0.30,
    "spine1": 0.30,
    **dict.fromkeys(("left_hip", "right_hip"), 0.22),
    **dict.fromkeys(("left_knee", "right_knee"), 0.15),
    **dict.fromkeys(("left_ankle", "right_ankle"), 0.11),
    **dict.fromkeys(("left_foot", "right_foot"), 0.09),
    **dict.fromkeys(("left_elbow", "right_elbow"), 0.09),
    **dict.fromkeys(("left_wrist", "right_wrist"), 0.08),
}


@dataclass(frozen=True, eq=False)
class _Spot:
    """Where on the line of sight a piece may stand, and to which side it gives way."""

    kind: str
    yaw: float
    middle: Array
    side: float

    def piece(self, step: int) -> Object:
        """Return the piece, moved aside by so many steps."""
        position = self.middle + np.array([self.side * step * _STEP, 0.0])
        return furniture(FURNITURE[self.kind], "occluder", position, self.yaw, occluder=True)


def place_occluder(
    room: Room,
    performance: Performance,
    camera: Camera,
    location: Array,
    allowed: float,
    seed: int,
    steps_aside: int = 0,
) -> list[Object]:
    """Place a piece of furniture between avatar and camera.

    Parameters
    ----------
    room : Room
        Which kinds there are to choose from.
    performance : Performance
        What the avatar does.
    camera : Camera
    location : (3,) array
        Where the avatar is, m.
    allowed : float
        Most of the avatar's unoccluded mask that it may hide in any frame, %.
    seed : int
        The job's seed.
    steps_aside : int
        Steps to move it aside from where it would be.

    Returns
    -------
    list of Object
        One, or none where nothing may be hidden or nothing fits.
    """
    if allowed <= 0.0:
        return []
    spot = _spot(room, performance, camera, location, seed)
    if spot is None:
        return []
    target = allowed * stream(seed, "occlusion").uniform(*_AIMED)
    nominal = _Viewed(performance, performance.nominal_rep(), camera)
    step, last = 0, int(_ASIDE / _STEP)
    while step <= last and nominal.worst(_mask(spot.piece(step), camera)) > target:
        step += 1
    if allowed < 100.0:
        reps = _Viewed(performance, performance.preview_reps(_MOST_REPS), camera)
        while step <= last and reps.worst(_mask(spot.piece(step), camera)) > _MARGIN * allowed:
            step += 1
    step += steps_aside
    return [spot.piece(step)] if step <= last else []


class OcclusionLimit:
    """Checks frames against the allowed occlusion.

    Parameters
    ----------
    scene : Scene
        One of its objects is ``person``, at most one an occluder.
    allowed : float
        %.
    """

    def __init__(self, scene: Scene, allowed: float) -> None:
        numbers = dict(enumerate(scene.objects, start=1))
        self._person = next(i for i, item in numbers.items() if item.name == "person")
        pieces = [item for item in numbers.values() if item.occluder]
        self._mask = _mask(pieces[0], scene.camera) if pieces and allowed < 100.0 else None
        self._allowed = allowed

    def holds(self, seen: LabelPass) -> bool:
        """Return whether the occluder hides at most the allowed share of the person in a frame."""
        return (
            self._mask is None
            or _hidden(seen.unoccluded(self._person), self._mask) <= self._allowed
        )


class _Viewed:
    """Moments of a performance, seen by a camera."""

    def __init__(self, performance: Performance, trajectory: Trajectory, camera: Camera) -> None:
        self._performance, self._trajectory, self._camera = performance, trajectory, camera
        self._person = Renderer(Scene((performance.objects[0],), camera, ()))
        self._alone: dict[int, Mask] = {}
        self._pixels, self._weights = _along_bones(trajectory.joints, camera)

    def worst(self, mask: Mask) -> float:
        """Return the largest share of the person that a mask hides at any moment, %.

        All moments are compared by points along the bones, and those that look worst by their
        rendered masks.
        """
        rough = (self._weights * mask[self._pixels[..., 1], self._pixels[..., 0]]).sum(axis=1)
        chosen = np.argsort(-rough, kind="stable")[:_WORST].tolist()
        return max(_hidden(self._mask_at(moment), mask) for moment in chosen)

    def _mask_at(self, moment: int) -> Mask:
        if moment not in self._alone:
            skin = self._performance.skin(self._trajectory, moment)
            self._alone[moment] = self._person.labels({"person": skin}).ids > 0
        return self._alone[moment]


def _along_bones(
    joints: Array, camera: Camera, per_bone: int = 5
) -> tuple[NDArray[np.intp], Array]:
    """Pixels (M, P, 2) of points along a person's bones, and each one's share of what is seen."""
    ends = [JOINT_INDEX[name] for name in _BONES]
    starts = [PARENTS[end] for end in ends]
    along = ((np.arange(per_bone) + 0.5) / per_bone)[:, None, None]
    points = joints[:, None, starts] * (1 - along) + joints[:, None, ends] * along
    length = np.linalg.norm(joints[:, ends] - joints[:, starts], axis=2)[:, None]
    area = np.broadcast_to(length * np.array(list(_BONES.values())), points.shape[:3])
    flat, depth = project(camera, points.reshape(-1, 3))
    size = np.array([camera.width, camera.height])
    within = ((depth > 0) & (flat >= 0).all(axis=1) & (flat < size).all(axis=1)).reshape(area.shape)
    weights = np.where(within, area, 0.0).reshape(len(joints), -1)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    pixels = np.clip(flat, 0, size - 1).astype(np.intp)
    return pixels.reshape(len(joints), -1, 2), weights


def _spot(
    room: Room,
    performance: Performance,
    camera: Camera,
    location: Array,
    seed: int,
) -> _Spot | None:
    """Return a draw of what may stand where; None where camera and avatar leave no room for it."""
    draw = stream(seed, "occluder")
    kind = room.occluders[int(draw.integers(len(room.occluders)))]
    yaw, side, along = draw.uniform(-180, 180), draw.choice([-1.0, 1.0]), draw.uniform()
    radius = float(np.linalg.norm(piece_mesh(FURNITURE[kind]).vertices[:, :2], axis=1).max())
    reach = extent(performance.exercise).reach + _FLESH
    distance = location[1] - camera.location[1]
    nearest = camera.location[1] + max(radius + _CLEARANCE, _FOREGROUND * distance)
    farthest = location[1] - reach - radius - 0.05
    if nearest > farthest:
        return None
    # Near the avatar rather than near the lens, as things around a person who exercises.
    y = nearest + (1.0 - along**2) * (farthest - nearest)
    return _Spot(kind, float(yaw), np.array([location[0], y]), float(side))


def _mask(piece: Object, camera: Camera) -> Mask:
    seen = Renderer(Scene((piece,), camera, ())).labels({})
    return seen.ids > 0


def _hidden(alone: Mask, mask: Mask) -> float:
    """Return the share of a mask that another covers, %."""
    area = np.count_nonzero(alone)
    return 100.0 * np.count_nonzero(alone & mask) / area if area else 0.0
