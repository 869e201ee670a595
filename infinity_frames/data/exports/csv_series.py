"""CSV: a file per job with its sensor series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.csv

from infinity_frames.data.exports.base import DataSet
from infinity_frames.data.exports.parts import plain_names
from infinity_frames.data.exports.samples import chosen_samples, series

__all__ = ["CsvSeries"]


class CsvSeries:
    """``<part>/<job_id>.csv``: columns ``sample``, ``time`` in s and those of the sensor."""

    name = "csv"
    usage = (
        "`pandas.read_csv` reads a job's series. `jobs.parquet` joins to it by `job_id`, the name "
        "of the file."
    )
    takes_pictures = False
    takes_series = True

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Return every part under its own name."""
        return plain_names(parts)

    def write(self, folder: Path, data: DataSet) -> None:
        """Write a file per job into the folder of its part."""
        for part, members in data.parts():
            (folder / part).mkdir()
            for job in members:
                table = series(job, data)
                if table is not None:
                    kept = chosen_samples(job, table, data)
                    pyarrow.csv.write_csv(kept, folder / part / f"{job.job_id}.csv")
                    data.advance()
