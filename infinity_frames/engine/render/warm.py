"""Compilation ahead of the first frame."""

from __future__ import annotations

import numpy as np

from infinity_frames.engine.render.develop import develop
from infinity_frames.engine.render.renderer import Renderer
from infinity_frames.engine.scene.model import (
    Camera,
    Light,
    Material,
    Mesh,
    Object,
    Placement,
    Scene,
)

__all__ = ["warm_up"]


def warm_up() -> None:
    """Compile every kernel of the renderer, or load it from numba's cache folder.

    The first call on a machine takes some 15 seconds, later ones under one. An engine calls it
    once, before it starts workers, so that they find the machine code on disk.
    """
    corners = np.array([[-1.0, -1.0, 2.0], [1.0, -1.0, 2.0], [0.0, 1.0, 2.0]])
    normals = np.tile([0.0, 0.0, -1.0], (3, 1))
    material = (Material((0.5, 0.5, 0.5)),)
    mesh = Mesh(corners, np.array([[0, 2, 1]], np.int32), normals, np.zeros(1, np.int32))
    wall = Mesh(corners + np.array([0.0, 0.0, 1.0]), mesh.faces, normals, mesh.materials)
    scene = Scene(
        (
            Object("moving", mesh, material),
            Object("still", wall, material),
            Object("wall", wall, material, casts_shadow=False),
        ),
        Camera(np.array([[8.0, 0, 8], [0, 8.0, 8], [0, 0, 1]]), np.eye(4)[:3], 16, 16),
        (Light((0.0, 0.0, -1.0), (0.0, 0.0, 2.0), 1.0, 100.0),),
    )
    renderer = Renderer(scene)
    placements = {"moving": Placement(corners, normals)}
    renderer.labels(placements).unoccluded(1)
    develop(renderer.picture(placements), rng=np.random.default_rng(0))
