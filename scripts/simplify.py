"""Fewer triangles for a mesh that several shapes share: half-edge collapses by quadric error.

After Garland and Heckbert, "Surface simplification using quadric error metrics" (1997); a vertex
only ever moves onto a neighbor, so shape targets and weights of the kept vertices stay as they are.
"""

from __future__ import annotations

import heapq

import numpy as np

_FLAT = (1e-4) ** 2  # error that costs nothing, m^2
_TURN = 0.35  # least cosine between a face's normals before and after
_SLIVER = 0.08  # least quality of a new face, 1 for an equilateral one


def simplified(
    shapes: np.ndarray, faces: np.ndarray, importance: np.ndarray, locked: np.ndarray, count: int
) -> np.ndarray:
    """Collapse the cheapest edges until few enough faces are left.

    Parameters
    ----------
    shapes : (S, V, 3) array
        Positions of the vertices in each shape, m.
    faces : (F, 3) array
        Triangles.
    importance : (V,) array
        Factor on the cost of removing a vertex.
    locked : (V,) bool array
        Vertices that stay.
    count : int
        Number of faces to reach.

    Returns
    -------
    (K, 3) array
        Triangles over the same vertices.
    """
    corners = shapes[:, faces]
    normals = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    area = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals /= np.maximum(area, 1e-12)
    planes = np.concatenate(
        [normals, -np.einsum("sfc,sfc->sf", normals, corners[:, :, 0])[..., None]], axis=-1
    )
    outer = np.einsum("sfi,sfj->sfij", planes, planes) * area[..., None]
    quadrics = np.zeros((shapes.shape[0], shapes.shape[1], 4, 4))
    weight = np.zeros(shapes.shape[:2])
    for corner in range(3):
        for shape in range(len(shapes)):
            np.add.at(quadrics[shape], faces[:, corner], outer[shape])
            np.add.at(weight[shape], faces[:, corner], area[shape, :, 0])
    points = np.concatenate([shapes, np.ones((*shapes.shape[:2], 1))], axis=-1)
    around: list[set[int]] = [set() for _ in range(shapes.shape[1])]
    alive = {k: tuple(face) for k, face in enumerate(faces.tolist())}
    for k, face in alive.items():
        for vertex in face:
            around[vertex].add(k)

    def neighbors(vertex: int) -> set[int]:
        return {v for k in around[vertex] for v in alive[k]} - {vertex}

    def cost(gone: int, onto: int) -> float:
        p = points[:, onto]
        error = np.einsum("si,sij,sj->s", p, quadrics[:, gone], p) / weight[:, gone]
        length = ((shapes[:, gone] - shapes[:, onto]) ** 2).sum(axis=-1)
        return float(((np.abs(error) + _FLAT) * length).sum() * importance[gone])

    version = np.zeros(shapes.shape[1], int)
    heap: list[tuple[float, int, int, int, int]] = []

    def push(gone: int) -> None:
        if not locked[gone]:
            for onto in neighbors(gone):
                entry = (cost(gone, onto), gone, onto, int(version[gone]), int(version[onto]))
                heapq.heappush(heap, entry)

    for vertex in range(shapes.shape[1]):
        push(vertex)
    while len(alive) > count and heap:
        _, gone, onto, first, second = heapq.heappop(heap)
        if version[gone] != first or version[onto] != second or not around[gone]:
            continue
        if not _allowed(shapes, alive, around, neighbors, gone, onto):
            continue
        for k in list(around[gone]):
            face = alive[k]
            if onto in face:
                for vertex in face:
                    around[vertex].discard(k)
                del alive[k]
            else:
                alive[k] = tuple(onto if v == gone else v for v in face)
                around[onto].add(k)
        around[gone].clear()
        quadrics[:, onto] += quadrics[:, gone]
        weight[:, onto] += weight[:, gone]
        ring = neighbors(onto)
        version[[gone, onto, *ring]] += 1
        for vertex in (onto, *ring):
            push(vertex)
    return np.array([alive[k] for k in sorted(alive)])


def _allowed(shapes, alive, around, neighbors, gone, onto) -> bool:
    """Whether a collapse keeps the surface a manifold and turns or squeezes no face."""
    if len(neighbors(gone) & neighbors(onto)) != 2:
        return False
    for k in around[gone]:
        face = alive[k]
        if onto in face:
            continue
        old = shapes[:, face]
        new = shapes[:, [onto if v == gone else v for v in face]]
        before = np.cross(old[:, 1] - old[:, 0], old[:, 2] - old[:, 0])
        after = np.cross(new[:, 1] - new[:, 0], new[:, 2] - new[:, 0])
        sizes = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
        if (np.einsum("si,si->s", before, after) < _TURN * sizes).any():
            return False
        edges = ((new - np.roll(new, 1, axis=1)) ** 2).sum(axis=(1, 2))
        if (np.linalg.norm(after, axis=-1) * 2 * np.sqrt(3) < _SLIVER * edges).any():
            return False
    return True
