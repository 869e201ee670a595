"""Query results with DuckDB: label tables as views, SQL in, typed frames out."""

from __future__ import annotations

import difflib
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infinity_frames.data.arrow import label_frame, to_arrow, to_frame
from infinity_frames.data.frames import (
    batch_frame,
    build,
    in_context_of,
    job_files,
    read,
    with_columns,
)
from infinity_frames.data.label_tables import TABLES
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.parquet_cache import LabelCache
from infinity_frames.data.row_builder import MALFORMED
from infinity_frames.protocol.errors import FrameError, NoResults, QueryError, nearest
from infinity_frames.protocol.schemas import SKELETONS

__all__ = ["connect", "database", "run_sql", "table"]


def database(path_or_results: str | Path | pd.DataFrame) -> duckdb.DuckDBPyConnection:
    """Open a plain DuckDB connection that shows a downloaded batch as views.

    SQL on this connection can read and write any file that this process can; see ``sandboxed`` of
    :func:`run_sql` for queries of others.

    Parameters
    ----------
    path_or_results : path or DataFrame
        A folder as for :func:`read_results`, or a results frame, possibly filtered.

    Returns
    -------
    DuckDBPyConnection
        In memory, with the views ``jobs``, ``batch``, ``scenes``, ``images``, ``annotations``,
        ``keypoints``, ``cuboids``, ``timeseries`` and ``categories``. Use one ``cursor()`` per
        thread, and close the connection when done.

    Examples
    --------
    >>> with inf.database(results) as connection:
    ...     connection.execute("SELECT count(*) FROM jobs").fetchone()
    (2,)
    """
    results = as_results(path_or_results)
    return connect(results, job_files(results))


def run_sql(
    results: pd.DataFrame,
    query: str,
    params: Mapping[str, Any] | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
    *,
    sandboxed: bool = False,
    path: str | Path | None = None,
) -> pd.DataFrame:
    """Run SQL over results.

    Parameters
    ----------
    results : DataFrame
        Results frame; it is the table ``jobs``, and the other tables hold only its jobs.
    query : str
        DuckDB SQL, of one statement or several; the last one's rows are returned.
    params : mapping, optional
        Values of ``$name`` in the query; lists, arrays, sets and Series are SQL lists.
    tables : mapping of str to DataFrame, optional
        Your own frames, as tables of these names.
    sandboxed : bool
        Run a query that you did not write: it can only use these tables. Without it SQL can read
        and write every file that this process can (``read_csv``, ``COPY ... TO``).
    path : path, optional
        The folder that the results are in now, if they were moved.

    Returns
    -------
    DataFrame
        Typed as the package's jobs frames: Int64, Float64, boolean, string, categories, UTC times;
        intervals are timedeltas. It keeps the context of `results`.

    Raises
    ------
    QueryError
        The query is wrong (for an unknown name, the error suggests near ones), or it is sandboxed
        and uses files.

    Examples
    --------
    >>> frame.infinity.sql("SELECT exercise, count(*) AS jobs FROM jobs GROUP BY ALL")  # doctest: +SKIP
    """  # noqa: E501 - an example is one line
    jobs = job_files(results, path=path)

    def work() -> pd.DataFrame:
        with connect(results, jobs, tables=tables, sandboxed=sandboxed) as connection:
            return _run(connection, query, params or {}, sandboxed=sandboxed)

    return in_context_of(results, _repairing(jobs, work), jobs)


def table(
    results: pd.DataFrame,
    name: str,
    *,
    category: str | None = None,
    skeleton: str | None = None,
    required: bool = False,
    path: str | Path | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Read the labels of exactly these jobs as a typed frame.

    Parameters
    ----------
    results : DataFrame
        Any frame with the columns ``job_id`` and ``path``.
    name : {"scenes", "images", "annotations", "keypoints", "cuboids", "timeseries", "categories"}
        Which labels.
    category : str, optional
        Only annotations of this category.
    skeleton : {"armature", "vertex", "coco"}, optional
        Only keypoints of this skeleton.
    required : bool
        Raise an error if no job has the file that the table is read from.
    path : path, optional
        The folder that the results are in now, if they were moved.
    quiet : bool
        No progress bar while tables are built.

    Returns
    -------
    DataFrame
        Jobs in the order of `results`, labels in the order of the job's file. Floats are float64
        (NaN is missing), whole numbers that are never missing are int64.

    Raises
    ------
    FrameError
        `results` lacks a column, or there is no such table, category or skeleton.
    NoResults
        A job's folder is not where the frame says, or none has the labels that are required.

    Examples
    --------
    >>> inf.data.table(results, "images")[["job_id", "frame_number", "time"]]
    """
    if name not in TABLES:
        raise FrameError(f"There is no table {name!r}.", advice=nearest(name, TABLES))
    if skeleton is not None and skeleton not in SKELETONS:
        raise FrameError(
            f"There is no skeleton {skeleton!r}.", advice=nearest(str(skeleton), SKELETONS)
        )
    wanted = {"category": category, "skeleton": skeleton}
    params = {column: value for column, value in wanted.items() if value is not None}
    TABLES[name].require(TABLES[name].empty(), params, f"Selecting by {' and '.join(params)}")
    jobs = job_files(results, path=path)
    if required:
        _require_source(name, jobs)
    out = _repairing(jobs, lambda: _selected(name, jobs, params, quiet=quiet))
    if category is not None and out.empty:
        _require_category(category, table(results, "categories", path=path, quiet=quiet))
    return in_context_of(results, out, jobs)


def _require_source(name: str, jobs: Sequence[JobFiles]) -> None:
    """Raise if no job has the file that a table is read from, and say which tables there are."""
    of_series = name == "timeseries"
    if not jobs or any((job.series if of_series else job.labels) is not None for job in jobs):
        return
    file = "sensor data (data.csv)" if of_series else "labels (labels.json)"
    others = [table for table in TABLES if (table == "timeseries") != of_series]
    has_others = any((job.labels if of_series else job.series) is not None for job in jobs)
    raise NoResults(
        f"None of these {len(jobs)} jobs has {file}, so there is no table {name!r}.",
        advice=f"Available: {', '.join(others)}." if has_others else "Download the jobs again.",
    )


def _selected(
    name: str, jobs: Sequence[JobFiles], params: Mapping[str, Any], *, quiet: bool
) -> pd.DataFrame:
    """Rows of a table in the order of the jobs and their files."""
    ids = [job.job_id for job in jobs]
    where = " AND ".join(f"{column} = ${column}" for column in params) or "true"
    with _connection() as connection:
        places = pa.table({"job_id": ids, "place": range(len(ids))}, _PLACES)
        _register(connection, "jobs", places)
        rows = _rows_of(name, build(jobs, quiet=quiet), ids)
        statement = (
            f"SELECT * EXCLUDE (place, file_row_number) FROM {rows} JOIN jobs USING (job_id) "  # noqa: S608
            f"WHERE {where} ORDER BY place, file_row_number"
        )
        found = _answer_or_error(connection, statement, params)
    return label_frame(found, TABLES[name])


def _repairing(jobs: Sequence[JobFiles], work: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Do work on label tables; where a cached table turns out damaged, rebuild all and repeat."""
    try:
        return work()
    except (*MALFORMED, pa.ArrowException, duckdb.Error, QueryError) as error:
        caches = [LabelCache(root) for root in dict.fromkeys(job.root for job in jobs)]
        if isinstance(error, QueryError) and not any(str(c.folder) in str(error) for c in caches):
            raise
        for cache in caches:
            cache.discard()
        return work()


def _require_category(category: str, categories: pd.DataFrame) -> None:
    """Raise if no job has such a category; one without objects is no error."""
    known = categories["name"].dropna().unique().tolist()
    if known and category not in known:
        raise FrameError(
            f"There is no category {category!r} in these labels.",
            advice=nearest(str(category), known),
        )


_PLACES = pa.schema({"job_id": pa.string(), "place": pa.int64()})
_SQL_TYPES = {
    "Int64": "BIGINT",
    "int64": "BIGINT",
    "Float64": "DOUBLE",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
}


def as_results(path_or_results: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Return a results frame as it is, or read a folder and build its label tables."""
    if isinstance(path_or_results, pd.DataFrame):
        return path_or_results
    return read(path_or_results, tables=True)


def connect(
    results: pd.DataFrame,
    jobs: Sequence[JobFiles],
    *,
    tables: Mapping[str, pd.DataFrame] | None = None,
    sandboxed: bool = False,
) -> duckdb.DuckDBPyConnection:
    """Open a connection with the views of these results and the user's own tables."""
    connection = _connection()
    try:
        _register(connection, "jobs", to_arrow(with_columns(results)))
        _register(connection, "batch", to_arrow(batch_frame(results, jobs)))
        caches, ids = build(jobs), [job.job_id for job in jobs]
        if sandboxed:
            _lock_files(connection, caches, ids)
        for name in TABLES:
            rows = _rows_of(name, caches, ids)
            connection.execute(
                f"CREATE VIEW {name} AS SELECT * EXCLUDE (file_row_number) FROM {rows}"  # noqa: S608
            )
        _register_user_tables(connection, tables or {})
    except BaseException:
        connection.close()
        raise
    return connection


def _lock_files(
    connection: duckdb.DuckDBPyConnection, caches: Sequence[LabelCache], ids: Sequence[str]
) -> None:
    """Let SQL open the label tables and nothing else, for good."""
    files = [str(file) for name in TABLES for cache in caches for file in cache.files(name, ids)]
    listed = ", ".join(_literal(path) for file in files for path in {file, _no_pattern(file)})
    connection.execute(f"SET allowed_paths = [{listed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _connection() -> duckdb.DuckDBPyConnection:
    # Only registered tables are tables: a variable of the caller must not become one by accident.
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


def _register_user_tables(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pd.DataFrame]
) -> None:
    taken = dict.fromkeys(("jobs", "batch", *TABLES), "results have a table of that name")
    for name, frame in tables.items():
        problem = taken.get(str(name).casefold())
        if problem is not None or not str(name):
            raise QueryError(
                f"A table of your own cannot be called {name!r}: {problem or 'the name is empty'}.",
                advice="Choose another name in tables=. SQL ignores upper and lower case.",
                table=name,
            )
        taken[str(name).casefold()] = "another table of yours has that name"
        if not isinstance(frame, pd.DataFrame):
            raise QueryError(
                f"The table {name!r} in tables= is a {type(frame).__name__}, not a DataFrame.",
                advice="Pass a frame; .to_frame() makes one of a Series.",
                table=name,
            )
        _register(connection, str(name), to_arrow(with_columns(frame)))


def _rows_of(name: str, caches: Iterable[LabelCache], job_ids: Sequence[str]) -> str:
    """SQL for the rows of a label table, with their place in their file; there may be none."""
    columns = ", ".join(
        f"CAST(NULL AS {_SQL_TYPES.get(str(dtype), 'VARCHAR')}) AS {column}"
        for column, dtype in TABLES[name].columns.items()
    )
    source = f"SELECT {columns}, 0::BIGINT AS file_row_number WHERE false"
    files = [str(file) for cache in caches for file in cache.files(name, job_ids)]
    for group, mixed in _readable_together(files, TABLES[name].columns):
        listed = ", ".join(_literal(_no_pattern(file)) for file in group)
        replaced = ", ".join(f"to_json({c})::VARCHAR AS {c}" for c in map(_quoted, mixed))
        source += (
            f" UNION ALL BY NAME SELECT * {replaced and f'REPLACE ({replaced})'} "  # noqa: S608
            f"FROM read_parquet([{listed}], union_by_name = true, "
            "file_row_number = true, hive_partitioning = false)"
        )
    return f"(SELECT * FROM ({source}) WHERE job_id IN (SELECT job_id FROM jobs))"  # noqa: S608


def _no_pattern(path: str) -> str:
    """A path that DuckDB does not take for a pattern: ``run[1]`` would match ``run1``."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _readable_together(
    files: Sequence[str], columns: Iterable[str]
) -> list[tuple[list[str], tuple[str, ...]]]:
    """Group Parquet files by the columns that have to be read as text.

    A label that is a number in one file and a list in another is text in both, as it is within one
    file.
    """
    schemas = {file: pq.read_schema(file) for file in files}
    for file, schema in schemas.items():
        if not set(columns) <= set(schema.names):
            raise ValueError(f"{file} lacks columns of its table")  # not written by this package
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
    _refuse_unused(values, {name for s in statements for name in s.named_parameters}, query)
    out = pa.table({})
    for statement in statements:
        own = {name: values[name] for name in statement.named_parameters if name in values}
        relation = connection.sql(statement, params=own)
        out = pa.table({}) if relation is None else relation.to_arrow_table()
    return out


_HARMLESS = {"SELECT", "CREATE", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER", "TRANSACTION"}


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


def _run(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    params: Mapping[str, Any],
    *,
    sandboxed: bool = False,
) -> pd.DataFrame:
    out = _answer_or_error(connection, query, params, sandboxed=sandboxed)
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


def _answer_or_error(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    params: Mapping[str, Any],
    *,
    sandboxed: bool = False,
) -> pa.Table:
    try:
        return _interruptibly(
            connection, lambda: _answer(connection, query, params, sandboxed=sandboxed)
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


def _refuse_unused(given: Iterable[str], taken: set[str], query: str) -> None:
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


_NO_COLUMN = re.compile(r'(?:(?:C|Referenced c)olumn|have a column named) "(?P<name>[^"]+)"')
_NO_TABLE = re.compile(r"Table with name (?P<name>\S+) does not exist")
_ENDING_S = 0.5  # seconds that an interrupted query gets to stop; some never do
_GUESSES = re.compile(r"\s*^(?:Candidate bindings|Did you mean).*$", re.MULTILINE)


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
    """Names of all columns, and the tables that have each."""
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
