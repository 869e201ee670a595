"""Read several videos in step, at increasing times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from infinity_frames.io.video import Picture, read_frames, video_info

__all__ = ["Clip", "layout", "together"]

_ROUNDING = 2
"""Tolerance in pixels between a cell and its video's shape; cells have even sizes."""


class Clip:
    """A video scaled to a size; after its end it shows its last frame, darkened.

    Parameters
    ----------
    path : Path
        The video.
    width, height : int
        Size of its pictures, in pixels; other aspect ratios are padded with black.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        self.frame_rate = video_info(path).frame_rate
        self._frames = read_frames(path)
        self._size = (width, height)
        self._next = 0
        self.ended = False
        self.picture: Picture = np.zeros((height, width, 3), np.uint8)

    def advance(self, time: float) -> None:
        """Advance to the frame shown at a time in seconds."""
        # A hair's breadth keeps 3 * (1 / 3) s from falling into the frame before.
        while not self.ended and self._next <= int(time * self.frame_rate + 1e-6):
            frame = next(self._frames, None)
            if frame is None:
                self.ended = True
                self.picture = (self.picture * 0.4).astype(np.uint8)
            else:
                self._next += 1
                self.picture = _fitted(frame, *self._size)


def _fitted(picture: Picture, width: int, height: int) -> Picture:
    """Scale a picture to fit a size, centered on black."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    across, down = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    if width - across <= _ROUNDING and height - down <= _ROUNDING:
        across, down = width, height
    size = max(across, 1), max(down, 1)
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    out = np.zeros((height, width, 3), np.uint8)
    out[top : top + size[1], left : left + size[0]] = scaled
    return out


def together(clips: Sequence[Clip]) -> Iterator[float]:
    """Advance clips in step until the last one ends; times in s, at the highest frame rate."""
    rate = max(clip.frame_rate for clip in clips)
    for number in count():
        for clip in clips:
            clip.advance(number / rate)
        if all(clip.ended for clip in clips):
            return
        yield number / rate


def layout(count: int, most: int = 6) -> tuple[int, int]:
    """Return rows and columns of a grid: nearly square, wider if that leaves no cell empty."""
    square = math.ceil(math.sqrt(count))
    across = min(square if count % (square + 1) else square + 1, most)
    return math.ceil(count / across), across
