"""Decode PNG and JPEG pictures within bounded memory."""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.protocol.errors import MediaError

__all__ = ["MAX_PIXELS", "check_size", "decode_picture", "read_picture"]

MAX_PIXELS = 2**25
"""Most pixels of a picture that is decoded: more than an 8K frame (7680 x 4320)."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_DEFLATE = 1032
"""Most bytes that one byte of a zlib stream expands to, https://zlib.net/zlib_tech.html."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel by PNG color type."""
_NO_SIZE = frozenset((0xC4, 0xC8, 0xCC))
"""JPEG markers between C0 and CF that start no frame."""


def check_size(width: int, height: int) -> None:
    """Refuse sizes that no picture of a job has.

    Parameters
    ----------
    width, height : int
        Pixels.

    Raises
    ------
    MediaError
        A side is not positive, or there are more than ``MAX_PIXELS`` pixels.
    """
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise MediaError(
            f"A picture cannot be {width} x {height} pixels; the limit is {MAX_PIXELS} pixels."
        )


def decode_picture(data: bytes) -> NDArray[np.uint8]:
    """Decode a PNG or JPEG file as RGB.

    The size in the header is checked against the size of the file before memory is allocated.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    MediaError
        The data is no PNG or JPEG, is damaged, or is larger than ``MAX_PIXELS``.
    """
    import cv2  # only where pictures are decoded: importing it needs libGL

    width, height, least = _header(data)
    check_size(width, height)
    if least > len(data):
        raise MediaError(
            f"The picture's header says {width} x {height} pixels, and its {len(data)} bytes "
            "cannot hold that many."
        )
    found: Any = None
    with suppress(cv2.error):
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if found is None:
        raise MediaError("The picture is damaged.")
    return np.asarray(found, np.uint8)


def read_picture(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a PNG or JPEG file as RGB, uint8 of shape (height, width, 3).

    Raises
    ------
    MediaError
        As :func:`decode_picture`, or the file cannot be opened.
    """
    name = os.fspath(path)
    try:
        # OpenCV itself cannot open every path on Windows.
        with open(name, "rb") as file:
            data = file.read()
        return decode_picture(data)
    except OSError as error:
        raise MediaError(
            f"The picture {name} cannot be opened: {error.strerror}.", file=name
        ) from error
    except MediaError as error:
        raise MediaError(f"The picture {name} cannot be read: {error.problem}", file=name) from None


def _header(data: bytes) -> tuple[int, int, int]:
    """Width, height, and the fewest bytes that a file of that size takes."""
    if data.startswith(_PNG) and data[12:16] == b"IHDR" and len(data) >= 33:
        width, height, depth, color = struct.unpack(">IIBB", data[16:26])
        row = 1 + width * depth * _CHANNELS.get(color, 1) // 8
        if zlib.crc32(data[12:29]) != struct.unpack(">I", data[29:33])[0]:
            raise MediaError("The picture is damaged.")
        return width, height, height * row // _DEFLATE
    if data.startswith(_JPEG):
        width, height = _jpeg_size(data)
        # A block of 8 x 8 pixels takes at least two bits, and blocks of color may be as few.
        return width, height, width * height // 64 // 8
    raise MediaError("The file is neither PNG nor JPEG.")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        elif 0xD0 <= marker <= 0xD8 or marker == 0x01:
            at += 2
        else:
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    raise MediaError("The picture is damaged.")
