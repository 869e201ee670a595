"""Draw frames of sensible jobs, with any of the parameters fixed or given a distribution."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.errors import FrameError, InvalidJobs
from infinity_frames.protocol.parameters.columns import (
    coerce,
    is_missing,
    typed,
    with_index_columns,
)
from infinity_frames.protocol.parameters.draws import (
    column_of,
    entropy_of,
    quantiles,
    rng_of,
    sensible,
    until_joint_rules_hold,
)
from infinity_frames.protocol.parameters.rules import explain, violations
from infinity_frames.protocol.schemas import TAG_PREFIX
from infinity_frames.protocol.spec import Choice, Generator, Joint, Parameter, Sampling

__all__ = ["Outside", "sample"]

Outside = Literal["redraw", "clip", "raise"]
_ROUNDS = 200


def sample(
    generator: Generator,
    n: int,
    *,
    seed: int | None = None,
    given: pd.DataFrame | None = None,
    outside: Outside = "redraw",
    fixed: Mapping[str, Any] | None = None,
    points: Mapping[str, NDArray[np.float64]] | None = None,
) -> pd.DataFrame:
    """Draw jobs that keep every rule.

    Parameters
    ----------
    generator : Generator
        Whose parameters, ranges and sensible distributions.
    n : int
        How many jobs.
    seed : int, optional
        The same seed draws the same jobs, each with the same ``random_seed``: the same pixels.
    given : DataFrame of n rows, optional
        Columns taken as they are.
    outside : {"redraw", "clip", "raise"}
        What to do with a drawn value outside its parameter's range. Values that were passed in (a
        scalar, an array, `given`) are not redrawn: outside its range it is clipped, or an error.
    fixed : mapping of str to value, optional
        For a parameter or a ``tag_*`` column: a scalar, an array of length n, a dict of weights,
        anything with ``.rvs``, or a function ``f(df, rng)`` of the other columns; functions are
        called last, in the order written, so that each sees what those before it made.
    points : mapping of str to (n,) array in [0, 1), optional
        Take a parameter's values at these points of its inverse distribution function, in place of
        random draws; rows that break a joint rule are drawn again at random.

    Returns
    -------
    DataFrame
        n typed jobs, in the generator's order of parameters.

    Raises
    ------
    InvalidJobs
        Fixed values break rules, or leave no draw that keeps them.
    FrameError
        Something given or fixed has the wrong length, or `outside` is not one of the three options.
    """
    if outside not in ("redraw", "clip", "raise"):
        raise FrameError(
            f"outside={outside!r} is not a way to treat values outside a range.",
            advice='Use "redraw", "clip" or "raise".',
        )
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 0:
        raise FrameError(f"Invalid number of jobs {n!r}.", advice="Pass 0 or more.")
    n = int(n)
    if given is not None:
        given = with_index_columns(generator, given)
    sources = _sources(n, given, fixed or {})
    draw = _Draw(generator, n, entropy_of(seed), outside, points or {})
    # Drawn and fixed columns first, because functions may read them; then the functions in their
    # given order.
    functions = [name for name, source in sources.items() if _is_function(source)]
    for parameter in generator.parameters:
        if parameter.name in sources and parameter.name not in functions:
            draw.fix(parameter, sources[parameter.name])
    for parameter in generator.parameters:
        if parameter.name not in sources:
            draw.free(parameter)
    for name in functions:
        if name in generator.by_name:
            draw.fix(generator.by_name[name], sources[name])
    for name, source in sources.items():
        if name not in generator.by_name:
            draw.own(name, source)
    return draw.finish()


def _sources(n: int, given: pd.DataFrame | None, fixed: Mapping[str, Any]) -> dict[str, Any]:
    sources: dict[str, Any] = {}
    if given is not None:
        if len(given) != n:
            raise FrameError(
                f"given has {len(given)} rows, but {n} jobs are to be drawn.",
                advice=f"Pass {n} rows, or draw {len(given)} jobs.",
            )
        sources = {str(name): given[name].to_numpy(dtype="object") for name in given.columns}
    twice = sorted(set(sources) & set(fixed))
    if twice:
        raise FrameError(
            f"{', '.join(twice)}: both given as a column and fixed.", advice="Leave one of the two."
        )
    return {**sources, **fixed}


class _Draw:
    """The columns drawn so far."""

    def __init__(
        self,
        generator: Generator,
        n: int,
        entropy: Any,
        outside: Outside,
        points: Mapping[str, NDArray[np.float64]],
    ) -> None:
        self.points = points
        self.generator = generator
        self.n = n
        self.entropy = entropy
        self.outside = outside
        self.columns: dict[str, pd.Series[Any]] = {}
        self.drawn: dict[str, np.ndarray[Any, Any]] = {}
        self.samplings: dict[str, Sampling | None] = {}
        self.fixed: set[str] = set()
        self.extra: dict[str, pd.Series[Any]] = {}

    def free(self, parameter: Parameter) -> None:
        """Draw a parameter nobody fixed, as its generator finds sensible."""
        if parameter.name in self.columns:
            return  # drawn together with an earlier one
        sampling = sensible(parameter)
        if isinstance(sampling, Joint):
            self._joint(sampling)
            return
        if parameter.name in self.points:
            column = quantiles(parameter, sampling, self.points[parameter.name])
        else:
            rng = rng_of(self.entropy, parameter.name)
            column = column_of(parameter, sampling, self.n, rng)
        self.columns[parameter.name] = column
        self.drawn[parameter.name] = np.full(self.n, sampling is not None)
        self.samplings[parameter.name] = sampling

    def _joint(self, sampling: Joint) -> None:
        """Draw rows; where one parameter is fixed, only rows that agree with it, if any does."""
        names = sampling.parameters
        rows = pd.DataFrame(list(sampling.rows), columns=list(names), dtype="object")
        joint = next((self.points[name] for name in names if name in self.points), None)
        picks = rng_of(self.entropy, "+".join(names)).random(self.n) if joint is None else joint
        chosen = np.floor(picks * len(rows)).astype(int)
        for name in names:
            if name not in self.columns:
                continue
            fixed = self.columns[name].to_numpy(dtype="object")
            for value in pd.unique(self.columns[name].dropna()):
                agree = np.flatnonzero(rows[name] == value)
                where = fixed == value
                if len(agree):
                    chosen[where] = agree[np.floor(picks[where] * len(agree)).astype(int)]
        for name in names:
            if name not in self.columns and name in self.generator.by_name:
                values = typed(self.generator.by_name[name], rows[name])
                self.columns[name] = values.take(chosen).reset_index(drop=True)

    def fix(self, parameter: Parameter, source: Any) -> None:
        """Take a value, an array or a distribution for a parameter."""
        values, redraw = self._values(parameter.name, source)
        values = self._members(parameter, values)
        if parameter.type == "int" and redraw is not None:
            values = _rounded(values)
        column, _ = coerce(parameter, values)
        for attempt in range(_ROUNDS):
            out = _out_of_range(parameter, column)
            if not out.any() or self.outside != "redraw" or redraw is None:
                break
            again = self._members(parameter, redraw(attempt + 1))
            again = _rounded(again) if parameter.type == "int" else again
            values = values.where(~out, again)
            column, _ = coerce(parameter, values)
        if self.outside == "clip" and parameter.type in ("int", "float"):
            column = column.clip(parameter.min, parameter.max)
            values = column.where(~is_missing(column), values.astype("object"))
        self.columns[parameter.name] = typed(parameter, values)
        self.fixed.add(parameter.name)

    def own(self, name: str, source: Any) -> None:
        """Take a column that is no parameter: a tag, or a mistake for the rules to report."""
        values, _ = self._values(name, source)
        self.extra[name] = values.infer_objects() if name.startswith(TAG_PREFIX) else values

    def _values(
        self, name: str, source: Any
    ) -> tuple[pd.Series[Any], Callable[[int], pd.Series[Any]] | None]:
        """Return the values a source gives, and how to draw them again if they were drawn."""

        def draw(attempt: int) -> pd.Series[Any]:
            rng = rng_of(self.entropy, name, *([attempt] if attempt else []))
            if isinstance(source, Mapping):
                picks = Choice(tuple(source), tuple(source.values()))
                return _weighted(picks, self.n, rng)
            if hasattr(source, "rvs"):
                return pd.Series(np.asarray(_rvs(source, self.n, rng)))
            return self._series(name, self._called(name, source, rng))

        if isinstance(source, Mapping) or hasattr(source, "rvs") or _is_function(source):
            return draw(0), draw
        return self._series(name, source), None

    def _called(self, name: str, function: Callable[..., Any], rng: np.random.Generator) -> Any:
        try:
            return function(pd.DataFrame(self.columns), rng)
        except KeyError as error:
            raise FrameError(
                f"The function for {name} reads {error}, which is not drawn before it.",
                advice="Functions see all other parameters, and each other in the order written.",
                parameter=name,
            ) from error

    def _series(self, name: str, values: Any) -> pd.Series[Any]:
        if isinstance(values, str) or np.ndim(values) == 0:
            return pd.Series([values] * self.n, dtype="object")
        if len(values) != self.n:
            raise FrameError(
                f"{name} has {len(values)} values, but {self.n} jobs are to be drawn.",
                advice=f"Pass one value or {self.n}. {self._distribution(name, values)}",
                parameter=name,
            )
        return pd.Series(list(values), dtype="object")

    def _distribution(self, name: str, values: Any) -> str:
        """How to draw from a distribution instead, for parameters with choices and for others."""
        parameter = self.generator.by_name.get(name)
        if parameter is not None and parameter.choices:
            weights = ", ".join(f"{choice!r}: 1" for choice in list(dict.fromkeys(values))[:3])
            return f"To draw from several choices, pass their weights: {name}={{{weights}}}."
        return (
            "To draw from a range, pass a distribution: "
            f"{name}=lambda df, rng: rng.uniform(low, high, len(df))."
        )

    def _members(self, parameter: Parameter, values: pd.Series[Any]) -> pd.Series[Any]:
        """Replace the name of a group of choices by one of its members."""
        for group, members in parameter.groups.items():
            where = (values == group).to_numpy("bool", na_value=False)
            if where.any():
                rng = rng_of(self.entropy, f"{parameter.name}:{group}")
                picks = rng.choice(np.array(members, dtype="object"), self.n)
                values = values.where(~where, pd.Series(picks, dtype="object"))
        return values

    def finish(self) -> pd.DataFrame:
        """Check the fixed values, apply the joint rules and sort the columns."""
        fixed = [name for name in self.columns if name in self.fixed]
        columns = {**{name: self.columns[name] for name in fixed}, **self.extra}
        found = violations(self.generator, pd.DataFrame(columns), joint=False)
        if len(found):
            raise InvalidJobs(explain(found), advice=_advice(found), violations=found)
        kept = until_joint_rules_hold(
            self.generator, self.columns, self.drawn, self.samplings, self.entropy
        )
        ordered = {name: kept[name] for name in self.generator.by_name}
        return pd.DataFrame({**ordered, **self.extra}, copy=False)


def _advice(found: pd.DataFrame) -> str:
    if found["rule"].isin(["min", "max"]).all():
        return 'Pass other values, or outside="clip" to move them into their range.'
    return "session.parameters lists every parameter with its type, range and choices."


def _is_function(source: Any) -> bool:
    return callable(source) and not hasattr(source, "rvs")


def _out_of_range(parameter: Parameter, column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    if parameter.type not in ("int", "float"):
        return np.zeros(len(column), dtype=bool)
    values = column.to_numpy("float64", na_value=np.nan)
    low = -np.inf if parameter.min is None else parameter.min
    high = np.inf if parameter.max is None else parameter.max
    return (values < low) | (values > high)


def _rounded(values: pd.Series[Any]) -> pd.Series[Any]:
    """Draws of a continuous distribution for an int parameter take the nearest whole number."""
    numbers = pd.to_numeric(values, errors="coerce")
    return values if numbers.isna().any() else pd.Series(np.rint(numbers.to_numpy("float64")))


def _weighted(picks: Choice, n: int, rng: np.random.Generator) -> pd.Series[Any]:
    try:
        weights = np.asarray(picks.weights, dtype="float64")
    except (TypeError, ValueError):
        weights = np.empty(0)
    if not len(weights) or not np.isfinite(weights).all() or weights.min() < 0 or not weights.sum():
        raise FrameError(
            f"Invalid weights {dict(zip(picks.values, picks.weights or (), strict=True))}.",
            advice="Give each value a number of at least 0, not all of them 0.",
        )
    chosen = rng.choice(len(weights), n, p=weights / weights.sum())
    return pd.Series([picks.values[index] for index in chosen], dtype="object")


def _rvs(source: Any, n: int, rng: np.random.Generator) -> Any:
    """Call ``rvs`` as SciPy's distributions want it, or with what a simpler object takes."""
    takes = inspect.signature(source.rvs).parameters
    if "random_state" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        return source.rvs(size=n, random_state=rng)
    return source.rvs(size=n)
