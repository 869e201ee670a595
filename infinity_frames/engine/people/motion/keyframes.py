"""Key poses on a floor: where the root and the hands, feet and knees are at each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from infinity_frames.engine.people.exercises import ARM_JOINTS, Contact, Exercise, KeyPose
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS, forward

__all__ = ["CLEARANCES", "Effector", "Goals", "Keyframes", "quaternions"]

Array = NDArray[np.float64]

CLEARANCES: Mapping[str, float] = {
    "hand": 0.034,
    "knee": 0.055,
    "seat": 0.13,
    "belly": 0.12,
    "side": 0.17,
    "shoulders": 0.10,
}
"""Flesh between a part's joint and the floor, m; feet take the height of their joint."""

# What carries the body when several parts touch the floor; hands and feet then follow by IK.
_CARRIES = (("seat", "belly", "side", "shoulders"), ("knee",), ("foot", "toes"), ("hand",))
_ARMS = np.array([JOINT_INDEX[name] for name in ARM_JOINTS])
_REST = np.array([index for index in range(len(JOINTS)) if index not in set(_ARMS.tolist())])


def quaternions(angles: Array) -> Array:
    """Quaternions of joint angles.

    Parameters
    ----------
    angles : (F, 55, 3) array
        Angles about x, y and z, deg, composed as the exercises' module says.

    Returns
    -------
    (F, 55, 4) array
        w, x, y, z, with w >= 0.
    """
    out = np.empty((*angles.shape[:-1], 4))
    for joints, order, axes in ((_ARMS, "YZX", [1, 2, 0]), (_REST, "XZY", [0, 2, 1])):
        flat = angles[:, joints][..., axes].reshape(-1, 3)
        turned = Rotation.from_euler(order, flat, degrees=True)
        out[:, joints] = turned.as_quat(canonical=True, scalar_first=True).reshape(
            len(angles), len(joints), 4
        )
    return out


@dataclass(frozen=True, eq=False)
class Effector:
    """A point of the body that can rest on the floor.

    Parameters
    ----------
    name : str
        ``left_foot``, ``left_hand``, ``left_knee``, ..., ``seat``, ``shoulders``, ``belly``,
        ``side``; the ball of the foot is ``left_foot`` whether the heel is up or not.
    joint : int
        The joint that carries it: the ankle for a foot, the wrist for a hand.
    offset : (3,) array
        The point from that joint, in the T-pose, m.
    clearance : float
        Its height above the floor when it rests there, m.
    """

    name: str
    joint: int
    offset: Array
    clearance: float

    @classmethod
    def of(cls, name: str, rest: Array, clearances: Mapping[str, float]) -> Effector:
        """Return the effector of that name on a body of these T-pose joints, (55, 3) m."""
        side, _, part = name.rpartition("_")
        match part:
            case "foot":
                joint, point = f"{side}_ankle", rest[JOINT_INDEX[f"{side}_foot"]]
                return cls(name, JOINT_INDEX[joint], point - rest[JOINT_INDEX[joint]], point[1])
            case "hand":
                joint, share, towards = f"{side}_wrist", 0.75, f"{side}_middle1"
            case "knee":
                joint, share, towards = f"{side}_knee", 0.0, f"{side}_ankle"
            case "shoulders":
                joint, share, towards = "spine3", 0.6, "neck"
            case _:
                joint, share, towards = "pelvis", 0.0, "spine1"
        start = rest[JOINT_INDEX[joint]]
        offset = share * (rest[JOINT_INDEX[towards]] - start)
        return cls(name, JOINT_INDEX[joint], offset, clearances[part])


@dataclass(frozen=True, eq=False)
class Goals:
    """Where one effector should be, per key pose (K) or per frame.

    Parameters
    ----------
    point : (K, 3) array
        Position, m.
    rotation : (K, 4) array
        Rotation of the carrying joint in body axes, w x y z.
    toes : (K, 4) array
        Rotation of the toes relative to the foot; identity for all but feet.
    planted : (K,) array
        1 where it rests on the floor, 0 where it does not: hands and knees follow their goal so
        far only.
    carries : (K,) array
        Its share in carrying the body; over all effectors the shares add up to 1.
    """

    point: Array
    rotation: Array
    toes: Array
    planted: Array
    carries: Array

    def interpolated(self, at: Array, to: Array) -> Goals:
        """The goals at other places of the course: monotone, so that what is planted stays."""
        stacked = np.column_stack(
            [
                self.point,
                _continuous(self.rotation),
                _continuous(self.toes),
                self.planted,
                self.carries,
            ]
        )
        values = PchipInterpolator(at, stacked)(to)
        return Goals(
            point=values[:, 0:3],
            rotation=_normalised(values[:, 3:7]),
            toes=_normalised(values[:, 7:11]),
            planted=values[:, 11],
            carries=values[:, 12],
        )


@dataclass(eq=False)
class _Floor:
    """Where contacts were placed, filled in key by key."""

    points: dict[tuple[str, str], Array] = field(default_factory=dict)
    rotations: dict[tuple[str, str], Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Keyframes:
    """An exercise's key poses solved for one body on the floor.

    Parameters
    ----------
    at : (K,) array
        Places of the key poses on the course, 0..1; a loop is closed.
    angles : (K, 55, 3) array
        Joint angles, deg.
    effectors : tuple of Effector
        All that touch the floor at some key pose.
    goals : tuple of Goals
        Of each effector.
    """

    at: Array
    angles: Array
    effectors: tuple[Effector, ...]
    goals: tuple[Goals, ...]

    @classmethod
    def of(cls, exercise: Exercise, rest: Array, clearances: Mapping[str, float]) -> Keyframes:
        """Solve an exercise for a body of these T-pose joints, (55, 3) m."""
        keys = list(exercise.keys)
        at = [key.at for key in keys]
        if exercise.course == "loop":
            keys.append(keys[0])
            at.append(1.0)
        angles = np.stack([key.angles for key in keys])
        names = sorted({_effector(contact) for key in keys for contact in key.contacts})
        effectors = tuple(Effector.of(name, rest, clearances) for name in names)
        positions, rotations = forward(quaternions(angles), np.zeros((len(keys), 3)), rest)
        floor, rows, root = _Floor(), [], np.zeros(3)
        for k, key in enumerate(keys):
            row, root = _solve_key(key, effectors, positions[k], rotations[k], floor, root)
            rows.append(row)
        goals = tuple(
            _holding(
                effector, Goals(*(np.array([row[e][part] for row in rows]) for part in range(5)))
            )
            for e, effector in enumerate(effectors)
        )
        return cls(np.array(at), angles, effectors, goals)

    def angles_at(self, course: Array) -> Array:
        """Joint angles at places of the course, (F, 55, 3) deg."""
        flat = self.angles.reshape(len(self.at), -1)
        values: Array = PchipInterpolator(self.at, flat)(course)
        return values.reshape(-1, *self.angles.shape[1:])

    def goals_at(self, course: Array) -> tuple[Goals, ...]:
        """Goals of each effector at places of the course."""
        return tuple(goals.interpolated(self.at, course) for goals in self.goals)


_Row = tuple[Array, Array, Array, float, float]


def _solve_key(
    key: KeyPose,
    effectors: tuple[Effector, ...],
    positions: Array,
    rotations: Array,
    floor: _Floor,
    last_root: Array,
) -> tuple[list[_Row], Array]:
    """Place one key pose: contacts that were on the floor before keep their spot."""
    contacts = {_effector(contact): contact for contact in key.contacts}
    turned = {
        e.name: _rest_on_floor(contacts.get(e.name), rotations[e.joint], floor) for e in effectors
    }
    free = {e.name: positions[e.joint] + turned[e.name] @ e.offset for e in effectors}
    carriers = _carriers(key.contacts)
    placed = {
        name: floor.points[name, contact.place] - free[name]
        for name, contact in contacts.items()
        if (name, contact.place) in floor.points
    }
    known = [placed[name] for name in carriers if name in placed] or list(placed.values())
    root = np.mean(known, axis=0) if known else last_root.copy()
    clearance = {e.name: e.clearance for e in effectors}
    root[1] = np.mean([clearance[name] + key.lift - free[name][1] for name in carriers])
    rows: list[_Row] = []
    for e in effectors:
        point, contact = free[e.name] + root, contacts.get(e.name)
        toes = np.eye(3)
        if contact is not None:
            point[1] = e.clearance
            point = floor.points.setdefault((e.name, contact.place), point).copy()
            point[1] += key.lift
            if contact.part.endswith("toes"):
                toes = turned[e.name].T @ _level(turned[e.name], 2)
        rows.append(
            (
                point,
                _quaternion(turned[e.name]),
                _quaternion(toes),
                float(contact is not None and key.lift == 0.0),
                (e.name in carriers) / len(carriers),
            )
        )
    return rows, root


def _holding(effector: Effector, goals: Goals) -> Goals:
    """Goals of a hand or knee between contacts: the nearest place, which the motion blends out.

    A foot off the floor steps from place to place, so it keeps the way its key poses give it;
    hands and knees swing freely, and only reach for the floor.
    """
    if not effector.name.endswith(("_hand", "_knee")):
        return goals
    planted = np.flatnonzero(goals.planted)
    nearest = planted[np.abs(np.arange(len(goals.planted))[:, None] - planted).argmin(axis=1)]
    return replace(goals, point=goals.point[nearest], rotation=goals.rotation[nearest])


def _carriers(contacts: tuple[Contact, ...]) -> list[str]:
    for parts in _CARRIES:
        chosen = [_effector(c) for c in contacts if c.part.rpartition("_")[2] in parts]
        if chosen:
            return chosen
    return []


def _effector(contact: Contact) -> str:
    return contact.part.replace("_toes", "_foot")


def _rest_on_floor(contact: Contact | None, rotation: Array, floor: _Floor) -> Array:
    """Rotation of the joint that carries a contact: soles and palms lie flat."""
    if contact is None or not contact.part.endswith(("_foot", "_hand")):
        return rotation
    axis = 2 if contact.part.endswith("_foot") else 0
    return floor.rotations.setdefault((contact.part, contact.place), _level(rotation, axis))


def _level(rotation: Array, axis: int) -> Array:
    """Return the turn about the vertical that keeps where an axis of the joint heads."""
    heading = rotation[[0, 2], axis]
    angle = np.arctan2(heading[0], heading[1]) - (np.pi / 2 if axis == 0 else 0.0)
    return np.asarray(Rotation.from_euler("y", angle).as_matrix())


def _quaternion(rotation: Array) -> Array:
    return np.asarray(Rotation.from_matrix(rotation).as_quat(canonical=True, scalar_first=True))


def _continuous(rotation: Array) -> Array:
    """Quaternions with the signs that make neighbours close, so that they can be interpolated."""
    steps = np.sum(rotation[1:] * rotation[:-1], axis=-1)
    signs = np.cumprod(np.concatenate([[1.0], np.where(steps < 0.0, -1.0, 1.0)]))
    return rotation * signs[:, None]


def _normalised(rotation: Array) -> Array:
    return np.asarray(rotation / np.linalg.norm(rotation, axis=-1, keepdims=True))
