"""Everything a job's labels say, in one video: a cell per kind of label."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from infinity_frames.errors import MediaError
from infinity_frames.results.layout import JobFiles
from infinity_frames.video import VideoInfo, VideoWriter, read_frames, video_info
from infinity_frames.vis.drawing import labelled_frames, target
from infinity_frames.vis.files import job_files, require_video
from infinity_frames.vis.labels import Labels
from infinity_frames.vis.overlay import (
    Annotator,
    BoxAnnotator,
    CuboidAnnotator,
    KeypointAnnotator,
    MaskAnnotator,
    SkeletonAnnotator,
)
from infinity_frames.vis.panels import ChartPanel, Moment, Panel, PicturePanel, TurningPanel

__all__ = ["visualize_all_labels"]

_WIDEST, _NARROWEST = 480, 240


def visualize_all_labels(
    job: str | os.PathLike[str], path: str | os.PathLike[str] | None = None
) -> Path:
    """Write a video that shows all of a job's labels side by side.

    What the job has decides the cells: picture, masks, boxes with cuboids, skeleton with keypoints,
    joints in 3D, and what changes over time (repetition counts, sensor readings).

    Parameters
    ----------
    job : path
        A job folder, or the video's path where many jobs share a folder.
    path : path, optional
        Where the video goes; by default ``all_labels.mp4`` in the job's folder.

    Returns
    -------
    Path
        The video that was written, H.264.

    Raises
    ------
    MediaError
        The job has no video, has neither labels nor sensor data, or they do not belong together.
    """
    files = job_files(job)
    info = video_info(require_video(files))
    width = min(max(info.width, _NARROWEST), _WIDEST) // 2 * 2
    height = max(2, round(width * info.height / info.width / 2) * 2)
    panels = _panels(files, info, width, height)
    across = math.ceil(math.sqrt(len(panels)))
    down = math.ceil(len(panels) / across)
    out = target(files, path, "all_labels")
    page = np.full((down * height, across * width, 3), 255, np.uint8)
    with VideoWriter(out, across * width, down * height, info.frame_rate) as video:
        for moment in _moments(files):
            for index, panel in enumerate(panels):
                row, column = divmod(index, across)
                cell = page[row * height :, column * width :][:height, :width]
                cell[:] = panel.draw(moment)
            video.write(page)
    return out


def _moments(files: JobFiles) -> Iterator[Moment]:
    if files.labels is not None:
        for position, (picture, labels) in enumerate(labelled_frames(files)):
            yield Moment(picture, labels, position)
    else:
        for position, picture in enumerate(read_frames(require_video(files))):
            yield Moment(picture, None, position)


def _panels(files: JobFiles, info: VideoInfo, width: int, height: int) -> list[Panel]:
    panels: list[Panel] = [PicturePanel("video", width, height)]
    if files.labels is not None:
        panels += _label_panels(Labels(files.labels), info, width, height)
    if files.series is not None:
        panels += _series_panels(files.series, width, height)
    if len(panels) == 1:
        raise MediaError(
            f"The job {files.job_id} has neither labels nor sensor data in {files.folder}.",
            file=str(files.folder),
        )
    return panels


def _label_panels(labels: Labels, info: VideoInfo, width: int, height: int) -> list[Panel]:
    middle = labels.frame(len(labels) // 2).annotations if len(labels) else ()
    panels: list[Panel] = [
        PicturePanel("masks", width, height, [MaskAnnotator()]),
        PicturePanel("boxes", width, height, [BoxAnnotator()])
        if all(item.cuboid is None for item in middle)
        else PicturePanel("boxes, cuboids", width, height, [BoxAnnotator(), CuboidAnnotator()]),
    ]
    if any(item.armature for item in middle):
        drawn: list[Annotator] = [SkeletonAnnotator(), KeypointAnnotator()]
        panels.append(PicturePanel("skeleton, keypoints", width, height, drawn))
        panels.append(TurningPanel(width, height, info.frame_rate))
    scalars = pd.DataFrame.from_records([dict(image) for image in labels.images])
    curves = scalars[[name for name in labels.scalar_names if scalars[name].nunique() > 1]]
    if len(curves.columns):
        times = np.arange(len(curves)) / info.frame_rate
        panels.append(ChartPanel("labels of the frame", width, height, times, curves))
    return panels


def _series_panels(path: Path, width: int, height: int) -> list[Panel]:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise MediaError(
            f"The sensor data {path} cannot be read: {error}.", file=str(path)
        ) from error
    times = table["time"].to_numpy(float) if "time" in table else np.arange(len(table), dtype=float)
    numbers = table.select_dtypes("number")
    groups = {"rotation matrix": "rotation_matrix_", "repetitions": "rep_count_"}
    panels: list[Panel] = []
    for title, prefix in groups.items():
        curves = numbers[[name for name in numbers if str(name).startswith(prefix)]]
        if len(curves.columns):
            curves = curves.rename(columns=lambda name: str(name).removeprefix("rotation_matrix_"))
            panels.append(ChartPanel(title, width, height, times, curves))
    return panels
