"""Writers for the files of a job folder, frame by frame, in constant memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import orjson
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from infinity_frames.protocol.errors import RenderError

__all__ = ["LabelWriter", "MaskWriter", "mask_png", "picture_png", "run_lengths"]

# Masks are flat areas of a few colors; PNG row filters would only cost time.
_MASK_PNG = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
)

# The earliest time of the zip format, so that the same job makes the same bytes at any time.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def picture_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        RGB.

    Returns
    -------
    bytes
    """
    return _encoded(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), ())


def mask_png(ids: NDArray[np.integer | np.bool_], colors: NDArray[np.uint8]) -> bytes:
    """Encode a mask as an RGB PNG whose pixels all have one of the given colors.

    Parameters
    ----------
    ids : (H, W) array
        Index of the color of each pixel, below 256.
    colors : (N, 3) uint8 array
        RGB of each index.

    Returns
    -------
    bytes
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = colors
    index = ids.astype(np.uint8)
    channels = [cv2.LUT(index, np.ascontiguousarray(table[:, c])) for c in (2, 1, 0)]
    return _encoded(cv2.merge(channels), _MASK_PNG)


def run_lengths(masks: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Encode masks as COCO run lengths, without loss.

    Parameters
    ----------
    masks : (N, H, W) bool array

    Returns
    -------
    list of dict
        ``size`` (height, width) and ``counts`` (text) of each mask.
    """
    # The encoder requires (H, W, N) arrays in Fortran order.
    columns = np.ascontiguousarray(masks.transpose(0, 2, 1)).view(np.uint8).transpose(2, 1, 0)
    return [
        {"size": [int(side) for side in code["size"]], "counts": code["counts"].decode()}
        for code in coco_mask.encode(columns)
    ]


class LabelWriter:
    """Writes ``labels.json`` in the COCO layout, frame by frame.

    Use it as a context manager; the file is complete when the block ends without an error.

    Parameters
    ----------
    path : Path
        The file; replaced if it exists.
    info : mapping
        Values that hold for the whole video.
    categories : iterable of mapping
        ``id``, ``name`` and ``color`` of each category.
    """

    def __init__(
        self, path: Path, info: Mapping[str, Any], categories: Iterable[Mapping[str, Any]]
    ) -> None:
        self._file = path.open("wb")
        self._images: list[Mapping[str, Any]] = []
        self._separator = b""
        self._file.write(b'{"info":' + _json(info))
        self._file.write(b',"categories":' + _json(list(categories)))
        self._file.write(b',"annotations":[')

    def add(self, image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]]) -> None:
        """Append one frame: its entry of ``images`` and its annotations; arrays are allowed."""
        self._images.append(image)
        for annotation in annotations:
            self._file.write(self._separator + _json(annotation))
            self._separator = b","

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None:
                self._file.write(b'],"images":' + _json(self._images) + b"}")


class MaskWriter:
    """Writes ``segmentation.zip``, mask by mask; PNG files are stored without compression.

    Use it as a context manager.

    Parameters
    ----------
    path : Path
        The file; replaced if it exists.
    """

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def add(self, name: str, data: bytes) -> None:
        """Append one encoded mask."""
        self._zip.writestr(zipfile.ZipInfo(name, _EPOCH), data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()


def _encoded(picture: NDArray[Any], options: tuple[int, ...]) -> bytes:
    done, data = cv2.imencode(".png", picture, options)
    if not done:
        raise RenderError(f"A picture of shape {picture.shape} could not be encoded as PNG.")
    return bytes(data)


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
