"""What is painted on the face: eyes, lids, brows, lips, nostrils, as thin sheets over the skin.

They keep colour edges crisp where the mesh of the head is coarse. Each is a grid of points given
in the front view, dropped onto the skin and lifted a little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.head import Face
from infinity_frames.engine.people.body.mesh import Part, mirror
from infinity_frames.engine.people.body.palette import Look, Surface
from infinity_frames.engine.people.body.sdf import Field, normals

__all__ = ["features"]

Array = NDArray[np.float64]

_SPOKES = 28  # of an eye
_HALF_WIDTH = 0.0145  # of an eye's opening, m
_IRIS, _PUPIL, _LIMBUS = 0.0059, 0.0024, 0.0053  # radii, m


def features(field: Field, face: Face, look: Look) -> dict[str, Part]:
    """Sheets of the face in the A-pose.

    Parameters
    ----------
    field : Field
        The skin.
    face : Face
        Whose.
    look : Look
        Colours.

    Returns
    -------
    dict of str to Part
        Left ones are mirrored to the right.
    """
    left = {
        "eye": _eye(field, face, look),
        "lids": _lids(field, face, look),
        "brow": _brow(field, face, look),
        "nostril": _nostril(field, face, look),
    }
    sheets = {f"left_{name}": part for name, part in left.items()}
    sheets |= {f"right_{name}": mirror(part) for name, part in left.items()}
    sheets["lips"] = _lips(field, face, look)
    return sheets


def _drop(field: Field, face: Face, x: Array, y: Array, lift: Array) -> tuple[Array, Array]:
    """Points at reference (x, y) of the face, seen from the front, lifted off the skin."""
    points = face.at(np.stack([x, y, np.full_like(x, 0.135)], axis=-1).reshape(-1, 3))
    for _ in range(40):
        points[:, 2] -= 0.8 * np.clip(field(points), -0.004, None)
    normal = normals(points, *field.arrays(), 0.003)
    return points + normal * np.asarray(lift).reshape(-1, 1), normal


def _sheet(points: Array, normal: Array, shape: tuple[int, int], colors: Array, wrap: bool) -> Part:
    """A grid of rows and columns as triangles that face forward."""
    rows, columns = shape
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    if wrap:
        index = np.hstack([index, index[:, :1]])
    a, b, c, d = (
        q.ravel() for q in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:])
    )
    faces = np.vstack([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)])
    corners = points[faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    solid = np.linalg.norm(area, axis=1) > 1e-10
    faces, area = faces[solid], area[solid]
    if np.einsum("ij,ij->", area, normal[faces].mean(axis=1)) < 0:
        faces = np.ascontiguousarray(faces[:, ::-1])
    material = np.full(len(faces), Surface.PAINT, np.int32)
    return Part(points, normal, faces.astype(np.int32), material, colors.reshape(-1, 3))


def _opening(face: Face, angle: Array) -> tuple[Array, Array]:
    """Outline of the eye's opening round its centre: higher than low, outer corner raised."""
    size = 1 + 0.04 * face.traits["eyes"] + (0.05 if face.body.female else 0.0)
    x = _HALF_WIDTH * np.cos(angle)
    arch = np.abs(np.sin(angle)) ** 1.15
    y = np.where(np.sin(angle) > 0, 0.0053, -0.0043) * size * arch
    return x, y + 0.07 * x


def _eye(field: Field, face: Face, look: Look) -> Part:
    """White, iris and pupil: rings round the pupil, ended by the lids."""
    angle = np.linspace(0, 2 * np.pi, _SPOKES, endpoint=False)
    edge_x, edge_y = _opening(face, np.linspace(0, 2 * np.pi, 721))
    around = np.arctan2(edge_y, edge_x)
    order = np.argsort(around)
    edge = np.interp(angle, around[order], np.hypot(edge_x, edge_y)[order], period=2 * np.pi)
    iris, white = np.array(look.iris), np.array([0.62, 0.60, 0.58])
    rings = [
        (0.0, 0.004 + 0 * iris),
        (_PUPIL, 0.004 + 0 * iris),
        (_PUPIL + 0.0003, 0.9 * iris),
        (0.5 * (_PUPIL + _LIMBUS), 1.5 * iris + 0.01),
        (_LIMBUS, 0.9 * iris),
        (_IRIS, 0.25 * iris),
        (_IRIS + 0.0004, white),
        (0.009, white * (1.0, 0.97, 0.96)),
        (1.0, white * (0.72, 0.58, 0.55)),
    ]
    radius = np.minimum(np.array([ring for ring, _ in rings])[:, None], edge[None])
    colors = np.repeat(np.array([color for _, color in rings])[:, None], _SPOKES, axis=1)
    # The upper lid shades the eyeball below it.
    shade = 1.0 - 0.45 * np.clip((radius * np.sin(angle) - 0.0025) / 0.004, 0, 1)
    x = face.eye[0] + radius * np.cos(angle)
    y = face.eye[1] + radius * np.sin(angle)
    points, normal = _drop(field, face, x, y, np.full(radius.size, 0.0006))
    part = _sheet(points, normal, radius.shape, colors * shade[..., None], wrap=True)
    part.materials[:] = Surface.EYE
    return part


def _lids(field: Field, face: Face, look: Look) -> Part:
    """A raised rim round the eye: lashes along the upper lid, skin beyond."""
    angle = np.linspace(0, 2 * np.pi, _SPOKES, endpoint=False)
    x, y = _opening(face, angle)
    upper = np.clip(np.sin(angle) * 3.0, 0.0, 1.0)
    out = np.stack([0.85 * np.cos(angle), np.sin(angle)])
    skin, lash = np.array(look.skin), 0.25 * np.array(look.hair) + 0.004
    line = 0.0005 + (0.0011 if face.body.female else 0.0007) * upper
    offsets = np.stack([0 * line, line, line + 0.0005, line + 0.0032, line + 0.0052])
    lift = np.array([0.0008, 0.0019, 0.0019, 0.0014, -0.0004])
    rim = skin * (0.80, 0.62, 0.60)
    colors = np.empty((5, _SPOKES, 3))
    colors[:2] = upper[:, None] * lash + (1 - upper[:, None]) * rim
    colors[2] = skin * (0.86, 0.76, 0.74)
    colors[3:] = skin
    at_x, at_y = (c + p + o * offsets for c, p, o in zip(face.eye, (x, y), out, strict=False))
    points, normal = _drop(field, face, at_x, at_y, np.repeat(lift, _SPOKES))
    return _sheet(points, normal, (5, _SPOKES), colors, wrap=True)


def _brow(field: Field, face: Face, look: Look) -> Part:
    """An arched strip, thick towards the nose."""
    along = np.linspace(0, 1, 11)
    full = 0.8 if face.body.female else 1.1
    thick = (
        0.0030
        * full
        * (1 + 0.15 * face.traits["brow"])
        * np.interp(along, [0, 0.15, 0.6, 1], [0.7, 1.1, 0.9, 0.15])
    )
    x = face.eye[0] - 0.0165 + 0.0385 * along * face.width
    y = face.eye[1] + 0.0155 + 0.0050 * np.sin(np.pi * np.clip(along * 0.85, 0, 1)) - 0.002 * along
    across = np.array([-1.0, 0.0, 1.0])
    rows = y + across[:, None] * thick
    lift = np.repeat([0.0004, 0.0013, 0.0004], len(along))
    points, normal = _drop(field, face, np.tile(x, (3, 1)), rows, lift)
    hair, skin = 0.55 * np.array(look.hair), np.array(look.skin)
    colors = np.tile(hair * 0.85 + skin * 0.12, (3, len(along), 1))
    colors[:, 0] = 0.5 * hair + 0.5 * skin
    return _sheet(points, normal, (3, len(along)), colors, wrap=False)


def _lips(field: Field, face: Face, look: Look) -> Part:
    """Upper lip, dark line of the mouth, lower lip."""
    across = np.linspace(-1, 1, 17)
    full = 1 + 0.10 * face.traits["lips"] + (0.10 if face.body.female else -0.05)
    x = 0.0245 * face.width * across
    bow = np.interp(np.abs(across), [0, 0.12, 0.3, 0.7, 1], [0.78, 0.95, 1.0, 0.55, 0.0])
    low = np.clip(1 - np.abs(across) ** 2.3, 0, 1)
    middle = 1.5785 - 0.0008 * np.cos(2 * np.pi * across) + 0.0007 * across**2
    rows = np.stack(
        [
            middle + 0.0064 * full * bow,
            middle + 0.0045 * full * bow,
            middle + 0.0006,
            middle,
            middle - 0.0006,
            middle - 0.0045 * full * low,
            middle - 0.0078 * full * low,
        ]
    )
    lift = np.repeat([0.0002, 0.0009, 0.0007, 0.0001, 0.0007, 0.0011, 0.0002], len(across))
    points, normal = _drop(field, face, np.tile(x, (7, 1)), rows, lift)
    skin = np.array(look.skin)
    lip = skin * ((0.82, 0.50, 0.50) if face.body.female else (0.82, 0.60, 0.57))
    tones = np.array([1.0, 0.92, 0.75, 0.25, 0.85, 1.08, 1.0])
    colors = lip * np.tile(tones[:, None, None], (1, len(across), 1))
    colors[[0, 6]] = 0.6 * lip + 0.4 * skin
    return _sheet(points, normal, (7, len(across)), colors, wrap=False)


def _nostril(field: Field, face: Face, look: Look) -> Part:
    """A dark oval under the wing of the nose."""
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    wing = 1 + 0.08 * face.traits["nose_width"]
    x = 0.0078 * wing + np.array([0.0, 0.0034])[:, None] * np.cos(angle)
    y = 1.6005 + np.array([0.0, 0.0014])[:, None] * np.sin(angle)
    points, normal = _drop(field, face, x, y, np.full(16, 0.0005))
    colors = np.tile(np.array(look.skin) * (0.30, 0.20, 0.18), (2, 8, 1))
    return _sheet(points, normal, (2, 8), colors, wrap=True)
