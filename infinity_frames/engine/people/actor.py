"""A body that does an exercise at a place of the room, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body import Body
from infinity_frames.engine.people.exercises import Exercise
from infinity_frames.engine.people.floor_contact import clearances
from infinity_frames.engine.people.motion.motion import Motion
from infinity_frames.engine.people.motion.timeline import Timeline
from infinity_frames.engine.people.skeleton import BODY_TO_GLOBAL
from infinity_frames.engine.scene.equipment import held_object
from infinity_frames.engine.scene.scene import Mesh, Object, Placement
from infinity_frames.engine.scene.solids import yaw_matrix

__all__ = ["Actor", "Extent", "extent"]

Array = NDArray[np.float64]


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


@lru_cache(maxsize=64)
def extent(exercise: Exercise) -> Extent:
    """Room that an exercise takes up.

    It depends on nothing but the exercise, so that neither body nor noise moves the camera.
    """
    timeline = Timeline(exercise, seed=0)
    times = np.linspace(0.0, timeline.duration, 17)
    joints, _ = Motion(exercise).pose(timeline.at(times)).joints()
    return Extent(joints.min(axis=(0, 1)), joints.max(axis=(0, 1)))


class _Frame(NamedTuple):
    """Body axes to global ones: ``turn @ point + shift``."""

    turn: Array
    shift: Array

    def points(self, points: Array) -> Array:
        """Return points (..., 3) in global axes, m."""
        return np.asarray(points @ self.turn.T + self.shift)

    def directions(self, directions: Array) -> Array:
        """Directions (..., 3) in global axes."""
        return np.asarray(directions @ self.turn.T)

    def transform(self, transform: Array) -> Array:
        """Return a transform (4, 4) into body axes as one into global axes."""
        out = np.eye(4)
        out[:3, :3] = self.turn @ transform[:3, :3]
        out[:3, 3] = self.points(transform[:3, 3])
        return out


class Actor:
    """An avatar at a place of the room.

    Parameters
    ----------
    exercise : Exercise
        What it does.
    body : Body
        Who does it.
    location : (3,) array
        Where the middle of the exercise is on the floor, global, m.
    yaw : float
        Turn about the vertical, deg; 0 faces -Y.
    """

    def __init__(self, exercise: Exercise, body: Body, location: Array, yaw: float) -> None:
        self.exercise, self.body = exercise, body
        self._clearances = clearances(exercise, body)
        turn = yaw_matrix(yaw) @ BODY_TO_GLOBAL
        middle = extent(exercise).middle * np.array([1.0, 0.0, 1.0])
        self.frame = _Frame(turn, location - turn @ middle)
        self._held = {held.name: held_object(held.object, held.name) for held in exercise.held}

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

    def motion(self, seed: int, noise: float) -> Motion:
        """Return how this body moves, with the noise of a seed."""
        body = self.body
        return Motion(self.exercise, seed, noise, body.rest_joints, self._clearances, body.flesh)

    def skin(self, quaternions: Array, root: Array) -> Placement:
        """Return where the person's skin is in a pose, (55, 4) and (3,) in body axes."""
        vertices, normals = self.body.pose(quaternions, root)
        return Placement(self.frame.points(vertices), self.frame.directions(normals))

    def held(self, transforms: Mapping[str, Array]) -> dict[str, Placement]:
        """Return where what is held is, from its transforms (4, 4) in body axes."""
        return {
            name: self.carried(self._held[name].mesh, transform)
            for name, transform in transforms.items()
        }

    def carried(self, mesh: Mesh, transform: Array) -> Placement:
        """Return where a thing is that the body carries, from its transform (4, 4) in body axes."""
        whole = self.frame.transform(transform)
        turn, middle = whole[:3, :3], whole[:3, 3]
        return Placement(mesh.vertices @ turn.T + middle, mesh.normals @ turn.T)
