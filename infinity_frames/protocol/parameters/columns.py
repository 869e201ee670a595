"""Job parameters between dicts and typed columns, without losing a value on the way.

A jobs frame is a draft until it is validated: a column whose values all fit the parameter's type
becomes typed, any other stays exactly as the user wrote it, for the rules to report.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.errors import FrameError
from infinity_frames.protocol.parameters.dicts import columns_of_dicts
from infinity_frames.protocol.schemas import TAG_PREFIX
from infinity_frames.protocol.spec import Generator, Parameter

__all__ = [
    "coerce",
    "constant",
    "dtype_of",
    "frame",
    "is_missing",
    "records",
    "tags",
    "typed",
    "with_index_columns",
]

Series = pd.Series
Jobs = pd.DataFrame | Mapping[str, Any] | Iterable[Mapping[str, Any]]

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_BOOLEANS = {"True": True, "true": True, "False": False, "false": False}
_EXACT_FLOAT = 2.0**53  # whole floats beyond this no longer name one integer
_DTYPES = {
    "int": "Int64",
    "float": "Float64",
    "bool": "boolean",
    "str": "string",
    "uuid": "string",
}


def dtype_of(parameter: Parameter) -> Any:
    """Pandas dtype of a valid column of this parameter; text with choices is a category."""
    if parameter.type == "str" and parameter.choices is not None:
        return pd.CategoricalDtype([str(choice) for choice in parameter.choices])
    return _DTYPES[parameter.type]


def frame(generator: Generator, jobs: Jobs) -> pd.DataFrame:
    """Make a draft jobs frame; nothing is rejected and nothing is changed in value.

    Parameters
    ----------
    generator : Generator
        Whose parameters the columns are.
    jobs : DataFrame, dict or iterable of dict
        Jobs; a missing key, None, NaN and NA all mean unspecified.

    Returns
    -------
    DataFrame
        The columns given, typed where every value fits its parameter.

    Raises
    ------
    FrameError
        `jobs` is no frame and not made of dicts.
    """
    out = with_index_columns(generator, _as_dataframe(jobs, generator.by_name))
    repeated = out.columns[out.columns.duplicated()]
    if len(repeated):
        raise FrameError(
            f"Duplicate column {repeated[0]!r}.",
            advice="Keep one of the two.",
            columns=list(map(str, repeated)),
        )
    for name in out.columns:
        if name in generator.by_name:
            out[name] = typed(generator.by_name[name], out[name])
    return out


def with_index_columns(generator: Generator, jobs: pd.DataFrame) -> pd.DataFrame:
    """Add parameters and tags that are levels of the index as columns; the index stays.

    ``set_index`` and ``groupby().apply`` move columns there.

    Raises
    ------
    FrameError
        A parameter is both a column and a level of the index, with different values.
    """
    out = jobs
    for level, name in enumerate(jobs.index.names):
        if name not in generator.by_name and not str(name).startswith(TAG_PREFIX):
            continue
        values = jobs.index.get_level_values(level)
        if name not in jobs.columns:
            out = out.assign(**{str(name): values})
        elif isinstance(jobs[name], pd.Series) and not jobs[name].astype("object").equals(
            values.to_series(index=jobs.index).astype("object")
        ):
            raise FrameError(
                f"{name!r} is both a column and a level of the index, with different values.",
                advice="Keep one of them: jobs.reset_index(drop=True) drops the index.",
                parameter=str(name),
            )
    return out


def _as_dataframe(jobs: Jobs, known: Mapping[str, Parameter]) -> pd.DataFrame:
    if isinstance(jobs, pd.DataFrame):
        return jobs.copy()
    rows = [jobs] if isinstance(jobs, Mapping) else list(jobs)
    if set(map(type, rows)) - {dict}:
        for position, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise FrameError(
                    f"Job {position} is a {type(row).__name__}, not a dict of parameters.",
                    advice="Pass a DataFrame, a dict, or a list of dicts.",
                    job=position,
                )
    return pd.DataFrame(columns_of_dicts(rows, known), index=pd.RangeIndex(len(rows)))


def typed(parameter: Parameter, values: Series[Any]) -> Series[Any]:
    """Cast a column to its parameter's dtype if every value fits, else return it as it is."""
    column, wrong = coerce(parameter, values)
    if wrong.any():
        return values
    dtype = dtype_of(parameter)
    if isinstance(dtype, pd.CategoricalDtype) and column.dtype != dtype:
        known = column.dropna().isin(dtype.categories).all()
        return column.astype(dtype) if known else column
    return column


def coerce(parameter: Parameter, values: Series[Any]) -> tuple[Series[Any], NDArray[np.bool_]]:
    """Cast values that can be cast without loss.

    Parameters
    ----------
    parameter : Parameter
        The parameter that the column holds.
    values : Series, length n
        Any dtype.

    Returns
    -------
    column : Series, length n
        Of the parameter's dtype (text stays text, a category a category); NA where wrong.
    wrong : (n,) bool array
        Where a value is specified but does not fit the type.
    """
    if values.dtype == dtype_of(parameter):
        return _check_typed(parameter, values)
    if values.dtype == "object":
        values = _narrowed(values)
    return _CASTS[parameter.type](values)


def constant(parameter: Parameter, value: Any, count: int) -> Series[Any]:
    """Return a typed column of one value."""
    one = typed(parameter, pd.Series([value], dtype="object"))
    return one.take(np.zeros(count, dtype="int64")).reset_index(drop=True)


def is_missing(values: Series[Any]) -> NDArray[np.bool_]:
    """Return where a column is unspecified; a list in a cell counts as one value."""
    return np.asarray(values.isna(), dtype=bool)


def _check_typed(
    parameter: Parameter, values: Series[Any]
) -> tuple[Series[Any], NDArray[np.bool_]]:
    """Check values that the dtype alone does not rule out."""
    if parameter.type == "float":
        infinite = np.isinf(values.to_numpy("float64", na_value=0.0))
        return (values.mask(infinite) if infinite.any() else values), infinite
    if parameter.type == "uuid":
        return _to_uuid(values)
    return values, np.zeros(len(values), dtype=bool)


def _narrowed(values: Series[Any]) -> Series[Any]:
    """Return an object column whose values are all of one plain type, as that type.

    50x faster to read.
    """
    dtypes = {
        "integer": "Int64",
        "floating": "Float64",
        "mixed-integer-float": "Float64",
        "boolean": "boolean",
        "string": "string",
    }
    dtype: Any = dtypes.get(pd.api.types.infer_dtype(values, skipna=True))
    if dtype is None:
        return values.astype("string") if is_missing(values).all() else values
    try:
        narrowed: Series[Any] = values.astype(dtype)
    except (OverflowError, UnicodeEncodeError):  # beyond 64 bits; texts with half a character
        return values
    return narrowed


def _numbers(values: Series[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Float64 of every value that is a number or the text of one, and where one is not."""
    missing = is_missing(values)
    kind = values.dtype
    if pd.api.types.is_bool_dtype(kind):
        return np.full(len(values), np.nan), ~missing
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return values.to_numpy("float64", na_value=np.nan), np.zeros(len(values), dtype=bool)
    if isinstance(kind, pd.CategoricalDtype):
        values = values.astype("object")
    elif not pd.api.types.is_object_dtype(kind) and not pd.api.types.is_string_dtype(kind):
        return np.full(len(values), np.nan), ~missing
    found = np.array([_number(value) for value in values.array], dtype="float64")
    return found, np.isnan(found) & ~missing


def _number(value: object) -> float:
    if isinstance(value, bool | np.bool_):
        return np.nan
    if isinstance(value, Real | Decimal) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        try:
            return float(value)
        except (OverflowError, ValueError):  # Python's own idea of white space is narrower
            return np.nan
    return np.nan


def _to_float(values: Series[Any]) -> tuple[Series[Any], NDArray[np.bool_]]:
    numbers, wrong = _numbers(values)
    wrong = wrong | np.isinf(numbers)
    mask = is_missing(values) | wrong
    data = pd.arrays.FloatingArray(np.where(mask, 0.0, numbers), mask)
    return pd.Series(data, index=values.index, name=values.name), wrong


def _to_int(values: Series[Any]) -> tuple[Series[Any], NDArray[np.bool_]]:
    if pd.api.types.is_integer_dtype(values.dtype) and not pd.api.types.is_unsigned_integer_dtype(
        values.dtype
    ):
        return values.astype("Int64"), np.zeros(len(values), dtype=bool)
    numbers, wrong = _numbers(values)
    missing = is_missing(values)
    with np.errstate(invalid="ignore"):
        whole = np.equal(np.floor(numbers), numbers) & (np.abs(numbers) <= _EXACT_FLOAT)
    wrong = wrong | (~whole & ~missing)
    mask = missing | wrong
    data = pd.arrays.IntegerArray(np.where(mask, 0, numbers).astype("int64"), mask)
    return pd.Series(data, index=values.index, name=values.name), wrong


def _to_bool(values: Series[Any]) -> tuple[Series[Any], NDArray[np.bool_]]:
    if pd.api.types.is_bool_dtype(values.dtype):
        return values.astype("boolean"), np.zeros(len(values), dtype=bool)
    found = [
        _BOOLEANS.get(value)
        if isinstance(value, str)
        else (bool(value) if isinstance(value, bool | np.bool_) else None)
        for value in values.array
    ]
    column = pd.Series(found, index=values.index, name=values.name, dtype="boolean")
    return column, is_missing(column) & ~is_missing(values)


def _to_text(values: Series[Any]) -> tuple[Series[Any], NDArray[np.bool_]]:
    if isinstance(values.dtype, pd.CategoricalDtype) and pd.api.types.is_string_dtype(
        values.cat.categories.dtype
    ):
        return values, np.zeros(len(values), dtype=bool)
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype("string"), np.zeros(len(values), dtype=bool)
    found = [value if isinstance(value, str) and _whole(value) else None for value in values.array]
    column = pd.Series(found, index=values.index, name=values.name, dtype="string")
    return column, is_missing(column) & ~is_missing(values)


def _whole(text: str) -> bool:
    """Return whether a text can be written down; half a surrogate pair cannot."""
    return text.isascii() or text.isprintable() or text.encode("utf-8", "ignore").decode() == text


def _to_uuid(values: Series[Any]) -> tuple[Series[Any], NDArray[np.bool_]]:
    if values.dtype == "object":
        plain = [str(value) if isinstance(value, uuid.UUID) else value for value in values.array]
        values = pd.Series(plain, index=values.index, name=values.name, dtype="object")
    text, wrong = _to_text(values)
    text = text.astype("string")
    if is_missing(text).all():
        return text, wrong
    fits = text.str.fullmatch(_UUID).to_numpy("bool", na_value=True)
    return text.str.lower().where(fits), wrong | ~fits


_CASTS = {"int": _to_int, "float": _to_float, "bool": _to_bool, "str": _to_text, "uuid": _to_uuid}


def records(generator: Generator, jobs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each job's ``param_values`` as JSON-ready dicts, without unspecified parameters.

    Parameters
    ----------
    generator : Generator
        Whose parameters to take; other columns are left out.
    jobs : DataFrame
        Typed jobs.

    Returns
    -------
    list of dict
        One per row, in order.
    """
    return _records(jobs, {name: name for name in jobs.columns if name in generator.by_name})


def tags(jobs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each job's tags, ``{"fold": 1}`` for a column ``tag_fold``; missing tags are left out.

    Raises
    ------
    FrameError
        A tag is infinite, which JSON cannot hold.
    """
    named = {
        name: name.removeprefix(TAG_PREFIX)
        for name in jobs.columns
        if isinstance(name, str) and name.startswith(TAG_PREFIX)
    }
    for name in named:
        infinite = _infinite(jobs[name])
        if infinite.any():
            position = int(np.flatnonzero(infinite)[0])
            raise FrameError(
                f"{name} of job {position} is infinite, which JSON cannot hold.",
                advice="Use a missing value, or text.",
                job=position,
                parameter=name,
            )
    return _records(jobs, named)


def _infinite(values: Series[Any]) -> NDArray[np.bool_]:
    if pd.api.types.is_float_dtype(values.dtype):
        return np.asarray(np.isinf(values.to_numpy("float64", na_value=0.0)), dtype=bool)
    if values.dtype != "object" and not isinstance(values.dtype, pd.CategoricalDtype):
        return np.zeros(len(values), dtype=bool)
    return np.array([isinstance(v, Real) and np.isinf(float(v)) for v in values], dtype=bool)


def _records(jobs: pd.DataFrame, named: Mapping[str, str]) -> list[dict[str, Any]]:
    given = {name: jobs[name].notna() for name in named}
    given = {name: there for name, there in given.items() if there.any()}
    keys = [named[name] for name in given]
    columns = [_plain_list(jobs[name]) for name in given]
    if not columns:
        return [{} for _ in range(len(jobs))]
    if all(there.all() for there in given.values()):
        return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
    return [
        {key: value for key, value in zip(keys, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _plain_list(values: Series[Any]) -> Sequence[Any]:
    """Python scalars that JSON can hold, None where missing."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        # Missing is the code -1: the last.
        choices = [*map(_json_ready, values.dtype.categories), None]
        return [choices[code] for code in values.cat.codes.tolist()]
    missing = is_missing(values)
    plain = values.astype("object").tolist()
    if missing.any():
        plain = [None if gone else value for value, gone in zip(plain, missing, strict=True)]
    if values.dtype == "object":
        return [_json_ready(value) for value in plain]
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return [None if value is None else value.isoformat() for value in plain]
    return plain


def _json_ready(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | Decimal):
        return float(value)
    return str(value)
