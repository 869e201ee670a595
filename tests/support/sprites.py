"""Moving 2-D sprites with exact masks, boxes and keypoints: a small generator for tests and proofs.

A preview of 64 x 64 pixels takes about a millisecond to render.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.generators import (
    Category,
    Constant,
    Generator,
    LabeledObject,
    Parameter,
    Recorder,
    Spec,
    Uniform,
    stream,
)

COLORS = {
    "RED": (214, 48, 49),
    "GREEN": (38, 166, 91),
    "BLUE": (44, 102, 222),
    "YELLOW": (241, 196, 15),
    "WHITE": (240, 240, 240),
}
SHAPES = ("SQUARE", "ELLIPSE", "TRIANGLE", "STAR")
KEYPOINTS = ("center", "tip", "left", "right")

_ANGLES = np.linspace(0.0, 2 * np.pi, 48, endpoint=False)
_STAR = np.where(np.arange(10) % 2, 0.45, 1.0)[:, None]
# Corners in units of the sprite's radius, y down; the tip points up.
_OUTLINES: dict[str, NDArray[np.float64]] = {
    "SQUARE": np.array([[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]]),
    "ELLIPSE": np.column_stack([0.6 * np.sin(_ANGLES), -np.cos(_ANGLES)]),
    "TRIANGLE": np.array([[0.0, -1.0], [0.87, 0.6], [-0.87, 0.6]]),
    "STAR": _STAR
    * np.array([[np.sin(a), -np.cos(a)] for a in np.linspace(0, 2 * np.pi, 10, endpoint=False)]),
}
_POINTS = np.array([[0.0, 0.0], [0.0, -0.7], [-0.35, 0.0], [0.35, 0.0]])


def inside(corners: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Pixels whose centers are inside a polygon, by the even-odd rule, (size, size)."""
    centers = np.arange(size) + 0.5
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    rows = centers[:, None]
    crosses = (y0 > rows) != (y1 > rows)
    slope = (x1 - x0) / np.where(y1 == y0, 1.0, y1 - y0)
    at = x0 + (rows - y0) * slope
    left = np.where(crosses, at, np.inf)[:, None, :] < centers[None, :, None]
    odd: NDArray[np.bool_] = left.sum(axis=2) % 2 == 1
    return odd


class Sprites(Generator):
    """One sprite that moves over a textured background, behind it smaller distractors."""

    spec = Spec(
        name="sprites-v1.0.0",
        version="1.0.0",
        parameters=(
            Parameter("shape", "str", "SQUARE", choices=SHAPES, description="Kind of sprite."),
            Parameter("color", "str", "RED", choices=tuple(COLORS), description="Its color."),
            Parameter("scale", "float", 0.25, min=0.08, max=0.4, description="Radius / picture."),
            Parameter(
                "orientation", "float", 0.0, min=0.0, max=360.0, unit="deg", description="Turn."
            ),
            Parameter("x", "float", 0.5, min=0.0, max=1.0, description="Column / picture."),
            Parameter("y", "float", 0.5, min=0.0, max=1.0, description="Row / picture."),
            Parameter(
                "speed", "float", 0.1, min=0.0, max=1.0, description="Picture widths per second."
            ),
            Parameter(
                "background", "float", 0.2, min=0.0, max=1.0, description="Contrast of texture."
            ),
            Parameter(
                "distractors", "int", 0, min=0, max=8, description="Smaller sprites behind it."
            ),
            Parameter(
                "noise", "float", 0.0, min=0.0, max=0.3, description="Std of the pixel noise."
            ),
            Parameter(
                "frames",
                "int",
                8,
                min=1,
                max=240,
                sampling=Uniform(4, 16),
                description="Frames of the video.",
            ),
            Parameter(
                "image_size",
                "int",
                64,
                min=32,
                max=256,
                unit="px",
                sampling=Constant(64),
                description="Side of the square picture.",
            ),
            Parameter("random_seed", "int", min=0, max=2**31 - 1, description="Seed of all draws."),
            Parameter("state", "uuid", description="A job whose random decisions to repeat."),
        ),
    )

    unaffected = {  # noqa: RUF012
        "noise": ("labels.json", "segmentation.zip"),
        "color": ("labels.json", "segmentation.zip"),
        "background": ("segmentation.zip",),
    }

    def estimate(self, jobs: pd.DataFrame) -> NDArray[np.int64]:
        """Frames of each job."""
        return jobs["frames"].to_numpy(np.int64)

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        """Render one job."""
        with Recorder(
            directory,
            categories=[Category(shape.lower(), KEYPOINTS, ((1, 2), (3, 4))) for shape in SHAPES],
            frame_rate=12,
            preview=preview,
            info={"background": params["background"]},
        ) as recorder:
            for frame in range(1 if preview else params["frames"]):
                picture, objects = draw(params, seed, frame)
                recorder.add(np.clip(picture, 0, 255).astype(np.uint8), objects)
        return recorder.frames


def draw(
    params: dict[str, Any], seed: int, frame: int
) -> tuple[NDArray[np.float32], list[LabeledObject]]:
    """A frame's picture, not clipped to 0..255 yet, and its objects; the sprite is the last."""
    size = params["image_size"]
    objects = [*_distractors(params, seed), _sprite(params, seed, frame)]
    picture = _background(params, seed)
    for item, paint in objects:
        picture[item.mask] = paint
    if params["noise"]:
        draws = stream(seed, "noise", frame).normal(0.0, 255 * params["noise"], 3 * size**2)
        picture = picture + draws.reshape(size, size, 3)
    return picture, [item for item, _ in objects]


def _placed(
    shape: str, instance: int, at: NDArray[np.float64], radius: float, turn: float, size: int
) -> LabeledObject:
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    rotation = radius * np.array([[c, s], [-s, c]])
    mask = inside(at + _OUTLINES[shape] @ rotation, size)
    extra = {"orientation": turn, "radius": radius}
    return LabeledObject(shape.lower(), instance, mask, at + _POINTS @ rotation, extra)


def _sprite(params: dict[str, Any], seed: int, frame: int) -> tuple[LabeledObject, Any]:
    size = params["image_size"]
    heading = stream(seed, "heading").uniform(0.0, 2 * np.pi)
    way = params["speed"] * frame / 12 * np.array([np.cos(heading), np.sin(heading)])
    at = size * (np.array([params["x"], params["y"]]) + way)
    radius = params["scale"] * size
    item = _placed(params["shape"], 0, at, radius, params["orientation"], size)
    return item, COLORS[params["color"]]


def _distractors(params: dict[str, Any], seed: int) -> list[tuple[LabeledObject, Any]]:
    size, found = params["image_size"], []
    for number in range(params["distractors"]):
        draw = stream(seed, "distractor", number)
        shape, color = SHAPES[draw.integers(len(SHAPES))], list(COLORS.values())
        at, turn = size * draw.uniform(0.1, 0.9, 2), float(draw.uniform(0.0, 360.0))
        paint = color[draw.integers(len(color))]
        found.append((_placed(shape, number + 1, at, 0.08 * size, turn, size), paint))
    return found


def _background(params: dict[str, Any], seed: int) -> NDArray[np.float32]:
    size = params["image_size"]
    coarse = stream(seed, "background").uniform(-1.0, 1.0, (8, 8, 3)).astype(np.float32)
    texture = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    picture: NDArray[np.float32] = np.clip(90.0 + 80.0 * params["background"] * texture, 0.0, 255.0)
    return picture
