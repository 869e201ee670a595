"""Eyes, lashes, brows and beards."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.appearance import Appearance
from infinity_frames.engine.people.body.cuts import Sheet
from infinity_frames.engine.people.body.human import human, vertex_normals
from infinity_frames.engine.people.body.mesh import Part
from infinity_frames.engine.people.body.palette import Look, Surface
from infinity_frames.engine.people.body.patterns import smooth_step
from infinity_frames.engine.people.body.shape import Figure, template

__all__ = ["beard", "brow_sheet", "eyeball", "lashes", "on_sheet"]

Array = NDArray[np.float64]

_SPOKES = 24  # of an eye
_BULGE, _CORNEA = 0.035, 0.33  # of the cornea over the ball: height, and half-width in rad
# Rings of an eye: angle from the middle of the pupil, rad.
_PUPIL, _IRIS, _LIMBUS = 0.155, 0.44, 0.50
_WHITE = np.array([0.58, 0.55, 0.53])


def eyeball(body: Figure, look: Look) -> Part:
    """Return the left eye: white, iris, pupil and cornea."""
    center = body.at("left_eye_smplhf")
    radius = float(np.linalg.norm(body.shaped.eye - center, axis=1).mean())
    iris = np.array(look.iris)
    # The lids shade the white; under dark skin it is less bright.
    white = _WHITE * (0.62 + 0.38 * np.clip(np.mean(look.skin) / 0.35, 0.0, 1.0))
    rings = [
        (0.0, 0.003 + 0.0 * iris),
        (_PUPIL, 0.003 + 0.0 * iris),
        (_PUPIL + 0.017, 0.55 * iris),
        (0.5 * (_PUPIL + _IRIS), 1.05 * iris + 0.004),
        (_IRIS, 0.65 * iris),
        (_IRIS + 0.035, 0.22 * iris),
        (_LIMBUS + 0.01, white),
        (0.75, white * (1.0, 0.96, 0.94)),
        (1.1, white * (0.85, 0.70, 0.66)),
    ]
    turn = np.linspace(0.0, 2 * np.pi, _SPOKES, endpoint=False)
    points, colors = [], []
    for angle, color in rings:
        out = 1.0 + _BULGE * np.exp(-((angle / _CORNEA) ** 2))
        ring = [np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), 0 * turn]
        ring[2] = np.full(_SPOKES, np.cos(angle))
        points.append(radius * out * np.stack(ring, axis=1))
        # Under the upper lid it is darker.
        shade = 1.0 - 0.40 * smooth_step(np.sin(angle) * np.sin(turn), 0.10, 0.50)
        colors.append(color * shade[:, None])
    local = np.vstack(points)
    number = np.arange(len(local), dtype=np.int32).reshape(len(rings), _SPOKES)
    a, b = number[:-1].ravel(), np.roll(number[:-1], -1, axis=1).ravel()
    c, d = number[1:].ravel(), np.roll(number[1:], -1, axis=1).ravel()
    faces = np.vstack([np.stack([a, c, d], axis=1), np.stack([a, d, b], axis=1)])
    corners = local[faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces = faces[np.linalg.norm(area, axis=1) > 1e-12]
    normals = local / np.linalg.norm(local, axis=1, keepdims=True)
    materials = np.full(len(faces), Surface.EYE, np.int32)
    return Part(local + center, normals, faces, materials, np.vstack(colors))


def lashes(body: Figure, look: Look) -> Part:
    """Return the left eye's lashes: those of the upper lid only."""
    points, faces = body.shaped.lashes, human().lashes
    upper = points[faces][:, :, 1].mean(axis=1) > body.at("left_eye_smplhf")[1] - 0.001
    used, place = np.unique(faces[upper], return_inverse=True)
    points, faces = points[used], place.reshape(-1, 3).astype(np.int32)
    color = 0.15 * np.array(look.hair) + 0.002 + 0.12 * np.array(look.skin)
    return Part(
        points,
        vertex_normals(points, faces),
        faces,
        np.full(len(faces), Surface.PAINT, np.int32),
        np.tile(color, (len(points), 1)),
    )


@lru_cache(maxsize=1)
def brow_sheet() -> Sheet:
    """Both brows on the template: arched strips, thick towards the nose."""
    eye = template().at("left_eye_smplhf")

    def scalar(points: Array) -> Array:
        x, y = np.abs(points[:, 0]), points[:, 1]
        along = (x - (eye[0] - 0.0175)) / 0.043
        arch = 0.0070 * np.sin(np.pi * np.clip(0.82 * along, 0.0, 1.0))
        middle = eye[1] + 0.0180 + arch - 0.005 * along
        half = 0.0036 * np.interp(along, [0.0, 0.12, 0.6, 1.0], [0.55, 0.95, 0.85, 0.12])
        out = np.maximum(np.abs(y - middle) - half, 0.043 * np.maximum(-along, along - 1.0))
        return np.where(points[:, 2] > eye[2] - 0.03, out, 1.0)

    skin = human()
    corners = template().skin[skin.faces]
    center = corners.mean(axis=1)
    near = (np.abs(center[:, 1] - eye[1] - 0.018) < 0.03) & (center[:, 2] > eye[2] - 0.03)
    return Sheet.of(skin.faces[near]).subdivided().keep(scalar)


def on_sheet(sheet: Sheet, body: Figure, lift: Array | float, colors: Array, surface: int) -> Part:
    """Return a sheet on a body's skin, lifted off it, m."""
    normals = np.asarray(sheet.rows @ body.normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = np.asarray(sheet.rows @ body.skin) + np.asarray(lift).reshape(-1, 1) * normals
    materials = np.full(len(sheet.faces), surface, np.int32)
    return Part(points, normals, sheet.faces, materials, colors)


def beard(appearance: Appearance) -> tuple[float, float]:
    """Density of the identity's stubble, 0..1, and thickness of its beard, m; (0, 0) for none."""
    if appearance.female:
        return 0.0, 0.0
    kind, density = appearance.draws("beard").uniform(size=2)
    if kind < 0.38:
        return 0.12 * float(density), 0.0
    if kind < 0.70:
        return 0.30 + 0.35 * float(density), 0.0
    return 0.85, 0.004 + 0.007 * float(density)
