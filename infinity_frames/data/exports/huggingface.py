"""Hugging Face: Parquet with pictures inside, for ``datasets.load_dataset(folder)``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infinity_frames.data.exports.base import DataSet, Job
from infinity_frames.data.exports.escaping import yaml_string
from infinity_frames.data.exports.parts import word_names
from infinity_frames.data.exports.samples import (
    Sample,
    chosen_samples,
    encode,
    load,
    samples,
    series,
)
from infinity_frames.protocol.errors import ResultsError

__all__ = ["HuggingFace"]

ARCHIVES = "jobs whose archives of masks are not exported; they remain in segmentation.zip"
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z]\w*", re.I | re.A)
_AT_ONCE = 32
"""Rows per row group: what is in memory at a time, and what a reader skips at a time."""
_SHARD = 400 * 2**20
"""Size in bytes after which the next Parquet file starts, about what the Hub recommends."""

_OBJECT: dict[str, pa.DataType] = {
    "id": pa.int64(),
    "category": pa.int64(),
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


_SERIES = pa.schema({"job_id": pa.string(), "samples": pa.int64()})
Columns = list[tuple[str, str, pa.DataType, tuple[str, ...] | None]]
"""Column of the file, parameter, type, and names of the classes if the parameter has choices."""


class HuggingFace:
    """``data/<part>-00000.parquet`` and so on.

    A row is a frame, or with sensor series a job. Parameters are columns of their own. Labels
    without a column (3D keypoints, cuboids, quaternions, rep counts, the camera) are JSON in
    ``labels`` of the object or the row, and in ``scene``.
    """

    name = "huggingface"
    usage = (
        '`datasets.load_dataset("<this folder>")`. Categories and parameters with choices are '
        "`ClassLabel`s. Labels without a column of their own are JSON in `labels` and `scene`."
    )
    takes_pictures = True
    takes_series = True

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Map parts to train, validation and test, and others to words: ``fold_1``."""
        return word_names(parts)

    def write(self, folder: Path, data: DataSet) -> None:
        """Write Parquet files per part, and the front matter of ``README.md``.

        Raises
        ------
        ResultsError
            Jobs with pictures and jobs with sensor series are mixed.
        """
        only_series = data.has_series
        if only_series and any(job.files.labels is not None for job in data.jobs):
            raise ResultsError(
                "A Hugging Face data set cannot hold labeled pictures and sensor series together.",
                advice="Export the results of each generator into a separate folder.",
            )
        own = _SERIES if only_series else _ROW
        columns = _parameter_columns(data, set(own.names))
        (folder / "data").mkdir()
        parts = []
        for part, members in data.parts():
            shards = _Shards(folder / "data", part, None if only_series else own, columns, data)
            with shards:
                for job in members:
                    values = {name: job.parameters.get(source) for name, source, *_ in columns}
                    for row in _series_rows(job, data) if only_series else _rows(job, data):
                        shards.add({**row, **_coded(values, columns)})
            if shards.count:
                parts.append(part)
        (folder / "README.md").write_text(_front_matter(parts), encoding="utf-8")
        data.losses[ARCHIVES] += sum(job.files.segmentation is not None for job in data.jobs)


def _rows(job: Job, data: DataSet) -> Iterator[dict[str, Any]]:
    labels = load(job, data)
    if labels is not None:
        scene = orjson.dumps(labels.info).decode()
        for sample in samples(job, labels, data):
            yield _row(sample, scene, data.pictures)


def _series_rows(job: Job, data: DataSet) -> Iterator[dict[str, Any]]:
    table = series(job, data)
    if table is not None:
        table = chosen_samples(job, table, data)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        # A sensor's column must not hide one of the row's own.
        named = {
            name if name not in _SERIES.names else f"{name}_series": values
            for name, values in columns.items()
        }
        yield {"job_id": job.job_id, "samples": table.num_rows, **named}


def _row(sample: Sample, scene: str, kind: str) -> dict[str, Any]:
    own = {"id", "width", "height", "frame_number"}
    more = {key: value for key, value in sample.image.items() if key not in own}
    return {
        "image": {"bytes": encode(sample.picture, kind), "path": f"{sample.stem}.{kind}"},
        "job_id": sample.job.job_id,
        "frame_number": sample.number,
        "width": sample.width,
        "height": sample.height,
        "labels": orjson.dumps(more).decode(),
        "scene": scene,
        "objects": [_object(annotation, number) for number, annotation in sample.objects],
    }


def _object(annotation: Mapping[str, Any], number: int) -> dict[str, Any]:
    own = {*_OBJECT, "image_id", "category_id"} - {"category", "labels"}
    more = {key: value for key, value in annotation.items() if key not in own}
    segmentation = annotation.get("segmentation")
    return {
        **{name: annotation.get(name) for name in _OBJECT},
        "category": number,
        "segmentation": None if segmentation is None else orjson.dumps(segmentation).decode(),
        "labels": orjson.dumps(more).decode(),
    }


def _parameter_columns(data: DataSet, taken: set[str]) -> Columns:
    """Typed columns of parameters; one named like a column of the row gets a suffix."""
    out: Columns = []
    for source in data.parameters:
        column = data.table[source]
        name = f"{source}_parameter" if source in taken else source
        kind, classes = _type_of(column, data.choices.get(source))
        out.append((name, source, kind, classes))
    return out


def _type_of(
    column: pd.Series[Any], choices: tuple[Any, ...] | None
) -> tuple[pa.DataType, tuple[str, ...] | None]:
    if pd.api.types.is_bool_dtype(column):
        return pa.bool_(), None
    if pd.api.types.is_integer_dtype(column):
        return pa.int64(), None
    if pd.api.types.is_float_dtype(column):
        return pa.float64(), None
    known = set(column.dropna().astype(str))
    if choices and known <= set(map(str, choices)):
        return pa.int64(), tuple(map(str, choices))
    return pa.string(), None


def _coded(values: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Return values as the columns hold them: classes by number, text as text."""
    out: dict[str, Any] = {}
    for name, _, kind, classes in columns:
        value = values[name]
        if value is not None and classes is not None:
            value = classes.index(str(value))
        elif value is not None and pa.types.is_string(kind):
            value = str(value)
        out[name] = value
    return out


class _Shards:
    """Parquet files of one part, written a row group at a time.

    Parameters
    ----------
    folder : Path
        Where they go.
    part : str
        The part's name.
    own : Schema or None
        The row's own columns; None takes the columns of sensor series from the rows.
    columns : list
        Columns of parameters.
    data : DataSet
        Names the categories.
    """

    def __init__(
        self, folder: Path, part: str, own: pa.Schema | None, columns: Columns, data: DataSet
    ) -> None:
        self._folder, self._part = folder, part
        self._own, self._columns, self._data = own, columns, data
        self._rows: list[dict[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None
        self._file = folder
        self.count = 0

    def __enter__(self) -> _Shards:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        """Append a row."""
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
            self._file = self._folder / f"{self._part}-{self.count:05d}.parquet"
            self._schema = self._full_schema()
            self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")
            self.count += 1
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []

    def _full_schema(self) -> pa.Schema:
        own = self._own if self._own is not None else _series_schema(self._rows, self._columns)
        schema = pa.schema([*own, *((name, kind) for name, _, kind, _ in self._columns)])
        features = _features(own, self._columns, self._data.names)
        return schema.with_metadata({"huggingface": orjson.dumps(features)})


def _series_schema(rows: Sequence[Mapping[str, Any]], columns: Columns) -> pa.Schema:
    parameters = {name for name, *_ in columns}
    fields = dict(zip(_SERIES.names, _SERIES.types, strict=True))
    for row in rows:
        for name, values in row.items():
            if name not in parameters and name not in fields:
                fields[name] = pa.array(values).type if values else pa.float64()
    return pa.schema(
        {name: kind if name in _SERIES.names else pa.list_(kind) for name, kind in fields.items()}
    )


def _features(own: pa.Schema, columns: Columns, categories: Sequence[str]) -> dict[str, Any]:
    """Return the columns as the ``datasets`` library describes them.

    Without this description, pictures are bytes.
    """

    def feature(dtype: pa.DataType) -> dict[str, Any]:
        if pa.types.is_fixed_size_list(dtype) or pa.types.is_list(dtype):
            length = dtype.list_size if pa.types.is_fixed_size_list(dtype) else -1
            return {"feature": feature(dtype.value_type), "length": length, "_type": "List"}
        if pa.types.is_struct(dtype):
            return {field.name: feature(field.type) for field in dtype}
        return {"dtype": {"double": "float64"}.get(str(dtype), str(dtype)), "_type": "Value"}

    described = {field.name: feature(field.type) for field in own}
    if "image" in described:
        described["image"] = {"_type": "Image"}
        objects = described["objects"]["feature"]
        objects["category"] = {"names": list(categories), "_type": "ClassLabel"}
    for name, _, kind, classes in columns:
        classed = {"names": list(classes or ()), "_type": "ClassLabel"}
        described[name] = feature(kind) if classes is None else classed
    return {"info": {"features": described}}


def _front_matter(parts: Sequence[str]) -> str:
    """YAML that names the files of each split to ``datasets`` and to the Hub."""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for part in parts:
        # YAML reads some words as other types: quoted as JSON, a part named "no" or "1" stays text.
        name = part if _PLAIN.fullmatch(part) else yaml_string(part)
        lines += [f"  - split: {name}", f"    path: data/{part}-*.parquet"]
    return "\n".join([*lines, "tags:", "- synthetic", "---", "", ""])
