"""Furniture of halls, shops and offices, as data, in a dictionary like `FURNITURE`.

Each piece stands on z = 0 around the origin, its back towards +Y, its front towards -Y, in meters.
"""

from __future__ import annotations

from infinity_frames.engine.scene.furniture.home import (
    BLACK,
    CARDBOARD,
    FURNITURE,
    LEAF,
    OAK,
    RED,
    SHADE,
    STEEL,
    WALNUT,
    WHITE,
    Furniture,
)
from infinity_frames.engine.scene.scene import Material
from infinity_frames.engine.scene.solids import Box, Cushion, Part, Revolved

__all__ = ["FITTINGS"]

_BLUE = Material((0.03, 0.12, 0.32), roughness=0.5)
_ORANGE = Material((0.62, 0.17, 0.02), roughness=0.5)
_PLYWOOD = Material((0.46, 0.34, 0.20), (0.38, 0.27, 0.15), "wood", 0.3, roughness=0.85)
_PALE_CARDBOARD = Material((0.52, 0.38, 0.24), (0.47, 0.34, 0.21), "plaster", 0.15, roughness=0.9)
_WRAP = Material((0.62, 0.66, 0.68), roughness=0.25, specular=0.08)
_CONCRETE = Material((0.42, 0.41, 0.40), (0.36, 0.35, 0.34), "concrete", 0.6, roughness=0.9)
_YELLOW = Material((0.68, 0.44, 0.02), roughness=0.55)
_ENAMEL = Material((0.68, 0.69, 0.70), roughness=0.35)
_LIT = Material((1.5, 1.55, 1.6), roughness=0.9, specular=0.0)
_GLASS = Material((0.05, 0.07, 0.08), roughness=0.12, specular=0.08)
_GREEN = Material((0.06, 0.30, 0.10), roughness=0.5)
_TEAL = Material((0.03, 0.26, 0.28), roughness=0.5)
_PURPLE = Material((0.22, 0.06, 0.28), roughness=0.5)
_LEMON = Material((0.70, 0.58, 0.06), roughness=0.55)
_TANGERINE = Material((0.66, 0.25, 0.03), roughness=0.6)
_APPLE = Material((0.45, 0.04, 0.03), roughness=0.4)
_FELT = Material((0.16, 0.22, 0.26), (0.12, 0.17, 0.20), "fabric", 0.02, roughness=0.95)
_RUBBER = Material((0.03, 0.03, 0.032), roughness=0.7)


def _cartons(
    width: float, depth: float, level: float, room: float, first: int, materials: tuple[int, ...]
) -> tuple[Part, ...]:
    """Return a row of cartons of different sizes on a shelf, with gaps, the same in every scene."""
    parts: list[Part] = []
    left, number = -width / 2, first
    while left < width / 2 - 0.35:
        wide = 0.38 + 0.11 * ((number * 7) % 4)
        tall = room * (0.45 + 0.14 * ((number * 5) % 4))
        deep = depth * (0.72 + 0.08 * ((number * 3) % 3))
        right = min(left + wide, width / 2)
        if number % 5 != 3:
            center = ((left + right) / 2, 0.0, level + tall / 2)
            size = (right - left - 0.03, deep, tall)
            parts.append(Box(size, center, materials[number % len(materials)]))
        left, number = right, number + 1
    return tuple(parts)


def _pallet(level: float, material: int, x: float = 0.0) -> tuple[Part, ...]:
    boards = (-0.33, -0.165, 0.0, 0.165, 0.33)
    return (
        *(Box((1.20, 0.13, 0.022), (x, y, level + 0.133), material) for y in boards),
        *(
            Box((0.10, 0.80, 0.11), (x + at, 0.0, level + 0.065), material)
            for at in (-0.52, 0, 0.52)
        ),
    )


def _rack(levels: tuple[float, ...], room: float, first: int) -> tuple[Part, ...]:
    """Return a pallet rack of one bay: posts, braces, beams, decks, cartons."""
    top = levels[-1] + room
    parts: list[Part] = []
    for x in (-1.40, 1.40):
        parts += [Box((0.09, 0.08, top), (x, y, top / 2), 0) for y in (-0.46, 0.46)]
        parts += [
            Box((0.04, 0.92, 0.04), (x, 0.0, 0.25 + 0.6 * step), 0)
            for step in range(int((top - 0.3) / 0.6))
        ]
    for row, level in enumerate(levels):
        if level > 0.2:
            parts += [Box((2.72, 0.05, 0.11), (0.0, y, level - 0.055), 1) for y in (-0.46, 0.46)]
            parts.append(Box((2.70, 0.92, 0.02), (0.0, 0.0, level - 0.01), 2))
        parts += _cartons(2.6, 0.85, level, room, first + 4 * row, (3, 4, 3, 5))
    return tuple(parts)


def _goods(
    width: float, y: float, level: float, first: int, materials: tuple[int, ...]
) -> tuple[Part, ...]:
    """Packets side by side on a shelf, several of each kind."""
    parts: list[Part] = []
    left, kind = -width / 2 + 0.02, first
    while left < width / 2 - 0.12:
        wide = 0.085 + 0.02 * (kind % 3)
        tall = 0.15 + 0.035 * ((kind * 5) % 4)
        for _ in range(2 + kind % 3):
            if left + wide > width / 2 - 0.02:
                break
            center = (left + wide / 2, y, level + tall / 2)
            parts.append(Box((wide - 0.008, 0.17, tall), center, materials[kind % len(materials)]))
            left += wide
        kind += 1
    return tuple(parts)


def _gondola(width: float, first: int) -> tuple[Part, ...]:
    """Return a shop shelf with goods on both sides."""
    parts: list[Part] = [
        Box((width, 0.04, 1.65), (0.0, 0.0, 0.825), 0),
        Box((width, 0.90, 0.12), (0.0, 0.0, 0.06), 0),
    ]
    for row, level in enumerate((0.14, 0.52, 0.90, 1.28)):
        deep = 0.40 if row == 0 else 0.30
        for side in (-1.0, 1.0):
            middle = side * (0.02 + deep / 2)
            parts.append(Box((width, deep, 0.025), (0.0, middle, level - 0.0125), 0))
            parts.append(
                Box((width, 0.008, 0.035), (0.0, side * (deep + 0.022), level - 0.0125), 1)
            )
            out = side * (deep - 0.09)
            parts += _goods(width, out, level, first + 3 * row + int(side), tuple(range(2, 9)))
    return tuple(parts)


def _heap(size: float, count: tuple[int, int], level: float, material: int) -> tuple[Part, ...]:
    """Two layers of fruit in a crate."""
    across, deep = count
    return tuple(
        Cushion(
            (size, size, size * 0.95),
            (
                (i - (across - 1) / 2) * size * 0.98,
                (j - (deep - 1) / 2) * size * 0.98,
                level + size / 2 + 0.02 * ((3 * i + 5 * j) % 4),
            ),
            material,
            0.0,
            10,
        )
        for i in range(across)
        for j in range(deep)
    )


def _crate(material: int, fruit: int) -> tuple[Part, ...]:
    return (
        Box((1.00, 0.70, 0.62), (0.0, 0.0, 0.31), material),
        Box((1.06, 0.76, 0.10), (0.0, 0.0, 0.67), material),
        *_heap(0.10, (9, 6), 0.69, fruit),
    )


_PACKETS = (WHITE, RED, _GREEN, _TEAL, _LEMON, RED, _PURPLE, _ORANGE, SHADE)

FITTINGS: dict[str, Furniture] = {
    "pallet_rack": Furniture(
        "rack",
        (_BLUE, _ORANGE, _PLYWOOD, CARDBOARD, _PALE_CARDBOARD, _WRAP),
        _rack((0.02, 1.35, 2.65, 3.95), 1.1, 1),
    ),
    "low_rack": Furniture(
        "rack",
        (STEEL, STEEL, _PLYWOOD, _PALE_CARDBOARD, CARDBOARD, _WRAP),
        _rack((0.12, 0.85, 1.55), 0.6, 2),
    ),
    "loaded_pallet": Furniture(
        "pallet",
        (_PLYWOOD, CARDBOARD, _PALE_CARDBOARD),
        (
            *_pallet(0.0, 0),
            *(
                Box((0.385, 0.38, 0.30), (x, y, 0.295 + 0.305 * row), 1 + (row + i + j) % 2)
                for row in range(3)
                for i, x in enumerate((-0.39, 0.0, 0.39))
                for j, y in enumerate((-0.195, 0.195))
                if row < 2 or i != 2
            ),
        ),
    ),
    "empty_pallets": Furniture(
        "pallet",
        (_PLYWOOD,),
        tuple(part for layer in range(6) for part in _pallet(0.146 * layer, 0, 0.01 * (layer % 3))),
    ),
    "wrapped_pallet": Furniture(
        "pallet",
        (_PLYWOOD, _WRAP, RED),
        (
            *_pallet(0.0, 0),
            Box((1.14, 0.76, 1.05), (0.0, 0.0, 0.67), 1),
            Box((1.145, 0.765, 0.05), (0.0, 0.0, 0.85), 2),
        ),
    ),
    "drums": Furniture(
        "drum",
        (_BLUE, _BLUE, STEEL),
        tuple(
            part
            for x, y in ((-0.32, 0.05), (0.32, 0.0), (0.02, -0.52))
            for part in (
                Revolved(
                    (
                        (0.28, 0.0),
                        (0.29, 0.02),
                        (0.285, 0.30),
                        (0.295, 0.31),
                        (0.285, 0.32),
                        (0.285, 0.58),
                        (0.295, 0.59),
                        (0.285, 0.60),
                        (0.29, 0.86),
                        (0.28, 0.88),
                    ),
                    (x, y, 0.0),
                    segments=28,
                ),
                Revolved(((0.03, 0.88), (0.03, 0.90)), (x + 0.15, y, 0.0), material=2, segments=12),
            )
        ),
    ),
    "column": Furniture(
        "column",
        (_CONCRETE, _YELLOW, BLACK),
        (
            Box((0.42, 0.42, 7.0), (0.0, 0.0, 3.5)),
            *(Box((0.44, 0.44, 0.15), (0.0, 0.0, 0.15 + 0.3 * i), 1) for i in range(4)),
            *(Box((0.44, 0.44, 0.15), (0.0, 0.0, 0.30 + 0.3 * i), 2) for i in range(3)),
        ),
    ),
    "shutter": Furniture(
        "door",
        (_ENAMEL, _YELLOW),
        (
            *(Box((3.2, 0.05, 0.185), (0.0, 0.0, 0.1 + 0.2 * i)) for i in range(18)),
            *(Box((0.14, 0.16, 3.7), (x, -0.02, 1.85), 1) for x in (-1.67, 1.67)),
            Box((3.6, 0.3, 0.35), (0.0, -0.02, 3.78), 1),
        ),
    ),
    "gondola": Furniture("shelf", (_ENAMEL, SHADE, *_PACKETS[1:]), _gondola(2.4, 2)),
    "gondola_b": Furniture(
        "shelf", (_ENAMEL, RED, *_PACKETS[4:], *_PACKETS[1:4]), _gondola(2.4, 5)
    ),
    "cooler": Furniture(
        "cooler",
        (_ENAMEL, _LIT, _GLASS, BLACK, *_PACKETS[1:]),
        (
            Box((2.40, 0.06, 2.05), (0.0, 0.36, 1.025)),
            *(Box((0.05, 0.78, 2.05), (x, 0.0, 1.025)) for x in (-1.18, 1.18)),
            Box((2.40, 0.80, 0.30), (0.0, 0.0, 0.15), 3),
            Box((2.40, 0.80, 0.22), (0.0, 0.0, 1.98)),
            Box((2.20, 0.03, 0.03), (0.0, -0.25, 1.855), 1),
            *(Box((2.30, 0.52, 0.02), (0.0, 0.08, z)) for z in (0.69, 1.07, 1.45)),
            *(
                part
                for row, z in enumerate((0.31, 0.70, 1.08, 1.46))
                for part in _goods(2.3, -0.06, z, 2 * row + 1, tuple(range(4, 12)))
            ),
        ),
    ),
    "oranges": Furniture("crate", (OAK, _TANGERINE), _crate(0, 1)),
    "apples": Furniture("crate", (OAK, _APPLE), _crate(0, 1)),
    "limes": Furniture("crate", (OAK, _GREEN), _crate(0, 1)),
    "checkout": Furniture(
        "counter",
        (_ENAMEL, _RUBBER, STEEL, BLACK, _TEAL),
        (
            Box((2.40, 0.62, 0.82), (0.0, 0.0, 0.41), 0),
            Box((2.44, 0.66, 0.06), (0.0, 0.0, 0.85), 2),
            Box((1.50, 0.46, 0.012), (-0.40, 0.0, 0.886), 1),
            Box((2.405, 0.625, 0.10), (0.0, 0.0, 0.62), 4),
            Box((0.05, 0.05, 0.42), (0.75, 0.18, 1.08), 2),
            Box((0.36, 0.05, 0.26), (0.75, 0.12, 1.36), 3),
        ),
    ),
    "partition": Furniture(
        "partition",
        (_FELT, STEEL),
        (
            Box((1.60, 0.05, 1.15), (0.0, 0.0, 0.675)),
            Box((1.64, 0.06, 0.03), (0.0, 0.0, 1.265), 1),
            *(Box((0.04, 0.06, 1.28), (x, 0.0, 0.64), 1) for x in (-0.80, 0.80)),
            *(Box((0.06, 0.40, 0.03), (x, 0.0, 0.015), 1) for x in (-0.80, 0.80)),
        ),
    ),
    "printer": Furniture(
        "printer",
        (WHITE, BLACK, STEEL),
        (
            Box((0.62, 0.60, 0.70), (0.0, 0.0, 0.37)),
            Box((0.66, 0.64, 0.26), (0.0, 0.0, 0.85), 1),
            Box((0.64, 0.60, 0.14), (0.0, 0.0, 1.05)),
            *(Box((0.50, 0.02, 0.14), (0.0, -0.305, z), 2) for z in (0.18, 0.38, 0.58)),
        ),
    ),
    "water_cooler": Furniture(
        "water_cooler",
        (WHITE, _WRAP, _BLUE),
        (
            Box((0.32, 0.32, 0.95), (0.0, 0.0, 0.475)),
            Box((0.20, 0.06, 0.16), (0.0, -0.17, 0.74), 2),
            Revolved(
                ((0.05, 0.95), (0.13, 1.02), (0.135, 1.30), (0.12, 1.34)), material=1, segments=24
            ),
        ),
    ),
    "table": Furniture(
        "table",
        (WALNUT, BLACK, WHITE, _GLASS),
        (
            Revolved(((0.46, 0.72), (0.47, 0.735), (0.46, 0.75)), segments=40),
            Revolved(((0.035, 0.02), (0.035, 0.72)), material=1, segments=16),
            Revolved(((0.28, 0.0), (0.27, 0.02), (0.05, 0.035)), material=1, segments=28),
            *(
                Revolved(((0.08, 0.75), (0.12, 0.765)), (x, y, 0.0), material=2, segments=28)
                for x, y in ((-0.22, 0.1), (0.22, -0.08))
            ),
            Revolved(((0.03, 0.75), (0.034, 0.86)), (0.02, 0.2, 0.0), material=3, segments=16),
        ),
    ),
    "bar": Furniture(
        "counter",
        (WALNUT, OAK, STEEL),
        (
            Box((4.00, 0.60, 1.05), (0.0, 0.0, 0.525)),
            Box((4.10, 0.72, 0.05), (0.0, -0.03, 1.075), 1),
            *(Box((0.03, 0.02, 0.95), (-1.8 + 0.4 * i, -0.305, 0.53), 1) for i in range(10)),
            Revolved(((0.02, -1.95), (0.02, 1.95)), (0.0, -0.42, 0.22), "x", 2, 14),
        ),
    ),
    "bottles": Furniture(
        "shelf",
        (WALNUT, _GREEN, _APPLE, _LEMON, _GLASS, _LIT),
        (
            Box((3.60, 0.05, 1.30), (0.0, 0.14, 1.65)),
            *(Box((3.60, 0.26, 0.03), (0.0, 0.0, z)) for z in (1.05, 1.45, 1.85, 2.30)),
            *(Box((3.50, 0.02, 0.02), (0.0, 0.08, z), 5) for z in (1.83, 2.28)),
            *(
                Revolved(
                    ((0.036, 0.0), (0.038, 0.17), (0.014, 0.22), (0.014, 0.29)),
                    (-1.70 + 0.115 * i, 0.0, z),
                    material=1 + (7 * i + j) % 4,
                    segments=12,
                )
                for j, z in enumerate((1.065, 1.465, 1.865))
                for i in range(30)
                if (i * 5 + j) % 7
            ),
        ),
    ),
    "bush": Furniture(
        "plant",
        (_CONCRETE, LEAF),
        (
            Box((0.45, 0.45, 0.45), (0.0, 0.0, 0.225)),
            *(
                Cushion(
                    (0.30, 0.30, 0.26),
                    (0.16 * ((i * 7) % 3 - 1), 0.16 * ((i * 5) % 4 - 1.5), 0.52 + 0.12 * (i % 6)),
                    1,
                    0.15,
                    12,
                )
                for i in range(24)
            ),
        ),
    ),
    **{kind: FURNITURE[kind] for kind in ("chair", "desk", "bookshelf", "plant", "stool", "box")},
}
