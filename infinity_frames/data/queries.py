"""Run the queries of ``sql/`` by name."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pandas as pd

from infinity_frames.data.sql import as_results, run_sql
from infinity_frames.protocol.errors import QueryError, nearest

__all__ = ["named_query", "query"]

# "--   $joint = "nose"   whose path (keypoints.name)": a parameter, its optional default, and the
# column that its values come from.
_PARAMETER = re.compile(
    r"^--\s+\$(?P<name>\w+)(?:\s*=\s*(?P<default>\S+))?\s"
    r"(?:.*\((?P<table>\w+)\.(?P<column>\w+)\)\s*$)?",
    re.MULTILINE,
)


class _Query(NamedTuple):
    text: str
    defaults: dict[str, Any]
    takes: tuple[str, ...]
    columns: dict[str, tuple[str, str]]
    """Table and column in which a parameter's value has to occur."""


def query(name: str, path_or_results: str | Path | pd.DataFrame, **params: Any) -> pd.DataFrame:
    """Run a query of ``sql/`` over a downloaded batch.

    Parameters
    ----------
    name : str
        The file's name without ``.sql``.
    path_or_results : path or DataFrame
        A folder as for :func:`read_results`, or a results frame, possibly filtered.
    **params
        The query's parameters; the comment at its top lists them with their defaults.

    Raises
    ------
    QueryError
        There is no such query or parameter, a parameter is missing, or nothing is found because a
        value occurs nowhere in the labels.

    Examples
    --------
    >>> inf.query("class_balance", results)
    """
    wanted = named_query(name)
    values = {**wanted.defaults, **params}
    missing = [parameter for parameter in wanted.takes if parameter not in values]
    if missing:
        raise QueryError(
            f"The query {name} needs {', '.join(missing)}.",
            advice=f"Pass {', '.join(f'{parameter}=...' for parameter in missing)}.",
            query=name,
        )
    results = as_results(path_or_results)
    out = run_sql(results, wanted.text, values, sandboxed=True)
    if out.empty:
        for parameter, column in wanted.columns.items():
            _require_occurring(results, name, parameter, values[parameter], column)
    return out


def _require_occurring(
    results: pd.DataFrame, name: str, parameter: str, value: Any, place: tuple[str, str]
) -> None:
    """Raise if a value occurs nowhere in a column that has values: it is probably a typo."""
    table, column = place
    there = run_sql(results, f"SELECT DISTINCT {column} AS value FROM {table} ORDER BY ALL")  # noqa: S608
    known = there["value"].dropna().astype(str).tolist()
    if known and str(value) not in known:
        raise QueryError(
            f"{name} finds nothing: ${parameter} is {value!r}, "
            f"which is no value of {table}.{column}.",
            advice=nearest(str(value), known),
            query=name,
        )


@cache
def named_query(name: str) -> _Query:
    """Read a query's text and the parameters that the comment at its top describes.

    Raises
    ------
    QueryError
        There is no query of that name.
    """
    files = {file.stem: file for file in _folder().glob("*.sql")}
    if name not in files:
        raise QueryError(
            f"There is no query {name!r}.",
            advice=nearest(name, sorted(files)),
            query=name,
        )
    text = files[name].read_text(encoding="utf-8")
    found = list(_PARAMETER.finditer(text))
    defaults = {m["name"]: orjson.loads(m["default"]) for m in found if m["default"] is not None}
    columns = {m["name"]: (m["table"], m["column"]) for m in found if m["table"] is not None}
    return _Query(text, defaults, tuple(match["name"] for match in found), columns)


def _folder() -> Path:
    package = Path(__file__).parents[1]
    # A wheel has the queries inside the package; in a checkout they are next to it.
    installed = package / "_sql"
    return installed if installed.is_dir() else package.parent / "sql"
