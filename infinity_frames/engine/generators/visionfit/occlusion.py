"""Furniture between avatar and camera, placed so that it never hides more than is allowed.

The share is measured on rendered masks. A first place is found by poses without noise, a fraction
of what is allowed; then every frame of the video is checked, and the piece moves aside until all
of them hold. So the place hardly ever depends on how many frames there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.visionfit.performance import Performance, extent
from infinity_frames.engine.render import Renderer
from infinity_frames.engine.rng import stream
from infinity_frames.engine.scene.furniture import furniture, furniture_mesh
from infinity_frames.engine.scene.model import Camera, Object, Placement, Scene
from infinity_frames.engine.scene.rooms import Room

__all__ = ["placed_occluder"]

Mask = NDArray[np.bool_]

_STEP = 0.04  # of moving aside, m
_ASIDE = 1.1  # farthest from the line of sight, m: there the room's own furniture begins
_CLEARANCE = 0.30  # from the camera and from what the exercise takes up, m
_FOREGROUND = 0.4  # share of the distance that is left free: what is nearer fills the picture
_FLESH = 0.20  # around the joints that an exercise's extent is made of, m


@dataclass(frozen=True, eq=False)
class _Spot:
    """Where on the line of sight a piece may stand, and to which side it gives way."""

    kind: str
    yaw: float
    middle: NDArray[np.float64]
    side: float

    def piece(self, step: int) -> Object:
        """The piece, moved aside by so many steps."""
        position = self.middle + np.array([self.side * step * _STEP, 0.0])
        return furniture(self.kind, "occluder", position, self.yaw, occluder=True)


def placed_occluder(
    room: Room,
    performance: Performance,
    camera: Camera,
    location: NDArray[np.float64],
    allowed: float,
    seed: int,
) -> list[Object]:
    """Put a piece of furniture before the avatar.

    Parameters
    ----------
    room : Room
        Which kinds there are to choose from.
    performance : Performance
        What the avatar does.
    camera : Camera
    location : (3,) array
        Where the avatar is, m.
    allowed : float
        Most of the avatar's unoccluded mask that it may hide in any frame, %.
    seed : int
        The job's seed.

    Returns
    -------
    list of Object
        One, or none where nothing may be hidden or nothing fits.
    """
    if allowed <= 0.0:
        return []
    spot = _spot(room, performance, camera, location, seed)
    if spot is None:
        return []
    person = Renderer(Scene((performance.objects[0],), camera, ()))
    target = allowed * stream(seed, "occlusion").uniform(0.5, 0.85)
    step, last = 0, int(_ASIDE / _STEP)
    mask = _mask(spot.piece(step), camera)
    typical = [_alone(person, skin) for skin in performance.typical_skins()]
    while step <= last and max(_hidden(alone, mask) for alone in typical) > target:
        step += 1
        mask = _mask(spot.piece(step), camera)
    # Every frame in turn; a move starts the round again.
    checked, frames = 0, _endless(performance)
    total = performance.timeline.num_frames
    while allowed < 100.0 and step <= last and checked < total:
        if _hidden(_alone(person, next(frames)), mask) <= allowed:
            checked += 1
        else:
            step, checked = step + 1, 0
            mask = _mask(spot.piece(step), camera)
    return [spot.piece(step)] if step <= last else []


def _spot(
    room: Room,
    performance: Performance,
    camera: Camera,
    location: NDArray[np.float64],
    seed: int,
) -> _Spot | None:
    """A draw of what may stand where; None where camera and avatar leave no room for it."""
    draw = stream(seed, "occluder")
    kind = room.occluders[int(draw.integers(len(room.occluders)))]
    yaw, side, along = draw.uniform(-180, 180), draw.choice([-1.0, 1.0]), draw.uniform()
    radius = float(np.linalg.norm(furniture_mesh(kind).vertices[:, :2], axis=1).max())
    reach = extent(performance.exercise.name).reach + _FLESH
    distance = location[1] - camera.location[1]
    nearest = camera.location[1] + max(radius + _CLEARANCE, _FOREGROUND * distance)
    farthest = location[1] - reach - radius - 0.05
    if nearest > farthest:
        return None
    y = nearest + along * (farthest - nearest)
    return _Spot(kind, float(yaw), np.array([location[0], y]), float(side))


def _endless(performance: Performance) -> Iterator[Placement]:
    """The person's skin in each frame, over and over."""
    while True:
        for instant in performance.instants():
            yield instant.placements["person"]


def _mask(piece: Object, camera: Camera) -> Mask:
    seen = Renderer(Scene((piece,), camera, ())).labels({})
    return seen.ids > 0


def _alone(person: Renderer, skin: Placement) -> Mask:
    return person.labels({"person": skin}).ids > 0


def _hidden(alone: Mask, mask: Mask) -> float:
    """Share of a mask that another covers, %."""
    area = np.count_nonzero(alone)
    return 100.0 * np.count_nonzero(alone & mask) / area if area else 0.0
