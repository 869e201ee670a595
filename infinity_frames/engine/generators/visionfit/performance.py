"""What the avatar does in each frame: its body, its poses, what it holds, where that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.visionfit.contact import clearances
from infinity_frames.engine.generators.visionfit.labels import Person
from infinity_frames.engine.motion.exercises import Exercise, exercise
from infinity_frames.engine.motion.motion import Motion, Pose
from infinity_frames.engine.motion.skeleton import BODY_TO_GLOBAL, JOINTS
from infinity_frames.engine.motion.timeline import Timeline
from infinity_frames.engine.scene.body import Body
from infinity_frames.engine.scene.equipment import held_object
from infinity_frames.engine.scene.model import Object, Placement
from infinity_frames.engine.scene.shapes import yaw_matrix

__all__ = ["Course", "Extent", "Instant", "Performance", "extent"]

Array = NDArray[np.float64]

# Poses are computed for so many frames at a time, always from a multiple of it: memory stays flat,
# and a preview computes its frame exactly as the video does.
_CHUNK = 64

# What may lie before a joint that counts as seen, beyond the flesh around it, m.
_JOINT_MARGIN = 0.03

# Flesh around the joints of a person 1.75 m tall, m; that of the trunk follows its girth.
_FLESH = {
    "hip": 0.085,
    "knee": 0.055,
    "ankle": 0.045,
    "foot": 0.03,
    "neck": 0.055,
    "head": 0.08,
    "jaw": 0.05,
    "eye_smplhf": 0.01,
    "collar": 0.07,
    "shoulder": 0.055,
    "elbow": 0.045,
    "wrist": 0.03,
}
_FINGER_FLESH = 0.01
_TRUNK = ("pelvis", "spine1", "spine2", "spine3")
_TRUNK_DEPTH = 0.8  # half a trunk's depth, as a share of the radius its girth would have if round


@dataclass(frozen=True, eq=False)
class Extent:
    """The room that an exercise takes up, for the reference body without noise; body axes, m.

    Parameters
    ----------
    low, high : (3,) array
        Least and greatest coordinates of any joint.
    """

    low: Array
    high: Array

    @property
    def middle(self) -> Array:
        """Halfway between the ends."""
        return (self.low + self.high) / 2

    @property
    def reach(self) -> float:
        """Horizontal distance from the middle to the farthest corner, m."""
        half = (self.high - self.low) / 2
        return float(np.hypot(half[0], half[2]))


@cache
def extent(name: str) -> Extent:
    """Room that an exercise takes up.

    It depends on nothing but the exercise, so that neither body nor noise moves the camera.

    Parameters
    ----------
    name : str
        Full name of the exercise.

    Returns
    -------
    Extent
    """
    done = exercise(name)
    timeline = Timeline(done, seed=0)
    times = np.linspace(0.0, timeline.duration, 17)
    joints, _ = Motion(done).pose(timeline.at(times)).joints()
    return Extent(joints.min(axis=(0, 1)), joints.max(axis=(0, 1)))


@dataclass(frozen=True, eq=False)
class Course:
    """Moments of a performance, of any number, without their skin.

    Parameters
    ----------
    quaternions : (M, 55, 4) array
    root : (M, 3) array
        Body axes, m.
    joints : (M, 55, 3) array
        Global, m.
    """

    quaternions: Array
    root: Array
    joints: Array


@dataclass(frozen=True, eq=False)
class Instant:
    """One frame of a performance.

    Parameters
    ----------
    frame : int
        Its number.
    placements : dict of str to Placement
        The person and what is held.
    person : Person
        What the person's labels need.
    rep_counts : (float, float)
        From the start, and from the intermediate position.
    """

    frame: int
    placements: dict[str, Placement]
    person: Person
    rep_counts: tuple[float, float]


class Performance:
    """An avatar exercising at a place in a room.

    Parameters
    ----------
    params : mapping
        The job's parameters.
    seed : int
        The job's seed.
    body : Body
    location : (3,) array
        Where the middle of the exercise is on the floor, global, m.
    yaw : float
        Turn of the avatar about the vertical, deg; 0 faces -Y.
    """

    def __init__(
        self, params: Mapping[str, Any], seed: int, body: Body, location: Array, yaw: float
    ) -> None:
        self.exercise: Exercise = exercise(params["exercise"])
        self.body = body
        self.timeline = Timeline.from_params(params, self.exercise, seed)
        self._clearances = clearances(self.exercise, body)
        self._motion = self._moved(seed, params["kinematic_noise_factor"])
        self._turn = yaw_matrix(yaw) @ BODY_TO_GLOBAL
        middle = extent(self.exercise.name).middle * np.array([1.0, 0.0, 1.0])
        self._shift = location - self._turn @ middle
        self._held = {held.name: held_object(held.object, held.name) for held in self.exercise.held}

    @property
    def objects(self) -> list[Object]:
        """The person and what is held, for a scene."""
        body = self.body
        person = Object(
            "person",
            body.mesh,
            body.materials,
            category="person",
            shadow_faces=body.shadow_faces,
        )
        return [person, *self._held.values()]

    def instants(self, frames: int | None = None) -> Iterator[Instant]:
        """The frames of the video in order.

        Parameters
        ----------
        frames : int, optional
            How many, from the first; default: all.
        """
        total = self.timeline.num_frames
        wanted = total if frames is None else frames
        for start in range(0, wanted, _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, total))
            moments = self.timeline.at(numbers / self.timeline.frame_rate)
            pose = self._motion.pose(moments)
            held = self._motion.held(pose)
            joints, _ = pose.joints(self.body.rest_joints)
            for i in range(min(len(numbers), wanted - start)):
                placements, person = self._placed(
                    pose.quaternions[i],
                    pose.root[i],
                    joints[i],
                    {name: transforms[i] for name, transforms in held.items()},
                )
                counts = moments.rep_count_from_start, moments.rep_count_from_intermediate
                yield Instant(
                    start + i, placements, person, (float(counts[0][i]), float(counts[1][i]))
                )

    def typical(self, count: int = 9) -> Course:
        """One rep without noise, whatever the speed and the reps."""
        timeline = Timeline(self.exercise, seed=0)
        moments = timeline.at(np.linspace(0.0, timeline.duration, count))
        return self._course(self._moved(seed=0, noise=0.0).pose(moments))

    def foreseeable(self, reps: int, per_rep: int = 16) -> Course:
        """The first `reps` reps as they will be, also those that this job does not ask for."""
        timeline = replace(self.timeline, num_reps=reps)
        shares = np.arange(per_rep) / per_rep
        times = timeline.starts[:, None] + timeline.active[:, None] * shares
        times += timeline.pauses[:, None] * (shares > self.exercise.midpoint)
        return self._course(self._motion.pose(timeline.at(times.ravel())))

    def skin(self, course: Course, index: int) -> Placement:
        """The person's skin at one moment of a course."""
        return self._skin(course.quaternions[index], course.root[index])

    def _course(self, pose: Pose) -> Course:
        joints, _ = pose.joints(self.body.rest_joints)
        return Course(pose.quaternions, pose.root, joints @ self._turn.T + self._shift)

    def _moved(self, seed: int, noise: float) -> Motion:
        body = self.body
        return Motion(self.exercise, seed, noise, body.rest_joints, self._clearances, body.flesh)

    def _skin(self, quaternions: Array, root: Array) -> Placement:
        vertices, normals = self.body.pose(quaternions, root)
        return Placement(vertices @ self._turn.T + self._shift, normals @ self._turn.T)

    def _placed(
        self, quaternions: Array, root: Array, joints: Array, held: Mapping[str, Array]
    ) -> tuple[dict[str, Placement], Person]:
        skin = self._skin(quaternions, root)
        placements = {"person": skin}
        for name, transform in held.items():
            mesh = self._held[name].mesh
            turn = self._turn @ transform[:3, :3]
            middle = self._turn @ transform[:3, 3] + self._shift
            placements[name] = Placement(mesh.vertices @ turn.T + middle, mesh.normals @ turn.T)
        points = joints @ self._turn.T + self._shift
        vertices = list(self.body.vertex_keypoints.values())
        person = Person(
            joints=points,
            joint_tolerance=self._joint_tolerance,
            quaternions=quaternions,
            skin_names=tuple(self.body.vertex_keypoints),
            skin=skin.vertices[vertices],
            skin_normals=skin.normals[vertices],
            coco=self.body.coco_keypoints(skin.vertices, points),
        )
        return placements, person

    @cached_property
    def _joint_tolerance(self) -> Array:
        """The flesh around each joint and a margin, (55,) m."""
        trunk = _TRUNK_DEPTH * self.body.waist_circumference / (2 * np.pi)
        flesh = [
            trunk
            if name in _TRUNK
            else _FLESH.get(name.split("_", 1)[-1], _FINGER_FLESH) * self.body.stature / 1.75
            for name in JOINTS
        ]
        return np.array(flesh) + _JOINT_MARGIN
