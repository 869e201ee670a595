"""Clothes: offsets of the body's own shapes, cut by smooth scalars so that hems are straight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.appearance import LEG_SPREAD, Proportions
from infinity_frames.engine.people.body.mesh import Part, clip, from_field
from infinity_frames.engine.people.body.sdf import Field
from infinity_frames.engine.people.body.shape import (
    ARM_AXES,
    add_arm,
    add_foot,
    add_legs,
    add_neck,
    add_trunk,
)
from infinity_frames.engine.people.skeleton import JOINT_INDEX

__all__ = ["OUTFITS", "Garment", "bottom", "floor_height", "shoe", "sock", "sole", "top"]

Array = NDArray[np.float64]
Corner = tuple[float, float, float]
Scalar = Callable[[Array], Array]

OUTFITS = (
    ("T_SHIRT", "SHORTS"),
    ("TANK_TOP", "LEGGINGS"),
    ("LONG_SLEEVE", "JOGGERS"),
    ("FITTED_T_SHIRT", "LEGGINGS"),
    ("TANK_TOP", "SHORTS"),
)
"""Top and bottom of each outfit."""


_SHIRT_VOXEL: Corner = (0.024, 0.030, 0.022)


@dataclass(frozen=True, eq=False)
class Garment:
    """A piece of clothing before it is meshed.

    Parameters
    ----------
    field : Field
        The closed shape that the cloth is the surface of.
    edges : tuple of callables
        Smooth scalars of points (N, 3), negative where there is cloth; zero is a hem.
    low, high, voxel : tuple of float
        Box and grid to mesh, m.
    sink : float
        How far what closes the hems sinks in, m; none where it is a sole.
    overlap : float
        How far the skin goes on beneath the cloth from a hem, m.
    """

    field: Field
    edges: tuple[Scalar, ...]
    low: Corner
    high: Corner
    voxel: Corner = _SHIRT_VOXEL
    sink: float = 0.04
    overlap: float = 0.008

    def mesh(self, material: int, band: float = 1.0) -> Part:
        """The cloth, hems capped; `band` is the factor on the colour along the hems."""
        part = from_field(self.field, self.low, self.high, self.voxel, material, step=0.010)
        shade = 0.5 if self.sink else 0.85  # one looks into a sleeve, but at a sole
        return clip(part, self.edges, shade=shade, sink=self.sink, band=band)

    def covers(self, points: Array) -> NDArray[np.bool_]:
        """Which points (N, 3) of the skin are safely beneath the cloth."""
        inward = np.max([edge(points) for edge in self.edges], axis=0)
        # Where smooth joints differ, skin may stand out a little far from any hem: it goes too.
        limit = np.where(inward < -0.03, 0.006, -0.0015)
        return np.asarray((self.field(points) < limit) & (inward < -self.overlap))


def _joint(body: Proportions, name: str) -> Array:
    return np.asarray(body.rest[JOINT_INDEX[name]])


def floor_height(body: Proportions) -> float:
    """Where the sole lies in the A-pose, whose feet hang a little above the ground, m."""
    index = JOINT_INDEX["left_ankle"]
    return float(body.rest[index, 1] - body.joints[index, 1])


def _below(height: float) -> Scalar:
    return lambda points: np.asarray(points[:, 1] - height)


def _above(height: float) -> Scalar:
    return lambda points: np.asarray(height - points[:, 1])


def _sleeve(body: Proportions, length: float) -> Scalar:
    """Both arms cut across at a distance from the shoulder; what is far from an arm is kept."""
    shoulder = _joint(body, "left_shoulder")

    def scalar(points: Array) -> Array:
        folded = np.abs(points[:, :1])
        offset = np.hstack([folded, points[:, 1:]]) - shoulder
        along = offset @ ARM_AXES[0]
        across = np.linalg.norm(offset - along[:, None] * ARM_AXES[0], axis=1)
        cut = np.minimum(along - length, 0.115 + 0.4 * max(length, 0.0) - across)
        # Where there is a sleeve, the side of a heavy trunk may come as near to the arm as cloth.
        beside = folded[:, 0] - shoulder[0] - 0.35 * length
        return np.asarray(np.minimum(cut, beside) if length > 0.0 else cut)

    return scalar


def _neckline(body: Proportions, radius: float, depth: float) -> Scalar:
    """An upright elliptic hole for the neck; the deeper it is, the lower in front."""
    base = _joint(body, "neck")
    size = radius * (1 + 0.25 * body.girth) * (0.9 if body.female else 1.0)

    def scalar(points: Array) -> Array:
        x, y, z = (points - base).T
        hole = size * (1.0 - np.hypot(x / size, (z - 0.012) / (1.12 * size + depth)))
        return np.asarray(np.minimum(hole, y + 0.16))

    return scalar


def _trouser_leg(body: Proportions, part: str, above: float) -> Scalar:
    """Both legs cut across at a distance above a joint, m."""
    axis = np.array([np.sin(LEG_SPREAD), -np.cos(LEG_SPREAD), 0.0])
    at = _joint(body, f"left_{part}") - above * axis

    def scalar(points: Array) -> Array:
        return np.asarray((np.hstack([np.abs(points[:, :1]), points[:, 1:]]) - at) @ axis)

    return scalar


def top(name: str, body: Proportions) -> Garment:
    """A shirt by its name in `OUTFITS`."""
    tight = name in ("FITTED_T_SHIRT", "LONG_SLEEVE")
    ease, drape, flare = (0.0075, 0.15, 0.0) if tight else (0.013, 0.75, 0.013)
    if name == "TANK_TOP":
        ease, drape, flare = 0.0095, 0.40, 0.0
    loose = 0.013 - ease
    field = add_trunk(Field(), body, ease, drape, loose)
    add_arm(field, body, 0.7 * ease, flare)
    add_legs(field, body, ease + loose, 0.5 * loose)
    add_neck(field, body, 0.004)
    sleeve = {"T_SHIRT": 0.185, "FITTED_T_SHIRT": 0.150, "LONG_SLEEVE": 0.505, "TANK_TOP": -0.045}
    length = sleeve[name] * (body.arm if name != "TANK_TOP" else 1.0)
    neck = (0.082, 0.026) if name == "TANK_TOP" else (0.074, 0.012)
    hem = float(body.height(0.915 if not tight else 0.945))
    reach = 0.72 if name == "LONG_SLEEVE" else 0.48
    return Garment(
        field,
        (_above(hem), _sleeve(body, length), _neckline(body, *neck)),
        (-reach, hem - 0.05, -0.30),
        (reach, _joint(body, "head")[1], 0.36),
        _SHIRT_VOXEL,
        # A wide armhole gapes with the arm overhead: skin goes on in it, what closes it is deep.
        *((0.10, 0.030) if name == "TANK_TOP" else (0.04, 0.008)),
    )


def bottom(name: str, body: Proportions) -> Garment:
    """Trousers by their name in `OUTFITS`."""
    ease, flare = {
        "SHORTS": (0.0085, 0.016),
        "LEGGINGS": (0.0030, 0.0),
        "JOGGERS": (0.0085, 0.010),
    }[name]
    field = add_trunk(Field(), body, 0.5 * ease + 0.002)
    add_legs(field, body, ease, flare)
    waist = float(body.height(1.02))
    part, above = {
        "SHORTS": ("knee", 0.10 if not body.female else 0.19),
        "LEGGINGS": ("ankle", 0.055),
        "JOGGERS": ("ankle", 0.020),
    }[name]
    cut = float(_joint(body, f"left_{part}")[1]) - 0.03
    return Garment(
        field,
        (_below(waist), _trouser_leg(body, part, above)),
        (-0.42, cut, -0.30),
        (0.42, waist + 0.05, 0.36),
    )


def _foot_box(body: Proportions, height: float) -> tuple[Corner, Corner]:
    ankle, floor = _joint(body, "left_ankle"), floor_height(body)
    low = (ankle[0] - 0.09, floor - 0.03, ankle[2] - 0.10)
    return low, (ankle[0] + 0.10, floor + height, ankle[2] + 0.24)


def shoe(body: Proportions) -> Garment:
    """The upper of the left shoe."""
    ankle, floor = _joint(body, "left_ankle"), floor_height(body)
    field = add_foot(Field(), body, 0.0065, toes=False)
    add_legs(field, body, 0.007)
    low, high = _foot_box(body, 0.16)

    def collar(points: Array) -> Array:
        forward = points[:, 2] - ankle[2]
        rise = 0.10 * forward - 3.0 * np.clip(forward, 0, None) ** 2
        return np.asarray(points[:, 1] - floor - 0.083 + rise)

    return Garment(field, (_above(floor + 0.021), collar), low, high, (0.013, 0.012, 0.017), 0.006)


def sole(body: Proportions) -> Garment:
    """The sole of the left shoe."""
    floor = floor_height(body)
    field = add_foot(Field(), body, 0.0115, toes=False)
    low, high = _foot_box(body, 0.06)
    return Garment(
        field, (_above(floor), _below(floor + 0.024)), low, high, (0.017, 0.013, 0.022), 0.0
    )


def sock(body: Proportions) -> Garment:
    """The left sock, to a hand's breadth above the ankle."""
    field = add_foot(Field(), body, 0.0045, toes=False)
    add_legs(field, body, 0.0050)
    low, high = _foot_box(body, 0.24)
    cuff = _trouser_leg(body, "ankle", 0.085)
    edges = (_above(floor_height(body)), lambda points: -cuff(points))
    return Garment(field, edges, low, high, (0.012, 0.016, 0.015), 0.0)
