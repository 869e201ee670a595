"""Pictures of another size, with boxes, points and outlines that fit them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.data.exports.base import Losses
from infinity_frames.data.rle import decode_outline
from infinity_frames.protocol.errors import MediaError

__all__ = ["Resizer", "encode_rle", "target_size"]

VANISHED = "objects without a pixel in the smaller picture, left out"
CAMERAS = "objects whose 3D labels describe the picture before its size was changed"
_POINTS = ("armature_keypoints", "vertex_keypoints")


def target_size(before: tuple[int, int], size: int | tuple[int, int]) -> tuple[int, int]:
    """Width and height in pixels: `size`, or with `size` as the longer side, the same shape."""
    if isinstance(size, tuple):
        return size
    scale = size / max(before)
    return max(round(before[0] * scale), 1), max(round(before[1] * scale), 1)


class Resizer:
    """Scale a frame's picture and labels.

    Parameters
    ----------
    before, after : (int, int)
        Width and height in pixels.
    losses : Losses
        Counts objects that vanish.
    """

    def __init__(self, before: tuple[int, int], after: tuple[int, int], losses: Losses) -> None:
        self.before, self.after = before, after
        self._scale = np.array(after) / np.array(before)
        self._losses = losses

    def picture(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture in the new size.

        Shrinking averages over areas, which avoids aliasing.
        """
        import cv2  # imported late: it needs libGL

        smaller = self.after[0] < self.before[0]
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(picture, self.after, interpolation=how), np.uint8)

    def annotation(self, annotation: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an object with scaled 2D labels; None if no pixel of it is left."""
        x, y = self._scale.tolist()
        out = dict(annotation)
        if out.get("bbox"):
            out["bbox"] = (np.array(out["bbox"], float) * [x, y, x, y]).tolist()
        if out.get("area") is not None:
            out["area"] = out["area"] * x * y
        if out.get("keypoints"):
            points = np.array(out["keypoints"], float).reshape(-1, 3)
            out["keypoints"] = (points * [x, y, 1]).ravel().tolist()
        for label in _POINTS:
            if isinstance(out.get(label), Mapping):
                out[label] = {name: _scaled(at, x, y) for name, at in out[label].items()}
        if out.get("segmentation") and not self._outline(out):
            self._losses[VANISHED] += 1
            return None
        self._losses[CAMERAS] += "cuboid_coordinates" in out
        return out

    def _outline(self, out: dict[str, Any]) -> bool:
        """Scale an object's outline; area and box follow from its pixels."""
        import cv2  # imported late: it needs libGL

        width, height = self.before
        try:
            mask = decode_outline(out["segmentation"], height, width)
        except MediaError:
            return True  # the format counts outlines that cannot be read
        small = cv2.resize(mask.astype(np.uint8), self.after, interpolation=cv2.INTER_NEAREST)
        had_pixels = mask.any()
        if had_pixels and not small.any():
            return False
        out["segmentation"] = encode_rle(small.astype(bool))
        if had_pixels:
            rows, columns = np.flatnonzero(small.any(axis=1)), np.flatnonzero(small.any(axis=0))
            left, top = float(columns[0]), float(rows[0])
            out["bbox"] = [left, top, float(columns[-1] + 1 - left), float(rows[-1] + 1 - top)]
            out["area"] = int(small.sum())
        return True


def _scaled(point: Mapping[str, Any], x: float, y: float) -> dict[str, Any]:
    scales = {"x": x, "y": y}
    return {
        name: value * scales[name] if name in scales and value is not None else value
        for name, value in point.items()
    }


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Encode a mask as compressed COCO run lengths, column by column.

    Each run is written as the difference to the run two before, in groups of five bits, lowest
    first, as characters from ``"0"`` on; the sixth bit says that another group follows.

    Parameters
    ----------
    mask : (height, width) bool array
    """
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = [0, *changes.tolist(), flat.size]
    runs = np.diff(edges).tolist()
    if flat.size and flat[0]:
        runs = [0, *runs]
    text = []
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            group = value & 0x1F
            value >>= 5
            more = value != -1 if group & 0x10 else value != 0
            text.append(chr((group | (0x20 if more else 0)) + 48))
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": "".join(text)}
