"""What every export is made from: frames of jobs with their labels and pictures, one at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.data.layout import JobFiles, read_json
from infinity_frames.data.problems import report
from infinity_frames.protocol.errors import MediaError

__all__ = ["Job", "Losses", "Picture", "Sample", "encoded", "load", "samples"]

Picture = NDArray[np.uint8]
Losses = Counter[str]
"""How many of what a format could not take, by a sentence that says so."""

NO_LABELS = "jobs without label files, left out"
NO_PICTURE = "frames without a picture, left out"
GROWN = "pictures smaller than their labels, whose last row or column was repeated"


@dataclass(frozen=True)
class Job:
    """A job to export, with the part it belongs to."""

    files: JobFiles
    split: str
    generator: str | None


@dataclass(frozen=True)
class Sample:
    """One frame: its picture, what labels say of it, and its annotations as the file has them."""

    job: Job
    number: int
    image: Mapping[str, Any]
    annotations: Sequence[Mapping[str, Any]]
    picture: Picture
    stem: str

    @property
    def width(self) -> int:
        """Pixels, as the labels have it."""
        return int(self.image["width"])

    @property
    def height(self) -> int:
        """Pixels, as the labels have it."""
        return int(self.image["height"])


def load(job: Job, losses: Losses) -> dict[str, Any] | None:
    """A job's labels, or None if it has none that can be read."""
    if job.files.labels is None:
        losses[NO_LABELS] += 1
        return None
    labels, problem = read_json(job.files.labels, job.files.job_id)
    if problem is not None:
        report([problem], stacklevel=6)
        losses[NO_LABELS] += 1
    return labels


def samples(job: Job, labels: Mapping[str, Any], losses: Losses) -> Iterator[Sample]:
    """A job's frames in the order of the video, one picture in memory at a time."""
    of_image: defaultdict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in labels.get("annotations") or ():
        of_image[annotation.get("image_id")].append(annotation)
    images = labels.get("images") or ()
    numbered = [(image.get("frame_number", place), image) for place, image in enumerate(images)]
    ordered = sorted(numbered, key=lambda pair: pair[0])
    for (number, image), picture in zip(ordered, _pictures(job.files), strict=False):
        if picture is None:
            losses[NO_PICTURE] += 1
            continue
        yield Sample(
            job=job,
            number=number,
            image=image,
            annotations=of_image[image.get("id")],
            picture=_fitted(picture, image, losses),
            stem=f"{job.files.job_id}_{number:06d}",
        )


def encoded(picture: Picture, kind: str) -> bytes:
    """A picture as a PNG or JPEG file."""
    import cv2  # only where pictures are written: importing it needs libGL

    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if kind == "jpg" else []
    return bytes(cv2.imencode(f".{kind}", picture[..., ::-1], options)[1])


def _pictures(files: JobFiles) -> Iterator[Picture | None]:
    """The pictures of a job's frames; None for each frame that has none."""
    from infinity_frames.io.video import read_frames  # FFmpeg only where it is needed

    try:
        if files.video is not None:
            yield from read_frames(files.video)
        elif files.picture is not None:
            yield _read(files.picture)
    except MediaError:
        pass  # what there is before the damage counts; each frame after it is reported
    yield from repeat(None)


def _read(path: Any) -> Picture | None:
    import cv2  # only where pictures are decoded: importing it needs libGL

    data = np.fromfile(path, np.uint8)
    found = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    return None if found is None else np.asarray(found, np.uint8)


def _fitted(picture: Picture, image: Mapping[str, Any], losses: Losses) -> Picture:
    """A picture of the labels' size: without what the video's even size added to it."""
    height, width = int(image["height"]), int(image["width"])
    short = max(height - picture.shape[0], 0), max(width - picture.shape[1], 0)
    if any(short):
        losses[GROWN] += 1
        picture = np.pad(picture, ((0, short[0]), (0, short[1]), (0, 0)), "edge")
    return picture[:height, :width]


def by_split(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Jobs by the part they belong to, parts in the order of their first job."""
    parts: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        parts[job.split].append(job)
    return dict(parts)
