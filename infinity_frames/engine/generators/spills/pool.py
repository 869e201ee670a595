"""The floor of Spills v0.2.0: which pixels a spill wets, and what they look like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.spills.flow import Flow
from infinity_frames.engine.generators.spills.liquids import Fluid, Wetting
from infinity_frames.engine.generators.spills.wet_floor import (
    Array,
    Image,
    Part,
    WetFloor,
    reflectance,
)
from infinity_frames.engine.scene.camera import undistort
from infinity_frames.engine.scene.scene import Camera, Scene

__all__ = ["Pool"]

_NEAREST = 1e-3  # m, avoids division by 0
_HOLLOWS = 0.35  # exponent of the depth: a slow front means a high floor, shallow liquid


class Pool(WetFloor):
    """A spill on a floor, seen by the scene's camera.

    Parameters
    ----------
    scene : Scene
        One of its objects is ``floor``, at z = 0.
    flow : Flow
        The spread of the liquid.
    fluid : Fluid
    wetting : Wetting
        How the floor takes up the liquid.
    depth : float
        Mean depth of the liquid, mm.
    """

    def __init__(
        self, scene: Scene, flow: Flow, fluid: Fluid, wetting: Wetting, depth: float
    ) -> None:
        super().__init__(scene)
        self._flow, self._fluid, self._wetting, self._depth = flow, fluid, wetting, depth
        points, down = _on_floor(scene.camera)
        self._reach = flow.reach(points)
        self._reflects = reflectance(down)

    def wet(self, share: float) -> NDArray[np.bool_]:
        """Return pixels whose centers see the spill when a share of its area is wet, (H, W)."""
        if share <= 0.0:
            return np.zeros_like(self.visible)
        return self.visible & (self._reach.time < self._flow.front(share))

    def picture(self, share: float) -> Image:
        """Return the place when a share of the spill's area is wet, (H, W, 3) radiance."""
        if share <= 0.0:
            return self.dry
        front = self._flow.front(share)
        return self._composed(
            self._inside(front),
            self._wetting.rim,
            lambda part, within: self._wet(part, within, front),
        )

    def _final(self) -> tuple[Array, float]:
        return self._inside(self._flow.front(1.0)), self._wetting.rim

    def _inside(self, front: float) -> Array:
        """Distance of each pixel's place from the front, positive inside, (H, W) m."""
        return np.asarray((front - self._reach.time) / self._reach.slowness)

    def _wet(self, part: Part, within: Array, front: float) -> Image:
        """Radiance of a part of the picture, if all of it were wet."""
        wetting, fluid = self._wetting, self._fluid
        # The surface of the film rises from its edge as a quarter of an ellipse.
        rise = np.clip((within - wetting.soaks) / wetting.rim, 0.0, 1.0)
        film = np.sqrt(1.0 - (1.0 - rise) ** 2)
        depth = self._depths(part, film, front)[..., None]
        damp = np.clip(within / max(wetting.soaks, 0.004), 0.0, 1.0)[..., None]
        # Beer and Lambert; the light passes the liquid down and up again.
        passes = np.exp(-2.0 * depth * np.array(fluid.absorbs))
        hides = 1.0 - (1.0 - fluid.scatters) ** depth
        below = self.dry[part] * wetting.darkens**damp * passes * (1.0 - hides)
        own = self._lit[part] * np.array(fluid.color) * hides
        reflects = self._reflects[part][..., None] * (film * wetting.film)[..., None]
        east, north = self._reach.outward
        mirror = self._mirror(part, rise, east[part], north[part])
        return np.asarray((below + own) * (1.0 - reflects) + reflects * mirror, np.float32)

    def _depths(self, part: Part, film: Array, front: float) -> Array:
        """Depth of the liquid that colors each pixel, mm; soaked liquid colors the floor too.

        Huppert, "The propagation of two-dimensional and axisymmetric viscous gravity currents over
        a rigid horizontal surface" (1982): the depth falls as (1 - r^2)^(1/3), 3/4 on average.
        """
        radius = np.clip(self._reach.time[part] / front, 0.0, 1.0)
        profile = np.cbrt(1.0 - radius**2) * (4.0 / 3.0)
        hollows = np.clip(self._reach.slowness[part], 0.2, 5.0) ** -_HOLLOWS
        soaked = (1.0 - self._wetting.film) * 0.5
        return np.asarray(self._depth * (self._wetting.film * film * profile * hollows + soaked))


def _on_floor(camera: Camera) -> tuple[Array, Array]:
    """Intersect the ray of each pixel's center with the floor.

    Returns
    -------
    points : (H, W, 2) array
        Global x and y, m; far away above the horizon.
    down : (H, W) array
        Cosine of the angle between the ray and the vertical; 0 above the horizon.
    """
    rows, columns = np.mgrid[: camera.height, : camera.width] + 0.5
    pixels = undistort(camera, np.stack([columns, rows], axis=-1))
    pixels = np.concatenate([pixels, np.ones((*rows.shape, 1))], axis=-1)
    rays = pixels @ np.linalg.inv(camera.K).T @ camera.RT[:, :3]
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    down = np.where(rays[..., 2] < -_NEAREST, -rays[..., 2], np.nan)
    points = camera.location[:2] + (camera.location[2] / down)[..., None] * rays[..., :2]
    return np.nan_to_num(points, nan=1e6), np.nan_to_num(down)
