"""Fill in what jobs leave unspecified: with defaults, or with uniform draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.protocol.parameters.columns import constant, is_missing, typed
from infinity_frames.protocol.parameters.draws import (
    column_of,
    entropy_of,
    rng_of,
    uniform,
    until_joint_rules_hold,
)
from infinity_frames.protocol.spec import Generator, Parameter

__all__ = ["fill"]


def fill(
    generator: Generator, jobs: pd.DataFrame, *, random: bool = False, seed: int | None = None
) -> pd.DataFrame:
    """Fill in the default of every parameter that a job leaves unspecified.

    Parameters
    ----------
    generator : Generator
        Whose parameters.
    jobs : DataFrame, n rows
        Jobs; values that are specified are never changed.
    random : bool
        False: take defaults. True: draw uniformly from the range or the choices, redrawing until
        the joint rules hold; a parameter with neither takes its default.
    seed : int, optional
        Makes the draws repeatable.

    Returns
    -------
    DataFrame
        The generator's parameters in their order, then the other columns.

    Raises
    ------
    InvalidJobs
        The specified values leave no draw that keeps the joint rules.
    """
    drawn: dict[str, Any] = {}
    columns: dict[str, pd.Series[Any]] = {}
    entropy = entropy_of(seed)
    for parameter in generator.parameters:
        given = _given(parameter, jobs)
        gaps = is_missing(given)
        if random and gaps.any() and parameter.name != "state" and uniform(parameter) is not None:
            values = column_of(
                parameter, uniform(parameter), len(jobs), rng_of(entropy, parameter.name)
            )
            drawn[parameter.name] = gaps
            columns[parameter.name] = _merge(parameter, given, values, gaps)
        elif gaps.any() and parameter.default is not None:
            default = constant(parameter, parameter.default, len(jobs))
            columns[parameter.name] = _merge(parameter, given, default, gaps)
        else:
            columns[parameter.name] = given
    if drawn:
        samplings = {name: uniform(generator.by_name[name]) for name in drawn}
        columns = until_joint_rules_hold(generator, columns, drawn, samplings, entropy)
    rest = {name: jobs[name] for name in jobs.columns if name not in generator.by_name}
    out = pd.DataFrame({name: column.array for name, column in columns.items()}, index=jobs.index)
    for name, values in rest.items():
        out[name] = values
    out.attrs = dict(jobs.attrs)
    return out


def _given(parameter: Parameter, jobs: pd.DataFrame) -> pd.Series[Any]:
    if parameter.name not in jobs.columns:
        return constant(parameter, None, len(jobs))
    given: pd.Series[Any] = typed(parameter, jobs[parameter.name]).reset_index(drop=True)
    return given


def _merge(
    parameter: Parameter, given: pd.Series[Any], values: pd.Series[Any], gaps: np.ndarray[Any, Any]
) -> pd.Series[Any]:
    if gaps.all():
        return values
    if given.dtype != values.dtype:
        # A value the type rejects stays as it is, for the rules to report.
        given, values = given.astype("object"), values.astype("object")
    merged: pd.Series[Any] = given.where(~gaps, values)
    return typed(parameter, merged)
