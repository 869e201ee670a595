"""The frames of jobs with their labels and pictures, one at a time, as every format takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from infinity_frames.data.exports.base import DataSet, Job
from infinity_frames.data.exports.resize import Resizer, target_size
from infinity_frames.data.label_tables import parse
from infinity_frames.data.labels import LabelsFile, has_sound_geometry, open_labels
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.problems import report
from infinity_frames.protocol.errors import MediaError

__all__ = [
    "Picture",
    "Sample",
    "chosen_samples",
    "encode",
    "load",
    "read_pictures",
    "samples",
    "series",
]

Picture = NDArray[np.uint8]

NO_LABELS = "jobs without label files, left out"
NO_PICTURE = "frames without a picture, left out"
OTHER_SIZE = "frames whose picture is of another size than their labels, left out"
PADDED = "pictures smaller than their labels, whose last row or column was repeated"
UNSOUND = "annotations whose box, area or keypoints are not plain numbers, left out"
UNLISTED = "annotations of a category that their job does not list, left out"
NO_SERIES = "jobs without sensor series, left out"
_SIZE_SLACK = 16
"""Most rows or columns, px, by which a picture and its labels differ: a block of the codec."""


@dataclass(frozen=True)
class Sample:
    """One frame with its picture and labels.

    Parameters
    ----------
    job : Job
        The job.
    number : int
        Frame number.
    image : mapping
        The frame's entry in ``labels.json``.
    annotations : sequence of mapping
        Its objects as in ``labels.json``.
    classes : sequence of int
        Class number of each object: the place of its category in ``DataSet.categories``.
    picture : (height, width, 3) uint8 array
        RGB.
    """

    job: Job
    number: int
    image: Mapping[str, Any]
    annotations: Sequence[Mapping[str, Any]]
    classes: Sequence[int]
    picture: Picture

    @property
    def stem(self) -> str:
        """Name of the frame's files without a suffix: job id and frame number."""
        return f"{self.job.job_id}_{self.number:06d}"

    @property
    def width(self) -> int:
        """Width in pixels by the labels."""
        return int(self.image["width"])

    @property
    def height(self) -> int:
        """Height in pixels by the labels."""
        return int(self.image["height"])

    @property
    def objects(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Class number and annotation of each object."""
        return zip(self.classes, self.annotations, strict=True)


def load(job: Job, data: DataSet) -> LabelsFile | None:
    """Return a job's labels, or None if it has none that can be read."""
    if job.files.labels is None:
        data.losses[NO_LABELS] += 1
        return None
    labels, problem = open_labels(job.files.labels, job.job_id)
    if problem is not None:
        report([problem])
        data.losses[NO_LABELS] += 1
    return labels


def series(job: Job, data: DataSet) -> pa.Table | None:
    """Return a job's sensor series with its columns ``sample`` and ``time``, or None."""
    table: pa.Table | None = None
    if job.files.series is not None:
        parsed = parse(job.files, tables=True)
        if parsed.problem is not None:
            report([parsed.problem])
        table = parsed.series
    if table is None:
        data.losses[NO_SERIES] += 1
        return None
    return table.drop_columns(["job_id"])


def chosen_samples(job: Job, table: pa.Table, data: DataSet) -> pa.Table:
    """Return the chosen rows of a series: every `stride`-th of those in the given frame."""
    if data.frames is not None:
        wanted = pa.array(sorted(data.frames.get(job.job_id, ())), pa.int64())
        table = table.filter(pc.is_in(table["sample"], value_set=wanted))
    return table.take(np.arange(0, table.num_rows, data.stride))


def samples(job: Job, labels: LabelsFile, data: DataSet) -> Iterator[Sample]:
    """Yield the chosen frames of a job in the video's order, one picture in memory at a time."""
    numbers = _class_numbers(labels, data)
    chosen = _chosen(job, [labels.frame_numbers[position] for position in labels.order], data)
    for position, picture in zip(labels.order, read_pictures(job.files), strict=False):
        image, number = labels.images[position], labels.frame_numbers[position]
        if number not in chosen:
            continue
        data.advance()
        if picture is None:
            data.losses[NO_PICTURE] += 1
            continue
        fitted = _fit(picture, image, data)
        if fitted is None:
            data.losses[OTHER_SIZE] += 1
            continue
        kept = []
        for annotation in labels.annotations_of(position):
            category = annotation.get("category_id")
            if category not in labels.categories:
                data.losses[UNLISTED] += 1
            elif not has_sound_geometry(annotation):
                data.losses[UNSOUND] += 1
            elif category in numbers and _is_chosen(job, number, annotation, data):
                kept.append(annotation)
        classes = [numbers[annotation.get("category_id")] for annotation in kept]
        sample = Sample(job, number, image, kept, classes, fitted)
        yield sample if data.size is None else _resize(sample, data.size, data)


def encode(picture: Picture, kind: str) -> bytes:
    """Return a picture as a PNG file, or as a JPEG file of quality 95."""
    import cv2  # imported late: it needs libGL

    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if kind == "jpg" else []
    return bytes(cv2.imencode(f".{kind}", picture[..., ::-1], options)[1])


def read_pictures(files: JobFiles) -> Iterator[Picture | None]:
    """Yield the pictures of a job's frames, then None without end."""
    # Imported late: they load OpenCV and FFmpeg.
    from infinity_frames.io.pictures import read_picture
    from infinity_frames.io.video import read_frames

    try:
        if files.video is not None:
            yield from read_frames(files.video)
        elif files.picture is not None:
            yield read_picture(files.picture)
    except MediaError:
        pass  # frames before the damage are used; each one after it is counted
    yield from repeat(None)


def _class_numbers(labels: LabelsFile, data: DataSet) -> dict[Any, int]:
    """Class numbers by the job's own category ids; categories that are not exported are absent."""
    places = {name: place for place, name in enumerate(data.names)}
    named = {id_: str(item.get("name", id_)) for id_, item in labels.categories.items()}
    return {id_: places[name] for id_, name in named.items() if name in places}


def _chosen(job: Job, numbers: Sequence[int], data: DataSet) -> set[int]:
    wanted = None if data.frames is None else data.frames.get(job.job_id, set())
    kept = [number for number in numbers if wanted is None or number in wanted]
    return set(kept[:: data.stride])


def _is_chosen(job: Job, number: int, annotation: Mapping[str, Any], data: DataSet) -> bool:
    if data.objects is None:
        return True
    return (number, annotation.get("id")) in data.objects.get(job.job_id, set())


def _fit(picture: Picture, image: Mapping[str, Any], data: DataSet) -> Picture | None:
    """Crop or pad a picture to the size of its labels; None if the sizes differ too much.

    Videos have even sizes, so they may have a row or column more than the labels, and older ones
    may have one less.
    """
    height, width = image.get("height"), image.get("width")
    if height is None or width is None or min(height, width) < 1:
        return None
    missing = int(height) - picture.shape[0], int(width) - picture.shape[1]
    if max(map(abs, missing)) > _SIZE_SLACK:
        return None
    if max(missing) > 0:
        data.losses[PADDED] += 1
        below, right = (max(count, 0) for count in missing)
        picture = np.pad(picture, ((0, below), (0, right), (0, 0)), "edge")
    return picture[: int(height), : int(width)]


def _resize(sample: Sample, size: int | tuple[int, int], data: DataSet) -> Sample:
    before = sample.width, sample.height
    resizer = Resizer(before, target_size(before, size), data.losses)
    classes, annotations = [], []
    for number, annotation in sample.objects:
        changed = resizer.annotation(annotation)
        if changed is not None:
            classes.append(number)
            annotations.append(changed)
    width, height = resizer.after
    return replace(
        sample,
        image={**sample.image, "width": width, "height": height},
        annotations=annotations,
        classes=classes,
        picture=resizer.picture(sample.picture),
    )
