"""Empty and thin cells of a data set, and jobs that fill them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.experiments.extra import library
from infinity_frames.experiments.factors import holm, is_number, numbers
from infinity_frames.experiments.sampling import sample
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.spec import Generator

__all__ = ["cover", "gaps"]

Target = Mapping[Any, float] | pd.DataFrame | None
THIN = 0.5
"""A cell with less than this share of its target is thin."""

_POOL = 20_000
_TRAINING_ROWS = 60


def gaps(
    frame: pd.DataFrame,
    by: str | Sequence[str],
    *,
    bins: int | Mapping[str, Sequence[float]] = 5,
    target: Target = None,
) -> pd.DataFrame:
    """Count the rows in each cell over one to three columns, against a target.

    Parameters
    ----------
    frame : DataFrame
        Jobs, results or labels.
    by : str or sequence of str
        One to three columns: parameters or outcomes.
    bins : int or mapping of str to edges
        Number of equal bins per number, over the data's 1st to 99th percentile; or the edges.
    target : None, mapping or DataFrame
        None: the same count in every cell. A mapping: weight of each value of the single column. A
        frame, such as a real data set's: its own shares of the cells.

    Returns
    -------
    DataFrame
        A row per cell: for each column its value, or ``<column>_low`` and ``<column>_high``; rule
        (for ``query``, SQL and ``sample(where=)``), n, target (count), ratio (n / target), p (of
        so few rows if the target were true, binomial, Holm-corrected), verdict ("empty", "thin",
        "filled"), fewest first.

    Raises
    ------
    FrameError
        A column is missing, there are more than three, or the frame is empty.

    Examples
    --------
    >>> looks.infinity.gaps(by=["person_height_px", "percent_occlusion"])
    """
    columns = [by] if isinstance(by, str) else list(by)
    _require(frame, columns)
    axes = [_axis(frame, name, bins, target) for name in columns]
    cells = _cells(frame, columns, axes)
    n = np.bincount(cells[cells >= 0], minlength=int(np.prod([len(a) for a in axes])))
    share = _target(columns, axes, target)
    total = int(n.sum())
    expected = share * total
    stats = library("scipy.stats")
    p = np.where(share > 0, stats.binom.cdf(n, total, np.maximum(share, 1e-15)), 1.0)
    p = holm(p)
    rows = []
    for combination in itertools.product(*axes):
        row: dict[str, Any] = {}
        for cell in combination:
            row.update(cell.columns)
        row["rule"] = " and ".join(cell.rule for cell in combination)
        rows.append(row)
    out = pd.DataFrame(rows)
    out["n"], out["target"] = n, expected
    out["ratio"] = n / np.where(expected > 0, expected, np.nan)
    out["p"] = p
    thin = (n < THIN * expected) & (p < 0.05)
    out["verdict"] = np.where((n == 0) & (expected > 0), "empty", np.where(thin, "thin", "filled"))
    out = out.sort_values("ratio", kind="stable").reset_index(drop=True)
    out.attrs["gaps"] = {"by": columns}
    return out


class _Cell:
    """One bin of a number or one value of a category."""

    def __init__(self, name: str, low: Any, high: Any = None, last: bool = False) -> None:
        self.name, self.low, self.high, self.last = name, low, high, last
        shown = name if name.isidentifier() else f"`{name}`"
        if high is None:
            self.columns = {name: low}
            self.rule = f"{shown} == {low!r}"
        else:
            self.columns = {f"{name}_low": low, f"{name}_high": high}
            self.rule = f"{shown} >= {low!r} and {shown} {'<=' if last else '<'} {high!r}"

    def held(self, values: pd.Series[Any]) -> NDArray[np.bool_]:
        if self.high is None:
            return np.asarray((values == self.low).fillna(False), dtype=bool)
        at = numbers(values)
        below = at <= self.high if self.last else at < self.high
        return np.asarray((at >= self.low) & below, dtype=bool)


def _require(frame: pd.DataFrame, columns: list[str]) -> None:
    if not 1 <= len(columns) <= 3:
        raise FrameError(f"{len(columns)} columns to divide by.", advice="Pass one to three.")
    for name in columns:
        if name not in frame.columns:
            raise FrameError(
                f"There is no column {name!r}.",
                advice=f"{nearest(name, map(str, frame.columns))} Join outcomes to the jobs first.",
            )
        if not frame[name].notna().any():
            raise FrameError(f"The column {name!r} has no values.")


def _axis(frame: pd.DataFrame, name: str, bins: Any, target: Target) -> list[_Cell]:
    values = frame[name]
    extra = target[name] if isinstance(target, pd.DataFrame) and name in target.columns else None
    if not is_number(values) or pd.api.types.is_bool_dtype(values.dtype):
        known = list(values.cat.categories) if isinstance(values.dtype, pd.CategoricalDtype) else []
        more = [*values.dropna().unique(), *([] if extra is None else extra.dropna().unique())]
        more += list(target) if isinstance(target, Mapping) else []
        return [_Cell(name, _item(v)) for v in dict.fromkeys([*known, *sorted(set(more), key=str)])]
    given = bins.get(name) if isinstance(bins, Mapping) else None
    if given is not None:
        edges = np.asarray(given, dtype=float)
    else:
        both = numbers(values) if extra is None else np.append(numbers(values), numbers(extra))
        low, high = np.nanpercentile(both, [1, 99])
        count = bins if isinstance(bins, int) else 5
        edges = np.linspace(low, high, count + 1) if high > low else np.array([low, low + 1])
        digits = int(np.clip(2 - np.floor(np.log10(max(edges[-1] - edges[0], 1e-9))), 0, 12))
        edges = np.unique(np.round(edges, digits))
    pairs = list(itertools.pairwise(edges.tolist()))
    return [_Cell(name, a, b, i == len(pairs) - 1) for i, (a, b) in enumerate(pairs)]


def _item(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _cells(frame: pd.DataFrame, columns: list[str], axes: list[list[_Cell]]) -> NDArray[np.int64]:
    """Return the number of the cell of each row; -1 outside all of them."""
    out = np.zeros(len(frame), dtype=np.int64)
    for name, axis in zip(columns, axes, strict=True):
        place = np.full(len(frame), -1)
        for number, cell in enumerate(axis):
            place[cell.held(frame[name])] = number
        out = np.where((out < 0) | (place < 0), -1, out * len(axis) + place)
    return out


def _target(columns: list[str], axes: list[list[_Cell]], target: Target) -> NDArray[np.float64]:
    count = int(np.prod([len(axis) for axis in axes]))
    if target is None:
        return np.full(count, 1 / count)
    if isinstance(target, pd.DataFrame):
        _require(target, columns)
        cells = _cells(target, columns, axes)
        n = np.bincount(cells[cells >= 0], minlength=count).astype(float)
    else:
        if len(axes) > 1:
            raise FrameError("A mapping is a target of one column.", advice="Pass a frame.")
        n = np.array([float(target.get(cell.low, 0.0)) for cell in axes[0]])
    if n.sum() <= 0:
        raise FrameError("The target has no row in any cell.", advice="Check its units.")
    return np.asarray(n / n.sum())


def cover(
    spec: Generator,
    frame: pd.DataFrame,
    n: int,
    by: str | Sequence[str],
    *,
    bins: int | Mapping[str, Sequence[float]] = 5,
    target: Target = None,
    seed: int = 0,
    pool: int = _POOL,
    fixed: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """N jobs that fill the thin cells of :func:`gaps`.

    Cells over parameters are filled directly, with ``sample(where=)``. For outcomes a classifier
    (histogram gradient boosting, scikit-learn) learns from the rows at hand how parameters decide
    the cell, and the jobs most likely to fall in the wanted cells are taken from `pool` draws.

    Parameters
    ----------
    spec : Generator
        Whose parameters.
    frame : DataFrame
        Results rows with the columns `by`.
    n : int
        How many jobs.
    by, bins, target
        As for :func:`gaps`.
    seed : int
        The same seed, the same jobs.
    pool : int
        Candidate draws to choose from.
    fixed : mapping, optional
        Values or distributions of other parameters, as for ``session.sample``.

    Returns
    -------
    DataFrame
        Jobs, with ``tag_cell`` (the rule that each should satisfy) and ``tag_probability``.

    Raises
    ------
    FrameError
        No cell is thin, or there are fewer than 60 rows to learn outcomes from.

    Examples
    --------
    >>> jobs = looks.infinity.cover(200, by=["camera_height", "percent_occlusion"])
    """
    columns = [by] if isinstance(by, str) else list(by)
    found = gaps(frame, columns, bins=bins, target=target)
    needed = found[found["verdict"] != "filled"]
    if not len(needed):
        raise FrameError("No cell is empty or thin.", advice="Use more bins or another target.")
    missing = (needed["target"] - needed["n"]).to_numpy(float)
    quota = np.floor(np.cumsum(missing / missing.sum()) * n + 1e-9)
    quota = np.diff(quota, prepend=0).astype(int)
    rules = needed["rule"].tolist()
    if all(name in spec.by_name for name in columns):
        return _by_parameters(spec, rules, quota, seed, fixed)
    candidates = sample(spec, pool, seed=seed, fixed=fixed)
    return _by_outcome(spec, frame, columns, rules, quota, candidates, seed)


def _by_parameters(
    spec: Generator,
    rules: list[str],
    quota: NDArray[np.int64],
    seed: int,
    fixed: Mapping[str, Any] | None,
) -> pd.DataFrame:
    parts, skipped = [], 0
    for number, (rule, count) in enumerate(zip(rules, quota.tolist(), strict=True)):
        wanted, skipped = count + skipped, 0
        if not wanted:
            continue
        try:
            jobs = sample(spec, wanted, where=rule, seed=seed + number, fixed=fixed)
        except FrameError:
            skipped = wanted  # the generator cannot make this cell: its share goes to the next
            continue
        parts.append(jobs.assign(tag_cell=rule, tag_probability=1.0))
    if skipped and parts:
        rule = str(parts[-1]["tag_cell"].iloc[0])
        jobs = sample(spec, skipped, where=rule, seed=seed + len(rules), fixed=fixed)
        parts.append(jobs.assign(tag_cell=rule, tag_probability=1.0))
    if not parts:
        raise FrameError("The generator cannot make a job in any of the thin cells.")
    return pd.concat(parts, ignore_index=True)


def _by_outcome(
    spec: Generator,
    frame: pd.DataFrame,
    columns: list[str],
    rules: list[str],
    quota: NDArray[np.int64],
    candidates: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    known = frame.dropna(subset=columns)
    if "job_id" in known.columns:
        known = known.drop_duplicates("job_id")
    if len(known) < _TRAINING_ROWS:
        raise FrameError(
            f"Not enough data: {len(known)} jobs with {', '.join(columns)}, and {_TRAINING_ROWS} "
            "are needed to learn how parameters decide them.",
            advice="Render more previews first.",
        )
    probability = _probabilities(spec, known, columns, candidates, rules, seed)
    free = np.ones(len(candidates), dtype=bool)
    picked: list[pd.DataFrame] = []
    # The hardest cells choose first.
    for cell in np.argsort(probability.max(axis=1)):
        chance = np.where(free, probability[cell], -1.0)
        best = np.argsort(-chance, kind="stable")[: quota[cell]]
        free[best] = False
        jobs = candidates.iloc[best]
        picked.append(jobs.assign(tag_cell=rules[cell], tag_probability=probability[cell][best]))
    return pd.concat(picked, ignore_index=True)


def _probabilities(
    spec: Generator,
    known: pd.DataFrame,
    columns: list[str],
    candidates: pd.DataFrame,
    rules: list[str],
    seed: int,
) -> NDArray[np.float64]:
    """Probability of each cell for each candidate: (cells, candidates).

    Each outcome is predicted by gradient boosting; its error, of out-of-fold predictions, makes
    the prediction a distribution over the cells.
    """
    ensemble = library("sklearn.ensemble")
    folds = library("sklearn.model_selection")
    names = [
        name
        for name in spec.by_name
        if name in known.columns and known[name].nunique() > 1 and name not in ("state",)
    ]
    if not names:
        raise FrameError("The rows have no parameter that varies.", advice="Keep the parameters.")
    x, new = _encoded(spec, known, names), _encoded(spec, candidates, names)
    rng = np.random.default_rng(seed)
    draws = 40
    outcomes = {}
    for name in columns:
        if name in spec.by_name:
            outcomes[name] = np.repeat(numbers(candidates[name])[None], draws, axis=0)
            continue
        if not is_number(known[name]):
            raise FrameError(f"The outcome {name} is no number.", advice="Use a number or bool.")
        y = numbers(known[name])
        model = ensemble.HistGradientBoostingRegressor(
            random_state=seed, max_iter=150, min_samples_leaf=max(5, len(y) // 60)
        )
        error = y - folds.cross_val_predict(model, x, y, cv=5)
        predicted = model.fit(x, y).predict(new)
        outcomes[name] = predicted[None] + rng.choice(error, (draws, len(new)))
    flat = pd.DataFrame({name: values.ravel() for name, values in outcomes.items()})
    held = [np.asarray(flat.eval(rule)).reshape(draws, -1).mean(axis=0) for rule in rules]
    return np.array(held)


def _encoded(spec: Generator, frame: pd.DataFrame, names: list[str]) -> NDArray[np.float64]:
    columns = []
    for name in names:
        choices = spec.by_name[name].choices
        if choices is not None and not is_number(frame[name]):
            values = frame[name].astype(object)
            columns += [np.asarray(values == choice, dtype=float) for choice in choices]
        else:
            columns.append(numbers(frame[name]))
    return np.column_stack(columns)
