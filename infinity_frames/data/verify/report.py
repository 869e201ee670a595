"""The report of an audit: counts of all comparisons, and a row for each that failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

__all__ = ["CHECKS", "AuditReport"]

CHECKS: dict[str, str] = {
    "files": "every file opens, holds what its name says, and is as it was downloaded",
    "frames": "frame numbers run without gaps or repeats; video, masks and labels have as many",
    "size": "pictures, masks and labels are of one size",
    "ids": "ids are unique, and those that labels refer to exist",
    "annotations": "every person, and every object with pixels in the mask, is annotated",
    "box": "boxes enclose the mask's pixels exactly; beside polygons within 1.5 px",
    "area": "areas are the mask's pixels; of polygons, give or take their boundary",
    "mask": "outlines cover the pixels of the instance mask; semantic masks are their union",
    "occlusion": "percent_occlusion is the share of the mask alone that others hide",
    "in_view": "percent_in_fov is 0 to 100",
    "camera": "P is K times RT",
    "projection": "P takes global points to their pixels and depth; boxes lie within their cuboid",
    "visibility": "v is 0 outside the picture and only there; what is visible is on the person",
    "keypoints": "num_keypoints counts the labeled points",
}
"""The property that each check verifies."""


@dataclass
class AuditReport:
    """The comparisons and discrepancies of one job.

    Parameters
    ----------
    job_id : str
        The job.
    """

    job_id: str
    checked: Counter[str] = field(default_factory=Counter)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def check(
        self,
        name: str,
        holds: Any,
        message: str,
        *,
        expected: Any = None,
        found: Any = None,
        frame: int | None = None,
        annotation: Any = None,
    ) -> bool:
        """Count a comparison, keep it as a row if it failed, and return whether it holds."""
        self.checked[name] += 1
        if not holds:
            self.rows.append(
                {
                    "job_id": self.job_id,
                    "frame_number": frame,
                    "annotation_id": annotation if isinstance(annotation, int) else None,
                    "check": name,
                    "expected": _text(expected),
                    "found": _text(found),
                    "message": message,
                }
            )
        return bool(holds)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(_rounded(value), option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return [_rounded(item) for item in value] if isinstance(value, (list, tuple)) else value
