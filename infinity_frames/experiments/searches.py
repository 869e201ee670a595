"""Search the generator's parameters for the jobs at which a model is worst."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.client.origin import Origin
from infinity_frames.experiments.extra import library
from infinity_frames.experiments.factors import is_number, numbers
from infinity_frames.experiments.rounds import Rounds, Score
from infinity_frames.experiments.sampling import free_parameters
from infinity_frames.io.progress import progress
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.parameters.columns import typed
from infinity_frames.protocol.parameters.draws import sensible
from infinity_frames.protocol.parameters.rules import broken
from infinity_frames.protocol.spec import Choice, Normal, Parameter, Uniform

__all__ = ["SAMPLERS", "search"]

SAMPLERS = ("tpe", "random", "qmc")
_CROWDED = 20
_WEIGHED_ROWS = 30


def search(
    origin: Origin,
    score: Score,
    n: int,
    *,
    folder: str | Path,
    worst: Literal["low", "high"] = "low",
    threshold: float | None = None,
    by: list[str] | None = None,
    sampler: Literal["tpe", "random", "qmc"] = "tpe",
    batch: int = 16,
    radius: float = 0.15,
    preview: bool = True,
    budget: int | None = None,
    seed: int = 0,
    fixed: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Search for the jobs with the worst score, and tell distinct failures apart.

    Optuna proposes jobs from the scores so far (tree-structured Parzen estimator, Bergstra et al.
    2011), a batch a round, and is told the scores. Once several failures lie within `radius` of a
    worse one, the sampler is told the median score there, so that it goes on elsewhere. The
    distance is Gower's (1971): the mean over parameters of |a - b| / range, or of a != b, weighted
    by how much a random forest uses each parameter to predict the score.

    Parameters
    ----------
    origin : Origin
        Where jobs are rendered.
    score : callable
        Takes a results frame, returns a number per row.
    n : int
        Jobs to render.
    folder : path
        Where renders and scores are kept. The same call goes on there after an interruption.
    worst : {"low", "high"}
        Which scores are failures.
    threshold : float, optional
        A job fails where its score is worse; by default the worst tenth fails.
    by : list of str, optional
        Parameters to search; by default all that the generator draws.
    sampler : {"tpe", "random", "qmc"}
        Of optuna.
    batch : int
        Jobs per round; a few times the number of the server's workers keeps all of them busy.
    radius : float
        Failures nearer than this to a worse one are the same failure; 0 to 1.
    preview : bool
        Render one frame of each job.
    budget : int, optional
        Samples that may be rendered in total.
    seed : int
        Of the search and of the jobs.
    fixed : mapping, optional
        Values of other parameters.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        The jobs with job_id, score, round, order (of rendering), failure (number of the distinct
        failure, 0 the worst; missing where the job does not fail) and distinct (whether it is the
        worst of its failure), the worst first. ``attrs["search"]`` holds threshold, samples,
        failures, weights, folder.

    Raises
    ------
    FrameError
        A parameter cannot be searched, or the folder holds another run.
    Exception
        What `score` raises; everything rendered is kept in the folder.

    Examples
    --------
    >>> found = session.search(score, 300, folder="data/worst")
    >>> found[found["distinct"]].infinity.previews()
    """
    if sampler not in SAMPLERS:
        raise FrameError(f"Unknown sampler {sampler!r}.", advice=f"Available: {SAMPLERS}.")
    if n < 1 or batch < 1:
        raise FrameError("n and batch must be at least 1.")
    searched = _searched(origin, by, dict(fixed or {}))
    asking = _Asking(origin, searched, sampler, seed, dict(fixed or {}))
    rounds = Rounds(origin, score, folder, preview=preview, budget=budget, quiet=quiet)
    sign = 1.0 if worst == "low" else -1.0
    with progress(n, "Searching", quiet=quiet) as bar:
        found = pd.DataFrame()
        for number in range(-(-n // batch)):
            count = min(batch, n - number * batch)
            rows, trials = _round(asking, rounds, count, number)
            found = pd.concat([found, rows], ignore_index=True) if number else rows
            niched = _niched(found, searched, sign, threshold, radius)
            asking.tell(trials, rows, niched[len(found) - len(rows) :])
            bar.update(len(rows))
            if len(rows) < count:  # the budget is spent
                break
    return _summary(found, searched, sign, threshold, radius, rounds)


def _round(
    asking: _Asking, rounds: Rounds, count: int, number: int
) -> tuple[pd.DataFrame, list[Any]]:
    """Return the round's scored jobs that fit into the budget, and the sampler's trial of each."""
    jobs, trials = asking.ask(count, number)
    done = rounds.run(jobs)
    rows = jobs.iloc[: done.paid].assign(
        job_id=pd.array(done.job_ids[: done.paid], dtype="string"),
        score=done.scores[: done.paid],
        round=number,
    )
    return rows, trials


def _searched(origin: Origin, by: list[str] | None, fixed: dict[str, Any]) -> list[Parameter]:
    free = [p for p in free_parameters(origin.spec, set(fixed)) if _axis(p) is not None]
    if by is None:
        return free
    named = {p.name: p for p in free}
    for name in by:
        if name not in named:
            raise FrameError(f"{name} cannot be searched.", advice=nearest(name, named))
    return [named[name] for name in by]


def _axis(parameter: Parameter) -> tuple[float, float] | list[Any] | None:
    """Return the range of a number, or the choices; None for what cannot be searched."""
    sampling = sensible(parameter)
    match sampling:
        case Choice(values):
            return list(values)
        case Uniform(low, high) if high > low:
            return float(low), float(high)
        case Normal(mean, std) if std > 0:
            low = mean - 3 * std if parameter.min is None else max(parameter.min, mean - 3 * std)
            high = mean + 3 * std if parameter.max is None else min(parameter.max, mean + 3 * std)
            return float(low), float(high)
    return None


class _Asking:
    """Jobs by optuna's proposals; those that break joint rules are asked for again."""

    def __init__(
        self,
        origin: Origin,
        searched: list[Parameter],
        sampler: str,
        seed: int,
        fixed: dict[str, Any],
    ) -> None:
        self.origin, self.searched, self.seed, self.fixed = origin, searched, seed, fixed
        self.optuna = library("optuna")
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # options that optuna calls experimental
            kinds = {
                "tpe": lambda: self.optuna.samplers.TPESampler(
                    seed=seed, multivariate=True, constant_liar=True, n_startup_trials=2 * _CROWDED
                ),
                "random": lambda: self.optuna.samplers.RandomSampler(seed=seed),
                "qmc": lambda: self.optuna.samplers.QMCSampler(seed=seed),
            }
            self.study = self.optuna.create_study(sampler=kinds[sampler]())
        self.space = {p.name: self._distribution(p) for p in searched}

    def _distribution(self, parameter: Parameter) -> Any:
        axis = _axis(parameter)
        made = self.optuna.distributions
        if isinstance(axis, list):
            return made.CategoricalDistribution(axis)
        assert axis is not None
        if parameter.type == "int":
            return made.IntDistribution(int(np.ceil(axis[0])), int(np.floor(axis[1])))
        return made.FloatDistribution(*axis)

    def ask(self, count: int, number: int) -> tuple[pd.DataFrame, list[Any]]:
        """Return the jobs of a round, and optuna's trial of each.

        Proposals that break a joint rule take the values of a valid draw for its parameters.
        """
        spec = self.origin.spec
        asked = [self.study.ask(self.space) for _ in range(count)]
        seed = int(np.random.default_rng([self.seed, number]).integers(2**31))
        drawn = parameters.sample(spec, count, seed=seed, fixed=self.fixed)
        proposed = drawn.copy()
        for name in self.space:
            values = pd.Series([trial.params[name] for trial in asked], dtype=object)
            proposed[name] = typed(spec.by_name[name], values)
        columns = {name: proposed[name] for name in spec.by_name}
        for rule in spec.constraints:
            wrong = broken(rule, columns)
            for name in set(rule.parameters) & set(self.space):
                proposed[name] = proposed[name].where(~wrong, drawn[name])
        wrong_rows = parameters.violations(spec, proposed)["position"].dropna().unique()
        if len(wrong_rows):
            at = [int(row) for row in wrong_rows]
            for name in self.space:
                column = proposed[name].copy()
                column.iloc[at] = drawn[name].iloc[at]
                proposed[name] = column
        return self.origin.with_context(proposed), asked

    def tell(self, trials: list[Any], jobs: pd.DataFrame, values: NDArray[np.float64]) -> None:
        """Report the scores of jobs; a proposal that was changed is replaced by what was made."""
        state = self.optuna.trial.TrialState
        for place, trial in enumerate(trials):
            if place >= len(values) or not np.isfinite(values[place]):
                self.study.tell(trial, state=state.FAIL)
                continue
            made = {name: _plain(jobs[name].iloc[place]) for name in self.space}
            if made == trial.params:
                self.study.tell(trial, float(values[place]))
                continue
            self.study.tell(trial, state=state.FAIL)
            # A valid draw may lie outside the searched range, as the tail of a normal does.
            with suppress(ValueError):
                create = self.optuna.trial.create_trial
                self.study.add_trial(
                    create(params=made, distributions=self.space, value=float(values[place]))
                )


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _niched(
    found: pd.DataFrame,
    searched: list[Parameter],
    sign: float,
    threshold: float | None,
    radius: float,
) -> NDArray[np.float64]:
    """Scores to minimize; a failure in a crowd of worse ones counts as an ordinary job."""
    values = sign * found["score"].to_numpy(float)
    finite = np.isfinite(values)
    if finite.sum() < _CROWDED:
        return values
    _, leader, crowd = _failures(found, searched, values, _limit(values, sign, threshold), radius)
    ordinary = float(np.median(values[finite]))
    return np.where((crowd > 3) & ~leader, ordinary, values)


def _limit(values: NDArray[np.float64], sign: float, threshold: float | None) -> float:
    return float(np.nanquantile(values, 0.1)) if threshold is None else sign * threshold


def _failures(
    found: pd.DataFrame,
    searched: list[Parameter],
    values: NDArray[np.float64],
    limit: float,
    radius: float,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Group failing rows: a row within `radius` of a worse one belongs to the failure of that one.

    Returns
    -------
    failure : (n,) int array
        Number of the row's failure; -1 where `values` is missing or above `limit`.
    leader : (n,) bool array
        Whether the row is the worst of its failure.
    crowd : (n,) int array
        The row's rank in its failure, from 1, the worst first; 0 without one.
    """
    columns = _coordinates(found, searched, _weights(found, searched, values))
    failure = np.full(len(values), -1, dtype=np.int64)
    leader, crowd = np.zeros(len(values), bool), np.zeros(len(values), dtype=np.int64)
    leaders: list[int] = []
    sizes: list[int] = []
    for row in np.argsort(values, kind="stable"):
        if not np.isfinite(values[row]) or values[row] > limit:
            break
        distance = np.abs(columns[leaders] - columns[row]).sum(axis=1) if leaders else np.empty(0)
        if len(distance) and distance.min() <= radius:
            failure[row] = int(distance.argmin())
            sizes[failure[row]] += 1
        else:
            failure[row] = len(leaders)
            leaders.append(int(row))
            sizes.append(1)
            leader[row] = True
        crowd[row] = sizes[failure[row]]
    return failure, leader, crowd


def _weights(
    found: pd.DataFrame, searched: list[Parameter], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of each parameter in a random forest's predictions; equal for few rows."""
    known = np.isfinite(values)
    if known.sum() < _WEIGHED_ROWS or np.ptp(values[known]) == 0:
        return np.full(len(searched), 1 / len(searched))
    x = np.column_stack([np.nan_to_num(numbers(found[p.name])) for p in searched])
    forest = library("sklearn.ensemble").RandomForestRegressor(60, random_state=0, max_depth=8)
    share = forest.fit(x[known], values[known]).feature_importances_
    # Importances of chance are left out, so that distances are of what matters.
    share = np.where(share < 1.5 / len(searched), 0.1 * share, share)
    return np.asarray(share / share.sum())


def _coordinates(
    found: pd.DataFrame, searched: list[Parameter], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted coordinates whose city-block distance is Gower's."""
    blocks = []
    for parameter, weight in zip(searched, weights, strict=True):
        axis, values = _axis(parameter), found[parameter.name]
        if isinstance(axis, list) or not is_number(values):
            codes = pd.factorize(values.astype(str))[0]
            blocks.append(0.5 * weight * np.eye(codes.max() + 1)[codes])
        else:
            assert axis is not None
            blocks.append((weight * numbers(values) / (axis[1] - axis[0]))[:, None])
    return np.asarray(np.nan_to_num(np.concatenate(blocks, axis=1)))


def _summary(
    found: pd.DataFrame,
    searched: list[Parameter],
    sign: float,
    threshold: float | None,
    radius: float,
    rounds: Rounds,
) -> pd.DataFrame:
    values = sign * found["score"].to_numpy(float)
    if np.isfinite(values).any():
        limit = _limit(values, sign, threshold)
        failure, leader, _ = _failures(found, searched, values, limit, radius)
    else:
        limit, failure = np.nan, np.full(len(found), -1)
        leader = np.zeros(len(found), bool)
    out = found.assign(
        order=np.arange(len(found)), failure=pd.array(failure, dtype="Int64"), distinct=leader
    )
    out["failure"] = out["failure"].mask(failure < 0)
    out = out.iloc[np.argsort(values, kind="stable")].reset_index(drop=True)
    out.attrs["search"] = {
        "threshold": sign * limit,
        "samples": rounds.spent,
        "failures": int(leader.sum()),
        "folder": str(rounds.folder),
        "searched": [p.name for p in searched],
        "weights": _weights(found, searched, values).round(4).tolist(),
    }
    return out
