"""Decode COCO segmentations, run lengths or polygons, as pixel masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.io.pictures import check_size
from infinity_frames.protocol.errors import MediaError

__all__ = ["decode_outline", "decode_rle", "polygon_mask"]

Mask = NDArray[np.bool_]

_FAR = 2**20
"""Pixels from the picture beyond which a polygon's corner is malformed."""


def decode_outline(segmentation: Any, height: int, width: int) -> Mask:
    """Decode a segmentation of either kind as a mask of shape (height, width).

    Memory is that of a picture of the size given, whatever size the segmentation claims.

    Raises
    ------
    MediaError
        The run lengths are of another size, the segmentation is of neither kind, or the size is
        larger than a picture can be.
    """
    check_size(width, height)
    try:
        if not isinstance(segmentation, Mapping):
            return polygon_mask(segmentation, height, width)
        claimed = tuple(map(int, segmentation["size"]))
        if claimed == (height, width):
            return decode_rle(segmentation)
    except (TypeError, ValueError, KeyError, OverflowError):
        raise MediaError("A segmentation is neither run lengths nor a list of polygons.") from None
    raise MediaError(
        f"A mask is {' x '.join(map(str, claimed[::-1]))} pixels, and its picture "
        f"{width} x {height}."
    )


def polygon_mask(polygons: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    """Fill polygons, edges included.

    Parameters
    ----------
    polygons : sequence of sequence of float
        Each x0, y0, x1, y1, ..., in pixels.
    height, width : int
        Size of the picture in pixels.

    Raises
    ------
    ValueError
        A corner is not finite, or farther from the picture than ``_FAR`` pixels.
    """
    import cv2  # only where pictures are decoded: importing it needs libGL

    canvas = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        corners = np.asarray(polygon, float).reshape(-1, 2)
        if not (np.abs(corners) < _FAR).all():
            raise ValueError("a corner lies far outside of the picture")
        if len(corners):
            cv2.fillPoly(canvas, [np.floor(corners).astype(np.int32)], 1)
    return canvas.astype(bool)


def decode_rle(code: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Decode a COCO run-length mask, exactly.

    Parameters
    ----------
    code : mapping
        ``size`` (height, width) and ``counts``: alternating runs of 0 and 1 in column order, as a
        list or as COCO's text. In the text every run is a little-endian number in 5-bit digits
        (ASCII 48 and up, bit 32 set where more follow, sign in the last), from the fourth run on
        the difference to the run two before (``rleToString`` of the COCO API).

    Returns
    -------
    array of bool, shape (height, width)

    Raises
    ------
    MediaError
        The runs do not add up to the size, or the size is larger than a picture can be.

    Examples
    --------
    >>> inf.vis.decode_rle({"size": [2, 2], "counts": [1, 2, 1]}).tolist()
    [[False, True], [True, False]]
    """
    height, width = map(int, code["size"])
    check_size(width, height)
    counts = code["counts"]
    runs = _runs(counts) if isinstance(counts, (str, bytes)) else np.asarray(counts, np.int64)
    # Each run is at most the size, so the sum cannot overflow.
    fits = runs.ndim == 1 and bool(((runs >= 0) & (runs <= height * width)).all())
    if not fits or runs.sum() != height * width:
        raise MediaError(
            f"A mask's run lengths do not add up to its size of {width} x {height} pixels.",
            advice="The labels are damaged: download or render the job again.",
        )
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def _runs(text: str | bytes) -> NDArray[np.int64]:
    data = text.encode("ascii") if isinstance(text, str) else text
    digits = np.frombuffer(data, np.uint8).astype(np.int64) - 48
    if not len(digits):
        return digits
    last = np.flatnonzero(digits & 32 == 0)
    if not len(last):
        raise ValueError("the text of run lengths is cut")
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    place = np.arange(last[-1] + 1) - np.repeat(first, lengths)
    runs = np.add.reduceat((digits[: last[-1] + 1] & 31) << (5 * place), first)
    runs -= np.where(digits[last] & 16, 1 << (5 * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs
