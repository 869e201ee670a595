"""Convert frames to Arrow tables and back, in the package's dtypes."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.types as pt

from infinity_frames.data.type_inference import as_text
from infinity_frames.protocol.errors import QueryError
from infinity_frames.protocol.schemas import Kind

__all__ = ["label_frame", "to_arrow", "to_frame"]

_UNCONVERTIBLE = (pa.ArrowException, TypeError, ValueError, OverflowError)


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Convert a frame without its index to an Arrow table that DuckDB can take.

    Columns that SQL has no type for (mixed values, complex numbers, whole numbers beyond 64 bits,
    periods, intervals) become text. SQL does not tell upper from lower case, so where column names
    differ in case only, the later ones get a number: ``Fold``, ``fold_2``.

    Raises
    ------
    QueryError
        A column has no name, or the frame has no columns.
    """
    if not len(frame.columns):
        raise QueryError(
            "A table without columns cannot be used in SQL.", advice="Give it at least one column."
        )
    names = _sql_names([_column_name(name) for name in frame.columns])
    return pa.table({name: _arrow_column(frame.iloc[:, place]) for place, name in enumerate(names)})


def _column_name(name: Any) -> str:
    text = str(name)
    if not text or "\0" in text:
        raise QueryError(
            f"A column is named {text!r}, which SQL cannot use.",
            advice="Rename the column before calling sql().",
        )
    return text


def _sql_names(names: list[str]) -> list[str]:
    """Return names that differ by more than their case."""
    taken = {name.casefold() for name, count in Counter(names).items() if count}
    seen: set[str] = set()
    out = []
    for name in names:
        unique, number = name, 1
        while unique.casefold() in seen or (number > 1 and unique.casefold() in taken):
            number += 1
            unique = f"{name}_{number}"
        seen.add(unique.casefold())
        out.append(unique)
    return out


def _arrow_column(column: pd.Series[Any]) -> pa.Array:
    try:
        array = pa.array(column, from_pandas=True)
    except _UNCONVERTIBLE:
        return _text_column(column)
    dtype = array.type
    if isinstance(dtype, pa.BaseExtensionType) or pt.is_union(dtype):
        return _text_column(column)  # periods and intervals
    return array.cast(pa.float32()) if pt.is_float16(dtype) else array


def _text_column(column: pd.Series[Any]) -> pa.Array:
    values = column.astype(object).where(column.notna(), None)
    return as_text(v if v is None else str(v) for v in values)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Convert the result of a query to a frame in the package's dtypes, where that is lossless."""
    columns = (_plain(table.schema.field(i), table.column(i)) for i in range(table.num_columns))
    fields = list(columns)
    plain = pa.table([column for _, column in fields], names=[name for name, _ in fields])
    frame: pd.DataFrame = plain.to_pandas(types_mapper=_DTYPES.get, date_as_object=False)
    for name in frame.select_dtypes(object).columns:
        # Lists come as arrays of arrays; lists can be compared, stored and printed.
        frame[name] = frame[name].map(_listed)
    return frame


def label_frame(table: pa.Table, kind: Kind) -> pd.DataFrame:
    """Convert a label table to a frame; its dtypes depend on the schema, never on the values.

    Floats are float64 with NaN for missing values, whole numbers that are never missing are int64,
    others Int64, flags boolean, text string.

    Raises
    ------
    ValueError, TypeError, pyarrow.ArrowException
        A column is not of its schema's type, or has missing values that its schema excludes.
    """
    columns: dict[str, Any] = {}
    for place, name in enumerate(table.column_names):
        columns[name] = _label_column(table.column(place), kind.columns.get(name), name)
    return kind.conform(pd.DataFrame(columns, copy=False))


def _label_column(column: pa.ChunkedArray, dtype: str | tuple[str, ...] | None, name: str) -> Any:
    if isinstance(dtype, tuple):
        if not pt.is_string(column.type) and not pt.is_large_string(column.type):
            raise TypeError(f"{name} is {column.type}, not text")
        return column.dictionary_encode().combine_chunks().to_pandas()
    if dtype == "int64":
        if column.null_count or not pt.is_integer(column.type):
            raise ValueError(f"{name} has missing values or is {column.type}, not a whole number")
        return column.to_numpy()
    if dtype == "float64" or (dtype is None and pt.is_floating(column.type)):
        return column.cast(pa.float64()).to_numpy()
    if pt.is_nested(column.type):
        return column.to_pandas().map(_listed)
    return column.to_pandas(types_mapper=_DTYPES.get, date_as_object=False)


_DTYPES: dict[pa.DataType, Any] = {
    **{
        dtype: pd.Int64Dtype()
        for dtype in (
            pa.int8(),
            pa.int16(),
            pa.int32(),
            pa.int64(),
            pa.uint8(),
            pa.uint16(),
            pa.uint32(),
        )
    },
    pa.uint64(): pd.UInt64Dtype(),
    pa.float32(): pd.Float64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype(),
}


def _plain(field: pa.Field, column: pa.ChunkedArray) -> tuple[str, pa.ChunkedArray]:
    """Return a column in the types of our frames, where that is lossless; otherwise as it is."""
    dtype = field.type
    try:
        if pt.is_decimal(dtype):
            # DuckDB sums whole numbers into 128 bits, and writes 1.5 as a decimal.
            whole = dtype.scale == 0
            if whole or _fit_floats(column):
                column = column.cast(pa.int64() if whole else pa.float64())
        elif pt.is_timestamp(dtype):
            column = column.cast(pa.timestamp("us", dtype.tz and "UTC"))
        elif pt.is_interval(dtype):
            column = _durations(column)
        elif pt.is_union(dtype):
            column = pa.chunked_array([as_text(_union_text(v) for v in column.to_pylist())])
    except pa.ArrowInvalid:  # beyond 64 bits, or finer than a microsecond
        pass
    return field.name, column


_DAY_NS = 86_400_000_000_000


def _durations(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """SQL intervals as time spans; those with months, whose length varies, stay as they are."""
    values = column.to_pylist()
    if any(value is not None and value.months for value in values):
        return column
    spans = [None if v is None else (v.days * _DAY_NS + v.nanoseconds) // 1000 for v in values]
    return pa.chunked_array([pa.array(spans, pa.duration("us"))])


def _union_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _fit_floats(column: pa.ChunkedArray) -> bool:
    values = (value for value in column.to_pylist() if value is not None)
    return all(Decimal(repr(float(value))) == value for value in values)


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value.tolist()] if isinstance(value, np.ndarray) else value
