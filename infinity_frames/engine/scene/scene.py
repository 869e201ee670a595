"""The declarative scene: objects, camera, lights. Renderers and labels only view it.

Global axes: meters, Z up. Camera axes as in OpenCV: x right, y down, z forward. Colors are linear
RGB in 0..1 unless a name says sRGB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Aperture", "Camera", "Light", "Material", "Mesh", "Object", "Placement", "Scene"]

Color = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Parameters
    ----------
    vertices : (V, 3) float64 array
        Positions, m.
    faces : (F, 3) int32 array
        Vertex indices, counter-clockwise seen from outside.
    normals : (V, 3) float64 array
        Unit normals for shading.
    materials : (F,) int32 array
        Index into the object's ``materials``, per face.
    colors : (V, 3) float32 array or None
        Linear RGB that multiplies the material's color, interpolated over a face.
    texture : (V, 3) float64 array or None
        Coordinates at which procedural patterns are evaluated, m: for a body its rest pose, so that
        a pattern moves with the surface. None: the vertices themselves.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    normals: NDArray[np.float64]
    materials: NDArray[np.int32]
    colors: NDArray[np.float32] | None = None
    texture: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Material:
    """The look of a surface: color, procedural pattern and gloss.

    Parameters
    ----------
    color, color2 : tuple of float
        Linear RGB; the pattern mixes the second into the first. The part above 1 is emitted light,
        W/m^2/sr.
    pattern : str
        Name of a procedural pattern of the renderer; ``"plain"`` has none.
    scale : float
        Size of the pattern's repeat, m.
    roughness : float
        From 0, a flat mirror whose color is its reflectance, to 1, matt.
    specular : float
        Reflectance at normal incidence (0.04 for most, 0.5 and more for metal).
    """

    color: Color
    color2: Color = (0.0, 0.0, 0.0)
    pattern: str = "plain"
    scale: float = 1.0
    roughness: float = 0.8
    specular: float = 0.04


@dataclass(frozen=True, eq=False)
class Object:
    """An object of the scene.

    Parameters
    ----------
    name : str
        Unique in the scene: ``"person"``, ``"dumbbell_left"``, ``"floor"``.
    mesh : Mesh
        In global coordinates if the object is static, else in its own.
    materials : tuple of Material
        Materials that ``mesh.materials`` indexes.
    category : str or None
        Label category; None for the room, which is drawn and occludes but is not annotated.
    one_sided : bool
        Visible only from the outside of its faces, like a wall that the camera may stand behind.
    casts_shadow : bool
        The object blocks light.
    shadow_faces : (S, 3) int32 array or None
        Coarser faces over the same vertices, used for shadows; None: all faces.
    occluder : bool
        Furniture placed between avatar and camera, bounded by ``allowable_occlusion``.
    """

    name: str
    mesh: Mesh
    materials: tuple[Material, ...]
    category: str | None = None
    one_sided: bool = False
    casts_shadow: bool = True
    shadow_faces: NDArray[np.int32] | None = None
    occluder: bool = False


@dataclass(frozen=True, eq=False)
class Placement:
    """Global coordinates of a moving object's vertices in one frame."""

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera with at most one coefficient of radial distortion (Brown, 1966; OpenCV's k1).

    A point at (x, y) = (X / Z, Y / Z) in camera axes is seen at K (s x, s y, 1) with
    s = 1 + distortion (x^2 + y^2).

    Parameters
    ----------
    K : (3, 3) float64 array
        Intrinsics, px.
    RT : (3, 4) float64 array
        Global to camera: rotation and translation, m.
    width, height : int
        Image size, px; pixel c covers [c, c + 1).
    distortion : float
        Radial coefficient k1; 0 is a pinhole, negative bends straight lines outward (barrel).
    """

    K: NDArray[np.float64]
    RT: NDArray[np.float64]
    width: int
    height: int
    distortion: float = 0.0

    @property
    def P(self) -> NDArray[np.float64]:  # noqa: N802 - the field's own name for K @ RT
        """Projection of a homogeneous global point to homogeneous pixels, (3, 4)."""
        return self.K @ self.RT

    @property
    def location(self) -> NDArray[np.float64]:
        """Center of projection in global coordinates, m, (3,)."""
        return -self.RT[:, :3].T @ self.RT[:, 3]

    @property
    def lens(self) -> NDArray[np.float64]:
        """Principal point (2), focal lengths (2), k1, and the largest r^2 for k1, (6,).

        Barrel distortion folds back beyond r^2 = 1 / (3 |k1|); farther points keep the factor of
        that radius, so that they stay outside of the image.
        """
        k = self.distortion
        most = 1.0 / (3.0 * -k) if k < 0.0 else np.inf
        return np.array([self.K[0, 2], self.K[1, 2], self.K[0, 0], self.K[1, 1], k, most])


@dataclass(frozen=True)
class Aperture:
    """A rectangular opening for the light of a lamp outside; walls themselves cast no shadows.

    Parameters
    ----------
    center : tuple of float
        Its middle, m.
    u, v : tuple of float
        Vectors of half its sides, m, at a right angle.
    """

    center: Color
    u: Color
    v: Color


@dataclass(frozen=True)
class Light:
    """A square area light.

    Parameters
    ----------
    location : tuple of float
        Center, m.
    target : tuple of float
        The point it faces, m.
    size : float
        Side length, m.
    power : float
        Radiant power, W.
    color : tuple of float
        Linear RGB tint, about 1 in the largest component.
    apertures : tuple of Aperture
        Openings in one plane that limit its direct light; empty for an open light.
    """

    location: Color
    target: Color
    size: float
    power: float
    color: Color = (1.0, 1.0, 1.0)
    apertures: tuple[Aperture, ...] = ()


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene, without the positions of its moving objects.

    In a label pass, the id of an object is its position in ``objects`` plus 1; 0 is background.
    """

    objects: tuple[Object, ...]
    camera: Camera
    lights: tuple[Light, ...]
    ambient: Color = (0.25, 0.25, 0.27)
    placements: Mapping[str, Placement] = field(default_factory=dict)
