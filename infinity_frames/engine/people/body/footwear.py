"""Shoes and socks: modeled once around a last, then fitted to each person's feet."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from infinity_frames.engine.people.body.human import human
from infinity_frames.engine.people.body.mesh import Part, clip, from_field, mirror
from infinity_frames.engine.people.body.palette import Surface
from infinity_frames.engine.people.body.patterns import smooth_step
from infinity_frames.engine.people.body.sdf import Field
from infinity_frames.engine.people.body.shape import Figure
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS

__all__ = ["foot_faces", "kept_outside", "shoe_weights", "shoes", "sock_weights", "socks"]

Array = NDArray[np.float64]

# The last of a left shoe, whose ankle is above the origin: distance forward, center aside and up,
# radii outward, inward, up and down, m.
_LAST = np.array(
    [
        [-0.062, -0.002, 0.030, 0.008, 0.008, 0.010, 0.012],
        [-0.050, -0.002, 0.032, 0.026, 0.026, 0.030, 0.034],
        [-0.020, -0.001, 0.032, 0.032, 0.031, 0.046, 0.038],
        [0.030, 0.002, 0.030, 0.033, 0.031, 0.050, 0.036],
        [0.070, 0.006, 0.026, 0.037, 0.034, 0.038, 0.032],
        [0.110, 0.009, 0.021, 0.043, 0.040, 0.026, 0.027],
        [0.140, 0.011, 0.018, 0.044, 0.042, 0.018, 0.023],
        [0.165, 0.010, 0.014, 0.038, 0.040, 0.011, 0.018],
        [0.190, 0.008, 0.014, 0.031, 0.034, 0.016, 0.018],
        [0.204, 0.007, 0.012, 0.021, 0.023, 0.012, 0.014],
        [0.210, 0.007, 0.011, 0.008, 0.008, 0.006, 0.008],
    ]
)
_ANKLE, _SHIN = 0.033, 0.036  # radii of what is above the last, m
_COLLAR = 0.083  # height of a shoe's opening, m
_CUFF = 0.085  # height of a sock above the ankle, m
_OUTSIDE = 0.003  # least distance of a shoe from the skin, m


def _field(ease: float) -> Field:
    field, stations = Field(), _LAST.copy()
    stations[:, 3:] += ease
    field.loft((0, 0, 0), (0, 0, 1), (1, 0, 0), stations, 0.02, power=2.3, mirrored=False)
    field.cone(
        (0.0, 0.050, -0.002),
        (0.0, 0.190, -0.008),
        _ANKLE + ease,
        _SHIN + ease,
        0.022,
        mirrored=False,
    )
    return field


@lru_cache(maxsize=1)
def _modeled() -> dict[str, Part]:
    """Shoe, sole and sock of the left foot, around the last."""

    def above(height: float, points: Array) -> Array:
        return np.asarray(height - points[:, 1])

    def collar(points: Array) -> Array:
        forward = points[:, 2]
        rise = 0.10 * forward - 3.0 * np.clip(forward, 0.0, None) ** 2
        return np.asarray(points[:, 1] - _COLLAR + rise)

    low, high = (-0.075, -0.03, -0.090), (0.075, 0.17, 0.235)

    def part(ease: float, surface: Surface, voxel: tuple[float, float, float]) -> Part:
        return from_field(_field(ease), low, high, voxel, surface, step=0.010)

    upper = part(0.0065, Surface.SHOE, (0.014, 0.012, 0.018))
    sole = part(0.0115, Surface.SOLE, (0.020, 0.014, 0.026))
    sock = part(0.0035, Surface.SOCK, (0.014, 0.015, 0.018))
    parts = {
        "shoe": clip(upper, (lambda p: above(0.021, p), collar), shade=0.5, sink=0.006, band=0.8),
        "sole": clip(sole, (lambda p: above(0.0, p), lambda p: p[:, 1] - 0.024), shade=0.85),
        "sock": clip(
            sock, (lambda p: above(0.0, p), lambda p: p[:, 1] - 0.155), shade=0.85, band=0.9
        ),
    }
    for modeled in parts.values():
        modeled.vertices[:, 1] = np.maximum(modeled.vertices[:, 1], 0.0)
    return parts


def foot_faces(height: float, body: Figure) -> NDArray[np.bool_]:
    """Faces of the skin of both feet that lie below a height above the floor, m, (F,)."""
    skin = human()
    low = body.skin[:, 1] < body.floor + height
    return np.asarray(low[skin.faces].all(axis=1))


def _fitted(part: Part, body: Figure) -> Part:
    """Return a part around the last as one around the left foot."""
    skin = human()
    joints = [JOINT_INDEX["left_ankle"], JOINT_INDEX["left_foot"]]
    points = body.skin[skin.weights[:, joints].sum(axis=1) > 0.5]
    points = points[points[:, 1] < body.floor + 0.06]
    margin = np.array([0.003, 0.0, 0.004])
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    last_low, last_high = np.array([-0.044, 0.0, -0.062]), np.array([0.055, 0.1, 0.210])
    size = (high - low) / (last_high - last_low)
    size[1] = 0.5 * (size[0] + size[2])
    low[1] = body.floor
    vertices = low + (part.vertices - last_low) * size
    # Above the foot everything is around the leg, not around the foot's middle.
    ankle = body.at("left_ankle")
    origin = low + (0.0 - last_low) * size
    share = smooth_step(vertices[:, 1] - body.floor, 0.03, 0.075)[:, None]
    vertices = vertices + share * (ankle - origin) * [1.0, 0.0, 1.0] * _is_leg(part)[:, None]
    normals = part.normals / size
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Part(vertices, normals, part.faces, part.materials, part.colors)


def _is_leg(part: Part) -> Array:
    """Return how far vertices belong to the shank rather than to the instep, 0..1."""
    return 1.0 - smooth_step(part.vertices[:, 2], 0.02, 0.07)


def kept_outside(points: Array, body: Figure, least: float) -> Array:
    """Return points moved out to a least distance from the skin, m."""
    _, nearest = cKDTree(body.skin).query(points)
    normal = body.smooth_normals[nearest]
    gap = np.einsum("ij,ij->i", points - body.skin[nearest], normal)
    return np.asarray(points + np.maximum(least - gap, 0.0)[:, None] * normal)


def shoes(body: Figure) -> dict[str, Part]:
    """Uppers and soles of both feet."""
    out = {}
    for name in ("shoe", "sole"):
        part = _fitted(_modeled()[name], body)
        if name == "shoe":
            leg = part.vertices[:, 1] > body.floor + 0.05
            part.vertices[leg] = kept_outside(part.vertices[leg], body, _OUTSIDE)
        out[f"left_{name}"], out[f"right_{name}"] = part, mirror(part)
    return out


def socks(body: Figure) -> dict[str, Part]:
    """Both socks, to a hand's breadth above the ankle."""
    part = _fitted(_modeled()["sock"], body)
    # Stretch what is above the ankle to the height of the cuff.
    ankle = float(body.at("left_ankle")[1])
    top = float(part.vertices[:, 1].max())
    grown = ankle + (part.vertices[:, 1] - ankle) * _CUFF / (top - ankle)
    part.vertices[:, 1] = np.where(part.vertices[:, 1] > ankle, grown, part.vertices[:, 1])
    cloth = part.colors.min(axis=1) > 0.86  # what closes the cuff stays where it is
    leg = cloth & (part.vertices[:, 1] > body.floor + 0.03)
    part.vertices[leg] = kept_outside(part.vertices[leg], body, 0.002)
    return {"left_sock": part, "right_sock": mirror(part)}


def shoe_weights(part: Part, body: Figure) -> Array:
    """How much each joint moves each vertex of a shoe, (N, 55): foot, and toes before the ball."""
    side = "left" if part.vertices[:, 0].mean() > 0 else "right"
    ball, ankle = body.at(f"{side}_foot"), body.at(f"{side}_ankle")
    toes = smooth_step(part.vertices[:, 2] - ball[2], -0.022, 0.022)
    toes = toes * smooth_step(ankle[1] - part.vertices[:, 1], -0.01, 0.02)
    out = np.zeros((len(part.vertices), len(JOINTS)))
    out[:, JOINT_INDEX[f"{side}_foot"]] = toes
    out[:, JOINT_INDEX[f"{side}_ankle"]] = 1.0 - toes
    return out


def sock_weights(part: Part, body: Figure) -> Array:
    """Return how much each joint moves each vertex of a sock, (N, 55): as the skin beneath it.

    Near the floor it is as stiff as a shoe, so that it lies flat.
    """
    _, nearest = cKDTree(body.skin).query(part.vertices, k=6)
    leg = smooth_step(part.vertices[:, 1] - body.floor, 0.02, 0.05)[:, None]
    skin = human().weights[nearest].mean(axis=1)
    return np.asarray(leg * skin + (1.0 - leg) * shoe_weights(part, body))
