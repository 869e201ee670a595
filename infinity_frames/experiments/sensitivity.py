"""Which parameters move a metric: shares of variance with intervals."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.experiments.designs import analyze
from infinity_frames.experiments.extra import library
from infinity_frames.experiments.factors import (
    design_effect,
    factors_of,
    groups_of,
    holm,
    interval,
    is_number,
    numbers,
    one_row_per_unit,
)
from infinity_frames.experiments.unequal import Fit, SumOfSquares
from infinity_frames.protocol.errors import FrameError
from infinity_frames.protocol.warnings import warn_user

__all__ = ["DependentColumns", "sensitivity"]

METHODS = ("anova", "rbd_fast", "delta", "sobol", "morris")
_BINS = 6
_PAIRED_FACTORS = 6
COLUMNS = ["factors", "order", "share", "ci_low", "ci_high", "p", "effect", "direction", "n"]


class DependentColumns(UserWarning):
    """Columns were not drawn independently of each other, so shares cannot be told apart."""


def sensitivity(
    frame: pd.DataFrame,
    metric: str,
    *,
    by: str | Sequence[str] | None = None,
    method: Literal["anova", "rbd_fast", "delta", "sobol", "morris"] = "anova",
    interactions: bool = True,
    resamples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the share of a metric's variance that each parameter explains.

    Parameters
    ----------
    frame : DataFrame
        Rows with the metric. Independent draws are an experiment already; frames of a job are
        averaged first. Copies of a job (``tag_base``) are resampled together, and tests of the
        factors that they share allow for their correlation (design effect, Kish 1965).
    metric : str
        A number or bool.
    by : str or sequence of str, optional
        Factors; by default every parameter and scalar label that varies.
    method : {"anova", "rbd_fast", "delta", "sobol", "morris"}
        ``anova``: type II sums of squares over 6 quantile bins per number, shares as omega squared
        (Hays 1963), tests that hold for unequal variances (Brunner, Dette and Munk 1997).
        ``rbd_fast``, ``delta``: first-order Sobol indices from given data (SALib;
        Tarantola 2006, Borgonovo 2007 with Plischke 2013). ``sobol``: first and total order of a
        Saltelli design (``session.design("saltelli")``; Saltelli 2010). ``morris``: screening by
        elementary effects of a Morris design (``session.design("morris")``).
    interactions : bool
        ANOVA: also test pairs of the six strongest factors.
    resamples : int
        Bootstrap resamples behind the intervals.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        factors ("a" or "a:b"), order ("first", "total", "pair"), share (of variance; for morris
        mu*), ci_low, ci_high (95 %), p (Holm-corrected; missing where the method has none), effect
        (largest minus smallest mean over bins), direction ("up", "down", "mixed"), n; the largest
        first. ``attrs["sensitivity"]`` holds ``noise_floor``, the share that a factor without
        effect stays below with 95 % probability, and ``explained``.

    Raises
    ------
    FrameError
        Columns are missing, the data is too small for the factors, or the design's rows are
        incomplete.

    Warns
    -----
    DependentColumns
        Two factors are associated more than independent draws would be.

    Examples
    --------
    >>> scored.infinity.sensitivity("oks").query("p < 0.05")
    """
    if method not in METHODS:
        raise FrameError(f"Unknown method {method!r}.", advice=f"Available: {', '.join(METHODS)}.")
    if method in ("sobol", "morris"):
        return analyze(frame, metric, method, resamples, seed)
    columns = factors_of(frame, metric, by)
    rows = one_row_per_unit(frame, metric, columns)
    needed = 10 * len(columns) if method != "anova" else 6 * len(columns) + 20
    if len(rows) < needed:
        raise FrameError(
            f"Not enough data: {len(rows)} rows for {len(columns)} factors; {needed} are needed.",
            advice="Render more jobs, or pass fewer factors with by=.",
        )
    groups = groups_of(rows)
    _warn_of_dependence(rows, columns, len(np.unique(groups)))
    y = numbers(rows[metric])
    if np.ptp(y) == 0:
        raise FrameError(f"{metric} is the same in all {len(rows)} rows.")
    if method == "anova":
        out, floor = _anova(rows, columns, y, groups, interactions, resamples, seed)
    else:
        out, floor = _given_data(rows, columns, y, method, resamples, seed), None
    out = out.sort_values("share", ascending=False).reset_index(drop=True)[COLUMNS]
    explained = float(out.loc[out["order"] != "total", "share"].clip(lower=0).sum())
    out.attrs["sensitivity"] = {
        "metric": metric,
        "method": method,
        "n": len(rows),
        "noise_floor": floor,
        "explained": explained,
    }
    return out


def _levels(values: pd.Series[Any]) -> NDArray[np.int64]:
    """Codes of a factor: quantile bins of numbers with many values, else its values."""
    if is_number(values) and values.nunique() > _BINS:
        at = numbers(values)
        edges = np.unique(np.nanpercentile(at, np.linspace(0, 100, _BINS + 1)[1:-1]))
        codes = np.searchsorted(edges, at, side="right")
        return np.asarray(np.where(np.isnan(at), len(edges) + 1, codes), dtype=np.int64)
    return np.asarray(pd.factorize(values, use_na_sentinel=False)[0], dtype=np.int64)


def _dummies(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Centered indicator columns of a factor, the first level left out."""
    kept = np.unique(codes)[1:]
    block = (codes[:, None] == kept[None, :]).astype(float)
    return np.asarray(block - block.mean(0))


class _Model:
    """Least squares on blocks of columns, from sums of products alone."""

    def __init__(
        self, blocks: list[NDArray[np.float64]], y: NDArray[np.float64], w: NDArray[np.float64]
    ) -> None:
        x = np.concatenate(blocks, axis=1) if blocks else np.empty((len(y), 0))
        total = w.sum()
        weighted = x * w[:, None]
        mean_x, mean_y = weighted.sum(0) / total, float(w @ y) / total
        self.xx = weighted.T @ x - total * np.outer(mean_x, mean_x)
        self.xy = weighted.T @ y - total * mean_x * mean_y
        self.yy = float(w @ y**2 - total * mean_y**2)
        ends = np.cumsum([0, *(b.shape[1] for b in blocks)])
        self.spans = [
            np.arange(a, b) for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        ]
        self.n = total

    def explained(self, spans: Sequence[int]) -> tuple[float, int]:
        """Return the sum of squares and rank of the model of some blocks."""
        at = np.concatenate([self.spans[i] for i in spans]) if spans else np.empty(0, int)
        if not len(at):
            return 0.0, 0
        sub = self.xx[np.ix_(at, at)]
        solution, _, rank, _ = np.linalg.lstsq(sub, self.xy[at], rcond=1e-9)
        return float(self.xy[at] @ solution), int(rank)

    def shares(self) -> NDArray[np.float64]:
        """Omega squared of each block, given all others (type II)."""
        full = range(len(self.spans))
        whole, rank = self.explained(full)
        mse = max(self.yy - whole, 1e-12 * self.yy) / max(self.n - 1 - rank, 1.0)
        out = []
        for block in full:
            without, lower = self.explained([i for i in full if i != block])
            gain = max(whole - without, 0.0)
            out.append((gain - max(rank - lower, 1) * mse) / (self.yy + mse))
        return np.array(out, dtype=float)


def _anova(
    rows: pd.DataFrame,
    columns: list[str],
    y: NDArray[np.float64],
    groups: NDArray[np.int64],
    interactions: bool,
    resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, float]:
    stats = library("scipy.stats")
    codes = [_levels(rows[name]) for name in columns]
    blocks = [_dummies(code) for code in codes]
    y = y - y.mean()
    owner = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    fit = Fit(np.concatenate(blocks, axis=1), y)
    tests = [fit.without(owner == i) for i in range(len(blocks))]
    names, order = list(columns), ["first"] * len(columns)
    if interactions and len(columns) > 1:
        strongest = np.argsort([-test.share for test in tests])[:_PAIRED_FACTORS]
        for i, j in itertools.combinations(sorted(strongest.tolist()), 2):
            if (blocks[i].shape[1] + 1) * (blocks[j].shape[1] + 1) * 4 > len(y):
                continue
            product = (blocks[i][:, :, None] * blocks[j][:, None, :]).reshape(len(y), -1)
            tests.append(fit.beside(product))
            names.append(f"{columns[i]}:{columns[j]}")
            order.append("pair")
    tests = _clustered(names, rows, y, groups, tests)
    share = np.array([test.share for test in tests])
    low, high = _bootstrap(blocks, y, groups, resamples, seed)
    # Pairs have no bootstrap of their own: the moments of their test give their interval.
    ends = np.array([test.interval(stats) for test in tests[len(columns) :]]).reshape(-1, 2)
    low, high = np.append(low, ends[:, 0]), np.append(high, ends[:, 1])
    floor = max(test.floor(stats) for test in tests)
    described = [_described(code, rows[c], y) for code, c in zip(codes, columns, strict=True)]
    described += [(np.nan, "mixed")] * (len(names) - len(columns))
    out = pd.DataFrame(
        {
            "factors": names,
            "order": order,
            "share": share,
            "ci_low": np.minimum(low, share),
            "ci_high": np.maximum(high, share),
            "p": holm(np.array([test.p(stats) for test in tests])),
            "effect": [effect for effect, _ in described],
            "direction": [direction for _, direction in described],
            "n": len(y),
        }
    )
    return out, floor


def _clustered(
    names: list[str],
    rows: pd.DataFrame,
    y: NDArray[np.float64],
    groups: NDArray[np.int64],
    tests: list[SumOfSquares],
) -> list[SumOfSquares]:
    """Tests of factors that copies of a job share, corrected for the correlation of the copies.

    Copies are no independent repeats for them: they count as n / design effect rows.
    Factors that vary within the copies of a job are left as they are.
    """
    if len(np.unique(groups)) == len(y):
        return tests
    effect = design_effect(y, groups)
    shared = {
        str(name): bool(rows[name].groupby(groups).nunique(dropna=False).max() <= 1)
        for name in rows.columns
    }
    out = []
    for name, test in zip(names, tests, strict=True):
        parts = [name] if name in shared else name.split(":")
        if all(shared[part] for part in parts):
            fewer = max(test.residual - len(y) + len(y) / effect, 1.0) / test.residual
            test = replace(
                test,
                noise=test.noise / fewer,
                freedom=max(test.freedom * fewer, 1.0),
                spread=test.spread / fewer**2,
                loudest=test.loudest / fewer,
            )
        out.append(test)
    return out


def _bootstrap(
    blocks: list[NDArray[np.float64]],
    y: NDArray[np.float64],
    groups: NDArray[np.int64],
    resamples: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile intervals of the main effects; of large data, from a subset of the rows.

    Rows that belong together (copies of one job) are drawn together.
    Rows past 4,000 are left out of the resampling, and the width is scaled by the root of the
    number of rows.
    """
    rng = np.random.default_rng(seed)
    used = rng.permutation(len(y))[:4000]
    scale = np.sqrt(len(used) / len(y))
    parts, target = [block[used] for block in blocks], y[used]
    units, unit = np.unique(groups[used], return_inverse=True)
    if len(units) == len(used):
        unit = np.arange(len(used))
    found = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(units), len(units))
        weights = np.bincount(drawn, minlength=len(units))[unit]
        found.append(_Model(parts, target, weights.astype(float)).shares())
    values = np.array(found)
    center = _Model(blocks, y, np.ones(len(y))).shares()
    # Resampling adds the bins' chance variation once more; what it adds on average is removed.
    ends = np.array([interval(column - np.median(column)) for column in values.T])
    return center + scale * ends[:, 0], center + scale * ends[:, 1]


def _described(
    codes: NDArray[np.int64], values: pd.Series[Any], y: NDArray[np.float64]
) -> tuple[float, str]:
    means = pd.Series(y).groupby(codes).mean()
    effect = float(means.max() - means.min())
    if not is_number(values):
        return effect, "mixed"
    rank = pd.Series(y).corr(pd.Series(numbers(values)), method="spearman")
    steps = means.to_numpy()
    if len(steps) == 2 or abs(np.corrcoef(np.arange(len(steps)), steps)[0, 1]) > 0.7:
        return effect, "up" if rank > 0 else "down"
    return effect, "mixed"


def _given_data(
    rows: pd.DataFrame,
    columns: list[str],
    y: NDArray[np.float64],
    method: str,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    x = np.column_stack([numbers(rows[name]) for name in columns])
    complete = np.isfinite(x).all(1)
    x, y = x[complete], y[complete]
    problem = {
        "num_vars": len(columns),
        "names": columns,
        "bounds": [[float(a), float(b)] for a, b in zip(x.min(0), x.max(0), strict=True)],
    }
    analyze = library(f"SALib.analyze.{method}").analyze
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SALib's own use of pandas and numpy
        found = analyze(problem, x, y, num_resamples=resamples, seed=seed)
    share, margin = np.asarray(found["S1"]), np.asarray(found["S1_conf"])
    whole = rows[complete]
    described = [_described(_levels(whole[name]), whole[name], y) for name in columns]
    return pd.DataFrame(
        {
            "factors": columns,
            "order": "first",
            "share": share,
            "ci_low": share - margin,
            "ci_high": share + margin,
            "p": np.nan,
            "effect": [effect for effect, _ in described],
            "direction": [direction for _, direction in described],
            "n": len(y),
        }
    )


def _warn_of_dependence(rows: pd.DataFrame, columns: list[str], independent: int) -> None:
    """Warn of associated factors: rank correlation beyond chance (Bonferroni) and above 0.2."""
    if len(columns) < 2:
        return
    x = pd.DataFrame({name: numbers(rows[name]) for name in columns}).rank()
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.corrcoef(x.fillna(x.mean()).to_numpy().T)
    pairs = len(columns) * (len(columns) - 1) / 2
    limit = max(0.2, library("scipy.stats").norm.isf(0.005 / pairs) / np.sqrt(independent))
    found = [
        f"{columns[i]} and {columns[j]} (r = {r[i, j]:.2f})"
        for i, j in itertools.combinations(range(len(columns)), 2)
        if abs(r[i, j]) > limit
    ]
    if found:
        warn_user(
            f"Columns were not drawn independently: {'; '.join(found[:3])}"
            f"{f' and {len(found) - 3} more pairs' if len(found) > 3 else ''}. Their shares cannot "
            "be told apart; pass by= with one of each, or draw them independently.",
            DependentColumns,
        )
