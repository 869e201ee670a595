"""Exercise equipment: dumbbells, a barbell, a mat."""

from __future__ import annotations

from functools import cache

import numpy as np

from infinity_frames.engine.scene.scene import Color, Material, Mesh, Object
from infinity_frames.engine.scene.solids import Box, Part, Revolved, merge, place, yaw_matrix

__all__ = ["MAT_COLORS", "MAT_THICKNESS", "held_object", "mat"]

MAT_THICKNESS = 0.006
"""Height of a mat's top above the floor, m."""

MAT_COLORS: tuple[Color, ...] = (
    (0.02, 0.19, 0.18),
    (0.17, 0.05, 0.22),
    (0.03, 0.08, 0.26),
    (0.10, 0.11, 0.12),
)
"""Colors of mats, linear RGB."""

_IRON = Material((0.03, 0.03, 0.033), roughness=0.5)
_CHROME = Material(
    (0.55, 0.56, 0.58), pattern="brushed_metal", scale=0.02, roughness=0.25, specular=0.6
)
_BUMPER = Material((0.03, 0.03, 0.035), (0.05, 0.05, 0.05), "rubber", 0.05, roughness=0.7)
_RING = Material((0.42, 0.03, 0.025), roughness=0.5)


def _plate(side: float, low: float, thick: float, radius: float, material: int) -> Revolved:
    """Return a disc with rounded rims on one side of a bar, `low` meters from the bar's middle."""
    start, end = sorted((side * low, side * (low + thick)))
    rim = min(0.012, thick / 4)
    profile = (
        (radius - rim, start),
        (radius, start + rim),
        (radius, end - rim),
        (radius - rim, end),
    )
    return Revolved(profile, axis="x", material=material, segments=32)


_BARBELL: tuple[Part, ...] = (
    Revolved(((0.014, -0.66), (0.014, 0.66)), axis="x", material=1, segments=16),
    *(
        part
        for side in (-1.0, 1.0)
        for part in (
            Revolved(
                ((0.025, 0.64), (0.025, 0.95)) if side > 0 else ((0.025, -0.95), (0.025, -0.64)),
                axis="x",
                material=1,
                segments=16,
            ),
            _plate(side, 0.66, 0.05, 0.19, 2),
            _plate(side, 0.71, 0.035, 0.14, 3),
            _plate(side, 0.745, 0.03, 0.045, 0),
        )
    ),
)
_DUMBBELL: tuple[Part, ...] = (
    Revolved(((0.014, -0.07), (0.0165, 0.0), (0.014, 0.07)), axis="x", material=1, segments=16),
    *(
        Revolved(
            ((0.036, low), (0.052, low + 0.014), (0.052, low + 0.056), (0.036, low + 0.07)),
            axis="x",
            segments=6,
        )
        for low in (-0.135, 0.065)
    ),
)
_HELD = {
    "dumbbell": (_DUMBBELL, (_IRON, _CHROME)),
    "barbell": (_BARBELL, (_IRON, _CHROME, _BUMPER, _RING)),
}


@cache
def _held_mesh(kind: str) -> Mesh:
    return merge([part.mesh() for part in _HELD[kind][0]])


def held_object(kind: str, name: str) -> Object:
    """Build held equipment in its own coordinates: the bar along x, its middle at the origin.

    Parameters
    ----------
    kind : {"dumbbell", "barbell"}
    name : str
        Name of the object, unique in the scene.

    Returns
    -------
    Object
        Its category is `kind`.
    """
    return Object(name, _held_mesh(kind), _HELD[kind][1], category=kind)


def mat(center: tuple[float, float], yaw: float, length: float, color: Color) -> Object:
    """Build an exercise mat on the floor.

    Parameters
    ----------
    center : (float, float)
        x and y of its middle, global, m.
    yaw : float
        Turn about the vertical, deg; at 0 its length runs along Y.
    length : float
        m.
    color : tuple of float
        Linear RGB.

    Returns
    -------
    Object
        ``mat``, in global coordinates.
    """
    slab = Box((0.70, length, MAT_THICKNESS), (0.0, 0.0, MAT_THICKNESS / 2)).mesh()
    dark = (color[0] * 0.8, color[1] * 0.8, color[2] * 0.8)
    material = Material(color, dark, "rubber", 0.04, roughness=0.9)
    where = np.array([center[0], center[1], 0.0])
    return Object("mat", place(slab, yaw_matrix(yaw), where), (material,), category="mat")
