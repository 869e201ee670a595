"""Draw jobs by a design, under a rule, or so that they resemble other data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.experiments.extra import library
from infinity_frames.experiments.queries import bounds, conjuncts, matching, names_in
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.parameters.draws import quantiles, rng_of, sensible, truncation
from infinity_frames.protocol.spec import Choice, Constant, Generator, Joint, Normal, Parameter
from infinity_frames.protocol.spec import Uniform as UniformSampling

__all__ = ["DESIGNS", "Design", "free_parameters", "sample"]

Design = Literal["random", "sobol", "halton", "lhs"]
DESIGNS = ("random", "sobol", "halton", "lhs")
RARE = 1 / 2000
"""Acceptance rate of a rule below which drawing for it is refused."""

_TRIALS = 40_000
_ENUMERABLE = 4096
_HELD = ("random_seed", "state")
Intervals = list[tuple[float, float]]


def sample(
    spec: Generator,
    n: int,
    *,
    design: Design = "random",
    where: str | None = None,
    like: pd.DataFrame | None = None,
    seed: int | None = None,
    given: pd.DataFrame | None = None,
    outside: Literal["redraw", "clip", "raise"] = "redraw",
    fixed: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Draw jobs as :func:`parameters.sample` does, by a design and under a rule.

    Parameters
    ----------
    spec : Generator
        Whose parameters and distributions.
    n : int
        How many jobs.
    design : {"random", "sobol", "halton", "lhs"}
        Points of the unit cube (``scipy.stats.qmc``, scrambled by `seed`) that are mapped through
        the inverse distribution function of each parameter. Every prefix of a Sobol or Halton
        design is a design. Rows that break a joint rule are drawn again at random.
    where : str, optional
        A rule as for ``DataFrame.query``: jobs are drawn from the generator's distribution,
        conditioned on it.
    like : DataFrame, optional
        Rows whose distribution of the shared columns to resemble.
    seed, given, outside, fixed
        As for :func:`parameters.sample`.

    Returns
    -------
    DataFrame
        n jobs. ``attrs["design"]`` holds the design, the number of dimensions, the acceptance rate
        of the rule and the centered discrepancy of the points (Hickernell 1998; lower is more
        even; None over 4,000 jobs).

    Raises
    ------
    FrameError
        The design is unknown; the rule reads a column that is no parameter; or the rule is
        impossible, or less than 1 in 2,000 draws obeys it after simple bounds were applied: the
        error states the acceptance rate.
    """
    if design not in DESIGNS:
        raise FrameError(f"Unknown design {design!r}.", advice=f"Available: {', '.join(DESIGNS)}.")
    taken = {*(fixed or {}), *(map(str, given.columns) if given is not None else ())}
    if like is not None:
        fixed = {**_resembling(spec, like, n, seed, taken), **(fixed or {})}
        taken |= set(fixed)
    free = free_parameters(spec, taken)
    drawing = _Drawing(spec, design, seed, given, outside, dict(fixed or {}), free, where)
    out, points, rate = drawing.draw(n)
    out.attrs["design"] = {
        "design": design,
        "dimensions": len(free),
        "acceptance": rate,
        "discrepancy": _discrepancy(points),
    }
    return out


def free_parameters(spec: Generator, taken: set[str]) -> list[Parameter]:
    """Return parameters that are drawn: one per group of parameters that are drawn together."""
    free: list[Parameter] = []
    together: set[str] = set()
    for parameter in spec.parameters:
        sampling = sensible(parameter)
        if parameter.name in taken | together or parameter.name in _HELD:
            continue
        if isinstance(sampling, Joint):
            together |= set(sampling.parameters)
        elif sampling is None or isinstance(sampling, Constant):
            continue
        free.append(parameter)
    return free


class _Drawing:
    """Draws candidates in rounds until enough of them obey the rule."""

    def __init__(
        self,
        spec: Generator,
        design: str,
        seed: int | None,
        given: pd.DataFrame | None,
        outside: Any,
        fixed: dict[str, Any],
        free: list[Parameter],
        where: str | None,
    ) -> None:
        self.spec, self.design, self.given = spec, design, given
        self.outside, self.fixed, self.free, self.where = outside, fixed, free, where
        entropy: Any = np.random.SeedSequence(seed).entropy
        self.seed = int(rng_of(entropy, "design").integers(2**31)) if seed is not None else None
        self.first = seed
        self.entropy = entropy
        self.cube = _points(design, len(free), entropy)
        self.intervals = {} if where is None else _pushed(spec, free, where)
        self.mass = float(np.prod([_mass(found) for found in self.intervals.values()] or [1.0]))
        if where is not None:
            known = {*spec.by_name, *self.fixed, *(() if given is None else map(str, given))}
            for name in names_in(where):
                if name not in known:
                    raise _no_parameter(spec, where, name)

    def draw(self, n: int) -> tuple[pd.DataFrame, NDArray[np.float64], float]:
        """N jobs, their points in the unit cube, and the share of draws that obey the rule."""
        if self.where is None and self.design == "random":
            return self._plain(n), np.empty((0, 0)), 1.0
        if self.mass == 0:
            raise self._impossible(0.0, None)
        pending = np.arange(n)
        found: list[pd.DataFrame] = []
        places: list[NDArray[np.int64]] = []
        cubes: list[NDArray[np.float64]] = []
        tried = accepted = 0
        count = n
        for attempt in range(200):
            rows = pending if self._by_row else np.resize(pending, count)
            block, cube = self._candidates(rows, attempt)
            held = np.ones(len(rows), bool)
            if self.where is not None:
                held = matching(block, self.where)
            tried, accepted = tried + len(rows), accepted + int(held.sum())
            kept = np.flatnonzero(held)[: len(pending)]
            where = rows[kept] if self._by_row else pending[: len(kept)]
            found.append(block.iloc[kept])
            cubes.append(cube[kept])
            places.append(where)
            pending = np.setdiff1d(pending, where)
            if not len(pending):
                break
            if tried >= _TRIALS and accepted / tried < RARE:
                raise self._impossible(self.mass * accepted / tried, tried)
            count = int(np.clip(len(pending) * tried / max(accepted, 1) * 1.2, 64, _TRIALS))
        else:
            raise self._impossible(self.mass * accepted / max(tried, 1), tried)
        order = np.argsort(np.concatenate(places) if places else np.empty(0, int))
        out = pd.concat(found).iloc[order].reset_index(drop=True)
        rate = self.mass * accepted / max(tried, 1) if self.where is not None else 1.0
        return out, np.concatenate(cubes)[order], rate

    @property
    def _by_row(self) -> bool:
        """Whether values were given row by row, so that a rejected row must be drawn again."""
        return self.given is not None or any(
            not isinstance(v, str | Mapping) and np.ndim(v) == 1 for v in self.fixed.values()
        )

    def _plain(self, n: int) -> pd.DataFrame:
        return parameters.sample(
            self.spec,
            n,
            seed=self.first,
            given=self.given,
            outside=self.outside,
            fixed=self.fixed,
        )

    def _candidates(
        self, rows: NDArray[np.int64], attempt: int
    ) -> tuple[pd.DataFrame, NDArray[np.float64]]:
        cube = self.cube(len(rows))
        points = {}
        for column, parameter in enumerate(self.free):
            inside = self.intervals.get(parameter.name)
            unit = cube[:, column]
            points[parameter.name] = unit if inside is None else _within(inside, unit)
        given = None if self.given is None else self.given.iloc[rows].reset_index(drop=True)
        fixed = {
            name: np.asarray(value, dtype=object)[rows]
            if not isinstance(value, str | Mapping) and np.ndim(value) == 1
            else value
            for name, value in self.fixed.items()
        }
        seed = None if self.seed is None else self.seed + attempt
        out = parameters.sample(
            self.spec,
            len(rows),
            seed=seed,
            given=given,
            outside=self.outside,
            fixed=fixed,
            points=points,
        )
        return out, cube

    def _impossible(self, rate: float, tried: int | None) -> FrameError:
        of = "no job" if rate == 0 else f"about {rate:.2g} of the jobs"
        said = f"{rate:.2g}"
        if rate == 0 and tried:  # the rule of three: a 95 % bound where nothing was accepted
            said = f"below {3 * self.mass / tried:.2g}"
        drawn = "" if tried is None else f" ({tried:,} draws)"
        return FrameError(
            f"The generator draws {of} where {self.where}{drawn}; the acceptance rate is {said}.",
            advice="Loosen the rule, or fix parameters by keyword: sample(n, camera_height=2.5).",
            rule=self.where,
            rate=rate,
        )


def _no_parameter(spec: Generator, where: str, name: str) -> FrameError:
    close = nearest(name, spec.by_name)
    over_labels = 'Rules over parameters alone come from slices(metric, by="parameters").'
    return FrameError(
        f"The rule {where!r} cannot be applied: there is no column {name} among the jobs, since "
        f"{name} is no parameter of {spec.name}.",
        advice=f"{close} {over_labels}" if close.startswith("Did") else over_labels,
        rule=where,
    )


def _points(design: str, dimensions: int, entropy: Any) -> Any:
    """Return a function that returns the next `count` points of the unit cube."""
    rng = rng_of(entropy, f"points:{design}")
    if design == "random" or not dimensions:
        return lambda count: rng.random((count, dimensions))
    qmc = library("scipy.stats.qmc")
    kind = {"sobol": qmc.Sobol, "halton": qmc.Halton, "lhs": qmc.LatinHypercube}[design]
    engine = kind(dimensions, rng=rng)

    def take(count: int) -> NDArray[np.float64]:
        with warnings.catch_warnings():
            # Every prefix is allowed here, also those that are no power of 2.
            warnings.filterwarnings("ignore", message="The balance properties of Sobol")
            points: NDArray[np.float64] = engine.random(count)
        return np.clip(points, 0.0, np.nextafter(1.0, 0.0))

    return take


def _pushed(spec: Generator, free: list[Parameter], where: str) -> dict[str, Intervals]:
    """Return what the rule leaves of each parameter's unit interval.

    A superset of the truth: parameters of joint rules and joint distributions stay whole, since
    they are not drawn independently, and are left to rejection.
    """
    dependent = {name for rule in spec.constraints for name in rule.parameters}
    out: dict[str, Intervals] = {}
    by_name = {p.name: p for p in free if not isinstance(sensible(p), Joint)}
    for part in conjuncts(where):
        names = names_in(part)
        if len(names) != 1 or names[0] in dependent or names[0] not in by_name:
            continue
        inside = _unit_intervals(by_name[names[0]], part)
        if inside is not None:
            before = out.get(names[0], [(0.0, 1.0)])
            out[names[0]] = _intersection(before, inside)
    return out


def _unit_intervals(parameter: Parameter, part: str) -> Intervals | None:
    sampling = sensible(parameter)
    match sampling:
        case Choice(options, weights):
            share = np.ones(len(options)) if weights is None else np.asarray(weights, float)
        case UniformSampling(low, high) if parameter.type == "int" and high - low < _ENUMERABLE:
            share = np.ones(int(np.floor(high)) - int(np.ceil(low)) + 1)
        case UniformSampling(low, high) if parameter.type == "float" and high > low:
            found = bounds(part, parameter.name)
            if found is None:
                return None
            ends = [float(np.clip((x - low) / (high - low), 0, 1)) for x in found]
            return [(ends[0], ends[1])] if ends[0] < ends[1] else []
        case Normal(mean, std) if parameter.type == "float" and std > 0:
            found = bounds(part, parameter.name)
            if found is None:
                return None
            normal = NormalDist(mean, std)
            low, high = truncation(parameter, normal)
            unit = [float(np.clip((normal.cdf(x) - low) / (high - low), 0, 1)) for x in found]
            return [(unit[0], unit[1])] if unit[0] < unit[1] else []
        case _:
            return None
    ends_of = np.concatenate([[0.0], np.cumsum(share / share.sum())])
    middles = (ends_of[:-1] + ends_of[1:]) / 2
    values = quantiles(parameter, sampling, middles)
    held = matching(pd.DataFrame({parameter.name: values}), part)
    return [(float(ends_of[i]), float(ends_of[i + 1])) for i in np.flatnonzero(held & (share > 0))]


def _intersection(one: Intervals, other: Intervals) -> Intervals:
    return [(max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) < min(b, d)]


def _mass(intervals: Intervals) -> float:
    return float(sum(high - low for low, high in intervals))


def _within(intervals: Intervals, unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stretch points of [0, 1) over a union of intervals."""
    lows = np.array([low for low, _ in intervals])
    widths = np.array([high - low for low, high in intervals])
    starts = np.concatenate([[0.0], np.cumsum(widths)[:-1]])
    at = unit * widths.sum()
    which = np.searchsorted(starts, at, side="right") - 1
    return np.asarray(lows[which] + np.minimum(at - starts[which], widths[which] * (1 - 1e-12)))


def _discrepancy(points: NDArray[np.float64]) -> float | None:
    if not points.size or len(points) > 4000:
        return None
    return float(library("scipy.stats.qmc").discrepancy(points, method="CD"))


def _resembling(
    spec: Generator, like: pd.DataFrame, n: int, seed: int | None, taken: set[str]
) -> dict[str, Any]:
    """Draw whole rows of `like`, and return the columns that the generator knows."""
    shared = [
        name
        for name in spec.by_name
        if name in like.columns and name not in _HELD and name not in taken
    ]
    rows = like[shared].dropna()
    if not shared or not len(rows):
        raise FrameError(
            "like= shares no parameter with the generator, or no row has them all.",
            advice="Rename its columns to parameters; session.parameters lists them.",
        )
    rng = np.random.default_rng(seed)
    picked = rows.iloc[rng.integers(0, len(rows), n)].reset_index(drop=True)
    for name in shared:
        parameter = spec.by_name[name]
        if parameter.type == "float" and len(rows) > 1:
            # Silverman's rule of thumb: a smoothed bootstrap repeats no row exactly.
            spread = float(np.std(rows[name].to_numpy("float64"))) * len(rows) ** -0.2 * 0.3
            noisy = picked[name].to_numpy("float64") + rng.normal(0, spread, n)
            picked[name] = np.clip(
                noisy,
                -np.inf if parameter.min is None else parameter.min,
                np.inf if parameter.max is None else parameter.max,
            )
    return {name: picked[name].to_numpy(dtype="object") for name in shared}
