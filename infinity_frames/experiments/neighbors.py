"""Jobs near given ones."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.parameters.columns import is_missing, typed
from infinity_frames.protocol.parameters.draws import sensible
from infinity_frames.protocol.parameters.rules import broken
from infinity_frames.protocol.spec import Constant, Generator, Parameter

__all__ = ["near"]

_ROUNDS = 200


def near(
    spec: Generator,
    rows: pd.DataFrame,
    n: int = 5,
    *,
    spread: float = 0.1,
    vary: str | Sequence[str] | None = None,
    reseed: bool = False,
    seed: int | None = None,
) -> pd.DataFrame:
    """Return jobs around each row.

    Numbers are drawn from a normal distribution around the row's value, truncated to the
    parameter's range, with a standard deviation of `spread` times that range. Choices and booleans
    change to another value with probability `spread`.

    Parameters
    ----------
    spec : Generator
        Whose parameters.
    rows : DataFrame
        Jobs, batch or results rows.
    n : int
        Neighbors per row.
    spread : float
        0 to 1.
    vary : str or sequence of str, optional
        Parameters to change; by default all that the generator draws.
    reseed : bool
        Draw fresh random decisions; otherwise those of the row are repeated.
    seed : int, optional
        Makes the draws repeatable.

    Returns
    -------
    DataFrame
        n jobs per row, ``tag_base`` says which row. All rules of the generator hold.

    Raises
    ------
    FrameError
        A parameter is unknown or has no range, or no neighbor keeps the joint rules.

    Examples
    --------
    >>> near_misses = scored.nsmallest(20, "oks").infinity.near(5, spread=0.1)
    """
    if n < 1 or not 0 < spread <= 1:
        raise FrameError("n must be at least 1, and spread more than 0 and at most 1.")
    varied = _varied(spec, vary)
    drafted = parameters.sweep(spec, rows, pd.DataFrame({"tag_near": range(n)}), seed=seed)
    jobs = parameters.fill(spec, drafted)
    if reseed:
        jobs = parameters.reseeded(spec, jobs, seed)
    rng = np.random.default_rng(seed)
    centers = {p.name: jobs[p.name].copy() for p in varied}
    open_rows = np.ones(len(jobs), bool)
    for _ in range(_ROUNDS):
        for parameter in varied:
            moved = _moved(parameter, centers[parameter.name][open_rows], spread, rng)
            column = jobs[parameter.name].copy()
            column[open_rows] = moved.array
            jobs[parameter.name] = column
        columns = {name: jobs[name] for name in spec.by_name}
        open_rows = np.zeros(len(jobs), bool)
        for rule in spec.constraints:
            if set(rule.parameters) & {p.name for p in varied}:
                open_rows |= broken(rule, columns)
        if not open_rows.any():
            break
    else:
        raise FrameError(
            f"{int(open_rows.sum())} of {len(jobs)} neighbors keep breaking a joint rule.",
            advice="Use another spread, or vary fewer parameters.",
        )
    out = jobs.drop(columns="tag_near")
    out.attrs = dict(rows.attrs)
    return out


def _varied(spec: Generator, vary: str | Sequence[str] | None) -> list[Parameter]:
    if vary is None:
        return [
            p
            for p in spec.parameters
            if p.name not in ("random_seed", "state")
            and not isinstance(sensible(p), Constant)
            and _can_move(p)
        ]
    names = [vary] if isinstance(vary, str) else list(vary)
    for name in names:
        if name not in spec.by_name:
            raise FrameError(f"There is no parameter {name}.", advice=nearest(name, spec.by_name))
        if not _can_move(spec.by_name[name]):
            raise FrameError(f"{name} has no range and no choices, so nothing is near its value.")
    return [spec.by_name[name] for name in names]


def _can_move(parameter: Parameter) -> bool:
    if parameter.choices is not None or parameter.type == "bool":
        return True
    return parameter.type in ("int", "float") and None not in (parameter.min, parameter.max)


def _moved(
    parameter: Parameter, values: pd.Series[Any], spread: float, rng: np.random.Generator
) -> pd.Series[Any]:
    known = ~is_missing(values)
    if parameter.choices is not None or parameter.type == "bool":
        options = np.array(parameter.choices or (False, True), dtype=object)
        picks = options[rng.integers(0, len(options), len(values))]
        # A draw may return the old value: the probability of a draw is raised to make up for it.
        change = rng.random(len(values)) < min(
            1.0, spread * len(options) / max(len(options) - 1, 1)
        )
        return typed(parameter, values.astype(object).where(~(change & known), picks))
    assert parameter.min is not None
    assert parameter.max is not None
    low, high = parameter.min, parameter.max
    deviation = max(spread * (high - low), 1e-12)
    at = values.to_numpy("float64", na_value=np.nan)
    unit = NormalDist()
    ends = [(unit.cdf((low - x) / deviation), unit.cdf((high - x) / deviation)) for x in at]
    places = [a + u * (b - a) for (a, b), u in zip(ends, rng.random(len(at)), strict=True)]
    inside = np.clip(np.nan_to_num(places, nan=0.5), 1e-12, 1 - 1e-12)
    steps = [unit.inv_cdf(p) for p in inside.tolist()]
    draws = at + deviation * np.array(steps)
    moved = np.clip(draws, low, high)
    moved = np.rint(moved) if parameter.type == "int" else moved
    return typed(parameter, pd.Series(moved, index=values.index, dtype=object).where(known, None))
