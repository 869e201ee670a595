"""Furniture as data: solids and materials by name.

Each piece stands on z = 0 around the origin, its back towards +Y, its front towards -Y, in meters.
A new piece is an entry of `FURNITURE`; its category follows from the entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.scene.scene import Material, Mesh, Object
from infinity_frames.engine.scene.solids import (
    Box,
    Cushion,
    Leaf,
    Part,
    Revolved,
    merge,
    place,
    yaw_matrix,
)

__all__ = ["FURNITURE", "Furniture", "furniture", "piece_mesh"]

OAK = Material((0.42, 0.26, 0.13), (0.30, 0.17, 0.08), pattern="wood", scale=0.35, roughness=0.55)
WALNUT = Material((0.16, 0.08, 0.04), (0.09, 0.045, 0.02), "wood", 0.35, roughness=0.5)
WHITE = Material((0.72, 0.71, 0.69), roughness=0.5)
LINEN = Material((0.62, 0.60, 0.55), (0.54, 0.52, 0.47), "fabric", 0.02, roughness=0.95)
PILLOW = Material((0.75, 0.74, 0.71), (0.66, 0.65, 0.62), "fabric", 0.02, roughness=0.95)
NAVY = Material((0.05, 0.09, 0.20), (0.035, 0.065, 0.15), "fabric", 0.02, roughness=0.95)
RUST = Material((0.36, 0.10, 0.045), (0.27, 0.075, 0.03), "fabric", 0.02, roughness=0.95)
GREY_CLOTH = Material((0.20, 0.21, 0.22), (0.14, 0.15, 0.16), "fabric", 0.02, roughness=0.95)
BLACK = Material((0.02, 0.02, 0.022), roughness=0.45)
LEATHER = Material((0.03, 0.03, 0.034), (0.02, 0.02, 0.022), "fabric", 0.03, roughness=0.4)
STEEL = Material((0.50, 0.51, 0.53), roughness=0.3, specular=0.6)
RED = Material((0.40, 0.025, 0.02), roughness=0.45)
SHADE = Material((0.85, 0.75, 0.55), roughness=0.9)
LIT_SHADE = Material((2.3, 1.75, 1.15), roughness=0.9, specular=0.0)  # lit from inside by a bulb
CLAY = Material((0.42, 0.17, 0.09), roughness=0.85)
LEAF = Material((0.06, 0.20, 0.05), (0.03, 0.12, 0.03), "plaster", 0.08, roughness=0.6)
CARDBOARD = Material((0.42, 0.28, 0.16), (0.37, 0.24, 0.13), "plaster", 0.15, roughness=0.9)
BOOKS = Material((0.09, 0.20, 0.25), roughness=0.8)


@dataclass(frozen=True)
class Furniture:
    """A piece of furniture.

    Parameters
    ----------
    category : str
        Label category.
    materials : tuple of Material
        What the parts' materials index.
    parts : tuple of Part
        Its solids; they may overlap.
    """

    category: str
    materials: tuple[Material, ...]
    parts: tuple[Part, ...]


def _rod(radius: float, low: float, high: float) -> tuple[tuple[float, float], ...]:
    return ((radius, low), (radius, high))


def _legs(x: float, y: float, height: float, radius: float, material: int) -> tuple[Part, ...]:
    profile = ((radius * 0.75, 0.0), (radius, height))
    return tuple(
        Revolved(profile, (sx * x, sy * y, 0.0), material=material, segments=12)
        for sx in (-1, 1)
        for sy in (-1, 1)
    )


def _leaves(
    count: int, low: float, high: float, length: float, width: float, material: int
) -> tuple[Part, ...]:
    """Arching leaves in a spiral of golden angles around a stem; higher leaves are more upright."""
    parts = []
    for leaf in range(count):
        share = leaf / max(count - 1, 1)
        long = length * (0.75 + 0.25 * ((leaf * 5) % 4) / 3)
        base = (0.0, 0.0, low + (high - low) * share)
        azimuth = float(np.degrees(2.39996 * leaf))
        rise, droop = 25.0 + 55.0 * share, 95.0 - 40.0 * share
        parts.append(Leaf(base, azimuth, long, width, rise, droop, material))
    return tuple(parts)


def _blades(count: int, height: float, material: int) -> tuple[Part, ...]:
    """Upright blades that grow out of a pot."""
    parts = []
    for blade in range(count):
        azimuth = float(np.degrees(2.39996 * blade))
        out = 0.11 * (blade / count) ** 0.5
        base = (out * np.cos(np.radians(azimuth)), out * np.sin(np.radians(azimuth)), 0.36)
        tall = height * (0.65 + 0.35 * ((blade * 3) % 5) / 4)
        parts.append(Leaf(base, azimuth, tall, 0.07, 84.0, 12.0, material))
    return tuple(parts)


def _shelf_books(width: float, levels: tuple[float, ...], material: int) -> tuple[Part, ...]:
    """Return a row of books of different heights and thicknesses, the same in every scene."""
    parts = []
    for row, level in enumerate(levels):
        left, book = -width / 2, 0
        while left < width / 2 - 0.08:
            wide = 0.03 + 0.012 * ((book * 7 + row * 3) % 4)
            tall = 0.20 + 0.018 * ((book * 5 + row * 2) % 5)
            center = (left + wide / 2, -0.01, level + tall / 2)
            parts.append(Box((wide * 0.94, 0.18, tall), center, material + (book + row) % 3))
            left, book = left + wide, book + 1
    return tuple(parts)


def _bed(width: float) -> tuple[Part, ...]:
    return (
        Box((width + 0.10, 2.10, 0.32), (0, 0, 0.16), 0),
        Box((width + 0.14, 0.06, 1.00), (0, 1.05, 0.50), 0),
        Cushion((width, 2.02, 0.24), (0, -0.01, 0.42), 1, 0.85, 36),
        Cushion((width + 0.05, 1.42, 0.20), (0, -0.32, 0.47), 2, 0.85, 36),
        Cushion((width * 0.44, 0.42, 0.18), (-width * 0.24, 0.76, 0.59), 3, 0.5),
        Cushion((width * 0.44, 0.42, 0.18), (width * 0.24, 0.76, 0.59), 3, 0.5),
    )


FURNITURE: dict[str, Furniture] = {
    "double_bed": Furniture("bed", (OAK, LINEN, NAVY, PILLOW), _bed(1.50)),
    "single_bed": Furniture("bed", (WALNUT, LINEN, RUST, PILLOW), _bed(0.95)),
    "white_bed": Furniture("bed", (WHITE, LINEN, GREY_CLOTH, PILLOW), _bed(1.30)),
    "nightstand": Furniture(
        "nightstand",
        (OAK, STEEL, CLAY, LIT_SHADE),
        (
            Revolved(
                ((0.05, 0.0), (0.07, 0.05), (0.05, 0.14), (0.015, 0.17)), (0, 0, 0.53), material=2
            ),
            Revolved(((0.13, 0.18), (0.085, 0.34)), (0, 0, 0.53), material=3, segments=28),
            Box((0.44, 0.38, 0.40), (0, 0, 0.30)),
            Box((0.48, 0.42, 0.03), (0, 0, 0.515)),
            Box((0.38, 0.02, 0.15), (0, -0.19, 0.39)),
            Box((0.38, 0.02, 0.15), (0, -0.19, 0.21)),
            Revolved(_rod(0.012, -0.025, 0.0), (0, -0.20, 0.39), "y", 1, 12),
            Revolved(_rod(0.012, -0.025, 0.0), (0, -0.20, 0.21), "y", 1, 12),
            *_legs(0.18, 0.15, 0.10, 0.02, 0),
        ),
    ),
    "floor_lamp": Furniture(
        "lamp",
        (BLACK, LIT_SHADE),
        (
            Revolved(_rod(0.14, 0.0, 0.025)),
            Revolved(_rod(0.012, 0.02, 1.38), segments=12),
            Revolved(((0.21, 1.30), (0.15, 1.58)), material=1, segments=28),
        ),
    ),
    "wardrobe": Furniture(
        "wardrobe",
        (WHITE, STEEL),
        (
            Box((1.20, 0.56, 2.00), (0, 0.01, 1.04)),
            Box((1.16, 0.52, 0.06), (0, 0.01, 0.03)),
            Box((0.585, 0.02, 1.94), (-0.297, -0.28, 1.04)),
            Box((0.585, 0.02, 1.94), (0.297, -0.28, 1.04)),
            Box((0.012, 0.02, 0.22), (-0.04, -0.30, 1.05), 1),
            Box((0.012, 0.02, 0.22), (0.04, -0.30, 1.05), 1),
        ),
    ),
    "desk": Furniture(
        "desk",
        (OAK, WHITE, BLACK),
        (
            Box((1.30, 0.62, 0.035), (0, 0, 0.735)),
            Box((0.38, 0.54, 0.50), (0.42, 0.01, 0.47), 1),
            *_legs(0.58, 0.25, 0.72, 0.025, 1),
            Box((0.55, 0.02, 0.33), (-0.10, 0.14, 1.02), 2),
            Box((0.03, 0.03, 0.18), (-0.10, 0.17, 0.83), 2),
            Box((0.22, 0.16, 0.012), (-0.10, 0.15, 0.758), 2),
            Box((0.42, 0.13, 0.018), (-0.12, -0.12, 0.761), 2),
        ),
    ),
    "chair": Furniture(
        "chair",
        (OAK, GREY_CLOTH),
        (
            *_legs(0.19, 0.18, 0.45, 0.02, 0),
            Cushion((0.46, 0.44, 0.09), (0, 0, 0.47), 1, 0.75),
            Box((0.03, 0.03, 0.46), (-0.19, 0.20, 0.68)),
            Box((0.03, 0.03, 0.46), (0.19, 0.20, 0.68)),
            Cushion((0.44, 0.06, 0.26), (0, 0.20, 0.80), 1, 0.75),
        ),
    ),
    "stool": Furniture(
        "stool",
        (OAK, RUST),
        (
            *_legs(0.13, 0.13, 0.44, 0.018, 0),
            Cushion((0.38, 0.38, 0.10), (0, 0, 0.47), 1, 0.6),
        ),
    ),
    "bookshelf": Furniture(
        "bookshelf",
        (WALNUT, BOOKS, RUST, SHADE),
        (
            Box((0.03, 0.28, 1.70), (-0.46, 0, 0.85)),
            Box((0.03, 0.28, 1.70), (0.46, 0, 0.85)),
            Box((0.92, 0.02, 1.66), (0, 0.13, 0.85)),
            *(Box((0.90, 0.27, 0.025), (0, 0, z)) for z in (0.05, 0.46, 0.87, 1.28, 1.68)),
            *_shelf_books(0.84, (0.063, 0.473, 0.883, 1.293), 1),
        ),
    ),
    "plant": Furniture(
        "plant",
        (CLAY, LEAF, WALNUT),
        (
            Revolved(((0.12, 0.0), (0.17, 0.30), (0.18, 0.34), (0.15, 0.34), (0.15, 0.31))),
            Revolved(((0.022, 0.28), (0.012, 0.95)), material=2, segments=10),
            *_leaves(26, 0.38, 0.98, 0.42, 0.15, 1),
        ),
    ),
    "tall_plant": Furniture(
        "plant",
        (WHITE, LEAF, WALNUT),
        (
            Revolved(((0.16, 0.0), (0.16, 0.36), (0.14, 0.36), (0.14, 0.33)), segments=28),
            Revolved(((0.14, 0.30), (0.14, 0.34)), material=2, segments=28),
            *_blades(18, 0.85, 1),
        ),
    ),
    "armchair": Furniture(
        "armchair",
        (GREY_CLOTH, WALNUT),
        (
            *_legs(0.30, 0.28, 0.16, 0.025, 1),
            Cushion((0.62, 0.66, 0.22), (0, -0.04, 0.34), 0, 0.8),
            Cushion((0.78, 0.20, 0.72), (0, 0.30, 0.52), 0, 0.75),
            Cushion((0.15, 0.66, 0.46), (-0.36, 0, 0.36), 0, 0.75),
            Cushion((0.15, 0.66, 0.46), (0.36, 0, 0.36), 0, 0.75),
        ),
    ),
    "box": Furniture(
        "box",
        (CARDBOARD, SHADE),
        (Box((0.48, 0.40, 0.42), (0, 0, 0.21)), Box((0.482, 0.06, 0.422), (0, 0, 0.21), 1)),
    ),
    "laundry_basket": Furniture(
        "basket",
        (LINEN, NAVY),
        (
            Revolved(((0.18, 0.0), (0.23, 0.52), (0.24, 0.55)), segments=28),
            Cushion((0.40, 0.40, 0.20), (0, 0, 0.55), 1, 0.2),
        ),
    ),
    "bench": Furniture(
        "bench",
        (BLACK, LEATHER),
        (
            Cushion((0.30, 1.20, 0.10), (0, 0, 0.43), 1, 0.85, 28),
            Box((0.06, 1.00, 0.06), (0, 0, 0.36)),
            Box((0.05, 0.05, 0.36), (0, -0.46, 0.18)),
            Box((0.05, 0.05, 0.36), (0, 0.46, 0.18)),
            Box((0.48, 0.06, 0.05), (0, -0.46, 0.025)),
            Box((0.48, 0.06, 0.05), (0, 0.46, 0.025)),
        ),
    ),
    "plyo_box": Furniture(
        "box",
        (OAK, BLACK),
        (Box((0.62, 0.50, 0.50), (0, 0, 0.25)), Box((0.14, 0.502, 0.04), (0, 0, 0.40), 1)),
    ),
    "dumbbell_rack": Furniture(
        "rack",
        (BLACK, STEEL),
        (
            *(Box((0.07, 0.50, 0.06), (x, 0, 0.03)) for x in (-0.85, 0.85)),
            *(Box((0.07, 0.07, 0.95), (x, 0.12, 0.48)) for x in (-0.85, 0.85)),
            *(Box((1.76, 0.26, 0.03), (0, y, z)) for y, z in ((-0.05, 0.42), (0.05, 0.88))),
            *(
                Revolved(_rod(0.055, y - 0.13, y - 0.03), (x, 0, z), "y", 0, 6)
                for y, z in ((-0.03, 0.49), (0.07, 0.95))
                for x in np.linspace(-0.7, 0.7, 8).tolist()
            ),
            *(
                Revolved(_rod(0.055, y + 0.05, y + 0.15), (x, 0, z), "y", 0, 6)
                for y, z in ((-0.03, 0.49), (0.07, 0.95))
                for x in np.linspace(-0.7, 0.7, 8).tolist()
            ),
            *(
                Revolved(_rod(0.016, y - 0.04, y + 0.06), (x, 0, z), "y", 1, 12)
                for y, z in ((-0.03, 0.49), (0.07, 0.95))
                for x in np.linspace(-0.7, 0.7, 8).tolist()
            ),
        ),
    ),
    "power_rack": Furniture(
        "rack",
        (BLACK, RED, STEEL),
        (
            *(Box((0.07, 0.07, 2.15), (x, y, 1.075), 0) for x in (-0.6, 0.6) for y in (-0.5, 0.5)),
            *(Box((1.27, 0.07, 0.07), (0, y, 2.12), 1) for y in (-0.5, 0.5)),
            *(Box((0.07, 1.07, 0.07), (x, 0, 2.12), 1) for x in (-0.6, 0.6)),
            *(Box((0.07, 1.07, 0.07), (x, 0, 0.035), 0) for x in (-0.6, 0.6)),
            Revolved(_rod(0.014, -1.05, 1.05), (0, -0.57, 1.25), "x", 2, 14),
            *(
                Revolved(_rod(0.22, s * 0.90 - 0.03, s * 0.90 + 0.03), (0, -0.57, 1.25), "x", 0, 28)
                for s in (-1, 1)
            ),
        ),
    ),
    "kettlebell": Furniture(
        "kettlebell",
        (BLACK,),
        (
            Cushion((0.19, 0.19, 0.18), (0, 0, 0.09), 0, 0.0, 20),
            Box((0.02, 0.022, 0.10), (-0.06, 0, 0.20)),
            Box((0.02, 0.022, 0.10), (0.06, 0, 0.20)),
            Revolved(_rod(0.015, -0.07, 0.07), (0, 0, 0.25), "x", 0, 12),
        ),
    ),
    "exercise_ball": Furniture(
        "ball", (NAVY,), (Cushion((0.62, 0.62, 0.62), (0, 0, 0.31), 0, 0.0, 36),)
    ),
}


def piece_mesh(piece: Furniture) -> Mesh:
    """Mesh of a piece in its own coordinates, shared by pieces that differ only in materials."""
    return _mesh_of(piece.parts)


@cache
def _mesh_of(parts: tuple[Part, ...]) -> Mesh:
    return merge([part.mesh() for part in parts])


def furniture(
    piece: Furniture,
    name: str,
    position: NDArray[np.float64],
    yaw: float,
    *,
    occluder: bool = False,
) -> Object:
    """Place a piece of furniture in a room.

    Parameters
    ----------
    piece : Furniture
        As in `FURNITURE`.
    name : str
        Name of the object, unique in the scene.
    position : (2,) array
        Global x and y of its center, m.
    yaw : float
        Turn about the vertical, deg; at 0 its front faces -Y.
    occluder : bool
        The piece stands between avatar and camera.

    Returns
    -------
    Object
        In global coordinates.
    """
    where = np.array([position[0], position[1], 0.0])
    mesh = place(piece_mesh(piece), yaw_matrix(yaw), where)
    return Object(name, mesh, piece.materials, category=piece.category, occluder=occluder)
