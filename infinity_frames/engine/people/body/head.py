"""The head: skull, jaw, nose, ears, lips as signed-distance shapes, varied by identity.

Coordinates here are those of the reference body, whose chin is at y = 1.53 and crown at 1.755 m;
`HeadFrame` carries them to a person's head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.appearance import Appearance, Proportions
from infinity_frames.engine.people.body.sdf import Field
from infinity_frames.engine.people.skeleton import JOINT_INDEX, T_POSE

__all__ = ["Face", "add_head"]

Array = NDArray[np.float64]

# Height; half-width; front and back from z = 0, m. Chin, mouth, nose, eyes, brow, forehead.
_MASK = np.array(
    [
        [1.529, 0.010, 0.066, -0.040],
        [1.536, 0.023, 0.076, -0.030],
        [1.548, 0.034, 0.0815, -0.025],
        [1.562, 0.042, 0.0805, -0.020],
        [1.580, 0.050, 0.0830, -0.015],
        [1.600, 0.0565, 0.0855, -0.015],
        [1.620, 0.061, 0.0850, -0.015],
        [1.640, 0.0635, 0.0845, -0.020],
        [1.660, 0.0635, 0.0885, -0.020],
        [1.680, 0.062, 0.0870, -0.020],
        [1.705, 0.057, 0.0790, -0.020],
        [1.730, 0.042, 0.0580, -0.030],
    ]
)


@dataclass(frozen=True, eq=False)
class Face:
    """A person's face: where it is, and its own proportions.

    Parameters
    ----------
    appearance : Appearance
        Whose identity draws the features.
    body : Proportions
        Whose head.
    """

    appearance: Appearance
    body: Proportions

    @cached_property
    def traits(self) -> dict[str, float]:
        """Identity's features, in standard deviations within -1.6..1.6."""
        names = ("nose_length", "nose_width", "nose_bridge", "lips", "eyes")
        more = ("eye_gap", "brow", "cheeks", "chin", "ears")
        drawn = self.appearance.draws("face").normal(0.0, 0.8, len(names + more))
        return dict(zip(names + more, np.clip(drawn, -1.6, 1.6).tolist(), strict=True))

    @property
    def width(self) -> float:
        """Factor on the width of the face."""
        return (0.955 if self.body.female else 1.0) * (1 + 0.02 * float(self.body.betas[8]))

    @property
    def jaw(self) -> float:
        """Factor on the width of the jaw."""
        full = 0.16 * self.body.girth
        return (0.90 if self.body.female else 1.03) * (1 + 0.03 * self.traits["chin"] + full)

    def at(self, points: Sequence[float] | Array) -> Array:
        """Reference head coordinates (..., 3) to those of the body in its A-pose."""
        index = JOINT_INDEX["head"]
        return np.asarray(
            self.body.rest[index] + self.body.head * (np.asarray(points, float) - T_POSE[index])
        )

    @property
    def eye(self) -> Array:
        """Centre of the left eyeball, reference head coordinates."""
        gap = 0.0318 * self.width + 0.0010 * self.traits["eye_gap"]
        return np.array([gap, 1.6365, 0.0695])


def add_head(field: Field, face: Face) -> Field:
    """The head without hair; joins the neck."""
    scale, width = face.body.head, face.width

    ball = partial(_ball, field, face)
    ball((0.0, 1.668, -0.012), (0.0725 * width, 0.087, 0.096), 0.03)
    ball((0.0, 1.610, -0.035), (0.058 * width, 0.060, 0.058), 0.03)
    rows = _MASK.copy()
    y, wide, front, back = rows.T
    low = np.clip((1.62 - y) / 0.05, 0, 1)
    wide = wide * width * (1 + low * (face.jaw - 1))
    longer = 1 + 0.02 * float(face.body.betas[9])
    y = np.where(y < 1.60, 1.60 - (1.60 - y) * longer, y)
    chin = 0.002 * face.traits["chin"] * np.exp(-(((y - 1.55) / 0.015) ** 2))
    depth, middle = (front + chin - back) / 2, (front + chin + back) / 2
    stations = np.column_stack([y - y[0], 0 * y, -middle, wide, wide, depth, depth]) * scale
    field.loft(face.at((0, y[0], 0)), (0, 1, 0), (1, 0, 0), stations, 0.02, power=2.25)
    jaw = 0.044 * width * face.jaw
    field.cone(
        face.at((jaw, 1.588, 0.004)),
        face.at((0.016 * face.jaw, 1.545, 0.064)),
        0.018 * scale,
        0.013 * scale,
        0.022,
    )
    _add_features(field, face)
    return field


def _ball(
    field: Field,
    face: Face,
    center: Sequence[float],
    radii: Sequence[float],
    blend: float,
    *,
    yaw: float = 0.0,
    roll: float = 0.0,
    cut: bool = False,
) -> None:
    """An ellipsoid in reference head coordinates."""
    size = np.asarray(radii) * face.body.head
    field.ellipsoid(face.at(center), size, blend, yaw=yaw, roll=roll, cut=cut)


def _add_features(field: Field, face: Face) -> None:
    t, scale, width = face.traits, face.body.head, face.width
    male = 0.0 if face.body.female else 1.0
    full = 1 + 0.25 * face.body.girth

    ball = partial(_ball, field, face)

    def rod(a: Sequence[float], b: Sequence[float], ra: float, rb: float, blend: float) -> None:
        field.cone(face.at(a), face.at(b), ra * scale, rb * scale, blend)

    cheek = (0.043 * width * full, 1.612 + 0.002 * t["cheeks"], 0.054)
    ball(cheek, (0.021 * full, 0.018 * full, 0.021 * full), 0.026)
    # The pad below the cheekbone, without which a face looks gaunt.
    pad = (0.0375 * width * full, 1.583, 0.048)
    ball(pad, (0.0190 * full, 0.0260, 0.0250), 0.026)
    brow = 0.0080 + 0.0018 * male + 0.0006 * t["brow"]
    rod((0.012, 1.657, 0.0795), (0.046 * width, 1.6555, 0.062), brow, brow * 0.9, 0.014)
    x, ey, ez = face.eye
    ball((x, ey - 0.001, ez + 0.0235), (0.019, 0.0125, 0.014), 0.012, cut=True)
    ball((x, ey, ez), (0.0140, 0.0122, 0.0122), 0.005)
    length, wing = (
        0.0020 * t["nose_length"] - 0.0025 * (1 - male),
        1 + 0.08 * t["nose_width"] - 0.06 * (1 - male),
    )
    bridge = 0.0825 + 0.0012 * t["nose_bridge"]
    rod((0, 1.650, bridge), (0, 1.6125, 0.1005 + length), 0.0075, 0.0088 * wing, 0.010)
    ball((0, 1.6085, 0.1025 + length), (0.0105 * wing, 0.0090, 0.0100), 0.008)
    ball((0.0110 * wing, 1.6055, 0.0930 + 0.5 * length), (0.0078, 0.0072, 0.0098), 0.006)
    lips = 1 + 0.12 * t["lips"] + 0.08 * (1 - male)
    ball((0, 1.5835, 0.0800), (0.0235, 0.0062 * lips, 0.0085), 0.007)
    ball((0, 1.5735, 0.0788), (0.0195, 0.0068 * lips, 0.0088), 0.007)
    ball((0, 1.5640, 0.0905), (0.0200, 0.0040, 0.0055), 0.008, cut=True)
    ear, side = 1 + 0.06 * t["ears"], 0.0755 * width
    ball((side, 1.632, -0.012), (0.0085, 0.031 * ear, 0.0180 * ear), 0.006, yaw=-0.50, roll=-0.20)
    hollow = (side + 0.0115, 1.636, -0.006)
    ball(hollow, (0.0075, 0.019 * ear, 0.0100 * ear), 0.005, yaw=-0.50, cut=True)
