"""Label categories and the colours of masks."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body import COCO
from infinity_frames.engine.scene.furniture.home import FURNITURE

__all__ = ["CATEGORIES", "category_table", "distinct_colors"]

_COCO_SKELETON = (
    *((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9)),
    *((8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)),
)

CATEGORIES: tuple[str, ...] = (
    "person",
    "dumbbell",
    "barbell",
    "mat",
    *sorted({piece.category for piece in FURNITURE.values()}),
)
"""Names of everything that is labelled; a category's id is its position, plus 1."""

_GOLDEN = 0.6180339887498949


def distinct_colors(count: int, offset: float = 0.0) -> NDArray[np.uint8]:
    """Colours that are told apart by eye; none is black, and up to 60 all differ.

    Parameters
    ----------
    count : int
    offset : float
        Turn of the hue, 0..1.

    Returns
    -------
    (count, 3) uint8 array
        sRGB.
    """
    colors = []
    for index in range(count):
        # Hues a golden angle apart, in three brightnesses.
        hue = (offset + index * _GOLDEN) % 1.0
        value = (1.0, 0.75, 0.55)[index % 3]
        saturation = (0.85, 0.65)[index // 3 % 2]
        colors.append(colorsys.hsv_to_rgb(hue, saturation, value))
    return np.round(np.array(colors).reshape(count, 3) * 255).astype(np.uint8)


def category_table() -> list[dict[str, Any]]:
    """The ``categories`` of labels.json: id, name, normalised RGB of the semantic masks."""
    table: list[dict[str, Any]] = [
        {"id": index + 1, "name": name, "color": (color / 255).tolist()}
        for index, (name, color) in enumerate(
            zip(CATEGORIES, distinct_colors(len(CATEGORIES), 0.05), strict=True)
        )
    ]
    person = table[CATEGORIES.index("person")]
    person["keypoints"] = list(COCO)
    person["skeleton"] = [list(bone) for bone in _COCO_SKELETON]
    return table
