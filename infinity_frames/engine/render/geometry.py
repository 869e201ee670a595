"""The scene's objects as flat arrays for kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render.patterns import PATTERNS
from infinity_frames.engine.scene.scene import Material, Object, Placement, Scene
from infinity_frames.protocol.errors import RenderError

__all__ = ["Geometry", "Surfaces", "coarse_faces", "flatten", "is_closed", "shadow_faces"]

_MANY_FACES = 5000  # an object with more faces casts its shadow from coarser ones
_SHADOW_CELL = 0.045  # m
_CLOSED = 0.95  # share of the edges that must be matched

_T = TypeVar("_T", bound=np.generic)


class Surfaces(NamedTuple):
    """Surface data of every face, for shading; kernels take the tuple as one argument."""

    faces: NDArray[np.int32]  # (F, 3) vertex indices
    owner: NDArray[np.int32]  # (F,) index of the object
    material: NDArray[np.int32]  # (F,) row of the tables below
    axis: NDArray[np.int32]  # (F,) dominant axis of the face's normal in texture space
    tint: NDArray[np.float32]  # (V, 3) vertex colors
    texture: NDArray[np.float64]  # (V, 3) coordinates at which patterns are evaluated, m
    color: NDArray[np.float64]  # (M, 3)
    color2: NDArray[np.float64]  # (M, 3)
    pattern: NDArray[np.int32]  # (M,) index in PATTERNS
    finish: NDArray[np.float64]  # (M, 3) scale (m), roughness, specular


class Geometry(NamedTuple):
    """The scene with the vertices of all objects in one array.

    ``first_vertex[i]:first_vertex[i + 1]`` are the vertices of object i, likewise its faces.
    """

    surfaces: Surfaces
    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    one_sided: NDArray[np.bool_]
    first_vertex: list[int]
    first_face: list[int]
    names: dict[str, int]

    def members(self, objects: Sequence[int]) -> NDArray[np.int32]:
        """Faces of some objects."""
        spans = [np.arange(self.first_face[i], self.first_face[i + 1]) for i in objects]
        return np.concatenate([np.empty(0, int), *spans]).astype(np.int32)

    def check(self, names: Iterable[str]) -> None:
        """Raise RenderError unless every name is that of an object."""
        for name in names:
            if name not in self.names:
                raise RenderError(
                    f"A placement is for {name!r}, but the scene has no such object.",
                    advice=f"Place one of: {', '.join(self.names)}.",
                )

    def placed(
        self, placements: Mapping[str, Placement]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Vertices and normals of all objects in one frame."""
        self.check_shapes(placements)
        vertices, normals = self.vertices.copy(), self.normals.copy()
        for name, placement in placements.items():
            span = self._span(name)
            vertices[span], normals[span] = placement.vertices, placement.normals
        return vertices, normals

    def check_shapes(self, placements: Mapping[str, Placement]) -> None:
        """Raise RenderError unless every placement fits an object."""
        self.check(placements)
        for name, placement in placements.items():
            expected = self.vertices[self._span(name)].shape
            if placement.vertices.shape != expected:
                raise RenderError(
                    f"The placement of {name!r} has vertices of shape "
                    f"{placement.vertices.shape}, its mesh {expected}.",
                    advice="Pose the same mesh that the scene holds.",
                )

    def _span(self, name: str) -> slice:
        i = self.names[name]
        return slice(self.first_vertex[i], self.first_vertex[i + 1])


def flatten(scene: Scene) -> Geometry:
    """Gather a scene's meshes and materials.

    Raises
    ------
    RenderError
        A material's pattern is unknown, or two objects share a name.
    """
    objects = scene.objects
    names = {item.name: i for i, item in enumerate(objects)}
    if len(names) < len(objects):
        raise RenderError(
            "Two objects of the scene share a name.", advice="Give every object its own."
        )
    first_vertex = _starts([len(item.mesh.vertices) for item in objects])
    first_face = _starts([len(item.mesh.faces) for item in objects])
    first_material = _starts([len(item.materials) for item in objects])
    faces = [item.mesh.faces + start for item, start in zip(objects, first_vertex, strict=False)]
    texture = [
        item.mesh.vertices if item.mesh.texture is None else item.mesh.texture for item in objects
    ]
    counts = [len(item.mesh.faces) for item in objects]
    all_faces = _join(faces, (0, 3), np.int32)
    all_texture = _join(texture, (0, 3), np.float64)
    materials = [material for item in objects for material in item.materials]
    surfaces = Surfaces(
        faces=all_faces,
        owner=np.repeat(np.arange(len(objects)), counts).astype(np.int32),
        material=_join(
            [m.mesh.materials + s for m, s in zip(objects, first_material, strict=False)],
            (0,),
            np.int32,
        ),
        axis=_facing_axis(all_texture, all_faces),
        tint=_join([_tint(item) for item in objects], (0, 3), np.float32),
        texture=all_texture,
        color=np.array([m.color for m in materials], np.float64).reshape(-1, 3),
        color2=np.array([m.color2 for m in materials], np.float64).reshape(-1, 3),
        pattern=np.array([_pattern_number(m) for m in materials], np.int32),
        finish=np.array(
            [(m.scale, m.roughness, m.specular) for m in materials], np.float64
        ).reshape(-1, 3),
    )
    return Geometry(
        surfaces=surfaces,
        vertices=_join([item.mesh.vertices for item in objects], (0, 3), np.float64),
        normals=_join([item.mesh.normals for item in objects], (0, 3), np.float64),
        one_sided=np.repeat(np.array([item.one_sided for item in objects], bool), counts),
        first_vertex=first_vertex,
        first_face=first_face,
        names=names,
    )


def coarse_faces(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], cell: float
) -> NDArray[np.int32]:
    """Return fewer faces over the same vertices: all vertices of a cell are merged into one.

    Vertex clustering of Rossignac and Borrel (1993).

    Parameters
    ----------
    vertices : (V, 3) float64 array
        Positions, m.
    faces : (F, 3) int32 array
        Vertex indices.
    cell : float
        Side of a cubic cell, m.

    Returns
    -------
    (S, 3) int32 array
        The remaining faces: those with their corners in three different cells.
    """
    cells = np.floor(vertices / cell).astype(np.int64)
    _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    drawn = first[inverse.reshape(-1)][faces]
    a, b, c = drawn.T
    kept = drawn[(a != b) & (b != c) & (c != a)]
    return np.unique(kept, axis=0).astype(np.int32)


def shadow_faces(item: Object) -> NDArray[np.int32]:
    """Faces that cast an object's shadow: its own choice, or coarser ones for large meshes."""
    if item.shadow_faces is not None:
        return item.shadow_faces
    if len(item.mesh.faces) <= _MANY_FACES:
        return item.mesh.faces
    rest = item.mesh.vertices if item.mesh.texture is None else item.mesh.texture
    return coarse_faces(rest, item.mesh.faces, _SHADOW_CELL)


def is_closed(item: Object) -> bool:
    """Return whether a mesh encloses a volume; small openings, as of sleeves, are ignored.

    Vertices at the same position count as one; then nearly every edge has an opposite one.
    """
    if not len(item.mesh.faces):
        return False
    count = len(item.mesh.vertices)
    merged = np.zeros(count, np.int64)
    for axis in np.round(item.mesh.vertices / 1e-5).T:  # far faster than unique rows
        _, rank = np.unique(axis, return_inverse=True)
        _, merged = np.unique(merged * count + rank.reshape(-1), return_inverse=True)
    corners = merged.reshape(-1)[item.mesh.faces].astype(np.int64)
    start, end = corners.reshape(-1), np.roll(corners, -1, axis=1).reshape(-1)
    met = np.isin(start * count + end, end * count + start)
    return bool(met.mean() > _CLOSED)


def _starts(counts: list[int]) -> list[int]:
    return [0, *np.cumsum(counts).tolist()]


def _join(
    arrays: Sequence[NDArray[np.generic]], empty: tuple[int, ...], dtype: type[_T]
) -> NDArray[_T]:
    return np.ascontiguousarray(np.concatenate([np.empty(empty, dtype), *arrays]), dtype)


def _tint(item: Object) -> NDArray[np.float32]:
    if item.mesh.colors is None:
        return np.ones((len(item.mesh.vertices), 3), np.float32)
    return item.mesh.colors


def _pattern_number(material: Material) -> int:
    if material.pattern not in PATTERNS:
        raise RenderError(
            f"The renderer has no pattern {material.pattern!r}.",
            advice=f"Use one of: {', '.join(PATTERNS)}.",
        )
    return PATTERNS.index(material.pattern)


def _facing_axis(texture: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.int32]:
    a, b, c = texture[faces[:, 0]], texture[faces[:, 1]], texture[faces[:, 2]]
    axis: NDArray[np.int32] = np.abs(np.cross(b - a, c - a)).argmax(axis=1).astype(np.int32)
    return axis
