"""Build results frames from downloaded batches, and find the files of a frame's jobs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from infinity_frames.data import remote
from infinity_frames.data.layout import (
    BATCH_FILE,
    Folder,
    JobFiles,
    find_folders,
    find_jobs,
    locate,
    read_json,
)
from infinity_frames.data.parquet_cache import LabelCache
from infinity_frames.data.problems import Problem, report
from infinity_frames.data.type_inference import columns_of
from infinity_frames.protocol.errors import FrameError, NoResults, SpecError
from infinity_frames.protocol.label_summary import LabelSummary
from infinity_frames.protocol.parameters.columns import typed
from infinity_frames.protocol.schemas import (
    BATCH,
    RESULTS,
    TAG_PREFIX,
    Kind,
    context,
    folders,
    with_context,
    with_folders,
)
from infinity_frames.protocol.spec import Parameter

__all__ = [
    "batch_frame",
    "build",
    "in_context_of",
    "job_files",
    "read",
    "read_results",
    "recorded_parameters",
    "with_columns",
]


def read_results(
    path: str | Path, *, jobs: Iterable[str] | None = None, quiet: bool = False
) -> pd.DataFrame:
    """Read downloaded results, or results in an object store, as a results frame.

    Parameters
    ----------
    path : path or str
        A batch folder, a folder of batch folders, or a published data set (flat files). Or the
        address of an engine's archives: ``s3://bucket/prefix``, ``gs://``, ``az://`` or
        ``file:///folder`` (extra ``s3``; credentials come from the environment). Of these, only
        labels, parameters and sensor data are fetched, without videos, pictures and masks.
    jobs : iterable of str, optional
        Ids of the jobs to read; by default all.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        Results frame: a row per job in the order submitted, failed ones and ones that were not
        downloaded too (their ``path`` is NA); parameters typed from their values, then tags.

    Raises
    ------
    NoResults
        Nothing was downloaded there.
    ResultsError
        The object store cannot be read.
    ExtraNotInstalled
        The address needs the extra ``s3``.

    Warns
    -----
    ResultsWarning
        A job's files cannot be read; it names job and file. The rest of the batch is read.

    Examples
    --------
    >>> results = inf.read_results("videos", quiet=True)
    >>> results["status"].tolist()
    ['completed', 'completed']
    """
    wanted = None if jobs is None else {str(job) for job in jobs}
    if remote.is_address(path):
        path = remote.fetch_labels(str(path), wanted, quiet=quiet)
    frame = read(path, tables=False, quiet=quiet)
    return frame if wanted is None else frame[frame["job_id"].isin(wanted)]


def read(path: str | Path, *, tables: bool, quiet: bool = False) -> pd.DataFrame:
    """Like :func:`read_results`; with `tables`, also build the label tables."""
    frames: list[pd.DataFrame] = []
    seen: dict[str, str] = {}
    found = find_folders(path)
    for folder in reversed(found):
        _read_here.pop(str(folder.root), None)
        _read_here[str(folder.root)] = None
    for folder in found:
        rows, problems = _rows(folder, tables=tables, quiet=quiet)
        kept = []
        for row in rows:
            first = seen.setdefault(row["job_id"], str(folder.root))
            if first == str(folder.root):
                kept.append(row)
            else:
                what = f"is a second copy of a job already read from {first}"
                problems.append(Problem(row["job_id"], str(folder.root), what))
        report(problems)
        frames.append(_frame(RESULTS, kept, folder))
    return frames[0] if len(frames) == 1 else _concatenated(frames)


def build(jobs: Sequence[JobFiles], *, quiet: bool = False) -> list[LabelCache]:
    """Bring the label tables of jobs up to date.

    Parameters
    ----------
    jobs : sequence of JobFiles
        Jobs, of any number of batch folders.
    quiet : bool
        No progress bar.

    Returns
    -------
    list of LabelCache
        One per batch folder.
    """
    caches = []
    for root, of_root in _by_root(jobs):
        cache = LabelCache(root)
        cache.refresh(of_root, tables=True, quiet=quiet)
        caches.append(cache)
        report(cache.problems(job.job_id for job in of_root))
    return caches


_read_here: dict[str, None] = {}
"""Folders that this process read, the latest last; used when pandas drops a frame's attributes."""


def job_files(results: pd.DataFrame, *, path: str | Path | None = None) -> list[JobFiles]:
    """Find the files of every downloaded job of a frame.

    Parameters
    ----------
    results : DataFrame
        Any frame with the column ``job_id`` that has a column ``path`` too, or remembers its batch
        folders as label frames do, or whose folders were read in this process.
    path : path, optional
        Where to look instead: a folder as for :func:`read_results`.

    Raises
    ------
    FrameError
        The frame lacks these columns and no folder is known.
    NoResults
        A job's folder is not where the frame says.

    Examples
    --------
    >>> [files.video.name for files in inf.data.job_files(results)]
    ['video.mp4', 'video.mp4']
    """
    frame = with_columns(results)
    remembered = [] if "path" in frame.columns else folders(results) or _still_there()
    places = remembered if path is None else [path]
    needed = ["job_id"] if places else ["job_id", "path"]
    try:
        RESULTS.require(frame, needed, "Reading labels")
    except FrameError as error:
        missing = error.where["columns"]
        if "job_id" in missing:
            advice = "These rows are no results. Jobs: .infinity.run(path) submits and downloads "
            advice += "them. A selection of results: keep the columns job_id and path."
        elif "batch_id" in frame.columns:
            advice = "Download the batch first: .infinity.download(path). If it was downloaded, "
            advice += "pass path= with its folder."
        else:
            advice = "Pass path= with the folder the batch was downloaded to."
        raise FrameError(error.problem, advice=advice, **error.where) from None
    if places:
        return find_jobs(places, frame["job_id"].dropna().astype(str).unique())
    rows = frame[["job_id", "path"]].dropna().drop_duplicates("job_id")
    return locate(zip(rows["job_id"].astype(str), rows["path"].astype(str), strict=True))


def _still_there() -> list[str]:
    """Folders that were read in this process and still hold jobs, the latest first."""
    return [folder for folder in reversed(_read_here) if _holds_jobs(folder)]


def _holds_jobs(folder: str) -> bool:
    try:
        return bool(find_folders(folder))
    except NoResults:
        return False


def batch_frame(results: pd.DataFrame, jobs: Sequence[JobFiles]) -> pd.DataFrame:
    """Build a batch frame of a frame's jobs, failed ones too, from the batch records.

    Parameters
    ----------
    results : DataFrame
        Results frame.
    jobs : sequence of JobFiles
        Its downloaded jobs; the records are next to their folders.
    """
    frame = with_columns(results)
    wanted = set(frame["job_id"].dropna())
    frames = []
    for root, of_root in _by_root(jobs):
        folder = Folder(root)
        listed, _ = _records(folder, {job.job_id: job for job in of_root})
        rows = [row for row in listed if row["job_id"] in wanted]
        wanted -= {row["job_id"] for row in rows}
        frames.append(_frame(BATCH, rows, folder))
    # Without a single download of a batch, the frame itself is the only source.
    rest = frame[frame["job_id"].isin(wanted)].drop_duplicates("job_id")
    own = [name for name in BATCH.columns if name in rest.columns]
    return _concatenated([*frames, BATCH.conform(rest[own])])


def in_context_of(
    results: pd.DataFrame, out: pd.DataFrame, jobs: Sequence[JobFiles]
) -> pd.DataFrame:
    """Give a label frame the context of its results, and the folders of its jobs."""
    known = context(results)
    if len(known) == 2:
        with_context(out, **known)
    if "job_id" in out.columns and "path" not in out.columns:
        with_folders(out, {str(job.root) for job in jobs})
    return out


def with_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its named index levels as columns too."""
    names = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return frame.reset_index(names) if names else frame


def _by_root(jobs: Sequence[JobFiles]) -> Iterator[tuple[Path, list[JobFiles]]]:
    for root, of_root in groupby(sorted(jobs, key=lambda job: job.root), lambda job: job.root):
        yield root, list(of_root)


def _concatenated(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    contexts = [context(frame) for frame in frames]
    # Frames without rows would only make dtypes more general.
    parts = _alike([frame for frame in frames if len(frame)] or frames[:1])
    out = pd.concat(parts, ignore_index=True)
    out.attrs.clear()
    if contexts[0] and all(found == contexts[0] for found in contexts):
        with_context(out, **contexts[0])
    return out


def _alike(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Give the frames the same categories; concat makes columns of different ones objects."""
    out = [frame.copy(deep=False) for frame in frames]
    for name in dict.fromkeys(name for frame in frames for name in frame.columns):
        holders = [frame for frame in out if name in frame.columns]
        dtypes = [frame[name].dtype for frame in holders]
        if any(isinstance(d, pd.CategoricalDtype) for d in dtypes) and len(set(dtypes)) > 1:
            common: Any = "string"
            if all(isinstance(dtype, pd.CategoricalDtype) for dtype in dtypes):
                common = pd.CategoricalDtype(
                    list(dict.fromkeys(c for f in holders for c in f[name].cat.categories))
                )
            for frame in holders:
                frame[name] = frame[name].astype(common)
    return out


def _frame(kind: Kind, rows: Sequence[Mapping[str, Any]], folder: Folder) -> pd.DataFrame:
    """Return rows as a typed frame: the kind's columns, parameters, tags."""
    own = pd.DataFrame({name: [row.get(name) for row in rows] for name in kind.columns})
    parameters = _as_specified(
        columns_of([row["parameters"] for row in rows], numbers=True), folder.batch[0] or {}
    )
    tags = columns_of([row["tags"] for row in rows], numbers=False)
    more = {
        # A parameter named like one of our columns must not hide it.
        name if name not in kind.columns else f"{name}_parameter": column
        for name, column in parameters.items()
    } | {f"{TAG_PREFIX}{name}": column for name, column in tags.items()}
    fitting = _fitting(kind, own, folder)
    frame = kind.conform(pd.concat([fitting, pd.DataFrame(more, index=own.index)], axis=1))
    record = folder.batch[0] or {}
    server, generator = record.get("server"), record.get("generator")
    if isinstance(server, str) and isinstance(generator, str):
        with_context(frame, server=server, generator=generator)
    return frame


def _as_specified(
    columns: Mapping[str, pd.Series[Any]], record: Mapping[str, Any]
) -> dict[str, pd.Series[Any]]:
    """Cast columns to the dtypes of their parameters, where the batch's record describes them.

    A column with a value that does not fit keeps the dtype of its values.
    """
    out = dict(columns)
    for parameter in _described(record):
        if parameter.name in out:
            out[parameter.name] = typed(parameter, out[parameter.name])
    return out


def recorded_parameters(results: pd.DataFrame) -> list[Parameter]:
    """Return the parameters that the batch records beside a frame's jobs describe.

    The list is empty if no folder of the frame is known, or if the folders hold no such record.

    Examples
    --------
    >>> "camera_height" in [p.name for p in inf.data.recorded_parameters(results)]
    True
    """
    if "path" in results.columns:
        paths = results["path"].dropna().astype(str).unique()
        roots = list(dict.fromkeys(os.path.dirname(path) for path in paths))
    else:
        roots = folders(results)
    records = (Folder(Path(root)).batch[0] for root in roots)
    return [parameter for record in records for parameter in _described(record or {})]


def _described(record: Mapping[str, Any]) -> Iterator[Parameter]:
    listed = record.get("parameters")
    for description in listed if isinstance(listed, list) else ():
        try:
            yield Parameter.from_json(description)
        except SpecError:
            continue  # written by a version with another description


def _fitting(kind: Kind, own: pd.DataFrame, folder: Folder) -> pd.DataFrame:
    """Cast the kind's columns; values that do not fit are reported and treated as missing."""
    out, odd = kind.fitting(own)
    problems = [
        Problem(
            str(own.at[row, "job_id"]),
            str(folder.root / BATCH_FILE),
            f"has the invalid value {value!r} for {name}; it is treated as missing",
        )
        for row, name, value in odd
    ]
    report(problems)
    return out


def _rows(
    folder: Folder, *, tables: bool, quiet: bool
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Return rows of a results frame for every job of a folder."""
    rows, problems = _records(folder, folder.jobs)
    jobs = [row["files"] for row in rows if row["files"] is not None]
    summaries: dict[str, LabelSummary] = {}
    if jobs:
        cache = LabelCache(folder.root)
        cache.refresh(jobs, tables=tables, quiet=quiet)
        ids = [job.job_id for job in jobs]
        summaries = cache.summaries(ids)
        problems += cache.problems(ids)
    broken = {problem.file for problem in problems}
    for row in rows:
        files: JobFiles | None = row["files"]
        if files is None or str(files.folder) in broken or str(files.record) in broken:
            continue
        summary = summaries.get(row["job_id"], LabelSummary())
        row |= {
            "path": str(files.folder),
            "video": None if files.video is None else str(files.video),
            "num_frames": summary.num_frames,
            "avg_percent_in_fov": summary.avg_percent_in_fov,
            "avg_percent_occlusion": summary.avg_percent_occlusion,
        }
    return rows, problems


def _records(
    folder: Folder, there: Mapping[str, JobFiles]
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Return jobs that the batch record lists, then those that are only found in the folder."""
    record, problem = folder.batch
    problems = [] if problem is None else [problem]
    left = dict(there)
    rows = []
    for run in (record or {}).get("job_runs", ()):
        if isinstance(run, dict) and isinstance(run.get("id"), str):
            rows.append(_recorded(run, record or {}, folder, left.pop(run["id"], None)))
        else:
            what = "lists a job without an id"
            problems.append(Problem(folder.root.name, str(folder.root / BATCH_FILE), what))
    for files in left.values():
        row, problem = _found(files, record or {}, folder)
        if problem is None:
            rows.append(row)
        else:
            problems.append(problem)
    return rows, problems


def _recorded(
    run: Mapping[str, Any], record: Mapping[str, Any], folder: Folder, files: JobFiles | None
) -> dict[str, Any]:
    finished = "completed" if files is not None else "failed"
    return {
        **{name: run.get(name) for name in BATCH.columns},
        "batch_id": record.get("id") or folder.root.name,
        "batch_name": record.get("name"),
        "job_id": run["id"],
        "generator": run.get("name") or record.get("generator"),
        "samples": run.get("num_samples", run.get("samples")),
        "status": run.get("status") or ("running" if run.get("in_progress") else finished),
        "files": files,
        "parameters": _mapping(run.get("param_values")),
        "tags": _mapping(run.get("tags")),
    }


def _found(
    files: JobFiles, record: Mapping[str, Any], folder: Folder
) -> tuple[dict[str, Any], Problem | None]:
    """Row of a job that no batch record lists, from its own record."""
    own: dict[str, Any] | None = {}
    problem = None
    if files.record is not None:
        own, problem = read_json(files.record, files.job_id)
    elif not folder.is_flat:
        problem = Problem(files.job_id, str(files.folder), "has no job.json")
    row = {
        "batch_id": record.get("id") or folder.root.name,
        "batch_name": record.get("name"),
        "job_id": files.job_id,
        "generator": (own or {}).get("name") or record.get("generator"),
        "is_preview": files.is_preview,
        "status": "completed",
        "seed": (own or {}).get("seed"),
        "files": files,
        "parameters": _mapping((own or {}).get("params")),
        "tags": {},
    }
    return row, problem


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return values by name; names that are empty or have control characters cannot be columns."""
    named = value.items() if isinstance(value, dict) else ()
    return {name: value for name, value in named if name and name.isprintable()}
