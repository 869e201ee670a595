"""Checks of the files that a generator wrote, before they become a job's archive."""

from __future__ import annotations

import csv
import operator
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from infinity_frames.engine.service.ports import MAX_SAMPLES
from infinity_frames.protocol.archive_rules import (
    MOST_BYTES,
    MOST_FILES,
    is_portable,
    name_clash,
    unpacked_limit,
)
from infinity_frames.protocol.errors import RenderError
from infinity_frames.protocol.label_summary import PERSON, LabelSummary, summarize

__all__ = ["check_output", "check_size", "checked_samples"]

_FILES = frozenset(("job.json", "labels.json", "data.csv", "video.mp4", "video_preview.png"))
_NEVER_EMPTY = frozenset((".mp4", ".png", ".jpg", ".npz", ".parquet"))


def checked_samples(samples: object) -> int:
    """Return the number of samples that a generator reported.

    Raises
    ------
    RenderError
        It is not a whole number, or outside 0 to `MAX_SAMPLES`.
    """
    try:
        count = operator.index(samples)  # type: ignore[arg-type]
    except TypeError:
        count = -1
    if isinstance(samples, bool) or not 0 <= count <= MAX_SAMPLES:
        raise RenderError(
            f"The generator reported {str(samples)[:80]} samples ({type(samples).__name__}); a "
            f"whole number from 0 to {MAX_SAMPLES} is allowed.",
            advice="Report this to the author of the generator.",
        )
    return count


def check_output(folder: Path, samples: int) -> dict[str, Any]:
    """Check that a job folder has files, that its labels parse, and that counts agree.

    A series has a row per sample and may have its own rate; without one, a sample is a frame.

    Parameters
    ----------
    folder : Path
        The job folder, without ``job.json``.
    samples : int
        The number of samples that the generator reported.

    Returns
    -------
    dict
        The fields of the labels' `LabelSummary`; empty for files without labels.

    Raises
    ------
    RenderError
        A file is missing, is a symbolic link, cannot be parsed, or disagrees with `samples`.
    """
    files = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    if not files:
        raise _invalid("The generator wrote no files")
    for path in files:
        name = path.relative_to(folder).as_posix()
        # A link would put a file from outside the folder into the archive.
        if path.is_symlink() or not path.is_file():
            raise _invalid(f"{name} is a symbolic link or a special file, not a regular file")
        if path.suffix.lower() in _NEVER_EMPTY and not path.stat().st_size:
            raise _invalid(f"{name} is empty")
    _check_names(folder, files)
    labels, series = folder / "labels.json", folder / "data.csv"
    summary = _checked_labels(labels) if labels.exists() else None
    frames = None if summary is None else summary.num_frames
    rows = _series_rows(series) if series.exists() else None
    if rows is not None and rows != samples:
        raise _invalid(f"data.csv has {rows} rows and the generator reported {samples}")
    if rows is None and frames is not None and frames != samples:
        raise _invalid(f"labels.json has {frames} frames and the generator reported {samples}")
    video = folder / "video.mp4"
    if video.exists() and (frames is not None or rows is not None):
        counted = _video_frames(video)
        if frames is not None and counted != frames:
            raise _invalid(f"video.mp4 has {counted} frames and labels.json {frames}")
    if summary is None:
        summary = LabelSummary(rows)
    return {name: value for name, value in vars(summary).items() if value is not None}


def check_size(files: Iterable[Path], archive: Path) -> None:
    """Check that clients will unpack an archive: they refuse what could be a zip bomb.

    Raises
    ------
    RenderError
        Its files are too large for its size.
    """
    total = sum(path.stat().st_size for path in files)
    if total > unpacked_limit(archive.stat().st_size):
        raise _invalid(f"its files would unpack to {total:,} bytes, which clients refuse")


def _check_names(folder: Path, files: list[Path]) -> None:
    """Refuse files that clients would refuse to unpack, and folders named as files."""
    names = [path.relative_to(folder).as_posix() for path in files]
    for name in names:
        if not is_portable(name):
            raise _invalid(f"the file name {name[:80]!a} cannot be used on every system")
    if clash := name_clash([*names, "job.json"] if "job.json" not in names else names):
        raise _invalid(f"it {clash}")
    if len(names) > MOST_FILES or sum(path.stat().st_size for path in files) > MOST_BYTES:
        raise _invalid(f"it has more than {MOST_FILES:,} files or {MOST_BYTES:,} bytes")
    for name in _FILES:
        if (folder / name).is_dir():
            raise _invalid(f"{name} is a folder")


def _checked_labels(path: Path) -> LabelSummary | None:
    """Check and summarize ``labels.json``; None if it does not list images as COCO does."""
    try:
        labels: Any = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise _invalid(f"labels.json is not valid JSON: {error}") from None
    if not isinstance(labels, dict):
        raise _invalid("labels.json is not a JSON object")
    if "images" not in labels:
        return None
    images, annotations = labels["images"], labels.get("annotations", [])
    if not isinstance(images, list) or not isinstance(annotations, list):
        raise _invalid("images and annotations in labels.json are not lists")
    named = [image.get("id") if isinstance(image, dict) else None for image in images]
    ids = {one for one in named if isinstance(one, int | str)}
    if len(ids) != len(images):
        raise _invalid("the images in labels.json do not have distinct ids")
    for annotation in annotations:
        image = annotation.get("image_id") if isinstance(annotation, dict) else None
        if not isinstance(image, int | str) or image not in ids:
            raise _invalid("labels.json has an annotation whose image_id is not one of its images")
    try:
        return summarize(images, annotations, _people(labels.get("categories") or []))
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise _invalid(f"labels.json holds malformed labels ({error})") from None


def _people(categories: list[dict[str, Any]]) -> set[Any]:
    return {one.get("id") for one in categories if one.get("name") == PERSON}


def _series_rows(path: Path) -> int:
    """Count the rows of ``data.csv`` below its header."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            widths = Counter(len(row) for row in csv.reader(file, strict=True))
    except (UnicodeError, csv.Error) as error:
        raise _invalid(f"data.csv cannot be parsed: {error}") from None
    if len(widths) != 1:
        raise _invalid("data.csv is empty, or its rows differ in length")
    return widths.total() - 1


def _video_frames(path: Path) -> int:
    import av  # a generator without videos does without FFmpeg

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return sum(packet.size > 0 for packet in container.demux(stream))
    except (av.FFmpegError, IndexError) as error:
        raise _invalid(f"video.mp4 cannot be read: {error}") from None


def _invalid(problem: str) -> RenderError:
    return RenderError(
        f"The generator's output is invalid: {problem}.",
        advice="Report this to the author of the generator.",
    )
