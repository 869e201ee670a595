"""Which rules a frame of jobs breaks: every rule of every job, found column by column."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.errors import InvalidJobs
from infinity_frames.protocol.parameters.columns import (
    coerce,
    constant,
    dtype_of,
    is_missing,
    typed,
    with_index_columns,
)
from infinity_frames.protocol.schemas import TAG_PREFIX, VIOLATIONS, pandera
from infinity_frames.protocol.spec import Conditional, Constraint, Generator, Linear, Parameter

if TYPE_CHECKING:
    import pandera.pandas as pa

__all__ = [
    "broken",
    "explain",
    "jobs_schema",
    "unknown_parameter",
    "validate",
    "violations",
]

_SHOWN = 3  # violations spelled out in an error's text; all of them are in its frame
_LISTED = 120  # characters of choices listed in a message; of more, the nearest
_EXAMPLES = 3
_ROUNDING = 1e-9  # 0.6 + 0.3 is not <= 0.9 in binary


def jobs_schema(generator: Generator) -> pa.DataFrameSchema:
    """Pandera schema of a generator's valid jobs: types, ranges, choices; any value may be NA.

    Parameters
    ----------
    generator : Generator
        Whose jobs.

    Returns
    -------
    pandera.pandas.DataFrameSchema
        No column is required: a missing one is unspecified.
    """
    return _schema(generator, dtypes=True)


def violations(generator: Generator, jobs: pd.DataFrame, *, joint: bool = True) -> pd.DataFrame:
    """List every broken rule of every job, in one pass over the columns.

    Parameters
    ----------
    generator : Generator
        Whose rules.
    jobs : DataFrame, n rows
        Jobs, typed or not.
    joint : bool
        Whether to look at joint rules too; unspecified parameters count with their defaults.

    Returns
    -------
    DataFrame
        A violations frame, by position and in the order of the parameters; empty when all is well.
    """
    return _check(generator, with_index_columns(generator, jobs), joint=joint)[0]


def validate(generator: Generator, jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the jobs with typed columns, or raise with all that is wrong.

    Raises
    ------
    InvalidJobs
        Its ``violations`` is the whole frame; its text shows the first few.
    """
    jobs = with_index_columns(generator, jobs)
    found, columns = _check(generator, jobs, joint=True)
    if len(found):
        raise InvalidJobs(
            explain(found),
            advice="The error's .violations frame has all of them.",
            violations=found,
        )
    out = jobs.copy(deep=False)  # pandas copies what is written to
    for name, column in columns.items():
        out[name] = typed(generator.by_name[name], column)
    return out


def _check(
    generator: Generator, jobs: pd.DataFrame, *, joint: bool
) -> tuple[pd.DataFrame, dict[str, pd.Series[Any]]]:
    """Return the violations, and the columns as they were read to find them."""
    known = {name: generator.by_name[name] for name in jobs.columns if name in generator.by_name}
    columns, wrong = {}, {}
    for name, parameter in known.items():
        columns[name], wrong[name] = coerce(parameter, jobs[name])
    found = [
        *_unknown(generator, jobs),
        *_wrong_type(known, jobs, wrong),
        *_out_of_bounds(generator, known, columns),
        *(_constraints(generator, columns, len(jobs)) if joint else ()),
    ]
    return _frame(generator, jobs, found), columns


def explain(found: pd.DataFrame) -> str:
    """Summarize a violations frame in one sentence; a fault that many jobs share only once."""
    jobs = found["position"].nunique()
    kinds = found.groupby("message", sort=False)["position"].agg(["first", "nunique"])
    told = [
        f"job {position}: {message}" if count == 1 else f"{count} jobs: {message}"
        for message, position, count in kinds.head(_SHOWN).itertuples(name=None)
    ]
    more = len(kinds) - len(told)
    rest = f"; and {more} more" if more else ""
    return sentence(f"{jobs} job{'s' if jobs > 1 else ''} broke a rule: {'; '.join(told)}{rest}")


def sentence(text: str) -> str:
    """End a text as a sentence; a question has its mark already."""
    return text if text.endswith("?") else f"{text}."


def unknown_parameter(
    generator: Generator, name: str, own: str = "call it tag_{name} if it is your own"
) -> str:
    """Report an unknown parameter and suggest similar names.

    `own` says where a value of one's own belongs: not in the same place everywhere.
    """
    tagged = name.startswith(TAG_PREFIX)
    near = [] if tagged else difflib.get_close_matches(name, list(generator.by_name), n=1)
    hint = f"did you mean {near[0]}?" if near else own.format(name=name)
    return f"{generator.name} has no parameter {name}; {hint}"


_Found = tuple[int, str, str, str, str]  # position, parameter, rule, value, message


def _unknown(generator: Generator, jobs: pd.DataFrame) -> Iterator[_Found]:
    for name in jobs.columns:
        if name in generator.by_name or str(name).startswith(TAG_PREFIX):
            continue
        values = jobs[name]
        message = unknown_parameter(generator, str(name))
        for position in np.flatnonzero(~is_missing(values)):
            yield int(position), str(name), "unknown", _text(values.iloc[position]), message


def _wrong_type(
    known: dict[str, Parameter], jobs: pd.DataFrame, wrong: dict[str, NDArray[np.bool_]]
) -> Iterator[_Found]:
    words = {
        "int": "a whole number",
        "float": "a finite number",
        "str": "text",
        "bool": "True or False",
        "uuid": "a job id (a UUID)",
    }
    for name, parameter in known.items():
        values = jobs[name]
        for position in np.flatnonzero(wrong[name]):
            value = values.iloc[position]
            message = f"{name} must be {words[parameter.type]}, not {_repr(value)}"
            yield int(position), name, "type", _text(value), message


def _out_of_bounds(
    generator: Generator, known: dict[str, Parameter], columns: dict[str, pd.Series[Any]]
) -> Iterator[_Found]:
    names = {"greater_than_or_equal_to": "min", "less_than_or_equal_to": "max", "isin": "choices"}
    checkable = {
        name: column.array
        for name, column in columns.items()
        if _may_break_bounds(known[name], column)
    }
    checked = pd.DataFrame(checkable, copy=False)
    if not len(checked):
        return
    schema = _schema(generator, dtypes=False)
    # Imported here: pandera takes a quarter of a second, and only checks need it.
    from pandera.config import ValidationDepth, config_context

    # Environment variables may switch pandera's checks off for other code, but not for our rules.
    depth = ValidationDepth.SCHEMA_AND_DATA
    try:
        with config_context(validation_enabled=True, validation_depth=depth):
            schema.validate(checked, lazy=True, inplace=True)
    except pandera().errors.SchemaErrors as error:
        failures = error.failure_cases
    else:
        return
    for name, check, position in zip(
        failures["column"], failures["check"], failures["index"], strict=True
    ):
        rule = names[str(check).split("(")[0]]
        value = columns[name].iloc[int(position)]
        yield int(position), name, rule, _text(value), _bound(known[name], rule, value)


def _may_break_bounds(parameter: Parameter, column: pd.Series[Any]) -> bool:
    """Return whether pandera has to check: comparing the extremes costs a hundredth of that."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return bool(
            column.dtype != dtype_of(parameter)
        )  # a category of the choices holds nothing else
    if (
        parameter.choices is not None
        and not (
            is_missing(column)
            | column.isin(list(parameter.choices)).to_numpy("bool", na_value=False)
        ).all()
    ):
        return True
    if parameter.min is None and parameter.max is None:
        return False
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return True
    values = column.to_numpy("float64", na_value=np.nan)
    # NaN compares false.
    low = parameter.min is not None and bool((values < parameter.min).any())
    return low or (parameter.max is not None and bool((values > parameter.max).any()))


def _bound(parameter: Parameter, rule: str, value: object) -> str:
    unit = f" {parameter.unit}" if parameter.unit else ""
    if rule == "choices":
        options = [str(choice) for choice in parameter.choices or ()]
        shown = repr(value) if isinstance(value, str) else str(value)
        folded = {option.casefold(): option for option in options}
        close = difflib.get_close_matches(str(value).casefold(), folded, n=3, cutoff=0.5)
        near = [folded[name] for name in close]
        if len(", ".join(options)) <= _LISTED:
            return f"{parameter.name} is {shown}; it must be one of {', '.join(options)}"
        start = f"{parameter.name} is {shown}; it must be one of its {len(options)} choices"
        if near:
            return f"{start}; did you mean {' or '.join(near)}?"
        return f"{start} ({', '.join(options[:_EXAMPLES])}, ...)"
    bound, word = (parameter.min, "least") if rule == "min" else (parameter.max, "most")
    return f"{parameter.name} is {value}{unit}; it must be at {word} {bound}{unit}"


def _constraints(
    generator: Generator, columns: dict[str, pd.Series[Any]], count: int
) -> Iterator[_Found]:
    for rule in generator.constraints:
        if not any(name in columns for name in rule.parameters):
            continue
        filled = {
            name: _with_default(generator.by_name[name], columns.get(name), count)
            for name in rule.parameters
            if name in generator.by_name
        }
        if len(filled) < len(set(rule.parameters)):
            continue
        for position in np.flatnonzero(broken(rule, filled)):
            values = ", ".join(
                f"{name}={_text(filled[name].iloc[position])}" for name in rule.parameters
            )
            message = f"{_describe(rule, filled, int(position))}; here {values}"
            yield int(position), rule.parameters[0], "constraint", values, message


def _describe(rule: Constraint, filled: dict[str, pd.Series[Any]], position: int) -> str:
    """Return the rule in words; of a long list of cases only the one that applies here."""
    if isinstance(rule, Linear):
        return f"{rule.describe()} must hold"
    here = {name: (filled[name].iloc[position],) for name in rule.when}
    return Conditional(here, rule.parameter, rule.min, rule.max, rule.choices).describe()


def broken(rule: Constraint, columns: dict[str, pd.Series[Any]]) -> NDArray[np.bool_]:
    """Return where a joint rule does not hold; where a value it reads is missing, it holds.

    Parameters
    ----------
    rule : Linear or Conditional
        The rule.
    columns : dict of str to Series, length n
        Typed columns of every parameter the rule reads.

    Returns
    -------
    (n,) bool array
    """
    if isinstance(rule, Linear):
        total = sum(
            factor * columns[name].to_numpy("float64", na_value=np.nan)
            for name, factor in rule.terms.items()
        )
        return _outside(cast("NDArray[np.float64]", total), rule.min, rule.max)
    values = columns[rule.parameter]
    applies = np.ones(len(values), dtype=bool)
    for name, cases in rule.when.items():
        applies &= columns[name].isin(list(cases)).to_numpy("bool", na_value=False)
    if rule.choices is not None:
        allowed = values.isin(list(rule.choices)).to_numpy("bool", na_value=True)
        return applies & ~allowed & ~is_missing(values)
    if rule.min is None and rule.max is None:
        return np.zeros(len(values), dtype=bool)
    return applies & _outside(values.to_numpy("float64", na_value=np.nan), rule.min, rule.max)


def _outside(
    values: NDArray[np.float64], low: float | None, high: float | None
) -> NDArray[np.bool_]:
    out = np.zeros(len(values), dtype=bool)
    if low is not None:
        out |= values < low - _ROUNDING
    if high is not None:
        out |= values > high + _ROUNDING
    return out


def _with_default(
    parameter: Parameter, column: pd.Series[Any] | None, count: int
) -> pd.Series[Any]:
    if column is None:
        return constant(parameter, parameter.default, count)
    if parameter.default is None or not is_missing(column).any():
        return column.reset_index(drop=True)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("string")
    return column.reset_index(drop=True).fillna(parameter.default)


@lru_cache(maxsize=32)
def _schema(generator: Generator, *, dtypes: bool) -> pa.DataFrameSchema:
    pandas_schemas = pandera()
    fields = {}
    for parameter in generator.parameters:
        checks = []
        if parameter.min is not None:
            checks.append(pandas_schemas.Check.ge(parameter.min))
        if parameter.max is not None:
            checks.append(pandas_schemas.Check.le(parameter.max))
        if parameter.choices is not None:
            checks.append(pandas_schemas.Check.isin(list(parameter.choices)))
        dtype = dtype_of(parameter) if dtypes else None
        fields[parameter.name] = pandas_schemas.Column(dtype, checks, nullable=True, required=False)
    schema = pandas_schemas.DataFrameSchema(fields, name=generator.name)
    return cast("pa.DataFrameSchema", schema)


def _frame(generator: Generator, jobs: pd.DataFrame, found: list[_Found]) -> pd.DataFrame:
    order = {name: rank for rank, name in enumerate(generator.by_name)}
    found.sort(key=lambda row: (row[0], order.get(row[1], -1)))
    out = VIOLATIONS.empty()
    if not found:
        return out
    position, parameter, rule, value, message = zip(*found, strict=True)
    labels = pd.Series([jobs.index[row] for row in position], dtype="object")
    return VIOLATIONS.conform(
        pd.DataFrame(
            {
                "position": position,
                "label": labels,
                "parameter": parameter,
                "rule": rule,
                "value": value,
                "message": message,
            }
        )
    )


def _text(value: object) -> str:
    return str(value)[:200].encode("utf-8", "backslashreplace").decode()


def _repr(value: object) -> str:
    return repr(value)[:200]
