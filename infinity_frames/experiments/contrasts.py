"""Paired comparison of the values of one parameter in a sweep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.experiments.extra import library
from infinity_frames.experiments.factors import factors_of, holm, interval, numbers
from infinity_frames.protocol.errors import FrameError

__all__ = ["contrast"]

MIN_PAIRS = 6
"""Pairs below which no p-value and no interval is given."""


def contrast(
    frame: pd.DataFrame,
    parameter: str,
    metric: str,
    *,
    baseline: Any = None,
    pair: str = "tag_base",
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the mean paired difference of a metric between values of a swept parameter.

    Copies of one base share person, room and motion, so their difference shows the parameter
    alone. The number of renders needed for the same standard error falls by the factor
    (s_a^2 + s_b^2) / s_d^2, the variance of an unpaired over that of a paired difference
    (blocking; Montgomery, Design and Analysis of Experiments, ch. 4).

    Parameters
    ----------
    frame : DataFrame
        Rows of a sweep with the metric; frames of a job are averaged.
    parameter : str
        The swept parameter.
    metric : str
        A number or bool.
    baseline : scalar, optional
        Value to compare with; the smallest by default.
    pair : str
        Column that says which rows belong together.
    resamples : int
        Bootstrap resamples of the pairs.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        A row per other value: parameter, value, baseline, n (pairs), difference, ci_low, ci_high
        (95 %, bootstrap over pairs), p (Wilcoxon signed rank, Holm-corrected), pairing (how many
        times fewer renders than unpaired), verdict ("higher", "lower", "no difference shown", "not
        enough data").

    Raises
    ------
    FrameError
        A column is missing, or the parameter has one value.

    Examples
    --------
    >>> swept = jobs.infinity.sweep(camera_height=[0.5, 2.0])
    >>> scored.infinity.contrast("camera_height", "oks")
    """
    factors_of(frame, metric, [parameter, pair])
    rows = frame[[pair, parameter, metric]].copy()
    rows[metric] = numbers(rows[metric])
    table = rows.dropna().pivot_table(
        index=pair, columns=parameter, values=metric, aggfunc="mean", observed=True
    )
    if table.shape[1] < 2:
        raise FrameError(
            f"{parameter} has {table.shape[1]} value in these rows.",
            advice=f"Sweep it: .infinity.sweep({parameter}=[...]).",
        )
    base = table.columns[0] if baseline is None else baseline
    if base not in table.columns:
        raise FrameError(
            f"No row has {parameter} = {base!r}.",
            advice=f"Available: {', '.join(map(str, table.columns))}.",
        )
    rng = np.random.default_rng(seed)
    out = [
        _compared(table[base], table[value], rng, resamples) | {"value": value}
        for value in table.columns
        if value != base
    ]
    result = pd.DataFrame(out)
    tested = result["p"].notna()
    if tested.any():
        result.loc[tested, "p"] = holm(result.loc[tested, "p"].to_numpy())
    result.insert(0, "parameter", parameter)
    result["baseline"] = base
    result["verdict"] = [
        _verdict(d, p) for d, p in zip(result["difference"], result["p"], strict=True)
    ]
    first = ["parameter", "value", "baseline", "n", "difference", "ci_low", "ci_high", "p"]
    return result[[*first, "pairing", "verdict"]]


def _compared(
    base: pd.Series[Any], other: pd.Series[Any], rng: np.random.Generator, resamples: int
) -> dict[str, Any]:
    both = pd.concat([base, other], axis=1, keys=["a", "b"]).dropna().to_numpy("float64")
    n = len(both)
    out: dict[str, Any] = {"n": n, "difference": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    out |= {"p": np.nan, "pairing": np.nan}
    if not n:
        return out
    d = both[:, 1] - both[:, 0]
    out["difference"] = float(d.mean())
    if n < MIN_PAIRS:
        return out
    means = d[rng.integers(0, n, (resamples, n))].mean(1)
    out["ci_low"], out["ci_high"] = interval(means)
    out["p"] = 1.0 if not d.any() else float(library("scipy.stats").wilcoxon(d).pvalue)
    spread = float(d.var(ddof=1))
    out["pairing"] = float(both.var(axis=0, ddof=1).sum() / spread) if spread > 0 else np.inf
    return out


def _verdict(difference: float, p: float) -> str:
    if not np.isfinite(p):
        return "not enough data"
    if p > 0.05:
        return "no difference shown"
    return "higher" if difference > 0 else "lower"
