"""Hugging Face: Parquet with pictures inside, as ``datasets.load_dataset(folder)`` reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from infinity_frames.data.exports.samples import (
    Job,
    Losses,
    Sample,
    by_split,
    encoded,
    load,
    samples,
)

__all__ = ["write_huggingface"]

_AT_ONCE = 32
"""Pictures per row group: what is in memory at a time, and what a reader skips at a time."""
_SHARD = 400 * 2**20
"""Bytes of a Parquet file from which on the next one starts, about what the Hub recommends."""

_OBJECT: dict[str, pa.DataType] = {
    "id": pa.int64(),
    "category": pa.string(),
    "bbox": pa.list_(pa.float64(), 4),
    "area": pa.float64(),
    "iscrowd": pa.int64(),
    "percent_in_fov": pa.float64(),
    "percent_occlusion": pa.float64(),
    "keypoints": pa.list_(pa.float64()),
    "segmentation": pa.string(),
    "labels": pa.string(),
}
_ROW = pa.schema(
    {
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "job_id": pa.string(),
        "frame_number": pa.int64(),
        "width": pa.int64(),
        "height": pa.int64(),
        "labels": pa.string(),
        "scene": pa.string(),
        "objects": pa.list_(pa.struct(_OBJECT)),
    }
)


def write_huggingface(
    target: Path, jobs: Sequence[Job], kind: str, losses: Losses
) -> Iterator[Job]:
    """Write ``data/<split>-00000.parquet`` and so on; yields each job done.

    A row is a frame. What has no column of its own (3D keypoints, cuboids, quaternions, rep
    counts, the camera) is in ``labels`` of the object or the row and in ``scene``, as JSON.
    """
    (target / "data").mkdir()
    for split, members in by_split(jobs).items():
        with _Shards(target / "data", split) as shards:
            for job in members:
                labels = load(job, losses)
                if labels is not None:
                    names = {id_: c.get("name") for id_, c in labels.categories.items()}
                    scene = orjson.dumps(labels.info).decode()
                    for sample in samples(job, labels, losses):
                        shards.add(_row(sample, names, scene, kind))
                yield job


def _row(sample: Sample, names: Mapping[Any, Any], scene: str, kind: str) -> dict[str, Any]:
    own = {"id", "width", "height", "frame_number"}
    more = {key: value for key, value in sample.image.items() if key not in own}
    return {
        "image": {"bytes": encoded(sample.picture, kind), "path": f"{sample.stem}.{kind}"},
        "job_id": sample.job.files.job_id,
        "frame_number": sample.number,
        "width": sample.width,
        "height": sample.height,
        "labels": orjson.dumps(more).decode(),
        "scene": scene,
        "objects": [_object(annotation, names) for annotation in sample.annotations],
    }


def _object(annotation: Mapping[str, Any], names: Mapping[Any, Any]) -> dict[str, Any]:
    own = {*_OBJECT, "image_id", "category_id"} - {"category", "labels"}
    more = {key: value for key, value in annotation.items() if key not in own}
    segmentation = annotation.get("segmentation")
    return {
        **{name: annotation.get(name) for name in _OBJECT},
        "category": names.get(annotation.get("category_id")),
        "segmentation": None if segmentation is None else orjson.dumps(segmentation).decode(),
        "labels": orjson.dumps(more).decode(),
    }


class _Shards:
    """Parquet files of one part, written a row group at a time."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder, self._split = folder, split
        self._schema = _ROW.with_metadata({"huggingface": orjson.dumps(_features())})
        self._rows: list[dict[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None
        self._file = folder
        self._count = 0

    def __enter__(self) -> _Shards:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is not None and self._file.stat().st_size > _SHARD:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._file = self._folder / f"{self._split}-{self._count:05d}.parquet"
            self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")
            self._count += 1
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []


def _features() -> dict[str, Any]:
    """The columns as the ``datasets`` library describes them; without it pictures are bytes."""

    def value(dtype: str) -> dict[str, str]:
        return {"dtype": dtype, "_type": "Value"}

    def feature(dtype: pa.DataType) -> dict[str, Any]:
        if pa.types.is_fixed_size_list(dtype) or pa.types.is_list(dtype):
            length = dtype.list_size if pa.types.is_fixed_size_list(dtype) else -1
            return {"feature": feature(dtype.value_type), "length": length, "_type": "List"}
        if pa.types.is_struct(dtype):
            return {field.name: feature(field.type) for field in dtype}
        return value({"double": "float64"}.get(str(dtype), str(dtype)))

    columns = {field.name: feature(field.type) for field in _ROW if field.name != "image"}
    return {"info": {"features": {"image": {"_type": "Image"}, **columns}}}
