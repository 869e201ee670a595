"""Which columns of a frame are factors, and the units that are independent of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.schemas import (
    ANNOTATIONS,
    BATCH,
    IMAGES,
    KEYPOINTS,
    RESULTS,
    TAG_PREFIX,
)
from infinity_frames.protocol.spec import Generator

__all__ = [
    "METRICS",
    "design_effect",
    "factors_of",
    "groups_of",
    "holm",
    "interval",
    "is_number",
    "numbers",
    "one_row_per_unit",
    "parameters_in",
]

METRICS = (
    *("oks", "iou", "error_px", "ap", "ap50", "ap75", "ar", "precision", "recall"),
    *("true_positives", "false_positives", "false_negatives", "n_truth", "n_predicted"),
    *("truth", "prediction", "correct", "error", "absolute_error", "squared_error", "score"),
    *("round", "order", "failure", "distinct"),
)
"""Columns that ``evaluate`` and ``search`` make: outcomes, which are never causes of each other."""

_NOT_FACTORS = {
    *METRICS,
    *BATCH.columns,
    *RESULTS.columns,
    *IMAGES.columns,
    *ANNOTATIONS.columns,
    *KEYPOINTS.columns,
    "state",
    "random_seed",
    "split",
}


_UNITS = ("tag_base", "job_id")
"""Columns that say which rows belong together, the widest first."""


def factors_of(frame: pd.DataFrame, metric: str, by: str | Sequence[str] | None) -> list[str]:
    """Return the columns to examine: `by`, or every scalar one that varies and is not a record.

    Raises
    ------
    FrameError
        The metric or a column of `by` is missing, or no column varies.
    """
    wanted = [by] if isinstance(by, str) else list(by or [])
    for name in [metric, *wanted]:
        if name not in frame.columns:
            advice = nearest(name, map(str, frame.columns))
            if name == by and name.startswith("param"):
                advice = 'For all parameters pass by="parameters".'
            raise FrameError(f"There is no column {name!r}.", advice=advice)
    if not is_number(frame[metric]):
        raise FrameError(f"The metric {metric!r} is not a number.", advice="Use a number or bool.")
    if wanted:
        return wanted
    found = [
        str(name)
        for name in frame.columns
        if name != metric
        and name not in _NOT_FACTORS
        and not str(name).startswith((TAG_PREFIX, "metric_"))
        and _varies(frame[name])
    ]
    if not found:
        raise FrameError("No column varies that could explain the metric.", advice="Pass by=.")
    return found


def parameters_in(frame: pd.DataFrame, metric: str, spec: Generator) -> list[str]:
    """Return the generator's parameters that vary in a frame.

    Raises
    ------
    FrameError
        The metric is missing, or no parameter varies.
    """
    known = [name for name in frame.columns if name in spec.by_name]
    rows = frame[[*known, *([metric] if metric in frame.columns else [])]]
    if not any(_varies(rows[name]) for name in known if name not in _NOT_FACTORS):
        raise FrameError(
            f"No parameter of {spec.name} varies in these rows.",
            advice="Leave by= out to examine labels too, or draw more jobs.",
        )
    return factors_of(rows, metric, None)


def _varies(values: pd.Series[Any]) -> bool:
    try:
        distinct = values.nunique(dropna=True)
    except TypeError:
        return False  # lists and other values that cannot be compared
    if distinct < 2:
        return False
    return is_number(values) or distinct <= max(60, len(values) // 50)


def is_number(values: pd.Series[Any]) -> bool:
    """Return whether a column holds numbers or booleans."""
    return bool(
        pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype)
    )


def numbers(values: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a column as float64; categories and texts by the order of their values."""
    if is_number(values):
        return values.to_numpy("float64", na_value=np.nan)
    codes = pd.Categorical(values).codes.astype("float64")
    return np.where(codes < 0, np.nan, codes)


def one_row_per_unit(frame: pd.DataFrame, metric: str, by: Sequence[str]) -> pd.DataFrame:
    """Average the metric over rows of a job whose factors agree: frames of a job are no repeats."""
    units = [name for name in _UNITS if name in frame.columns]
    used = frame[[*dict.fromkeys([*by, metric, *units])]].copy()
    if "job_id" in frame.columns and frame["job_id"].duplicated().any():
        used["job_id"] = frame["job_id"].astype("string")
        constant = used.groupby("job_id", sort=False)[list(by)].nunique(dropna=False).max().max()
        if constant <= 1:
            used[metric] = used[metric].astype("float64")
            how = dict.fromkeys([*by, *units], "first") | {metric: "mean"}
            how.pop("job_id")
            used = used.groupby("job_id", sort=False).agg(how).reset_index()
    keep = used[metric].notna()
    return used[keep]


def groups_of(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return the unit of each row as a number: rows of a job, or of a sweep's base, share one."""
    for name in _UNITS:
        if name in frame.columns and frame[name].notna().all():
            return np.asarray(pd.factorize(frame[name])[0], dtype=np.int64)
    return np.arange(len(frame))


def design_effect(values: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Return how many times larger the variance of a mean is than if all rows were independent.

    1 + (m - 1) rho with the intraclass correlation rho of the groups and their size m, weighted by
    size (Kish, Survey Sampling, 1965); 1 where each row is a group of its own.
    """
    sizes = np.bincount(groups).astype(float)
    sizes = sizes[sizes > 0]
    n, k = len(values), len(sizes)
    if n == k or k < 2:
        return 1.0
    total = np.bincount(groups, weights=values)
    count = np.maximum(np.bincount(groups), 1)
    center = (total / count)[groups]
    between = float(((center - values.mean()) ** 2).sum()) / (k - 1)
    within = float(((values - center) ** 2).sum()) / (n - k)
    size = (n - float((sizes**2).sum()) / n) / (k - 1)
    spread = between + (size - 1) * within
    rho = (between - within) / spread if spread > 0 else 0.0
    return 1.0 + (float((sizes**2).sum()) / n - 1) * min(max(rho, 0.0), 1.0)


def interval(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap replicates along the first axis."""
    tail = 100 * (1 - level) / 2
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.nan, np.nan
    low, high = np.percentile(finite, [tail, 100 - tail])
    return float(low), float(high)


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p-values of several tests by Holm's step-down method (Holm 1979).

    statsmodels does the same and collects the whole interpreter's garbage at each call, which takes
    longer than the tests themselves.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
