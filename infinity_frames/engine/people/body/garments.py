"""Clothes: parts of the skin's own surface, cut once, then moved out along smoothed normals.

A garment so has exact skinning weights and straight hems on every body. Loose cloth hangs from
where the body stands out most above it. A hem is closed by a lip that reaches in to the skin.
`patterns.py` says where the cuts run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, maximum_filter, uniform_filter

from infinity_frames.engine.people.body.cuts import Sheet
from infinity_frames.engine.people.body.human import human, vertex_normals
from infinity_frames.engine.people.body.mesh import boundary_loops
from infinity_frames.engine.people.body.patterns import (
    HEMS,
    LIP,
    TOPS,
    WAISTS,
    along_bone,
    height_of,
    pattern,
    smooth_step,
)
from infinity_frames.engine.people.body.shape import Figure, template
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS

__all__ = ["Cloth", "covered", "dress"]

Array = NDArray[np.float64]
Faces = NDArray[np.int32]

_OVER_WAISTBAND = 0.0035  # of a top's ease over that of trousers beneath, m
_LIP_GAP, _LIP_SHADE = 0.0010, 0.45
_CENTRAL = 0.03  # openings whose middle is closer to the body's middle plane are the trunk's, m
_ON_HEM = 4e-4  # vertices of a template closer to the height of a hem than this lie on it, m
_ARM_JOINTS = tuple(
    index
    for index, name in enumerate(JOINTS)
    if name.partition("_")[2].startswith(
        ("shoulder", "elbow", "wrist", "index", "middle", "ring", "pinky", "thumb")
    )
)


@dataclass(frozen=True)
class _Cut:
    """How a garment fits.

    Parameters
    ----------
    ease : float
        Distance from the skin, m.
    drape : float
        Share of the way out to where cloth that hangs freely would be.
    relaxed : int
        Rounds of smoothing along the normals.
    folds : float
        Depth of the folds, m.
    flare : float
        Widening of sleeves or trouser legs towards their hems, m.
    rings : int
        Rings of skin faces that are kept beneath the cloth next to a hem.
    """

    ease: float
    drape: float = 0.0
    relaxed: int = 6
    folds: float = 0.0030
    flare: float = 0.0
    rings: int = 1


_CUTS: Mapping[str, _Cut] = MappingProxyType(
    {
        "T_SHIRT": _Cut(0.0090, 0.80, 14, 0.0034, 0.015, rings=2),
        "FITTED_T_SHIRT": _Cut(0.0045, 0.20, 8, 0.0015),
        "LONG_SLEEVE": _Cut(0.0060, 0.40, 10, 0.0026),
        "TANK_TOP": _Cut(0.0060, 0.45, 10, 0.0022, rings=2),
        "SHORTS": _Cut(0.0065, 0.0, 6, 0.0030, 0.018, rings=2),
        "LEGGINGS": _Cut(0.0022, 0.0, 2, 0.0004),
        "JOGGERS": _Cut(0.0070, 0.0, 8, 0.0030, 0.013),
    }
)


@dataclass(frozen=True, eq=False)
class Cloth:
    """A garment on a body.

    Parameters
    ----------
    vertices, normals : (N, 3) array
        In the rest pose, m; unit.
    faces : (F, 3) int32 array
        Triangles.
    tags : (F,) int32 array
        `CLOTH`, `STRIPE`, `BAND` or `LIP`.
    colors : (N, 3) array
        Linear RGB that multiplies the material's.
    rows : (N, V) sparse array
        Weights of the skin's vertices that each vertex follows.
    """

    vertices: Array
    normals: Array
    faces: Faces
    tags: NDArray[np.int32]
    colors: Array
    rows: sp.csr_array


def covered(kind: str) -> NDArray[np.bool_]:
    """Faces of the skin that lie safely beneath a garment, (F,)."""
    skin = human()
    inside = np.zeros(len(skin.mirror))
    inside[np.unique(pattern(kind).rows.indices)] = 1.0
    for _ in range(_CUTS[kind].rings):
        inside = np.where(skin.smoothing @ inside > 0.999, inside, 0.0)
    return np.asarray(inside[skin.faces].min(axis=1) > 0.5)


def dress(
    kind: str, body: Figure, seed: int, over: str | None = None, under: str | None = None
) -> Cloth:
    """Put a garment on a body.

    Parameters
    ----------
    kind : str
        Its name in `OUTFITS`.
    body : Figure
        Who wears it.
    seed : int
        Where its folds lie.
    over : str, optional
        The trousers whose waistband it hangs over.
    under : str, optional
        The top that hangs over it.

    Returns
    -------
    Cloth
    """
    sheet, cut = pattern(kind), _CUTS[kind]
    skin = np.asarray(sheet.rows @ body.skin)
    out = np.asarray(sheet.rows @ body.smooth_normals)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    if kind in TOPS:
        out = _across_the_cleft(sheet, out)
    ease = np.full(len(skin), cut.ease)
    if over is not None:
        waist = height_of("left_hip") + WAISTS[over]
        beneath = 1.0 - smooth_step(sheet.points[:, 1], waist, waist + 0.03)
        ease += beneath * max(_CUTS[over].ease + 0.6 * _CUTS[over].folds - 0.5 * cut.ease, 0.0)
        ease += _OVER_WAISTBAND * (1.0 + 2.0 * _cleft(sheet)) * beneath
    if kind not in TOPS:
        ease *= 1.0 - 0.6 * _between_thighs(sheet)
    points = skin + ease[:, None] * out
    if cut.drape:
        points = _hung(points, body, cut.drape * _trunk(sheet))
    if cut.flare:
        points = points + _flared(kind, sheet, body, points) * cut.flare
    points = points + cut.folds * _noise(sheet.points, 1.0, seed)[:, None] * out
    for _ in range(cut.relaxed):
        # Along the normal only: a drift aside would bend hems and stripes.
        lift = np.einsum("ij,ij->i", sheet.smoothing @ points - points, out)
        points = points + 0.5 * lift[:, None] * out
        gap = np.einsum("ij,ij->i", points - skin, out)
        points = points + np.maximum(0.6 * ease - gap, 0.0)[:, None] * out
    if cut.folds > 0.001:
        fine = 0.45 * cut.folds * _noise(sheet.points, 1.8, seed + 1)
        gap = np.einsum("ij,ij->i", points - skin, out)
        points = points + np.maximum(fine, 0.5 * ease - gap)[:, None] * out
    if kind in TOPS:
        points[:, 0] += _cleft(sheet) * (_widened(sheet, skin) - points[:, 0])
        shift = _leveled(sheet, height_of("left_hip") + HEMS[kind], points, out)
        points, skin = points + shift, skin + shift
    faces, tags = sheet.faces, sheet.tags
    if under is not None:  # what the top hides of the trousers is left out
        hem = height_of("left_hip") + HEMS[under] + 0.03
        seen = sheet.points[faces][:, :, 1].min(axis=1) < hem
        faces, tags = faces[seen], tags[seen]
    shown = Sheet(sheet.rows, faces, tags)
    return _hemmed(shown, skin, out, points, vertex_normals(points, sheet.faces))


def _hemmed(sheet: Sheet, skin: Array, out: Array, points: Array, normals: Array) -> Cloth:
    """Close each hem: a lip from its edge in to the skin, then a lid inside the body.

    The skin hides the lid; it keeps light and sight out of the cloth.
    """
    parts = [(points, normals, np.ones_like(points), sheet.rows)]
    faces, count, lids = [sheet.faces], len(points), 0
    weights = human().weights
    trunk = weights[:, [JOINT_INDEX["pelvis"], JOINT_INDEX["spine1"]]].sum(axis=1)
    legs = weights[:, [JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"]]].sum(axis=1)
    pelvis = int((trunk - 4.0 * legs).argmax())
    for loop in boundary_loops(sheet.faces):
        size, inside = len(loop), skin[loop] + _LIP_GAP * out[loop]
        if np.ptp(points[loop, 1]) < _ON_HEM:
            inside[:, 1] = points[loop, 1]
        center = inside.mean(axis=0, keepdims=True)
        # The lid's corners have normals of their own: out of the opening.
        after = np.roll(inside, -1, axis=0)
        opening = np.cross(after - center, inside - center).sum(axis=0)
        opening /= max(float(np.linalg.norm(opening)), 1e-12)
        middle = sp.csr_array(np.full((1, size), 1.0 / size)) @ sheet.rows[loop]
        if abs(center[0, 0]) < _CENTRAL:  # around the trunk, not around a limb
            middle = sp.csr_array(([1.0], ([0], [pelvis])), shape=middle.shape)
        shade = np.full((2 * size + 1, 3), _LIP_SHADE)
        shade[:size] = 1.0
        parts.append(
            (
                np.vstack([points[loop], inside, center]),
                np.tile(opening, (2 * size + 1, 1)),
                shade,
                sp.csr_array(sp.vstack([sheet.rows[loop], sheet.rows[loop], middle])),
            )
        )
        edge, inner = count + np.arange(size), count + size + np.arange(size)
        edge_after, inner_after = np.roll(edge, -1), np.roll(inner, -1)
        faces += [
            np.stack([edge_after, edge, inner], axis=1),
            np.stack([edge_after, inner, inner_after], axis=1),
            np.stack([inner_after, inner, np.full(size, count + 2 * size)], axis=1),
        ]
        count += 2 * size + 1
        lids += 3 * size
    vertices, directions, colors, rows = (list(part) for part in zip(*parts, strict=True))
    cloth = Cloth(
        np.vstack(vertices),
        np.vstack(directions),
        np.vstack(faces).astype(np.int32),
        np.concatenate([sheet.tags, np.full(lids, LIP, np.int32)]),
        np.vstack(colors),
        sp.csr_array(sp.vstack(rows)),
    )
    return _compact(cloth)


def _compact(cloth: Cloth) -> Cloth:
    """Return the cloth without vertices that no face uses."""
    used = np.unique(cloth.faces)
    place = np.zeros(len(cloth.vertices), np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return Cloth(
        cloth.vertices[used],
        cloth.normals[used],
        place[cloth.faces],
        cloth.tags,
        cloth.colors[used],
        sp.csr_array(cloth.rows[used]),
    )


def _trunk(sheet: Sheet) -> Array:
    """Return how far each vertex belongs to the trunk rather than to an arm, 0..1."""
    arms = human().weights[:, _ARM_JOINTS].sum(axis=1)
    return np.asarray(1.0 - np.clip(1.6 * (sheet.rows @ arms), 0.0, 1.0))


def _cleft(sheet: Sheet) -> Array:
    """Return how far points are in the middle below the small of the back, 0..1."""
    hip = height_of("left_hip")
    share = 1.0 - smooth_step(sheet.points[:, 1], hip + 0.02, hip + 0.12)
    share *= 1.0 - smooth_step(np.abs(sheet.points[:, 0]), 0.03, 0.07)
    behind = sheet.points[:, 2] < template().at("left_hip")[2]
    return np.asarray(share * behind * _trunk(sheet))


def _across_the_cleft(sheet: Sheet, out: Array) -> Array:
    """Directions evened out below the small of the back, where those of both sides would cross."""
    share = _cleft(sheet)[:, None]
    for _ in range(30):
        out = out + share * (sheet.smoothing @ out - out)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True))


def _widened(sheet: Sheet, skin: Array) -> Array:
    """Distances of the template's points from its middle plane, as wide as this body is, m."""
    rim = (np.abs(np.abs(sheet.points[:, 0]) - 0.07) < 0.02) & (_cleft(sheet) > 0.0)
    wide = np.abs(skin[rim, 0]).sum() / np.abs(sheet.points[rim, 0]).sum()
    return np.asarray(wide * sheet.points[:, 0])


def _between_thighs(sheet: Sheet) -> Array:
    """Return how far each vertex lies on the inside of a thigh, where cloth has no room, 0..1."""
    hip, knee = template().at("left_hip"), template().at("left_knee")
    inside = 1.0 - smooth_step(np.abs(sheet.points[:, 0]) - hip[0], -0.06, 0.0)
    high = smooth_step(sheet.points[:, 1], float(knee[1]), float(knee[1]) + 0.15)
    return np.asarray(inside * high * (sheet.points[:, 1] < hip[1]))


def _flared(kind: str, sheet: Sheet, body: Figure, points: Array) -> Array:
    """Directions away from the limb's bone, 0 at its start to 1 at the hem, (N, 3)."""
    if kind in TOPS:
        along, _, _ = along_bone(sheet.points, "left_shoulder", "left_elbow")
        arms = np.asarray(sheet.rows @ human().weights[:, _ARM_JOINTS].sum(axis=1))
        share = smooth_step(along, 0.0, 0.17) * smooth_step(arms, 0.3, 0.8)
        start, end = body.at("left_shoulder"), body.at("left_elbow")
    else:
        hip = height_of("left_hip")
        share = smooth_step(hip - sheet.points[:, 1], 0.0, 0.22)
        if kind == "JOGGERS":
            share = share * smooth_step(sheet.points[:, 1], 0.10, 0.25)
        start, end = body.at("left_hip"), body.at("left_knee")
    if kind not in TOPS:  # thighs have no room between them
        inward = np.abs(points[:, 0]) - start[0]
        share = share * smooth_step(inward, -0.06, 0.03)
    side = np.where(points[:, :1] < 0.0, -1.0, 1.0) * np.array([1.0, 0.0, 0.0]) + [0.0, 1.0, 1.0]
    offset = points * side - start
    axis = (end - start) / np.linalg.norm(end - start)
    offset -= np.outer(offset @ axis, axis)
    offset /= np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-6)
    return np.asarray(share[:, None] * offset * side)


_LEVELED = 0.12  # height above a hem up to which cloth moves with it, m


def _leveled(sheet: Sheet, hem: float, points: Array, out: Array) -> Array:
    """Return how to move cloth along the skin so that the hem around the trunk is level, (N, 3)."""
    above = sheet.points[:, 1] - hem
    rim = np.flatnonzero((np.abs(above) < _ON_HEM) & (_trunk(sheet) > 0.5))
    angle = np.arctan2(sheet.points[:, 0], sheet.points[:, 2] - sheet.points[rim, 2].mean())
    heights = points[rim, 1]
    drop = np.interp(angle, angle[rim], heights.mean() - heights, period=2 * np.pi)
    drop *= _trunk(sheet) * (1.0 - smooth_step(above, 0.0, _LEVELED))
    # The part of the upright direction that lies in the surface, scaled to rise by 1.
    rise = np.array([0.0, 1.0, 0.0]) - out[:, 1:2] * out
    return np.asarray(drop[:, None] * rise / np.maximum(rise[:, 1:2], 0.3))


_SLICE, _DIRECTIONS = 0.012, 48
_STEEPEST = 0.28  # how far cloth falls in, relative to how far it falls


def _hung(points: Array, body: Figure, share: Array) -> Array:
    """Cloth hangs from where it stands out most above, in each direction around the spine."""
    spine = 0.5 * (body.at("spine2") + body.at("spine3"))
    center = float(spine[2]) + 0.03
    x, z = points[:, 0], points[:, 2] - center
    angle, radius = np.arctan2(x, z), np.hypot(x, z)
    top, low = float(body.at("left_shoulder")[1]) - 0.02, float(points[:, 1].min())
    count = int((top - low) / _SLICE) + 1
    row = (points[:, 1] - low) / _SLICE
    column = (angle + np.pi) / (2 * np.pi) * _DIRECTIONS
    outline = np.zeros((count, _DIRECTIONS))
    trunk = share > 0.5 * share.max()
    rows = np.clip(row.round().astype(int), 0, count - 1)[trunk]
    np.maximum.at(outline, (rows, column.astype(int)[trunk] % _DIRECTIONS), radius[trunk])
    outline = maximum_filter(outline, (5, 3), mode=("nearest", "wrap"))
    for k in range(count - 2, -1, -1):
        if low + k * _SLICE < top - 0.04:
            outline[k] = np.maximum(outline[k], outline[k + 1] - _STEEPEST * _SLICE)
    outline = uniform_filter(outline, (5, 3), mode=("nearest", "wrap"))
    padded = np.hstack([outline[:, -2:], outline, outline[:, :2]])
    at = [np.clip(row, 0, count - 1), column + 1.5]
    reach = map_coordinates(padded, at, order=1, mode="nearest")
    below_chest = smooth_step(top - 0.08 - points[:, 1], 0.0, 0.10)
    grown = share * below_chest * np.maximum(reach - radius, 0.0)
    outward = np.stack([np.sin(angle), 0.0 * angle, np.cos(angle)], axis=1)
    return np.asarray(points + grown[:, None] * outward)


def _noise(points: Array, scale: float, seed: int) -> Array:
    """Smooth noise: sines in random directions, longer along the body than across, about -1..1."""
    draws = np.random.default_rng(seed)
    places = points * np.array([scale, 0.55 * scale, scale])
    out = np.zeros(len(points))
    for frequency in (18.0, 28.0, 44.0, 66.0):
        for _ in range(3):
            direction = draws.normal(size=3)
            direction *= frequency / np.linalg.norm(direction)
            out += np.sin(places @ direction + draws.uniform(0.0, 2 * np.pi)) * 8.0 / frequency
    return out
