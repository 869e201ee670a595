"""One writer for all files of a job: labels, masks, video, preview picture, series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.engine.core.job_files import LabelWriter, MaskWriter, picture_png
from infinity_frames.engine.generators.annotations import (
    Annotator,
    Category,
    FrameLabels,
    LabeledObject,
    category_table,
)
from infinity_frames.io.video import VideoWriter
from infinity_frames.protocol.errors import RenderError

__all__ = ["Recorder"]

_DECIMALS = 9


class Recorder:
    """Writes the files of one job, frame by frame, in constant memory.

    Use it as a context manager; the files are complete when the block ends without an error.

    Parameters
    ----------
    directory : Path
        The job's folder.
    categories : sequence of Category, optional
        Categories of the labels. With categories the job gets ``labels.json`` and
        ``segmentation.zip``; without, it has neither.
    frame_rate : float, optional
        Frames per second of ``video.mp4``; default: no video.
    crf : int
        Constant rate factor of the video's encoder; a higher one gives smaller files of lower
        quality.
    preview : bool
        This job is a preview: one frame and no video.
    info : mapping, optional
        Values that hold for the whole job; becomes ``info`` in labels.json.
    poster : {"first", "last"}, optional
        The frame that becomes ``video_preview.png``; None for no such picture.

    Examples
    --------
    >>> with Recorder(directory, categories=[Category("ball")], frame_rate=24) as recorder:
    ...     for picture, mask in frames:
    ...         recorder.add(picture, [LabeledObject("ball", 0, mask)])
    ... # doctest: +SKIP
    """

    def __init__(
        self,
        directory: Path,
        *,
        categories: Sequence[Category] | None = None,
        frame_rate: float | None = None,
        crf: int = 18,
        preview: bool = False,
        info: Mapping[str, Any] | None = None,
        poster: Literal["first", "last"] | None = "first",
    ) -> None:
        self._directory = directory
        self._categories = categories
        self._annotator = Annotator(categories or ())
        self._frame_rate = None if preview else frame_rate
        self._preview = preview
        self._crf = crf
        self._info = info or {}
        self._poster = poster
        self._files = ExitStack()
        self._labels: LabelWriter | None = None
        self._masks: MaskWriter | None = None
        self._video: VideoWriter | None = None
        self._last: NDArray[np.uint8] | None = None
        self.frames = 0
        """Frames written so far."""

    def add(
        self,
        picture: NDArray[np.uint8],
        objects: Iterable[LabeledObject] = (),
        image: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one frame and label its objects.

        Parameters
        ----------
        picture : (H, W, 3) uint8 array
            RGB.
        objects : iterable of LabeledObject
            From the farthest to the nearest; see `Annotator.label`.
        image : mapping, optional
            Further entries for the frame's row of ``images``; each becomes a column of the frame
            table.

        Raises
        ------
        RenderError
            The picture or an object is invalid; the message names the frame and the object.
        """
        self._check(picture)
        labels = self._annotator.label(self.frames, picture.shape[:2], objects, image)
        self.write(picture, labels)

    def write(self, picture: NDArray[np.uint8], labels: FrameLabels | None = None) -> None:
        """Append one frame with complete labels.

        Parameters
        ----------
        picture : (H, W, 3) uint8 array
            RGB.
        labels : FrameLabels, optional
            Default: none.

        Raises
        ------
        RenderError
            The picture is not RGB uint8, or a preview gets a second frame.
        """
        self._check(picture)
        if labels is not None and self._labels is not None and self._masks is not None:
            self._labels.add(labels.image, labels.annotations)
            for name, mask in labels.masks.items():
                self._masks.add(name, mask)
        if self._poster == "first" and self.frames == 0:
            self._write_poster(picture)
        self._last = picture
        if self._frame_rate is not None:
            if self._video is None:
                self._video = self._open_video(picture, self._frame_rate)
            self._video.write(picture)
        self.frames += 1

    def series(self, table: pd.DataFrame) -> None:
        """Write ``data.csv``, a row per sample, numbers with 9 decimals.

        Parameters
        ----------
        table : DataFrame
            Column names should carry no unit; the index becomes the first column.
        """
        table.round(_DECIMALS).to_csv(self._directory / "data.csv")

    def __enter__(self) -> Self:
        if self._categories is not None:
            table = category_table(self._categories)
            self._labels = self._files.enter_context(
                LabelWriter(self._directory / "labels.json", self._info, table)
            )
            self._masks = self._files.enter_context(
                MaskWriter(self._directory / "segmentation.zip")
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None and self._poster == "last" and self._last is not None:
            self._write_poster(self._last)
        self._files.__exit__(kind, error, traceback)

    def _check(self, picture: NDArray[np.uint8]) -> None:
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise RenderError(
                f"Frame {self.frames} is {picture.dtype} of shape {picture.shape}; expected RGB "
                "uint8 of shape (height, width, 3)."
            )
        if self._last is not None and picture.shape != self._last.shape:
            raise RenderError(
                f"Frame {self.frames} has shape {picture.shape}, the frames before it "
                f"{self._last.shape}; all frames of a job must have one size."
            )
        if self._preview and self.frames:
            raise RenderError("A preview has one frame, but the generator added a second one.")

    def _open_video(self, picture: NDArray[np.uint8], frame_rate: float) -> VideoWriter:
        height, width = picture.shape[:2]
        # One encoder thread: the engine runs one worker per core.
        path = self._directory / "video.mp4"
        writer = VideoWriter(path, width, height, frame_rate, crf=self._crf, threads=1)
        return self._files.enter_context(writer)

    def _write_poster(self, picture: NDArray[np.uint8]) -> None:
        (self._directory / "video_preview.png").write_bytes(picture_png(picture))
