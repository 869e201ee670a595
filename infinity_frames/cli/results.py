"""Commands on downloaded results: sql, export, verify."""

from __future__ import annotations

import argparse
import sys

from infinity_frames.cli.output import write_frame

__all__ = ["export", "sql", "verify"]


def sql(options: argparse.Namespace) -> None:
    """Run a query on results and print its rows."""
    from infinity_frames.data import read_results, run_sql

    found = run_sql(read_results(options.path), options.query, sandboxed=not options.files)
    write_frame(found, options.format)


def export(options: argparse.Namespace) -> None:
    """Write results as a data set."""
    from infinity_frames.data import export, read_results

    left_out = export(read_results(options.path), options.target, options.format)
    print(f"wrote {options.target} in the format {options.format}")
    for row in left_out.itertuples():
        print(f"left out: {row.loss} ({row.count})")


def verify(options: argparse.Namespace) -> int:
    """Check labels; print every discrepancy, or a summary; exit with 1 if there is any."""
    from infinity_frames.data import read_results, verification_summary, verify

    discrepancies = verify(read_results(options.path))
    if len(discrepancies):
        write_frame(discrepancies, options.format)
        print(f"{len(discrepancies)} discrepancies", file=sys.stderr)
        return 1
    write_frame(verification_summary(discrepancies), options.format, index=True)
    return 0
