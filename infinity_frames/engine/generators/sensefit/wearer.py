"""The person with the watch: poses of body, watch and equipment in every sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.generators.sensefit.placements import Mount
from infinity_frames.engine.generators.sensefit.wandering import (
    SECONDS,
    SmoothMotion,
    random_motion,
)
from infinity_frames.engine.generators.sensefit.watch import Watch, orientations
from infinity_frames.engine.people.actor import Actor
from infinity_frames.engine.people.body import Appearance, Body, build_body
from infinity_frames.engine.people.body.appearance import Gender
from infinity_frames.engine.people.exercises import exercise
from infinity_frames.engine.people.motion.motion import Pose
from infinity_frames.engine.people.motion.timeline import Timeline
from infinity_frames.engine.scene.scene import Object, Placement

__all__ = ["Moment", "Wearer"]

Array = NDArray[np.float64]

_LONG_CHUNK = 1024  # without pictures there is memory for more
_CHUNK = 64  # poses computed at a time, so that memory stays constant
_GENDERS: tuple[Gender, ...] = ("MALE", "FEMALE")


@dataclass(frozen=True, eq=False)
class Moment:
    """One sample.

    Parameters
    ----------
    quaternions, root : (55, 4) and (3,) array
        The pose.
    held : dict of str to (4, 4) array
        Transforms from the axes of held equipment to the body's.
    worn : (4, 4) array
        Transform from the watch's axes to the body's.
    joints : (55, 3) array
        Global, m.
    watch : (4, 4) array
        Transform from the watch's axes to global ones.
    matrix : (3, 3) array
        Orientation that the watch's sensor reports.
    """

    quaternions: Array
    root: Array
    held: dict[str, Array]
    worn: Array
    joints: Array
    watch: Array
    matrix: Array


class Wearer:
    """A person with a watch who exercises, or moves at random.

    Parameters
    ----------
    params : mapping
        Every parameter of SenseFit, valid.
    seed : int
        The job's seed.
    appearance : Appearance, optional
        The body; default: by ``randomize_body_shape``.
    mount : function of the body, optional
        Places the sensor on it; default: a watch on the wrist.
    lead : float, optional
        Seconds skipped at the start of a random motion, which is then smoothed over time; default:
        none, and it is not smoothed.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        seed: int,
        appearance: Appearance | None = None,
        mount: Callable[[Body], Mount] | None = None,
        lead: float | None = None,
    ) -> None:
        self._random: bool = params["use_random_motion"]
        self._reference: float = params["ref_xy_rotation"]
        done = random_motion(seed) if self._random else exercise(params["exercise"])
        if appearance is None:
            appearance = _appearance(params["randomize_body_shape"], seed)
        self.body = build_body(appearance)
        self.actor = Actor(done, self.body, np.zeros(3), 0.0)
        self.watch: Watch | Mount = (
            Watch.worn(params, self.body) if mount is None else mount(self.body)
        )
        self._strapped = self.watch.object
        self._timeline = Timeline.from_params(params, done, seed)
        self._motion = self.actor.motion(seed, params["kinematic_noise_factor"])
        count = params["num_random_frames"] if self._random else self._timeline.num_frames
        self.time: Array = np.arange(count) / params["frames_per_second"]
        self._lead = lead or 0.0
        self._smooth: SmoothMotion | None = None
        if self._random and lead is not None:
            self._smooth = SmoothMotion(self._motion, lead + float(self.time[-1]))

    @property
    def objects(self) -> list[Object]:
        """Objects of the person, its equipment and the watch, for a scene."""
        return [*self.actor.objects, self._strapped]

    @property
    def duration(self) -> float:
        """Seconds that the exercise takes."""
        return self._timeline.duration

    @property
    def counts(self) -> dict[str, Array]:
        """The rep counts of every sample; empty for random motion."""
        return self.counts_at(self.time)

    def counts_at(self, time: Array) -> dict[str, Array]:
        """Return the rep counts at given times, s; empty for random motion."""
        if self._random:
            return {}
        frames = self._timeline.at(time)
        return {
            "rep_count_from_start": frames.rep_count_from_start,
            "rep_count_from_intermediate": frames.rep_count_from_intermediate,
        }

    def device_poses(self, time: Array) -> tuple[Array, Array]:
        """Global positions (N, 3), m, and rotations (N, 3, 3) of the device at given times, s."""
        joint, place, axes = self.watch.joint, self.watch.place, self.watch.axes
        positions, rotations = [], []
        for start in range(0, len(time), _LONG_CHUNK):
            pose = self._pose(time[start : start + _LONG_CHUNK])
            joints, turns = pose.joints(self.body.rest_joints)
            turn = turns[:, joint]
            positions.append(self.actor.frame.points(joints[:, joint] + turn @ place))
            rotations.append(self.actor.frame.turn @ turn @ axes)
        return np.concatenate(positions), np.concatenate(rotations)

    def moments(self) -> Iterator[Moment]:
        """Yield the samples in order."""
        frame = self.actor.frame
        for start in range(0, len(self.time), _CHUNK):
            pose = self._pose(self.time[start : start + _CHUNK])
            joints, rotations = pose.joints(self.body.rest_joints)
            matrices = orientations(self.watch, rotations, frame.turn, self._reference)
            held = self._motion.held(pose)
            for i, matrix in enumerate(matrices):
                worn = self.watch.transform(joints[i], rotations[i])
                yield Moment(
                    quaternions=pose.quaternions[i],
                    root=pose.root[i],
                    held={name: carried[i] for name, carried in held.items()},
                    worn=worn,
                    joints=frame.points(joints[i]),
                    watch=frame.transform(worn),
                    matrix=matrix,
                )

    def placements(self, moment: Moment) -> dict[str, Placement]:
        """Placements of the person, its equipment and the watch in a sample."""
        return {
            "person": self.actor.skin(moment.quaternions, moment.root),
            **self.actor.held(moment.held),
            "watch": self.actor.carried(self._strapped.mesh, moment.worn),
        }

    def _pose(self, time: Array) -> Pose:
        if self._smooth is not None:
            return self._smooth.pose(time + self._lead)
        if self._random:
            return self._motion.exact(np.clip(time / SECONDS, 0.0, 1.0))
        return self._motion.pose(self._timeline.at(time))


def _appearance(randomize: bool, seed: int) -> Appearance:
    if not randomize:
        return Appearance()
    draws = stream(seed, "body_shape")
    height, weight = np.clip(draws.normal(0.0, 1.0, 2), -2.5, 2.5)
    return Appearance(
        gender=_GENDERS[int(draws.integers(2))],
        relative_height=float(height),
        relative_weight=float(weight),
        identity=int(draws.integers(25)),
        outfit=int(draws.integers(5)),
    )
