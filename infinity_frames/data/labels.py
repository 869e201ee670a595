"""Read `labels.json` (COCO): the one place that opens, checks and indexes the file.

Tables, previews, exports and the audit all go through :func:`open_labels`. A file is checked once,
here, so its users can rely on the types below.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any

import msgspec
import orjson

from infinity_frames.data.layout import read_json
from infinity_frames.data.problems import Problem
from infinity_frames.protocol.label_summary import PERSON

__all__ = ["COCO_KEYPOINTS", "LabelsFile", "has_sound_geometry", "open_labels"]

_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COCO_KEYPOINTS = [
    "nose",
    *(f"{side}_{point}" for point in _PAIRS for side in ("left", "right")),
]
"""Names of the 17 COCO keypoints in file order, https://cocodataset.org/#format-data."""

Record = Mapping[str, Any]

_LARGEST = 1e7
"""Largest coordinate of an annotation in pixels."""

_WHOLE = {
    "categories": ("id",),
    "images": ("id", "frame_number", "width", "height"),
    "annotations": ("id", "image_id"),
}
"""Fields that hold a whole number or nothing."""


@dataclass(frozen=True)
class LabelsFile:
    """The labels of one job.

    Parameters
    ----------
    file : Path
        The file they were read from.
    info : mapping
        The scene's own labels: camera, avatar.
    categories : mapping of int to mapping
        Categories by id.
    images : sequence of mapping
        One per frame, in file order.
    frame_numbers : sequence of int
        Frame number of each image; its position in the file where the file gives none.
    """

    file: Path
    info: Record
    categories: Mapping[Any, Record]
    images: Sequence[Record]
    frame_numbers: Sequence[int]
    _annotations: _Whole | _Indexed

    @cached_property
    def order(self) -> list[int]:
        """Positions of the images, sorted by frame number: the order of the video."""
        return sorted(range(len(self.images)), key=self.frame_numbers.__getitem__)

    @cached_property
    def person_ids(self) -> set[Any]:
        """Ids of the category ``person``."""
        return {id_ for id_, item in self.categories.items() if item.get("name") == PERSON}

    def annotations(self, *, release: bool = False) -> Iterator[Record]:
        """Yield the annotations in file order.

        Parameters
        ----------
        release : bool
            Drop each annotation from memory once it was yielded; later calls find nothing.
        """
        return self._annotations.all(release)

    def annotations_of(self, position: int) -> list[Record]:
        """Annotations of the image at a position of `images`, in file order."""
        return self._annotations.of_image(self.images[position].get("id"))


def open_labels(
    file: Path, job_id: str, *, by_frame: bool = False
) -> tuple[LabelsFile | None, Problem | None]:
    """Read and check a labels file.

    Parameters
    ----------
    file : Path
        A ``labels.json``.
    job_id : str
        The job, for the problem's text.
    by_frame : bool
        Keep the bytes of the file and decode the annotations of a frame when they are asked for:
        memory stays that of the file, and reading all frames takes longer.

    Returns
    -------
    labels : LabelsFile or None
    problem : Problem or None
        Why the file cannot be read: exactly one of the two is None.

    Examples
    --------
    >>> labels, problem = open_labels(Path("batch/0f8f/labels.json"), "0f8f")
    >>> str(problem)
    'Skipped what cannot be read of 0f8f: batch/0f8f/labels.json cannot be opened (No such file or directory).'
    """  # noqa: E501 - the text of an error is one line
    try:
        if by_frame and (indexed := _index(file)) is not None:
            return _checked(file, *indexed), None
        content, problem = read_json(file, job_id)
        if content is None:
            return None, problem
        return _checked(file, content, _Whole(_records(content, "annotations"))), None
    except OSError as error:
        return None, Problem(job_id, str(file), f"cannot be opened ({error.strerror})")
    except RecursionError:
        return None, Problem(job_id, str(file), "is nested too deeply")
    except ValueError as error:
        return None, Problem(job_id, str(file), f"holds malformed labels ({error})")


def _checked(file: Path, content: Mapping[str, Any], annotations: _Whole | _Indexed) -> LabelsFile:
    info = content.get("info")
    if not isinstance(info, (dict, type(None))):
        raise ValueError("info is not an object")
    images = _records(content, "images")
    numbers = [
        position if image.get("frame_number") is None else int(image["frame_number"])
        for position, image in enumerate(images)
    ]
    categories = {item.get("id"): item for item in _records(content, "categories")}
    return LabelsFile(file, info or {}, categories, images, numbers, annotations)


def _records(content: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of objects whose ids and sizes are whole numbers."""
    listed = content.get(name)
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise ValueError(f"{name} is not a list")
    for place, item in enumerate(listed):
        _check_record(item, name, place)
    return listed


def _check_record(item: Any, name: str, place: int) -> None:
    if type(item) is not dict:
        raise ValueError(f"{name}[{place}] is not an object")
    if isinstance(item.get("category_id"), (dict, list)):
        raise ValueError(f"{name}[{place}].category_id is {_short(item['category_id'])}")
    for field in _WHOLE[name]:
        value = item.get(field)
        if type(value) is not int and not _is_whole(value):
            raise ValueError(f"{name}[{place}].{field} is {_short(value)}, not a whole number")


def _is_whole(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value.is_integer())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def has_sound_geometry(annotation: Record) -> bool:
    """Return whether box, area, keypoints and outline have the types that COCO gives them.

    Tables show what a file holds. An export needs numbers, of a size that a picture can have.
    """
    box, points = annotation.get("bbox"), annotation.get("keypoints")
    outline = annotation.get("segmentation")
    return (
        (box is None or (_are_numbers(box) and len(box) == 4))
        and (points is None or (_are_numbers(points) and len(points) % 3 == 0))
        and (annotation.get("area") is None or _is_number(annotation["area"], _LARGEST**2))
        and type(annotation.get("iscrowd")) in (int, NoneType)
        and isinstance(outline, dict | list | None)
    )


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(_is_number(value, _LARGEST) for value in values)


def _is_number(value: Any, largest: float) -> bool:
    # The comparison is false for NaN.
    return type(value) in (int, float) and abs(value) <= largest


class _Whole:
    """All annotations in memory."""

    def __init__(self, annotations: list[Record | None]) -> None:
        self._listed = annotations

    def all(self, release: bool) -> Iterator[Record]:
        for place, annotation in enumerate(self._listed):
            if release:
                self._listed[place] = None
            if annotation is not None:
                yield annotation

    def of_image(self, image_id: Any) -> list[Record]:
        return self._by_image.get(image_id, [])

    @cached_property
    def _by_image(self) -> Mapping[Any, list[Record]]:
        found: defaultdict[Any, list[Record]] = defaultdict(list)
        for annotation in self.all(release=False):
            found[annotation.get("image_id")].append(annotation)
        return found


class _Head(msgspec.Struct):
    """The fields of an annotation that the index checks."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None


class _Content(msgspec.Struct):
    """A labels file whose annotations are checked for syntax and not decoded."""

    info: Any = None
    categories: Any = None
    images: Any = None
    annotations: list[msgspec.Raw] | None = None


class _Indexed:
    """The file's bytes, and the places of each image's annotations in them."""

    def __init__(self, annotations: Sequence[msgspec.Raw]) -> None:
        self._listed = annotations
        self._by_image: defaultdict[Any, list[msgspec.Raw]] = defaultdict(list)
        for place, raw in enumerate(annotations):
            try:
                head = _HEAD.decode(raw)
            except msgspec.ValidationError:
                raise ValueError(f"annotations[{place}] is not an object") from None
            _check_record(msgspec.structs.asdict(head), "annotations", place)
            self._by_image[head.image_id].append(raw)

    def all(self, release: bool) -> Iterator[Record]:  # noqa: ARG002 - nothing is held
        return map(_decoded, self._listed)

    def of_image(self, image_id: Any) -> list[Record]:
        return [_decoded(raw) for raw in self._by_image.get(image_id, ())]


_HEAD = msgspec.json.Decoder(_Head)
_CONTENT = msgspec.json.Decoder(_Content)


def _decoded(raw: msgspec.Raw) -> Record:
    found: Record = orjson.loads(memoryview(raw))
    return found


def _index(file: Path) -> tuple[dict[str, Any], _Indexed] | None:
    """Index a file, or return None where strict JSON rules do not suffice to read it.

    Python's own json module writes NaN, which JSON does not know.
    """
    data = file.read_bytes()
    try:
        data.decode()  # a text that is passed over is not checked for UTF-8
        content = _CONTENT.decode(data)
    except (ValueError, RecursionError):
        return None
    parts = msgspec.structs.asdict(content)
    return parts, _Indexed(parts.pop("annotations") or [])
