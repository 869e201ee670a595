"""Labels of Spills: the floor and the spill on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.generators.annotations import (
    Annotator,
    Category,
    FrameLabels,
    LabeledObject,
)

__all__ = ["CATEGORIES", "floor_annotator", "label_frame"]

Mask = NDArray[np.bool_]

_SPILL, _FLOOR = 0, 1
CATEGORIES = (
    Category("spill", id=_SPILL, color=(25, 25, 112)),
    Category("floor", id=_FLOOR, color=(34, 85, 119)),
)
"""Categories of the labels; their ids start at 0."""

_INSTANCE_COLORS = np.array([(230, 60, 40), (211, 221, 228)], np.uint8)
_SMALLEST = 3  # px, spills that are smaller in both directions get no annotation


def floor_annotator() -> Annotator:
    """Annotator of the floor and the spill; annotation ids start at 0."""
    return Annotator(CATEGORIES, occlusion=False, first_id=0, instance_colors=_INSTANCE_COLORS)


def label_frame(
    annotator: Annotator,
    frame: int,
    floor: Mask,
    wet: Mask,
    extra: Mapping[str, Any] | None = None,
) -> FrameLabels:
    """Label one frame.

    Parameters
    ----------
    annotator : Annotator
        From `floor_annotator`; the same for all frames of a job.
    frame : int
        Frame number.
    floor : (H, W) bool array
        Pixels whose centers see the floor, wet or dry.
    wet : (H, W) bool array
        Pixels whose centers see the spill.
    extra : mapping, optional
        Further columns of the image.

    Returns
    -------
    FrameLabels
    """
    visible = max(cv2.boundingRect(wet.view(np.uint8))[2:]) >= _SMALLEST
    objects = [LabeledObject("floor", _FLOOR, floor)]
    if visible:
        objects.append(LabeledObject("spill", _SPILL, wet))
    size = (wet.shape[0], wet.shape[1])
    return annotator.label(frame, size, objects, {"spill_visible": visible, **(extra or {})})
