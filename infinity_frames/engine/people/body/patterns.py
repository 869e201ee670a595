"""Patterns of clothes: where the cuts of a garment run on the template, and what they cut out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.cuts import Scalar, Sheet
from infinity_frames.engine.people.body.human import human
from infinity_frames.engine.people.body.shape import template

__all__ = [
    "BAND",
    "CLOTH",
    "HEMS",
    "LIP",
    "OUTFITS",
    "STRIPE",
    "TOPS",
    "WAISTS",
    "along_bone",
    "height_of",
    "pattern",
    "smooth_step",
]

Array = NDArray[np.float64]

OUTFITS = (
    ("T_SHIRT", "SHORTS"),
    ("TANK_TOP", "LEGGINGS"),
    ("LONG_SLEEVE", "JOGGERS"),
    ("FITTED_T_SHIRT", "LEGGINGS"),
    ("TANK_TOP", "SHORTS"),
)
"""Top and bottom of each outfit."""

CLOTH, STRIPE, BAND, LIP = range(4)
"""Tags of a garment's faces."""

TOPS = ("T_SHIRT", "TANK_TOP", "LONG_SLEEVE", "FITTED_T_SHIRT")


def smooth_step(x: Array, low: float, high: float) -> Array:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _above(height: float) -> Scalar:
    return lambda points: np.asarray(height - points[:, 1])


def _below(height: float) -> Scalar:
    return lambda points: np.asarray(points[:, 1] - height)


def _grown(scalar: Scalar, by: float) -> Scalar:
    return lambda points: np.asarray(scalar(points) + by)


def _opposite(scalar: Scalar, by: float) -> Scalar:
    """Negative within a distance of a cut."""
    return lambda points: np.asarray(-scalar(points) - by)


def height_of(joint: str) -> float:
    """Return the height of a joint of the template, m."""
    return float(template().at(joint)[1])


def _left(points: Array) -> Array:
    return np.hstack([np.abs(points[:, :1]), points[:, 1:]])


def along_bone(points: Array, start: str, end: str) -> tuple[Array, Array, float]:
    """Return distances along and from a bone of the left side, and the bone's length.

    Points of the right side are folded onto the left.
    """
    a, b = template().at(start), template().at(end)
    length = float(np.linalg.norm(b - a))
    axis = (b - a) / length
    offset = _left(points) - a
    along = offset @ axis
    return along, np.linalg.norm(offset - along[:, None] * axis, axis=1), length


def _sleeve(length: float) -> Scalar:
    """Cut across the upper arms at a distance from the shoulder; forearms are gone."""

    def scalar(points: Array) -> Array:
        along, across, _ = along_bone(points, "left_shoulder", "left_elbow")
        upper = np.minimum(along - length, 0.105 + 0.35 * length - across)
        fore, beside, _ = along_bone(points, "left_elbow", "left_wrist")
        return np.maximum(upper, np.minimum(fore + 0.03, 0.12 - beside))

    return scalar


def _long_sleeve(points: Array) -> Array:
    along, _, length = along_bone(points, "left_elbow", "left_wrist")
    return np.minimum(along - length + 0.020, np.abs(points[:, 0]) - 0.28)


def _armhole(points: Array) -> Array:
    """Return an upright cut at the shoulder that curves out beneath the arm."""
    height = points[:, 1] - height_of("left_shoulder")
    edge = np.interp(
        height,
        [-0.35, -0.16, -0.115, -0.06, 0.0, 0.05],
        [0.265, 0.250, 0.168, 0.141, 0.131, 0.127],
    )
    return np.asarray(np.abs(points[:, 0]) - edge)


def _neckline(half_width: float, front: float, back: float) -> Scalar:
    """Return a round neck, lower in front than behind, m from the joint of the neck."""

    def scalar(points: Array) -> Array:
        x, y, z = (points - template().at("neck")).T
        low = back + (front - back) * smooth_step(z, -0.045, 0.02)
        share = np.clip(np.abs(x) / half_width, 0.0, 1.0)
        curve = low + (0.02 - low) * share**2.2
        side = 1.3 * (half_width - np.abs(x)) + 0.004
        return np.asarray(np.maximum(np.minimum(y - curve, side), y - 0.005))

    return scalar


_NECKLINES = {
    "T_SHIRT": (0.082, -0.062, -0.012),
    "FITTED_T_SHIRT": (0.090, -0.075, -0.016),
    "LONG_SLEEVE": (0.078, -0.045, -0.008),
    "TANK_TOP": (0.096, -0.120, -0.055),
}
HEMS = {"T_SHIRT": -0.035, "FITTED_T_SHIRT": 0.020, "LONG_SLEEVE": -0.010, "TANK_TOP": -0.015}
WAISTS = {"SHORTS": 0.095, "LEGGINGS": 0.100, "JOGGERS": 0.090}
_SLEEVES = {"T_SHIRT": 0.175, "FITTED_T_SHIRT": 0.130}


def _edges(kind: str) -> list[Scalar]:
    """Return the cuts that end a garment."""
    hip = height_of("left_hip")
    if kind in TOPS:
        arms: Scalar = {"LONG_SLEEVE": _long_sleeve, "TANK_TOP": _armhole}.get(kind) or _sleeve(
            _SLEEVES[kind]
        )
        return [_neckline(*_NECKLINES[kind]), _above(hip + HEMS[kind]), arms]
    knee, ankle = height_of("left_knee"), height_of("left_ankle")
    low = {"SHORTS": knee + 0.13, "LEGGINGS": ankle + 0.05, "JOGGERS": ankle + 0.02}[kind]
    return [
        _below(hip + WAISTS[kind]),
        _above(low),
        lambda points: np.asarray(np.abs(points[:, 0]) - 0.28),  # hands
    ]


@lru_cache(maxsize=len(TOPS) + len(WAISTS))
def pattern(kind: str) -> Sheet:
    """Cut a garment by its name in `OUTFITS` out of the template."""
    skin, edges = human(), _edges(kind)
    sheet = Sheet.of(skin.faces)
    for edge in edges:
        sheet = sheet.keep(edge)
    sheet = sheet.without_scraps()
    hip = height_of("left_hip")
    if kind in TOPS:
        for edge, width in zip(edges, (0.016, 0.018, 0.016), strict=True):
            if kind != "TANK_TOP" or width != 0.018:
                sheet = sheet.mark(BAND, _opposite(edge, width))
        if kind != "TANK_TOP":
            chest = height_of("spine3") + 0.125

            def front(points: Array) -> Array:
                return np.maximum(np.abs(points[:, 0]) - 0.16, 0.02 - points[:, 2])

            sheet = sheet.mark(STRIPE, _above(chest - 0.018), _below(chest + 0.018), front)
    else:
        sheet = sheet.mark(BAND, _above(hip + WAISTS[kind] - 0.038))
        sheet = sheet.mark(STRIPE, *_side_stripe(0.012))
    return sheet


def _side_stripe(half_width: float) -> tuple[Scalar, ...]:
    """Down the outside of the leg, below the waistband."""
    hip, knee, ankle = (template().at(f"left_{part}") for part in ("hip", "knee", "ankle"))
    heights = [ankle[1], knee[1], hip[1]]

    def behind(points: Array) -> Array:
        middle = np.interp(points[:, 1], heights, [ankle[2], knee[2] - 0.01, hip[2] - 0.01])
        return np.asarray(points[:, 2] - middle)

    def outside(points: Array) -> Array:
        bone = np.interp(points[:, 1], heights, [ankle[0], knee[0], hip[0]])
        return np.asarray(bone - np.abs(points[:, 0]))

    return (
        lambda points: np.asarray(behind(points) - half_width),
        lambda points: np.asarray(-behind(points) - half_width),
        outside,
        _below(float(hip[1]) + 0.05),
    )
