"""Parquet: the label tables as they are, a file each, and views over them for any DuckDB."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from infinity_frames.data.exports.samples import Losses
from infinity_frames.data.label_tables import TABLES
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.sql import connect

__all__ = ["VIEWS", "write_parquet"]

VIEWS = "views.sql"
NESTED = "masks, videos and labels that are lists stay with the jobs"
_ROWS = 20_000
"""Rows per row group: DuckDB holds some of them per thread while it writes."""


def write_parquet(
    target: Path, results: pd.DataFrame, files: list[JobFiles], losses: Losses
) -> None:
    """Write a Parquet file per table, and ``views.sql``, which names them to DuckDB."""
    names = ("jobs", "batch", *TABLES)
    with connect(results, files) as connection:
        connection.execute("SET memory_limit = '200MB'")
        for name in names:
            connection.execute(
                f"COPY (SELECT * FROM {name}) TO $file "  # noqa: S608
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS})",
                {"file": str(target / f"{name}.parquet")},
            )
    views = [f"CREATE OR REPLACE VIEW {name} AS FROM '{name}.parquet';\n" for name in names]
    (target / VIEWS).write_text("".join(views), encoding="utf-8")
    losses[NESTED] += len(files)
