"""Read segmentation masks, frame by frame, as colors or as numbers."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data.frames import in_context_of, job_files, with_columns
from infinity_frames.data.labels import LabelsFile, open_labels
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.problems import report
from infinity_frames.io.pictures import decode_picture
from infinity_frames.protocol.errors import MediaError, NoResults, ResultsError, nearest
from infinity_frames.protocol.schemas import COLORS, RESULTS

__all__ = ["KINDS", "MaskArchive", "colors", "masks"]

_MEMBERS = {"instance": "iseg", "semantic": "cseg"}
_MEMBER_BYTES = 2**26
"""Most bytes of one mask, unpacked: PNGs of the largest picture take far less."""
_MEMBER = re.compile(r"(?:.*/)?image\.(?P<frame>\d+)\.(?P<kind>[ci]seg)(?:\.(?P<alone>\d+))?\.png")


KINDS = ("instance", "semantic", "index")
"""Pixel values of a mask: colors of instances, colors of categories, or numbers."""
Mask = NDArray[np.uint8] | NDArray[np.int32]


@overload
def masks(
    results: pd.DataFrame,
    job_id: str,
    kind: str = "instance",
    *,
    of: str = "category",
    path: str | Path | None = None,
) -> Iterator[tuple[int, Mask]]: ...


@overload
def masks(
    results: pd.DataFrame,
    job_id: None = None,
    kind: str = "instance",
    *,
    of: str = "category",
    path: str | Path | None = None,
) -> Iterator[tuple[str, int, Mask]]: ...


def masks(
    results: pd.DataFrame,
    job_id: str | None = None,
    kind: str = "instance",
    *,
    of: str = "category",
    path: str | Path | None = None,
) -> Iterator[tuple[int, Mask]] | Iterator[tuple[str, int, Mask]]:
    """Read the masks of a job, or of every job of a frame, decoded one at a time.

    Parameters
    ----------
    results : DataFrame
        Any frame with the columns ``job_id`` and ``path``. With a column ``frame_number``, only the
        masks of these frames are read.
    job_id : str, optional
        The job; by default every job of the frame.
    kind : {"instance", "semantic", "index"}
        Colors of instances (an annotation's ``color``), colors of categories, or numbers.
    of : {"category", "instance"}
        Meaning of the numbers of ``kind="index"``; :func:`colors` names them. 0 is no object.
    path : path, optional
        The folder that the results are in now, if they were moved.

    Yields
    ------
    job_id : str
        Only where no `job_id` was given.
    frame_number : int
    mask : ndarray
        RGB, uint8 of shape (height, width, 3); of ``kind="index"`` int32 of shape (height, width).

    Raises
    ------
    NoResults
        The frame has no such job, or no job with masks.
    ResultsError
        There is no such kind of mask, or an archive of masks cannot be read.

    Examples
    --------
    >>> for job_id, frame_number, mask in results.infinity.masks(kind="index"):  # doctest: +SKIP
    ...     people = mask == 1
    """
    _require_one_of("kind", kind, KINDS)
    _require_one_of("of", of, ("category", "instance"))
    frame = with_columns(results)
    RESULTS.require(frame, ["job_id"], "Reading masks")
    chosen = frame if job_id is None else frame[frame["job_id"] == job_id]
    jobs = [job for job in job_files(chosen, path=path) if job.segmentation is not None]
    if not jobs:
        which = "None of these jobs" if job_id is None else f"Job {job_id}"
        raise NoResults(
            f"{which} has {'' if job_id is None else 'no '}masks here.",
            advice="Choose a job of this frame that was downloaded with segmentation.zip.",
            job=job_id,
        )
    if job_id is None:
        return (
            (job.job_id, number, mask)
            for job in jobs
            for number, mask in _masks_of(job, kind, of, _wanted(chosen, job.job_id))
        )
    return _masks_of(jobs[0], kind, of, _wanted(chosen, job_id))


def colors(results: pd.DataFrame, *, path: str | Path | None = None) -> pd.DataFrame:
    """List the colors and numbers that the masks of some jobs hold.

    Parameters
    ----------
    results : DataFrame
        Any frame with the columns ``job_id`` and ``path``.
    path : path, optional
        The folder that the results are in now, if they were moved.

    Returns
    -------
    DataFrame
        A row per color of each job: job_id, kind (instance or semantic), number (in masks of
        ``kind="index"``), category, instance_id, red, green, blue (0 to 255).

    Examples
    --------
    >>> inf.data.colors(looks)[["category", "number"]]
    """
    jobs = job_files(results, path=path)
    rows: list[dict[str, Any]] = []
    for job in jobs:
        labels = None if job.labels is None else _labels(job)
        if labels is not None:
            rows += [
                {"job_id": job.job_id, "kind": kind, **row}
                for kind in ("instance", "semantic")
                for row in _color_rows(labels, kind)
            ]
    frame = COLORS.conform(pd.DataFrame(rows, columns=list(COLORS.columns)))
    return in_context_of(results, frame, jobs)


def _require_one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ResultsError(f"Invalid {name} {value!r}.", advice=nearest(str(value), known))


def _wanted(frame: pd.DataFrame, job_id: str) -> set[int] | None:
    if "frame_number" not in frame.columns:
        return None
    return set(frame.loc[frame["job_id"] == job_id, "frame_number"].dropna())


def _labels(job: JobFiles) -> LabelsFile | None:
    assert job.labels is not None
    labels, problem = open_labels(job.labels, job.job_id)
    if problem is not None:
        report([problem])
    return labels


def _color_rows(labels: LabelsFile, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the colors of a job's instances or categories; instances without an id are counted."""
    names = {id_: item.get("name") for id_, item in labels.categories.items()}
    found: dict[tuple[int, int, int], dict[str, Any]] = {}
    if kind == "semantic":
        numbers = _category_numbers(labels)
        for id_, item in labels.categories.items():
            rgb = _rgb(item.get("color"))
            if rgb is not None and id_ is not None:
                found[rgb] = {"number": numbers[id_], "category": names[id_], "instance_id": None}
    else:
        used = {a.get("instance_id") for a in labels.annotations()} - {None}
        free = (number for number in count(1) if number not in used)
        for annotation in labels.annotations():
            rgb = _rgb(annotation.get("color"))
            if rgb is not None and rgb not in found:
                own = annotation.get("instance_id")
                found[rgb] = {
                    "number": int(own) if own else next(free),
                    "category": names.get(annotation.get("category_id")),
                    "instance_id": own,
                }
    for rgb, row in found.items():
        yield {**row, **dict(zip(("red", "green", "blue"), rgb, strict=True))}


def _category_numbers(labels: LabelsFile) -> dict[Any, int]:
    """Numbers of categories by their ids: the ids, or one more each where an id is 0.

    In a mask 0 is no object, and Spills counts its categories from 0.
    """
    ids = [id_ for id_ in labels.categories if id_ is not None]
    first = 1 if 0 in ids else 0
    return {id_: int(id_) + first for id_ in ids}


def _rgb(color: Any) -> tuple[int, int, int] | None:
    """Return a normalized color as 8-bit RGB; None where the label has none that is valid."""
    if not isinstance(color, list) or len(color) != 3:
        return None
    try:
        red, green, blue = (round(255 * value) for value in color)
    except (TypeError, ValueError, OverflowError):
        return None
    return red, green, blue


def _masks_of(
    job: JobFiles, kind: str, of: str, wanted: set[int] | None
) -> Iterator[tuple[int, Mask]]:
    assert job.segmentation is not None
    if kind != "index":
        yield from _frames(job.segmentation, _MEMBERS[kind], wanted)
        return
    labels = None if job.labels is None else _labels(job)
    numbers: dict[tuple[int, int, int], int] = {}
    member = "instance"
    if labels is not None:
        rows = list(_color_rows(labels, "semantic")) if of == "category" else []
        member = "semantic" if rows else "instance"
        rows = rows or list(_color_rows(labels, "instance"))
        of_ids = _category_numbers(labels)
        ids = {item.get("name"): of_ids.get(id_) for id_, item in labels.categories.items()}
        for row in rows:
            number = ids.get(row["category"]) if of == "category" else row["number"]
            numbers[row["red"], row["green"], row["blue"]] = int(number or 0)
    for frame, mask in _frames(job.segmentation, _MEMBERS[member], wanted):
        yield frame, _numbered(mask, numbers)


def _numbered(
    mask: NDArray[np.uint8], numbers: Mapping[tuple[int, int, int], int]
) -> NDArray[np.int32]:
    """Return the number of each pixel's color; 0 for colors that the labels do not have."""
    codes = (mask.astype(np.int32) << np.array([16, 8, 0], np.int32)).sum(axis=2, dtype=np.int32)
    found, inverse = np.unique(codes, return_inverse=True)
    known = {(red << 16) + (green << 8) + blue: n for (red, green, blue), n in numbers.items()}
    of_color = np.array([known.get(int(code), 0) for code in found], np.int32)
    return of_color[inverse].reshape(codes.shape)


class MaskArchive:
    """An open ``segmentation.zip``, as a context manager; masks are decoded one at a time.

    Parameters
    ----------
    path : path
        The archive.

    Raises
    ------
    ResultsError
        The file is no zip, or, on reading, a mask in it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._explained():
            self._content = zipfile.ZipFile(path)
        found = (_MEMBER.fullmatch(name) for name in self._content.namelist())
        self._names = {
            (match["kind"], int(match["frame"]), match["alone"] and int(match["alone"])): match[0]
            for match in found
            if match is not None
        }

    def __enter__(self) -> MaskArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self._content.close()

    def frames(self, kind: str) -> list[int]:
        """Numbers of the frames that have a mask of a kind, ``"iseg"`` or ``"cseg"``, sorted."""
        return sorted(frame for of, frame, alone in self._names if of == kind and alone is None)

    @property
    def has_alone(self) -> bool:
        """Whether there are masks of single instances."""
        return any(alone is not None for _, _, alone in self._names)

    def read(self, kind: str, frame: int, alone: int | None = None) -> NDArray[np.uint8] | None:
        """Return a mask as RGB, of shape (height, width, 3); None where the archive has none.

        Parameters
        ----------
        kind : {"iseg", "cseg"}
            Colors of instances or of categories.
        frame : int
            Frame number.
        alone : int, optional
            Id of an annotation: the mask of that instance alone, unoccluded.
        """
        name = self._names.get((kind, frame, alone))
        if name is None:
            return None
        with self._explained():
            with self._content.open(name) as member:
                encoded = member.read(_MEMBER_BYTES + 1)
            if len(encoded) > _MEMBER_BYTES:
                raise zipfile.BadZipFile(f"{name} unpacks to more than {_MEMBER_BYTES} bytes")
            try:
                return decode_picture(encoded)
            except MediaError as error:
                raise zipfile.BadZipFile(f"{name}: {error.problem}") from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError) as error:
            raise ResultsError(
                f"The masks in {self.path} cannot be read: {error}.",
                advice="Download the job again.",
                file=str(self.path),
            ) from None


def _frames(
    path: Path, kind: str, wanted: set[int] | None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    with MaskArchive(path) as archive:
        for frame in archive.frames(kind):
            if wanted is None or frame in wanted:
                mask = archive.read(kind, frame)
                assert mask is not None
                yield frame, mask
