"""Solids, as data, that make up furniture and equipment, and their meshes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.scene.scene import Mesh

__all__ = ["Box", "Cushion", "Leaf", "Part", "Quad", "Revolved", "merge", "place", "yaw_matrix"]

Array = NDArray[np.float64]
Point = tuple[float, float, float]
Axis = Literal["x", "y", "z"]

_CELL = 0.25  # m, cell of the grid on a box


@dataclass(frozen=True)
class Quad:
    """A flat rectangle, visible from its front only.

    Parameters
    ----------
    center : tuple of float
        Its middle, m.
    u, v : tuple of float
        Vectors of half its sides, m; its front faces ``u x v``.
    material : int
        Index into the object's materials.
    cell : float
        Longest side of the rectangles it is divided into, m.
    """

    center: Point
    u: Point
    v: Point
    material: int = 0
    cell: float = np.inf

    def mesh(self) -> Mesh:
        """Two triangles per cell."""
        center, u, v = (np.array(vector) for vector in (self.center, self.u, self.v))
        across, up = (
            max(1, int(np.ceil(2 * np.linalg.norm(half) / self.cell - 1e-9))) for half in (u, v)
        )
        b, a = np.meshgrid(np.linspace(-1, 1, up + 1), np.linspace(-1, 1, across + 1))
        vertices = center + a.reshape(-1, 1) * u + b.reshape(-1, 1) * v
        corner = (np.arange(across)[:, None] * (up + 1) + np.arange(up)).reshape(-1, 1)
        below = corner + np.array([0, up + 1, up + 2])
        above = corner + np.array([0, up + 2, 1])
        normal = np.cross(u, v)
        normals = np.tile(normal / np.linalg.norm(normal), (len(vertices), 1))
        return _mesh(vertices, np.concatenate([below, above]), normals, self.material)


@dataclass(frozen=True)
class Box:
    """A box with sharp edges along the axes.

    Parameters
    ----------
    size, center : tuple of float
        Side lengths and middle, m.
    material : int
        Index into the object's materials.
    """

    size: Point
    center: Point
    material: int = 0

    def mesh(self) -> Mesh:
        """Return the six sides. They share no vertices, so each is shaded flat.

        They are divided, so that the share of vertices in view says how much of the box is.
        """
        sides = []
        half = np.array(self.size) / 2
        for axis in range(3):
            for sign in (1.0, -1.0):
                out, u, v = np.zeros(3), np.zeros(3), np.zeros(3)
                out[axis] = sign * half[axis]
                u[(axis + 1) % 3] = sign * half[(axis + 1) % 3]
                v[(axis + 2) % 3] = half[(axis + 2) % 3]
                middle = np.array(self.center) + out
                sides.append(
                    Quad(_point(middle), _point(u), _point(v), self.material, _CELL).mesh()
                )
        return merge(sides)


@dataclass(frozen=True)
class Revolved:
    """A solid of revolution: bars, legs, plates, pots, lamp shades.

    Parameters
    ----------
    profile : tuple of (radius, position)
        Outline along the axis, m, by increasing position; both ends are closed.
    center : tuple of float
        Point at position 0 of the axis, m.
    axis : {"x", "y", "z"}
        Axis of revolution.
    material : int
        Index into the object's materials.
    segments : int
        Sides of the circle; 6 makes a hexagonal prism.
    """

    profile: tuple[tuple[float, float], ...]
    center: Point = (0.0, 0.0, 0.0)
    axis: Axis = "z"
    material: int = 0
    segments: int = 20

    def mesh(self) -> Mesh:
        """Return one band per step of the profile, shaded smoothly around.

        Edges separate the bands.
        """
        # A few-sided prism is shaded flat, a many-sided one as if it were round.
        flat = self.segments < 10
        ends = [(0.0, self.profile[0][1]), *self.profile, (0.0, self.profile[-1][1])]
        angles = 2 * np.pi * np.arange(self.segments + 1) / self.segments
        bands = []
        for (r0, z0), (r1, z1) in pairwise(ends):
            if (r0, z0) == (r1, z1):
                continue
            slope = np.array([z1 - z0, r0 - r1]) / np.hypot(z1 - z0, r1 - r0)
            for first, second in pairwise(angles):
                tilt = ((first + second) / 2,) * 2 if flat else (first, second)
                bands.append(_quad((first, second), tilt, (r0, z0), (r1, z1), slope))
        vertices = np.concatenate([vertices for vertices, _ in bands])
        normals = np.concatenate([normals for _, normals in bands])
        corners = 4 * np.arange(len(bands))[:, None, None]
        faces = (corners + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
        order = {"x": [2, 0, 1], "y": [1, 2, 0], "z": [0, 1, 2]}[self.axis]
        faces = _without_slivers(vertices, faces)
        return _mesh(
            vertices[:, order] + np.array(self.center), faces, normals[:, order], self.material
        )


@dataclass(frozen=True)
class Cushion:
    """A soft block: a superellipsoid, for pillows, mattresses, leaves.

    Parameters
    ----------
    size, center : tuple of float
        Side lengths and middle, m.
    material : int
        Index into the object's materials.
    squareness : float
        0 is an ellipsoid, towards 1 a box.
    segments : int
        Steps around; half as many from bottom to top.
    """

    size: Point
    center: Point
    material: int = 0
    squareness: float = 0.6
    segments: int = 24

    def mesh(self) -> Mesh:
        """Return a grid of latitudes and longitudes on the superellipsoid (Barr 1981)."""
        power = 1.0 - self.squareness
        around = 2 * np.pi * np.arange(self.segments) / self.segments
        rings = self.segments // 2
        upward = np.pi * (np.arange(1, rings) / rings - 0.5)
        latitude, longitude = (grid.ravel() for grid in np.meshgrid(upward, around, indexing="ij"))
        poles = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])

        def surface(power: float) -> Array:
            wide = _signed_power(np.cos(latitude), power)
            return np.stack(
                [
                    wide * _signed_power(np.cos(longitude), power),
                    wide * _signed_power(np.sin(longitude), power),
                    _signed_power(np.sin(latitude), power),
                ],
                axis=1,
            )

        half = np.array(self.size) / 2
        vertices = np.concatenate([surface(power), poles]) * half + np.array(self.center)
        normals = np.concatenate([surface(2.0 - power), poles]) / half
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return _mesh(vertices, _sphere_faces(rings - 1, self.segments), normals, self.material)


@dataclass(frozen=True)
class Leaf:
    """A leaf that rises from a point, arches outward and narrows to a tip; it has two sides.

    Parameters
    ----------
    base : tuple of float
        Where it starts, m.
    azimuth : float
        Direction in which it leans, about the vertical, deg.
    length, width : float
        m.
    rise : float
        Angle above the horizontal at its base, deg.
    droop : float
        Bend from the base down to the tip, deg.
    material : int
        Index into the object's materials.
    """

    base: Point
    azimuth: float
    length: float
    width: float
    rise: float = 70.0
    droop: float = 60.0
    material: int = 0

    def mesh(self) -> Mesh:
        """Return a strip of quads along an arc."""
        steps = 8
        share = np.linspace(0.0, 1.0, steps + 1)
        slope = np.radians(self.rise - self.droop * share)
        step = self.length / steps
        out = np.concatenate([[0.0], np.cumsum(np.cos(slope[:-1]) * step)])
        up = np.concatenate([[0.0], np.cumsum(np.sin(slope[:-1]) * step)])
        half = 0.5 * self.width * np.sin(np.pi * (0.12 + 0.88 * share)) ** 0.8
        turn = yaw_matrix(self.azimuth)
        vertices, normals = [], []
        for side in (-1.0, 1.0):
            vertices.append(np.stack([out, side * half, up + 0.15 * half], axis=1))
            normals.append(np.stack([-np.sin(slope), -0.25 * side + 0.0 * slope, np.cos(slope)], 1))
        normal = np.concatenate(normals)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        first = np.arange(steps)[:, None]
        right, left = first, first + steps + 1
        faces = np.concatenate(
            [np.hstack([right, right + 1, left + 1]), np.hstack([right, left + 1, left])]
        )
        placed = np.concatenate(vertices) @ turn.T + np.array(self.base)
        return _mesh(placed, faces, normal @ turn.T, self.material)


Part = Quad | Box | Revolved | Cushion | Leaf


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """Merge meshes into one; each face keeps its material.

    Parameters
    ----------
    meshes : sequence of Mesh
        At least one; without colors and texture coordinates of their own.

    Returns
    -------
    Mesh
    """
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate(
            [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
        ).astype(np.int32),
        normals=np.concatenate([mesh.normals for mesh in meshes]),
        materials=np.concatenate([mesh.materials for mesh in meshes]),
    )


def place(mesh: Mesh, rotation: Array, translation: Array) -> Mesh:
    """Rotate and translate a mesh.

    Parameters
    ----------
    mesh : Mesh
    rotation : (3, 3) array
        A proper rotation, applied first.
    translation : (3,) array
        m.

    Returns
    -------
    Mesh
        Patterns move with the mesh: they are evaluated in its original coordinates.
    """
    return Mesh(
        vertices=mesh.vertices @ rotation.T + translation,
        faces=mesh.faces,
        normals=mesh.normals @ rotation.T,
        materials=mesh.materials,
        colors=mesh.colors,
        texture=mesh.vertices if mesh.texture is None else mesh.texture,
    )


def yaw_matrix(degrees: float) -> Array:
    """Rotation about the vertical, (3, 3)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _mesh(vertices: Array, faces: NDArray[np.integer], normals: Array, material: int) -> Mesh:
    return Mesh(
        vertices=np.ascontiguousarray(vertices, dtype=np.float64),
        faces=np.ascontiguousarray(faces, dtype=np.int32),
        normals=np.ascontiguousarray(normals, dtype=np.float64),
        materials=np.full(len(faces), material, dtype=np.int32),
    )


def _point(vector: Array) -> Point:
    return (float(vector[0]), float(vector[1]), float(vector[2]))


def _quad(
    around: tuple[float, float],
    tilt: tuple[float, float],
    start: tuple[float, float],
    end: tuple[float, float],
    slope: Array,
) -> tuple[Array, Array]:
    """One facet of a band: its corners, counter-clockwise from outside, and their normals."""
    corners = [(around[0], *start), (around[1], *start), (around[1], *end), (around[0], *end)]
    vertices = np.array([[r * np.cos(a), r * np.sin(a), z] for a, r, z in corners])
    angles = np.array([tilt[0], tilt[1], tilt[1], tilt[0]])
    flat = slope[0] * np.ones(4)
    normals = np.stack([flat * np.cos(angles), flat * np.sin(angles), slope[1] * np.ones(4)], 1)
    return vertices, normals


def _without_slivers(vertices: Array, faces: NDArray[np.integer]) -> NDArray[np.integer]:
    """Drop faces without area: a facet that ends on the axis is one triangle, not two."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return np.asarray(faces[area > 1e-12])


def _signed_power(values: Array, power: float) -> Array:
    return np.sign(values) * np.abs(values) ** power


def _sphere_faces(rings: int, segments: int) -> NDArray[np.integer]:
    """Triangles of a grid of rings, bottom to top; the last two vertices are its poles."""
    ring, step = np.meshgrid(np.arange(rings - 1), np.arange(segments), indexing="ij")
    following = (step + 1) % segments
    a, b = ring * segments + step, ring * segments + following
    c, d = b + segments, a + segments
    body = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )
    south, north = rings * segments, rings * segments + 1
    first = np.arange(segments)
    second = (first + 1) % segments
    top = (rings - 1) * segments
    bottom_fan = np.stack([second, first, np.full(segments, south)], -1)
    top_fan = np.stack([top + first, top + second, np.full(segments, north)], -1)
    return np.concatenate([body, bottom_fan, top_fan])
