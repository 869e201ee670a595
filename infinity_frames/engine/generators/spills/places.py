"""The places of spills: rooms, their fixed cameras, and the zones where spills start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.scene.camera import look
from infinity_frames.engine.scene.furniture.public import FITTINGS
from infinity_frames.engine.scene.room_geometry import room_objects
from infinity_frames.engine.scene.rooms import Room, Standing
from infinity_frames.engine.scene.scene import Camera, Light, Material, Object, Scene
from infinity_frames.engine.scene.solids import Box, merge

__all__ = ["HEIGHT", "PLACES", "WIDTH", "Place"]

WIDTH, HEIGHT = 960, 624
"""Size of the pictures, px."""

_POLISHED = Material((0.36, 0.37, 0.36), (0.30, 0.31, 0.30), "concrete", 1.6, roughness=0.75)
_GREEN_FLOOR = Material((0.25, 0.32, 0.29), (0.21, 0.27, 0.25), "concrete", 2.0, roughness=0.75)
_OLD_FLOOR = Material((0.33, 0.30, 0.26), (0.24, 0.22, 0.19), "concrete", 1.1, roughness=0.85)
_SHOP_TILES = Material((0.56, 0.55, 0.52), (0.36, 0.35, 0.33), "tiles", 0.6, roughness=0.7)
_SMALL_TILES = Material((0.46, 0.42, 0.36), (0.26, 0.24, 0.21), "tiles", 0.33, roughness=0.75)
_CARPET = Material((0.16, 0.18, 0.21), (0.12, 0.135, 0.16), "carpet", 0.02, roughness=0.95)
_PLANKS = Material((0.36, 0.22, 0.11), (0.25, 0.14, 0.065), "planks", 0.14, roughness=0.6)
_PANELS = Material((0.50, 0.52, 0.53), (0.44, 0.46, 0.47), "stripes", 0.6, roughness=0.8)
_BLOCKS = Material((0.47, 0.45, 0.42), (0.40, 0.38, 0.36), "brick", 0.5, roughness=0.9)
_RED_BRICK = Material((0.30, 0.115, 0.075), (0.40, 0.36, 0.32), "brick", 0.24, roughness=0.9)
_CREAM = Material((0.58, 0.54, 0.46), (0.54, 0.50, 0.42), "plaster", 1.2, roughness=0.95)
_COOL = Material((0.55, 0.57, 0.58), (0.51, 0.53, 0.54), "plaster", 1.2, roughness=0.95)
_FOREST = Material((0.06, 0.14, 0.11), (0.05, 0.12, 0.095), "plaster", 1.2, roughness=0.9)
_SHINE = Material((5.5, 5.6, 5.7), roughness=0.9, specular=0.0)
_WARM_SHINE = Material((5.8, 4.6, 3.2), roughness=0.9, specular=0.0)

_DAY = (0.93, 0.98, 1.0)
_WARM = (1.0, 0.80, 0.58)


@dataclass(frozen=True)
class Place:
    """A room with a fixed camera.

    Parameters
    ----------
    room : Room
    camera : (x, y, z, yaw, pitch)
        Location of the camera, m, and its direction, deg; see `look`.
    zone : (west, east, south, north)
        Bounds of the points where a spill may start, m.
    lamps : tuple of (x, y, length, power)
        Tubes under the ceiling, along Y: center, m, length, m, and power, W.
    tint : tuple of float
        Linear RGB of their light.
    warm : bool
        The lamps have a warm color.
    """

    room: Room
    camera: tuple[float, float, float, float, float]
    zone: tuple[float, float, float, float]
    lamps: tuple[tuple[float, float, float, float], ...]
    tint: tuple[float, float, float] = _DAY
    warm: bool = False

    def scene(
        self,
        seed: int,
        camera: Camera | None = None,
        *,
        lamp_size: float = 1.4,
        power: float = 1.0,
        sunlight: Light | None = None,
    ) -> Scene:
        """Build the scene of the place; the seed moves its furniture a little.

        Parameters
        ----------
        seed : int
            The job's seed.
        camera : Camera, optional
            Default: the place's own.
        lamp_size : float
            Side of each lamp, m.
        power : float
            Factor on the power of the lamps.
        sunlight : Light, optional
        """
        x, y, z, yaw, pitch = self.camera
        height = self.room.height
        lights = tuple(
            Light((at, along, height - 0.2), (at, along, 0.0), lamp_size, power * watts, self.tint)
            for at, along, _, watts in self.lamps
        )
        if sunlight is not None:
            lights = (*lights, sunlight)
        objects = (*room_objects(self.room, seed), self._tubes())
        return Scene(objects, camera or self._camera(x, y, z, yaw, pitch), lights)

    def start(self, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Draw the source of a job's spill, (2,) m."""
        west, east, south, north = self.zone
        return stream(seed, "spill_place").uniform([west, south], [east, north])

    def _camera(self, x: float, y: float, z: float, yaw: float, pitch: float) -> Camera:
        return look([x, y, z], yaw, pitch, WIDTH, HEIGHT)

    def _tubes(self) -> Object:
        """Return the visible lamps, which a wet floor mirrors."""
        z = self.room.height - 0.12
        parts = [Box((0.22, length, 0.06), (at, along, z)) for at, along, length, _ in self.lamps]
        mesh = merge([part.mesh() for part in parts])
        shine = _WARM_SHINE if self.warm else _SHINE
        return Object("tubes", mesh, (shine,), casts_shadow=False)


def _row(kind: str, x: float, ys: tuple[float, ...], yaw: float) -> tuple[Standing, ...]:
    return tuple(Standing(kind, x, y, yaw, 0.0) for y in ys)


def _hall(
    floor: Material, walls: Material, accent: Material, *furniture: Standing, width: float = 12.0
) -> Room:
    return Room(
        west=-width / 2,
        east=width / 2,
        south=-3.0,
        north=16.0,
        height=6.2,
        floor=floor,
        walls=walls,
        accent=accent,
        furniture=furniture,
        pieces=FITTINGS,
    )


def _shop(
    floor: Material, walls: Material, accent: Material, *furniture: Standing, width: float = 9.0
) -> Room:
    return Room(
        west=-width / 2,
        east=width / 2,
        south=-2.5,
        north=9.5,
        height=3.3,
        floor=floor,
        walls=walls,
        accent=accent,
        furniture=furniture,
        pieces=FITTINGS,
    )


_HIGH = tuple((x, y, 2.4, 260.0) for x in (-2.6, 2.6) for y in (2.0, 8.0, 13.0))
_LOW = tuple((x, y, 1.4, 75.0) for x in (-2.2, 2.2) for y in (1.0, 4.5, 8.0))

PLACES: dict[str, Place] = {
    "WAREHOUSE_0001": Place(
        _hall(
            _POLISHED,
            _PANELS,
            _PANELS,
            *_row("pallet_rack", -4.6, (3.0, 5.85, 8.7, 11.55, 14.4), 90.0),
            *_row("pallet_rack", 4.9, (8.7, 11.55, 14.4), -90.0),
            Standing("shutter", 0.6, 15.85, 0.0, 0.0),
            Standing("wrapped_pallet", 4.3, 5.4, 8.0, 0.15),
            Standing("loaded_pallet", 3.0, 10.6, -12.0, 0.2),
            Standing("empty_pallets", -2.6, 12.6, 10.0, 0.2),
        ),
        (0.6, -2.2, 2.7, 4.0, 76.0),
        (-1.8, 2.0, 2.8, 5.6),
        _HIGH,
    ),
    "WAREHOUSE_0002": Place(
        _hall(
            _GREEN_FLOOR,
            _PANELS,
            _COOL,
            *_row("pallet_rack", -1.9, (7.2, 10.05, 12.9), 90.0),
            *_row("pallet_rack", -5.0, (4.4, 7.25, 10.1, 12.95), 90.0),
            *_row("low_rack", 5.1, (6.0, 9.0, 12.0), -90.0),
            Standing("shutter", 3.2, 15.85, 0.0, 0.0),
            Standing("column", 2.4, 9.4, 0.0, 0.0),
            Standing("drums", 4.4, 3.6, 15.0, 0.15),
            Standing("wrapped_pallet", -3.4, 4.2, -6.0, 0.15),
        ),
        (1.8, -2.4, 3.1, 12.0, 74.0),
        (-0.6, 2.6, 2.4, 5.2),
        _HIGH,
    ),
    "WAREHOUSE_0003": Place(
        _hall(
            _OLD_FLOOR,
            _BLOCKS,
            _BLOCKS,
            *_row("low_rack", -5.2, (2.6, 5.6, 8.6, 11.6), 90.0),
            Standing("column", -2.2, 6.4, 0.0, 0.0),
            Standing("column", 2.6, 6.4, 0.0, 0.0),
            Standing("column", -2.2, 12.0, 0.0, 0.0),
            Standing("column", 2.6, 12.0, 0.0, 0.0),
            Standing("drums", -3.6, 3.4, -20.0, 0.15),
            Standing("drums", 4.3, 10.4, 40.0, 0.15),
            Standing("loaded_pallet", 4.4, 4.4, 80.0, 0.2),
            Standing("loaded_pallet", 0.4, 12.6, 5.0, 0.2),
            Standing("empty_pallets", 4.6, 7.0, 12.0, 0.2),
            Standing("shutter", 0.0, 15.85, 0.0, 0.0),
        ),
        (-0.4, -2.4, 2.2, -3.0, 79.0),
        (-1.4, 1.8, 1.8, 4.6),
        _HIGH,
    ),
    "GROCERY_0001": Place(
        _shop(
            _SHOP_TILES,
            _CREAM,
            _CREAM,
            *_row("gondola", -1.75, (2.6, 5.02), 90.0),
            *_row("gondola_b", 1.75, (2.6, 5.02), 90.0),
            *_row("gondola_b", -4.1, (2.6, 5.02), 90.0),
            *_row("gondola", 4.1, (2.6, 5.02), 90.0),
            Standing("cooler", -2.5, 8.95, 0.0, 0.0),
            Standing("cooler", 0.0, 8.95, 0.0, 0.0),
            Standing("cooler", 2.5, 8.95, 0.0, 0.0),
        ),
        (0.15, -1.9, 2.3, 1.5, 75.0),
        (-0.45, 0.5, 2.0, 4.4),
        _LOW,
    ),
    "GROCERY_0002": Place(
        _shop(
            _SMALL_TILES,
            _CREAM,
            _FOREST,
            Standing("oranges", -3.3, 3.0, 90.0, 0.05),
            Standing("apples", -3.3, 4.3, 90.0, 0.05),
            Standing("limes", -3.3, 5.6, 90.0, 0.05),
            Standing("apples", 0.2, 5.9, 0.0, 0.1),
            Standing("oranges", -1.0, 5.9, 0.0, 0.1),
            Standing("checkout", 3.0, 3.4, 90.0, 0.0),
            Standing("checkout", 3.0, 6.6, 90.0, 0.0),
            Standing("cooler", -3.0, 8.95, 0.0, 0.0),
            Standing("cooler", -0.5, 8.95, 0.0, 0.0),
            Standing("gondola_b", 2.4, 8.6, 0.0, 0.0),
        ),
        (0.3, -1.9, 2.4, 4.0, 73.0),
        (-1.5, 1.3, 2.0, 4.2),
        _LOW,
        warm=True,
        tint=(1.0, 0.93, 0.84),
    ),
    "OFFICE_0001": Place(
        _shop(
            _CARPET,
            _COOL,
            _COOL,
            Standing("desk", -2.9, 4.0, 180.0, 0.0),
            Standing("chair", -2.9, 4.9, 200.0, 0.15),
            Standing("partition", -2.9, 3.5, 0.0, 0.0),
            Standing("desk", -2.9, 7.2, 180.0, 0.0),
            Standing("chair", -2.9, 8.1, 170.0, 0.15),
            Standing("partition", -2.9, 6.7, 0.0, 0.0),
            Standing("desk", 2.6, 6.4, 0.0, 0.0),
            Standing("chair", 2.5, 5.6, 10.0, 0.2),
            Standing("partition", 2.6, 6.9, 0.0, 0.0),
            Standing("printer", 3.7, 3.4, -90.0, 0.0),
            Standing("water_cooler", 1.2, 9.1, 0.0, 0.0),
            Standing("bookshelf", -0.4, 9.3, 0.0, 0.0),
            Standing("bush", 3.6, 8.8, 0.0, 0.1),
            Standing("plant", -4.0, 9.0, 0.0, 0.1),
        ),
        (0.1, -1.9, 2.3, 2.0, 75.0),
        (-1.2, 1.5, 2.3, 4.6),
        _LOW,
    ),
    "RESTAURANT_0001": Place(
        _shop(
            _PLANKS,
            _CREAM,
            _RED_BRICK,
            Standing("bar", -1.6, 8.0, 0.0, 0.0),
            Standing("bottles", -1.6, 9.25, 0.0, 0.0),
            *(Standing("stool", x, 7.2, 0.0, 0.05) for x in (-2.8, -2.0, -1.2, -0.4)),
            Standing("table", 2.7, 3.6, 0.0, 0.05),
            Standing("chair", 2.7, 2.85, 180.0, 0.1),
            Standing("chair", 2.7, 4.35, 0.0, 0.1),
            Standing("table", 2.6, 6.6, 0.0, 0.05),
            Standing("chair", 1.85, 6.6, 90.0, 0.1),
            Standing("chair", 3.35, 6.6, -90.0, 0.1),
            Standing("table", -3.0, 4.2, 0.0, 0.05),
            Standing("chair", -3.0, 3.45, 180.0, 0.1),
            Standing("chair", -2.25, 4.2, -90.0, 0.1),
            Standing("bush", 3.9, 9.0, 0.0, 0.05),
        ),
        (-0.2, -1.9, 2.1, -2.0, 77.0),
        (-1.2, 1.3, 2.0, 4.4),
        tuple((x, y, 0.5, 60.0) for x in (-2.4, 0.0, 2.4) for y in (1.5, 4.5, 7.5)),
        _WARM,
        warm=True,
    ),
}
