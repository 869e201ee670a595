"""Read and encode pictures: PNG and JPEG."""

from __future__ import annotations

import os

import cv2
import numpy as np

from infinity_frames.io.video import Picture
from infinity_frames.protocol.errors import MediaError

__all__ = ["encoded", "read_picture"]


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a picture file as RGB, uint8 of shape (height, width, 3).

    Raises
    ------
    MediaError
        The file is missing or is not a picture.
    """
    try:
        data = np.fromfile(path, np.uint8)  # OpenCV itself cannot open every path on Windows
    except OSError as error:
        raise MediaError(
            f"The picture {os.fspath(path)} cannot be opened: {error.strerror}.",
            file=os.fspath(path),
        ) from error
    found = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    if found is None:
        raise MediaError(f"The picture {os.fspath(path)} cannot be read.", file=os.fspath(path))
    return np.asarray(found, np.uint8)


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
