"""The body that is posed: one mesh of all parts, its weights, its points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body import patterns
from infinity_frames.engine.people.body.appearance import Appearance
from infinity_frames.engine.people.body.assembly import FINGERS, assemble, waist
from infinity_frames.engine.people.body.capsule_fit import measured
from infinity_frames.engine.people.body.keypoints import coco_points, locate
from infinity_frames.engine.people.body.mesh import coarsen, merge
from infinity_frames.engine.people.body.palette import look, materials
from infinity_frames.engine.people.body.shape import figure
from infinity_frames.engine.people.body.skin import (
    OWNER,
    bone_transforms,
    bone_weights,
    pack,
    skin,
)
from infinity_frames.engine.people.motion.capsules import Bulk
from infinity_frames.engine.people.skeleton import forward
from infinity_frames.engine.scene.scene import Material, Mesh

__all__ = ["Body", "build_body"]

Array = NDArray[np.float64]

# Cells that the faces casting shadows are coarsened to, m: a shadow's edge is softer than that.
# Soles and ears lie in the shadow of the rest.
_SHADOW_CELL = 0.046
_SHADOW_CELLS = dict.fromkeys(("palm", *FINGERS), 0.030) | dict.fromkeys(
    ("shoe", "foot", "sock"), 0.036
)
_SHADOWLESS = ("sole", "eye", "lips")


@dataclass(frozen=True, eq=False)
class Body:
    """A person that can be posed.

    Parameters
    ----------
    mesh : Mesh
        In `rest_pose`, an A-pose, with the pelvis where the T-pose has it; its ``texture`` is that
        same rest position.
    materials : tuple of Material
        What the mesh's faces index.
    shadow_faces : (S, 3) int32 array
        Fewer faces, that cast much the same shadow.
    parts : dict of str to (2,) tuple of int
        First and past-the-last face of each named part.
    rest_joints : (55, 3) array
        T-pose joints of this person, for `skeleton.forward`; the feet stand on y = 0, m.
    rest_pose : (55, 4) array
        Quaternions of the mesh's A-pose.
    betas : (10,) array
        See `Appearance.betas`.
    stature, waist_circumference : float
        Without hair and shoes; round the waist of the skin, in a horizontal plane, m.
    attire_top, attire_bottom : str
        Names of the clothes.
    vertex_keypoints : dict of str to int
        Vertex of each named point on the skin.
    bones, weights : (V, 8) array
        Which bones move each vertex, and how much.
    """

    mesh: Mesh
    materials: tuple[Material, ...]
    shadow_faces: NDArray[np.int32]
    parts: Mapping[str, tuple[int, int]]
    rest_joints: Array
    rest_pose: Array
    betas: Array
    stature: float
    waist_circumference: float
    attire_top: str
    attire_bottom: str
    vertex_keypoints: Mapping[str, int]
    bones: NDArray[np.int32]
    weights: Array

    def pose(self, quaternions: Array, root: Array) -> tuple[Array, Array]:
        """Vertices and unit normals of a pose.

        Parameters
        ----------
        quaternions : (55, 4) array
            Rotation of each joint relative to its parent, from the T-pose, w, x, y, z.
        root : (3,) array
            Position of the pelvis, body axes, m.

        Returns
        -------
        vertices, normals : (V, 3) array
            Body axes, m.
        """
        rotations, offsets = bone_transforms(
            np.ascontiguousarray(quaternions, float),
            np.ascontiguousarray(root, float),
            self.rest_joints,
            self.rest_pose,
            self._rest_frames,
        )
        vertices, normals = skin(
            self.mesh.vertices, self.mesh.normals, self.bones, self.weights, rotations, offsets
        )
        return vertices, normals

    @cached_property
    def _rest_frames(self) -> tuple[Array, Array]:
        return forward(self.rest_pose, self.rest_joints[0], self.rest_joints)

    @cached_property
    def flesh(self) -> tuple[Bulk, ...]:
        """What arms have to keep clear of, for `Motion`."""
        joints, _ = self._rest_frames
        owners = OWNER[self.bones[:, 0]]
        return measured(self.mesh.vertices, owners, joints, self.rest_joints)

    def coco_keypoints(self, vertices: Array, joints: Array) -> Array:
        """Return the 17 COCO points of a pose.

        Parameters
        ----------
        vertices : (V, 3) array
            Posed vertices.
        joints : (55, 3) array
            Joint positions of the same pose.

        Returns
        -------
        (17, 3) array
            In the order of `keypoints.COCO`, as `keypoints.coco_points` defines them.
        """
        return coco_points(vertices, joints, self.vertex_keypoints)


@lru_cache(maxsize=16)
def build_body(appearance: Appearance) -> Body:
    """Build a person; the same request gives the same body.

    Parameters
    ----------
    appearance : Appearance
        Who, and what they wear.

    Returns
    -------
    Body
    """
    body = figure(appearance)
    pieces = assemble(appearance, body)
    whole = merge([piece.part for piece in pieces])
    bones, shares = pack(bone_weights(np.vstack([piece.weights for piece in pieces])))
    starts = np.cumsum([0] + [len(piece.part.faces) for piece in pieces]).tolist()
    top, bottom = patterns.OUTFITS[appearance.outfit]
    vertices = np.ascontiguousarray(whole.vertices)
    shadows = [
        coarsen(vertices, whole.faces[a:b], _SHADOW_CELLS.get(piece.kind, _SHADOW_CELL))
        for piece, (a, b) in zip(pieces, pairwise(starts), strict=True)
        if piece.casts and piece.kind not in _SHADOWLESS
    ]
    return Body(
        mesh=Mesh(
            vertices,
            whole.faces,
            np.ascontiguousarray(whole.normals),
            whole.materials,
            whole.colors.astype(np.float32),
            vertices,
        ),
        materials=materials(look(appearance), bottom),
        shadow_faces=np.vstack(shadows),
        parts={piece.name: span for piece, span in zip(pieces, pairwise(starts), strict=True)},
        rest_joints=body.joints,
        rest_pose=body.rest_pose,
        betas=appearance.betas,
        stature=appearance.stature,
        waist_circumference=waist(body),
        attire_top=top,
        attire_bottom=bottom,
        vertex_keypoints=locate(vertices, body),
        bones=bones,
        weights=shares,
    )
