"""Text on pictures: filled labels in any script, rendered once and cached."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import cv2
import numpy as np

from infinity_frames.io.video import Picture
from infinity_frames.vis.style import short

__all__ = ["Color", "draw_names", "draw_text", "text_size"]

Color = tuple[int, int, int]
_Box = tuple[int, int, int, int]

_SMALLEST = 11
_WEIGHT = 500  # between regular (400) and bold: thin strokes suffer in 4:2:0 video


def text_size(height: int, width: int) -> int:
    """Default height of a letter in pixels, for a picture's size."""
    return max(_SMALLEST, min(height, width) // 32)


def draw_text(
    out: Picture, text: str, left: int, bottom: int, fill: Color, size: int | None = None
) -> None:
    """Write a text on a filled label, in place; the label is moved inside the picture.

    A text wider than the picture loses its middle.

    Parameters
    ----------
    out : Picture
        The picture; changed in place.
    text : str
        One line, in any script.
    left, bottom : int
        Position of the label's lower left corner.
    fill : tuple of int
        Color of the label; the text is black or white, chosen by contrast.
    size : int, optional
        Height of the letters in pixels; by default it suits the picture.
    """
    label = _label(text, fill, size or text_size(*out.shape[:2]), out.shape[1])
    _paste(out, label, _placed(out, label, left, bottom))


def draw_names(out: Picture, names: Iterable[tuple[str, Sequence[float], Color]]) -> None:
    """Write each box's name above, below or inside it; skip names that would overlap others.

    Parameters
    ----------
    out : Picture
        The picture; changed in place.
    names : iterable of (text, box, color)
        Boxes as left, top, width, height; the first ones get the better places.
    """
    size = text_size(*out.shape[:2])
    taken: list[_Box] = []
    for text, (left, top, _, height), fill in names:
        label = _label(text, fill, size, out.shape[1])
        above, below = int(top), int(np.ceil(top + height)) + label.shape[0]
        for bottom in (above, below, above + label.shape[0]):
            place = _placed(out, label, int(left), bottom)
            if not any(_overlap(place, other) for other in taken):
                taken.append(place)
                _paste(out, label, place)
                break


@lru_cache(maxsize=1024)
def _label(text: str, fill: Color, size: int, widest: int) -> Picture:
    face = cv2.FontFace("sans")
    pad = max(2, size // 5)
    for letters in range(len(text), -1, -1):
        shown = short(text, max(letters, 1))
        _, _, width, _ = cv2.getTextSize((0, 0), shown, (0, 0), face, size, _WEIGHT)
        if width + 2 * pad <= widest:
            break
    label = np.full((size + 2 * pad, width + 2 * pad, 3), fill, np.uint8)
    red, green, blue = fill
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 140  # luma of ITU-R BT.601
    ink = (255, 255, 255) if dark else (0, 0, 0)
    baseline = pad + round(0.88 * size)
    cv2.putText(label, shown, (pad, baseline), ink, face, size, _WEIGHT)
    label.flags.writeable = False  # shared by every picture it is copied to
    return label


def _placed(out: Picture, label: Picture, left: int, bottom: int) -> _Box:
    height, width = label.shape[:2]
    x = max(0, min(left, out.shape[1] - width))
    y = max(0, min(bottom - height, out.shape[0] - height))
    return x, y, x + width, y + height


def _paste(out: Picture, label: Picture, place: _Box) -> None:
    x0, y0, x1, y1 = place
    part = out[y0:y1, x0:x1]
    part[:] = label[: part.shape[0], : part.shape[1]]


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
