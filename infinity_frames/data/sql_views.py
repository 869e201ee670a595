"""Label tables of a batch as views of a DuckDB connection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infinity_frames.data.arrow import to_arrow
from infinity_frames.data.frames import batch_frame, build, with_columns
from infinity_frames.data.label_tables import TABLES
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.parquet_cache import LabelCache
from infinity_frames.protocol.errors import QueryError

__all__ = ["connect", "empty_connection", "register", "rows_of"]

_SQL_TYPES = {
    "Int64": "BIGINT",
    "int64": "BIGINT",
    "Float64": "DOUBLE",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
}


def connect(
    results: pd.DataFrame,
    jobs: Sequence[JobFiles],
    *,
    tables: Mapping[str, pd.DataFrame] | None = None,
    sandboxed: bool = False,
) -> duckdb.DuckDBPyConnection:
    """Open a connection with the views of these results and the user's own tables."""
    connection = empty_connection()
    try:
        register(connection, "jobs", to_arrow(with_columns(results)))
        register(connection, "batch", to_arrow(batch_frame(results, jobs)))
        caches, ids = build(jobs), [job.job_id for job in jobs]
        if sandboxed:
            _lock_files(connection, caches, ids)
        for name in TABLES:
            rows = rows_of(name, caches, ids)
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


def empty_connection() -> duckdb.DuckDBPyConnection:
    """Open a connection without tables, in UTC."""
    # Only registered tables are tables: a variable of the caller must not become one by accident.
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def register(connection: duckdb.DuckDBPyConnection, name: str, content: pa.Table) -> None:
    """Copy a table into the connection's database."""
    # A table, not a registered object: cursors of other threads see tables only.
    columns = ", ".join(map(_column, content.schema, content.columns))
    connection.register("_incoming", content)
    connection.execute(f"CREATE TABLE {_quoted(name)} AS SELECT {columns} FROM _incoming")  # noqa: S608
    connection.unregister("_incoming")


def _column(field: pa.Field, values: pa.ChunkedArray) -> str:
    """Return a column in SQL; categories of text become an ENUM, which comes back as categories."""
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
        register(connection, str(name), to_arrow(with_columns(frame)))


def rows_of(name: str, caches: Iterable[LabelCache], job_ids: Sequence[str]) -> str:
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
    """Return a path that DuckDB does not take for a pattern: ``run[1]`` would match ``run1``."""
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


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
