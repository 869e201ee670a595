"""Two jobs side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from infinity_frames.results.layout import JobFiles
from infinity_frames.video import Picture, VideoWriter, read_frames, video_info
from infinity_frames.vis.drawing import target
from infinity_frames.vis.files import job_files, params, require_video
from infinity_frames.vis.overlay import draw_text
from infinity_frames.vis.style import colour, rgb

__all__ = ["compare"]

_MOST = 12
_LINE = 18
_DARK = (24, 26, 30)
_IDENTITY = frozenset(("state", "random_seed"))


def compare(
    job_a: str | os.PathLike[str],
    job_b: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
) -> Path:
    """Write a video of two jobs side by side, with the parameters in which they differ.

    The pictures run in time, also where frame rates differ; the one that ends first stays,
    darkened, on its last frame.

    Parameters
    ----------
    job_a, job_b : path
        Job folders, or videos where many jobs share a folder.
    path : path, optional
        Where the video goes; by default ``compare_<b>.mp4`` in the folder of `job_a`.

    Returns
    -------
    Path
        The video that was written, H.264.

    Raises
    ------
    MediaError
        A job has no video, or its record cannot be read.
    """
    pair = job_files(job_a), job_files(job_b)
    infos = [video_info(require_video(files)) for files in pair]
    height = max(info.height for info in infos)
    widths = [round(info.width * height / info.height) for info in infos]
    rate = max(info.frame_rate for info in infos)
    clips = [
        _Clip(files, info.frame_rate, width, height)
        for files, info, width in zip(pair, infos, widths, strict=True)
    ]
    heading = _heading([params(files) for files in pair], widths)
    out = target(pair[0], path, f"compare_{pair[1].job_id}")
    page = np.empty((heading.shape[0] + height, sum(widths), 3), np.uint8)
    page[: len(heading)] = heading
    with VideoWriter(out, page.shape[1], page.shape[0], rate) as video:
        for number in count():
            running = [clip.advance(number / rate) for clip in clips]
            if not any(running):
                break
            page[len(heading) :] = np.hstack([clip.picture for clip in clips])
            video.write(page)
    return out


class _Clip:
    """A video that is asked for its picture at times that only grow."""

    def __init__(self, files: JobFiles, frame_rate: float, width: int, height: int) -> None:
        self._frames = read_frames(require_video(files))
        self._rate = frame_rate
        self._size = (width, height)
        self._name = files.job_id
        self._next = 0
        self._ended = False
        self.picture: Picture = np.zeros((height, width, 3), np.uint8)

    def advance(self, time: float) -> bool:
        """Go to the frame shown at a time in seconds; False once the video is over."""
        if self._ended:
            return False
        # A hair's breadth keeps 3 * (1 / 3) s from falling into the frame before.
        while self._next <= int(time * self._rate + 1e-6):
            frame = next(self._frames, None)
            if frame is None:
                self._ended = True
                self.picture = (self.picture * 0.4).astype(np.uint8)
                return False
            self._next += 1
            scaled = cv2.resize(frame, self._size, interpolation=cv2.INTER_LINEAR)
            self.picture = np.array(scaled, np.uint8)
            draw_text(self.picture, self._name[:24], 0, self._size[1], _DARK)
        return True


def _heading(pair: list[Mapping[str, Any]], widths: list[int]) -> Picture:
    """A strip that names each differing parameter, each job's value above its picture."""
    first, second = pair
    names = [*first, *(name for name in second if name not in first)]
    differing = [
        (name, first.get(name), second.get(name))
        for name in names
        if name not in _IDENTITY and first.get(name) != second.get(name)
    ]
    left_out = len(differing) - _MOST
    rows = len(differing[:_MOST]) + (left_out > 0) or 1
    # The pictures below start at an even row: no seam between colour samples.
    strip = np.full(((rows * _LINE + 7) // 2 * 2, sum(widths), 3), _DARK, np.uint8)
    for row, (name, *values) in enumerate(differing[:_MOST]):
        for value, left, limit in zip(values, (0, widths[0]), widths, strict=True):
            _write(strip, f"{name}: {_text(value)}", left, row, limit)
    if left_out > 0:
        _write(strip, f"and {left_out} more parameters", 0, _MOST, sum(widths))
    if not differing:
        _write(strip, "the same parameters", 0, 0, sum(widths))
    return strip


def _text(value: Any) -> str:
    if value is None:
        return "unspecified"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _write(strip: Picture, text: str, left: int, row: int, limit: int) -> None:
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    plain = text.encode("ascii", "replace").decode()
    while plain and cv2.getTextSize(plain, font, scale, 1)[0][0] > limit - 12:
        plain = plain[:-1]
    ink = rgb(colour(4 if left == 0 else 1))
    place = (left + 6, (row + 1) * _LINE - 2)
    cv2.putText(strip, plain, place, font, scale, ink, 1, cv2.LINE_AA)
