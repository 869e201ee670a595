"""Parquet: the label tables, a file each, and views over them for DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd

from infinity_frames.data.exports.base import DataSet
from infinity_frames.data.exports.parts import plain_names
from infinity_frames.data.label_tables import TABLES
from infinity_frames.data.sql_views import connect
from infinity_frames.protocol.errors import ResultsError

__all__ = ["ParquetTables"]

_VIEWS = "views.sql"
NESTED = "jobs whose masks, videos and list labels are not exported; they remain in their files"
_ROWS = 20_000
"""Rows per row group: DuckDB holds some of them per thread while it writes."""
_FRAME_TABLES = ("images", "annotations", "keypoints", "cuboids")
_OBJECT = "job_id, frame_number, annotation_id"
_OBJECT_TABLES = ("annotations", "keypoints", "cuboids")


class ParquetTables:
    """A Parquet file per table, and ``views.sql`` that names them to DuckDB."""

    name = "parquet"
    usage = f"A file per label table. `duckdb -init {_VIEWS}` in this folder shows them as views."
    takes_pictures = True
    takes_series = True

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Return every part under its own name, in the column ``split`` of the table ``jobs``."""
        return plain_names(parts)

    def write(self, folder: Path, data: DataSet) -> None:
        """Write all tables.

        Raises
        ------
        ResultsError
            A size is given: there are no pictures to resize.
        """
        if data.size is not None:
            raise ResultsError(
                "The format parquet holds no pictures, so size= has no effect.",
                advice="Leave out size=.",
            )
        names = ("jobs", "batch", *TABLES)
        files = [job.files for job in data.jobs]
        with connect(data.results, files) as connection:
            connection.execute("SET memory_limit = '200MB'")
            conditions = _conditions(connection, data)
            for name in names:
                connection.execute(
                    f"COPY (SELECT * FROM {name} {conditions.get(name, '')}) TO $file "  # noqa: S608
                    f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS})",
                    {"file": str(folder / f"{name}.parquet")},
                )
        views = [f"CREATE OR REPLACE VIEW {name} AS FROM '{name}.parquet';\n" for name in names]
        (folder / _VIEWS).write_text("".join(views), encoding="utf-8")
        data.losses[NESTED] += len(files)


def _conditions(connection: duckdb.DuckDBPyConnection, data: DataSet) -> dict[str, str]:
    """Conditions by table that keep the chosen frames, samples and objects."""
    if data.frames is not None:
        listed = [(job, number) for job, numbers in data.frames.items() for number in numbers]
        connection.register("listed", pd.DataFrame(listed, columns=["job_id", "number"]))
    conditions: dict[str, list[str]] = {}
    if data.frames is not None or data.stride > 1:
        _choose_rows(connection, data, "images", "frame_number")
        _choose_rows(connection, data, "timeseries", "sample")
        for name in _FRAME_TABLES:
            conditions[name] = [_among("job_id, frame_number", "chosen_images")]
        if data.has_series:
            conditions["timeseries"] = [_among("job_id, sample", "chosen_timeseries")]
    if data.objects is not None or data.selects_categories:
        _choose_objects(connection, data)
        for name in _OBJECT_TABLES:
            conditions.setdefault(name, []).append(_among(_OBJECT, "chosen_objects"))
        conditions["categories"] = ["name IN (SELECT name FROM listed_names)"]
    return {name: f"WHERE {' AND '.join(texts)}" for name, texts in conditions.items()}


def _among(columns: str, table: str) -> str:
    return f"({columns}) IN (SELECT ({columns}) FROM {table})"  # noqa: S608


def _choose_rows(
    connection: duckdb.DuckDBPyConnection, data: DataSet, table: str, column: str
) -> None:
    """Make the table ``chosen_<table>``: every n-th of the listed frames or samples of each job."""
    where = f"WHERE (job_id, {column}) IN (SELECT (job_id, number) FROM listed)"  # noqa: S608
    connection.execute(
        f"CREATE TEMP TABLE chosen_{table} AS SELECT job_id, {column} FROM {table} "  # noqa: S608
        f"{'' if data.frames is None else where} "
        f"QUALIFY (row_number() OVER (PARTITION BY job_id ORDER BY {column}) - 1) "
        f"% {data.stride} = 0"
    )


def _choose_objects(connection: duckdb.DuckDBPyConnection, data: DataSet) -> None:
    """Make the table ``chosen_objects`` of the chosen categories and objects."""
    connection.register("listed_names", pd.DataFrame({"name": data.names}, dtype="string"))
    condition = ""
    if data.objects is not None:
        listed = [(job, *key) for job, keys in data.objects.items() for key in keys]
        columns = ["job_id", "frame_number", "annotation_id"]
        connection.register("listed_objects", pd.DataFrame(listed, columns=columns))
        condition = f"AND {_among(_OBJECT, 'listed_objects')}"
    connection.execute(
        f"CREATE TEMP TABLE chosen_objects AS SELECT {_OBJECT} FROM annotations "  # noqa: S608
        f"WHERE category IN (SELECT name FROM listed_names) {condition}"
    )
