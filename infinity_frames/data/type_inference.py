"""Infer the type of columns without a specification from their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

__all__ = ["as_text", "columns_of", "label_array", "typed"]

# A number in JSON syntax: "1.02" is a number, "007" is an identifier.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_INT64 = range(-(2**63), 2**63)


def columns_of(records: Sequence[Mapping[str, Any]], *, numbers: bool) -> dict[str, pd.Series[Any]]:
    """Build typed columns of a list of dicts, in the order in which their keys first appear.

    Parameters
    ----------
    records : sequence of mapping
        One per row; a missing key is a missing value.
    numbers : bool
        Whether text that looks like a number becomes one, as the protocol does for parameters.
    """
    names = dict.fromkeys(name for record in records for name in record)
    return {name: typed([r.get(name) for r in records], numbers=numbers) for name in names}


def typed(values: Iterable[Any], *, numbers: bool) -> pd.Series[Any]:
    """Build a column with the dtypes of a jobs frame: Int64, Float64, boolean or string.

    Values of several types become JSON text.
    """
    cells = [_number(value) if numbers else value for value in values]
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {bool}:
        return pd.Series(cells, dtype="boolean")
    if kinds == {int} and all(cell is None or cell in _INT64 for cell in cells):
        return pd.Series(cells, dtype="Int64")
    if kinds and kinds <= {int, float}:
        return pd.Series(cells, dtype="Float64")
    return pd.Series([_text(cell) for cell in cells], dtype="string")


def label_array(values: list[Any], dtype: str | None = None) -> pa.Array | None:
    """Build an Arrow array of label values: numbers, flags and text as such, matrices as lists.

    Parameters
    ----------
    values : list
        The values, None where one is missing.
    dtype : str, optional
        The label's dtype where it is known: ``"float64"`` keeps whole numbers as floats.

    Returns
    -------
    pyarrow.Array or None
        None if all values are missing, since such a column has no type.
    """
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return None
    if kinds == {int} and not all(value is None or value in _INT64 for value in values):
        kinds = {float}
    is_float = kinds <= {int, float} and (float in kinds or dtype == "float64")
    if is_float:
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if kinds == {list}:
        try:
            return _as_float(pa.array(values))
        except pa.ArrowException:
            pass
    elif len(kinds) == 1 and kinds <= {bool, int, str}:
        return pa.array(values)
    return as_text(values)


def as_text(values: Iterable[Any]) -> pa.Array:
    """Build an Arrow array of text: strings as they are, anything else as JSON."""
    return pa.array([_text(value) for value in values], pa.string())


def _as_float(array: pa.Array) -> pa.Array:
    # One file may hold whole numbers where another holds fractions.
    def widened(dtype: pa.DataType) -> pa.DataType:
        if pa.types.is_list(dtype):
            return pa.list_(widened(dtype.value_type))
        return pa.float64() if pa.types.is_integer(dtype) else dtype

    return array.cast(widened(array.type))


def _number(value: Any) -> Any:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:  # larger than any float
        return value


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
