"""Videos of two jobs side by side, and of many jobs in a grid."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from infinity_frames.io.video import Picture, VideoWriter, video_info
from infinity_frames.protocol.errors import FrameError, MediaError
from infinity_frames.vis.axis_labels import headings
from infinity_frames.vis.columns import short_id
from infinity_frames.vis.frames import Folder, as_results
from infinity_frames.vis.grid_panels import TITLE
from infinity_frames.vis.job_paths import Job, job_files, params, require_video
from infinity_frames.vis.labeled_video import spared, target
from infinity_frames.vis.previews import words
from infinity_frames.vis.style import DARK, figure, look, set_theme, short, wrap
from infinity_frames.vis.text import draw_text, text_size
from infinity_frames.vis.video_sync import Clip, layout, together

__all__ = ["compare", "visualize_videos"]

_MOST_ROWS = 12
_LETTER = 0.6
"""Width of a heading's letter, as a share of its height."""
_GAIN = 4
"""Factor by which pixel differences are brightened, so that small ones can be seen."""
_Row = tuple[str, ...]
_IDENTITY = frozenset(("state", "random_seed"))
_MOST_VIDEOS = 36
_PAGE = 960
"""Width of a grid of videos in pixels."""


def compare(
    job_a: Job,
    job_b: Job,
    path: str | os.PathLike[str] | None = None,
) -> Path:
    """Write a video of two jobs side by side, with their pixel difference and differing parameters.

    Each picture is headed by what differs, ``camera_height 0.5`` and ``camera_height 2``, as far as
    there is room; by the job's id where nothing does.

    The pictures run in time, also where frame rates differ; the one that ends first stays,
    darkened, on its last frame. The third picture is the difference of the two, four times as
    bright, with its mean over all pixels and channels (of 255); it needs pictures of one shape.

    Parameters
    ----------
    job_a, job_b : path or row of results
        Job folders, or videos where many jobs share a folder.
    path : path, optional
        Where the video goes; by default ``compare_<b>.mp4`` in the folder of `job_a`.

    Returns
    -------
    Path
        The video that was written.

    Raises
    ------
    MediaError
        A job has no video, or its record cannot be read; `path` is one of their files.

    Examples
    --------
    >>> inf.vis.compare(results["path"][0], results["path"][1], "both.mp4").name
    'both.mp4'
    """
    pair = job_files(job_a), job_files(job_b)
    videos = [require_video(files) for files in pair]
    infos = [video_info(video) for video in videos]
    height = max(max(info.height for info in infos), 240)
    widths = [round(info.width * height / info.height) for info in infos]
    clips = [Clip(video, width, height) for video, width in zip(videos, widths, strict=True)]
    names = [short(short_id(files.job_id), 24) for files in pair]
    same_shape = widths[0] == widths[1]
    across = sum(widths) + widths[0] * same_shape
    rows = _differing(*(params(files) for files in pair))
    units = headings(pd.DataFrame({"path": [str(files.folder) for files in pair]}))
    heading = _heading([(units[name], *values) for name, *values in rows], names, across)
    letters = int(min(widths) / text_size(height, min(widths)) / _LETTER)
    titles = _titles(rows, letters) or names
    out = spared(target(pair[0], path, f"compare_{pair[1].job_id}"), videos)
    page = np.empty((heading.shape[0] + height, across, 3), np.uint8)
    page[: len(heading)] = heading
    with VideoWriter(out, across, page.shape[0], max(c.frame_rate for c in clips)) as video:
        for _ in together(clips):
            cells = [_titled(clip.picture, text) for clip, text in zip(clips, titles, strict=True)]
            if same_shape:
                cells.append(_difference(*clips))
            page[len(heading) :] = np.hstack(cells)
            video.write(page)
    return out


def visualize_videos(
    results: pd.DataFrame | Folder | Iterable[Folder | Mapping[str, Any]],
    path: str | os.PathLike[str],
    k: int = 16,
    label: str | Sequence[str] | None = None,
) -> Path:
    """Write one video that plays the videos of many jobs side by side.

    Parameters
    ----------
    results : frame or path or list
        A results frame, a batch folder, or a list of job folders.
    path : path
        Where the video goes.
    k : int
        At most this many videos, the first ones; 36 is the most.
    label : str or sequence of str, optional
        Columns to write over each video; by default the job's id.

    Returns
    -------
    Path
        The video that was written.

    Raises
    ------
    FrameError
        The column is unknown, or `k` is out of range.
    MediaError
        No job has a video, or `path` is one of them.

    Examples
    --------
    >>> inf.vis.visualize_videos(results, "all.mp4", k=2).name
    'all.mp4'
    """
    if not isinstance(k, (int, np.integer)) or not 1 <= k <= _MOST_VIDEOS:
        raise FrameError(f"k must be 1 to {_MOST_VIDEOS} videos, not {k}.")
    cells: list[tuple[Path, str]] = []
    for row, text in words(as_results(results), label):
        folder = row.get("path")
        video = row.get("video")
        if not isinstance(video, str) and isinstance(folder, str):
            video = job_files(folder).video
        if video is not None and not pd.isna(video) and len(cells) < k:
            cells.append((Path(str(video)), text.replace("\n", ", ")))
    if not cells:
        raise MediaError(
            "None of these jobs has a video.", advice="Previews are shown by view_previews()."
        )
    out = spared(Path(path), [video for video, _ in cells])
    down, across = layout(len(cells))
    width = max(_PAGE // across // 2 * 2, 160)
    first = video_info(cells[0][0])
    height = round(width * first.height / first.width / 2) * 2
    clips = [Clip(video, width, height) for video, _ in cells]
    page = np.zeros((down * height, across * width, 3), np.uint8)
    rate = max(clip.frame_rate for clip in clips)
    with VideoWriter(out, page.shape[1], page.shape[0], rate, crf=23) as writer:
        for _ in together(clips):
            for index, (clip, (_, text)) in enumerate(zip(clips, cells, strict=True)):
                top, left = divmod(index, across)
                cell = page[top * height :, left * width :][:height, :width]
                cell[:] = _titled(clip.picture, text)
            writer.write(page)
    return out


def _titled(picture: Picture, text: str) -> Picture:
    out = picture.copy()
    draw_text(out, text, 0, 0, TITLE)
    return out


def _difference(one: Clip, other: Clip) -> Picture:
    difference = cv2.absdiff(one.picture, other.picture)
    strongest = difference.max(axis=2).astype(np.float32) * _GAIN
    shades = cv2.applyColorMap(np.clip(strongest, 0, 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    text = f"difference x{_GAIN}, mean {difference.mean():.2f}"
    return _titled(np.ascontiguousarray(shades[..., ::-1]), text)


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[_Row]:
    """Map each parameter that differs to both its values, as texts that differ too."""
    rows: list[_Row] = []
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if name not in _IDENTITY and one != other:
            values = _text(one), _text(other)
            rows.append((name, *(values if values[0] != values[1] else (str(one), str(other)))))
    return rows


def _titles(rows: Sequence[_Row], letters: int) -> list[str]:
    """Summarize the differing parameters, one line per job; empty if none differs."""
    titles: list[str] = []
    for shown in range(1, len(rows) + 1):
        longer = [", ".join(f"{row[0]} {row[job]}" for row in rows[:shown]) for job in (1, 2)]
        if titles and max(map(len, longer)) > letters:
            break
        titles = [short(text, letters) for text in longer]
    return titles


def _heading(rows: Sequence[_Row], names: list[str], width: int) -> Picture:
    """Draw a table of the parameters that differ, with a column per job."""
    left_out = len(rows) - _MOST_ROWS
    shown = [("differs" if rows else "the same parameters", *names), *rows[:_MOST_ROWS]]
    if left_out > 0:
        shown.append((f"and {left_out} more parameters", "", ""))
    letters = width / 100 / 3 / 0.085
    table = [[wrap(text, max(int(letters), 8)) for text in row] for row in shown]
    tall = [max(text.count("\n") + 1 for text in row) for row in table]
    with set_theme(DARK.name), look():
        # The pictures below start at an even row: no seam between color samples.
        drawing = figure(width / 100, (sum(tall) * 18 + 13) // 2 * 2 / 100)
        line = 1 / (sum(tall) + 0.6)
        for index, row in enumerate(table):
            top = 1 - (sum(tall[:index]) + 0.4) * line
            for column, text in enumerate(row):
                ink = DARK.ink if column == 0 else DARK.color(column - 1)
                weight = "bold" if index == 0 else "normal"
                drawing.text(
                    0.01 + column / 3, top, text, va="top", color=ink, fontsize=9, weight=weight
                )
        return drawing.pixels()


def _text(value: Any) -> str:
    if value is None:
        return "unspecified"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
