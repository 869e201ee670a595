"""Pictures read with OpenCV alone; a file that is no picture fails the test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def read_bgr(path: str | Path) -> NDArray[np.uint8]:
    """A picture file as (H, W, 3) uint8, blue first."""
    return _whole(cv2.imread(str(path)), path)


def decode_bgr(content: bytes) -> NDArray[np.uint8]:
    """An encoded picture as (H, W, 3) uint8, blue first."""
    return _whole(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), "the bytes")


def _whole(picture: object, source: object) -> NDArray[np.uint8]:
    assert isinstance(picture, np.ndarray), f"no picture: {source}"
    return picture.astype(np.uint8, copy=False)
