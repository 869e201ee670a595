"""DuckDB over results: the label tables as views, SQL in, typed frames out."""

from __future__ import annotations

import difflib
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infinity_frames.data.frames import (
    batch_frame,
    build,
    in_context_of,
    job_files,
    read,
    with_columns,
)
from infinity_frames.data.labels import TABLES
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.parquet_cache import LabelCache
from infinity_frames.data.type_inference import as_text
from infinity_frames.protocol.errors import FrameError, QueryError, nearest
from infinity_frames.protocol.schemas import Frame, as_frame

__all__ = ["connect", "database", "run_sql", "table"]


def database(path_or_results: str | Path | pd.DataFrame) -> duckdb.DuckDBPyConnection:
    """A plain DuckDB connection that shows a downloaded batch as views.

    Parameters
    ----------
    path_or_results : path or DataFrame
        A folder as for :func:`read_results`, or a results frame, possibly filtered.

    Returns
    -------
    DuckDBPyConnection
        In memory, with the views ``jobs``, ``batch``, ``scenes``, ``images``, ``annotations``,
        ``keypoints``, ``cuboids``, ``timeseries`` and ``categories``. Threads: one ``cursor()``
        each. Close it when done.
    """
    results = as_results(path_or_results)
    return connect(results, job_files(results))


def run_sql(
    results: pd.DataFrame,
    query: str,
    params: Mapping[str, Any] | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
    *,
    path: str | Path | None = None,
) -> Frame:
    """Ask SQL about results.

    Parameters
    ----------
    results : DataFrame
        Results frame; it is the table ``jobs``, and the other tables hold only its jobs.
    query : str
        DuckDB SQL, of one statement or several; the last one's rows are returned.
    params : mapping, optional
        Values of ``$name`` in the query.
    tables : mapping of str to DataFrame, optional
        Further frames, as tables of these names.
    path : path, optional
        The folder the results are in now, if they were moved.

    Returns
    -------
    DataFrame
        Typed as the package's other frames: Int64, Float64, boolean, string, categories, UTC times.
        It keeps the context of `results`.

    Raises
    ------
    QueryError
        The query is wrong; of a name that is nowhere, the error says which ones are near.
    """
    jobs = job_files(results, path=path)
    with connect(results, jobs, tables=tables) as connection:
        out = _run(connection, query, params or {})
    return in_context_of(results, out, jobs)


def table(
    results: pd.DataFrame,
    name: str,
    *,
    category: str | None = None,
    skeleton: str | None = None,
    path: str | Path | None = None,
    quiet: bool = False,
) -> Frame:
    """The labels of exactly these jobs, as a typed frame.

    Parameters
    ----------
    results : DataFrame
        Anything with the columns ``job_id`` and ``path``.
    name : {"scenes", "images", "annotations", "keypoints", "cuboids", "timeseries", "categories"}
        Which labels.
    category : str, optional
        Only annotations of this category.
    skeleton : {"armature", "vertex", "coco"}, optional
        Only keypoints of this skeleton.
    path : path, optional
        The folder the results are in now, if they were moved.
    quiet : bool
        No progress bar while tables are built.

    Returns
    -------
    DataFrame
        Jobs in the order of `results`, labels in the order of the job's file.

    Raises
    ------
    FrameError
        `results` lacks a column, `name` is no table, or the labels know no such category.
    NoResults
        A job's folder is not where the frame says.
    """
    if name not in TABLES:
        raise FrameError(f"There is no table {name!r}.", advice=f"Tables: {', '.join(TABLES)}.")
    wanted = {"category": category, "skeleton": skeleton}
    params = {column: value for column, value in wanted.items() if value is not None}
    TABLES[name].require(TABLES[name].empty(), params, f"Selecting by {' and '.join(params)}")
    jobs = job_files(results, path=path)
    ids = [job.job_id for job in jobs]
    where = " AND ".join(f"{column} = ${column}" for column in params) or "true"
    with _connection() as connection:
        _register(connection, "jobs", pa.table({"job_id": ids, "place": range(len(ids))}, _PLACES))
        rows = _rows_of(name, build(jobs, quiet=quiet), ids)
        statement = (
            f"SELECT * EXCLUDE (place, file_row_number) FROM {rows} JOIN jobs USING (job_id) "  # noqa: S608
            f"WHERE {where} ORDER BY place, file_row_number"
        )
        out = TABLES[name].conform(_run(connection, statement, params))
    if category is not None and out.empty:
        _require_category(category, table(results, "categories", path=path, quiet=quiet))
    return in_context_of(results, out, jobs)


def _require_category(category: str, categories: pd.DataFrame) -> None:
    """Raise unless labels could have it: no object of a category is no error, no category is."""
    known = categories["name"].dropna().unique().tolist()
    if known and category not in known:
        raise FrameError(
            f"There is no category {category!r} in these labels.", advice=nearest(category, known)
        )


_PLACES = pa.schema({"job_id": pa.string(), "place": pa.int64()})
_SQL_TYPES = {"Int64": "BIGINT", "Float64": "DOUBLE", "boolean": "BOOLEAN"}


def as_results(path_or_results: str | Path | pd.DataFrame) -> pd.DataFrame:
    """A results frame: as given, or read from a folder, label tables and all in one go."""
    if isinstance(path_or_results, pd.DataFrame):
        return path_or_results
    return read(path_or_results, tables=True)


def connect(
    results: pd.DataFrame,
    jobs: Sequence[JobFiles],
    *,
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> duckdb.DuckDBPyConnection:
    """A connection with the views of these results and the user's own tables."""
    connection = _connection()
    try:
        _register(connection, "jobs", to_arrow(with_columns(results)))
        _register(connection, "batch", to_arrow(batch_frame(results, jobs)))
        caches, ids = build(jobs), [job.job_id for job in jobs]
        for name in TABLES:
            rows = _rows_of(name, caches, ids)
            connection.execute(
                f"CREATE VIEW {name} AS SELECT * EXCLUDE (file_row_number) FROM {rows}"  # noqa: S608
            )
        for name, frame in (tables or {}).items():
            _register_user(connection, name, frame)
    except BaseException:
        connection.close()
        raise
    return connection


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """A frame as an Arrow table without its index; mixed columns become text, nothing is lost."""
    arrays = {}
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        try:
            arrays[str(name)] = pa.array(column, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            values = column.astype(object).where(column.notna(), None)
            arrays[str(name)] = as_text(v if v is None else str(v) for v in values)
    return pa.table(arrays)


def to_frame(table: pa.Table) -> Frame:
    """An Arrow table as a frame in the package's dtypes, where that loses nothing."""
    fields = [_plain(table.schema.field(i), table.column(i)) for i in range(table.num_columns)]
    plain = pa.table([column for _, column in fields], names=[name for name, _ in fields])
    frame = plain.to_pandas(types_mapper=_DTYPES.get, date_as_object=False)
    for name in frame.select_dtypes(object).columns:
        # Lists come as arrays of arrays; lists can be compared, stored and printed.
        frame[name] = frame[name].map(_listed)
    return as_frame(frame)


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
    """A column in the types of our frames, where that loses nothing; else as it is."""
    dtype = field.type
    try:
        if pa.types.is_decimal(dtype):
            # DuckDB sums whole numbers into 128 bits, and writes 1.5 as a decimal.
            whole = dtype.scale == 0
            if whole or _fit_floats(column):
                column = column.cast(pa.int64() if whole else pa.float64())
        elif pa.types.is_timestamp(dtype):
            column = column.cast(pa.timestamp("us", dtype.tz and "UTC"))
    except pa.ArrowInvalid:  # beyond 64 bits, or finer than a microsecond
        pass
    return field.name, column


def _fit_floats(column: pa.ChunkedArray) -> bool:
    values = (value for value in column.to_pylist() if value is not None)
    return all(Decimal(repr(float(value))) == value for value in values)


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value.tolist()] if isinstance(value, np.ndarray) else value


def _connection() -> duckdb.DuckDBPyConnection:
    # Only what is registered is a table: a variable of the caller's must not become one by chance.
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _register(connection: duckdb.DuckDBPyConnection, name: str, content: pa.Table) -> None:
    # A table, not a registered object: cursors of other threads see tables only.
    columns = ", ".join(map(_column, content.schema, content.columns))
    connection.register("_incoming", content)
    connection.execute(f"CREATE TABLE {_quoted(name)} AS SELECT {columns} FROM _incoming")  # noqa: S608
    connection.unregister("_incoming")


def _column(field: pa.Field, values: pa.ChunkedArray) -> str:
    """A column in SQL; categories of text become an ENUM, which comes back as categories."""
    name = _quoted(field.name)
    found = []
    if pa.types.is_dictionary(field.type) and values.num_chunks:
        found = values.chunk(0).dictionary.to_pylist()
    if not found or not all(isinstance(value, str) for value in found):
        return name
    return f"CAST({name} AS ENUM ({', '.join(map(_literal, found))})) AS {name}"


def _register_user(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> None:
    if name in ("jobs", "batch", *TABLES):
        raise QueryError(
            f"A table of your own cannot be called {name!r}: results have one of that name.",
            advice="Choose another name in tables=.",
            table=name,
        )
    _register(connection, name, to_arrow(with_columns(frame)))


def _rows_of(name: str, caches: Iterable[LabelCache], job_ids: Sequence[str]) -> str:
    """SQL for the rows of a label table, with their place in their file; none is fine too."""
    columns = ", ".join(
        f"CAST(NULL AS {_SQL_TYPES.get(str(dtype), 'VARCHAR')}) AS {column}"
        for column, dtype in TABLES[name].columns.items()
    )
    source = f"SELECT {columns}, 0::BIGINT AS file_row_number WHERE false"
    files = [str(file) for cache in caches for file in cache.files(name, job_ids)]
    for group, mixed in _readable_together(files):
        listed = ", ".join(map(_literal, group))
        replaced = ", ".join(f"to_json({c})::VARCHAR AS {c}" for c in map(_quoted, mixed))
        source += (
            f" UNION ALL BY NAME SELECT * {replaced and f'REPLACE ({replaced})'} "  # noqa: S608
            f"FROM read_parquet([{listed}], union_by_name = true, file_row_number = true)"
        )
    return f"(SELECT * FROM ({source}) WHERE job_id IN (SELECT job_id FROM jobs))"  # noqa: S608


def _readable_together(files: Sequence[str]) -> list[tuple[list[str], tuple[str, ...]]]:
    """Parquet files in groups, each with the columns to read as text.

    A label that is a number in one file and a list in another is text in both, as it is within one
    file.
    """
    schemas = {file: pq.read_schema(file) for file in files}
    types: defaultdict[str, set[pa.DataType]] = defaultdict(set)
    for schema in schemas.values():
        for field in schema:
            types[field.name].add(field.type)
    mixed = {name for name, found in types.items() if not _unify(found)}
    groups: defaultdict[tuple[tuple[str, pa.DataType], ...], list[str]] = defaultdict(list)
    for file, schema in schemas.items():
        fields = (field for field in schema if field.name in mixed)
        others = ((f.name, f.type) for f in fields if not pa.types.is_string(f.type))
        groups[tuple(others)].append(file)
    return [(group, tuple(name for name, _ in key)) for key, group in groups.items()]


def _unify(types: Iterable[pa.DataType]) -> bool:
    try:
        pa.unify_schemas([pa.schema({"": t}) for t in types], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return False
    return True


def _answer(
    connection: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any]
) -> pa.Table:
    """What the last of a query's statements answers."""
    values = {name: _parameter(value) for name, value in params.items()}
    statements = connection.extract_statements(query)
    _refuse_unused(values, {name for s in statements for name in s.named_parameters}, query)
    out = pa.table({})
    for statement in statements:
        own = {name: values[name] for name in statement.named_parameters if name in values}
        relation = connection.sql(statement, params=own)
        out = pa.table({}) if relation is None else relation.to_arrow_table()
    return out


def _interruptibly(connection: duckdb.DuckDBPyConnection, work: Callable[[], pa.Table]) -> pa.Table:
    """The result of work on a connection, in a thread of its own.

    DuckDB looks for Ctrl-C between some of its tasks only. Waiting for a thread ends at once.
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


def _run(connection: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any]) -> Frame:
    try:
        out = _interruptibly(connection, lambda: _answer(connection, query, params))
    except duckdb.Error as error:
        said, advice = _explained(connection, str(error).strip())
        raise QueryError(f"The query cannot run: {said}", advice=advice, query=query) from None
    twice = sorted({name for name in out.column_names if out.column_names.count(name) > 1})
    if twice:
        raise QueryError(
            f"The answer has several columns called {', '.join(twice)}.",
            advice="Name them apart with AS.",
            query=query,
        )
    return to_frame(out)


def _refuse_unused(given: Iterable[str], taken: set[str], query: str) -> None:
    unused = sorted(set(given) - taken)
    if unused:
        raise QueryError(
            f"The query has no parameter {', '.join('$' + name for name in unused)}.",
            advice=f"It takes: {', '.join('$' + name for name in sorted(taken)) or 'none'}.",
            query=query,
        )


def _parameter(value: Any) -> Any:
    """A value DuckDB takes: it knows no numpy scalars, paths or missing values of pandas."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.ndarray, pd.Series, pd.Index)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return None if value is pd.NA or value is pd.NaT else value


_NO_COLUMN = re.compile(r'(?:(?:C|Referenced c)olumn|have a column named) "(?P<name>[^"]+)"')
_NO_TABLE = re.compile(r"Table with name (?P<name>\S+) does not exist")
_ENDING_S = 0.5  # for a query to notice that it is interrupted; some never do
_GUESSES = re.compile(r"\s*^(?:Candidate bindings|Did you mean).*$", re.MULTILINE)


def _explained(connection: duckdb.DuckDBPyConnection, error: str) -> tuple[str, str | None]:
    """DuckDB's message, and for a name that is nowhere advice: the nearest that there are.

    DuckDB itself guesses among the tables of the query only, or its own, and from far off too.
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
        advice = nearest(table["name"], tables) if table is not None else ""
    return _GUESSES.sub("", error) + "\n", advice


def _holders(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Every column's name, and the tables that have it."""
    rows = connection.execute(
        "SELECT column_name, table_name FROM duckdb_columns() WHERE NOT internal "
        "ORDER BY table_oid, column_index"
    ).fetchall()
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for column, table in rows:
        holders[column].append(table)
    return holders


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
