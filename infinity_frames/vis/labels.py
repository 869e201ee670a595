"""The labels of a job, frame by frame, as small typed objects that annotators draw.

A labels file is indexed, not loaded: only one frame's annotations exist as objects at a time, so
memory stays that of the file's text however many keypoints it holds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.errors import MediaError
from infinity_frames.results.outlines import decode_outline, decode_rle

__all__ = ["Annotation", "FrameLabels", "Keypoint", "Labels", "decode_rle"]

COCO_KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)
"""The order of the flat COCO list, https://cocodataset.org/#format-data."""


@dataclass(frozen=True)
class Keypoint:
    """A named point: pixels, visibility (0 outside, 1 hidden, 2 visible), metres in the scene."""

    x: float
    y: float
    v: int
    position: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Annotation:
    """One object in one frame; what the label does not say is None or empty."""

    category: str
    category_id: int
    bbox: tuple[float, float, float, float] | None
    segmentation: Any
    cuboid: NDArray[np.float64] | None
    armature: Mapping[str, Keypoint]
    vertices: Mapping[str, Keypoint]
    coco: Mapping[str, Keypoint]
    raw: Mapping[str, Any] = field(repr=False)
    scale: int = 1
    """Pixels across of what was one pixel when the label was written."""

    def mask(self, height: int, width: int) -> NDArray[np.bool_] | None:
        """Pixels of the object, of shape (height, width); None where the label has no outline.

        Raises
        ------
        MediaError
            The run-length code is of another size than the picture.
        """
        if not self.segmentation:
            return None
        if self.scale > 1:
            size = height // self.scale, width // self.scale
            mask = replace(self, scale=1).mask(*size)
            assert mask is not None
            return mask.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        return decode_outline(self.segmentation, height, width)


@dataclass(frozen=True)
class FrameLabels:
    """Everything a job's labels say about one frame."""

    frame_number: int
    width: int
    height: int
    annotations: tuple[Annotation, ...]
    scalars: Mapping[str, Any]

    def enlarged(self, factor: int) -> FrameLabels:
        """The labels of the same frame, each of its pixels become `factor` by `factor`."""
        return replace(
            self,
            width=self.width * factor,
            height=self.height * factor,
            annotations=tuple(_enlarged(item, factor) for item in self.annotations),
        )


class Labels:
    """The labels file of a job (COCO), read a frame at a time.

    Parameters
    ----------
    path : path
        A ``labels.json``.

    Raises
    ------
    MediaError
        The file is missing, is no COCO labels file, or is cut.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._text = self.path.read_text(encoding="utf-8")
            index = _Index(self._text)
            self._spans = index.annotations
            images = [dict(image) for image in index.parts["images"]]
            names = {item["id"]: str(item["name"]) for item in index.parts.get("categories", [])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MediaError(
                f"The labels {self.path} cannot be read: {error}.",
                advice="Download or render the job again.",
                file=str(self.path),
            ) from error
        self.images: Sequence[Mapping[str, Any]] = sorted(
            images, key=lambda image: (image.get("frame_number", image["id"]), image["id"])
        )
        self.categories: Mapping[int, str] = names

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[FrameLabels]:
        return (self.frame(position) for position in range(len(self)))

    def frame(self, position: int) -> FrameLabels:
        """The labels of the video's frame at that position, counted from 0."""
        image = self.images[position]
        spans = self._spans.get(image["id"], ())
        found = (self._annotation(_DECODER.raw_decode(self._text, start)[0]) for start in spans)
        shape = {"id", "width", "height", "frame_number"}
        return FrameLabels(
            frame_number=int(image.get("frame_number", position)),
            width=int(image.get("width") or 0),
            height=int(image.get("height") or 0),
            annotations=tuple(found),
            scalars={key: value for key, value in image.items() if key not in shape},
        )

    @cached_property
    def positions(self) -> Mapping[int, int]:
        """Position in the video of each frame number."""
        return {
            int(image.get("frame_number", position)): position
            for position, image in enumerate(self.images)
        }

    @cached_property
    def scalar_names(self) -> list[str]:
        """Names of the per-frame numbers: rep counts, whether a spill is visible and the like."""
        skip = {"id", "width", "height", "frame_number"}
        names = {key: None for image in self.images for key in image if key not in skip}
        return [
            name
            for name in names
            if any(isinstance(image.get(name), (int, float)) for image in self.images)
        ]

    def _annotation(self, raw: dict[str, Any]) -> Annotation:
        category_id = raw.get("category_id", -1)
        corners = raw.get("cuboid_coordinates")
        return Annotation(
            category=self.categories.get(category_id, str(category_id)),
            category_id=category_id,
            bbox=_box(raw.get("bbox")),
            segmentation=raw.get("segmentation"),
            cuboid=None if not corners else _corners(corners),
            armature=_named(raw.get("armature_keypoints")),
            vertices=_named(raw.get("vertex_keypoints")),
            coco=_coco(raw.get("keypoints")),
            raw=raw,
        )


_DECODER = json.JSONDecoder()
_SPACE = json.decoder.WHITESPACE  # type: ignore[attr-defined]


class _Index:
    """Where in the text each annotation starts, by image id; the other parts decoded."""

    def __init__(self, text: str) -> None:
        self.parts: dict[str, Any] = {}
        self.annotations: dict[Any, list[int]] = {}
        end = self._expect(text, 0, "{")
        while text[end] != "}":
            key, end = _DECODER.raw_decode(text, end)
            end = self._expect(text, end, ":")
            if key == "annotations":
                end = self._read_annotations(text, end)
            else:
                self.parts[key], end = _DECODER.raw_decode(text, end)
            end = self._next(text, end)

    def _read_annotations(self, text: str, end: int) -> int:
        end = self._expect(text, end, "[")
        while text[end] != "]":
            start = end
            annotation, end = _DECODER.raw_decode(text, start)
            self.annotations.setdefault(annotation["image_id"], []).append(start)
            end = self._next(text, end)
        return end + 1

    @staticmethod
    def _expect(text: str, end: int, token: str) -> int:
        end = _SPACE.match(text, end).end()
        if text[end : end + 1] != token:
            raise ValueError(f"{token!r} expected at character {end}")
        end = _SPACE.match(text, end + 1).end()
        if end == len(text):
            raise ValueError("the file is cut")
        return int(end)

    @staticmethod
    def _next(text: str, end: int) -> int:
        end = _SPACE.match(text, end).end()
        if text[end : end + 1] == ",":
            end = _SPACE.match(text, end + 1).end()
        if end >= len(text):
            raise ValueError("the file is cut")
        return int(end)


def _enlarged(annotation: Annotation, factor: int) -> Annotation:
    def points(named: Mapping[str, Keypoint]) -> dict[str, Keypoint]:
        return {name: replace(p, x=p.x * factor, y=p.y * factor) for name, p in named.items()}

    box = annotation.bbox
    return replace(
        annotation,
        bbox=None
        if box is None
        else (box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor),
        cuboid=None if annotation.cuboid is None else annotation.cuboid * (factor, factor, 1),
        armature=points(annotation.armature),
        vertices=points(annotation.vertices),
        coco=points(annotation.coco),
        scale=annotation.scale * factor,
    )


def _box(box: Sequence[float] | None) -> tuple[float, float, float, float] | None:
    """A box, unless it is missing or empty: an object that is not in the picture has 0 0 0 0."""
    if not box:
        return None
    left, top, width, height = map(float, box)
    return (left, top, width, height) if width > 0 and height > 0 else None


def _named(points: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Keypoint]:
    """Points by name; one without a place in the picture cannot be drawn and is left out."""
    return {
        name: _keypoint(point)
        for name, point in (points or {}).items()
        if point.get("x") is not None and point.get("y") is not None
    }


def _keypoint(point: Mapping[str, Any]) -> Keypoint:
    x, y, z = (point.get(f"{axis}_global") for axis in "xyz")
    position = None if x is None or y is None or z is None else (x, y, z)
    return Keypoint(float(point["x"]), float(point["y"]), int(point.get("v", 2)), position)


def _coco(flat: Sequence[float] | None) -> dict[str, Keypoint]:
    rows = np.asarray(flat or [], float).reshape(-1, 3)
    return {
        name: Keypoint(float(x), float(y), int(v))
        for name, (x, y, v) in zip(COCO_KEYPOINTS, rows, strict=False)
    }


def _corners(corners: Sequence[Any]) -> NDArray[np.float64]:
    rows = [list(c.values()) if isinstance(c, Mapping) else c for c in corners]
    return np.asarray(rows, float).reshape(8, 3)
