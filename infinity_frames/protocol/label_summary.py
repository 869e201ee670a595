"""The label columns of a results frame: a few numbers that summarize the labels of a job."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set, Sized
from dataclasses import dataclass
from typing import Any

__all__ = ["PERSON", "LabelSummary", "summarize"]

PERSON = "person"
"""Name of the category whose visibility is summarized."""


@dataclass(frozen=True)
class LabelSummary:
    """Numbers of a job; averages are in percent, over the annotations of the person."""

    num_frames: int | None = None
    avg_percent_in_fov: float | None = None
    avg_percent_occlusion: float | None = None


def summarize(
    images: Sized, annotations: Iterable[Mapping[str, Any]], people: Set[Any]
) -> LabelSummary:
    """Summarize the labels of a job.

    Parameters
    ----------
    images : sized
        The ``images`` of its ``labels.json``.
    annotations : iterable of mapping
        The ``annotations`` of its ``labels.json``.
    people : set
        Ids of the category ``person``.

    Raises
    ------
    TypeError, ValueError, OverflowError
        A label to be averaged is not a number.

    Examples
    --------
    >>> seen = {"category_id": 1, "percent_in_fov": 80.0}
    >>> summarize([{"id": 1}], [seen], {1}).avg_percent_in_fov
    80.0
    """
    person = [one for one in annotations if one.get("category_id") in people]

    def mean(label: str) -> float | None:
        values = [one[label] for one in person if one.get(label) is not None]
        return math.fsum(values) / len(values) if values else None

    return LabelSummary(len(images), mean("percent_in_fov"), mean("percent_occlusion"))
