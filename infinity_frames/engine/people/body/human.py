"""The human mesh: MakeHuman's CC0 base mesh, shape targets and weights, read from one file.

`scripts/build_human.py` wrote ``human.npz``, which holds the middle and the left side. Reading it
adds the right side, so both sides of every body are exact mirror images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS

__all__ = ["Human", "Shaped", "human", "vertex_normals"]

Array = NDArray[np.float64]
Faces = NDArray[np.int32]

_FILE = Path(__file__).with_name("human.npz")
_STEP = 1e-4  # of the targets' offsets, m
_DECIMETER = 0.1
_CROTCH, _SMOOTHED = 0.07, 80  # half the width between the thighs, m; rounds of smoothing
_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Shaped:
    """One body in MakeHuman's rest pose: y up, x to the person's left, z forward, m.

    Parameters
    ----------
    skin : (V, 3) array
        Vertices of the skin.
    eye, lashes : (E, 3) and (L, 3) array
        Vertices of the left eye and its lashes.
    joints : (55, 3) array
        In the order of `skeleton.JOINTS`.
    """

    skin: Array
    eye: Array
    lashes: Array
    joints: Array


class Human:
    """Topology, shapes and weights that all bodies share.

    Attributes
    ----------
    faces : (F, 3) int32 array
        Triangles of the skin, counter-clockwise seen from outside.
    lashes : (K, 3) int32 array
        Triangles of the left lashes.
    weights : (V, 55) array
        How much each joint moves each vertex; rows sum to 1.
    masks : mapping of str to (V,) array
        How far a vertex belongs to lips, ears, eyelids, nails and the inside of the mouth, 0..1.
    mirror : (V,) array
        The vertex on the other side.
    """

    def __init__(self) -> None:
        with np.load(_FILE) as stored:
            data = dict(stored)
        self._middle, self._left, self._eye, self._lash = data["counts"].tolist()
        self._half = self._middle + self._left
        self._base = data["base"].astype(np.float64) * _DECIMETER
        starts = data["starts"].tolist()
        self._targets = {
            name: (data["indices"][a:b].astype(np.intp), data["offsets"][a:b] * _STEP)
            for name, a, b in zip(data["targets"].tolist(), starts, starts[1:], strict=False)
        }
        self._joint_names = data["joints"].tolist()
        middle = np.arange(self._middle)
        left = np.arange(self._middle, self._half)
        self.mirror = np.concatenate([middle, left + self._left, left])
        self.faces = self._both_sides(data["faces"].astype(np.int32))
        self.lashes = _triangles(data["lashes"].astype(np.int32)) - np.int32(self._half + self._eye)
        self.weights = self._joint_weights(data["bones"].tolist(), data["weights"])
        self.masks = {
            name: self._whole(column.astype(np.float64) / 255.0)
            for name, column in zip(
                data["masks"].tolist(), data["masked"][: self._half].T, strict=True
            )
        }

    @property
    def targets(self) -> frozenset[str]:
        """Names of the shape targets."""
        return frozenset(self._targets)

    def shaped(self, amounts: Mapping[str, float]) -> Shaped:
        """Add shape targets to the base mesh.

        Parameters
        ----------
        amounts : mapping of str to float
            How much of each target.

        Returns
        -------
        Shaped
        """
        points = self._base.copy()
        for name, amount in amounts.items():
            indices, offsets = self._targets[name]
            points[indices] += amount * offsets
        half = points[: self._half]
        eye = points[self._half : self._half + self._eye]
        lashes = points[self._half + self._eye : self._half + self._eye + self._lash]
        joints = np.empty((len(JOINTS), 3))
        for name, point in zip(self._joint_names, points[-len(self._joint_names) :], strict=True):
            joints[JOINT_INDEX[name]] = point
            if name.startswith("left_"):
                joints[JOINT_INDEX["right_" + name.removeprefix("left_")]] = point * _MIRROR
        skin = np.concatenate([half, half[self._middle :] * _MIRROR])
        return Shaped(skin, eye, lashes, joints)

    @cached_property
    def smoothing(self) -> sp.csr_array:
        """Replaces values at vertices by the mean of their neighbors', (V, V) sparse."""
        return averaging(self.faces, len(self.mirror))

    def _whole(self, half: Array) -> Array:
        return np.concatenate([half, half[self._middle :]])

    def _both_sides(self, left: Faces) -> Faces:
        other = self.mirror[left].astype(np.int32)[:, ::-1]
        return np.ascontiguousarray(np.vstack([left, other]))

    def _joint_weights(self, names: list[str], stored: NDArray[np.uint16]) -> Array:
        half = np.zeros((self._half, len(JOINTS)))
        half[:, [JOINT_INDEX[name] for name in names]] = stored
        flip = [
            JOINT_INDEX[f"{_OTHER[side]}_{part}"] if side in _OTHER else JOINT_INDEX[name]
            for name in JOINTS
            for side, _, part in (name.partition("_"),)
        ]
        # What lies on the middle plane is moved by both sides alike.
        half[: self._middle] = 0.5 * (half[: self._middle] + half[: self._middle][:, flip])
        whole = np.concatenate([half, half[self._middle :][:, flip]])
        whole /= whole.sum(axis=1, keepdims=True)
        # Between the thighs the stored weights jump from one leg to the other.
        skin = self.shaped({}).skin
        hip = self.shaped({}).joints[JOINT_INDEX["left_hip"]]
        near = np.clip(1.5 - np.abs(skin[:, 0]) / _CROTCH, 0.0, 1.0)
        near *= np.clip(1.5 - np.abs(skin[:, 1] - hip[1] + _CROTCH) / (3 * _CROTCH), 0.0, 1.0)
        for _ in range(_SMOOTHED):
            whole += near[:, None] * (self.smoothing @ whole - whole)
        return np.asarray(whole / whole.sum(axis=1, keepdims=True))


_OTHER = {"left": "right", "right": "left"}


@lru_cache(maxsize=1)
def human() -> Human:
    """Read the mesh; once per process."""
    return Human()


def averaging(faces: Faces, count: int) -> sp.csr_array:
    """Replace values at vertices by the mean of their neighbors', (count, count) sparse."""
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    ones = np.ones(len(edges))
    linked = sp.coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    linked = linked + linked.T
    linked.data[:] = 1.0
    degree = np.maximum(np.asarray(linked.sum(axis=1)).ravel(), 1.0)
    return sp.csr_array(sp.diags_array(1.0 / degree) @ linked)


def vertex_normals(vertices: Array, faces: Faces) -> Array:
    """Unit normals of vertices: the sum of their faces' normals, weighted by area, (V, 3)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    out = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(normals[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12))


def _triangles(quads: Faces) -> Faces:
    return np.vstack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
