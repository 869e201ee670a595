"""Rows of label tables, gathered job by job and made into Arrow tables for many jobs at once.

An Arrow table costs a fraction of a millisecond however few rows it has: one per job and kind would
take longer than reading the files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import pyarrow as pa

from infinity_frames.data.type_inference import label_array
from infinity_frames.protocol.schemas import Kind

__all__ = ["ODD", "Rows", "tables_of"]

_PACKED = 2**14
"""Rows kept as Python's objects: each of these takes several times what it takes in Arrow."""

ODD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What labels that are not as they should be raise; Arrow's errors are among them."""

_ARROW = {
    "string": pa.string(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "boolean": pa.bool_(),
}


class Rows:
    """Rows of one job in one table, column by column; a label first seen late is missing before."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.columns: dict[str, list[Any]] = {name: [] for name in kind.columns}
        self.packed: dict[str, list[pa.Array]] = {name: [] for name in kind.columns}
        self.length = 0

    def add(self, own: Mapping[str, Any], more: Iterable[tuple[str, Any]] = ()) -> None:
        """One row: the kind's own columns, then further labels that none of these is named for."""
        for name, value in own.items():
            self.columns[name].append(value)
        for name, value in more:
            if name not in own:
                self.columns.setdefault(name, [None] * self.length).append(value)
        self.length += 1
        for column in self.columns.values():
            if len(column) < self.length:
                column.append(None)

    def extend(self, count: int, columns: Mapping[str, list[Any]]) -> None:
        """Many rows at once, of the kind's own columns only."""
        for name, values in columns.items():
            if len(values) != count:
                raise ValueError(f"{len(values)} values of {name} for {count} rows")
        for name, column in self.columns.items():
            column.extend(columns.get(name) or repeat(None, count))
        self.length += count
        if len(self.columns["job_id"]) >= _PACKED:
            for name, packed in self.packed.items():
                packed.append(_array(self.kind, name, self.columns[name]))
                self.columns[name] = []


def tables_of(
    jobs: Mapping[str, Mapping[str, Rows]],
) -> tuple[dict[str, list[pa.Table]], dict[str, Exception]]:
    """Arrow tables of the rows of many jobs.

    Parameters
    ----------
    jobs : mapping of str to mapping of str to Rows
        By job id, then by table; every one with rows.

    Returns
    -------
    tables : dict of str to list of pyarrow.Table
        By name, each in parts; without the jobs below.
    odd : dict of str to Exception
        By job id, why its values do not fit their columns.
    """
    tables: defaultdict[str, list[pa.Table]] = defaultdict(list)
    try:
        for name, table in _together(list(jobs.values())):
            tables[name].append(table)
    except ODD:
        # Somebody's values do not fit, or not those of the others: each on its own.
        tables.clear()
    else:
        return tables, {}
    odd: dict[str, Exception] = {}
    for job_id, rows in jobs.items():
        try:
            own = list(_together([rows]))
        except ODD as error:
            odd[job_id] = error
        else:
            for name, table in own:
                tables[name].append(table)
    return tables, odd


def _together(jobs: Sequence[Mapping[str, Rows]]) -> Iterator[tuple[str, pa.Table]]:
    for name in dict.fromkeys(name for job in jobs for name in job):
        yield name, _table([job[name] for job in jobs if name in job])


def _table(parts: Sequence[Rows]) -> pa.Table:
    kind = parts[0].kind
    arrays: dict[str, Any] = {name: _own(kind, name, parts) for name in kind.columns}
    for name in dict.fromkeys(name for part in parts for name in part.columns):
        if name not in arrays:
            labels = (part.columns.get(name) or repeat(None, part.length) for part in parts)
            array = label_array(list(chain.from_iterable(labels)))
            if array is not None:
                arrays[name] = array
    return pa.table(arrays)


def _own(kind: Kind, name: str, parts: Sequence[Rows]) -> pa.ChunkedArray:
    arrays: list[pa.Array] = []
    values: list[Any] = []
    for part in parts:
        if part.packed[name]:
            arrays += [_array(kind, name, values), *part.packed[name]]
            values = []
        values += part.columns[name]
    return pa.chunked_array([*arrays, _array(kind, name, values)])


def _array(kind: Kind, name: str, values: list[Any]) -> pa.Array:
    dtype = kind.columns[name]
    arrow = _ARROW.get(dtype, pa.string()) if isinstance(dtype, str) else pa.string()
    if pa.types.is_integer(arrow):
        # Told the type, Arrow would cut 2.7 to 2; cast, it refuses.
        return pa.array(values).cast(arrow)
    return pa.array(values, arrow)
