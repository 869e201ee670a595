"""Query results with DuckDB: label tables as views, SQL in, typed frames out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from infinity_frames.data.arrow import label_frame
from infinity_frames.data.frames import build, in_context_of, job_files, read
from infinity_frames.data.label_tables import TABLES
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.parquet_cache import LabelCache
from infinity_frames.data.row_builder import MALFORMED
from infinity_frames.data.sql_statements import run_to_frame, run_to_table
from infinity_frames.data.sql_views import connect, empty_connection, register, rows_of
from infinity_frames.protocol.errors import FrameError, NoResults, QueryError, nearest
from infinity_frames.protocol.schemas import SKELETONS

__all__ = ["as_results", "database", "run_sql", "table"]

_PLACES = pa.schema({"job_id": pa.string(), "place": pa.int64()})


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
            return run_to_frame(connection, query, params or {}, sandboxed=sandboxed)

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


def as_results(path_or_results: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Return a results frame as it is, or read a folder and build its label tables."""
    if isinstance(path_or_results, pd.DataFrame):
        return path_or_results
    return read(path_or_results, tables=True)


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
    """Return rows of a table in the order of the jobs and their files."""
    ids = [job.job_id for job in jobs]
    where = " AND ".join(f"{column} = ${column}" for column in params) or "true"
    with empty_connection() as connection:
        places = pa.table({"job_id": ids, "place": range(len(ids))}, _PLACES)
        register(connection, "jobs", places)
        rows = rows_of(name, build(jobs, quiet=quiet), ids)
        statement = (
            f"SELECT * EXCLUDE (place, file_row_number) FROM {rows} JOIN jobs USING (job_id) "  # noqa: S608
            f"WHERE {where} ORDER BY place, file_row_number"
        )
        found = run_to_table(connection, statement, params)
    return label_frame(found, TABLES[name])


def _repairing(jobs: Sequence[JobFiles], work: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Do work on label tables; where a cached table turns out damaged, rebuild all and repeat."""
    try:
        return work()
    except (*MALFORMED, pa.ArrowException, duckdb.Error, QueryError, OSError) as error:
        caches = [LabelCache(root) for root in dict.fromkeys(job.root for job in jobs)]
        names_cache = any(str(cache.folder) in str(error) for cache in caches)
        # PyArrow raises a plain OSError, without a number, for a damaged file.
        is_other = isinstance(error, QueryError) or getattr(error, "errno", None) is not None
        if is_other and not names_cache and not any(cache.is_damaged() for cache in caches):
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
