"""Read `labels.json` (COCO): the one place that opens, checks and indexes the file.

Tables, previews, exports and the audit all go through :func:`open_labels`. A file is checked once,
here, so its users can rely on the types below.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infinity_frames.data.layout import read_json
from infinity_frames.data.problems import Problem

__all__ = ["COCO_KEYPOINTS", "PERSON", "LabelsFile", "open_labels"]

PERSON = "person"
"""Name of the category whose visibility a results frame summarizes."""

_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COCO_KEYPOINTS = [
    "nose",
    *(f"{side}_{point}" for point in _PAIRS for side in ("left", "right")),
]
"""Names of the 17 COCO keypoints in file order, https://cocodataset.org/#format-data."""

Record = Mapping[str, Any]

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
        Keep the text of the file and decode the annotations of a frame when they are asked for:
        memory stays that of the text, and reading all frames takes longer.

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
    annotations: _Whole | _Indexed
    content: dict[str, Any] | None
    try:
        if by_frame:
            annotations, content = _Indexed.read(file)
        else:
            content, problem = read_json(file, job_id)
            if content is None:
                return None, problem
            annotations = _Whole(_records(content, "annotations"))
        return _checked(file, content, annotations), None
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


# Python's json module writes NaN and Infinity; JSON has no such numbers, so they are missing.
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)
_SPACE = json.decoder.WHITESPACE  # type: ignore[attr-defined]


class _Indexed:
    """The file's text, and where in it the annotations of each image start."""

    def __init__(self, text: str, starts: Mapping[Any, list[int]]) -> None:
        self._text = text
        self._starts = starts

    def all(self, release: bool) -> Iterator[Record]:  # noqa: ARG002 - nothing is held
        return self._decoded(sorted(start for found in self._starts.values() for start in found))

    def of_image(self, image_id: Any) -> list[Record]:
        return list(self._decoded(self._starts.get(image_id, ())))

    def _decoded(self, starts: Iterable[int]) -> Iterator[Record]:
        return (_DECODER.raw_decode(self._text, start)[0] for start in starts)

    @classmethod
    def read(cls, file: Path) -> tuple[_Indexed, dict[str, Any]]:
        """Index a file; everything but its annotations is decoded."""
        text = file.read_text(encoding="utf-8")
        parts: dict[str, Any] = {}
        starts: dict[Any, list[int]] = {}
        end = _after(text, 0, "{")
        while text[end] != "}":
            key, end = _DECODER.raw_decode(text, end)
            end = _after(text, end, ":")
            if key == "annotations" and text[end] == "[":
                end = _index(text, end, starts)
            else:
                parts[key], end = _DECODER.raw_decode(text, end)
            end = _next(text, end)
        if _SPACE.match(text, end + 1).end() != len(text):
            raise ValueError(f"unexpected text at character {end + 1}")
        if parts.pop("annotations", None) is not None:
            raise ValueError("annotations is not a list")
        return cls(text, starts), parts


def _index(text: str, end: int, starts: dict[Any, list[int]]) -> int:
    end = _after(text, end, "[")
    place = 0
    while text[end] != "]":
        start = end
        annotation, end = _DECODER.raw_decode(text, start)
        _check_record(annotation, "annotations", place)
        starts.setdefault(annotation.get("image_id"), []).append(start)
        end = _next(text, end)
        place += 1
    return end + 1


def _after(text: str, end: int, token: str) -> int:
    end = _SPACE.match(text, end).end()
    if text[end : end + 1] != token:
        raise ValueError(f"{token!r} expected at character {end}")
    end = _SPACE.match(text, end + 1).end()
    if end == len(text):
        raise ValueError("the file is cut")
    return int(end)


def _next(text: str, end: int) -> int:
    """Skip a comma; the closing bracket stays."""
    end = _SPACE.match(text, end).end()
    if text[end : end + 1] == ",":
        return _after(text, end, ",")
    if text[end : end + 1] not in ("]", "}"):
        raise ValueError("the file is cut" if end >= len(text) else f"',' expected at {end}")
    return int(end)
