"""What every export is made from: frames of jobs with their labels and pictures, one at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.data.labels import LabelsFile, open_labels
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.problems import report
from infinity_frames.protocol.errors import MediaError

__all__ = ["Job", "Losses", "Picture", "Sample", "encoded", "load", "samples"]

Picture = NDArray[np.uint8]
Losses = Counter[str]
"""How many of what a format could not take, by a sentence that says so."""

NO_LABELS = "jobs without label files, left out"
NO_PICTURE = "frames without a picture, left out"
OTHER_SIZE = "frames whose picture is of another size than their labels, left out"
GROWN = "pictures smaller than their labels, whose last row or column was repeated"


_SIZE_SLACK = 16
"""Most rows or columns, px, by which a picture and its labels differ: a block of the codec."""


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


def load(job: Job, losses: Losses) -> LabelsFile | None:
    """Read the labels of a job; None if it has none that can be read."""
    if job.files.labels is None:
        losses[NO_LABELS] += 1
        return None
    labels, problem = open_labels(job.files.labels, job.files.job_id)
    if problem is not None:
        report([problem], stacklevel=6)
        losses[NO_LABELS] += 1
    return labels


def samples(job: Job, labels: LabelsFile, losses: Losses) -> Iterator[Sample]:
    """Yield the frames of a job in the order of the video, with one picture in memory."""
    for position, picture in zip(labels.order, _pictures(job.files), strict=False):
        image, number = labels.images[position], labels.frame_numbers[position]
        if picture is None:
            losses[NO_PICTURE] += 1
            continue
        fitted = _fitted(picture, image, losses)
        if fitted is None:
            losses[OTHER_SIZE] += 1
            continue
        yield Sample(
            job=job,
            number=number,
            image=image,
            annotations=labels.annotations_of(position),
            picture=fitted,
            stem=f"{job.files.job_id}_{number:06d}",
        )


def encoded(picture: Picture, kind: str) -> bytes:
    """A picture as a PNG or JPEG file."""
    import cv2  # only where pictures are written: importing it needs libGL

    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if kind == "jpg" else []
    return bytes(cv2.imencode(f".{kind}", picture[..., ::-1], options)[1])


def _pictures(files: JobFiles) -> Iterator[Picture | None]:
    """The pictures of a job's frames; None for each frame that has none."""
    # FFmpeg and OpenCV only where pictures are read
    from infinity_frames.io.pictures import read_picture
    from infinity_frames.io.video import read_frames

    try:
        if files.video is not None:
            yield from read_frames(files.video)
        elif files.picture is not None:
            yield read_picture(files.picture)
    except MediaError:
        pass  # what there is before the damage counts; each frame after it is reported
    yield from repeat(None)


def _fitted(picture: Picture, image: Mapping[str, Any], losses: Losses) -> Picture | None:
    """Crop or pad a picture to the labels' size; None where the sizes have nothing in common.

    Videos have even sizes, so they may have a row or column more than the labels, and older ones
    may have one less.
    """
    height, width = image.get("height"), image.get("width")
    if height is None or width is None:
        return None
    short = int(height) - picture.shape[0], int(width) - picture.shape[1]
    if max(map(abs, short)) > _SIZE_SLACK or min(height, width) < 1:
        return None
    if max(short) > 0:
        losses[GROWN] += 1
        picture = np.pad(picture, ((0, max(short[0], 0)), (0, max(short[1], 0)), (0, 0)), "edge")
    return picture[: int(height), : int(width)]


def by_split(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Jobs by the part they belong to, parts in the order of their first job."""
    parts: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        parts[job.split].append(job)
    return dict(parts)
