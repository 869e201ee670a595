"""Job folders of every layout -> label tables (Parquet) -> typed frames and DuckDB views."""

from infinity_frames.data.exports import export
from infinity_frames.data.frames import job_files, read_results, recorded_parameters
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.masks import colors, masks
from infinity_frames.data.problems import Problem, ResultsWarning
from infinity_frames.data.queries import query
from infinity_frames.data.splits import split
from infinity_frames.data.sql import database, run_sql, table
from infinity_frames.data.training import torch_dataset
from infinity_frames.data.verify.verify import verification_summary, verify
from infinity_frames.data.wide import wide

__all__ = [
    "JobFiles",
    "Problem",
    "ResultsWarning",
    "colors",
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
    "torch_dataset",
    "verification_summary",
    "verify",
    "wide",
]
