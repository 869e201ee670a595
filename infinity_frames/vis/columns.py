"""Classify a frame's columns for plots: numbers, settings, texts, constants."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.schemas import BATCH, RESULTS

__all__ = [
    "OUTCOMES",
    "constant",
    "different",
    "grouped",
    "has_long_tail",
    "identifies",
    "is_time",
    "numbers",
    "require_column",
    "short_id",
    "texts",
]

OUTCOMES = ("num_frames", "avg_percent_in_fov", "avg_percent_occlusion")
"""Columns of results that are outcomes of a job; the others are its inputs."""

MOST_GROUPS = 7
_SHOWN = frozenset(("generator", "is_preview", "status", "samples", *OUTCOMES))
_IDENTITY = (frozenset(BATCH.columns) | frozenset(RESULTS.columns)) - _SHOWN
_SEEDS = frozenset(("state", "random_seed"))
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REST = "other"


def identifies(values: pd.Series[Any]) -> bool:
    """Return whether a column only identifies jobs: ids, seeds, paths, times."""
    if str(values.name) in _IDENTITY | _SEEDS:
        return True
    known = values.dropna()
    return not known.empty and all(
        isinstance(value, str) and UUID.fullmatch(value) for value in known.head(50)
    )


def short_id(job_id: str) -> str:
    """Shorten a job's UUID to eight letters; other names stay whole."""
    return job_id[:8] if UUID.fullmatch(job_id) else job_id


def require_column(frame: pd.DataFrame, column: str, purpose: str) -> pd.Series[Any]:
    """Return a column of a frame.

    Raises
    ------
    FrameError
        The column is unknown; the message ends with `purpose`.
    """
    if not isinstance(column, Hashable) or column not in frame.columns:
        raise FrameError(
            f"Unknown column {column!r} {purpose}.",
            advice=nearest(str(column), map(str, frame.columns)),
        )
    found: pd.Series[Any] = frame[column]
    return found


def grouped(frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    """Group of each job by a column, as a category; rare values become one group."""
    values = texts(require_column(frame, column, "to stratify by")).fillna("unspecified")
    commonest = values.value_counts().index
    if len(commonest) > MOST_GROUPS:
        values = values.where(values.isin(commonest[: MOST_GROUPS - 1]), _REST)
    order = [name for name in commonest if (values == name).any() and name != _REST]
    if numbers(frame[column].dropna()) is not None:
        order = [str(v) for v in texts(frame[column].dropna().drop_duplicates().sort_values())]
        order = [name for name in order if (values == name).any()]
    unspecified = ["unspecified"] if (values == "unspecified").any() else []
    rest = [_REST] if (values == _REST).any() else []
    names = dict.fromkeys([*order, *unspecified, *rest])
    return values.astype(pd.CategoricalDtype(list(names))).rename(column)


def constant(values: pd.Series[Any]) -> str | None:
    """Return the value of a constant column as text, else None."""
    known = values.dropna()
    if known.empty:
        return "unspecified"
    if len(known) < len(values) or different(known) > 1:
        return None
    return str(texts(known.iloc[:1]).iloc[0])


def different(known: pd.Series[Any]) -> int:
    """Return the number of distinct values."""
    try:
        return known.nunique()
    except TypeError:  # lists and dicts cannot be hashed
        return texts(known).nunique()


def is_time(values: pd.Series[Any]) -> bool:
    """Return whether a column holds points in time."""
    return pd.api.types.is_datetime64_any_dtype(values)


def has_long_tail(floats: pd.Series[Any]) -> bool:
    """Return whether numbers span so many orders of magnitude that they need a log axis."""
    low, middle, high = floats.quantile([0.01, 0.5, 0.99]) if len(floats) else (0.0, 0.0, 0.0)
    return bool(floats.min() > 0 and high > 1000 * low and high > 20 * middle)


def numbers(known: pd.Series[Any]) -> pd.Series[Any] | None:
    """Finite values as floats; None if the column is not numeric (booleans are not)."""
    if pd.api.types.is_datetime64_any_dtype(known):
        return None
    kinds = set(known.map(type)) if known.dtype == object else {type(None)}
    if pd.api.types.is_bool_dtype(known) or bool in kinds or np.bool_ in kinds:
        return None
    if known.dtype == object and not all(issubclass(kind, (int, float)) for kind in kinds):
        return None
    if known.dtype != object and not pd.api.types.is_numeric_dtype(known):
        return None
    floats = known.astype(float)
    return floats[np.isfinite(floats)]


def texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return values as texts; other objects by their string form."""
    if isinstance(values.dtype, pd.StringDtype):
        return values
    return values.map(_text, na_action="ignore").astype("string")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    plain = value
    if isinstance(value, (list, np.ndarray)):
        arrays = (np.generic, np.ndarray)
        plain = [part.tolist() if isinstance(part, arrays) else part for part in value]
    return str(plain).encode("utf-8", "backslashreplace").decode()
