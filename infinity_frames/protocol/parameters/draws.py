"""Random values of parameters, drawn column by column, each from its own random stream."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from numbers import Integral
from statistics import NormalDist
from typing import Any, NoReturn, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.errors import FrameError, InvalidJobs
from infinity_frames.protocol.parameters.columns import coerce, constant, dtype_of
from infinity_frames.protocol.parameters.rules import broken, explain, violations
from infinity_frames.protocol.spec import (
    Choice,
    Conditional,
    Constant,
    Constraint,
    Generator,
    Joint,
    Normal,
    Parameter,
    Sampling,
    Uniform,
)

__all__ = [
    "column_of",
    "entropy_of",
    "left_by",
    "quantiles",
    "rng_of",
    "sensible",
    "truncation",
    "uniform",
    "until_joint_rules_hold",
]

Bools = NDArray[np.bool_]
_ROUNDS = 1000  # redraws before a joint rule counts as impossible to keep


def entropy_of(seed: int | None) -> int:
    """Entropy of a seed; fresh for None.

    Raises
    ------
    FrameError
        The seed is not a whole number of at least 0.
    """
    if seed is not None and (
        isinstance(seed, bool | np.bool_) or not isinstance(seed, Integral) or seed < 0
    ):
        raise FrameError(f"Invalid seed {seed!r}.", advice="Pass a whole number of at least 0.")
    entropy = np.random.SeedSequence(None if seed is None else int(seed)).entropy
    return cast("int", entropy)


def rng_of(entropy: Any, name: str, *key: int) -> np.random.Generator:
    """Random generator of one column: fixing one parameter leaves the draws of others alone."""
    return np.random.default_rng(
        [*np.atleast_1d(entropy).tolist(), zlib.crc32(name.encode()), *key]
    )


def uniform(parameter: Parameter) -> Sampling | None:
    """Uniform over all a parameter allows; None where it has no bounded set of values."""
    if parameter.choices is not None:
        return Choice(parameter.choices)
    if parameter.type == "bool":
        return Choice((False, True))
    if parameter.type in ("int", "float") and None not in (parameter.min, parameter.max):
        assert parameter.min is not None
        assert parameter.max is not None
        return Uniform(parameter.min, parameter.max)
    return None


def sensible(parameter: Parameter) -> Sampling | None:
    """Return how the generator would have it drawn, else uniform."""
    return uniform(parameter) if parameter.sampling is None else parameter.sampling


def column_of(
    parameter: Parameter, sampling: Sampling | None, count: int, rng: np.random.Generator
) -> pd.Series[Any]:
    """Draw a typed column; without a sampling, the default or nothing."""
    match sampling:
        case None | Joint():
            return constant(parameter, parameter.default, count)
        case Constant(value):
            return constant(parameter, value, count)
        case Choice(options, weights):
            return _choices(parameter, options, weights, count, rng)
        case Uniform(low, high) if parameter.type == "int":
            values: NDArray[Any] = rng.integers(
                int(np.ceil(low)), int(np.floor(high)), count, endpoint=True
            )
        case Uniform(low, high):
            values = rng.uniform(low, high, count)
        case Normal(mean, std):
            values = _kept(parameter, mean, std, count, rng)
    return _numbers(parameter, values)


def quantiles(
    parameter: Parameter, sampling: Sampling | None, points: NDArray[np.float64]
) -> pd.Series[Any]:
    """Map points of [0, 1) through the inverse distribution function of a sampling.

    Uniformly distributed points give values distributed as :func:`column_of` draws them.
    """
    match sampling:
        case Choice(options, weights):
            share = np.ones(len(options)) if weights is None else np.asarray(weights, float)
            ends = np.cumsum(share / share.sum())
            ends[np.flatnonzero(share)[-1] :] = 1.0
            picks = np.searchsorted(ends, points, side="right")
            return _picked(parameter, options, np.minimum(picks, len(options) - 1))
        case Uniform(low, high) if parameter.type == "int":
            first, last = int(np.ceil(low)), int(np.floor(high))
            values: NDArray[Any] = first + np.floor(points * (last - first + 1)).astype("int64")
            values = np.minimum(values, last)
        case Uniform(low, high):
            values = low + points * (high - low)
        case Normal(mean, std) if std > 0:
            normal = NormalDist(mean, std)
            low, high = truncation(parameter, normal)
            inside = np.clip(low + points * (high - low), 1e-15, 1 - 1e-15)
            values = np.array([normal.inv_cdf(p) for p in inside.tolist()])
            values = np.clip(
                values,
                -np.inf if parameter.min is None else parameter.min,
                np.inf if parameter.max is None else parameter.max,
            )
            values = np.rint(values) if parameter.type == "int" else values
        case _:
            return column_of(parameter, sampling, len(points), np.random.default_rng(0))
    return _numbers(parameter, values)


def truncation(parameter: Parameter, normal: NormalDist) -> tuple[float, float]:
    """Probabilities below a parameter's minimum and up to its maximum."""
    low = 0.0 if parameter.min is None else normal.cdf(parameter.min)
    high = 1.0 if parameter.max is None else normal.cdf(parameter.max)
    return low, high


def _numbers(parameter: Parameter, values: NDArray[Any]) -> pd.Series[Any]:
    """Return a typed column of finite numbers, without looking at each for what it may be."""
    nowhere = np.zeros(len(values), dtype=bool)
    if parameter.type == "int":
        return pd.Series(pd.arrays.IntegerArray(values.astype("int64", copy=False), nowhere))
    if parameter.type == "float":
        return pd.Series(pd.arrays.FloatingArray(values, nowhere))
    # A server may describe a text as if it were drawn from a range: it stays unspecified.
    return coerce(parameter, pd.Series(values))[0].astype(dtype_of(parameter))


def _choices(
    parameter: Parameter,
    options: tuple[Any, ...],
    weights: tuple[float, ...] | None,
    count: int,
    rng: np.random.Generator,
) -> pd.Series[Any]:
    share = None if weights is None else np.asarray(weights, dtype=float) / np.sum(weights)
    return _picked(parameter, options, rng.choice(len(options), count, p=share))


def _picked(
    parameter: Parameter, options: tuple[Any, ...], picks: NDArray[np.int64]
) -> pd.Series[Any]:
    dtype = dtype_of(parameter)
    if isinstance(dtype, pd.CategoricalDtype):
        codes = dtype.categories.get_indexer(pd.Index(options))
        return pd.Series(pd.Categorical.from_codes(codes[picks], dtype=dtype))
    kept = coerce(parameter, pd.Series(list(options), dtype="object"))[0]
    return kept.take(picks).reset_index(drop=True)


def _kept(
    parameter: Parameter, mean: float, std: float, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Normal draws, redrawn until they lie in the parameter's range."""
    low = -np.inf if parameter.min is None else parameter.min
    high = np.inf if parameter.max is None else parameter.max
    values = rng.normal(mean, std, count)
    for _ in range(_ROUNDS):
        outside = (values < low) | (values > high)
        if not outside.any():
            break
        values[outside] = rng.normal(mean, std, outside.sum())
    values = np.clip(values, low, high)
    return np.rint(values) if parameter.type == "int" else values


def until_joint_rules_hold(
    generator: Generator,
    columns: Mapping[str, pd.Series[Any]],
    drawn: Mapping[str, Bools],
    samplings: Mapping[str, Sampling | None],
    entropy: Any,
) -> dict[str, pd.Series[Any]]:
    """Redraw the random values of rows that break a joint rule until every row keeps it.

    Parameters
    ----------
    generator : Generator
        Whose rules.
    columns : mapping of str to Series, length n
        Every parameter's typed column.
    drawn : mapping of str to (n,) bool array
        Where a parameter's value was drawn, and so may change.
    samplings : mapping of str to Sampling or None
        How each of these is drawn.
    entropy : int or sequence of int
        The seed.

    Returns
    -------
    dict of str to Series

    Raises
    ------
    InvalidJobs
        With the fixed values, no draw keeps the rules.
    """
    out = dict(columns)
    rules = [rule for rule in generator.constraints if all(name in out for name in rule.parameters)]
    for attempt in range(_ROUNDS):
        kept = True
        for number, rule in enumerate(rules):
            bad = broken(rule, out)
            if not bad.any():
                continue
            kept = False
            movable = [name for name in rule.parameters if name in drawn]
            if not (np.any([drawn[name] for name in movable], axis=0) | ~bad).all():
                _raise(generator, out)
            for name in movable:
                where = bad & drawn[name]
                parameter = generator.by_name[name]
                rng = rng_of(entropy, name, number, attempt)
                sampling = left_by(rule, parameter, samplings[name])
                fresh = column_of(parameter, sampling, int(where.sum()), rng)
                out[name] = out[name].copy()
                out[name][where] = fresh.array
        if kept:
            return out
    return _raise(generator, out)


def left_by(rule: Constraint, parameter: Parameter, sampling: Sampling | None) -> Sampling | None:
    """Return values that a conditional rule allows: a point bound would never be met by chance."""
    if not isinstance(rule, Conditional) or rule.parameter != parameter.name:
        return sampling
    if rule.choices is not None:
        return Choice(rule.choices)
    low = parameter.min if rule.min is None else rule.min
    high = parameter.max if rule.max is None else rule.max
    return sampling if low is None or high is None else Uniform(low, high)


def _raise(generator: Generator, columns: Mapping[str, pd.Series[Any]]) -> NoReturn:
    found = violations(generator, pd.DataFrame(dict(columns), copy=False))
    raise InvalidJobs(
        f"With the fixed values, no draw keeps the joint rules. {explain(found)}",
        advice="Fix fewer of the parameters the rule names, or other values.",
        violations=found,
    )
