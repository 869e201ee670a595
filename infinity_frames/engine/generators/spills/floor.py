"""The floor with a spill on it: which pixels are wet, and what they look like.

A spill is thin: what it changes of a picture is what the floor's own pixels show. So the place is
rendered three times, dry, with a white floor (what light falls on it) and from below the floor
(what a mirror there would show), and every frame is put together from these.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.spills.liquid import Liquid, Spill
from infinity_frames.engine.render import Renderer
from infinity_frames.engine.scene.scene import Camera, Material, Object, Scene

__all__ = ["Floor", "lit_floor", "seen_from_below"]

Array = NDArray[np.float64]
Image = NDArray[np.float32]

_WHITE = Material((1.0, 1.0, 1.0), roughness=1.0, specular=0.0)
_RIM = 0.035  # width of the slope at a spill's edge, m
_TILT = 0.10  # steepest slope that the reflection shows, rad
_WATER = 0.02  # reflectance of water at normal incidence
_NEAREST = 1e-3  # m, so that what divides is never 0


class Floor:
    """The floor of a place, and a spill on it.

    Parameters
    ----------
    scene : Scene
        The place; one of its objects is ``floor``, at z = 0.
    spill : Spill
    liquid : Liquid
    depth : float
        How deep the liquid stands, mm.
    """

    def __init__(self, scene: Scene, spill: Spill, liquid: Liquid, depth: float) -> None:
        self._spill, self._liquid, self._depth = spill, liquid, depth
        self._scene, self._renderer = scene, Renderer(scene)
        names = [item.name for item in scene.objects]
        ids = self._renderer.labels({}).ids
        self.visible: NDArray[np.bool_] = ids == names.index("floor") + 1
        """Which pixels' centers see the floor, (H, W)."""
        self._away, self._direction, facing, self._toward = _on_floor(
            scene.camera, spill.center, self.visible.shape
        )
        # Schlick, "An inexpensive BRDF model for physically-based rendering" (1994).
        self._reflects = (_WATER + (1.0 - _WATER) * (1.0 - facing) ** 5).astype(np.float32)
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

    def wet(self, grown: float) -> NDArray[np.bool_]:
        """Which pixels' centers see the spill, (H, W)."""
        return self.visible & (self._inside(grown) >= 0.0) & (grown > 0.0)

    def picture(self, grown: float) -> Image:
        """The place with so much of the liquid out, (H, W, 3) radiance."""
        if grown <= 0.0:
            return self.dry
        inside = self._inside(grown)
        near = self.visible & (inside > -_RIM)
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
        out[part] += covered * (self._wet_color(part, within) - self.dry[part])
        return out

    def _inside(self, grown: float) -> Array:
        """How far inside the edge each pixel's place on the floor is, (H, W) m."""
        return self._spill.edge(self._direction, max(grown, 1e-9)) - self._away

    def _wet_color(self, part: tuple[slice, slice], within: Array) -> Image:
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
        return np.asarray((below + own) * (1.0 - reflects) + reflects * self._mirror(part, rise))

    def _mirror(self, part: tuple[slice, slice], rise: Array) -> Image:
        """What the surface mirrors; where it slopes at the edge, of another direction."""
        rows, columns = part
        row, column = np.mgrid[rows, columns].astype(np.float32)
        tilt = (_TILT * (1.0 - rise)).astype(np.float32)
        # Outward is away from the center: a slope towards the camera mirrors what is higher.
        outward = np.stack([np.cos(self._direction[part]), np.sin(self._direction[part])])
        ahead = (outward * self._toward[:, None, None]).sum(axis=0).astype(np.float32)
        aside = (outward[0] * -self._toward[1] + outward[1] * self._toward[0]).astype(np.float32)
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


def lit_floor(scene: Scene) -> Image:
    """Render the scene with a white floor: the light that falls on it, (H, W, 3) radiance."""

    def changed(item: Object) -> Object:
        return replace(item, materials=(_WHITE,)) if item.name == "floor" else item

    objects = tuple(changed(item) for item in scene.objects)
    return Renderer(replace(scene, objects=objects)).picture({})


def seen_from_below(scene: Scene) -> Image:
    """Render what a mirror in the floor shows, for every pixel of the scene's own camera.

    The camera's mirror image sees it the other way round, so its picture is drawn turned over and
    turned back.
    """
    camera = scene.camera
    rotation, translation = camera.RT[:, :3], camera.RT[:, 3:]
    flip = np.diag([-1.0, 1.0, 1.0])
    pose = flip @ np.column_stack([rotation @ np.diag([1.0, 1.0, -1.0]), translation])
    intrinsics = camera.K.copy()
    intrinsics[0, 2] = camera.width - camera.K[0, 2]
    others = tuple(item for item in scene.objects if item.name != "floor")
    below = Camera(intrinsics, pose, camera.width, camera.height, camera.distortion)
    picture = Renderer(replace(scene, objects=others, camera=below)).picture({})
    return np.ascontiguousarray(picture[:, ::-1])


def _on_floor(
    camera: Camera, center: Array, shape: tuple[int, ...]
) -> tuple[Array, Array, Array, Array]:
    """Where each pixel's center meets the plane of the floor, as seen from a point of it.

    Returns
    -------
    away, direction : (H, W) array
        Distance from the point, m, infinite above the horizon; direction, rad.
    facing : (H, W) array
        Cosine of the angle between the ray and the floor's normal.
    toward : (2,) array
        Horizontal direction from the scene to the camera.
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
    look = camera.RT[2, :2]
    return away, direction, np.nan_to_num(down), -look / np.linalg.norm(look)
