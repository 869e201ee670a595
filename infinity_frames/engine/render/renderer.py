"""Pictures and labels of a scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render.geometry import flatten, is_closed, shadow_faces
from infinity_frames.engine.render.labels import LabelPass, SampleGrid, Visibility
from infinity_frames.engine.render.lighting import Ambient, Lamps, ambient_light, sample_lights
from infinity_frames.engine.render.mirror import Mirror
from infinity_frames.engine.render.motion_blur import blurred, pixel_motion
from infinity_frames.engine.render.picture import (
    SAMPLES,
    Lit,
    Samples,
    attenuate_points,
    between,
    coarse_grid,
    compose,
    edge_samples,
    irradiate_points,
)
from infinity_frames.engine.render.probes import lattice
from infinity_frames.engine.render.raster import clip_coordinates
from infinity_frames.engine.render.shading import Body, Lighting
from infinity_frames.engine.render.shadow_maps import Casters, DepthMaps, orthographic, perspective
from infinity_frames.engine.render.surface import Frame
from infinity_frames.engine.scene.scene import Placement, Scene

__all__ = ["Renderer"]

_STATIC_MAPS = (384, 144)  # sizes of shadow and ambient maps, px
_MOVING_MAPS = (144, 72)
_SHELL_MAPS = 160
_GRID = 128  # longest side, px, up to which moving shadows are computed at every pixel


class Renderer:
    """Draws one scene, frame after frame.

    Objects without a placement are static: they are drawn and shaded once, and again only if the
    set of placed objects changes.

    Parameters
    ----------
    scene : Scene
        The scene to draw.
    needed : (H, W) bool array, optional
        Pixels of static objects whose color is needed; the picture may be black elsewhere. By
        default all.

    Raises
    ------
    RenderError
        A material names an unknown pattern, or two objects share a name.
    """

    def __init__(self, scene: Scene, needed: NDArray[np.bool_] | None = None) -> None:
        self.scene = scene
        self._needed = needed
        self._geometry = flatten(scene)
        self._lamps = sample_lights(scene.lights)
        self._static: _Static | None = None
        self._grids = [SampleGrid.of(scene.camera, shift) for shift in ((0.0, 0.0), *SAMPLES)]

    def labels(self, placements: Mapping[str, Placement]) -> LabelPass:
        """Draw the label pass: one sample at the center of every pixel.

        Parameters
        ----------
        placements : mapping of str to Placement
            Placements of the moving objects; the others stay at the position of their mesh.

        Returns
        -------
        LabelPass
            Ids, depth, and unoccluded masks of objects.

        Raises
        ------
        RenderError
            A placement fits no object of the scene.
        """
        static = self._static_for(placements)
        self._geometry.check_shapes(placements)
        clip = self._clip(static, placements)
        seen = static.seen[0].copy()
        seen.draw(self._geometry, clip, static.drawn, self._grids[0])
        return LabelPass.of(seen, self._geometry, clip, self._grids[0])

    def picture(
        self,
        placements: Mapping[str, Placement],
        later: Mapping[str, Placement] | None = None,
    ) -> NDArray[np.float32]:
        """Draw the anti-aliased picture, before exposure, noise and encoding.

        Parameters
        ----------
        placements : mapping of str to Placement
            As for ``labels``, at the middle of the exposure.
        later : mapping of str to Placement, optional
            The same objects at the end of the exposure; adds motion blur.

        Returns
        -------
        (H, W, 3) float32 array
            Linear radiance, W/m^2/sr; around 1 under a lamp of 100 W. ``tonemap`` makes it 8-bit.

        Raises
        ------
        RenderError
            A placement fits no object of the scene.
        """
        static = self._static_for(placements)
        vertices, normals = self._geometry.placed(placements)
        frame = self._frame(self._clip(static, placements), vertices, normals)
        light = self._light(static)
        casters = light.casters(vertices)
        lighting = light.lighting._replace(
            moving=_body(self._lamps, light.lighting.ambient, casters, _MOVING_MAPS)
        )
        passes = [seen.copy() for seen in static.seen]
        for seen, grid in zip(passes, self._grids, strict=True):
            seen.draw(self._geometry, frame.clip, static.drawn, grid)
        face_id = passes[0].face_id
        color = self._relit(static, light.lit, lighting, face_id)
        moved = (face_id != static.seen[0].face_id).reshape(-1).nonzero()[0]
        row, column = np.divmod(moved, face_id.shape[1])
        samples = Samples(face_id.reshape(-1)[moved], *self._grids[0].places(row, column))
        color[moved] = self._shaded(frame, lighting, samples)
        if light.mirrored is not None:
            picture = light.mirrored.picture(placements)
            light.mirror.show(picture, face_id, color.reshape(*face_id.shape, 3))
        self._smooth(frame, lighting, passes, color)
        shaped = color.reshape(*face_id.shape, 3)
        if later is None:
            return shaped
        motion = self._motion(static, frame, later, samples, moved, face_id.shape)
        return blurred(shaped, motion, passes[0].inverse_depth)

    def _motion(
        self,
        static: _Static,
        frame: Frame,
        later: Mapping[str, Placement],
        samples: Samples,
        moved: NDArray[np.intp],
        shape: tuple[int, ...],
    ) -> NDArray[np.float32]:
        """Motion of every pixel from the middle of the exposure to its end, (H, W, 2) px."""
        self._geometry.check_shapes(later)
        clip = self._clip(static, later)
        found = np.zeros((len(moved), 2), np.float32)
        faces, lens = self._geometry.surfaces.faces, self.scene.camera.lens
        pixel_motion(faces, frame.clip, clip, lens, samples.face, samples.x, samples.y, found)
        motion = np.zeros((shape[0] * shape[1], 2), np.float32)
        motion[moved] = found
        return motion.reshape(*shape, 2)

    def _relit(
        self, static: _Static, lit: Lit, lighting: Lighting, face_id: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Static objects with the shadows of moving ones, (H W, 3)."""
        unmoved = (face_id == static.seen[0].face_id) & (face_id >= 0)
        left = np.ones((face_id.size, len(self._lamps.size) + 1), np.float32)
        step = max(3, max(face_id.shape) // _GRID)
        grid = coarse_grid(lighting, lit, unmoved, step)
        left[grid] = np.nan
        attenuate_points(lighting, lit, grid, left)
        rest = between(lit, unmoved, static.owner, step, left)
        attenuate_points(lighting, lit, rest, left)
        color = np.empty((face_id.size, 3), np.float32)
        compose(lit, left, color)
        return color

    def _lit(self, frame: Frame, lighting: Lighting, samples: Samples) -> Lit:
        """Light of the static objects, in the absence of moving ones.

        This is the longest step before the first picture, so two threads compute it.
        """
        lit = Lit.empty(len(samples.face), self._lamps)
        middle = len(samples.face) // 2

        def irradiate(which: slice) -> None:
            here, out = samples.part(which), lit.part(which)
            irradiate_points(self._geometry.surfaces, frame, lighting, here, False, out)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(irradiate, (slice(middle), slice(middle, None))))
        return lit

    def _shaded(self, frame: Frame, lighting: Lighting, samples: Samples) -> NDArray[np.float32]:
        """Shade samples without cached light, (n, 3)."""
        count = len(samples.face)
        lit = Lit.empty(count, self._lamps)
        irradiate_points(self._geometry.surfaces, frame, lighting, samples, True, lit)
        left = np.full((count, len(self._lamps.size) + 1), np.nan, np.float32)
        attenuate_points(lighting, lit, np.arange(count), left)
        color = np.empty((count, 3), np.float32)
        compose(lit, left, color)
        return color

    def _smooth(
        self,
        frame: Frame,
        lighting: Lighting,
        passes: list[Visibility],
        color: NDArray[np.float32],
    ) -> None:
        """Anti-alias in place: average the samples of the pixels at edges."""
        face_ids = np.stack([seen.face_id for seen in passes[1:]])
        pixels, sources = edge_samples(
            self._geometry.surfaces,
            frame,
            passes[0].face_id,
            passes[0].inverse_depth,
            face_ids,
            np.stack([seen.inverse_depth for seen in passes[1:]]),
            np.array(SAMPLES),
        )
        if self._needed is not None:
            shown = self._needed.reshape(-1)[pixels]
            pixels, sources = pixels[shown], sources[shown]
        sampled = color[sources]
        edge, sample = (sources < 0).nonzero()
        row, column = np.divmod(pixels[edge], face_ids.shape[2])
        x, y = np.empty(len(row)), np.empty(len(row))
        for i, grid in enumerate(self._grids[1:]):
            mine = sample == i
            x[mine], y[mine] = grid.places(row[mine], column[mine])
        own = Samples(face_ids[sample, row, column], x, y)
        sampled[edge, sample] = self._shaded(frame, lighting, own)
        color[pixels] = (color[pixels] + sampled.sum(axis=1)) / np.float32(len(SAMPLES) + 1)

    def _frame(
        self,
        clip: NDArray[np.float64],
        vertices: NDArray[np.float64],
        normals: NDArray[np.float64],
    ) -> Frame:
        camera = self.scene.camera
        return Frame(clip, vertices, normals, camera.location, float(camera.K[1, 1]))

    def _clip(self, static: _Static, placements: Mapping[str, Placement]) -> NDArray[np.float64]:
        """Homogeneous pixel coordinates of all vertices; static ones are cached."""
        clip = static.clip.copy()
        for name, placement in placements.items():
            first = self._geometry.first_vertex[self._geometry.names[name]]
            moved = clip_coordinates(
                self.scene.camera.P, np.ascontiguousarray(placement.vertices, np.float64)
            )
            clip[first : first + len(moved)] = moved
        return clip

    def _static_for(self, placements: Mapping[str, Placement]) -> _Static:
        names = frozenset(placements)
        if self._static is None or self._static.names != names:
            self._static = self._prepare(names)
        return self._static

    def _prepare(self, names: frozenset[str]) -> _Static:
        geometry, camera = self._geometry, self.scene.camera
        geometry.check(names)
        moving = [i for name, i in geometry.names.items() if name in names]
        unmoving = [i for name, i in geometry.names.items() if name not in names]
        members = geometry.members(unmoving)
        clip = clip_coordinates(camera.P, geometry.vertices)
        seen = []
        for grid in self._grids:
            view = Visibility.empty(camera.height, camera.width)
            view.draw(geometry, clip, members, grid)
            seen.append(view)
        owner = np.append(geometry.surfaces.owner, -1).astype(np.int32)[seen[0].face_id]
        drawn = geometry.members(moving)
        return _Static(names, moving, unmoving, drawn, clip, seen, owner.reshape(-1))

    def _light(self, static: _Static) -> _Light:
        """Data that only pictures need; built for the first picture."""
        if static.light is not None:
            return static.light
        geometry, objects = self._geometry, self.scene.objects
        lamps = self._lamps
        ambient = ambient_light(self.scene, geometry, geometry.members(static.unmoving))
        solid = [i for i in static.unmoving if objects[i].casts_shadow]
        shell = [i for i in static.unmoving if not objects[i].casts_shadow]
        blocking = self._casters(solid)(geometry.vertices)
        nothing = self._casters([])(geometry.vertices)
        walls = self._casters(shell)(geometry.vertices)
        lighting = Lighting(
            lamps,
            ambient,
            _body(lamps, ambient, blocking, _STATIC_MAPS),
            _body(lamps, ambient, nothing, (2, 2)),
            orthographic(ambient.direction, walls, _SHELL_MAPS),
            lattice(blocking.vertices, len(lamps.position) + len(ambient.direction)),
        )
        face_id = static.seen[0].face_id
        row, column = np.divmod(np.arange(face_id.size), face_id.shape[1])
        samples = Samples(self._lit_faces(face_id), *self._grids[0].places(row, column))
        frame = self._frame(static.clip, geometry.vertices, geometry.normals)
        lit = self._lit(frame, lighting, samples)
        casters = self._casters([i for i in static.moving if objects[i].casts_shadow])
        mirror = Mirror(self.scene, geometry, face_id)
        mirrored = None if mirror.scene is None else Renderer(mirror.scene)
        static.light = _Light(lighting, lit, casters, mirror, mirrored)
        return static.light

    def _lit_faces(self, face_id: NDArray[np.int32]) -> NDArray[np.int32]:
        """Face at each pixel whose light is needed, -1 elsewhere, (H W,)."""
        if self._needed is None:
            return face_id.reshape(-1)
        # The samples of a pixel at an edge take their light from the pixels around it.
        around = cv2.dilate(self._needed.view(np.uint8), np.ones((3, 3), np.uint8))
        return np.where(around, face_id, np.int32(-1)).reshape(-1)

    def _casters(self, objects: list[int]) -> Callable[[NDArray[np.float64]], Casters]:
        """Return a function from all vertices to the shadow casters of some objects."""
        items = [self.scene.objects[i] for i in objects]
        meshes = [shadow_faces(item) for item in items]
        starts = [self._geometry.first_vertex[i] for i in objects]
        faces = [mesh + start for mesh, start in zip(meshes, starts, strict=True)]
        closed = [np.full(len(mesh), is_closed(i)) for mesh, i in zip(meshes, items, strict=True)]
        used, local = np.unique(
            np.concatenate([np.empty((0, 3), np.int32), *faces]), return_inverse=True
        )
        own = local.reshape(-1, 3).astype(np.int32)
        flags = np.concatenate([np.empty(0, np.bool_), *closed])
        return lambda vertices: Casters(vertices[used], own, flags)


class _Light(NamedTuple):
    """Data that pictures need and labels do not."""

    lighting: Lighting
    lit: Lit
    casters: Callable[[NDArray[np.float64]], Casters]
    mirror: Mirror
    mirrored: Renderer | None  # draws the reflection of the mirror


@dataclass(eq=False)
class _Static:
    """Data that stays constant while the same set of objects moves."""

    names: frozenset[str]
    moving: list[int]
    unmoving: list[int]
    drawn: NDArray[np.int32]
    clip: NDArray[np.float64]
    seen: list[Visibility]
    owner: NDArray[np.int32]
    light: _Light | None = None


def _body(lamps: Lamps, ambient: Ambient, casters: Casters, sizes: tuple[int, int]) -> Body:
    if len(casters.faces):
        low, high = casters.vertices.min(axis=0), casters.vertices.max(axis=0)
    else:
        low, high = np.full(3, 1e9), np.full(3, 1e9)
    shadow: DepthMaps = perspective(lamps.position, lamps.facing, lamps.spacing, casters, sizes[0])
    return Body(shadow, orthographic(ambient.direction, casters, sizes[1]), low, high)
