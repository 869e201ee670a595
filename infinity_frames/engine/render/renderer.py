"""Pictures and labels of a scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render.geometry import flatten
from infinity_frames.engine.render.labels import LabelPass, Visibility
from infinity_frames.engine.render.lighting import Ambient, Lamps, ambient_light, sample_lights
from infinity_frames.engine.render.maps import Casters, DepthMaps, orthographic, perspective
from infinity_frames.engine.render.picture import (
    SAMPLES,
    Backdrop,
    shade_frame,
    shade_still,
    smooth_edges,
)
from infinity_frames.engine.render.raster import clip_coordinates
from infinity_frames.engine.render.shading import Body, Lighting
from infinity_frames.engine.render.surface import Frame
from infinity_frames.engine.scene.model import Placement, Scene

__all__ = ["Renderer"]

_STILL_MAPS = (512, 192)  # sizes of shadow and ambient maps, px
_MOVING_MAPS = (176, 80)
_SHELL_MAPS = 160


class Renderer:
    """Draws one scene, frame after frame.

    What is in no placement stands still: it is drawn and shaded once, and again only when other
    objects are placed than in the frame before.

    Parameters
    ----------
    scene : Scene
        What there is to see.

    Raises
    ------
    RenderError
        A material names an unknown pattern, or two objects share a name.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._geometry = flatten(scene)
        self._lamps = sample_lights(scene.lights)
        self._ambient = ambient_light(scene, self._geometry)
        self._still: _Still | None = None

    def labels(self, placements: Mapping[str, Placement]) -> LabelPass:
        """What every pixel's centre sees, one sample each.

        Parameters
        ----------
        placements : mapping of str to Placement
            Where the moving objects are; an object in none stays where its mesh is.

        Returns
        -------
        LabelPass
            Ids, depth, and masks of objects as if nothing stood before them.

        Raises
        ------
        RenderError
            A placement fits no object of the scene.
        """
        still = self._still_for(placements)
        vertices, _ = self._geometry.placed(placements)
        clip = clip_coordinates(self.scene.camera.P, vertices)
        seen = still.seen[0].copy()
        seen.draw(self._geometry, clip, still.moving)
        return LabelPass.of(seen, self._geometry, clip)

    def picture(self, placements: Mapping[str, Placement]) -> NDArray[np.float32]:
        """Anti-aliased picture, before exposure, noise and encoding.

        Parameters
        ----------
        placements : mapping of str to Placement
            As for ``labels``.

        Returns
        -------
        (H, W, 3) float32 array
            Linear radiance, W/m^2/sr; around 1 under a lamp of 100 W. ``develop`` makes it 8-bit.

        Raises
        ------
        RenderError
            A placement fits no object of the scene.
        """
        still = self._still_for(placements)
        vertices, normals = self._geometry.placed(placements)
        frame = self._frame(vertices, normals)
        backdrop = self._backdrop_of(still)
        lighting = still.lighting._replace(
            moving=_body(self._lamps, self._ambient, still.casters(vertices), _MOVING_MAPS)
        )
        passes = [seen.copy() for seen in still.seen]
        for seen, shift in zip(passes, ((0.0, 0.0), *SAMPLES), strict=True):
            seen.draw(self._geometry, frame.clip, still.moving, shift)
        surfaces, winner = self._geometry.surfaces, passes[0].winner
        color = backdrop.color.copy()
        shade_frame(surfaces, frame, lighting, backdrop, winner, color)
        smooth = color.copy()
        smooth_edges(
            surfaces,
            frame,
            lighting,
            winner,
            passes[0].nearness,
            np.stack([seen.winner for seen in passes[1:]]),
            np.stack([seen.nearness for seen in passes[1:]]),
            np.array(SAMPLES),
            color,
            smooth,
        )
        return smooth

    def _frame(self, vertices: NDArray[np.float64], normals: NDArray[np.float64]) -> Frame:
        camera = self.scene.camera
        clip = clip_coordinates(camera.P, vertices)
        return Frame(clip, vertices, normals, camera.location, float(camera.K[1, 1]))

    def _still_for(self, placements: Mapping[str, Placement]) -> _Still:
        names = frozenset(placements)
        if self._still is None or self._still.names != names:
            self._still = self._prepare(names)
        return self._still

    def _prepare(self, names: frozenset[str]) -> _Still:
        geometry, camera = self._geometry, self.scene.camera
        geometry.check(names)
        moving = [i for name, i in geometry.names.items() if name in names]
        unmoving = [i for name, i in geometry.names.items() if name not in names]
        clip = clip_coordinates(camera.P, geometry.vertices)
        seen = []
        for shift in ((0.0, 0.0), *SAMPLES):
            view = Visibility.empty(camera.height, camera.width)
            view.draw(geometry, clip, geometry.members(unmoving), shift)
            seen.append(view)
        objects = self.scene.objects
        faces = [geometry.casters[i] for i in moving if objects[i].casts_shadow]
        vertex_ids, local = _compact(faces)
        fixed = _compact([geometry.casters[i] for i in unmoving if objects[i].casts_shadow])
        shell = _compact([geometry.casters[i] for i in unmoving if not objects[i].casts_shadow])
        nothing = Casters(np.empty((0, 3)), np.empty((0, 3), np.int32))
        lamps, ambient = self._lamps, self._ambient
        lighting = Lighting(
            lamps,
            ambient,
            _body(lamps, ambient, Casters(geometry.vertices[fixed[0]], fixed[1]), _STILL_MAPS),
            _body(lamps, ambient, nothing, (2, 2)),
            orthographic(
                ambient.direction, Casters(geometry.vertices[shell[0]], shell[1]), _SHELL_MAPS
            ),
        )
        return _Still(names, geometry.members(moving), seen, vertex_ids, local, lighting)

    def _backdrop_of(self, still: _Still) -> Backdrop:
        if still.backdrop is None:
            still.backdrop = Backdrop.empty(still.seen[0].winner, self._lamps)
            frame = self._frame(self._geometry.vertices, self._geometry.normals)
            shade_still(self._geometry.surfaces, frame, still.lighting, still.backdrop)
        return still.backdrop


@dataclass(eq=False)
class _Still:
    """What stays the same while the same objects move."""

    names: frozenset[str]
    moving: NDArray[np.int32]
    seen: list[Visibility]
    caster_vertices: NDArray[np.int64]
    caster_faces: NDArray[np.int32]
    lighting: Lighting
    backdrop: Backdrop | None = None

    def casters(self, vertices: NDArray[np.float64]) -> Casters:
        return Casters(vertices[self.caster_vertices], self.caster_faces)


def _compact(faces: list[NDArray[np.int32]]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The vertices that faces use, and the faces over those."""
    joined = np.concatenate([np.empty((0, 3), np.int32), *faces])
    used, local = np.unique(joined, return_inverse=True)
    return used.astype(np.int64), local.reshape(-1, 3).astype(np.int32)


def _body(lamps: Lamps, ambient: Ambient, casters: Casters, sizes: tuple[int, int]) -> Body:
    if len(casters.faces):
        low, high = casters.vertices.min(axis=0), casters.vertices.max(axis=0)
    else:
        low, high = np.full(3, 1e9), np.full(3, 1e9)
    shadow: DepthMaps = perspective(lamps.position, lamps.facing, lamps.spacing, casters, sizes[0])
    return Body(shadow, orthographic(ambient.direction, casters, sizes[1]), low, high)
