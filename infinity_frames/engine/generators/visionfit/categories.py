"""Categories of VisionFit's labels."""

from __future__ import annotations

from infinity_frames.engine.generators.annotations import Category
from infinity_frames.engine.people.body import COCO
from infinity_frames.engine.scene.furniture.home import FURNITURE

__all__ = ["CATEGORIES", "CATEGORY_LIST"]

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
"""Names of all labeled things; a category's id is its position, plus 1."""

CATEGORY_LIST: tuple[Category, ...] = tuple(
    Category(name, tuple(COCO), _COCO_SKELETON) if name == "person" else Category(name)
    for name in CATEGORIES
)
"""The categories with the person's keypoints, as the recorder takes them."""
