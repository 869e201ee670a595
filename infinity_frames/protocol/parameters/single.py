"""Draw one job as a dict, without frames: scripts that draw jobs in a loop call it per job."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import ceil, floor, isfinite
from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.protocol.parameters.columns import coerce, records
from infinity_frames.protocol.parameters.draws import left_by, sensible
from infinity_frames.protocol.spec import (
    Choice,
    Constant,
    Constraint,
    Generator,
    Joint,
    Linear,
    Normal,
    Parameter,
    Sampling,
    Uniform,
)

__all__ = ["sample_one"]

Draw = Callable[[np.random.Generator], Any]
_ROUNDS = 200
_REDRAWS = 1000  # of a normal outside its range, before it is clipped
_ROUNDING = 1e-9
_MAX_INT = 2**63 - 1


def sample_one(generator: Generator, fixed: Mapping[str, Any]) -> dict[str, Any] | None:
    """Draw one sensible job that keeps every rule, in a fraction of a millisecond.

    The distributions are those of :func:`~infinity_frames.protocol.parameters.sample`.

    Parameters
    ----------
    generator : Generator
        Whose parameters.
    fixed : mapping of str to scalar
        Values to keep.

    Returns
    -------
    dict or None
        The job's ``param_values``. None where `fixed` holds anything but valid scalars of
        parameters, or leaves no draw that keeps the rules: ``sample`` handles or explains that.
    """
    return _single(generator).draw(fixed)


@lru_cache(maxsize=32)
def _single(generator: Generator) -> _Single:
    return _Single(generator)


@dataclass(frozen=True)
class _Rule:
    """A joint rule, and how it has a parameter drawn again."""

    rule: Constraint
    again: dict[str, Draw]

    def broken(self, job: Mapping[str, Any]) -> bool:
        """Return whether a job breaks it; where a value is missing, the rule holds."""
        rule = self.rule
        if isinstance(rule, Linear):
            if any(job[name] is None for name in rule.terms):
                return False
            total = sum(factor * job[name] for name, factor in rule.terms.items())
            return _outside(total, rule.min, rule.max)
        value = job[rule.parameter]
        if value is None or any(job[name] not in cases for name, cases in rule.when.items()):
            return False
        if rule.choices is not None:
            return value not in rule.choices
        return (rule.min is not None or rule.max is not None) and _outside(
            value, rule.min, rule.max
        )


class _Single:
    """The samplings and rules of a generator, resolved once."""

    def __init__(self, generator: Generator) -> None:
        self.parameters = generator.by_name
        self.draws: dict[str, Draw] = {}
        self.joints: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {}
        samplings: dict[str, Sampling] = {}
        for parameter in generator.parameters:
            sampling = sensible(parameter)
            if isinstance(sampling, Joint):
                self.joints[parameter.name] = self._rows(sampling)
                continue
            self.draws[parameter.name] = _draw_of(parameter, sampling)
            if sampling is not None:
                samplings[parameter.name] = sampling
        self.rules = [
            _Rule(
                rule,
                {
                    name: _draw_of(
                        self.parameters[name],
                        left_by(rule, self.parameters[name], samplings[name]),
                    )
                    for name in dict.fromkeys(rule.parameters)
                    if name in samplings
                },
            )
            for rule in generator.constraints
            if all(name in self.parameters for name in rule.parameters)
        ]

    def draw(self, fixed: Mapping[str, Any]) -> dict[str, Any] | None:
        job: dict[str, Any] = {}
        for name, value in fixed.items():
            kept = _scalar(self.parameters.get(name), value)
            if kept is None:
                return None
            job[name] = kept
        rng = np.random.default_rng()
        for name in self.parameters:
            if name in job:
                continue
            if name in self.joints:
                self._joint(name, job, rng)
            else:
                job[name] = self.draws[name](rng)
        for _ in range(_ROUNDS):
            kept_all = True
            for rule in self.rules:
                if not rule.broken(job):
                    continue
                kept_all = False
                movable = [name for name in rule.again if name not in fixed]
                if not movable:
                    return None
                job.update((name, rule.again[name](rng)) for name in movable)
            if kept_all:
                return {name: job[name] for name in self.parameters if job[name] is not None}
        return None

    def _rows(self, sampling: Joint) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return names and rows of a joint sampling, for the parameters that exist."""
        places = [k for k, name in enumerate(sampling.parameters) if name in self.parameters]
        names = tuple(sampling.parameters[k] for k in places)
        columns = [
            _converted(self.parameters[name], [row[k] for row in sampling.rows])
            for k, name in zip(places, names, strict=True)
        ]
        return names, list(zip(*columns, strict=True))

    def _joint(self, name: str, job: dict[str, Any], rng: np.random.Generator) -> None:
        """Draw a row; where a parameter is fixed, one that agrees with it, if any does."""
        names, rows = self.joints[name]
        for place, other in enumerate(names):
            if other in job:
                rows = [row for row in rows if row[place] == job[other]] or rows
        row = rows[int(rng.random() * len(rows))]
        for other, value in zip(names, row, strict=True):
            job.setdefault(other, value)


def _scalar(parameter: Parameter | None, value: Any) -> Any:
    """Return a fixed value as a plain scalar; None unless it is certainly valid."""
    if parameter is None:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    kind = type(value)
    if parameter.type == "float" and kind in (int, float):
        if not isfinite(value):
            return None
        value = float(value)
    elif parameter.type == "int":
        if kind is not int or abs(value) > _MAX_INT:
            return None
    elif not (parameter.type == "bool" and kind is bool) and not (
        parameter.type == "str" and kind is str and parameter.choices is not None
    ):
        return None
    if parameter.choices is not None and value not in parameter.choices:
        return None
    inside = parameter.type in ("str", "bool") or (
        (parameter.min is None or value >= parameter.min)
        and (parameter.max is None or value <= parameter.max)
    )
    return value if inside else None


def _outside(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low - _ROUNDING) or (
        high is not None and value > high + _ROUNDING
    )


def _converted(parameter: Parameter, options: Sequence[Any]) -> list[Any]:
    """Return the options as values of the parameter's type, as frames hold them."""
    column, _ = coerce(parameter, pd.Series(list(options), dtype="object"))
    one = Generator("", "", (parameter,))
    return [row.get(parameter.name) for row in records(one, column.to_frame(parameter.name))]


def _draw_of(parameter: Parameter, sampling: Sampling | None) -> Draw:
    """Return a function that draws a scalar as ``column_of`` draws a column."""
    match sampling:
        case None | Joint():
            return _always(parameter, parameter.default)
        case Constant(value):
            return _always(parameter, value)
        case Choice(options, weights):
            return _one_of(_converted(parameter, options), weights)
        case Uniform(low, high) if parameter.type == "int":
            return _whole_number(ceil(low), floor(high))
        case Uniform(low, high) if parameter.type == "float":
            return _between(low, high)
        case Normal(mean, std) if parameter.type in ("int", "float"):
            return _normal(parameter, mean, std)
    return _always(parameter, None)  # a range of texts: unspecified


def _always(parameter: Parameter, value: Any) -> Draw:
    kept = None if value is None else _converted(parameter, [value])[0]
    return lambda _: kept


def _one_of(options: Sequence[Any], weights: Sequence[float] | None) -> Draw:
    ends = list(accumulate(weights or [1.0] * len(options)))

    def draw(rng: np.random.Generator) -> Any:
        return options[bisect_right(ends, rng.random() * ends[-1], hi=len(ends) - 1)]

    return draw


def _whole_number(low: int, high: int) -> Draw:
    return lambda rng: int(rng.integers(low, high, endpoint=True))


def _between(low: float, high: float) -> Draw:
    return lambda rng: low + rng.random() * (high - low)


def _normal(parameter: Parameter, mean: float, std: float) -> Draw:
    low = -np.inf if parameter.min is None else parameter.min
    high = np.inf if parameter.max is None else parameter.max

    def draw(rng: np.random.Generator) -> float | int:
        value = rng.normal(mean, std)
        for _ in range(_REDRAWS):
            if low <= value <= high:
                break
            value = rng.normal(mean, std)
        value = min(max(value, low), high)
        return round(value) if parameter.type == "int" else float(value)

    return draw
