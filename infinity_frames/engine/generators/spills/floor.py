"""The floor of Spills v0.1.0: which pixels a spill wets, and what they look like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.spills.liquid import Liquid, Spill
from infinity_frames.engine.generators.spills.wet_floor import (
    Array,
    Image,
    Part,
    WetFloor,
    reflectance,
)
from infinity_frames.engine.scene.scene import Camera, Scene

__all__ = ["Floor"]

_RIM = 0.035  # width of the slope at a spill's edge, m
_NEAREST = 1e-3  # m, avoids division by 0


class Floor(WetFloor):
    """The floor of a place, and a spill on it.

    Parameters
    ----------
    scene : Scene
        The place; one of its objects is ``floor``, at z = 0.
    spill : Spill
    liquid : Liquid
    depth : float
        Depth of the liquid, mm.
    """

    def __init__(self, scene: Scene, spill: Spill, liquid: Liquid, depth: float) -> None:
        super().__init__(scene)
        self._spill, self._liquid, self._depth = spill, liquid, depth
        self._away, self._direction, down = _on_floor(
            scene.camera, spill.center, self.visible.shape
        )
        self._reflects = reflectance(down)

    def wet(self, grown: float) -> NDArray[np.bool_]:
        """Return pixels whose centers see the spill when it has grown to this share, (H, W)."""
        return self.visible & (self._inside(grown) >= 0.0) & (grown > 0.0)

    def picture(self, grown: float) -> Image:
        """Return the place when the spill has grown to this share, (H, W, 3) radiance."""
        if grown <= 0.0:
            return self.dry
        return self._composed(self._inside(grown), _RIM, self._wet_color)

    def _final(self) -> tuple[Array, float]:
        return self._inside(1.0), _RIM

    def _inside(self, grown: float) -> Array:
        """Distance of each pixel's place on the floor from the edge, positive inside, (H, W) m."""
        return self._spill.edge(self._direction, max(grown, 1e-9)) - self._away

    def _wet_color(self, part: Part, within: Array) -> Image:
        """Radiance of a part of the picture, if all of it were wet."""
        # The surface rises from the edge as a quarter of an ellipse.
        rise = np.clip(within / _RIM, 0.0, 1.0)
        level = np.sqrt(1.0 - (1.0 - rise) ** 2)
        # Beer and Lambert: each millimeter lets the same share of the light pass.
        passes = ((1.0 - self._liquid.hides) ** (self._depth * level)).astype(np.float32)[..., None]
        wets = self._liquid.wets ** np.clip(level, 0.0, 1.0).astype(np.float32)[..., None]
        below = self.dry[part] * wets * passes
        own = self._lit[part] * np.array(self._liquid.color, np.float32) * (1.0 - passes)
        reflects = self._reflects[part][..., None]
        direction = self._direction[part]
        mirror = self._mirror(part, rise, np.cos(direction), np.sin(direction))
        return np.asarray((below + own) * (1.0 - reflects) + reflects * mirror)


def _on_floor(camera: Camera, center: Array, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Intersect the ray of each pixel's center with the floor, relative to a point of it.

    Returns
    -------
    away, direction : (H, W) array
        Distance from the point, m, infinite above the horizon; direction, rad.
    facing : (H, W) array
        Cosine of the angle between the ray and the floor's normal.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays = pixels @ np.linalg.inv(camera.K).T @ camera.RT[:, :3]
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    x, y, height = camera.location
    down = np.where(rays[..., 2] < -_NEAREST, -rays[..., 2], np.nan)
    reach = height / down
    east, north = x + reach * rays[..., 0] - center[0], y + reach * rays[..., 1] - center[1]
    away = np.nan_to_num(np.hypot(east, north), nan=1e6)
    direction = np.nan_to_num(np.arctan2(north, east))
    return away, direction, np.nan_to_num(down)
