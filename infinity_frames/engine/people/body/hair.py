"""Hair styles: shells over the skull whose edge dives beneath the skin along the hairline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.head import Face
from infinity_frames.engine.people.body.mesh import Part, from_field
from infinity_frames.engine.people.body.palette import Surface
from infinity_frames.engine.people.body.sdf import Field

__all__ = ["STYLES", "hair_field", "mesh_hair", "style"]

Array = NDArray[np.float64]


class _Wig:
    """Shapes in reference head coordinates, added to a field in those of the body."""

    def __init__(self, face: Face) -> None:
        self.face, self.field = face, Field()

    def ball(
        self,
        center: Sequence[float],
        radii: Sequence[float],
        blend: float = 0.02,
        *,
        cut: bool = False,
        mirrored: bool = True,
        pitch: float = 0.0,
    ) -> None:
        x, y, z = center
        wide = np.array(radii) * self.face.body.head * (self.face.width, 1.0, 1.0)
        at = self.face.at((x * self.face.width, y, z))
        self.field.ellipsoid(at, wide, blend, cut=cut, mirrored=mirrored, pitch=pitch)

    def rod(
        self,
        start: Sequence[float],
        end: Sequence[float],
        ra: float,
        rb: float,
        blend: float = 0.02,
    ) -> None:
        size = self.face.body.head
        self.field.cone(self.face.at(start), self.face.at(end), ra * size, rb * size, blend)

    def cap(self, side: float, top: float, back: float) -> None:
        """A shell over the skull, thicker by so much, m."""
        center = (0.0, 1.668 + 0.5 * top, -0.016 - 0.5 * back)
        self.ball(center, (0.0735 + side, 0.087 + 0.55 * top, 0.093 + 0.5 * back))
        # The forehead stands out before the skull's oval; hair grows from it all the same.
        self.ball((0.0, 1.692, 0.022), (0.0600 + side, 0.052 + 0.5 * top, 0.0635 + 0.7 * side))

    def open_face(self, hairline: float = 1.708, depth: float = 0.066) -> None:
        """Clear face, ears and nape; the thinner the hair, the smaller the opening may be."""
        self.ball((0.0, 1.60, 0.088), (0.066, hairline - 1.60, depth), 0.012, cut=True)
        self.ball((0.084, 1.620, 0.002), (0.030, 0.042, 0.026), 0.010, cut=True)
        self.ball((0.0, 1.525, -0.010), (0.16, 0.075, 0.15), 0.020, cut=True)


def _buzz(wig: _Wig) -> None:
    wig.cap(0.0030, 0.004, 0.003)
    wig.open_face(1.711, 0.062)


def _crop(wig: _Wig) -> None:
    wig.cap(0.006, 0.016, 0.007)
    wig.ball((0.0, 1.735, 0.030), (0.058, 0.030, 0.052), 0.03, pitch=0.25)
    wig.open_face()


def _swept(wig: _Wig) -> None:
    wig.cap(0.007, 0.014, 0.008)
    wig.ball((0.012, 1.738, 0.036), (0.050, 0.026, 0.046), 0.030, mirrored=False, pitch=0.35)
    wig.ball((-0.038, 1.722, 0.012), (0.036, 0.030, 0.058), 0.030, mirrored=False)
    wig.open_face()


def _curls(wig: _Wig) -> None:
    wig.cap(0.016, 0.034, 0.022)
    # Curls lie on a spiral of equal areas (Fibonacci) over the left half of the head.
    center = np.array([0.0, 1.682, -0.018])
    for k in range(64):
        height = 1.0 - 1.45 * (k + 0.5) / 64
        turn = (k * 0.61803399) % 1.0 * np.pi
        ring = np.sqrt(1.0 - height * height)
        wobble = 0.006 * np.sin(7.0 * k)
        reach = np.array([0.089, 0.102, 0.108]) + wobble
        at = np.array([ring * np.sin(turn), height, ring * np.cos(turn)]) * reach
        wig.ball(at + center, (0.0165, 0.0155, 0.0165), 0.007)
    wig.open_face(1.704)


def _bob(wig: _Wig) -> None:
    wig.cap(0.011, 0.014, 0.012)
    wig.ball((0.072, 1.625, -0.020), (0.024, 0.090, 0.058), 0.03)
    wig.ball((0.0, 1.610, -0.080), (0.070, 0.090, 0.036), 0.03)
    wig.ball((0.0, 1.590, 0.092), (0.064, 0.112, 0.075), 0.016, cut=True)
    wig.ball((0.0, 1.500, 0.0), (0.2, 0.045, 0.2), 0.010, cut=True)


def _tail(wig: _Wig) -> None:
    wig.cap(0.0055, 0.009, 0.006)
    wig.open_face(1.711, 0.062)
    wig.ball((0.0, 1.695, -0.112), (0.019, 0.019, 0.016), 0.012)
    wig.rod((0.0, 1.700, -0.120), (0.0, 1.655, -0.158), 0.015, 0.024, 0.012)
    wig.rod((0.0, 1.655, -0.158), (0.0, 1.520, -0.146), 0.024, 0.011, 0.012)


def _bun(wig: _Wig) -> None:
    wig.cap(0.0055, 0.009, 0.006)
    wig.open_face(1.711, 0.062)
    wig.ball((0.0, 1.738, -0.098), (0.036, 0.034, 0.033), 0.010)


def _long(wig: _Wig) -> None:
    wig.cap(0.011, 0.014, 0.012)
    wig.ball((0.070, 1.610, -0.030), (0.024, 0.110, 0.050), 0.03)
    wig.ball((0.0, 1.575, -0.088), (0.074, 0.140, 0.032), 0.03)
    wig.ball((0.0, 1.590, 0.092), (0.062, 0.114, 0.078), 0.016, cut=True)


STYLES: dict[str, Callable[[_Wig], None] | None] = {
    "bald": None,
    "buzz": _buzz,
    "crop": _crop,
    "swept": _swept,
    "curls": _curls,
    "bob": _bob,
    "tail": _tail,
    "bun": _bun,
    "long": _long,
}
_MALE = ("crop", "swept", "buzz", "curls", "crop", "bald", "bun", "swept", "buzz", "long")
_FEMALE = ("tail", "bob", "bun", "long", "curls", "tail", "crop", "bob", "swept", "bun")


def style(face: Face) -> str:
    """The identity's hair style, a key of `STYLES`."""
    choices = _FEMALE if face.body.female else _MALE
    return choices[3 * face.appearance.identity % len(choices)]


def hair_field(face: Face) -> Field | None:
    """The hair as a field in the A-pose; None for the bald."""
    cut = STYLES[style(face)]
    if cut is None:
        return None
    wig = _Wig(face)
    cut(wig)
    return wig.field


def mesh_hair(field: Field, face: Face) -> Part:
    """The hair's surface, shaded in strands that run down from the crown."""
    low, high = face.at((-0.16, 1.40, -0.21)), face.at((0.16, 1.86, 0.15))
    part = from_field(field, low, high, (0.0112, 0.0122, 0.0112), Surface.HAIR, step=0.004)
    offset = part.vertices - face.at((0.0, 1.70, -0.03))
    around = np.arctan2(offset[:, 0], offset[:, 2])
    strand = np.sin(23 * around + 40 * offset[:, 1]) + np.sin(41 * around - 25 * offset[:, 1])
    part.colors *= (1.0 + 0.14 * strand)[:, None]
    return part
