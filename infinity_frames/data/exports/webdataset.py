"""WebDataset: tar files that are read in sequence, see https://github.com/webdataset/webdataset."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from infinity_frames.data.exports.base import DataSet, Job
from infinity_frames.data.exports.parts import word_names
from infinity_frames.data.exports.samples import (
    Sample,
    chosen_samples,
    encode,
    load,
    samples,
    series,
)

__all__ = ["WebDataset"]

_SHARD_BYTES = 256 * 1024**2
TEXTS = "columns of series that hold no numbers, left out"


class WebDataset:
    """``<part>-000000.tar`` and so on; a sample is a frame, or with sensor series a job."""

    name = "webdataset"
    usage = (
        '`webdataset.WebDataset("train-000000.tar").decode("rgb8")`, or several shards as '
        '`"train-{000000..000003}.tar"`. A frame is a picture and a `.json` with its `width`, '
        "`height`, `parameters` and `objects`; an object's `category` is a place in `categories`. "
        "A sensor series is a `.npy`, one row per sample, and a `.json` with its `columns`. "
        "Frames of a video follow each other: use a shuffle buffer."
    )
    takes_pictures = True
    takes_series = True

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Map parts to train, val and test, and others to words: ``fold_1``."""
        return word_names(parts, val="val")

    def write(self, folder: Path, data: DataSet) -> None:
        """Write the shards of each part."""
        for part, members in data.parts():
            with closing(_Shards(folder, part)) as shards:
                for job in members:
                    for key, files in _samples(job, data):
                        shards.add(key, files)


def _samples(job: Job, data: DataSet) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Keys of a job's samples, with the content of their files by suffix."""
    common: dict[str, Any] = {
        "job_id": job.job_id,
        "generator": job.generator,
        "parameters": dict(job.parameters),
    }
    if job.files.labels is None and job.files.series is not None:
        table = series(job, data)
        if table is not None:
            data.advance()
            yield job.job_id, _series_files(chosen_samples(job, table, data), common, data)
        return
    labels = load(job, data)
    if labels is None:
        return
    common |= {"categories": data.names, "scene": labels.info}
    for sample in samples(job, labels, data):
        record = orjson.dumps({**common, **_labels(sample)})
        picture = encode(sample.picture, data.pictures)
        yield sample.stem, {data.pictures: picture, "json": record}


def _labels(sample: Sample) -> dict[str, Any]:
    objects = [
        {**annotation, "category": number, "iscrowd": annotation.get("iscrowd", 0)}
        for number, annotation in sample.objects
    ]
    for found in objects:
        found.pop("category_id", None)  # the job's own number
    return {**sample.image, "frame_number": sample.number, "objects": objects}


def _series_files(table: pa.Table, common: Mapping[str, Any], data: DataSet) -> dict[str, bytes]:
    numeric = [
        field.name
        for field in table.schema
        if pa.types.is_integer(field.type)
        or pa.types.is_floating(field.type)
        or pa.types.is_boolean(field.type)
    ]
    data.losses[TEXTS] += table.num_columns - len(numeric)
    columns = [
        table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        if not pa.types.is_boolean(table[name].type)
        else table[name].cast(pa.int8()).cast(pa.float64()).to_numpy(zero_copy_only=False)
        for name in numeric
    ]
    content = io.BytesIO()
    np.save(content, np.column_stack(columns) if columns else np.empty((table.num_rows, 0)))
    return {"npy": content.getvalue(), "json": orjson.dumps({**common, "columns": numeric})}


class _Shards:
    """Tar files of one part; a new one begins where the last is full, never within a sample."""

    def __init__(self, folder: Path, part: str) -> None:
        self._folder, self._part = folder, part
        self._count = 0
        self._tar: tarfile.TarFile | None = None
        self._bytes = 0

    def close(self) -> None:
        """Finish the last file."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    def add(self, key: str, files: Mapping[str, bytes]) -> None:
        """Append one sample."""
        if self._bytes > _SHARD_BYTES:
            self.close()
        if self._tar is None:
            name = f"{self._part}-{self._count:06d}.tar"
            self._tar = tarfile.open(self._folder / name, "w")  # noqa: SIM115 (closed above)
            self._count += 1
            self._bytes = 0
        for suffix, content in files.items():
            # No owner and no time: the same data are the same bytes.
            entry = tarfile.TarInfo(f"{key}.{suffix}")
            entry.size = len(content)
            self._tar.addfile(entry, io.BytesIO(content))
            self._bytes += len(content)
