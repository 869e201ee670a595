"""Run a model over the decoded frames of results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data.frames import job_files
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.problems import ResultsWarning
from infinity_frames.experiments.extra import library
from infinity_frames.io.atomic import replacing
from infinity_frames.io.progress import progress
from infinity_frames.io.video import read_frames
from infinity_frames.protocol.errors import FrameError, InfinityError, MediaError
from infinity_frames.protocol.schemas import with_context
from infinity_frames.protocol.warnings import warn_user

__all__ = ["Model", "predict"]

Pictures = NDArray[np.uint8]
Model = Callable[[Pictures], Any]


def predict(
    results: pd.DataFrame,
    fn: Model,
    *,
    batch_size: int = 32,
    every: int = 1,
    key: str | None = None,
    folder: str | Path | None = None,
    path: str | Path | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Run `fn` over the frames of every job and collect its rows.

    Parameters
    ----------
    results : DataFrame
        Results rows; rows without files (failed jobs) are left out.
    fn : callable
        Takes pictures, uint8 RGB of shape (N, height, width, 3), N at most `batch_size`. Returns an
        array of N rows, a mapping of arrays of N rows, or a frame: of N rows, or of any number with
        a column ``frame`` (0..N-1, position in the batch), for detections. Boolean arrays of
        shape (N, height, width) are kept as COCO run lengths.
    batch_size : int
        Pictures per call; what bounds the memory.
    every : int
        Use every n-th frame.
    key : str, optional
        Name of the model: rows are kept in `folder` by the digest of the job's file and this name,
        and reused; a run that was killed goes on there.
    folder : path, optional
        Where rows are kept with a `key`; ``.infinity/predictions`` beside the job by default.
    path : path, optional
        The results' folder, if they were moved.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        job_id, frame_number, and the columns of `fn`. ``attrs["predictions"]`` notes `every` and
        the jobs that could not be decoded, for :func:`evaluate`.

    Raises
    ------
    FrameError
        `fn` returns another number of rows than it was given pictures.
    Exception
        What `fn` raises; with a `key`, finished jobs are kept.

    Warns
    -----
    ResultsWarning
        A job's video or picture cannot be decoded; it has no rows.

    Examples
    --------
    >>> brightness = results.infinity.predict(lambda x: {"mean": x.mean((1, 2, 3))})
    """
    if batch_size < 1 or every < 1:
        raise FrameError("batch_size and every must be at least 1.")
    jobs = _with_pictures(results, path)
    parts: list[pd.DataFrame] = []
    failed: dict[str, str] = {}
    with progress(len(jobs), "Predicting", quiet=quiet) as bar:
        for job in jobs:
            store = None if key is None else _store(job, key, every, folder)
            if store is not None and store.is_file():
                parts.append(pd.read_parquet(store))
            else:
                try:
                    rows = _of_job(job, fn, batch_size, every)
                except MediaError as error:
                    failed[job.job_id] = error.problem
                    bar.update()
                    continue
                if store is not None:
                    _write(rows, store)
                parts.append(rows)
            bar.update()
    if failed:
        first = "; ".join(f"{job}: {why}" for job, why in list(failed.items())[:3])
        warn_user(f"{len(failed)} of {len(jobs)} jobs have no predictions: {first}", ResultsWarning)
    out = pd.concat(parts, ignore_index=True) if parts else _empty()
    out.attrs["predictions"] = {"every": every, "failed": sorted(failed)}
    known = results.attrs.get("infinity")
    if isinstance(known, Mapping) and {"server", "generator"} <= set(known):
        out = with_context(out, server=known["server"], generator=known["generator"])
    return out


def _empty() -> pd.DataFrame:
    columns = {
        "job_id": pd.Series(dtype="string"),
        "frame_number": pd.Series(dtype="Int64"),
    }
    return pd.DataFrame(columns)


def _with_pictures(results: pd.DataFrame, path: str | Path | None) -> list[JobFiles]:
    rows = results
    if "path" in rows.columns:
        rows = rows[rows["path"].notna()]
    if "job_id" in rows.columns:
        rows = rows.drop_duplicates("job_id")
    jobs = [] if not len(rows) else job_files(rows, path=path)
    return [job for job in jobs if job.video is not None or job.picture is not None]


def _media(job: JobFiles) -> Path:
    found = job.video or job.picture
    assert found is not None
    return found


def _pictures(job: JobFiles, every: int) -> Iterator[tuple[int, Pictures]]:
    if job.video is not None:
        for number, picture in enumerate(read_frames(job.video)):
            if number % every == 0:
                yield number, picture
        return
    import cv2  # only where pictures are decoded: importing it needs libGL

    still = cv2.imread(str(job.picture), cv2.IMREAD_COLOR)
    if still is None:
        raise MediaError(f"The picture {job.picture} cannot be decoded.", file=str(job.picture))
    yield 0, np.ascontiguousarray(still[..., ::-1]).astype(np.uint8)


def _of_job(job: JobFiles, fn: Model, batch_size: int, every: int) -> pd.DataFrame:
    parts, numbers, pictures = [], [], []
    for number, picture in _pictures(job, every):
        numbers.append(number)
        pictures.append(picture)
        if len(pictures) == batch_size:
            parts.append(_called(fn, pictures, numbers))
            numbers, pictures = [], []
    if pictures:
        parts.append(_called(fn, pictures, numbers))
    if not parts:
        raise MediaError(f"The job {job.job_id} has no frames.", file=str(_media(job)))
    rows = pd.concat(parts, ignore_index=True)
    rows.insert(0, "job_id", pd.Series([job.job_id] * len(rows), dtype="string"))
    return rows


def _called(fn: Model, pictures: list[Pictures], numbers: list[int]) -> pd.DataFrame:
    returned = fn(np.stack(pictures))
    rows = _rows(returned, len(pictures))
    if "frame" in rows.columns:
        at = rows.pop("frame").to_numpy("int64")
        if len(at) and (at.min() < 0 or at.max() >= len(pictures)):
            raise FrameError(
                f"The model's column frame has values up to {at.max()} for {len(pictures)} "
                "pictures.",
                advice="Number the pictures of each batch from 0.",
            )
        order = np.argsort(at, kind="stable")
        rows, at = rows.iloc[order].reset_index(drop=True), at[order]
    elif len(rows) == len(pictures):
        at = np.arange(len(pictures))
    else:
        raise FrameError(
            f"The model returned {len(rows)} rows for {len(pictures)} pictures.",
            advice="Return a row per picture, or add a column frame with each row's picture.",
        )
    rows.insert(0, "frame_number", pd.Series(np.asarray(numbers)[at], dtype="Int64"))
    return rows


def _rows(returned: Any, count: int) -> pd.DataFrame:
    if isinstance(returned, pd.DataFrame):
        return returned.reset_index(drop=True).copy()
    if isinstance(returned, Mapping):
        columns: dict[str, Any] = {}
        for name, values in returned.items():
            columns.update(_columns(str(name), values))
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1 or not lengths:
            raise FrameError(
                f"The model returned arrays of different lengths: {sorted(lengths)}.",
                advice=f"Return {count} rows in each, one per picture.",
            )
        return pd.DataFrame(columns)
    return pd.DataFrame(_columns("prediction", returned))


def _columns(name: str, values: Any) -> dict[str, Any]:
    array = np.asarray(values)
    if array.ndim == 0:
        raise FrameError("The model returned a single value.", advice="Return a row per picture.")
    if array.ndim == 3 and array.dtype == bool:
        return {name: [_run_lengths(mask) for mask in array]}
    flat = array.reshape(len(array), -1) if len(array) else array.reshape(0, 1)
    if array.ndim == 1:
        return {name: array}
    return {f"{name}_{number}": flat[:, number] for number in range(flat.shape[1])}


def _run_lengths(mask: NDArray[np.bool_]) -> str:
    code = library("pycocotools.mask").encode(np.asfortranarray(mask.astype(np.uint8)))
    return json.dumps({"size": [int(s) for s in code["size"]], "counts": code["counts"].decode()})


def _store(job: JobFiles, key: str, every: int, folder: str | Path | None) -> Path:
    """Return the file of a job's rows, named by the digests of the model and the job's media."""
    media = _media(job)
    digest = hashlib.sha256()
    try:
        with media.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise MediaError(f"{media} cannot be read: {error.strerror}.", file=str(media)) from error
    digest.update(f"|{key}|{every}".encode())
    base = Path(folder) if folder is not None else Path(job.root) / ".infinity"
    name = re.sub(r"[^\w.-]", "_", key)[:60]
    return base / "predictions" / name / f"{digest.hexdigest()[:32]}-{job.job_id}.parquet"


def _write(rows: pd.DataFrame, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            rows.to_parquet(temporary)
    except OSError as error:
        raise InfinityError(
            f"Predictions cannot be kept in {file.parent}: {error.strerror}.",
            advice="Pass folder= with a place that can be written.",
            file=str(file),
        ) from error
