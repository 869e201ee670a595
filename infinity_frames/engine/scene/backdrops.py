"""Backdrops: several furnished rooms per scene name; the job's seed chooses one and its colors.

A backdrop is a layout of the scene, perhaps mirrored from left to right, with surfaces, textiles
and wood from palettes. A new layout is an entry of `LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.scene.furniture.home import FURNITURE, Furniture
from infinity_frames.engine.scene.rooms import ROOMS, Room, Standing, Window
from infinity_frames.engine.scene.scene import Color, Material

__all__ = ["LAYOUTS", "backdrop"]

# Wall paints, linear RGB.
_PAINTS: tuple[Color, ...] = (
    (0.60, 0.60, 0.58),
    (0.52, 0.47, 0.40),
    (0.35, 0.40, 0.36),
    (0.30, 0.36, 0.42),
    (0.48, 0.36, 0.30),
    (0.42, 0.42, 0.44),
    (0.56, 0.50, 0.36),
    (0.22, 0.28, 0.26),
    (0.13, 0.20, 0.28),
    (0.34, 0.17, 0.13),
    (0.20, 0.20, 0.22),
)
_LIGHT_PAINTS = 7  # the first ones go on all walls, the others on the accent wall only
_WALL_PATTERNS = ("plaster", "plaster", "plaster", "stripes")
_FLOORS = (
    Material((0.40, 0.24, 0.12), (0.30, 0.17, 0.08), "planks", 0.14, roughness=0.5),
    Material((0.15, 0.08, 0.045), (0.10, 0.05, 0.028), "planks", 0.16, roughness=0.4),
    Material((0.34, 0.32, 0.29), (0.26, 0.24, 0.22), "planks", 0.18, roughness=0.55),
    Material((0.52, 0.40, 0.26), (0.44, 0.32, 0.20), "planks", 0.09, roughness=0.45),
    Material((0.40, 0.36, 0.30), (0.32, 0.28, 0.23), "carpet", 0.05, roughness=1.0),
    Material((0.22, 0.23, 0.25), (0.16, 0.17, 0.19), "carpet", 0.04, roughness=1.0),
    Material((0.40, 0.22, 0.15), (0.30, 0.27, 0.24), "tiles", 0.33, roughness=0.5),
    Material((0.44, 0.43, 0.41), (0.30, 0.29, 0.28), "tiles", 0.50, roughness=0.4),
)
_GYM_FLOORS = (
    Material((0.05, 0.05, 0.055), (0.16, 0.17, 0.20), "rubber", 0.08, roughness=0.75),
    Material((0.04, 0.04, 0.045), (0.22, 0.10, 0.06), "rubber", 0.10, roughness=0.75),
    Material((0.07, 0.08, 0.10), (0.04, 0.05, 0.06), "rubber", 0.06, roughness=0.8),
    Material((0.42, 0.30, 0.17), (0.34, 0.23, 0.12), "planks", 0.10, roughness=0.35),
    Material((0.30, 0.30, 0.29), (0.24, 0.24, 0.235), "concrete", 0.6, roughness=0.7),
)
_GYM_ACCENTS = (
    Material((0.30, 0.115, 0.075), (0.40, 0.36, 0.32), "brick", 0.24, roughness=0.9),
    Material((0.42, 0.41, 0.39), (0.36, 0.35, 0.33), "brick", 0.24, roughness=0.9),
    Material((0.36, 0.36, 0.35), (0.29, 0.29, 0.285), "concrete", 0.8, roughness=0.85),
    Material((0.07, 0.10, 0.16), (0.06, 0.085, 0.14), "plaster", 1.0, roughness=0.9),
    Material((0.40, 0.26, 0.13), (0.30, 0.18, 0.08), "planks", 0.16, roughness=0.6),
)
# Textiles: a color, and a darker color of the weave.
_TEXTILES: tuple[Color, ...] = (
    (0.05, 0.09, 0.20),
    (0.36, 0.10, 0.045),
    (0.20, 0.21, 0.22),
    (0.10, 0.18, 0.12),
    (0.45, 0.36, 0.22),
    (0.28, 0.08, 0.14),
    (0.55, 0.52, 0.46),
    (0.16, 0.26, 0.32),
    (0.42, 0.24, 0.10),
)
_WOODS: tuple[tuple[Color, Color], ...] = (
    ((0.42, 0.26, 0.13), (0.30, 0.17, 0.08)),
    ((0.16, 0.08, 0.04), (0.09, 0.045, 0.02)),
    ((0.55, 0.43, 0.29), (0.46, 0.34, 0.21)),
    ((0.24, 0.13, 0.07), (0.16, 0.08, 0.04)),
)
_RUG_PATTERNS = (("plain", 1.0), ("fabric", 0.06), ("carpet", 0.04), ("tiles", 0.42))

_GYM, _WIDE, _DESK, _STRIPED = (ROOMS[name] for name in ROOMS)

LAYOUTS: Mapping[str, tuple[Room, ...]] = {
    "GYM_1": (
        _GYM,
        replace(
            _GYM,
            furniture=(
                Standing("dumbbell_rack", -1.9, 2.45),
                Standing("power_rack", 2.35, 2.0),
                Standing("exercise_ball", -3.0, 1.1, 0.0, 0.15),
                Standing("exercise_ball", -3.2, 0.3, 0.0, 0.10),
                Standing("bench", -2.4, -0.6, 15.0, 0.15),
                Standing("kettlebell", 0.5, 2.5, 10.0, 0.05),
                Standing("kettlebell", 0.8, 2.45, 80.0, 0.05),
                Standing("kettlebell", 1.05, 2.5, -20.0, 0.05),
                Standing("plyo_box", 2.8, -0.6, 30.0, 0.15),
                Standing("stool", 3.2, -2.4, 0.0, 0.10),
            ),
        ),
        replace(
            _GYM,
            furniture=(
                Standing("bench", -2.3, 1.9, 90.0, 0.10),
                Standing("bench", 2.5, 1.2, 5.0, 0.10),
                Standing("plyo_box", -0.9, 2.4, 0.0, 0.05),
                Standing("plyo_box", -0.15, 2.45, 10.0, 0.05),
                Standing("dumbbell_rack", 1.9, 2.5),
                Standing("tall_plant", -3.4, 2.4, 0.0, 0.05),
                Standing("exercise_ball", -3.0, 0.4, 0.0, 0.15),
                Standing("chair", 3.2, -1.2, 90.0, 0.10),
            ),
        ),
    ),
    "BEDROOM_2": (
        _WIDE,
        replace(
            _WIDE,
            furniture=(
                Standing("armchair", -2.0, 1.7, 25.0, 0.06),
                Standing("bookshelf", -0.7, 2.1),
                Standing("floor_lamp", -1.35, 2.05),
                Standing("tall_plant", 0.55, 2.0, 0.0, 0.05),
                Standing("single_bed", 2.2, 1.1, 0.0, 0.02),
                Standing("laundry_basket", -2.3, -0.2, 0.0, 0.10),
            ),
            window=Window("west", -0.9, sill=0.55, width=1.7, height=1.75, curtains=False),
            art=(1.25, 1.65),
        ),
        replace(
            _WIDE,
            furniture=(
                Standing("desk", -1.65, 1.9),
                Standing("chair", -1.65, 1.4, 170.0, 0.06),
                Standing("wardrobe", 2.3, 1.93),
                Standing("nightstand", 2.7, 1.2, -90.0),
                Standing("box", 1.4, 2.05, 8.0, 0.04),
                Standing("plant", -2.35, -1.3, 0.0, 0.08),
                Standing("bookshelf", 2.85, -1.6, -90.0),
            ),
            window=Window("north", 0.35, width=1.2, curtains=False),
            art=(-1.5, 1.9),
        ),
    ),
    "BEDROOM_4": (
        _DESK,
        replace(
            _DESK,
            furniture=(
                Standing("single_bed", -2.1, 1.05, 0.0, 0.02),
                Standing("nightstand", -1.2, 1.9),
                Standing("wardrobe", 1.4, 1.85),
                Standing("armchair", 2.2, 0.6, -70.0, 0.08),
                Standing("tall_plant", 2.5, 1.75, 0.0, 0.05),
            ),
            window=Window("east", -0.8, sill=0.6, width=1.6, height=1.6, curtains=True),
            art=(0.3, 1.7),
        ),
        replace(
            _DESK,
            furniture=(
                Standing("bookshelf", -2.2, 2.0),
                Standing("bookshelf", -1.2, 2.0),
                Standing("armchair", 1.85, 1.6, -20.0, 0.06),
                Standing("floor_lamp", 2.4, 1.8),
                Standing("stool", 2.3, 0.7, 0.0, 0.10),
                Standing("laundry_basket", -2.4, 0.4, 0.0, 0.08),
                Standing("box", -2.35, -0.7, 20.0, 0.08),
            ),
            window=Window("north", 0.3, sill=0.45, width=1.4, height=1.8, curtains=True),
            art=(-1.7, 2.2),
        ),
    ),
    "BEDROOM_5": (
        _STRIPED,
        replace(
            _STRIPED,
            furniture=(
                Standing("wardrobe", -1.7, 2.0),
                Standing("single_bed", 2.0, 1.25, 0.0, 0.02),
                Standing("nightstand", 0.75, 2.1),
                Standing("chair", -2.1, 0.4, 80.0, 0.08),
                Standing("plant", -0.6, 1.95, 0.0, 0.05),
            ),
            window=Window("west", -0.6, width=1.4),
            rug=None,
            art=(0.0, 1.7),
        ),
        replace(
            _STRIPED,
            furniture=(
                Standing("desk", 1.6, 2.0),
                Standing("chair", 1.6, 1.5, 190.0, 0.05),
                Standing("bookshelf", -2.0, 2.2),
                Standing("tall_plant", -1.1, 2.1, 0.0, 0.05),
                Standing("armchair", -2.0, 0.6, 60.0, 0.08),
                Standing("box", 2.2, 0.4, 12.0, 0.08),
                Standing("floor_lamp", -2.3, 1.4),
            ),
            window=Window("east", -0.5, sill=0.7, width=1.7, height=1.5, curtains=False),
            art=(-0.1, 1.7),
        ),
    ),
}
"""Furnished rooms by the name of the scene."""


def backdrop(scene: str, seed: int) -> Room:
    """Return the room of a job.

    Parameters
    ----------
    scene : str
        Name in `LAYOUTS`.
    seed : int
        The job's seed; it decides the layout, the mirroring and all colors.

    Returns
    -------
    Room
    """
    draw = stream(seed, "backdrop")
    layouts = LAYOUTS[scene]
    room = layouts[int(draw.integers(len(layouts)))]
    if draw.random() < 0.5:
        room = _mirrored(room)
    room = _painted(room, draw) if room.window is not None else _gym_surfaces(room, draw)
    return replace(room, pieces=_recolored(room.pieces, draw))


def _mirrored(room: Room) -> Room:
    """Mirror a room from left to right."""
    window = room.window
    if window is not None and window.wall == "north":
        window = replace(window, at=-window.at)
    elif window is not None:
        window = replace(window, wall="east" if window.wall == "west" else "west")
    rug = (
        None if room.rug is None else (room.rug[0], (-room.rug[1][0], room.rug[1][1]), room.rug[2])
    )
    return replace(
        room,
        west=-room.east,
        east=-room.west,
        furniture=tuple(replace(s, x=-s.x, yaw=-s.yaw) for s in room.furniture),
        window=window,
        rug=rug,
        art=(-room.art[0], room.art[1]),
    )


def _painted(room: Room, draw: np.random.Generator) -> Room:
    """Color floor, walls and rug from the palettes."""
    walls = _paint(_PAINTS[int(draw.integers(_LIGHT_PAINTS))], "plaster", draw)
    pattern = _WALL_PATTERNS[int(draw.integers(len(_WALL_PATTERNS)))]
    accent = walls
    if draw.random() < 0.6:
        accent = _paint(_PAINTS[int(draw.integers(len(_PAINTS)))], pattern, draw)
    floor = _FLOORS[int(draw.integers(len(_FLOORS)))]
    rug = None
    if draw.random() < 0.5:
        name, scale = _RUG_PATTERNS[int(draw.integers(len(_RUG_PATTERNS)))]
        color = _TEXTILES[int(draw.integers(len(_TEXTILES)))]
        material = Material(color, _scaled(color, 0.72), name, scale, roughness=1.0)
        size = (float(draw.uniform(1.6, 2.3)), float(draw.uniform(2.0, 2.8)))
        rug = (material, (0.0, 0.1), size)
    return replace(room, walls=walls, accent=accent, floor=floor, rug=rug)


def _gym_surfaces(room: Room, draw: np.random.Generator) -> Room:
    walls = _paint(_PAINTS[int(draw.integers(_LIGHT_PAINTS))], "plaster", draw)
    accent = _GYM_ACCENTS[int(draw.integers(len(_GYM_ACCENTS)))]
    return replace(
        room,
        walls=walls,
        accent=accent,
        floor=_GYM_FLOORS[int(draw.integers(len(_GYM_FLOORS)))],
    )


def _paint(color: Color, pattern: str, draw: np.random.Generator) -> Material:
    tone = _scaled(color, float(draw.uniform(0.85, 1.1)))
    scale = 1.0 if pattern == "plaster" else float(draw.uniform(0.12, 0.3))
    return Material(tone, _scaled(tone, 0.92), pattern, scale, roughness=0.95)


def _recolored(pieces: Mapping[str, Furniture], draw: np.random.Generator) -> dict[str, Furniture]:
    """Color every kind of furniture with textiles and woods from the palettes.

    Every fabric of one piece gets a color of its own; all wood of a room is of one kind.
    """
    wood = _WOODS[int(draw.integers(len(_WOODS)))]
    picks = draw.integers(len(_TEXTILES), size=(len(FURNITURE), 8))
    out = dict(pieces)
    for kind, row in zip(FURNITURE, picks, strict=True):
        piece = pieces[kind]
        materials = tuple(
            _recolored_material(material, wood, _TEXTILES[int(pick)])
            for material, pick in zip(piece.materials, row, strict=False)
        )
        out[kind] = replace(piece, materials=materials)
    return out


def _recolored_material(material: Material, wood: tuple[Color, Color], cloth: Color) -> Material:
    if material.pattern == "wood":
        return replace(material, color=wood[0], color2=wood[1])
    # Bed linen and the like stays bright; black leather stays black.
    if material.pattern == "fabric" and 0.04 < max(material.color) < 0.5:
        return replace(material, color=cloth, color2=_scaled(cloth, 0.72))
    return material


def _scaled(color: Color, factor: float) -> Color:
    return (color[0] * factor, color[1] * factor, color[2] * factor)
