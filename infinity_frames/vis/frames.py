"""Convert the inputs of plots (a frame, a list of dicts, folders) to one frame."""

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
    """Convert jobs to a frame with a row per job.

    Raises
    ------
    FrameError
        The frame has no rows, no columns, or duplicate columns.
    """
    if isinstance(jobs, pd.DataFrame):
        frame = jobs
    elif isinstance(jobs, Mapping):
        frame = pd.DataFrame([dict(jobs)])
    else:
        rows = list(jobs) if isinstance(jobs, Iterable) else [jobs]
        if not all(isinstance(row, Mapping) for row in rows):
            raise FrameError(
                "Expected a frame, or a list of dicts of parameters.",
                advice="Pass a results folder to visualize_batch_results() instead.",
            )
        frame = pd.DataFrame.from_records([dict(row) for row in rows])
    if frame.empty:
        raise FrameError(
            "Nothing to plot: the frame has no rows or no columns.",
            advice="Check the filter that made it.",
        )
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise FrameError(
            f"Duplicate columns: {', '.join(map(str, twice))}.",
            advice="Rename or drop the others.",
        )
    return frame.reset_index(drop=True)


def as_results(
    results: pd.DataFrame | Folder | Iterable[Folder | Mapping[str, Any]],
) -> pd.DataFrame:
    """Convert a results frame, a batch folder or job folders to a results frame.

    Job folders become rows with only a `path`.

    Raises
    ------
    FrameError
        The input holds no jobs.
    NoResults
        The batch folder holds no jobs.
    """
    if isinstance(results, pd.DataFrame):
        return as_jobs(results)
    if isinstance(results, (str, os.PathLike)):
        from infinity_frames.data import read_results  # reads DuckDB and Arrow: only where asked

        return as_jobs(read_results(Path(results), quiet=True))
    items = list(results) if isinstance(results, Iterable) else [results]
    if not all(isinstance(item, (Mapping, str, os.PathLike)) for item in items):
        raise FrameError(
            "Expected a results frame, a batch folder, or a list of job folders.",
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
    """Folders directly inside a folder, sorted by name, without hidden ones.

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
        The folder does not exist.

    Examples
    --------
    >>> len(inf.vis.get_subdirectories("videos"))
    2
    """
    folder = Path(path)
    if not folder.is_dir():
        raise MediaError(f"No such folder: {folder}.", file=str(folder))
    inside = folder.resolve().iterdir()
    return sorted(str(item) for item in inside if item.is_dir() and not item.name.startswith("."))
