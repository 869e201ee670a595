"""Run SQL statements on a connection: parameters, Ctrl-C, errors that name near spellings."""

from __future__ import annotations

import difflib
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from infinity_frames.data.arrow import to_frame
from infinity_frames.protocol.errors import QueryError, nearest

__all__ = ["run_to_frame", "run_to_table"]

_HARMLESS = {"SELECT", "CREATE", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER", "TRANSACTION"}
_NO_COLUMN = re.compile(r'(?:(?:C|Referenced c)olumn|have a column named) "(?P<name>[^"]+)"')
_NO_TABLE = re.compile(r"Table with name (?P<name>\S+) does not exist")
_ENDING_S = 0.5  # seconds that an interrupted query gets to stop; some never do
_GUESSES = re.compile(r"\s*^(?:Candidate bindings|Did you mean).*$", re.MULTILINE)


def run_to_frame(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    params: Mapping[str, Any],
    *,
    sandboxed: bool = False,
) -> pd.DataFrame:
    """Run a query and return the rows of its last statement as a typed frame."""
    out = run_to_table(connection, query, params, sandboxed=sandboxed)
    twice = sorted({name for name in out.column_names if out.column_names.count(name) > 1})
    if twice:
        raise QueryError(
            f"The result has several columns called {', '.join(twice)}.",
            advice="Give them different names with AS.",
            query=query,
        )
    try:
        return to_frame(out)
    except pa.ArrowException as error:
        raise QueryError(
            f"The result cannot be shown as a frame: {str(error).splitlines()[0]}",
            advice="Cast the column to another type, for example with ::VARCHAR.",
            query=query,
        ) from None


def run_to_table(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    params: Mapping[str, Any],
    *,
    sandboxed: bool = False,
) -> pa.Table:
    """Run a query and return the rows of its last statement; its errors become a QueryError."""
    try:
        return _interruptibly(
            connection, lambda: _rows_of_last(connection, query, params, sandboxed=sandboxed)
        )
    except duckdb.PermissionException as error:
        reason = str(error).strip().splitlines()[0]
        raise QueryError(
            f"A sandboxed query cannot use files: {reason.rstrip('.')}.",
            advice="Pass frames with tables=, or run it with sandboxed=False if you trust it.",
            query=query,
        ) from None
    except (duckdb.Error, pa.ArrowException) as error:
        message, advice = _explained(connection, str(error).strip())
        raise QueryError(f"The query cannot run: {message}", advice=advice, query=query) from None


def _rows_of_last(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    params: Mapping[str, Any],
    *,
    sandboxed: bool = False,
) -> pa.Table:
    """Run all statements of a query and return the rows of the last one."""
    values = {name: _parameter(value) for name, value in params.items()}
    statements = connection.extract_statements(query)
    if sandboxed:
        _require_harmless(statements)
    _require_used(values, {name for s in statements for name in s.named_parameters}, query)
    out = pa.table({})
    for statement in statements:
        own = {name: values[name] for name in statement.named_parameters if name in values}
        relation = connection.sql(statement, params=own)
        out = pa.table({}) if relation is None else relation.to_arrow_table()
    return out


def _require_harmless(statements: Iterable[Any]) -> None:
    """Refuse statements that could write one of the files that the views read."""
    for statement in statements:
        if statement.type.name not in _HARMLESS:
            raise QueryError(
                f"{statement.type.name} is not allowed in a sandboxed query.",
                advice="Run it with .infinity.sql(..., sandboxed=False), if you trust it.",
                query=statement.query,
            )


def _interruptibly(connection: duckdb.DuckDBPyConnection, work: Callable[[], pa.Table]) -> pa.Table:
    """Run a query in a separate thread, so that Ctrl-C ends the wait at once.

    DuckDB itself looks for Ctrl-C between some of its tasks only.
    """
    done = Future[pa.Table]()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        return done.result()
    except KeyboardInterrupt:
        connection.interrupt()
        thread.join(_ENDING_S)
        raise


def _require_used(given: Iterable[str], taken: set[str], query: str) -> None:
    unused = sorted(set(given) - taken)
    if unused:
        raise QueryError(
            f"The query has no parameter {', '.join('$' + name for name in unused)}.",
            advice=f"Available: {', '.join('$' + name for name in sorted(taken)) or 'none'}.",
            query=query,
        )


def _parameter(value: Any) -> Any:
    """Convert a value to one that DuckDB takes: it knows no types of NumPy or pandas."""
    if isinstance(value, (np.ndarray, pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        return [_parameter(item) for item in value.tolist()]
    if isinstance(value, (set, frozenset)):
        return [_parameter(item) for item in sorted(value, key=repr)]
    if isinstance(value, (list, tuple)):
        return [_parameter(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _parameter(item) for key, item in value.items()}
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (pd.Timestamp, pd.Timedelta)):
        return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value.to_pytimedelta()
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value


def _explained(connection: duckdb.DuckDBPyConnection, error: str) -> tuple[str, str | None]:
    """Return DuckDB's message, and for an unknown name advice with the nearest known ones.

    DuckDB's own suggestions look at the tables of the query only, and are often far off.
    """
    column, table = _NO_COLUMN.search(error), _NO_TABLE.search(error)
    if column is None and table is None:
        return error, None
    holders = _holders(connection)
    tables = list(dict.fromkeys(name for names in holders.values() for name in names))
    if column is not None:
        close = difflib.get_close_matches(column["name"], holders)
        near = [f"{name} (in {', '.join(holders[name])})" for name in close]
        advice = f"Did you mean {' or '.join(near)}?"
        if not near:
            listed = ", ".join(tables)
            advice = f"Tables are {listed}; DESCRIBE {tables[0]} lists the columns of one."
    else:
        guess = nearest(table["name"], tables) if table is not None else ""
        advice = f"{guess} Your own frames are tables with tables={{'name': frame}}."
    return _GUESSES.sub("", error) + "\n", advice


def _holders(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return names of all columns, and the tables that have each."""
    rows = connection.execute(
        "SELECT column_name, table_name FROM duckdb_columns() WHERE NOT internal "
        "ORDER BY table_oid, column_index"
    ).fetchall()
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for column, table in rows:
        holders[column].append(table)
    return holders
