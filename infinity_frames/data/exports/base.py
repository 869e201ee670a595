"""What an export format is, and the data set that it writes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import pandas as pd

from infinity_frames.data.layout import JobFiles

__all__ = ["Category", "DataSet", "Format", "Job", "Losses", "PictureKind"]

PictureKind = Literal["png", "jpg"]
JOB_COLUMNS = ("job_id", "generator", "split")
"""Columns of the table of jobs before its parameters and tags."""
Losses = Counter[str]
"""Number of labels that did not fit a format, by a sentence that names them."""


@runtime_checkable
class Format(Protocol):
    """A data set format.

    A built-in format is listed in ``formats.py``. A package of your own registers a class without
    arguments under the entry point group ``infinity_frames.exports``, named like the format.

    Attributes
    ----------
    name : str
        The value of ``format=`` that selects it.
    usage : str
        Markdown for the README of the data set: how to read it.
    takes_pictures, takes_series : bool
        Whether it can hold frames of videos, and sensor series.
    """

    name: str
    usage: str
    takes_pictures: bool
    takes_series: bool

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Map each part of the split to the format's name for it.

        Raises
        ------
        ResultsError
            The format cannot hold a part of that name. Nothing has been written yet.
        """
        ...

    def write(self, folder: Path, data: DataSet) -> None:
        """Write the data set into an empty folder and count in ``data.losses`` what did not fit."""
        ...


@dataclass(frozen=True)
class Category:
    """A category of objects.

    Parameters
    ----------
    name : str
        ``"person"``.
    details : mapping
        The category's entry in ``labels.json``, its color for example.
    """

    name: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A job to export.

    Parameters
    ----------
    files : JobFiles
        Its files.
    part : str
        The part that it belongs to, by the format's name.
    generator : str or None
        The generator's full name.
    parameters : mapping
        Its parameters and tags; missing values are left out.
    """

    files: JobFiles
    part: str
    generator: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.files.job_id


@dataclass
class DataSet:
    """A data set for a format to write: jobs, categories, frames and objects.

    Parameters
    ----------
    jobs : list of Job
        The jobs that have results and a part.
    categories : list of Category
        A category's class number is its place in this list, the same in every part and export.
    table : DataFrame
        One row per job: ``job_id``, ``generator``, ``split``, parameters and tags.
    results : DataFrame
        The results frame of the jobs.
    choices : mapping of str to tuple
        Possible values of the parameters that have choices.
    pictures : {"png", "jpg"}
        File type of pictures.
    size : int or (int, int) or None
        Longer side, or width and height, of the pictures in pixels; None keeps their size.
    stride : int
        Every how many frames one is taken.
    frames : mapping of str to set of int, optional
        Frame numbers to export by job; None for all.
    objects : mapping of str to set of (int, int), optional
        Frame number and annotation id of the objects to export by job; None for all.
    selects_categories : bool
        Whether `categories` is a choice of the user, so that other objects are left out.
    losses : Losses
        What does not fit the format.
    advance : callable
        Called after each frame, for a progress bar.
    """

    jobs: list[Job]
    categories: list[Category]
    table: pd.DataFrame
    results: pd.DataFrame
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    pictures: PictureKind = "png"
    size: int | tuple[int, int] | None = None
    stride: int = 1
    frames: Mapping[str, set[int]] | None = None
    objects: Mapping[str, set[tuple[int, int]]] | None = None
    selects_categories: bool = False
    losses: Losses = field(default_factory=Losses)
    advance: Callable[[], object] = lambda: None

    @property
    def names(self) -> list[str]:
        """The categories' names in the order of their class numbers."""
        return [category.name for category in self.categories]

    @property
    def parameters(self) -> list[str]:
        """Columns of `table` that are parameters or tags."""
        return [name for name in self.table.columns if name not in JOB_COLUMNS]

    @property
    def has_series(self) -> bool:
        """Whether the jobs hold sensor series without labeled pictures."""
        return any(is_series(job.files) for job in self.jobs)

    def parts(self) -> Iterator[tuple[str, list[Job]]]:
        """Yield each part with its jobs, in the order of the first job of each."""
        parts: defaultdict[str, list[Job]] = defaultdict(list)
        for job in self.jobs:
            parts[job.part].append(job)
        yield from parts.items()


def is_series(files: JobFiles) -> bool:
    """Return whether a job holds a sensor series and no labels of pictures."""
    return files.series is not None and files.labels is None
