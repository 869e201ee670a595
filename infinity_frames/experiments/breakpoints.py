"""The value of a parameter at which a model starts to fail, for each job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.client.origin import Origin
from infinity_frames.experiments.rounds import Rounds, Score
from infinity_frames.io.progress import progress
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.parameters.draws import sensible
from infinity_frames.protocol.spec import Normal, Parameter
from infinity_frames.protocol.spec import Uniform as UniformSampling

__all__ = ["breakpoint_of"]

COLUMNS = ["row", "parameter", "breakpoint", "low", "high", "verdict", "flips", "renders"]
_MOST_ROUNDS = 40


def breakpoint_of(
    origin: Origin,
    rows: pd.DataFrame,
    parameter: str,
    score: Score,
    threshold: float,
    *,
    folder: str | Path,
    between: tuple[float, float] | None = None,
    tolerance: float | None = None,
    grid: int = 4,
    worst: Literal["low", "high"] = "low",
    preview: bool = True,
    budget: int | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> pd.DataFrame:
    """Find, for each row, the value of a parameter at which the score crosses a threshold.

    All rows share a batch per round. The first round renders each row at `grid` values from one end
    of the range to the other; each further round halves the interval in which the outcome changes
    (bisection), until it is at most `tolerance` wide. A row takes
    grid + log2(range / (grid - 1) / tolerance) renders. Person, room and motion stay the same.

    Parameters
    ----------
    origin : Origin
        Where jobs are rendered.
    rows : DataFrame
        Jobs, batch or results rows.
    parameter : str
        A number.
    score : callable
        Takes a results frame, returns a number per row.
    threshold : float
        A job fails where its score is below it; with ``worst="high"``, above it.
    folder : path
        Where renders and scores are kept. The same call goes on there after an interruption, and
        renders nothing twice.
    between : (float, float), optional
        The range; by default what the generator draws, or else allows.
    tolerance : float, optional
        Width of the final interval; by default a hundredth of the range, 1 for integers.
    grid : int
        Values of the first round, at least 2. More of them find more non-monotone rows.
    worst : {"low", "high"}
        Which scores are failures.
    preview : bool
        Render one frame of each job.
    budget : int, optional
        Samples that may be rendered in total.
    seed : int
        Of the random decisions of rows that have none.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        A row per row of `rows`: row (its label), parameter, breakpoint (middle of the interval),
        low, high (the interval), verdict, flips (changes of the outcome on the grid), renders.
        Verdicts: "fails above", "fails below"; "never fails", "always fails" (censored: the outcome
        is the same over the whole range); "non-monotone" (several changes; no breakpoint); "out of
        budget"; "no score" (a job failed or a value breaks a joint rule). ``attrs["breakpoint"]``
        holds parameter, threshold, range, samples and folder.

    Raises
    ------
    FrameError
        The parameter is no number, or the folder holds another run.
    Exception
        What `score` raises; everything rendered is kept in the folder.

    Examples
    --------
    >>> jobs.infinity.breakpoint("camera_height", score, 0.5, folder="data/heights")
    """
    spec = _number(origin, parameter)
    low, high = _range(spec, between)
    step = _step(spec, tolerance, high - low)
    if grid < 2 or step <= 0 or not len(rows):
        raise FrameError("breakpoint() needs rows, a grid of at least 2, a positive tolerance.")
    base = _with_seeds(origin, rows, seed)
    rounds = Rounds(origin, score, folder, preview=preview, budget=budget, quiet=quiet)
    search = _Bisection(len(base), low, high, grid, step, spec.type == "int", threshold, worst)
    total = len(base) * (grid + max(int(np.ceil(np.log2((high - low) / (grid - 1) / step))), 0))
    with progress(total, "Breakpoints", quiet=quiet) as bar:
        _bisect(origin, rounds, base, spec, search, bar.update)
    out = _labeled(search.frame(), rows, parameter)
    out.attrs["breakpoint"] = {
        "parameter": parameter,
        "threshold": threshold,
        "range": [low, high],
        "samples": rounds.spent,
        "folder": str(folder),
    }
    return out


def _step(spec: Parameter, tolerance: float | None, width: float) -> float:
    """Width of the final intervals; integers are not divided."""
    if spec.type == "int":
        return 1.0 if tolerance is None else max(tolerance, 1.0) if tolerance > 0 else tolerance
    return width / 100 if tolerance is None else tolerance


def _bisect(
    origin: Origin,
    rounds: Rounds,
    base: pd.DataFrame,
    spec: Parameter,
    search: _Bisection,
    advance: Callable[[int], Any],
) -> None:
    """Render and score round after round, until all rows are decided or the budget is spent."""
    for _ in range(_MOST_ROUNDS):
        at, values = search.wanted()
        if not len(at):
            return
        scores, paid = _probe(origin, rounds, base, spec, at, values)
        search.told(at[:paid], values[:paid], scores[:paid])
        advance(len(at))
        if paid < len(at):
            search.out_of_budget()
            return


def _labeled(out: pd.DataFrame, rows: pd.DataFrame, parameter: str) -> pd.DataFrame:
    """Return what was found, with the label and the job of each row."""
    out.insert(0, "row", [str(label) for label in rows.index])
    out.insert(1, "parameter", parameter)
    for name in ("job_id", "tag_base"):
        if name in rows.columns:
            out[name] = rows[name].astype("string").to_numpy()
    return out


def _number(origin: Origin, name: str) -> Parameter:
    spec = origin.spec.by_name.get(name)
    if spec is None:
        raise FrameError(
            f"The generator has no parameter {name!r}.", advice=nearest(name, origin.spec.by_name)
        )
    if spec.type not in ("int", "float"):
        raise FrameError(
            f"{name} is not a number, so it has no breakpoint.",
            advice="Compare its values with .infinity.sweep() and .infinity.contrast().",
        )
    return spec


def _range(spec: Parameter, between: tuple[float, float] | None) -> tuple[float, float]:
    sampling = sensible(spec)
    low, high = spec.min, spec.max
    if between is not None:
        low, high = between
    elif isinstance(sampling, UniformSampling):
        low, high = sampling.min, sampling.max
    elif isinstance(sampling, Normal):
        low = max(sampling.mean - 3 * sampling.std, -np.inf if low is None else low)
        high = min(sampling.mean + 3 * sampling.std, np.inf if high is None else high)
    if low is None or high is None or not high > low:
        raise FrameError(f"{spec.name} has no range.", advice="Pass between=(low, high).")
    return float(low), float(high)


def _with_seeds(origin: Origin, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Fix the random decisions of each row: by ``state`` if it was submitted, else by a seed."""
    held = parameters.sweep(origin.spec, rows, pd.DataFrame({"tag_breakpoint": [0]}), seed=seed)
    return parameters.fill(origin.spec, held).drop(columns="tag_breakpoint")


def _probe(
    origin: Origin,
    rounds: Rounds,
    base: pd.DataFrame,
    spec: Parameter,
    at: NDArray[np.int64],
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], int]:
    """Scores of rows at values; missing where a joint rule forbids the value."""
    jobs = base.iloc[at].reset_index(drop=True)
    column = pd.Series(values, dtype="float64")
    jobs[spec.name] = column.astype("Int64") if spec.type == "int" else column
    jobs = origin.jobs(jobs)
    broken = set(parameters.violations(origin.spec, jobs)["position"])
    allowed = np.array([i not in broken for i in range(len(jobs))])
    done = rounds.run(jobs[allowed].reset_index(drop=True))
    scores = np.full(len(jobs), np.nan)
    scores[allowed] = done.scores
    places = np.flatnonzero(allowed)
    paid = len(jobs) if done.paid == len(places) else int(places[done.paid])
    return scores, paid


class _Bisection:
    """Values to try for each row, and what came of them."""

    def __init__(
        self,
        count: int,
        low: float,
        high: float,
        grid: int,
        step: float,
        whole: bool,
        threshold: float,
        worst: str,
    ) -> None:
        first = np.linspace(low, high, grid)
        self.grid = np.unique(np.rint(first)) if whole else first
        self.step, self.whole = step, whole
        self.threshold, self.worst = threshold, worst
        self.tried: list[dict[float, bool | None]] = [{} for _ in range(count)]
        self.bracket = np.full((count, 2), np.nan)
        self.verdict: list[str | None] = [None] * count
        self.flips = np.zeros(count, dtype=np.int64)

    def wanted(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows and values of the next round."""
        at: list[int] = []
        values: list[float] = []
        for row, tried in enumerate(self.tried):
            if not tried:
                at += [row] * len(self.grid)
                values += self.grid.tolist()
            elif self._open(row):
                middle = float(self.bracket[row].mean())
                at.append(row)
                values.append(float(np.floor(middle)) if self.whole else middle)
        return np.array(at, dtype=np.int64), np.array(values)

    def _open(self, row: int) -> bool:
        low, high = self.bracket[row]
        return self.verdict[row] in ("fails above", "fails below") and high - low > self.step + 1e-9

    def told(
        self, at: NDArray[np.int64], values: NDArray[np.float64], scores: NDArray[np.float64]
    ) -> None:
        """Note the scores of a round."""
        for row, value, score in zip(at.tolist(), values.tolist(), scores.tolist(), strict=True):
            fails = score < self.threshold if self.worst == "low" else score > self.threshold
            self.tried[row][value] = None if np.isnan(score) else bool(fails)
        for row in np.unique(at).tolist():
            if len(self.tried[row]) >= len(self.grid):
                self._judge(row)

    def _judge(self, row: int) -> None:
        tried = sorted(self.tried[row].items())
        outcomes = [fails for _, fails in tried]
        if None in outcomes:
            self.verdict[row] = "no score"
            return
        changes = [i for i in range(len(tried) - 1) if outcomes[i] != outcomes[i + 1]]
        self.flips[row] = len(changes)
        if not changes:
            self.verdict[row] = "always fails" if outcomes[0] else "never fails"
        elif len(changes) > 1:
            self.verdict[row] = "non-monotone"
        else:
            self.bracket[row] = tried[changes[0]][0], tried[changes[0] + 1][0]
            self.verdict[row] = "fails below" if outcomes[0] else "fails above"

    def out_of_budget(self) -> None:
        """Close the rows that are not finished."""
        for row, verdict in enumerate(self.verdict):
            if verdict is None or self._open(row):
                self.verdict[row] = "out of budget"

    def frame(self) -> pd.DataFrame:
        """Return what is known of each row."""
        found = np.array([v in ("fails above", "fails below") for v in self.verdict])
        out = pd.DataFrame(
            {
                "breakpoint": np.where(found, self.bracket.mean(axis=1), np.nan),
                "low": self.bracket[:, 0],
                "high": self.bracket[:, 1],
            }
        )
        out["verdict"] = pd.array(self.verdict, dtype="string")
        out["flips"] = self.flips
        out["renders"] = [len(tried) for tried in self.tried]
        return out


def survival(found: pd.DataFrame, values: Any) -> tuple[NDArray[np.float64], int]:
    """Return the share of decided rows that pass at each value, and how many were decided."""
    at = np.asarray(values, dtype=float)[:, None]
    point = found["breakpoint"].to_numpy(float)[None, :]
    verdict = found["verdict"].to_numpy(object)
    right = np.where(
        verdict == "fails above", at < point, np.where(verdict == "fails below", at > point, False)
    )
    right = right | (verdict == "never fails")[None, :]
    decided = np.isin(verdict, ["fails above", "fails below", "never fails", "always fails"])
    count = int(decided.sum())
    return right[:, decided].mean(axis=1) if count else np.full(len(at), np.nan), count
