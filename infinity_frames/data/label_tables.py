"""Turn the label and sensor files of one job into the rows of its label tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv

from infinity_frames.data.labels import COCO_KEYPOINTS, LabelsFile, open_labels
from infinity_frames.data.layout import JobFiles, read_json
from infinity_frames.data.problems import Problem
from infinity_frames.data.row_builder import MALFORMED, RowBuilder
from infinity_frames.protocol import schemas
from infinity_frames.protocol.errors import MediaError
from infinity_frames.protocol.label_summary import LabelSummary, summarize
from infinity_frames.protocol.schemas import Kind

__all__ = ["TABLES", "Parsed", "parse"]

TABLES: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        schemas.SCENES,
        schemas.IMAGES,
        schemas.ANNOTATIONS,
        schemas.KEYPOINTS,
        schemas.CUBOIDS,
        schemas.TIMESERIES,
        schemas.CATEGORIES,
    )
}
_SKELETONS = {"armature_keypoints": "armature", "vertex_keypoints": "vertex"}
_POINT = ("x", "y", "v", "z", "x_global", "y_global", "z_global")
_FRAME_RATES = ("frame_rate", "frames_per_second")


@dataclass(frozen=True)
class Parsed:
    """The labels of a job: rows by table, and the sensor data, which is a table already.

    `problem` names the file that could not be read.
    """

    summary: LabelSummary
    rows: Mapping[str, RowBuilder]
    series: pa.Table | None = None
    problem: Problem | None = None

    @classmethod
    def malformed(cls, job: JobFiles, error: Exception, file: Path | None = None) -> Parsed:
        """Return an empty result for a job whose labels have wrong types or shapes."""
        file = file or job.labels or job.series or job.folder
        reason = " ".join(str(error).split())[:200]
        problem = Problem(job.job_id, str(file), f"holds malformed labels ({reason})")
        return cls(LabelSummary(), {}, problem=problem)

    def to_json(self) -> dict[str, Any]:
        """Summary and problem, in the form that the manifest of a cache keeps."""
        problem = None if self.problem is None else vars(self.problem)
        return {"summary": vars(self.summary), "problem": problem}


def parse(job: JobFiles, *, tables: bool) -> Parsed:
    """Read the files of a job.

    Parameters
    ----------
    job : JobFiles
        Paths of the files.
    tables : bool
        Whether to build rows too; the summary alone takes a fraction of the time.
    """
    record, problem = _record(job)
    labels: LabelsFile | None = None
    if problem is None and job.labels is not None:
        labels, problem = open_labels(job.labels, job.job_id)
    if problem is not None:
        return Parsed(LabelSummary(), {}, problem=problem)
    try:
        series = None if job.series is None else read_series(job.series)
    except MALFORMED as error:
        return Parsed.malformed(job, error, job.series)
    try:
        summary = _summary(labels, series)
        if not tables:
            return Parsed(summary, {})
        rows, left_out = ({}, 0) if labels is None else _rows(job, labels, record)
        if left_out:
            what = f"has {left_out} annotations or images without ids that match; they are left out"
            problem = Problem(job.job_id, str(job.labels), what)
        table = None if series is None else _series_table(job.job_id, series)
        return Parsed(summary, rows, table, problem)
    except MALFORMED as error:
        return Parsed.malformed(job, error)


def _record(job: JobFiles) -> tuple[dict[str, Any], Problem | None]:
    if job.record is None:
        is_flat = job.folder == job.root
        missing = Problem(job.job_id, str(job.folder), "has no job.json")
        return {}, None if is_flat else missing
    record, problem = read_json(job.record, job.job_id)
    return record or {}, problem


def read_series(file: Path) -> pa.Table:
    """Read a job's sensor data.

    Raises
    ------
    ValueError, pyarrow.ArrowException
        The file cannot be read, is no CSV, repeats a column, or holds text that is not UTF-8.
    """
    try:
        table = pa_csv.read_csv(file)
    except OSError as error:
        raise ValueError(f"the disk cannot read it: {error}") from None
    # pandas' to_csv wrote its index as a first column without a name.
    table = table.select([at for at, name in enumerate(table.column_names) if name])
    if len({name.casefold() for name in table.column_names}) < table.num_columns:
        raise ValueError("duplicate column")
    if any(pa.types.is_binary(field.type) for field in table.schema):
        raise ValueError("text that is not UTF-8")
    return table


def _summary(labels: LabelsFile | None, series: pa.Table | None) -> LabelSummary:
    if labels is None:
        return LabelSummary(None if series is None else series.num_rows)
    return summarize(labels.images, labels.annotations(), labels.person_ids)


def _rows(
    job: JobFiles, labels: LabelsFile, record: Mapping[str, Any]
) -> tuple[dict[str, RowBuilder], int]:
    """Build the rows of every table, and count labels without a usable id."""
    rows = {name: RowBuilder(kind) for name, kind in TABLES.items() if name != "timeseries"}
    identity = {"job_id": job.job_id}
    rows["scenes"].add(identity, _scalars_and_lists(labels.info))
    for id_, category in labels.categories.items():
        if id_ is not None:
            own = {**identity, "category_id": id_, "name": category.get("name")}
            rows["categories"].add(own, _scalars(category, "id"))
    frames = _add_images(rows["images"], identity, labels, _frame_rate(job, labels, record))
    left_out = len(labels.images) - len(frames)
    for annotation in labels.annotations(release=True):
        image_id = annotation.get("image_id")
        if image_id not in frames or annotation.get("id") is None:
            left_out += 1
            continue
        key = {
            **identity,
            "image_id": image_id,
            "frame_number": frames[image_id],
            "annotation_id": annotation.get("id"),
        }
        category = labels.categories.get(annotation.get("category_id"), {})
        _add_annotation(rows["annotations"], key, annotation, category)
        _add_keypoints(rows["keypoints"], key, annotation, category)
        _add_cuboid(rows["cuboids"], key, annotation)
    return {name: gathered for name, gathered in rows.items() if gathered.length}, left_out


def _add_images(
    rows: RowBuilder, identity: Mapping[str, Any], labels: LabelsFile, rate: float | None
) -> dict[Any, int]:
    """Add a row per image; return the frame numbers by image id."""
    frames: dict[Any, int] = {}
    for image, frame in zip(labels.images, labels.frame_numbers, strict=True):
        if image.get("id") is None:
            continue
        frames[image["id"]] = frame
        own = {
            **identity,
            "image_id": image["id"],
            "frame_number": frame,
            "time": image.get("time", None if rate is None else frame / rate),
            "width": image.get("width"),
            "height": image.get("height"),
        }
        rows.add(own, _scalars(image, "id"))
    return frames


def _add_annotation(
    rows: RowBuilder,
    key: Mapping[str, Any],
    annotation: Mapping[str, Any],
    category: Mapping[str, Any],
) -> None:
    box = annotation.get("bbox") or (None,) * 4
    segmentation = annotation.get("segmentation")
    own = {
        **key,
        "category": category.get("name"),
        **dict(zip(("bbox_x", "bbox_y", "bbox_width", "bbox_height"), box, strict=True)),
        **{
            name: annotation.get(name)
            for name in ("area", "iscrowd", "percent_in_fov", "percent_occlusion", "num_keypoints")
        },
        "segmentation": None if segmentation is None else orjson.dumps(segmentation).decode(),
    }
    rows.add(own, _scalars(annotation, "id"))


def _add_keypoints(
    rows: RowBuilder,
    key: Mapping[str, Any],
    annotation: Mapping[str, Any],
    category: Mapping[str, Any],
) -> None:
    for label, skeleton in _SKELETONS.items():
        points = annotation.get(label)
        if points:
            values = points.values()
            columns = {name: [point.get(name) for point in values] for name in _POINT}
            _extend(rows, key, {"name": list(points), **columns}, skeleton=skeleton)
    flat = annotation.get("keypoints")
    if flat:
        count = len(flat) // 3
        names = category.get("keypoints") or (
            COCO_KEYPOINTS if count == len(COCO_KEYPOINTS) else []
        )
        columns = {"name": names if len(names) == count else [str(i) for i in range(count)]}
        columns |= {name: flat[i::3] for i, name in enumerate(("x", "y", "v"))}
        _extend(rows, key, columns, skeleton="coco")


def _add_cuboid(rows: RowBuilder, key: Mapping[str, Any], annotation: Mapping[str, Any]) -> None:
    corners = annotation.get("cuboid_coordinates")
    if corners:
        points = [[c["x"], c["y"], c["z"]] if isinstance(c, dict) else c for c in corners]
        axes = dict(zip("xyz", map(list, zip(*points, strict=True)), strict=True))
        _extend(rows, key, {"corner": list(range(len(points))), **axes})


def _extend(
    rows: RowBuilder, key: Mapping[str, Any], columns: Mapping[str, list[Any]], **same: str
) -> None:
    count = len(next(iter(columns.values())))
    repeated = {name: [value] * count for name, value in {**key, **same}.items()}
    rows.extend(count, {**repeated, **columns})


def _series_table(job_id: str, series: pa.Table) -> pa.Table:
    count = series.num_rows
    sample = pa.array(range(count), pa.int64())
    own = {"job_id": pa.array([job_id] * count, pa.string()), "sample": sample}
    if "time" not in series.column_names:
        own["time"] = pa.nulls(count, pa.float64())
    else:
        own["time"] = series["time"].cast(pa.float64())
    more = {n: _measured(series[n]) for n in series.column_names if n not in own}
    # The type of a column without values cannot be inferred.
    return pa.table(own | {n: c for n, c in more.items() if not pa.types.is_null(c.type)})


def _measured(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as floats: a CSV writes 0.0 as 0, so its digits do not tell the two apart."""
    return column.cast(pa.float64()) if pa.types.is_integer(column.type) else column


def _scalars(labels: Mapping[str, Any], *renamed: str) -> Iterator[tuple[str, Any]]:
    for name, value in labels.items():
        if name not in renamed and isinstance(value, (bool, int, float, str)):
            yield name, value


def _scalars_and_lists(info: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in info.items():
        if isinstance(value, (bool, int, float, str, list)):
            yield name, value


def _frame_rate(job: JobFiles, labels: LabelsFile, record: Mapping[str, Any]) -> float | None:
    """Return frames per second: the job's parameter, else the value in the video's header."""
    params = record.get("params")
    for name in _FRAME_RATES:
        if isinstance(params, dict) and params.get(name) is not None:
            return float(params[name])
    if job.video is None or not labels.images:
        return None
    from infinity_frames.io.video import video_info  # FFmpeg is loaded only where it is needed

    try:
        return video_info(job.video).frame_rate or None
    except MediaError:
        return None
