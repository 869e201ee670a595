"""Find rules that describe where a metric is worst: on one half, confirmed on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.experiments.extra import library
from infinity_frames.experiments.factors import (
    design_effect,
    factors_of,
    groups_of,
    holm,
    is_number,
    numbers,
    one_row_per_unit,
)
from infinity_frames.protocol.errors import FrameError

__all__ = ["slices"]

MIN_ROWS = 40
"""Independent rows below which nothing is claimed."""

_BEAM = 60
_CANDIDATES = 40


@dataclass(frozen=True)
class _Condition:
    column: str
    rule: str
    sql: str
    side: str


def slices(
    frame: pd.DataFrame,
    metric: str,
    *,
    worst: Literal["low", "high"] = "low",
    by: str | Sequence[str] | None = None,
    conditions: int = 2,
    support: float = 0.02,
    k: int = 10,
    alpha: float = 0.05,
    seed: int = 0,
) -> pd.DataFrame:
    """Rules over columns under which a metric is worse than elsewhere.

    A beam search over conjunctions of at most `conditions` conditions (thresholds at deciles,
    categories by value) ranks rules by Welch's t on one half of the jobs. The best are tested on
    the other half, and p-values are corrected by Holm (1979) over the rules tested. Estimates
    come from the second half only. Copies of one job (``tag_base``) are in the same half, and
    standard errors are enlarged by their design effect (Kish 1965). A rule that a better one
    explains is left out.

    Parameters
    ----------
    frame : DataFrame
        Rows with the metric and its candidate explanations; frames of a job are averaged.
    metric : str
        A number or bool.
    worst : {"low", "high"}
        Which end is bad.
    by : str or sequence of str, optional
        Columns to use; by default every parameter and scalar label that varies.
        ``frame.infinity.slices`` takes ``"parameters"`` for all parameters of the generator.
    conditions : int
        At most this many per rule, 1 to 3.
    support : float
        Least share of rows that a rule must hold for.
    k : int
        At most this many rules.
    alpha : float
        Level of the adjusted p-value.
    seed : int
        Of the division into halves.

    Returns
    -------
    DataFrame
        rule (for ``DataFrame.query`` and SQL; for ``sample(where=)`` too if its columns are
        parameters), sql, n, share, mean, rest, lift (mean - rest), ci_low, ci_high (95 % of lift),
        p (adjusted); the worst first. Empty if nothing was confirmed; ``attrs["slices"]`` says
        how many rows and rules were examined.

    Raises
    ------
    FrameError
        A column is missing, or there are fewer than 40 independent rows.

    Examples
    --------
    >>> worst = scored.infinity.slices("oks", worst="low", by="parameters")
    >>> session.sample(200, where=worst["rule"].iloc[0])
    """
    if worst not in ("low", "high") or not 1 <= conditions <= 3:
        raise FrameError('worst must be "low" or "high", and conditions 1, 2 or 3.')
    columns = factors_of(frame, metric, by)
    rows = one_row_per_unit(frame[frame[metric].notna()], metric, columns)
    groups = groups_of(rows)
    if len(np.unique(groups)) < MIN_ROWS:
        raise FrameError(
            f"Not enough data: {len(np.unique(groups))} independent rows with {metric}, and "
            f"{MIN_ROWS} are needed to find rules on one half and confirm them on the other.",
            advice="Render more jobs.",
        )
    values = numbers(rows[metric]) * (-1 if worst == "low" else 1)
    first = np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % 2 == 0
    found, masks = _conditions(rows, columns)
    tests = _searched(found, masks[:, first], values[first], conditions, support)
    effect = design_effect(values[~first], groups[~first])
    out = _confirmed(found, masks[:, ~first], values[~first], tests, effect)
    held = np.array([masks[list(parts)].all(0) for parts in tests])[:, ~first] if tests else masks
    significant = out[(out["p"] <= alpha) & (out["lift"] > 0)]
    out = _pruned(significant, held, values[~first], k, alpha, effect)
    out = _signed(out.drop(columns="parts"), worst)
    out.attrs["slices"] = {
        "rows": len(rows),
        "confirmed_on": int((~first).sum()),
        "tested": len(tests),
        "metric": metric,
    }
    return out


def _signed(out: pd.DataFrame, worst: str) -> pd.DataFrame:
    """Undo the change of sign that makes high values bad."""
    if worst == "low":
        low, high = out["ci_low"].copy(), out["ci_high"].copy()
        out[["mean", "rest", "lift"]] = -out[["mean", "rest", "lift"]]
        out["ci_low"], out["ci_high"] = -high, -low
    return out.reset_index(drop=True)


def _conditions(
    rows: pd.DataFrame, columns: Sequence[str]
) -> tuple[list[_Condition], NDArray[np.bool_]]:
    found: list[_Condition] = []
    masks: list[NDArray[np.bool_]] = []
    for column in columns:
        name = column if column.isidentifier() else f"`{column}`"
        quoted = column if column.isidentifier() else '"' + column.replace('"', '""') + '"'
        values = rows[column]
        boolean = pd.api.types.is_bool_dtype(values.dtype)
        if is_number(values) and not boolean and values.nunique() > 4:
            at = numbers(values)
            for cut in _cuts(at):
                for sign, mask in ((">", at > cut), ("<=", at <= cut)):
                    found.append(
                        _Condition(
                            column, f"{name} {sign} {cut!r}", f"{quoted} {sign} {cut!r}", sign
                        )
                    )
                    masks.append(mask)
            continue
        for value in values.dropna().unique():
            plain = value.item() if hasattr(value, "item") else value
            text = "'" + plain.replace("'", "''") + "'" if isinstance(plain, str) else repr(plain)
            found.append(_Condition(column, f"{name} == {plain!r}", f"{quoted} == {text}", "=="))
            masks.append(np.asarray((values == value).fillna(False), dtype=bool))
    return found, np.array(masks, dtype=bool).reshape(len(found), len(rows))


def _cuts(values: NDArray[np.float64]) -> list[float]:
    """Deciles, rounded to three significant digits of the range."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return []
    spread = float(np.ptp(finite))
    digits = int(np.clip(2 - np.floor(np.log10(spread)), 0, 12)) if spread > 0 else 0
    cuts = np.unique(np.round(np.percentile(finite, np.arange(10, 100, 10)), digits))
    return [float(cut) for cut in cuts]


def _statistics(
    masks: NDArray[np.bool_], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Per mask: n, mean inside, mean outside, standard error of their difference."""
    inside = masks.astype(np.float32)
    center = values.mean()
    v = (values - center).astype(np.float32)
    n, s, q = inside.sum(1, dtype=np.float64), inside @ v, inside @ (v * v)
    m, total, square = len(values) - n, float(v.sum()), float((v * v).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, rest = s / n, (total - s) / m
        var_in = np.maximum(q / n - mean**2, 1e-12) * n / np.maximum(n - 1, 1)
        var_out = np.maximum((square - q) / m - rest**2, 1e-12) * m / np.maximum(m - 1, 1)
        error = np.sqrt(var_in / n + var_out / m)
    return n, mean + center, rest + center, error


def _searched(
    found: list[_Condition],
    masks: NDArray[np.bool_],
    values: NDArray[np.float64],
    depth: int,
    support: float,
) -> list[tuple[int, ...]]:
    """Return the best conjunctions on the first half, by Welch's t."""
    least = max(5.0, support * masks.shape[1])
    scores: dict[tuple[int, ...], float] = {}
    beam: list[tuple[int, ...]] = [()]
    for _ in range(depth):
        level: dict[tuple[int, ...], float] = {}
        for parts in beam:
            kept = masks[list(parts)].all(0) if parts else np.ones(masks.shape[1], bool)
            taken = {(found[p].column, found[p].side) for p in parts}
            taken |= {(found[p].column, "==") for p in parts}
            allowed = [
                i
                for i, c in enumerate(found)
                if (c.column, c.side) not in taken
                and not (c.side == "==" and any(c.column == found[p].column for p in parts))
            ]
            if not allowed:
                continue
            n, mean, rest, error = _statistics(masks[allowed] & kept, values)
            t = np.where((n >= least) & (n <= len(values) - least), (mean - rest) / error, -np.inf)
            for place in np.argsort(-t)[:_BEAM]:
                if t[place] > 0:
                    level[tuple(sorted((*parts, allowed[place])))] = float(t[place])
        beam = sorted(level, key=level.__getitem__, reverse=True)[:_BEAM]
        scores.update({parts: level[parts] for parts in beam})
    return sorted(scores, key=scores.__getitem__, reverse=True)[:_CANDIDATES]


def _confirmed(
    found: list[_Condition],
    masks: NDArray[np.bool_],
    values: NDArray[np.float64],
    tests: list[tuple[int, ...]],
    effect: float,
) -> pd.DataFrame:
    """Estimates of the candidate rules on the second half."""
    columns = ["rule", "sql", "n", "share", "mean", "rest", "lift", "ci_low", "ci_high", "p"]
    if not tests:
        return pd.DataFrame(columns=[*columns, "parts"])
    held = np.array([masks[list(parts)].all(0) for parts in tests])
    n, mean, rest, error = _statistics(held, values)
    error = error * np.sqrt(effect)
    freedom = np.maximum(np.minimum(n, len(values) - n) / effect - 1, 1)
    stats = library("scipy.stats")
    lift = mean - rest
    p = np.nan_to_num(stats.t.sf(lift / error, freedom), nan=1.0)
    p = np.where(n < 5, 1.0, p)
    adjusted = holm(p)
    margin = stats.t.ppf(0.975, freedom) * error
    return pd.DataFrame(
        {
            "rule": [" and ".join(found[p].rule for p in parts) for parts in tests],
            "sql": [" AND ".join(found[p].sql for p in parts) for parts in tests],
            "n": n.astype("int64"),
            "share": n / len(values),
            "mean": mean,
            "rest": rest,
            "lift": lift,
            "ci_low": lift - margin,
            "ci_high": lift + margin,
            "p": adjusted,
            "parts": [
                frozenset((found[p].column, found[p].side, found[p].rule) for p in parts)
                for parts in tests
            ],
        }
    )


def _welch(inside: NDArray[np.float64], outside: NDArray[np.float64], effect: float) -> float:
    """P-value of Welch's test that `inside` is larger; also where all values are the same."""
    means = inside.mean(), outside.mean()
    spreads = inside.std(ddof=1), outside.std(ddof=1)
    if max(spreads) == 0:
        return 0.0 if means[0] > means[1] else 1.0
    test = library("scipy.stats").ttest_ind_from_stats(
        means[0],
        spreads[0],
        max(len(inside) / effect, 2.0),
        means[1],
        spreads[1],
        max(len(outside) / effect, 2.0),
        equal_var=False,
        alternative="greater",
    )
    return float(test.pvalue)


def _pruned(
    out: pd.DataFrame,
    held: NDArray[np.bool_],
    values: NDArray[np.float64],
    k: int,
    alpha: float,
    effect: float,
) -> pd.DataFrame:
    """Keep rules that are still worse on the rows that no better rule holds for."""
    if not len(out):
        return out
    score = out["lift"] * np.sqrt(out["share"].astype(float))
    kept: list[Any] = []
    covered = np.zeros(len(values), bool)
    seen: list[frozenset[tuple[str, str]]] = []
    for label in score.sort_values(ascending=False).index:
        parts: Any = out["parts"][label]
        sides = frozenset((column, side) for column, side, _ in parts)
        if any(sides <= other or other <= sides for other in seen):
            continue
        mask = held[int(label)]
        inside, outside = values[mask & ~covered], values[~mask & ~covered]
        if kept:
            if min(len(inside), len(outside)) < 5:
                continue
            if not _welch(inside, outside, effect) <= alpha / len(held):
                continue
        kept.append(label)
        seen.append(sides)
        covered |= mask
        if len(kept) == k:
            break
    return out.loc[kept]
