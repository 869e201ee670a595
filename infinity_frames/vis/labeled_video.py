"""Draw labels over a job's video, with one frame in memory at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from infinity_frames.data.layout import JobFiles
from infinity_frames.io.video import Picture, VideoWriter, read_frames, video_info
from infinity_frames.protocol.errors import MediaError
from infinity_frames.vis.annotators import Annotator, BoxAnnotator
from infinity_frames.vis.frame_labels import FrameLabels, Labels
from infinity_frames.vis.job_paths import Job, job_files, require_labels, require_video

__all__ = ["annotated", "draw_labels", "fitting", "labeled_frames", "spared", "target"]


def draw_labels(
    job: Job,
    path: str | os.PathLike[str] | None = None,
    annotators: Sequence[Annotator] = (BoxAnnotator(),),
) -> Path:
    """Write a job's video with its labels drawn over it.

    Parameters
    ----------
    job : path or row of results
        A job folder, or the video's path where many jobs share a folder.
    path : path, optional
        Where the video goes; by default ``labels.mp4`` in the job's folder.
    annotators : sequence of Annotator
        What to draw, in this order.

    Returns
    -------
    Path
        The video that was written, H.264.

    Raises
    ------
    MediaError
        The job has no video or labels, or they do not belong together; `path` is one of its files.

    Examples
    --------
    >>> boxes = inf.vis.BoxAnnotator()
    >>> inf.vis.draw_labels(results["path"][0], "boxes.mp4", [boxes]).name
    'boxes.mp4'
    """
    files = job_files(job)
    info = video_info(require_video(files))
    out = target(files, path, "labels")
    with VideoWriter(out, info.width, info.height, info.frame_rate) as video:
        for picture, labels in labeled_frames(files):
            for annotator in annotators:
                picture = annotator.annotate(picture, labels)
            video.write(picture)
    return out


def labeled_frames(files: JobFiles) -> Iterator[tuple[Picture, FrameLabels]]:
    """Yield each frame of a job's video with its labels.

    Raises
    ------
    MediaError
        The video or the labels are missing, or they differ in size or number of frames.
    """
    source = require_video(files)
    labels = Labels(require_labels(files))
    position = -1
    for position, picture in enumerate(read_frames(source)):
        if position >= len(labels):
            break
        frame = labels.frame(position)
        fitting(picture, frame, source)
        yield picture, frame
    if position + 1 != len(labels):
        more = "more" if position + 1 > len(labels) else "fewer"
        raise MediaError(
            f"The video {source} has {more} frames than its labels ({len(labels)}).",
            advice="Video and labels do not match: download or render the job again.",
            file=str(source),
        )


def fitting(picture: Picture, labels: FrameLabels, source: Path) -> None:
    """Check that labels have the picture's size.

    A row or column may be missing or too much on either side: videos have even sizes, so encoders
    cut or pad odd ones.

    Raises
    ------
    MediaError
        The sizes differ by more than that.
    """
    height, width = picture.shape[:2]
    known = labels.width and labels.height
    if known and max(abs(labels.width - width), abs(labels.height - height)) > 1:
        raise MediaError(
            f"Frame {labels.frame_number} of {source} is {width} x {height} pixels, and its labels "
            f"are for {labels.width} x {labels.height}.",
            advice="Video and labels do not match: download or render the job again.",
            file=str(source),
        )


def annotated(
    picture: Picture, labels: FrameLabels, annotators: Sequence[Annotator], width: int
) -> Picture:
    """Draw labels over a picture, enlarged so that it has at least `width` pixels.

    Small pictures grow by a whole factor first, so that lines and letters stay fine.
    """
    factor = max(1, math.ceil(width / picture.shape[1]))
    if factor > 1:
        size = picture.shape[1] * factor, picture.shape[0] * factor
        larger = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        picture, labels = np.asarray(larger, np.uint8), labels.enlarged(factor)
    for annotator in annotators:
        picture = annotator.annotate(picture, labels)
    return picture


def spared(out: Path, sources: Iterable[Path | None]) -> Path:
    """Path of a new video; refuse one that would overwrite a source file.

    Raises
    ------
    MediaError
        It would.
    """
    if out.exists() and any(source is not None and out.samefile(source) for source in sources):
        raise MediaError(
            f"The output {out} would overwrite a source file.",
            advice="Choose another path.",
            file=str(out),
        )
    return out


def target(files: JobFiles, path: str | os.PathLike[str] | None, what: str) -> Path:
    """Path of a video about a job: the caller's path, else beside the job's video.

    Raises
    ------
    MediaError
        A file of the job is there already.
    """
    if path is not None:
        own_files = files.record, files.labels, files.video, files.picture, files.segmentation
        return spared(Path(path), (*own_files, files.series))
    video = require_video(files)
    own = video.stem in {"video", "video.rgb"}
    return files.folder / (f"{what}.mp4" if own else f"{video.stem}_{what}.mp4")
