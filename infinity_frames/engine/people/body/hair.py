"""Hair and beards: shells over the scalp and the jaw, with locks that hang free behind the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.appearance import Appearance
from infinity_frames.engine.people.body.cuts import Sheet
from infinity_frames.engine.people.body.footwear import kept_outside
from infinity_frames.engine.people.body.human import human, vertex_normals
from infinity_frames.engine.people.body.mesh import Part, from_field
from infinity_frames.engine.people.body.palette import Look, Surface
from infinity_frames.engine.people.body.patterns import smooth_step
from infinity_frames.engine.people.body.sdf import Field
from infinity_frames.engine.people.body.shape import Figure, template

__all__ = ["STYLES", "beard_depth", "beard_shell", "hair_shell", "locks", "scalp_depth", "style"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Style:
    """How hair is worn.

    Parameters
    ----------
    thick, top : float
        Thickness of the shell over the skull, and what the crown adds to it, m.
    lumps : float
        Depth of its waves, m.
    locks : str or None
        What hangs free: ``tail`` or ``bun``.
    """

    thick: float
    top: float
    lumps: float = 0.0020
    locks: str | None = None


STYLES: dict[str, Style | None] = {
    "bald": None,
    "buzz": Style(0.0032, 0.0006, 0.0003),
    "crop": Style(0.0090, 0.0120),
    "swept": Style(0.0100, 0.0210, 0.0032),
    "curls": Style(0.0210, 0.0200, 0.0055),
    "tail": Style(0.0065, 0.0040, 0.0012, "tail"),
    "bun": Style(0.0065, 0.0040, 0.0012, "bun"),
}
_MALE = ("crop", "swept", "buzz", "curls", "crop", "bald", "bun", "swept", "buzz", "crop")
_FEMALE = ("tail", "bun", "tail", "swept", "curls", "tail", "crop", "bun", "swept", "tail")
_FADE = 0.026  # over which the shell thins out towards the hairline, m

# The hairline: angle from straight ahead around the skull, deg, and height above the eyes, m.
_HAIRLINE = np.array(
    [
        *((0, 0.062), (20, 0.067), (40, 0.064), (58, 0.038), (72, 0.012), (84, -0.012)),
        *((92, 0.024), (104, 0.036), (116, 0.018), (128, -0.040), (150, -0.076), (180, -0.082)),
    ]
).T
# Where locks are tied: height above the eyes on the template, m.
_TIES = {"tail": 0.048, "bun": 0.080}
# The upper edge of a beard, likewise.
_CHEEK = np.array(
    [(0, -0.049), (14, -0.050), (24, -0.064), (45, -0.060), (62, -0.036), (76, -0.012), (84, 0.0)]
).T
# The lower edge of a beard, a little below the jaw: distance ahead of the eyes and height, m.
_UNDER_JAW = np.array([(-0.09, -0.078), (-0.06, -0.103), (0.0, -0.129)]).T


def style(appearance: Appearance) -> str:
    """Name the identity's hair style, a key of `STYLES`."""
    choices = _FEMALE if appearance.female else _MALE
    return choices[3 * appearance.identity % len(choices)]


def _eyes() -> Array:
    return template().at("left_eye_smplhf") * [0.0, 1.0, 1.0]


def _around(points: Array) -> tuple[Array, Array]:
    """Return angle around the skull from straight ahead, deg, and height above the eyes, m."""
    x, y, z = (points - _eyes()).T
    return np.degrees(np.arctan2(np.abs(x), z + 0.085)), y


def scalp_depth(points: Array) -> Array:
    """About how far points of the template are inside the hairline, m; negative outside."""
    angle, height = _around(points)
    inside = height - np.interp(angle, *_HAIRLINE)
    return np.asarray(np.where(angle > 84.0, 0.8 * inside, inside))


def beard_depth(points: Array) -> Array:
    """About how far points of the template are inside a full beard, m; negative outside."""
    angle, height = _around(points)
    x, y, z = (points - _eyes()).T
    below = np.interp(angle, *_CHEEK) - height
    mouth = np.hypot(x / 0.026, (y + 0.0705) / 0.0105) - 1.0
    front = 0.02 + z - np.interp(y, [-0.16, -0.11], [-0.045, -0.085])
    above = height - np.interp(z, *_UNDER_JAW)
    edges = [below, 0.0105 * mouth, above, 0.0014 * (87.0 - angle), front]
    return np.asarray(np.min(edges, axis=0))


def _ragged(points: Array) -> Array:
    """Deviations of a hairline, m."""
    x, y, z = points.T
    return np.asarray(0.0022 * np.sin(210 * x + 60 * y) * np.sin(160 * z + 1.0))


@lru_cache(maxsize=1)
def _scalp() -> Sheet:
    skin, corners = human(), template().skin[human().faces]
    ears = skin.masks["ears"][skin.faces].max(axis=1) > 0.3
    high = corners[:, :, 1].min(axis=1) > template().at("neck")[1] - 0.02
    sheet = Sheet.of(skin.faces[high & ~ears])
    sheet = sheet.keep(lambda points: -scalp_depth(points) - 0.012).subdivided()
    sheet = sheet.keep(lambda points: -scalp_depth(points) + _ragged(points))
    return sheet.without_scraps()


@lru_cache(maxsize=1)
def _jaw() -> Sheet:
    skin, corners = human(), template().skin[human().faces]
    low = np.abs(corners[:, :, 1] - _eyes()[1] + 0.07).max(axis=1) < 0.10
    inside = skin.masks["inside_mouth"][skin.faces].max(axis=1) > 0.5
    ears = skin.masks["ears"][skin.faces].max(axis=1) > 0.3
    sheet = Sheet.of(skin.faces[low & ~inside & ~ears])
    sheet = sheet.keep(lambda points: -beard_depth(points) + 0.5 * _ragged(points))
    return sheet.without_scraps()


def _waves(points: Array, seed: int) -> Array:
    draws = np.random.default_rng(seed)
    out = np.zeros(len(points))
    for frequency in (60.0, 90.0, 140.0):
        for _ in range(3):
            direction = draws.normal(size=3)
            direction *= frequency / np.linalg.norm(direction)
            out += np.sin(points @ direction + draws.uniform(0, 2 * np.pi)) * 20.0 / frequency
    return out


def _shell(
    sheet: Sheet, body: Figure, depth: Array, size: Array, lumps: Array, look: Look
) -> tuple[Part, Array]:
    """A sheet moved out by a thickness that fades towards its edge; and its rows' joint weights."""
    normals = np.asarray(sheet.rows @ body.smooth_normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    grown = smooth_step(depth, -0.001, _FADE)
    skin = np.asarray(sheet.rows @ body.skin)
    points = skin + (grown * size + 0.0006)[:, None] * normals
    for _ in range(3):
        lift = np.einsum("ij,ij->i", sheet.smoothing @ points - points, normals)
        points = points + (0.4 * grown * lift)[:, None] * normals
    points = points + (grown * lumps)[:, None] * normals
    gap = np.einsum("ij,ij->i", points - skin, normals)
    points = points + np.maximum(0.0006 - gap, 0.0)[:, None] * normals
    strands = _strands(sheet.points)
    # Along the edge single hairs leave the skin between them visible.
    edge = smooth_step(depth + 0.005 * strands, 0.000, 0.008)[:, None]
    hair, tone = np.array(look.hair), 0.72 * np.array(look.skin) + 0.28 * np.array(look.hair)
    colors = edge * (1.0 + 0.16 * strands)[:, None] + (1.0 - edge) * tone / np.maximum(hair, 1e-3)
    part = Part(
        points,
        vertex_normals(points, sheet.faces),
        sheet.faces,
        np.full(len(sheet.faces), Surface.HAIR, np.int32),
        colors,
    )
    return part, np.asarray(sheet.rows @ human().weights)


def _strands(points: Array) -> Array:
    """Strands that run down from the crown, about -1..1."""
    x, y, z = (points - _eyes() - [0.0, 0.085, -0.10]).T
    around = np.arctan2(x, z)
    return np.asarray(0.5 * (np.sin(47 * around + 60 * y) + np.sin(83 * around - 35 * y)))


def hair_shell(appearance: Appearance, body: Figure, look: Look) -> tuple[Part, Array] | None:
    """Return the hair over the skull and its joint weights; None for the bald."""
    worn = STYLES[style(appearance)]
    if worn is None:
        return None
    sheet, seed = _scalp(), appearance.identity
    height = (sheet.points - _eyes())[:, 1]
    size = worn.thick + worn.top * smooth_step(height, 0.02, 0.11)
    lumps = worn.lumps * _waves(sheet.points, seed)
    return _shell(sheet, body, scalp_depth(sheet.points), size, lumps, look)


def beard_shell(
    appearance: Appearance, body: Figure, look: Look, thick: float
) -> tuple[Part, Array]:
    """Return a full beard of some thickness, m, and its joint weights."""
    sheet = _jaw()
    depth = 1.6 * beard_depth(sheet.points)
    lumps = 0.0010 * _waves(sheet.points, 100 + appearance.identity)
    return _shell(sheet, body, depth, np.full(len(depth), thick), lumps, look)


# --- what hangs free -----------------------------------------------------------------------------


def _ball(field: Field, center: Sequence[float], radii: Sequence[float], blend: float) -> None:
    field.ellipsoid(center, radii, blend, mirrored=True)


# A ponytail from the tie to its tip: up, ahead, and radius, m.
_TAIL = (
    *((0.000, -0.006, 0.015), (-0.008, -0.026, 0.019), (-0.032, -0.041, 0.021)),
    *((-0.062, -0.048, 0.022), (-0.095, -0.048, 0.020), (-0.130, -0.043, 0.015)),
    (-0.165, -0.036, 0.007),
)


def _tail(field: Field) -> None:
    _ball(field, (0.0, 0.0, -0.002), (0.021, 0.021, 0.020), 0.012)
    for (y0, z0, r0), (y1, z1, r1) in pairwise(_TAIL):
        field.cone((0.0, y0, z0), (0.0, y1, z1), r0, r1, 0.020, mirrored=False)


def _bun(field: Field) -> None:
    _ball(field, (0.0, 0.004, -0.011), (0.036, 0.036, 0.027), 0.010)


@lru_cache(maxsize=2)
def _modeled(name: str) -> Part:
    """Locks from where they are tied, on the scalp."""
    field = Field()
    if name == "tail":
        _tail(field)
    else:
        _bun(field)
    low, high = (-0.06, -0.20, -0.11), (0.06, 0.07, 0.05)
    return from_field(field, low, high, (0.008, 0.010, 0.008), Surface.HAIR, step=0.004)


def _back_of_skull(body: Figure, height: float) -> Array:
    """Return the rearmost point of the scalp's midline at a height, m."""
    x, y, z = body.skin.T
    near = np.flatnonzero((np.abs(x) < 0.015) & (np.abs(y - height) < 0.012))
    return np.array([0.0, height, z[near].min()])


def locks(appearance: Appearance, body: Figure) -> Part | None:
    """Return what hangs free of the identity's hair; None if nothing does."""
    worn = STYLES[style(appearance)]
    if worn is None or worn.locks is None:
        return None
    part = _modeled(worn.locks)
    eyes = body.at("left_eye_smplhf") * [0.0, 1.0, 1.0]
    size = (body.skin[:, 1].max() - eyes[1]) / (template().skin[:, 1].max() - _eyes()[1])
    tie = _back_of_skull(body, float(eyes[1] + size * _TIES[worn.locks]))
    x, y, _ = part.vertices.T
    strand = np.sin(160 * x + 20 * y) + np.sin(230 * x - 9 * y)
    vertices = kept_outside(size * part.vertices + tie, body, 0.002)
    colors = np.repeat((1.0 + 0.10 * strand)[:, None], 3, axis=1)
    return Part(vertices, part.normals, part.faces, part.materials, colors)
