"""From the phase of a rep to a pose of one body, standing on the floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from infinity_frames.engine.people.exercises import Exercise
from infinity_frames.engine.people.motion.capsules import Bulk
from infinity_frames.engine.people.motion.floor_clearance import FLESH, chains, lifted
from infinity_frames.engine.people.motion.grip import Chest, hands_on, held_transforms
from infinity_frames.engine.people.motion.ik import TwoBone, aim, blend, soft_positive
from infinity_frames.engine.people.motion.keyframes import (
    CLEARANCES,
    Effector,
    Goals,
    Keyframes,
    quaternions,
)
from infinity_frames.engine.people.motion.noise import joint_noise, joint_spread
from infinity_frames.engine.people.motion.self_collision import kept_clear
from infinity_frames.engine.people.motion.shoulder_rhythm import raised_collars
from infinity_frames.engine.people.motion.timeline import Frames
from infinity_frames.engine.people.skeleton import JOINT_INDEX, PARENTS, T_POSE, forward, matrices

__all__ = ["Motion", "Pose"]

Array = NDArray[np.float64]

# Planted limbs keep this share of their length as reserve; the root gives way within SOFTNESS.
_REACH = 0.995
_SOFTNESS = 0.004
_REACH_STEPS = 6

# A limb on its way from the floor soon lets go of its place, and sooner of the root.
_GRIP_SHARPNESS = 6
_PULL_SHARPNESS = 12

_BREATHS_PER_SECOND = 0.3
_BREATH_DEGREES = 0.6
_HINGE_SOFTNESS = 2.0


@dataclass(frozen=True, eq=False)
class Pose:
    """Poses of a body.

    Parameters
    ----------
    quaternions : (F, 55, 4) array
        Rotation of each joint relative to its parent, w x y z.
    root : (F, 3) array
        Position of the pelvis, body axes, the floor at y = 0, m.
    """

    quaternions: Array
    root: Array

    def joints(self, rest: Array = T_POSE) -> tuple[Array, Array]:
        """Return positions (F, 55, 3) m and rotations (F, 55, 3, 3) of the joints, body axes."""
        return forward(self.quaternions, self.root, rest)


class Motion:
    """An exercise done by one body.

    Parameters
    ----------
    exercise : Exercise
        What is done.
    seed : int
        The job's seed.
    noise_factor : float
        How much the joints' trajectories vary; 0 repeats the exercise exactly.
    rest_joints : (55, 3) array
        Joint positions of the body in the T-pose, feet on y = 0, m.
    clearances : mapping of str to float or (N,) array, optional
        Flesh between a joint and the floor it rests on, m, where it differs from
        `CLEARANCES` of :mod:`~infinity_frames.engine.people.motion.keyframes`; for the joints that
        carry the trunk also at N places, evenly along the course. ``trunk``: how far it would sink
        in, (N,) m.
    flesh : tuple of Bulk, optional
        What the arms keep clear of; default: nothing.
    """

    def __init__(
        self,
        exercise: Exercise,
        seed: int = 0,
        noise_factor: float = 0.0,
        rest_joints: Array = T_POSE,
        clearances: Mapping[str, float | Array] | None = None,
        flesh: tuple[Bulk, ...] = (),
    ) -> None:
        self.exercise = exercise
        self.rest = rest_joints
        self._flesh = flesh
        self._seed = seed
        self._noise_factor = noise_factor
        given = {**CLEARANCES, **(clearances or {})}
        mean = {part: float(np.mean(height)) for part, height in given.items()}
        self._keys = Keyframes.of(exercise, rest_joints, mean)
        self._settling = {
            part: PchipInterpolator(
                np.linspace(0.0, 1.0, np.size(height)),
                height if part == "trunk" else height - mean[part],
            )
            for part, height in given.items()
            if np.size(height) > 1
        }
        self._rise = self._settling.pop("trunk", None)
        self._chest = Chest.of(rest_joints, flesh)
        self._spread = noise_factor * joint_spread(self._keys.angles)
        # Who only ever stands on the feet has nothing else near the floor.
        names = frozenset(effector.name for effector in self._keys.effectors)
        self._free = (
            () if names == {"left_foot", "right_foot"} else chains(names, {**FLESH, **mean})
        )

    def pose(self, frames: Frames) -> Pose:
        """Poses of the body at given moments of a timeline.

        Parameters
        ----------
        frames : Frames
            As ``timeline.frames`` or ``timeline.at(times)``.
        """
        course = self._course(frames.phase)
        return self._solved(course, self._varied(self._keys.angles_at(course), frames))

    def exact(self, course: Array) -> Pose:
        """Poses without noise at places of the course, (F,) in 0..1 from start to midpoint.

        Of a loop, whose halves differ, these are phases of the rep.
        """
        return self._solved(course, _hinged(self._keys.angles_at(course)))

    def _solved(self, course: Array, angles: Array) -> Pose:
        goals = self._keys.goals_at(course)
        turns = raised_collars(quaternions(angles))
        if self._flesh:
            turns = kept_clear(turns, self.rest, self._flesh, self.exercise.held)
        positions, rotations = forward(turns, np.zeros((len(course), 3)), self.rest)
        effectors = self._keys.effectors
        limbs = [self._limb(effector) for effector in effectors]
        targets = [
            self._settled(effector, goal, course) - matrices(goal.rotation) @ effector.offset
            for effector, goal in zip(effectors, goals, strict=True)
        ]
        root = self._carried(positions, targets, goals)
        if self._rise is not None:
            root[:, 1] += self._rise(course)
        root = self._within_reach(root, positions, rotations, limbs, targets, goals)
        positions = positions + root[:, None]
        solved = dict[int, Array]()
        for effector, limb, target, goal in zip(effectors, limbs, targets, goals, strict=True):
            joint = effector.joint
            target, turn = _followed(effector, target, goal, positions, rotations)
            if limb is not None:
                solved |= _reach(limb, joint, target, turn, positions, rotations)
            elif effector.name.endswith("_knee"):
                start = PARENTS[joint]
                bone = self.rest[joint] - self.rest[start]
                solved[start] = aim(bone, rotations[:, start], target - positions[:, start])
                solved[joint] = rotations[:, joint]
        for held in self.exercise.held:
            places = hands_on(held, positions, rotations, self.rest, self._chest)
            for side, (target, turn) in places.items():
                joint = JOINT_INDEX[f"{side}_wrist"]
                solved |= _reach(self._arm(side), joint, target, turn, positions, rotations)
        turns = _local(turns, rotations, solved, effectors, goals)
        if self._free:
            turns = lifted(turns, root, self.rest, self._free)
        return Pose(turns, root)

    def held(self, pose: Pose) -> dict[str, Array]:
        """Return where what is held is: transforms from object to body axes, (F, 4, 4), by name."""
        return held_transforms(self.exercise, pose.quaternions, pose.root, self.rest, self._flesh)

    def _settled(self, effector: Effector, goal: Goals, course: Array) -> Array:
        """Where an effector should be, higher or lower as flesh of other thickness comes below."""
        if effector.name not in self._settling:
            return goal.point
        height: Array = self._settling[effector.name](course)
        return np.asarray(goal.point + height[:, None] * np.array([0.0, 1.0, 0.0]))

    def _course(self, phase: Array) -> Array:
        m = self.exercise.midpoint
        if self.exercise.course == "loop":
            return phase
        return np.where(phase <= m, phase / m, (1.0 - phase) / (1.0 - m))

    def _varied(self, angles: Array, frames: Frames) -> Array:
        if self._noise_factor > 0.0:
            angles = angles + joint_noise(self._seed, frames.clock, self._spread)
            breath = np.sin(2.0 * np.pi * _BREATHS_PER_SECOND * frames.time)
            swell = self._noise_factor * _BREATH_DEGREES * breath
            angles[:, JOINT_INDEX["spine3"], 0] -= swell
            angles[:, JOINT_INDEX["neck"], 0] += swell
        return _hinged(angles)

    def _limb(self, effector: Effector) -> TwoBone | None:
        side, _, part = effector.name.partition("_")
        if part == "hand":
            return self._arm(side)
        if part != "foot":
            return None
        hip, knee, ankle = (
            self.rest[JOINT_INDEX[f"{side}_{part}"]] for part in ("hip", "knee", "ankle")
        )
        return TwoBone(knee - hip, ankle - knee, np.array([0.0, 0.0, 1.0]))

    def _arm(self, side: str) -> TwoBone:
        shoulder, elbow, wrist = (
            self.rest[JOINT_INDEX[f"{side}_{part}"]] for part in ("shoulder", "elbow", "wrist")
        )
        return TwoBone(elbow - shoulder, wrist - elbow, np.array([0.0, 0.0, -1.0]))

    def _carried(self, positions: Array, targets: list[Array], goals: tuple[Goals, ...]) -> Array:
        """Root that puts what carries the body where it should be, (F, 3)."""
        root, total = np.zeros((len(positions), 3)), np.zeros((len(positions), 1))
        for effector, target, goal in zip(self._keys.effectors, targets, goals, strict=True):
            share = (goal.carries * _grip(effector, goal))[:, None]
            root += share * (target - positions[:, effector.joint])
            total += share
        return root / total

    def _within_reach(
        self,
        root: Array,
        positions: Array,
        rotations: Array,
        limbs: list[TwoBone | None],
        targets: list[Array],
        goals: tuple[Goals, ...],
    ) -> Array:
        """Root moved, smoothly, until no planted limb is overstretched."""
        for _ in range(_REACH_STEPS):
            placed, pull = positions + root[:, None], np.zeros_like(root)
            for effector, limb, target, goal in zip(
                self._keys.effectors, limbs, targets, goals, strict=True
            ):
                if limb is None:
                    continue
                end, _ = _followed(effector, target, goal, placed, rotations)
                reach = end - placed[:, PARENTS[PARENTS[effector.joint]]]
                distance = np.linalg.norm(reach, axis=-1, keepdims=True)
                excess = soft_positive(distance - _REACH * limb.length, _SOFTNESS)
                share = goal.planted[:, None] ** _PULL_SHARPNESS
                pull += share * excess * reach / distance
            # Limbs come in pairs: half the sum of their pulls, and no side goes first.
            root = root + pull / 2.0
        return root


def _hinged(angles: Array) -> Array:
    """Joint angles (F, 55, 3), deg, with no knee or elbow bent backwards."""
    out = angles.copy()
    for side in ("left", "right"):
        for name, axis, sign in (("knee", 0, 1.0), ("elbow", 1, -1.0 if side == "left" else 1)):
            hinge = out[:, JOINT_INDEX[f"{side}_{name}"], axis]
            hinge[:] = sign * soft_positive(sign * hinge, _HINGE_SOFTNESS)
    return out


def _grip(effector: Effector, goal: Goals) -> Array:
    """How far an effector follows its goal, (F,): a foot always, the others near the floor."""
    if effector.name.endswith("_foot"):
        return np.ones_like(goal.planted)
    return np.asarray(goal.planted**_GRIP_SHARPNESS)


def _followed(
    effector: Effector, target: Array, goal: Goals, positions: Array, rotations: Array
) -> tuple[Array, Array]:
    """Where an effector's joint goes, and its rotation: hands and knees only as far as planted."""
    turn = matrices(goal.rotation)
    if effector.name.endswith("_foot"):
        return target, turn
    share = _grip(effector, goal)[:, None]
    free = positions[:, effector.joint]
    return free + share * (target - free), blend(rotations[:, effector.joint], turn, share)


def _reach(
    limb: TwoBone, end: int, target: Array, turn: Array, positions: Array, rotations: Array
) -> dict[int, Array]:
    """Rotations of a limb's three joints that bring its end to a place and a rotation."""
    middle = PARENTS[end]
    start = PARENTS[middle]
    pole = rotations[:, start] @ limb.bend
    upper, lower = limb.solve(positions[:, start], target, pole)
    if limb.bend[2] < 0.0:
        lower = limb.twisted(lower, turn)
    return {start: upper, middle: lower, end: turn}


def _local(
    turns: Array,
    rotations: Array,
    solved: Mapping[int, Array],
    effectors: tuple[Effector, ...],
    goals: tuple[Goals, ...],
) -> Array:
    """Quaternions relative to the parents, with the solved joints put in."""
    out = turns.copy()
    for joint, rotation in solved.items():
        parent = PARENTS[joint]
        above = solved.get(parent, rotations[:, parent])
        local = Rotation.from_matrix(np.swapaxes(above, -1, -2) @ rotation)
        out[:, joint] = local.as_quat(canonical=True, scalar_first=True)
    for effector, goal in zip(effectors, goals, strict=True):
        if effector.name.endswith("_foot"):
            toes = goal.toes * np.where(goal.toes[:, :1] < 0.0, -1.0, 1.0)
            out[:, JOINT_INDEX[effector.name]] = toes
    return out
