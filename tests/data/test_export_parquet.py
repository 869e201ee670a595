"""Parquet exports hold the label tables."""

# ruff: noqa: F401, F811
from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq
from exported import exported
from real_results import rendered

from infinity_frames.data import table
from infinity_frames.data.label_tables import TABLES


def test_parquet_holds_the_tables(exported):
    folder, results, _ = exported("parquet")
    for name in TABLES:
        frame = table(results, name, quiet=True)
        found = pq.read_table(folder / f"{name}.parquet").to_pandas()
        assert len(found) == len(frame)
        assert list(found["job_id"].sort_values()) == list(frame["job_id"].sort_values())
        assert set(found.columns) == set(frame.columns)
    jobs = pd.read_parquet(folder / "jobs.parquet")
    assert (
        jobs.set_index("job_id")["split"].to_dict()
        == results.set_index("job_id")["split"].to_dict()
    )
