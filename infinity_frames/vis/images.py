"""Encode pictures as PNG and JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from infinity_frames.io.video import Picture

__all__ = ["encoded"]


def encoded(picture: Picture, kind: str, width: int | None = None) -> bytes:
    """Encode an RGB picture as the bytes of a file.

    Parameters
    ----------
    picture : Picture
        RGB.
    kind : {".png", ".jpg"}
        The format.
    width : int, optional
        Shrink to this many pixels across, if it is wider.
    """
    if width is not None and picture.shape[1] > width:
        size = (width, max(1, round(picture.shape[0] * width / picture.shape[1])))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, 88] if kind == ".jpg" else []
    data = cv2.imencode(kind, np.ascontiguousarray(picture[..., ::-1]), options)[1]
    return bytes(data.tobytes())
