"""The pictures that a spill on a floor is composed of; both versions of Spills use them.

A spill is thin: it changes only what the floor's own pixels show. The place is rendered three times
(dry; with a white floor, which shows the light that falls on it; and mirrored in the floor), and
every frame is composed from these pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render import Renderer
from infinity_frames.engine.scene.scene import Camera, Material, Object, Scene

__all__ = ["Array", "Image", "Part", "WetFloor", "reflectance"]

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Part = tuple[slice, slice]
"""Rows and columns of a rectangle of the picture."""

_WHITE = Material((1.0, 1.0, 1.0), roughness=1.0, specular=0.0)
_TILT = 0.10  # steepest slope that the reflection shows, rad
_WATER = 0.02  # reflectance of water at normal incidence


class WetFloor:
    """A floor with liquid on it, seen by the scene's camera.

    Parameters
    ----------
    scene : Scene
        One of its objects is ``floor``, at z = 0.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene, self._renderer = scene, Renderer(scene)
        names = [item.name for item in scene.objects]
        ids = self._renderer.labels({}).ids
        self.visible: NDArray[np.bool_] = ids == names.index("floor") + 1
        """Pixels whose centers see the floor, (H, W)."""
        # Pixels that an object's edge runs through show the floor in part only.
        self._share = cv2.blur(self.visible.astype(np.float32), (3, 3)) * self.visible
        look = scene.camera.RT[2, :2]
        self._toward = -look / np.linalg.norm(look)  # horizontal direction to the camera

    @cached_property
    def dry(self) -> Image:
        """The place without a spill, (H, W, 3) radiance."""
        return self._renderer.picture({})

    @cached_property
    def _lit(self) -> Image:
        reached = np.zeros_like(self.visible)
        part = self._part(*self._final())
        if part is not None:
            reached[part] = self.visible[part]
        # Smaller spills of a video lie within the final one but for rounding.
        around = cv2.dilate(reached.view(np.uint8), np.ones((5, 5), np.uint8))
        return _lit_floor(self._scene, around.astype(np.bool_))

    @cached_property
    def _mirrored(self) -> Image:
        return _seen_from_below(self._scene)

    def _final(self) -> tuple[Array, float]:
        """Return `inside` and `rim` of the largest spill, as `_composed` takes them."""
        raise NotImplementedError

    def _part(self, inside: Array, rim: float) -> Part | None:
        """Return the rectangle around the pixels that a spill changes, None if it is too small."""
        near = self.visible & (inside > -rim)
        left, top, wide, tall = cv2.boundingRect(near.view(np.uint8))
        if min(wide, tall) < 2:
            return None
        return slice(top, top + tall), slice(left, left + wide)

    def _composed(self, inside: Array, rim: float, wet: Callable[[Part, Array], Image]) -> Image:
        """Compose the picture of a spill.

        Parameters
        ----------
        inside : (H, W) array
            Distance of each pixel's place from the spill's edge, m, positive inside.
        rim : float
            Width of the slope at the edge, m.
        wet : callable
            ``wet(part, inside)``: radiance of a part of the picture if all of it were wet.
        """
        part = self._part(inside, rim)
        if part is None:
            return self.dry
        within = inside[part]
        steps = np.hypot(*np.gradient(within))
        # Where the edge runs through a pixel, the share of it that is wet.
        covered = np.clip(within / np.maximum(steps, 1e-6) + 0.5, 0.0, 1.0)
        covered = (covered * self._share[part]).astype(np.float32)[..., None]
        out = self.dry.copy()
        out[part] += covered * (wet(part, within) - self.dry[part])
        return out

    def _mirror(self, part: Part, rise: Array, east: Array, north: Array) -> Image:
        """Return what the liquid's surface mirrors; its slope at the edge shifts the reflection.

        Parameters
        ----------
        part : Part
        rise : array
            Height of the surface between the edge, 0, and the level surface, 1.
        east, north : array
            Horizontal direction out of the spill: the surface falls towards it.
        """
        rows, columns = part
        row, column = np.mgrid[rows, columns].astype(np.float32)
        tilt = (_TILT * (1.0 - rise)).astype(np.float32)
        # A slope towards the camera mirrors what is higher.
        ahead = (east * self._toward[0] + north * self._toward[1]).astype(np.float32)
        aside = (north * self._toward[0] - east * self._toward[1]).astype(np.float32)
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


def reflectance(down: Array) -> Image:
    """Return share of the light that water reflects, by the cosine of the angle to the vertical.

    Schlick, "An inexpensive BRDF model for physically-based rendering" (1994).
    """
    return (_WATER + (1.0 - _WATER) * (1.0 - down) ** 5).astype(np.float32)


def _lit_floor(scene: Scene, needed: NDArray[np.bool_]) -> Image:
    """Render the scene with a white floor: the light that falls on it, (H, W, 3) radiance.

    Only the needed pixels, (H, W), are lit.
    """

    def changed(item: Object) -> Object:
        return replace(item, materials=(_WHITE,)) if item.name == "floor" else item

    objects = tuple(changed(item) for item in scene.objects)
    return Renderer(replace(scene, objects=objects), needed).picture({})


def _seen_from_below(scene: Scene) -> Image:
    """Render what a mirror in the place of the floor shows at every pixel of the scene's camera.

    The camera is mirrored in the floor, which swaps left and right; the picture is flipped back.
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
