"""From shapes to parts: each meshed at the resolution it needs, skin under cloth removed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body import garments
from infinity_frames.engine.people.body.appearance import Appearance, Proportions
from infinity_frames.engine.people.body.face import features
from infinity_frames.engine.people.body.garments import Garment, floor_height
from infinity_frames.engine.people.body.hair import hair_field, mesh_hair
from infinity_frames.engine.people.body.hands import FINGERS, add_palm, finger
from infinity_frames.engine.people.body.head import Face, add_head
from infinity_frames.engine.people.body.mesh import Part, clip, from_field, keep, mirror
from infinity_frames.engine.people.body.palette import Look, Surface, complexion, look
from infinity_frames.engine.people.body.sdf import Field
from infinity_frames.engine.people.body.shape import (
    ARM_AXES,
    add_arm,
    add_foot,
    add_legs,
    add_neck,
    add_trunk,
    hand_points,
)
from infinity_frames.engine.people.body.skin import body_weights, mirror_weights
from infinity_frames.engine.people.skeleton import JOINT_INDEX

__all__ = ["Piece", "assemble"]

Array = NDArray[np.float64]

_OVERLAP = 0.006  # of the skin's coarse and fine meshes, m
_SHANK = 0.045  # above the ankle, where the fine mesh of a bare foot begins, m
_WAIST = 1.07  # reference height of the waist, m


@dataclass(frozen=True, eq=False)
class Piece:
    """A named part; its own weights where they are no function of position alone."""

    name: str
    part: Part
    own_weights: Array | None = None
    casts: bool = True

    @property
    def kind(self) -> str:
        """The name without its side."""
        return self.name.removeprefix("left_").removeprefix("right_")

    def weights(self, body: Proportions) -> Array:
        """Bone weights, (V, bones)."""
        if self.own_weights is not None:
            return self.own_weights
        return body_weights(self.part.vertices, body)


def assemble(
    appearance: Appearance, body: Proportions, face: Face
) -> tuple[list[Piece], float, float]:
    """All parts of a person of unit size in the A-pose; height of the crown; girth of the waist."""
    field = add_trunk(Field(), body)
    for add in (add_neck, add_arm, add_legs, add_foot, add_palm):
        add(field, body)
    add_head(field, face)
    clothes = _clothes(appearance, body)
    colors = look(appearance)
    skin = _trunk(field, body, barefoot=_barefoot(appearance))
    waist = _girth(skin, float(body.height(_WAIST)))
    pieces = [Piece("skin", skin), *_head(field, face, colors)]
    pieces += _both("palm", _palm(field, body))
    if _barefoot(appearance):
        pieces += _both("foot", _foot(field, body))
    covers = [garment for garment, _ in clothes.values()]
    pieces = [_uncovered(piece, covers) for piece in pieces]
    for name in FINGERS:
        part, weights = finger(name, body, Surface.SKIN)
        pieces += [
            Piece(f"left_{name}", part, weights),
            Piece(f"right_{name}", mirror(part), mirror_weights(weights)),
        ]
    flushed, pale = _spots(body, face)
    for piece in pieces:
        skin_like = np.zeros(len(piece.part.vertices), bool)
        skin_like[piece.part.faces[piece.part.materials == Surface.SKIN]] = True
        tint = complexion(piece.part.vertices[skin_like], flushed, pale)
        piece.part.colors[skin_like] *= tint
    for name, (garment, surface) in clothes.items():
        mesh = garment.mesh(surface, band=0.82 if name in ("top", "bottom", "sock") else 1.0)
        pieces += [Piece(name, mesh)] if name in ("top", "bottom") else _both(name, mesh)
    return [piece for piece in pieces if len(piece.part.faces)], _crown(field, face), waist


def _barefoot(appearance: Appearance) -> bool:
    return appearance.hide_shoes and not appearance.add_socks


def _clothes(appearance: Appearance, body: Proportions) -> dict[str, tuple[Garment, Surface]]:
    top, bottom = garments.OUTFITS[appearance.outfit]
    clothes = {
        "top": (garments.top(top, body), Surface.TOP),
        "bottom": (garments.bottom(bottom, body), Surface.BOTTOM),
    }
    if not appearance.hide_shoes:
        clothes["shoe"] = garments.shoe(body), Surface.SHOE
        clothes["sole"] = garments.sole(body), Surface.SOLE
    if appearance.add_socks:
        clothes["sock"] = garments.sock(body), Surface.SOCK
    return clothes


def _both(name: str, left: Part) -> list[Piece]:
    return [Piece(f"left_{name}", left), Piece(f"right_{name}", mirror(left))]


def _cuff(body: Proportions) -> float:
    """Where the fine mesh of the hand begins: before the wrist, so that its bend is all in it."""
    return 0.525 * body.arm - 0.05


def _along_arm(points: Array, body: Proportions) -> Array:
    folded = np.hstack([np.abs(points[:, :1]), points[:, 1:]])
    return np.asarray((folded - body.rest[JOINT_INDEX["left_shoulder"]]) @ ARM_AXES[0])


def _trunk(field: Field, body: Proportions, barefoot: bool) -> Part:
    """Skin from ankles to neck and wrists."""
    neck = float(body.rest[JOINT_INDEX["neck"], 1]) + 0.035
    ankle = float(body.rest[JOINT_INDEX["left_ankle"], 1])
    reach = float(body.rest[JOINT_INDEX["left_wrist"], 0]) + 0.07
    low, high = (-reach, ankle - 0.05, -0.30), (reach, neck + 0.03, 0.36)
    part = from_field(field, low, high, (0.019, 0.026, 0.018), Surface.SKIN, step=0.008)
    lowest = ankle + (_SHANK if barefoot else -0.02) - _OVERLAP

    def head(points: Array) -> Array:
        return np.asarray(points[:, 1] - neck - _OVERLAP)

    def foot(points: Array) -> Array:
        return np.asarray(lowest - points[:, 1])

    def hand(points: Array) -> Array:
        beyond = _along_arm(points, body) - _cuff(body) - _OVERLAP
        return np.minimum(beyond, np.abs(points[:, 0]) - 0.32)

    return clip(part, (head, foot, hand), close=False)


def _head(field: Field, face: Face, colors: Look) -> list[Piece]:
    """Head, hair and what is painted on the face."""
    neck = float(face.body.rest[JOINT_INDEX["neck"], 1]) + 0.035
    low, high = face.at((-0.11, 0, -0.14)), face.at((0.11, 1.80, 0.14))
    low[1] = neck - 0.02
    skull = from_field(field, low, high, (0.0092, 0.0082, 0.0080), Surface.SKIN, step=0.003)
    edges = (lambda points: neck - points[:, 1], partial(_ear_region, face, 0.0))
    skull = clip(skull, edges, close=False)
    ear = _ear(field, face)
    hair = hair_field(face)
    pieces = []
    if hair is not None:
        pieces = [Piece("hair", mesh_hair(hair, face))]
        depth = hair(skull.vertices)
        rooted = np.clip((0.004 - depth) / 0.006, 0.0, 1.0)[:, None]
        skull.colors += rooted * (np.array(colors.hair) / colors.skin - skull.colors)
        skull = keep(skull, np.any(depth[skull.faces] > -0.004, axis=1))
    sheets = features(field, face, colors)
    pieces += [Piece("head", skull), *_both("ear", ear)]
    return [*pieces, *(Piece(*item, casts=False) for item in sheets.items())]


def _ear_region(face: Face, margin: float, points: Array) -> Array:
    """Positive within an ellipsoid round either ear, m."""
    folded = np.hstack([np.abs(points[:, :1]), points[:, 1:]])
    center = face.at((0.079 * face.width, 1.632, -0.012))
    radii = np.array([0.017, 0.043, 0.030]) * face.body.head
    return np.asarray(0.017 * (1.0 - np.linalg.norm((folded - center) / radii, axis=1)) - margin)


def _ear(field: Field, face: Face) -> Part:
    """The left ear, finer than the rest of the head."""
    low, high = face.at((0.045, 1.585, -0.060)), face.at((0.105, 1.685, 0.035))
    part = from_field(field, low, high, (0.0055, 0.0062, 0.0055), Surface.SKIN, step=0.0025)
    return clip(part, (lambda points: -_ear_region(face, -0.002, points),), close=False)


def _palm(field: Field, body: Proportions) -> Part:
    wrist = hand_points(body, np.zeros(3))
    matrix = np.column_stack([ARM_AXES.T, wrist])
    low, high = (-0.08, -0.05, -0.065), (0.13, 0.04, 0.09)
    part = from_field(
        field, low, high, (0.012, 0.0065, 0.0085), Surface.SKIN, step=0.004, matrix=matrix
    )
    return clip(part, (lambda points: _cuff(body) - _along_arm(points, body),), close=False)


def _foot(field: Field, body: Proportions) -> Part:
    ankle = body.rest[JOINT_INDEX["left_ankle"]]
    floor, top = floor_height(body), float(ankle[1]) + _SHANK
    low = (ankle[0] - 0.08, floor - 0.02, ankle[2] - 0.09)
    high = (ankle[0] + 0.09, top + 0.03, ankle[2] + 0.23)
    part = from_field(field, low, high, (0.0075, 0.008, 0.009), Surface.SKIN, step=0.004)
    part = clip(part, (lambda points: floor - points[:, 1],))
    return clip(part, (lambda points: points[:, 1] - top,), close=False)


def _spots(body: Proportions, face: Face) -> tuple[Array, Array]:
    """Where the skin is redder and where lighter than elsewhere: centres and radii, (K, 4)."""
    beard = [] if body.female else [(0.0, 1.545, 0.075, 0.030)]
    on_face = [
        *((0.046, 1.608, 0.070, 0.022), (0.0, 1.607, 0.112, 0.013), (0.080, 1.630, -0.010, 0.025)),
        *beard,
    ]
    flushed = [(*face.at(spot[:3]), spot[3] * body.head) for spot in on_face]
    back = np.array([0.0, 0.0, 0.045])
    for joint, offset, radius in (("knee", back, 0.05), ("elbow", -back, 0.045)):
        flushed.append((*(body.rest[JOINT_INDEX[f"left_{joint}"]] + offset), radius))
    for finger_name in FINGERS:
        for k in (1, 2):
            knuckle = body.rest[JOINT_INDEX[f"left_{finger_name}{k}"]] + 0.008 * ARM_AXES[1]
            flushed.append((*knuckle, 0.010))
    palm = [(along, -0.022, 0.0, 0.035) for along in (0.03, 0.07, 0.10)]
    pale = [(*hand_points(body, np.array(spot[:3])), spot[3]) for spot in palm]
    left = np.array(flushed), np.array(pale)
    flip = np.array([-1.0, 1.0, 1.0, 1.0])
    both = [np.vstack([spots, (spots * flip)[np.abs(spots[:, 0]) > 0.02]]) for spots in left]
    return both[0], both[1]


def _crown(field: Field, face: Face) -> float:
    """Height of the top of the head, hair left out, m."""
    line = face.at(np.array([[0.0, 1.70, z] for z in (-0.04, -0.03, -0.02, -0.01, 0.0)]))
    for _ in range(30):
        line[:, 1] -= field(line)
    return float(line[:, 1].max())


def _uncovered(piece: Piece, covers: list[Garment]) -> Piece:
    """Without the faces that lie beneath clothes."""
    hidden = np.zeros(len(piece.part.vertices), bool)
    for garment in covers:
        hidden |= garment.covers(piece.part.vertices)
        hidden |= garment.covers(piece.part.vertices * (-1.0, 1.0, 1.0))
    faces = np.any(~hidden[piece.part.faces], axis=1)
    return piece if faces.all() else Piece(piece.name, keep(piece.part, faces))


def _girth(part: Part, height: float) -> float:
    """Length of the cut of the trunk with a horizontal plane, m."""
    corners = part.vertices[part.faces]
    corners = corners[(np.abs(corners[:, :, 0]) < 0.45).all(axis=1)]
    above = corners[:, :, 1] > height
    length = 0.0
    for triangle, side in zip(corners, above, strict=True):
        if side.all() or not side.any():
            continue
        ends = [
            a + (height - a[1]) / (b[1] - a[1]) * (b - a)
            for a, b in zip(triangle, np.roll(triangle, -1, axis=0), strict=True)
            if (a[1] > height) != (b[1] > height)
        ]
        length += float(np.linalg.norm(ends[1] - ends[0]))
    return length
