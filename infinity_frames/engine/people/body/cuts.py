"""Surfaces cut out of the human mesh: clothes, hair, brows.

A cut is made once, on the template. A `Sheet` records every vertex as a weighted mean of vertices
of the skin, so the same cut applies to any body by one sparse product, with exact skinning weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from infinity_frames.engine.people.body.human import averaging, human
from infinity_frames.engine.people.body.shape import template

__all__ = ["Scalar", "Sheet"]

Array = NDArray[np.float64]
Faces = NDArray[np.int32]
Scalar = Callable[[Array], Array]

_ON_CURVE = 2e-4  # vertices closer to a curve than this lie on it, m
_BISECTIONS = 8


@dataclass(frozen=True, eq=False)
class Sheet:
    """Triangles over weighted means of the skin's vertices.

    Parameters
    ----------
    rows : (N, V) sparse array
        Weights of the skin's vertices; rows sum to 1.
    faces : (F, 3) int32 array
        Triangles over the rows.
    tags : (F,) int array
        A number per face, which the maker gives a meaning.
    """

    rows: sp.csr_array
    faces: Faces
    tags: NDArray[np.int32]

    @classmethod
    def of(cls, faces: Faces) -> Sheet:
        """Make a sheet of faces of the skin."""
        whole = sp.csr_array(sp.eye_array(len(human().mirror), format="csr"))
        return cls(whole, faces, np.zeros(len(faces), np.int32)).compact()

    @cached_property
    def points(self) -> Array:
        """Vertices on the template, (N, 3) m."""
        return np.asarray(self.rows @ template().skin)

    @cached_property
    def smoothing(self) -> sp.csr_array:
        """Replaces values at vertices by the mean of their neighbors'."""
        return averaging(self.faces, self.rows.shape[0])

    def keep(self, scalar: Scalar) -> Sheet:
        """Cut along the zero of a scalar of template points and keep where it is negative."""
        cut, side = self._split(scalar)
        kept = side[cut.faces].sum(axis=1) < 0
        return Sheet(cut.rows, cut.faces[kept], cut.tags[kept]).compact()

    def mark(self, tag: int, *scalars: Scalar) -> Sheet:
        """Cut along the zeros of scalars and tag the faces where all are negative."""
        cut = self
        for scalar in scalars:
            cut, _ = cut._split(scalar)
        centers = cut.points[cut.faces].mean(axis=1)
        inside = np.all([scalar(centers) < 0 for scalar in scalars], axis=0)
        return Sheet(cut.rows, cut.faces, np.where(inside, np.int32(tag), cut.tags))

    def subdivided(self) -> Sheet:
        """Replace each triangle by four."""
        edges = np.sort(self.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, place = np.unique(edges, axis=0, return_inverse=True)
        halves = 0.5 * (self.rows[unique[:, 0]] + self.rows[unique[:, 1]])
        x, y, z = (place.reshape(-1, 3) + self.rows.shape[0]).T
        a, b, c = self.faces.T
        corners = ((a, x, z), (x, b, y), (z, y, c), (x, y, z))
        faces = np.vstack([np.stack(corner, axis=1) for corner in corners]).astype(np.int32)
        return Sheet(sp.csr_array(sp.vstack([self.rows, halves])), faces, np.tile(self.tags, 4))

    def compact(self) -> Sheet:
        """Drop the vertices that no face uses."""
        used = np.unique(self.faces)
        place = np.full(self.rows.shape[0], -1, np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        return Sheet(sp.csr_array(self.rows[used]), place[self.faces], self.tags)

    def without_scraps(self, least: int = 60) -> Sheet:
        """Drop connected pieces of fewer faces than `least`."""
        edges = self.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        count = self.rows.shape[0]
        linked = sp.coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
        _, label = connected_components(linked, directed=False)
        own = label[self.faces[:, 0]]
        large = np.bincount(own, minlength=label.max() + 1)[own] >= least
        return Sheet(self.rows, self.faces[large], self.tags[large]).compact()

    def _split(self, scalar: Scalar) -> tuple[Sheet, Array]:
        """Divide the faces that the zero crosses; also return the scalar of every vertex."""
        cut = Crossing.of(self.points, self.faces, scalar)
        if not len(cut.edges):
            return self, cut.side
        edges, mix = cut.edges, cut.mix
        added = (
            sp.diags_array(1.0 - mix) @ self.rows[edges[:, 0]]
            + sp.diags_array(mix) @ self.rows[edges[:, 1]]
        )
        faces, kept, source = cut.divided(self.faces)
        return (
            Sheet(
                sp.csr_array(sp.vstack([self.rows, added])),
                np.vstack([self.faces[kept], faces]),
                np.concatenate([self.tags[kept], self.tags[source]]),
            ),
            np.concatenate([cut.side, np.zeros(len(edges))]),
        )


@dataclass(frozen=True, eq=False)
class Crossing:
    """Where the zero of a scalar crosses the edges of triangles.

    Parameters
    ----------
    side : (V,) array
        The scalar of each vertex, 0 where the curve runs through it.
    crossed : (F,) bool array
        Faces to divide.
    edges : (E, 2) int array
        Crossed edges, each once, the lower vertex first.
    mix : (E,) array
        Where on the edge, as a share from its first vertex.
    """

    side: Array
    crossed: NDArray[np.bool_]
    edges: NDArray[np.int32]
    mix: Array

    @classmethod
    def of(
        cls, points: Array, faces: Faces, scalar: Scalar, on_curve: float = _ON_CURVE
    ) -> Crossing:
        """Find where a smooth scalar of points (N, 3) is 0; values below `on_curve` count as 0."""
        side = scalar(points)
        side = np.where(np.abs(side) < on_curve, 0.0, side)
        sign = np.sign(side)[faces]
        crossed = (sign.min(axis=1) < 0) & (sign.max(axis=1) > 0)
        edges = np.sort(faces[crossed][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        edges = np.unique(edges, axis=0)
        edges = edges[side[edges[:, 0]] * side[edges[:, 1]] < 0]
        return cls(side, crossed, edges, _zero(points[edges], side[edges], scalar))

    def divided(self, faces: Faces) -> tuple[Faces, NDArray[np.int64], NDArray[np.int64]]:
        """Divide the crossed faces; the vertices on the edges are numbered after all others.

        Returns
        -------
        pieces : (P, 3) array
            Faces that replace the crossed ones.
        kept : (K,) array
            Numbers of the faces that are not crossed.
        source : (P,) array
            Number of the face of each piece.
        """
        count = len(self.side)
        number = {(a, b): count + k for k, (a, b) in enumerate(self.edges.tolist())}
        places = np.flatnonzero(self.crossed)
        pieces = [_divided(face, self.side, number) for face in faces[places].tolist()]
        source = np.repeat(places, [len(found) for found in pieces])
        flat = np.array([piece for found in pieces for piece in found], np.int32)
        return flat.reshape(-1, 3), np.flatnonzero(~self.crossed), source


def _zero(ends: Array, side: Array, scalar: Scalar) -> Array:
    """Return where along edges (E, 2, 3) the scalar is 0, as a share of the edge: bisection."""
    low, high = np.zeros(len(ends)), np.ones(len(ends))
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        value = scalar(ends[:, 0] + middle[:, None] * (ends[:, 1] - ends[:, 0]))
        before = value * side[:, 0] > 0
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    return 0.5 * (low + high)


def _divided(face: list[int], side: Array, number: dict[tuple[int, int], int]) -> list[list[int]]:
    """Cut one face along the zero: walk around it and collect the polygon of each side."""
    polygons: tuple[list[int], list[int]] = ([], [])
    for here, there in zip(face, [*face[1:], face[0]], strict=True):
        if side[here] >= 0:
            polygons[1].append(here)
        if side[here] <= 0:
            polygons[0].append(here)
        crossing = number.get((min(here, there), max(here, there)))
        if crossing is not None:
            polygons[0].append(crossing)
            polygons[1].append(crossing)
    return [
        [polygon[0], polygon[k], polygon[k + 1]]
        for polygon in polygons
        for k in range(1, len(polygon) - 1)
    ]
