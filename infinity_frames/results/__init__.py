"""Job folders of every layout -> label tables (Parquet) -> typed frames and DuckDB views."""

from infinity_frames.results.exports import export
from infinity_frames.results.frames import job_files, read_results, recorded_parameters
from infinity_frames.results.layout import JobFiles
from infinity_frames.results.masks import masks
from infinity_frames.results.problems import Problem, ResultsWarning
from infinity_frames.results.queries import query
from infinity_frames.results.splits import split
from infinity_frames.results.sql import database, run_sql, table
from infinity_frames.results.verification import verification_summary, verify

__all__ = [
    "JobFiles",
    "Problem",
    "ResultsWarning",
    "database",
    "export",
    "job_files",
    "masks",
    "query",
    "read_results",
    "recorded_parameters",
    "run_sql",
    "split",
    "table",
    "verification_summary",
    "verify",
]
