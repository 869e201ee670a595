"""Small JPEG pictures for grids, made without the packages that read labels and tables."""

from __future__ import annotations

import cv2
import numpy as np

from infinity_frames.io.pictures import decode_picture
from infinity_frames.io.video import Picture

__all__ = ["shrunk", "thumbnail_of"]

_QUALITY = 88


def shrunk(picture: Picture, width: int) -> bytes:
    """Encode an RGB picture as JPEG, at most `width` pixels across."""
    if picture.shape[1] > width:
        size = (width, max(1, round(picture.shape[0] * width / picture.shape[1])))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = np.ascontiguousarray(picture[..., ::-1])
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def thumbnail_of(data: bytes, width: int) -> bytes:
    """Shrink a PNG or JPEG file to a JPEG of at most `width` pixels across.

    Raises
    ------
    MediaError
        The data is no picture, or is damaged.
    """
    return shrunk(decode_picture(data), width)
