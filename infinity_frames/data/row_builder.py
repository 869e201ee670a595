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

__all__ = ["MALFORMED", "RowBuilder", "tables_of"]

_PACKED = 2**14
"""Rows kept as Python's objects: each of these takes several times what it takes in Arrow."""

MALFORMED = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    *(NotImplementedError, RecursionError),
)
"""Exceptions that malformed labels raise; Arrow's own are subclasses of these."""

_RESERVED = {"file_row_number", "place"}
"""Column names that queries over the tables need themselves."""

_ARROW = {
    "string": pa.string(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "boolean": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
}


class RowBuilder:
    """Rows of one job in one table, column by column.

    A label that first occurs in a later row is missing in the rows before it.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.columns: dict[str, list[Any]] = {name: [] for name in kind.columns}
        self.packed: dict[str, list[pa.Array]] = {name: [] for name in kind.columns}
        self.length = 0
        self._extra: dict[str, str] = {}

    def add(self, own: Mapping[str, Any], more: Iterable[tuple[str, Any]] = ()) -> None:
        """Append one row: the schema's columns, then extra labels whose names do not clash."""
        for name, value in own.items():
            self.columns[name].append(value)
        for name, value in more:
            if name not in own:
                key = self._named(name)
                self.columns.setdefault(key, [None] * self.length).append(value)
        self.length += 1
        for column in self.columns.values():
            if len(column) < self.length:
                column.append(None)

    def _named(self, label: str) -> str:
        """Return the column of an extra label; as SQL ignores case, a suffix tells names apart."""
        found = self._extra.get(label)
        if found is None:
            taken = {name.casefold() for name in self.columns} | _RESERVED
            found, number = label, 1
            while not found or found.casefold() in taken:
                number += 1
                found = f"{label}_{number}"
            self._extra[label] = found
        return found

    def extend(self, count: int, columns: Mapping[str, list[Any]]) -> None:
        """Append many rows, of the schema's columns only."""
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
    jobs: Mapping[str, Mapping[str, RowBuilder]],
) -> tuple[dict[str, list[pa.Table]], dict[str, Exception]]:
    """Build Arrow tables of the rows of many jobs.

    Parameters
    ----------
    jobs : mapping of str to mapping of str to RowBuilder
        By job id, then by table; each has rows.

    Returns
    -------
    tables : dict of str to list of pyarrow.Table
        By table name, each in parts, without the malformed jobs.
    malformed : dict of str to Exception
        By job id, why its values do not fit their columns.
    """
    tables: defaultdict[str, list[pa.Table]] = defaultdict(list)
    try:
        for name, table in _together(list(jobs.values())):
            tables[name].append(table)
    except MALFORMED:
        # Values of some job do not fit their column: convert each job on its own.
        tables.clear()
    else:
        return tables, {}
    malformed: dict[str, Exception] = {}
    for job_id, rows in jobs.items():
        try:
            own = list(_together([rows]))
        except MALFORMED as error:
            malformed[job_id] = error
        else:
            for name, table in own:
                tables[name].append(table)
    return tables, malformed


def _together(jobs: Sequence[Mapping[str, RowBuilder]]) -> Iterator[tuple[str, pa.Table]]:
    for name in dict.fromkeys(name for job in jobs for name in job):
        yield name, _table([job[name] for job in jobs if name in job])


def _table(parts: Sequence[RowBuilder]) -> pa.Table:
    kind = parts[0].kind
    arrays: dict[str, Any] = {name: _own(kind, name, parts) for name in kind.columns}
    for name in dict.fromkeys(name for part in parts for name in part.columns):
        if name not in arrays:
            labels = (part.columns.get(name) or repeat(None, part.length) for part in parts)
            array = label_array(list(chain.from_iterable(labels)), kind.optional.get(name))
            if array is not None:
                arrays[name] = array
    return pa.table(arrays)


def _own(kind: Kind, name: str, parts: Sequence[RowBuilder]) -> pa.ChunkedArray:
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
        # With a type given, Arrow truncates 2.7 to 2; a cast refuses.
        return pa.array(values).cast(arrow)
    return pa.array(values, arrow)
