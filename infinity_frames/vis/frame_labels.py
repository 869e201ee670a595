"""The labels of a job, frame by frame, as small typed objects that annotators draw.

Only one frame's annotations exist as objects at a time, so memory stays that of the file's text
however many keypoints it holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.data.labels import COCO_KEYPOINTS, LabelsFile, open_labels
from infinity_frames.data.rle import decode_outline, decode_rle
from infinity_frames.protocol.errors import MediaError

__all__ = ["Annotation", "FrameLabels", "Keypoint", "Labels", "decode_rle"]

_FAR = 1e15
"""Coordinate limit in pixels: points beyond it, and NaN, are not drawn."""
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""Exceptions raised when a label holds a value of the wrong type."""


@dataclass(frozen=True)
class Keypoint:
    """A named point: pixels, visibility (0 outside, 1 hidden, 2 visible), meters in the scene.

    Examples
    --------
    >>> inf.vis.Keypoint(12.5, 40.0, 2).v
    2
    """

    x: float
    y: float
    v: int
    position: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Annotation:
    """One object in one frame; missing values are None or empty.

    Examples
    --------
    >>> labels = inf.vis.Labels(f"{results['path'][0]}/labels.json")
    >>> one = labels.frame(0).annotations[0]
    >>> one.category, len(one.coco)
    """

    category: str
    category_id: int
    bbox: tuple[float, float, float, float] | None
    segmentation: Any
    cuboid: NDArray[np.float64] | None
    armature: Mapping[str, Keypoint]
    vertices: Mapping[str, Keypoint]
    coco: Mapping[str, Keypoint]
    area: float
    raw: Mapping[str, Any] = field(repr=False)
    file: Path = field(repr=False)
    frame_number: int
    scale: int = 1
    """Factor by which the picture was enlarged since the label was written."""

    def mask(self, height: int, width: int) -> NDArray[np.bool_] | None:
        """Return the object's pixels, (height, width); None where the label has no outline.

        Raises
        ------
        MediaError
            The outline is malformed or of another size than the picture.
        """
        if not self.segmentation:
            return None
        if self.scale > 1:
            size = height // self.scale, width // self.scale
            mask = replace(self, scale=1).mask(*size)
            assert mask is not None
            return mask.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        try:
            return decode_outline(self.segmentation, height, width)
        except MediaError as error:
            raise _unreadable(self.file, error, self.frame_number) from error


@dataclass(frozen=True)
class FrameLabels:
    """All labels of one frame.

    Examples
    --------
    >>> first = inf.vis.Labels(f"{results['path'][0]}/labels.json").frame(0)
    >>> first.width, first.height
    (128, 128)
    """

    frame_number: int
    width: int
    height: int
    annotations: tuple[Annotation, ...]
    scalars: Mapping[str, Any]

    def enlarged(self, factor: int) -> FrameLabels:
        """Scale the labels to a picture that is enlarged by an integer `factor`."""
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

    Examples
    --------
    >>> labels = inf.vis.Labels(f"{results['path'][0]}/labels.json")
    >>> labels.frame(0).frame_number
    0
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        labels, problem = open_labels(self.path, self.path.parent.name, by_frame=True)
        if labels is None:
            assert problem is not None
            raise MediaError(
                f"The labels {self.path} cannot be read: the file {problem.what}.",
                advice="Download or render the job again.",
                file=str(self.path),
            )
        self._labels: LabelsFile = labels
        self._numbers = [labels.frame_numbers[at] for at in labels.order]
        self.images: Sequence[Mapping[str, Any]] = [labels.images[at] for at in labels.order]
        self.categories: Mapping[int, str] = {
            id_: str(item.get("name")) for id_, item in labels.categories.items()
        }

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[FrameLabels]:
        return (self.frame(position) for position in range(len(self)))

    def frame(self, position: int) -> FrameLabels:
        """Return the labels of the video's frame at that position, counted from 0.

        Raises
        ------
        MediaError
            They are malformed.
        """
        image, number = self.images[position], self._numbers[position]
        try:
            raw = self._labels.annotations_of(self._labels.order[position])
            return FrameLabels(
                frame_number=number,
                width=int(image.get("width") or 0),
                height=int(image.get("height") or 0),
                annotations=tuple(self._annotation(item, number) for item in raw),
                scalars={key: value for key, value in image.items() if key not in _SHAPE},
            )
        except _MALFORMED as error:
            raise _unreadable(self.path, error, number) from error

    @cached_property
    def positions(self) -> Mapping[int, int]:
        """Position in the video of each frame number."""
        return {number: position for position, number in enumerate(self._numbers)}

    @cached_property
    def scalar_names(self) -> list[str]:
        """Names of the scalar labels per frame, such as rep counts or spill_visible."""
        known: dict[str, list[Any]] = {}
        for image in self.images:
            for name, value in image.items():
                if name not in _SHAPE and value is not None:
                    known.setdefault(name, []).append(value)
        return [
            name
            for name, values in known.items()
            if all(isinstance(value, (int, float)) for value in values)
        ]

    def _annotation(self, raw: Mapping[str, Any], frame_number: int) -> Annotation:
        category_id = int(raw.get("category_id", -1))
        return Annotation(
            category=self.categories.get(category_id, str(category_id)),
            category_id=category_id,
            bbox=_box(raw.get("bbox")),
            segmentation=raw.get("segmentation"),
            cuboid=_corners(raw.get("cuboid_coordinates")),
            armature=_named(raw.get("armature_keypoints")),
            vertices=_named(raw.get("vertex_keypoints")),
            coco=_coco(raw.get("keypoints")),
            area=float(raw.get("area") or 0),
            raw=raw,
            file=self.path,
            frame_number=frame_number,
        )


_SHAPE = frozenset(("id", "width", "height", "frame_number"))
"""What every image has; the rest are scalars."""


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


def _unreadable(file: Path, error: Exception, frame_number: int | None = None) -> MediaError:
    why = error.problem.rstrip(".") if isinstance(error, MediaError) else str(error)
    why = f"there is no {why}" if isinstance(error, KeyError) else why
    what = "The labels" if frame_number is None else f"Frame {frame_number} of the labels"
    return MediaError(
        f"{what} {file} cannot be read: {why}.",
        advice="Download or render the job again.",
        file=str(file),
    )


def _number(value: Any) -> float:
    """Return a coordinate; NaN where the file has none."""
    return float("nan") if value is None else float(value)


def _drawable(*places: float) -> bool:
    return all(abs(place) < _FAR for place in places)


def _box(box: Sequence[float] | None) -> tuple[float, float, float, float] | None:
    """Read a box; None if it is missing or empty (objects outside the picture have 0 0 0 0)."""
    if not box:
        return None
    left, top, width, height = map(_number, box)
    there = width > 0 and height > 0 and _drawable(left, top, width, height)
    return (left, top, width, height) if there else None


def _named(points: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Keypoint]:
    """Return points by name; points without a finite pixel position are left out."""
    placed = {
        name: _keypoint(point)
        for name, point in (points or {}).items()
        if point.get("x") is not None and point.get("y") is not None
    }
    return {name: point for name, point in placed.items() if _drawable(point.x, point.y)}


def _keypoint(point: Mapping[str, Any]) -> Keypoint:
    x, y, z = (point.get(f"{axis}_global") for axis in "xyz")
    position = None if x is None or y is None or z is None else (x, y, z)
    position = position if position is not None and _drawable(*position) else None
    return Keypoint(float(point["x"]), float(point["y"]), int(point.get("v", 2)), position)


def _coco(flat: Sequence[float] | None) -> dict[str, Keypoint]:
    rows = np.asarray(flat or [], float).reshape(-1, 3).tolist()
    return {
        name: Keypoint(x, y, int(v))
        for name, (x, y, v) in zip(COCO_KEYPOINTS, rows, strict=False)
        if _drawable(x, y, v)
    }


def _corners(corners: Sequence[Any] | None) -> NDArray[np.float64] | None:
    if not corners:
        return None
    rows = [list(c.values()) if isinstance(c, Mapping) else c for c in corners]
    cuboid = np.asarray(rows, float).reshape(8, 3)
    return cuboid if _drawable(*cuboid.flat) else None
