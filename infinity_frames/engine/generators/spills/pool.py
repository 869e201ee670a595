"""What a spill looks like on the floor of a place, and which pixels it covers.

A spill is thin: it changes only what the floor's own pixels show. The place is rendered three times
(dry; with a white floor, which shows the light that falls on it; and mirrored in the floor), and
every frame is composed from these pictures.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.spills.floor import lit_floor, seen_from_below
from infinity_frames.engine.generators.spills.flow import Flow
from infinity_frames.engine.generators.spills.liquids import Fluid, Wetting
from infinity_frames.engine.render import Renderer
from infinity_frames.engine.scene.camera import undistort
from infinity_frames.engine.scene.scene import Camera, Scene

__all__ = ["Pool"]

Array = NDArray[np.float64]
Image = NDArray[np.float32]

_TILT = 0.10  # steepest slope that the reflection shows, rad
_WATER = 0.02  # reflectance of water at normal incidence
_NEAREST = 1e-3  # m, so that what divides is never 0
_HOLLOWS = 0.35  # the slower the front, the higher the floor: exponent of the depth


class Pool:
    """A spill on a floor, seen by the scene's camera.

    Parameters
    ----------
    scene : Scene
        One of its objects is ``floor``, at z = 0.
    flow : Flow
        Where the liquid is.
    fluid : Fluid
    wetting : Wetting
        What the floor does with it.
    depth : float
        Mean depth of the liquid, mm.
    """

    def __init__(
        self, scene: Scene, flow: Flow, fluid: Fluid, wetting: Wetting, depth: float
    ) -> None:
        self._scene, self._flow, self._renderer = scene, flow, Renderer(scene)
        self._fluid, self._wetting, self._depth = fluid, wetting, depth
        names = [item.name for item in scene.objects]
        ids = self._renderer.labels({}).ids
        self.visible: NDArray[np.bool_] = ids == names.index("floor") + 1
        """Pixels whose centers see the floor, (H, W)."""
        points, down = _on_floor(scene.camera)
        self._reach = flow.reach(points)
        # Schlick, "An inexpensive BRDF model for physically-based rendering" (1994).
        self._reflects = (_WATER + (1.0 - _WATER) * (1.0 - down) ** 5).astype(np.float32)
        # Pixels that an object's edge runs through show the floor in part only.
        self._share = cv2.blur(self.visible.astype(np.float32), (3, 3)) * self.visible

    @cached_property
    def dry(self) -> Image:
        """The place without a spill, (H, W, 3) radiance."""
        return self._renderer.picture({})

    @cached_property
    def _lit(self) -> Image:
        return lit_floor(self._scene)

    @cached_property
    def _mirrored(self) -> Image:
        return seen_from_below(self._scene)

    def wet(self, share: float) -> NDArray[np.bool_]:
        """Pixels whose centers see the spill when a share of its area is wet, (H, W)."""
        if share <= 0.0:
            return np.zeros_like(self.visible)
        return self.visible & (self._reach.time < self._flow.front(share))

    def picture(self, share: float) -> Image:
        """The place when a share of the spill's area is wet, (H, W, 3) radiance."""
        if share <= 0.0:
            return self.dry
        front = self._flow.front(share)
        inside = (front - self._reach.time) / self._reach.slowness
        near = self.visible & (inside > -self._wetting.rim)
        left, top, wide, tall = cv2.boundingRect(near.view(np.uint8))
        if min(wide, tall) < 2:
            return self.dry
        part = (slice(top, top + tall), slice(left, left + wide))
        within = inside[part]
        steps = np.hypot(*np.gradient(within))
        # Where the edge runs through a pixel, the share of it that is wet.
        covered = np.clip(within / np.maximum(steps, 1e-6) + 0.5, 0.0, 1.0)
        covered = (covered * self._share[part]).astype(np.float32)[..., None]
        out = self.dry.copy()
        out[part] += covered * (self._wet(part, within, front) - self.dry[part])
        return out

    def _wet(self, part: tuple[slice, slice], within: Array, front: float) -> Image:
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
        mirror = self._mirror(part, rise)
        return np.asarray((below + own) * (1.0 - reflects) + reflects * mirror, np.float32)

    def _depths(self, part: tuple[slice, slice], film: Array, front: float) -> Array:
        """Depth of the liquid that colors each pixel, mm; what soaks in colors the floor too.

        Huppert, "The propagation of two-dimensional and axisymmetric viscous gravity currents over
        a rigid horizontal surface" (1982): the depth falls as (1 - r^2)^(1/3), 3/4 on average.
        """
        radius = np.clip(self._reach.time[part] / front, 0.0, 1.0)
        profile = np.cbrt(1.0 - radius**2) * (4.0 / 3.0)
        hollows = np.clip(self._reach.slowness[part], 0.2, 5.0) ** -_HOLLOWS
        soaked = (1.0 - self._wetting.film) * 0.5
        return np.asarray(self._depth * (self._wetting.film * film * profile * hollows + soaked))

    def _mirror(self, part: tuple[slice, slice], rise: Array) -> Image:
        """What the surface mirrors; where it slopes at the edge, of another direction."""
        rows, columns = part
        row, column = np.mgrid[rows, columns].astype(np.float32)
        tilt = (_TILT * (1.0 - rise)).astype(np.float32)
        look = self._scene.camera.RT[2, :2]
        toward = -look / np.linalg.norm(look)
        east, north = self._reach.outward[0][part], self._reach.outward[1][part]
        ahead = (east * toward[0] + north * toward[1]).astype(np.float32)
        aside = (north * toward[0] - east * toward[1]).astype(np.float32)
        swing = 2.0 * tilt * np.float32(max(self.visible.shape))
        return np.asarray(
            cv2.remap(
                self._mirrored,
                column - swing * aside,
                row + swing * ahead,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            )
        )


def _on_floor(camera: Camera) -> tuple[Array, Array]:
    """Where each pixel's center meets the floor, and how steeply.

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
