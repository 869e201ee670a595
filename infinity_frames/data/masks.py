"""Segmentation masks of one job, frame by frame."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data.frames import job_files, with_columns
from infinity_frames.protocol.errors import NoResults, ResultsError
from infinity_frames.protocol.schemas import RESULTS

__all__ = ["MaskArchive", "masks"]

_MEMBERS = {"instance": "iseg", "semantic": "cseg"}
_MEMBER = re.compile(r"(?:.*/)?image\.(?P<frame>\d+)\.(?P<kind>[ci]seg)(?:\.(?P<alone>\d+))?\.png")


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
    return _frames(archive, _MEMBERS[kind])


class MaskArchive:
    """A job's ``segmentation.zip``, opened; masks are decoded one at a time. A context manager.

    Parameters
    ----------
    path : path
        The archive.

    Raises
    ------
    ResultsError
        It is no zip; on reading, a mask in it is damaged.
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
        """A mask as RGB, of shape (height, width, 3); None where the archive has none.

        Parameters
        ----------
        kind : {"iseg", "cseg"}
            Colours of instances or of categories.
        frame : int
            Frame number.
        alone : int, optional
            Id of an annotation: that instance alone, as if nothing were before it.
        """
        import cv2  # only where pictures are decoded: importing it needs libGL

        name = self._names.get((kind, frame, alone))
        if name is None:
            return None
        with self._explained():
            encoded = np.frombuffer(self._content.read(name), np.uint8)
            mask = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB) if len(encoded) else None
            if mask is None:
                raise zipfile.BadZipFile(f"{name} is no picture")
        return np.asarray(mask, np.uint8)

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


def _frames(path: Path, kind: str) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    with MaskArchive(path) as archive:
        for frame in archive.frames(kind):
            mask = archive.read(kind, frame)
            assert mask is not None
            yield frame, mask
