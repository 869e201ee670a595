"""Find a job's files from its folder, its video or its row of results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from infinity_frames.data.layout import Folder, JobFiles, locate, read_json
from infinity_frames.protocol.errors import FrameError, MediaError

__all__ = ["Job", "job_files", "params", "require_labels", "require_video"]

Job: TypeAlias = "str | os.PathLike[str] | pd.Series[Any] | pd.DataFrame"
"""A job's folder, its video (where many jobs share a folder) or its row of results."""


def job_files(job: Job) -> JobFiles:
    """Find the files of one job.

    Parameters
    ----------
    job : path or row of results
        A job folder; or, in a published data set where many jobs share one folder, the path of the
        job's video. A row, or a frame of one row, has them in its columns.

    Raises
    ------
    MediaError
        The path holds no job, or several.
    FrameError
        The frame does not have exactly one row, or the row has no path.
    """
    place = _place(job).absolute()
    if not place.exists():
        raise MediaError(f"No job at {place}.", file=str(place))
    folder = place if place.is_dir() else place.parent
    flat = Folder(folder)
    jobs = list(flat.jobs.values()) if flat.is_flat else locate([(folder.name, str(folder))])
    if place.is_file():
        jobs = [job for job in jobs if place in (job.video, job.picture, job.labels, job.series)]
    if len(jobs) == 1:
        return jobs[0]
    if not jobs:
        raise MediaError(f"The file {place} does not belong to a job.", file=str(place))
    example = next((job.video for job in jobs if job.video is not None), folder)
    raise MediaError(
        f"The folder {folder} holds {len(jobs)} jobs.",
        advice=f"Pass the video of one of them, such as {example}.",
        file=str(folder),
    )


def _place(job: Job) -> Path:
    if isinstance(job, pd.DataFrame):
        if len(job) != 1:
            raise FrameError(
                f"Expected one job, got a frame of {len(job)} rows.",
                advice="Pass one of them: frame.iloc[0].",
            )
        job = job.iloc[0]
    if isinstance(job, pd.Series):
        there = [job[name] for name in ("video", "path") if name in job and pd.notna(job[name])]
        if not there:
            raise FrameError("The row has neither a video nor a path.", advice="Download it first.")
        return Path(there[0])
    return Path(job)


def require_video(files: JobFiles) -> Path:
    """Return the job's video.

    Raises
    ------
    MediaError
        The file is missing.
    """
    if files.video is None:
        raise MediaError(
            f"The job {files.job_id} has no video in {files.folder}.",
            advice="Previews and jobs with render_video=False have none. .infinity.previews() "
            "shows pictures, and pandas plots the columns of .infinity.timeseries().",
            file=str(files.folder),
        )
    return files.video


def require_labels(files: JobFiles) -> Path:
    """Return the job's labels file.

    Raises
    ------
    MediaError
        The file is missing.
    """
    if files.labels is None:
        raise MediaError(
            f"The job {files.job_id} has no labels in {files.folder}.", file=str(files.folder)
        )
    return files.labels


def params(files: JobFiles) -> Mapping[str, Any]:
    """Return parameters in the job's record; empty if it has no record.

    Raises
    ------
    MediaError
        The record cannot be read.
    """
    if files.record is None:
        return {}
    record, problem = read_json(files.record, files.job_id)
    found = (record or {}).get("params")
    if not isinstance(found, Mapping):
        why = problem.what if problem is not None else "names no parameters (params)"
        raise MediaError(f"The job record {files.record} {why}.", file=str(files.record))
    return found
