"""Types of columns whose specification is not at hand, from their values alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

__all__ = ["as_text", "columns_of", "label_array", "typed"]

# A number as JSON writes it: "1.02" is one, "007" is somebody's identifier.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_INT64 = range(-(2**63), 2**63)


def columns_of(records: Sequence[Mapping[str, Any]], *, numbers: bool) -> dict[str, pd.Series[Any]]:
    """Typed columns of a list of dicts, in the order in which their keys first appear.

    Parameters
    ----------
    records : sequence of mapping
        One per row; a key missing in a row is missing there.
    numbers : bool
        Whether text that is a number is that number, as the protocol has it for parameters.
    """
    names = dict.fromkeys(name for record in records for name in record)
    return {name: typed([r.get(name) for r in records], numbers=numbers) for name in names}


def typed(values: Iterable[Any], *, numbers: bool) -> pd.Series[Any]:
    """A column as a jobs frame would have it: Int64, Float64, boolean or string.

    Values of several types become their JSON text: no value is lost, none is guessed.
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


def label_array(values: list[Any]) -> pa.Array | None:
    """An Arrow array of label values: numbers, flags and text as such, matrices as lists.

    None where no value is there at all: a column without values has no type.
    """
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return None
    if kinds == {int} and not all(value is None or value in _INT64 for value in values):
        kinds = {float}
    if kinds == {int, float} or kinds == {float}:
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
    """An Arrow array of text: strings as they are, anything else as its JSON."""
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
