"""Columns of jobs as compact JSON: the data of the grid, the histograms and the scatter plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Column", "shown", "table_json"]

_MOST_LEVELS = 200
"""Distinct values up to which a column that is not numeric has a histogram."""
_FIRST_COLUMNS = 8
"""Columns whose values are part of the first response; the page requests others when needed."""
_STATE = "state"


@dataclass(frozen=True)
class Column:
    """One column of the jobs.

    Parameters
    ----------
    name : str
        Its name in frames and in SQL.
    group : {"state", "parameter", "tag", "label"}
        Where its values come from.
    values : list
        A JSON scalar per job; None where the value is missing.
    unit : str
        Unit of the values, empty without one.
    """

    name: str
    group: str
    values: Sequence[Any]
    unit: str = ""


def table_json(
    ids: Sequence[str],
    columns: Sequence[Column],
    requested: Iterable[str] | None = None,
    **more: Any,
) -> bytes:
    """Describe the columns and encode the values of some of them.

    Parameters
    ----------
    ids : sequence of str
        How the page names each job in requests.
    columns : sequence of Column
        All columns.
    requested : iterable of str, optional
        Encode only these, and nothing else. By default the columns of the state and the first
        ones that vary.
    **more
        Further values of the first response.

    Returns
    -------
    bytes
        JSON. Numbers are lists; other values are ``{"codes": [...], "levels": [...]}``, where
        code -1 is a missing value.
    """
    if requested is not None:
        wanted = set(requested)
        return orjson.dumps(
            {"values": {c.name: _encoded(c.values) for c in columns if c.name in wanted}}
        )
    described = [_description(column) for column in columns]
    first = [item["name"] for item in described if item["varies"] and item["group"] != _STATE]
    shown = {item["name"] for item in described if item["group"] == _STATE}
    shown.update(first[:_FIRST_COLUMNS])
    values = {c.name: _encoded(c.values) for c in columns if c.name in shown}
    return orjson.dumps({"ids": list(ids), "columns": described, "values": values, **more})


def shown(value: Any) -> str:
    """Format a value for display on a page."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(_level(value))


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _kind(known: Sequence[Any]) -> str:
    if all(map(_is_number, known)):
        return "number"
    return "category" if len(set(map(_level, known))) <= _MOST_LEVELS else "text"


def _level(value: Any) -> Any:
    """Return a value as a JSON scalar; a list or an object as its JSON text."""
    if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return str(value)


def _description(column: Column) -> dict[str, Any]:
    known = [value for value in column.values if value is not None]
    # 1 and True are equal in Python, and different values in JSON.
    distinct = {(type(value) is bool, _level(value)) for value in known}
    missing = len(known) < len(column.values)
    out = {
        "name": column.name,
        "group": column.group,
        "unit": column.unit,
        "type": _kind(known) if known else "text",
        "varies": len(distinct) + (missing and bool(known)) > 1,
    }
    if len(distinct) == 1 and not missing:
        out["constant"] = _level(known[0])
    return out


def _encoded(values: Sequence[Any]) -> Any:
    if all(value is None or _is_number(value) for value in values):
        return list(values)
    codes: dict[tuple[bool, Any], int] = {}
    found = []
    for value in values:
        if value is None:
            found.append(-1)
        else:
            key = type(value) is bool, _level(value)
            found.append(codes.setdefault(key, len(codes)))
    return {"codes": found, "levels": [level for _, level in codes]}
