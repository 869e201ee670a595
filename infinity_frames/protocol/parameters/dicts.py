"""Columns of a list of dicts, built from blocks of rows that fit into the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.spec import Parameter

__all__ = ["columns_of_dicts"]

_BLOCK = 512  # rows
_MISSING = type(None)


def columns_of_dicts(
    rows: Sequence[Mapping[str, Any]], known: Mapping[str, Parameter]
) -> dict[str, pd.Series[Any]]:
    """Transpose dicts into columns.

    Parameters
    ----------
    rows : sequence of n mappings
        A missing key means None.
    known : mapping of str to Parameter
        Parameters by name. A column of one of them gets the parameter's dtype where that is
        certain from the Python types alone; every other column keeps its objects.

    Returns
    -------
    dict of str to Series, length n
        In the order in which the keys first occur.
    """
    parts: dict[str, _Parts] = {}
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        for name, values in _transposed(block):
            if name not in parts:
                parts[name] = _Parts(known.get(name), start)
            parts[name].add(values)
        for part in parts.values():
            part.fill(start + len(block))
    columns = {}
    for name, part in parts.items():
        made = part.array()
        if made is None:
            columns[name] = pd.Series([row.get(name) for row in rows], dtype="object", name=name)
        else:
            columns[name] = pd.Series(made, name=name, copy=False)
    return columns


def _transposed(
    block: Sequence[Mapping[str, Any]],
) -> Iterable[tuple[str, Sequence[Any]]]:
    """Return each key of the block with its values."""
    names = list(block[0])
    if set(map(type, block)) == {dict}:
        rows = cast("Sequence[dict[str, Any]]", block)
        if all(map(names.__eq__, map(list, rows))):
            values: Callable[[dict[str, Any]], Iterable[Any]] = dict.values
            return zip(names, zip(*map(values, rows), strict=True), strict=True)
        keys = dict.fromkeys(key for row in rows for key in row)
        get: Callable[[dict[str, Any], str], Any] = dict.get
        return ((key, list(map(get, rows, repeat(key)))) for key in keys)
    keys = dict.fromkeys(key for row in block for key in row)
    return ((key, [row.get(key) for row in block]) for key in keys)


class _Parts:
    """Blocks of one column, as arrays for as long as all values have the parameter's plain type."""

    def __init__(self, parameter: Parameter | None, count: int) -> None:
        self.kind = "" if parameter is None else parameter.type
        self.codes: dict[str | None, int] = {None: -1}
        self.choices: list[str] = []
        if parameter is not None and parameter.choices is not None:
            self.choices = [str(choice) for choice in parameter.choices]
            self.codes.update((choice, code) for code, choice in enumerate(self.choices))
        self.certain = self.kind in ("float", "int", "bool") or (
            self.kind == "str" and bool(self.choices)
        )
        self.count = 0
        self.data: list[NDArray[Any]] = []
        self.fill(count)

    def fill(self, count: int) -> None:
        """Add missing values up to this length."""
        if self.count < count:
            self.add([None] * (count - self.count))

    def add(self, values: Sequence[Any]) -> None:
        """Add a block."""
        self.count += len(values)
        if self.certain:
            try:
                data = self._typed(values, set(map(type, values)))
            except (OverflowError, KeyError):  # beyond 64 bits; not one of the choices
                data = None
            self.certain = data is not None
            if data is not None:
                self.data.append(data)

    def _typed(self, values: Sequence[Any], kinds: set[type]) -> NDArray[Any] | None:
        """Floats, integers (objects where some are missing) or codes; None for other types."""
        gaps = _MISSING in kinds
        kinds.discard(_MISSING)
        if self.kind == "float":
            # None becomes NaN.
            return np.array(values, dtype="float64") if kinds <= {float, int} else None
        if self.kind == "str":
            if not kinds <= {str}:
                return None
            codes = map(self.codes.__getitem__, values)
            return np.fromiter(codes, dtype="int64", count=len(values))
        if not kinds <= {int if self.kind == "int" else bool}:
            return None
        exact = "int64" if self.kind == "int" else "bool"
        if not gaps:
            return np.array(values, dtype=exact)
        np.array([value for value in values if value is not None], dtype=exact)  # may overflow
        return np.array(values, dtype="object")

    def array(self) -> Any:
        """Return the whole column as an array of its parameter's dtype.

        None if that is not certain.
        """
        if not self.certain:
            return None
        data = np.concatenate(self.data)
        if self.kind == "str":
            if (data < 0).all():
                return None
            return pd.Categorical.from_codes(data, dtype=pd.CategoricalDtype(self.choices))
        mask = np.isnan(data) if self.kind == "float" else np.zeros(len(data), dtype=bool)
        if data.dtype == "object":
            mask = np.array([value is None for value in data.tolist()], dtype=bool)
        if mask.all() or (self.kind == "float" and np.isinf(data).any()):
            return None
        if mask.any():
            data = np.where(mask, 0, data)
        if self.kind == "float":
            return pd.arrays.FloatingArray(data, mask)
        if self.kind == "int":
            return pd.arrays.IntegerArray(data.astype("int64"), mask)
        return pd.arrays.BooleanArray(data.astype(bool), mask)
