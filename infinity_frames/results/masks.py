"""Segmentation masks of one job, frame by frame."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.errors import NoResults, ResultsError
from infinity_frames.results.frames import job_files, with_columns
from infinity_frames.schemas import RESULTS

__all__ = ["masks"]

_MEMBERS = {"instance": "iseg", "semantic": "cseg"}


def masks(
    results: pd.DataFrame,
    job_id: str,
    kind: str = "instance",
    *,
    path: str | Path | None = None,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Masks of a job in the order of its frames, decoded one at a time.

    Parameters
    ----------
    results : DataFrame
        Anything with the columns ``job_id`` and ``path``.
    job_id : str
        The job.
    kind : {"instance", "semantic"}
        Colours of instances (an annotation's ``color``) or of categories.
    path : path, optional
        The folder the results are in now, if they were moved.

    Yields
    ------
    frame_number : int
    mask : ndarray of uint8, shape (height, width, 3)
        RGB.

    Raises
    ------
    NoResults
        The frame has no such job, or the job no masks.
    ResultsError
        The archive of masks cannot be read.
    """
    if kind not in _MEMBERS:
        raise ResultsError(f"There are no {kind!r} masks.", advice="Ask for instance or semantic.")
    frame = with_columns(results)
    RESULTS.require(frame, ["job_id"], "Reading masks")
    jobs = job_files(frame[frame["job_id"] == job_id], path=path)
    archive = jobs[0].segmentation if jobs else None
    if archive is None:
        raise NoResults(
            f"Job {job_id} has no masks here.",
            advice="Choose a job of this frame that was downloaded with segmentation.zip.",
            job=job_id,
        )
    return _decoded(archive, re.compile(rf"(?:.*/)?image\.(\d+)\.{_MEMBERS[kind]}\.png"))


def _decoded(archive: Path, member: re.Pattern[str]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    import cv2  # only where pictures are decoded: importing it needs libGL

    try:
        with zipfile.ZipFile(archive) as content:
            found = {int(m[1]): m[0] for n in content.namelist() if (m := member.fullmatch(n))}
            for number in sorted(found):
                encoded = np.frombuffer(content.read(found[number]), np.uint8)
                mask = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
                if mask is None:
                    raise zipfile.BadZipFile(f"{found[number]} is no picture")
                yield number, np.asarray(mask, np.uint8)
    except (zipfile.BadZipFile, zlib.error, OSError) as error:
        raise ResultsError(
            f"The masks in {archive} cannot be read: {error}.",
            advice="Download the job again.",
            file=str(archive),
        ) from None
