"""From a frame of results or labels to the jobs, frames, objects and categories to export."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from infinity_frames.data.exports.base import (
    JOB_COLUMNS,
    Category,
    DataSet,
    Format,
    Job,
    Losses,
    is_series,
)
from infinity_frames.data.exports.parts import require_plain
from infinity_frames.data.frames import (
    job_files,
    read_results,
    recorded_parameters,
    with_columns,
)
from infinity_frames.data.labels import open_labels
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.splits import SPLIT, TAGGED_SPLIT
from infinity_frames.protocol.errors import FrameError, ResultsError, nearest
from infinity_frames.protocol.schemas import (
    ANNOTATIONS,
    BATCH,
    IMAGES,
    KEYPOINTS,
    RESULTS,
    TIMESERIES,
)

__all__ = ["choose"]

UNASSIGNED = "jobs without a part (the column split is missing), left out"
UNRENDERED = "jobs without results, left out"
_ALL = "train"
_NOT_PARAMETERS = {
    *(name for kind in (BATCH, RESULTS, IMAGES, ANNOTATIONS) for name in kind.columns),
    *(name for kind in (KEYPOINTS, TIMESERIES) for name in kind.columns),
    *(SPLIT, TAGGED_SPLIT),
}


def choose(
    frame: pd.DataFrame,
    format: Format,
    categories: str | Sequence[str] | None,
    source: str | Path | None,
) -> DataSet:
    """Find what to export.

    Parameters
    ----------
    frame : DataFrame
        Results; or rows of ``images()``, ``annotations()`` and the like, which choose frames and
        objects.
    format : Format
        Names the parts.
    categories : str or sequence of str, optional
        The only categories to export, in the order of their class numbers.
    source : path, optional
        The folder the results are in now, if they were moved.

    Raises
    ------
    ResultsError
        Nothing is left to export, the format cannot hold these jobs or a part of this name, or
        no job knows a category.
    """
    rows = with_columns(frame)
    RESULTS.require(rows, ["job_id"], "Exporting")
    losses: Losses = Losses()
    results = _results_of(frame, rows, source)
    losses[UNRENDERED] += results["job_id"].nunique() - _with_files(results)["job_id"].nunique()
    results = _with_files(results)
    parts = _parts(rows, results)
    losses[UNASSIGNED] += sum(part is None for part in parts.values())
    kept = {job: part for job, part in parts.items() if part is not None}
    if not kept:
        raise _nothing(losses)
    results = results[results["job_id"].isin(kept)]
    files = job_files(results, path=source)
    _require_kind(files, format)
    present = list(dict.fromkeys(kept.values()))
    require_plain(present)
    names = format.part_names(present)
    table, choices = _job_table(results, kept), _choices(results)
    values = _parameters(table)
    jobs = [Job(job, names[kept[job.job_id]], *values[job.job_id]) for job in files]
    return DataSet(
        jobs=jobs,
        categories=_categories(jobs, categories),
        table=table,
        results=results,
        choices=choices,
        frames=_frames(rows),
        objects=_objects(rows),
        selects_categories=categories is not None,
        losses=losses,
    )


def _nothing(losses: Losses) -> ResultsError:
    if losses[UNASSIGNED]:
        return ResultsError(
            f"There is nothing to export: {losses[UNASSIGNED]} jobs have no part in the column "
            "'split'.",
            advice="Assign parts with .infinity.split(), or drop the column to export all jobs.",
        )
    return ResultsError(
        "There is nothing to export: none of these jobs has results.",
        advice="Download them first, or check the filter that made the frame.",
    )


def _results_of(frame: pd.DataFrame, rows: pd.DataFrame, source: str | Path | None) -> pd.DataFrame:
    """Return the results of a frame's jobs; those of a frame of labels are read from folders."""
    if "path" in rows.columns:
        return RESULTS.conform(rows.drop_duplicates("job_id"))
    files = job_files(frame, path=source)
    roots = list(dict.fromkeys(job.root for job in files))
    if not roots:
        raise _nothing(Losses())
    found = pd.concat([read_results(root, quiet=True) for root in roots], ignore_index=True)
    return found[found["job_id"].isin([job.job_id for job in files])]


def _with_files(results: pd.DataFrame) -> pd.DataFrame:
    return results[results["path"].notna() & results["job_id"].notna()]


def _parts(rows: pd.DataFrame, results: pd.DataFrame) -> dict[str, str | None]:
    """Return the part of each job; None if it has none."""
    frame = rows if {SPLIT, TAGGED_SPLIT} & set(rows.columns) else results
    column = next((name for name in (SPLIT, TAGGED_SPLIT) if name in frame.columns), None)
    ids = results["job_id"].astype(str)
    if column is None:
        return dict.fromkeys(ids, _ALL)
    given = frame.loc[frame[column].notna(), ["job_id", column]].drop_duplicates()
    twice = given["job_id"].duplicated()
    if twice.any():
        job = given["job_id"][twice].iloc[0]
        raise FrameError(
            f"Job {job} is in several parts by the column {column!r}.",
            advice="Give all rows of a job the same part: its frames are nearly the same.",
            job=job,
        )
    known = dict(zip(given["job_id"].astype(str), given[column].astype(str), strict=True))
    return {job: known.get(job) for job in ids}


def _require_kind(files: Sequence[JobFiles], format: Format) -> None:
    """Refuse jobs that the format cannot hold, before anything is written."""
    if not format.takes_series and all(map(is_series, files)):
        raise ResultsError(
            f"These jobs hold sensor series without labeled pictures, and the format {format.name} "
            "holds pictures.",
            advice="Use csv, parquet, huggingface or webdataset.",
            format=format.name,
        )
    if not format.takes_pictures and not any(job.series is not None for job in files):
        raise ResultsError(
            f"These jobs hold no sensor series, and the format {format.name} holds nothing else.",
            advice="Use coco, yolo-detect, parquet, huggingface or webdataset.",
            format=format.name,
        )


def _job_table(results: pd.DataFrame, parts: Mapping[str, str]) -> pd.DataFrame:
    """Return a row per job: id, generator, part, parameters and tags."""
    own = [name for name in results.columns if str(name) not in _NOT_PARAMETERS]
    table = results[["job_id", "generator", *own]].drop_duplicates("job_id")
    table.insert(2, SPLIT, table["job_id"].map(parts).astype("string"))
    table.columns = table.columns.astype(str)
    return pd.DataFrame(table.reset_index(drop=True))


def _choices(results: pd.DataFrame) -> dict[str, tuple[Any, ...]]:
    """Choices of parameters by the records beside the jobs; of several generators together."""
    found: dict[str, tuple[Any, ...]] = {}
    for parameter in recorded_parameters(results):
        if parameter.choices is not None:
            known = found.get(parameter.name, ())
            found[parameter.name] = tuple(dict.fromkeys((*known, *parameter.choices)))
    return found


def _parameters(table: pd.DataFrame) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """Generator and parameters of each job, as JSON can hold them."""
    out = {}
    for row in table.to_dict("records"):
        values = {str(k): _plain(v) for k, v in row.items() if k not in JOB_COLUMNS}
        generator = None if pd.isna(row["generator"]) else str(row["generator"])
        kept = {name: value for name, value in values.items() if value is not None}
        out[str(row["job_id"])] = generator, kept
    return out


def _plain(value: Any) -> Any:
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _categories(jobs: Sequence[Job], chosen: str | Sequence[str] | None) -> list[Category]:
    """Return the categories that the jobs list, by generator and by the ids that they have there.

    Generators list all their categories in every job, so the numbers are the same in every export.
    """
    found: dict[str, tuple[tuple[str, int], Mapping[str, Any]]] = {}
    for job in jobs:
        if job.files.labels is None:
            continue
        labels, _ = open_labels(job.files.labels, job.job_id)  # samples.load reports a problem
        for id_, category in ({} if labels is None else labels.categories).items():
            name = str(category.get("name", id_))
            place = job.generator or "", int(id_ or 0)
            if name not in found or place < found[name][0]:
                found[name] = place, category
    ordered = sorted(found, key=lambda name: (found[name][0], name))
    if chosen is not None:
        wanted = [chosen] if isinstance(chosen, str) else list(dict.fromkeys(chosen))
        for name in wanted:
            if name not in found:
                raise ResultsError(
                    f"Unknown category {name!r}.", advice=nearest(str(name), ordered), category=name
                )
        ordered = wanted
    return [Category(name, found[name][1]) for name in ordered]


def _frames(rows: pd.DataFrame) -> dict[str, set[int]] | None:
    """Frame numbers (samples of a series) by job, if the rows are frames of label tables."""
    column = next((name for name in ("frame_number", "sample") if name in rows.columns), None)
    if column is None:
        return None
    out: defaultdict[str, set[int]] = defaultdict(set)
    known = rows[["job_id", column]].dropna().drop_duplicates()
    for job, number in zip(known["job_id"].astype(str), known[column], strict=True):
        out[job].add(int(number))
    return dict(out)


def _objects(rows: pd.DataFrame) -> dict[str, set[tuple[int, int]]] | None:
    """Frame number and annotation id by job, if the rows are objects."""
    columns = ["job_id", "frame_number", "annotation_id"]
    if not set(columns) <= set(rows.columns):
        return None
    out: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    known = rows[columns].dropna().drop_duplicates()
    for job, number, id_ in zip(*(known[name] for name in columns), strict=True):
        out[str(job)].add((int(number), int(id_)))
    return dict(out)
