"""What users pass to plots (a frame, a list of dicts, folders) as one kind of frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from infinity_frames.protocol.errors import FrameError, MediaError

__all__ = ["Folder", "as_jobs", "as_results", "get_subdirectories"]

Folder = str | os.PathLike[str]


def as_jobs(jobs: pd.DataFrame | Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame with a row per job.

    Raises
    ------
    FrameError
        There is no job, or no column, in it, or several columns of one name.
    """
    if isinstance(jobs, pd.DataFrame):
        frame = jobs
    elif isinstance(jobs, Mapping):
        frame = pd.DataFrame([dict(jobs)])
    else:
        rows = list(jobs) if isinstance(jobs, Iterable) else [jobs]
        if not all(isinstance(row, Mapping) for row in rows):
            raise FrameError(
                "Jobs are given as a frame, or as a list of dicts of parameters.",
                advice="Pass a results folder to visualize_batch_results() instead.",
            )
        frame = pd.DataFrame.from_records([dict(row) for row in rows])
    if frame.empty:
        raise FrameError(
            "There is nothing to plot: the frame has no rows or no columns.",
            advice="Check the filter that made it.",
        )
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise FrameError(
            f"The frame has several columns called {', '.join(map(str, twice))}.",
            advice="Rename or drop the others.",
        )
    return frame.reset_index(drop=True)


def as_results(
    results: pd.DataFrame | Folder | Iterable[Folder | Mapping[str, Any]],
) -> pd.DataFrame:
    """A results frame from one, from a batch folder, or from job folders.

    Job folders become rows of `path` alone.

    Raises
    ------
    FrameError
        There is no job in it.
    NoResults
        The batch folder holds none.
    """
    if isinstance(results, pd.DataFrame):
        return as_jobs(results)
    if isinstance(results, (str, os.PathLike)):
        from infinity_frames.data import read_results  # reads DuckDB and Arrow: only where asked

        return as_jobs(read_results(Path(results), quiet=True))
    items = list(results) if isinstance(results, Iterable) else [results]
    if not all(isinstance(item, (Mapping, str, os.PathLike)) for item in items):
        raise FrameError(
            "Results are given as a frame, as a batch folder, or as a list of job folders.",
            advice="read_results() gives the frame of a batch folder.",
        )
    rows = [item for item in items if isinstance(item, Mapping)]
    if rows:
        return as_jobs(rows)
    return as_jobs(
        pd.DataFrame(
            {"path": [os.fspath(item) for item in items if not isinstance(item, Mapping)]},
            dtype="string",
        )
    )


def get_subdirectories(path: Folder) -> list[str]:
    """Folders directly inside a folder, sorted by name; hidden ones left out.

    Parameters
    ----------
    path : path
        Usually a batch folder: its subfolders are the jobs.

    Returns
    -------
    list of str
        Absolute paths.

    Raises
    ------
    MediaError
        There is no such folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise MediaError(f"There is no folder {folder}.", file=str(folder))
    inside = folder.resolve().iterdir()
    return sorted(str(item) for item in inside if item.is_dir() and not item.name.startswith("."))
