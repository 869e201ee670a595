"""The exercises: key poses, contacts and timing, read from ``exercise_data/*.toml``.

A joint's rotation is given as three angles in degrees about the body axes x (to the person's left),
y (up) and z (forward). The rotation about the bone's own axis acts first and the main bending axis
last: arms and hands compose as ``Ry @ Rz @ Rx``, everything else as ``Rx @ Rz @ Ry``. Angles are
those of the left side; the right side mirrors them to ``(x, -y, -z)``.

- trunk: x bends forward, y turns left, z leans right
- hip: x < 0 flexes, y > 0 turns out, z > 0 abducts
- knee: x > 0 flexes; ankle: x > 0 points the toes
- shoulder: z = -90 hangs, 90 is overhead, y < 0 swings forward, x > 0 turns inward
- elbow: y < 0 flexes, x < 0 supinates; wrist: z > 0 extends, y < 0 deviates to the thumb
- fingers: z < 0 curls
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS
from infinity_frames.protocol.errors import RenderError

__all__ = [
    "ARM_JOINTS",
    "MIRROR",
    "SENSEFIT_EXERCISES",
    "VISIONFIT_EXERCISES",
    "Contact",
    "Exercise",
    "Held",
    "KeyPose",
    "exercise",
]

Equipment = Literal["DUMBBELL", "BARBELL"]
Course = Literal["there_and_back", "loop"]
Angles = NDArray[np.float64]

_FINGERS = tuple(name for name in JOINTS if name[-1].isdigit() and "spine" not in name)

ARM_JOINTS: tuple[str, ...] = tuple(
    name for name in JOINTS if name.split("_")[-1] in {"collar", "shoulder", "elbow", "wrist"}
) + tuple(_FINGERS)
"""Joints whose angles compose as ``Ry @ Rz @ Rx``: their bones lie along x in the T-pose."""


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name


MIRROR: NDArray[np.intp] = np.array([JOINT_INDEX[_other_side(name)] for name in JOINTS])
"""Index of each joint's counterpart on the other side."""

_MIRROR_SIGNS = np.array([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Contact:
    """A part of the body that rests on the floor.

    Parameters
    ----------
    part : str
        ``left_foot`` (flat), ``left_toes`` (ball of the foot, heel up), ``left_hand``,
        ``left_knee`` and their right counterparts, ``seat``, ``shoulders``, ``belly``, ``side``.
    place : str
        Contacts of one limb with the same place stay at the same spot of the floor.
    """

    part: str
    place: str = "home"

    @property
    def mirrored(self) -> Contact:
        """The same contact of the other side."""
        return Contact(_other_side(self.part), self.place)


@dataclass(frozen=True, eq=False)
class KeyPose:
    """A pose the motion passes through.

    Parameters
    ----------
    at : float
        Where on the course, 0..1: from start to midpoint where the motion goes there and back,
        else the phase of the rep.
    angles : (55, 3) array
        Joint angles, deg; see the module.
    contacts : tuple of Contact
        What touches the floor.
    lift : float
        Height of a jump: how far above the floor the contacts are, m.
    """

    at: float
    angles: Angles
    contacts: tuple[Contact, ...]
    lift: float = 0.0

    @property
    def mirrored(self) -> KeyPose:
        """The same pose with left and right exchanged."""
        return replace(
            self,
            angles=self.angles[MIRROR] * _MIRROR_SIGNS,
            contacts=tuple(contact.mirrored for contact in self.contacts),
        )


@dataclass(frozen=True)
class Held:
    """An object held through the exercise.

    Parameters
    ----------
    object : {"dumbbell", "barbell"}
        What it is.
    name : str
        Its name in the scene: ``dumbbell_left``, ``dumbbell_right``, ``dumbbell``, ``barbell``.
    joint : {"left_wrist", "right_wrist", "spine3"}
        The joint that carries it; a bar held in both hands is carried by ``left_wrist``.
    grip : {"hand", "hands", "back", "goblet"}
        In one hand; across both; across the shoulders behind the neck; upright before the chest.
    """

    object: str
    name: str
    joint: str
    grip: Literal["hand", "hands", "back", "goblet"]


@dataclass(frozen=True, eq=False)
class Exercise:
    """What one exercise is, as data.

    Parameters
    ----------
    name : str
        ``CATEGORY[-MODIFIER+MODIFIER][-EQUIPMENT][-SIDE]``.
    equipment : {"DUMBBELL", "BARBELL"} or None
        What it is done with.
    held : tuple of Held
        Which objects are held, and where.
    seconds : float
        Duration of an untrimmed rep at speed 1, s.
    midpoint : float
        Phase in (0, 1) at which a rep is halfway.
    course : {"there_and_back", "loop"}
        Whether the second half is the first one reversed, or a rep goes round through all keys.
    allows_trimming : bool
        Whether the motion may be cut between start and midpoint.
    keys : tuple of KeyPose
        In order of ``at``, the first at 0; the last at 1 where the motion goes there and back.
    """

    name: str
    equipment: Equipment | None
    held: tuple[Held, ...]
    seconds: float
    midpoint: float
    course: Course
    allows_trimming: bool
    keys: tuple[KeyPose, ...]

    @property
    def category(self) -> str:
        """The name's part before its first hyphen."""
        return self.name.split("-")[0]

    @property
    def contacts(self) -> tuple[str, ...]:
        """Every part that rests on the floor at some key pose, sorted."""
        return tuple(sorted({contact.part for key in self.keys for contact in key.contacts}))

    @property
    def mirrored(self) -> Exercise:
        """The same exercise with left and right exchanged: LEFT becomes RIGHT."""
        return replace(
            self,
            name=self.name.removesuffix("-LEFT") + "-RIGHT",
            held=tuple(
                replace(
                    held,
                    name=held.name.replace("_left", "_right"),
                    joint=_other_side(held.joint),
                )
                for held in self.held
            ),
            keys=tuple(key.mirrored for key in self.keys),
        )


def exercise(name: str) -> Exercise:
    """Look up an exercise by its full name.

    Raises
    ------
    RenderError
        There is no exercise of that name.
    """
    try:
        return _library()[name]
    except KeyError:
        raise RenderError(
            f"There is no exercise {name!r}.",
            advice="Choose one of those the generator lists for its parameter `exercise`.",
            parameter="exercise",
        ) from None


_POSES = "poses.toml"


@cache
def _poses() -> Mapping[str, Mapping[str, list[float]]]:
    return _toml(_POSES)


@cache
def _entries() -> Mapping[str, Mapping[str, Any]]:
    """Return what the data files say of each exercise, by the name without its side."""
    files = sorted(path.name for path in _folder().iterdir() if path.name.endswith(".toml"))
    entries: dict[str, Mapping[str, Any]] = {}
    for name in files:
        if name != _POSES:
            entries |= _toml(name)
    return entries


def _folder() -> Traversable:
    return resources.files(__package__).joinpath("exercise_data")


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(_folder().joinpath(name).read_text(encoding="utf-8"))


def _names(generator: str) -> Iterator[str]:
    for name, entry in _entries().items():
        if generator in entry.get("offered_by", ("visionfit", "sensefit")):
            yield from (f"{name}-LEFT", f"{name}-RIGHT") if entry.get("sided") else (name,)


VISIONFIT_EXERCISES: tuple[str, ...] = tuple(sorted(_names("visionfit")))
"""What VisionFit offers, sorted."""

SENSEFIT_EXERCISES: tuple[str, ...] = tuple(sorted(_names("sensefit")))
"""What SenseFit offers, sorted."""


@cache
def _library() -> Mapping[str, Exercise]:
    library: dict[str, Exercise] = {}
    for name, entry in _entries().items():
        if entry.get("sided"):
            left = _read(f"{name}-LEFT", entry)
            library |= {left.name: left, left.mirrored.name: left.mirrored}
        else:
            library[name] = _read(name, entry)
    return library


def _read(name: str, entry: Mapping[str, Any]) -> Exercise:
    keys = [_read_key(key, entry) for key in entry["keys"]]
    if entry.get("alternates"):
        # Left, then the same to the right: the second half mirrors the first.
        keys = [replace(key, at=key.at / 2) for key in keys]
        keys += [replace(key.mirrored, at=key.at + 0.5) for key in keys]
    words = name.split("-")
    equipment = next((word for word in words if word in {"DUMBBELL", "BARBELL"}), None)
    course: Course = "loop" if entry.get("loop") or entry.get("alternates") else "there_and_back"
    return Exercise(
        name=name,
        equipment=cast("Equipment | None", equipment),
        held=tuple(Held(**held) for held in entry.get("held", ())),
        seconds=entry["seconds"],
        midpoint=entry["midpoint"],
        course=course,
        allows_trimming=entry.get("allows_trimming", course == "there_and_back"),
        keys=tuple(keys),
    )


def _read_key(key: Mapping[str, Any], entry: Mapping[str, Any]) -> KeyPose:
    joints = {
        part: value
        for part, value in key.items()
        if part not in {"at", "lift", "poses", "contacts"}
    }
    poses = _poses()
    layers = [poses[name] for name in ("relaxed", *entry["poses"])]
    layers += [entry.get("pose", {}), *(poses[name] for name in key.get("poses", ())), joints]
    angles = np.zeros((len(JOINTS), 3))
    for layer in layers:
        # What names a side comes after what names both.
        for part in sorted(layer, key=lambda part: part.startswith(("left_", "right_"))):
            _set(angles, part, np.array(layer[part], dtype=float))
    return KeyPose(
        at=float(key["at"]),
        angles=angles,
        contacts=tuple(_read_contact(text) for text in key.get("contacts", entry["contacts"])),
        lift=float(key.get("lift", 0.0)),
    )


def _read_contact(text: str) -> Contact:
    part, _, place = text.partition("@")
    return Contact(part, place or "home")


def _set(angles: Angles, part: str, value: Angles) -> None:
    if part == "fingers":
        for name in _FINGERS:
            segment = int(name[-1]) - 1
            # The thumb bends about half as far, across the palm and round what is gripped.
            curl = np.array([0.0, 0.0, value[segment]])
            if "thumb" in name:
                curl = np.array([0.0, -0.55, 0.25]) * value[segment]
            angles[JOINT_INDEX[name]] = curl * (1.0 if name.startswith("left") else _MIRROR_SIGNS)
    elif part in JOINT_INDEX:
        sign = _MIRROR_SIGNS if part.startswith("right_") else 1.0
        angles[JOINT_INDEX[part]] = value * sign
    else:
        for side in ("left", "right"):
            _set(angles, f"{side}_{part}", value)
