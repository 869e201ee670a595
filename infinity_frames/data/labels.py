"""One job's label and sensor files -> the rows of its label tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv

from infinity_frames.data.layout import JobFiles, read_json
from infinity_frames.data.problems import Problem
from infinity_frames.data.row_builder import ODD, Rows
from infinity_frames.protocol import schemas
from infinity_frames.protocol.errors import MediaError
from infinity_frames.protocol.schemas import Kind

__all__ = ["COCO_KEYPOINTS", "TABLES", "Parsed", "Summary", "parse"]

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
PERSON = "person"

_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
# What the COCO format calls the 17 points, in its order; used where a file does not name them.
COCO_KEYPOINTS = [
    "nose",
    *(f"{side}_{point}" for point in _PAIRS for side in ("left", "right")),
]
_SKELETONS = {"armature_keypoints": "armature", "vertex_keypoints": "vertex"}
_POINT = ("x", "y", "v", "z", "x_global", "y_global", "z_global")
_FRAME_RATES = ("frame_rate", "frames_per_second")


@dataclass(frozen=True)
class Summary:
    """What a results frame says of a job's labels; averages in percent, over the person."""

    num_frames: int | None = None
    avg_percent_in_fov: float | None = None
    avg_percent_occlusion: float | None = None


@dataclass(frozen=True)
class Parsed:
    """A job's labels: rows by table, and sensor data, which is a table already.

    A problem stands for what could not be read.
    """

    summary: Summary
    rows: Mapping[str, Rows]
    series: pa.Table | None = None
    problem: Problem | None = None

    @classmethod
    def odd(cls, job: JobFiles, error: Exception, file: Path | None = None) -> Parsed:
        """A job whose labels are not as they should be: what is odd in one file stays there."""
        file = file or job.labels or job.series or job.folder
        problem = Problem(job.job_id, str(file), f"holds odd labels ({error})")
        return cls(Summary(), {}, problem=problem)

    def to_json(self) -> dict[str, Any]:
        """Summary and problem, as the manifest of a cache keeps them."""
        problem = None if self.problem is None else vars(self.problem)
        return {"summary": vars(self.summary), "problem": problem}


def parse(job: JobFiles, *, tables: bool) -> Parsed:
    """Read a job's files.

    Parameters
    ----------
    job : JobFiles
        Where they are.
    tables : bool
        Whether to gather their rows too; the summary alone takes a fraction of the time.
    """
    record, problem = _record(job)
    labels: dict[str, Any] | None = None
    if problem is None and job.labels is not None:
        labels, problem = read_json(job.labels, job.job_id)
    if problem is not None:
        return Parsed(Summary(), {}, problem=problem)
    try:
        series = None if job.series is None else _series(job)
    except ODD as error:
        return Parsed.odd(job, error, job.series)
    try:
        summary = _summary(labels, series)
        if not tables:
            return Parsed(summary, {})
        rows = {} if labels is None else _rows(job, labels, record)
        return Parsed(summary, rows, None if series is None else _series_table(job.job_id, series))
    except ODD as error:
        return Parsed.odd(job, error)


def _record(job: JobFiles) -> tuple[dict[str, Any], Problem | None]:
    if job.record is None:
        is_flat = job.folder == job.root
        missing = Problem(job.job_id, str(job.folder), "has no job.json")
        return {}, None if is_flat else missing
    record, problem = read_json(job.record, job.job_id)
    return record or {}, problem


def _series(job: JobFiles) -> pa.Table:
    assert job.series is not None
    table = pa_csv.read_csv(job.series)
    # pandas' to_csv wrote its index as a first column without a name.
    table = table.select([at for at, name in enumerate(table.column_names) if name])
    if len({name.casefold() for name in table.column_names}) < table.num_columns:
        raise ValueError("a column stands twice")
    if any(pa.types.is_binary(field.type) for field in table.schema):
        raise ValueError("text that is not UTF-8")
    return table


def _summary(labels: Mapping[str, Any] | None, series: pa.Table | None) -> Summary:
    if labels is None:
        return Summary(None if series is None else series.num_rows)
    people = {c.get("id") for c in labels.get("categories") or () if c.get("name") == PERSON}
    person = [a for a in labels.get("annotations") or () if a.get("category_id") in people]

    def mean(label: str) -> float | None:
        values = [a[label] for a in person if a.get(label) is not None]
        return math.fsum(values) / len(values) if values else None

    images = labels.get("images") or ()
    return Summary(len(images), mean("percent_in_fov"), mean("percent_occlusion"))


def _rows(job: JobFiles, labels: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Rows]:
    rows = {name: Rows(kind) for name, kind in TABLES.items() if name != "timeseries"}
    identity = {"job_id": job.job_id}
    rows["scenes"].add(identity, _listed(labels.get("info") or {}))
    categories = {c.get("id"): c for c in labels.get("categories") or ()}
    for id_, category in categories.items():
        own = {**identity, "category_id": id_, "name": category.get("name")}
        rows["categories"].add(own, _scalars(category, "id"))

    frames: dict[Any, int] = {}
    images = labels.get("images") or ()
    rate = _frame_rate(job, record) if images else None
    for position, image in enumerate(images):
        frame = image.get("frame_number", position)
        frames[image.get("id")] = frame
        own = {
            **identity,
            "image_id": image.get("id"),
            "frame_number": frame,
            "time": image.get("time", None if rate is None or frame is None else frame / rate),
            "width": image.get("width"),
            "height": image.get("height"),
        }
        rows["images"].add(own, _scalars(image, "id"))

    annotations = labels.get("annotations") or []
    for place, annotation in enumerate(annotations):
        annotations[place] = None  # read once: what has become rows need not stay in memory too
        image_id = annotation.get("image_id")
        key = {
            **identity,
            "image_id": image_id,
            "frame_number": frames.get(image_id),
            "annotation_id": annotation.get("id"),
        }
        category = categories.get(annotation.get("category_id"), {})
        _add_annotation(rows["annotations"], key, annotation, category)
        _add_keypoints(rows["keypoints"], key, annotation, category)
        _add_cuboid(rows["cuboids"], key, annotation)
    return {name: gathered for name, gathered in rows.items() if gathered.length}


def _add_annotation(
    rows: Rows, key: Mapping[str, Any], annotation: Mapping[str, Any], category: Mapping[str, Any]
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
    rows: Rows, key: Mapping[str, Any], annotation: Mapping[str, Any], category: Mapping[str, Any]
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


def _add_cuboid(rows: Rows, key: Mapping[str, Any], annotation: Mapping[str, Any]) -> None:
    corners = annotation.get("cuboid_coordinates")
    if corners:
        points = [[c["x"], c["y"], c["z"]] if isinstance(c, dict) else c for c in corners]
        axes = dict(zip("xyz", map(list, zip(*points, strict=True)), strict=True))
        _extend(rows, key, {"corner": list(range(len(points))), **axes})


def _extend(
    rows: Rows, key: Mapping[str, Any], columns: Mapping[str, list[Any]], **same: str
) -> None:
    count = len(next(iter(columns.values())))
    repeated = {name: [value] * count for name, value in {**key, **same}.items()}
    rows.extend(count, {**repeated, **columns})


def _series_table(job_id: str, series: pa.Table) -> pa.Table:
    count = series.num_rows
    own = {"job_id": pa.array([job_id] * count, pa.string()), "sample": pa.array(range(count))}
    if "time" not in series.column_names:
        own["time"] = pa.nulls(count, pa.float64())
    else:
        own["time"] = series["time"].cast(pa.float64())
    more = {n: series[n] for n in series.column_names if n not in own}
    # A column without a value has no type of its own.
    return pa.table(own | {n: c for n, c in more.items() if not pa.types.is_null(c.type)})


def _scalars(labels: Mapping[str, Any], *renamed: str) -> Iterator[tuple[str, Any]]:
    for name, value in labels.items():
        if name not in renamed and isinstance(value, (bool, int, float, str)):
            yield name, value


def _listed(info: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in info.items():
        if isinstance(value, (bool, int, float, str, list)):
            yield name, value


def _frame_rate(job: JobFiles, record: Mapping[str, Any]) -> float | None:
    """Frames per second: as asked for, else as the video says."""
    params = record.get("params") or {}
    for name in _FRAME_RATES:
        if params.get(name) is not None:
            return float(params[name])
    if job.video is None:
        return None
    from infinity_frames.io.video import video_info  # FFmpeg is loaded only where it is needed

    try:
        return video_info(job.video).frame_rate or None
    except MediaError:
        return None
