"""Results as the data sets that training tools read: COCO, YOLO, Parquet, Hugging Face and more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pandas as pd

from infinity_frames.data.exports.base import DataSet, Format, Losses, PictureKind
from infinity_frames.data.exports.card import write_card
from infinity_frames.data.exports.choice import choose
from infinity_frames.data.exports.formats import BUILT_IN, find_format
from infinity_frames.io.progress import progress
from infinity_frames.protocol.errors import ResultsError

__all__ = ["FORMATS", "DataSet", "Format", "check_options", "export"]

FORMATS: dict[str, str] = {known.name: known.usage for known in BUILT_IN}
"""The built-in formats, and how each is read."""
_JOBS = "jobs.parquet"
_MAX_SIZE = 16_384


def export(
    results: pd.DataFrame,
    path: str | Path,
    format: str = "coco",
    *,
    pictures: PictureKind = "png",
    categories: str | Sequence[str] | None = None,
    stride: int = 1,
    size: int | tuple[int, int] | None = None,
    source: str | Path | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Write results as a data set.

    The rows select the exported data: of a results frame all frames of its jobs, of a filtered
    ``images()`` frame those frames, of a filtered ``annotations()`` frame those objects and their
    frames. A column ``split`` (see :func:`split`) divides the jobs; jobs where it is missing are
    left out and counted. The folder also holds ``jobs.parquet``, a row per job with its parameters,
    and a README that lists the labels that the format cannot hold. Outlines are never simplified.

    Parameters
    ----------
    results : DataFrame
        Results frame, or a frame of labels.
    path : path
        The data set's folder; it must not exist yet. It appears whole or not at all.
    format : str
        ``"coco"``, ``"yolo-detect"`` (``"yolo"``), ``"yolo-pose"``, ``"yolo-segment"``,
        ``"parquet"``, ``"huggingface"``, ``"webdataset"``, ``"csv"`` (sensor series), ``"cvat"``,
        ``"label-studio"``, or one of another package; see :data:`FORMATS`. Each maps
        names of parts to its own: ``dev`` is ``val`` for YOLO and ``validation`` for Hugging Face.
    pictures : {"png", "jpg"}
        How frames of videos are kept: PNG without loss, JPEG at quality 95.
    categories : str or sequence of str, optional
        The only categories to export, in the order of their class numbers. By default all that
        the generator lists, in its order, so that the numbers of all exports agree.
    stride : int
        Every how many frames (samples of a series) one is taken.
    size : int or (int, int), optional
        Longer side, or width and height, of the pictures in pixels. 2D labels are scaled too.
    source : path, optional
        The folder the results are in now, if they were moved.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        Labels that were left out: ``loss``, a sentence, and ``count``; empty if nothing.

    Raises
    ------
    ResultsError
        The format, a category or a part's name is unknown, the folder exists already, or there is
        nothing to export. Nothing is written.

    Warns
    -----
    UserWarning
        YOLO would validate on the pictures it trains on, since there is one part only.

    Examples
    --------
    >>> parts = results.infinity.split({"train": 0.8, "val": 0.2})  # doctest: +SKIP
    >>> parts.infinity.export("data/people", "yolo-pose", size=640)  # doctest: +SKIP
    """
    chosen = find_format(format)
    check_options(pictures, stride, size)
    target = _free_folder(path)
    data = choose(results, chosen, categories, source)
    data.pictures, data.stride = pictures, stride
    data.size = size if size is None or isinstance(size, int) else (size[0], size[1])
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        with progress(_frame_count(data), "export: frames", delay=1.0, quiet=quiet) as bar:
            data.advance = bar.update
            chosen.write(temporary, data)
        if not (temporary / _JOBS).exists():
            data.table.to_parquet(temporary / _JOBS, index=False)
        write_card(temporary, data, chosen.usage)
        os.replace(temporary, target)
    except OSError as error:
        raise ResultsError(
            f"The data set could not be written to {target} ({error.strerror or error}).",
            advice="If another export wrote to the same folder, choose a new one.",
            path=str(target),
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _as_losses(data.losses)


def check_options(pictures: str, stride: int, size: int | tuple[int, int] | None) -> None:
    """Raise ResultsError for an invalid picture type, stride or size."""
    if pictures not in ("png", "jpg"):
        raise ResultsError(f"Invalid picture type {pictures!r}.", advice="Use png or jpg.")
    if not _is_whole(stride) or stride < 1:
        raise ResultsError(f"Invalid stride {stride!r}.", advice="Use 1, 2, 3, ...")
    sides = [] if size is None else [size] if isinstance(size, int) else size
    valid = isinstance(sides, (tuple, list)) and len(sides) in (0, 1, 2)
    if not valid or not all(_is_whole(side) and 1 <= side <= _MAX_SIZE for side in sides):
        raise ResultsError(
            f"Invalid size {size!r}.",
            advice="Use the longer side in pixels, size=640, or width and height, size=(640, 480).",
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _free_folder(path: str | Path) -> Path:
    try:
        target = Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ResultsError(f"Invalid folder {str(path)!r} ({error}).", path=str(path)) from None
    if os.path.lexists(target):
        raise ResultsError(
            f"{target} exists already.",
            advice="Choose a new folder, or remove that one first.",
            path=str(target),
        )
    return target


def _frame_count(data: DataSet) -> int:
    if data.frames is not None:
        lengths = [len(data.frames.get(job.job_id, ())) for job in data.jobs]
    else:
        lengths = data.results["num_frames"].fillna(0).astype(int).tolist()
        if data.has_series:
            return len(data.jobs)
    return sum(-(-length // data.stride) for length in lengths)


def _as_losses(losses: Losses) -> pd.DataFrame:
    kept = {what: count for what, count in losses.items() if count}
    return pd.DataFrame(
        {
            "loss": pd.Series(list(kept), dtype="string"),
            "count": pd.Series(list(kept.values()), dtype="Int64"),
        }
    )
