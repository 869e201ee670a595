"""Labels of spills: the floor and what is on it, by the pixels whose centres see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.job_files import mask_png, run_lengths

__all__ = ["Annotator", "FrameLabels", "category_table"]

_SPILL, _FLOOR = 0, 1
_NAMES = ("spill", "floor")
# Of the semantic masks and of the instance masks, sRGB; the first is what is neither.
_CATEGORY_COLORS = np.array([(0, 0, 0), (25, 25, 112), (34, 85, 119)], np.uint8)
_INSTANCE_COLORS = np.array([(0, 0, 0), (230, 60, 40), (211, 221, 228)], np.uint8)
_SMALLEST = 3
"""A spill less high and wide than this, px, has no annotation."""


@dataclass(frozen=True, eq=False)
class FrameLabels:
    """One frame's entry of ``images``, its annotations and masks."""

    image: dict[str, Any]
    annotations: list[dict[str, Any]]
    masks: dict[str, bytes]


class Annotator:
    """Writes down labels, frame after frame.

    Parameters
    ----------
    floor : (H, W) bool array
        Which pixels see the floor, wet or dry.
    """

    def __init__(self, floor: NDArray[np.bool_]) -> None:
        self._floor = floor
        self._next_id = 0

    def label(self, frame: int, wet: NDArray[np.bool_]) -> FrameLabels:
        """Labels of the next frame; annotations are numbered through the video.

        Parameters
        ----------
        frame : int
            Its number.
        wet : (H, W) bool array
            Which pixels see the spill.
        """
        height, width = wet.shape
        spilt = max(cv2.boundingRect(wet.view(np.uint8))[2:]) >= _SMALLEST
        ids = np.where(self._floor, _FLOOR + 1, 0).astype(np.uint8)
        if spilt:
            ids[wet] = _SPILL + 1
        annotations = []
        for category in (_SPILL, _FLOOR):
            mask = ids == category + 1
            if mask.any():
                annotations.append(self._annotation(frame, category, mask))
        stem = f"image.{frame:06d}"
        return FrameLabels(
            image={
                "id": frame,
                "width": width,
                "height": height,
                "frame_number": frame,
                "spill_visible": spilt,
            },
            annotations=annotations,
            masks={
                f"{stem}.cseg.png": mask_png(ids, _CATEGORY_COLORS),
                f"{stem}.iseg.png": mask_png(ids, _INSTANCE_COLORS),
            },
        )

    def _annotation(self, frame: int, category: int, mask: NDArray[np.bool_]) -> dict[str, Any]:
        left, top, wide, tall = cv2.boundingRect(mask.view(np.uint8))
        number, self._next_id = self._next_id, self._next_id + 1
        return {
            "id": number,
            "image_id": frame,
            "category_id": category,
            "instance_id": category,
            "iscrowd": 0,
            "color": (_INSTANCE_COLORS[category + 1] / 255).tolist(),
            "bbox": [left, top, wide, tall],
            "segmentation": run_lengths(mask[None])[0],
            "area": int(np.count_nonzero(mask)),
        }


def category_table() -> list[dict[str, Any]]:
    """The ``categories`` of labels.json: id, name, normalised RGB of the semantic masks."""
    return [
        {"id": number, "name": name, "color": (_CATEGORY_COLORS[number + 1] / 255).tolist()}
        for number, name in enumerate(_NAMES)
    ]
