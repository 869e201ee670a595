"""The avatar in each frame: body, poses, and the objects that it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.visionfit.labels import Person
from infinity_frames.engine.people.actor import Actor
from infinity_frames.engine.people.body import Body
from infinity_frames.engine.people.exercises import Exercise, exercise
from infinity_frames.engine.people.motion.motion import Pose
from infinity_frames.engine.people.motion.timeline import Timeline
from infinity_frames.engine.people.skeleton import JOINTS
from infinity_frames.engine.scene.scene import Object, Placement

__all__ = ["FrameState", "Performance", "Trajectory"]

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
class Trajectory:
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
class FrameState:
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
    later : dict of str to Placement or None
        The placements at the end of the exposure; None for an instantaneous one.
    """

    frame: int
    placements: dict[str, Placement]
    person: Person
    rep_counts: tuple[float, float]
    later: dict[str, Placement] | None = None


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
        self._actor = Actor(self.exercise, body, location, yaw)
        self._motion = self._actor.motion(seed, params["kinematic_noise_factor"])

    @property
    def objects(self) -> list[Object]:
        """The person and what is held, for a scene."""
        return self._actor.objects

    def frames(self, count: int | None = None, shutter: float = 0.0) -> Iterator[FrameState]:
        """Yield the frames of the video in order.

        Parameters
        ----------
        count : int, optional
            How many, from the first; default: all.
        shutter : float
            Duration of the exposure, s; a frame is its middle.
        """
        total = self.timeline.num_frames
        wanted = total if count is None else count
        for start in range(0, wanted, _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, total))
            times = numbers / self.timeline.frame_rate
            moments = self.timeline.at(times)
            pose = self._motion.pose(moments)
            held = self._motion.held(pose)
            joints, _ = pose.joints(self.body.rest_joints)
            ends = None
            if shutter > 0.0:
                after = np.minimum(times + shutter / 2, self.timeline.duration)
                end_pose = self._motion.pose(self.timeline.at(after))
                ends = end_pose, self._motion.held(end_pose)
            for i in range(min(len(numbers), wanted - start)):
                placements, person = self._placed(
                    pose.quaternions[i],
                    pose.root[i],
                    joints[i],
                    {name: transforms[i] for name, transforms in held.items()},
                )
                later = None
                if ends is not None:
                    skin = self._actor.skin(ends[0].quaternions[i], ends[0].root[i])
                    grip = {name: transforms[i] for name, transforms in ends[1].items()}
                    later = {"person": skin, **self._actor.held(grip)}
                counts = moments.rep_count_from_start, moments.rep_count_from_intermediate
                yield FrameState(
                    start + i, placements, person, (float(counts[0][i]), float(counts[1][i])), later
                )

    def nominal_rep(self, count: int = 9) -> Trajectory:
        """Return one rep without noise.

        It does not depend on the job's speed and number of reps.
        """
        timeline = Timeline(self.exercise, seed=0)
        moments = timeline.at(np.linspace(0.0, timeline.duration, count))
        return self._trajectory(self._actor.motion(seed=0, noise=0.0).pose(moments))

    def preview_reps(self, reps: int, per_rep: int = 16) -> Trajectory:
        """Return the first `reps` reps with noise, including reps beyond the job's number."""
        timeline = replace(self.timeline, num_reps=reps)
        shares = np.arange(per_rep) / per_rep
        times = timeline.starts[:, None] + timeline.active[:, None] * shares
        times += timeline.pauses[:, None] * (shares > self.exercise.midpoint)
        return self._trajectory(self._motion.pose(timeline.at(times.ravel())))

    def skin(self, trajectory: Trajectory, index: int) -> Placement:
        """Return the person's skin at one moment of a trajectory."""
        return self._actor.skin(trajectory.quaternions[index], trajectory.root[index])

    def _trajectory(self, pose: Pose) -> Trajectory:
        joints, _ = pose.joints(self.body.rest_joints)
        return Trajectory(pose.quaternions, pose.root, self._actor.frame.points(joints))

    def _placed(
        self, quaternions: Array, root: Array, joints: Array, held: Mapping[str, Array]
    ) -> tuple[dict[str, Placement], Person]:
        skin = self._actor.skin(quaternions, root)
        placements = {"person": skin, **self._actor.held(held)}
        points = self._actor.frame.points(joints)
        vertices = list(self.body.vertex_keypoints.values())
        person = Person(
            joints=points,
            joint_tolerance=self._joint_tolerance,
            quaternions=quaternions,
            skin_names=tuple(self.body.vertex_keypoints),
            skin=skin.vertices[vertices],
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
