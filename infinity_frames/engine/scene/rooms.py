"""The rooms as data: size, surfaces, window, furniture. A new room is an entry of `ROOMS`.

The avatar exercises near the origin, and the camera stands up to 5.25 m away on its -Y side, so
furniture leaves this corridor free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infinity_frames.engine.scene.furniture.home import FURNITURE, Furniture
from infinity_frames.engine.scene.scene import Color, Material

__all__ = ["ROOMS", "Room", "Standing", "Wall", "Window"]

Wall = Literal["north", "west", "east"]


@dataclass(frozen=True)
class Standing:
    """A piece of furniture in a room: kind, place (m), turn (deg), largest random shift (m)."""

    kind: str
    x: float
    y: float
    yaw: float = 0.0
    play: float = 0.05


@dataclass(frozen=True)
class Window:
    """A window: its wall, position along the wall, sill height, width and height, m."""

    wall: Wall
    at: float
    sill: float = 0.95
    width: float = 1.3
    height: float = 1.25
    curtains: bool = True


@dataclass(frozen=True)
class Room:
    """A room.

    Parameters
    ----------
    west, east, south, north : float
        Coordinates of its walls, m; the camera is always inside.
    height : float
        Height of the ceiling, m.
    floor, walls, accent : Material
        Materials; `accent` is the one of the north wall, which most pictures show.
    furniture : tuple of Standing
        The furniture in it.
    window : Window or None
    rug : (material, (x, y), (width, depth)) or None
        A rug on the floor. Labels count it as room and not as furniture.
    light : tuple of float
        Linear RGB tint of its lamp.
    tubes : bool
        The lamp is a pair of tubes instead of a round shade.
    art : (x, z)
        Center of the wall art on the north wall, m.
    pieces : mapping of str to Furniture
        Definition of each kind of furniture that `furniture` names.
    occluders : tuple of str
        Kinds of furniture that may stand between avatar and camera.
    """

    west: float
    east: float
    south: float
    north: float
    height: float
    floor: Material
    walls: Material
    accent: Material
    furniture: tuple[Standing, ...]
    window: Window | None = None
    rug: tuple[Material, tuple[float, float], tuple[float, float]] | None = None
    light: Color = (1.0, 0.93, 0.83)
    tubes: bool = False
    art: tuple[float, float] = (0.0, 1.65)
    pieces: Mapping[str, Furniture] = field(default_factory=lambda: FURNITURE)
    occluders: tuple[str, ...] = (
        "chair",
        "stool",
        "plant",
        "laundry_basket",
        "armchair",
        "floor_lamp",
        "nightstand",
        "box",
    )


ROOMS: dict[str, Room] = {
    "GYM_1": Room(
        west=-3.8,
        east=3.8,
        south=-6.2,
        north=2.9,
        height=3.6,
        floor=Material((0.05, 0.05, 0.055), (0.16, 0.17, 0.20), "rubber", 0.08, roughness=0.75),
        walls=Material((0.40, 0.41, 0.42), (0.33, 0.34, 0.35), "plaster", 1.2, roughness=0.9),
        accent=Material((0.30, 0.115, 0.075), (0.40, 0.36, 0.32), "brick", 0.24, roughness=0.9),
        furniture=(
            Standing("power_rack", -2.35, 2.1),
            Standing("dumbbell_rack", 1.7, 2.45),
            Standing("bench", 2.3, 0.6, 25.0, 0.15),
            Standing("plyo_box", -2.6, 0.3, 10.0, 0.15),
            Standing("exercise_ball", 3.1, 1.6, 0.0, 0.15),
            Standing("kettlebell", 0.15, 2.4, 20.0, 0.10),
            Standing("kettlebell", 0.50, 2.45, -30.0, 0.05),
            Standing("bench", -2.6, -2.2, 80.0, 0.15),
            Standing("plyo_box", 2.9, -2.0, -20.0, 0.15),
        ),
        light=(0.95, 0.98, 1.0),
        tubes=True,
        art=(0.1, 1.9),
        occluders=("bench", "plyo_box", "exercise_ball", "box", "stool"),
    ),
    "BEDROOM_2": Room(
        west=-2.7,
        east=3.05,
        south=-5.8,
        north=2.3,
        height=2.9,
        floor=Material((0.40, 0.24, 0.12), (0.30, 0.17, 0.08), "planks", 0.14, roughness=0.5),
        walls=Material((0.56, 0.57, 0.56), (0.52, 0.53, 0.52), "plaster", 1.0, roughness=0.95),
        accent=Material((0.56, 0.57, 0.56), (0.52, 0.53, 0.52), "plaster", 1.0, roughness=0.95),
        furniture=(
            Standing("double_bed", 2.2, 0.55, 0.0, 0.02),
            Standing("nightstand", 0.95, 2.0),
            Standing("wardrobe", -1.95, 1.95),
            Standing("chair", -2.2, 0.2, 70.0, 0.10),
            Standing("plant", -2.3, -1.6, 0.0, 0.10),
            Standing("bookshelf", 2.85, -2.4, -90.0),
        ),
        window=Window("west", -0.9),
        art=(-0.25, 1.65),
    ),
    "BEDROOM_4": Room(
        west=-2.8,
        east=2.85,
        south=-5.8,
        north=2.2,
        height=2.8,
        floor=Material((0.46, 0.42, 0.36), (0.38, 0.34, 0.29), "carpet", 0.05, roughness=1.0),
        walls=Material((0.62, 0.61, 0.58), (0.58, 0.57, 0.54), "plaster", 1.0, roughness=0.95),
        accent=Material((0.13, 0.22, 0.30), (0.11, 0.19, 0.27), "plaster", 1.0, roughness=0.95),
        furniture=(
            Standing("desk", -1.75, 1.8),
            Standing("chair", -1.75, 1.3, 180.0, 0.06),
            Standing("white_bed", 2.1, 0.9, 0.0, 0.02),
            Standing("floor_lamp", 1.0, 1.95),
            Standing("laundry_basket", -2.4, -0.3, 0.0, 0.12),
            Standing("wardrobe", -2.45, -2.4, 90.0),
        ),
        window=Window("north", 0.1, width=1.1, curtains=True),
        art=(-1.1, 1.75),
    ),
    "BEDROOM_5": Room(
        west=-2.6,
        east=2.6,
        south=-5.8,
        north=2.4,
        height=2.95,
        floor=Material((0.15, 0.08, 0.045), (0.10, 0.05, 0.028), "planks", 0.16, roughness=0.4),
        walls=Material((0.66, 0.60, 0.50), (0.62, 0.56, 0.46), "plaster", 1.0, roughness=0.95),
        accent=Material((0.42, 0.40, 0.30), (0.50, 0.48, 0.38), "stripes", 0.24, roughness=0.95),
        furniture=(
            Standing("single_bed", -2.0, 1.15, 0.0, 0.02),
            Standing("bookshelf", 1.85, 2.2),
            Standing("plant", 1.0, 1.9, 0.0, 0.08),
            Standing("armchair", 1.98, 0.3, -60.0, 0.08),
            Standing("nightstand", -2.2, -0.6, 90.0),
            Standing("floor_lamp", 2.3, -1.5, 0.0, 0.08),
        ),
        window=Window("east", -0.4, width=1.5),
        rug=(
            Material((0.30, 0.08, 0.06), (0.40, 0.30, 0.20), "stripes", 0.30, roughness=1.0),
            (0.0, 0.1),
            (2.3, 2.6),
        ),
        light=(1.0, 0.90, 0.78),
        art=(0.0, 1.7),
    ),
}
