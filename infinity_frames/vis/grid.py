"""One video of all of a job's labels: a cell per kind of label."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data.layout import JobFiles
from infinity_frames.io.video import VideoInfo, VideoWriter, read_frames, video_info
from infinity_frames.protocol.errors import MediaError
from infinity_frames.vis.annotators import (
    Annotator,
    BoxAnnotator,
    CuboidAnnotator,
    KeypointAnnotator,
    MaskAnnotator,
    SkeletonAnnotator,
)
from infinity_frames.vis.frame_labels import Labels
from infinity_frames.vis.grid_panels import ChartPanel, Moment, Panel, PicturePanel, TurningPanel
from infinity_frames.vis.job_paths import Job, job_files, require_video
from infinity_frames.vis.labeled_video import labeled_frames, target

__all__ = ["visualize_all_labels", "visualize_timeseries"]

_WIDEST, _NARROWEST = 480, 360


def visualize_all_labels(job: Job, path: str | os.PathLike[str] | None = None) -> Path:
    """Write a video that shows all of a job's labels side by side.

    The job's files decide the cells: picture, masks, boxes with cuboids, skeleton with keypoints,
    joints in 3D, and what changes over time (repetition counts, sensor readings).

    Parameters
    ----------
    job : path or row of results
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

    Examples
    --------
    >>> inf.vis.visualize_all_labels(results["path"][0], "labels.mp4").name
    'labels.mp4'
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
        for moment in _moments(files, info.frame_rate):
            for index, panel in enumerate(panels):
                row, column = divmod(index, across)
                cell = page[row * height :, column * width :][:height, :width]
                cell[:] = panel.draw(moment)
            video.write(page)
    return out


def visualize_timeseries(
    job: Job,
    path: str | os.PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
) -> Path:
    """Write a video of a job next to plots of its sensor data, with a moving cursor.

    Parameters
    ----------
    job : path or row of results
        A job folder, or the video's path where many jobs share a folder.
    path : path, optional
        Where the video goes; by default ``timeseries.mp4`` in the job's folder.
    columns : sequence of str, optional
        What to plot; by default every number that varies, three curves to a chart.

    Returns
    -------
    Path
        The video that was written.

    Raises
    ------
    MediaError
        The job has no video or no sensor data, or there is no such column.

    Examples
    --------
    >>> inf.vis.visualize_timeseries("imu_job", "imu.mp4")  # doctest: +SKIP
    """
    files = job_files(job)
    info = video_info(require_video(files))
    if files.series is None:
        raise MediaError(
            f"The job {files.job_id} has no sensor data in {files.folder}.", file=str(files.folder)
        )
    times, table = read_series(files.series, columns)
    height = _WIDEST
    width = max(2, round(info.width * height / info.height / 2) * 2)
    left = PicturePanel("video", width, height)
    beside = round(1.3 * height / 2) * 2
    right = ChartPanel(beside, height, times, _charts(table))
    out = target(files, path, "timeseries")
    with VideoWriter(out, width + beside, height, info.frame_rate) as video:
        for number, picture in enumerate(read_frames(require_video(files))):
            moment = Moment(picture, None, number / info.frame_rate)
            video.write(np.hstack([left.draw(moment), right.draw(moment)]))
    return out


def read_series(
    path: Path, columns: Sequence[str] | None = None
) -> tuple[NDArray[np.float64], pd.DataFrame]:
    """Times in s, and the requested columns (by default, the sensor data that vary).

    Raises
    ------
    MediaError
        It is no table of numbers with rows, has no such column, or a row has no time.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise MediaError(
            f"The sensor data {path} cannot be read: {error}.", file=str(path)
        ) from error
    numbers = table.select_dtypes("number")
    unknown = [name for name in columns or () if name not in numbers]
    if unknown or table.empty or not len(numbers.columns):
        lacks = f"no numbers called {', '.join(unknown)}" if unknown else "no numbers"
        raise MediaError(
            f"The sensor data {path} hold {lacks}.",
            advice=f"Available: {', '.join(map(str, numbers.columns))}." if unknown else "",
            file=str(path),
        )
    times = (
        table["time"].to_numpy(float) if "time" in numbers else np.arange(len(table), dtype=float)
    )
    if not np.isfinite(times).all():
        raise MediaError(f"The sensor data {path} have rows without a time.", file=str(path))
    if columns is not None:
        return times, numbers[list(columns)]
    skip = {"time", "Unnamed: 0"}
    varying = [n for n in numbers if n not in skip and numbers[n].nunique() > 1]
    return times, numbers[varying or [n for n in numbers if n not in skip]]


def _charts(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Group curves of one kind, at most three to a chart; remove the common part of their names."""
    kinds: dict[str, list[str]] = {}
    for name in table.columns:
        kinds.setdefault(str(name).rpartition("_")[0] or str(name), []).append(str(name))
    charts = {}
    for kind, names in kinds.items():
        for start in range(0, len(names), 3):
            part = table[names[start : start + 3]]
            ends = [name.rpartition("_")[2] for name in part.columns]
            title = kind if len(names) <= 3 else f"{kind} {ends[0]} to {ends[-1]}"
            charts[title.replace("_", " ")] = part.set_axis(ends, axis=1)
    return charts


def _moments(files: JobFiles, frame_rate: float) -> Iterator[Moment]:
    if files.labels is not None:
        for number, (picture, labels) in enumerate(labeled_frames(files)):
            yield Moment(picture, labels, number / frame_rate)
    else:
        for number, picture in enumerate(read_frames(require_video(files))):
            yield Moment(picture, None, number / frame_rate)


def _panels(files: JobFiles, info: VideoInfo, width: int, height: int) -> list[Panel]:
    panels: list[Panel] = [PicturePanel("video", width, height)]
    if files.labels is not None:
        panels += _label_panels(Labels(files.labels), info, width, height)
    if files.series is not None:
        times, table = read_series(files.series)
        charts = list(_charts(table).items())
        for start in range(0, len(charts), 2):
            panels.append(ChartPanel(width, height, times, dict(charts[start : start + 2])))
    if len(panels) == 1:
        raise MediaError(
            f"The job {files.job_id} has neither labels nor sensor data in {files.folder}.",
            file=str(files.folder),
        )
    return panels


def _label_panels(labels: Labels, info: VideoInfo, width: int, height: int) -> list[Panel]:
    areas = _areas(labels)
    middle = labels.frame(len(labels) // 2).annotations if len(labels) else ()
    panels: list[Panel] = [
        PicturePanel("masks", width, height, [MaskAnnotator()]),
        PicturePanel("boxes", width, height, [BoxAnnotator()])
        if all(item.cuboid is None for item in middle)
        else PicturePanel("boxes, cuboids", width, height, [CuboidAnnotator(), BoxAnnotator()]),
    ]
    if any(item.armature for item in middle):
        drawn: list[Annotator] = [SkeletonAnnotator(), KeypointAnnotator()]
        panels.append(PicturePanel("skeleton, keypoints", width, height, drawn))
        panels.append(TurningPanel(width, height))
    scalars = pd.DataFrame.from_records([dict(image) for image in labels.images])
    counts = scalars[[name for name in labels.scalar_names if scalars[name].nunique() > 1]]
    charts = {"labels of the frame": counts, "area in pixels": areas}
    # People hardly change their area; values that change over time are drawn as a chart.
    switches = counts.columns[counts.nunique() > 2]
    shown = {
        title: curves
        for title, curves in charts.items()
        if len(curves.columns) and (curves is counts or not len(switches))
    }
    if shown:
        panels.append(ChartPanel(width, height, np.arange(len(scalars)) / info.frame_rate, shown))
    return panels


def _areas(labels: Labels) -> pd.DataFrame:
    """Pixel counts per frame of the four largest categories whose count changes."""
    rows = []
    for frame in labels:
        row: dict[str, float] = {}
        for item in frame.annotations:
            row[item.category] = row.get(item.category, 0.0) + item.area
        rows.append(row)
    areas = pd.DataFrame.from_records(rows, index=range(len(labels))).fillna(0.0)
    changing = areas.loc[:, areas.nunique() > 1]
    return changing[changing.mean().nlargest(4).index]
