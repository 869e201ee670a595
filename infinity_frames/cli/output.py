"""Frames on standard output: as a table for people, or as CSV, JSON or Parquet for programs."""

from __future__ import annotations

import shutil
import sys
from typing import Literal

import pandas as pd

from infinity_frames.protocol.errors import FrameError

__all__ = ["write_frame"]


def write_frame(
    frame: pd.DataFrame, format: Literal["table", "csv", "json", "parquet"], *, index: bool = False
) -> None:
    """Write a frame to standard output.

    Parameters
    ----------
    frame : DataFrame
    format : {"table", "csv", "json", "parquet"}
        A table fits the width of the terminal; JSON is a list of records.
    index : bool
        Write the index too.

    Raises
    ------
    FrameError
        Parquet would be written to a terminal, or cannot hold the frame.
    """
    if index:
        frame = frame.reset_index()
    match format:
        case "csv":
            frame.to_csv(sys.stdout, index=False)
        case "json":
            frame.to_json(sys.stdout, orient="records", date_format="iso", lines=False)
            sys.stdout.write("\n")
        case "parquet":
            _write_parquet(frame)
        case _:
            _write_table(frame)


def _write_parquet(frame: pd.DataFrame) -> None:
    if sys.stdout.isatty():
        raise FrameError(
            "Parquet is not readable in a terminal.", advice="Redirect it: > result.parquet."
        )
    try:
        data = frame.to_parquet(index=False)
    except (ValueError, TypeError) as error:
        raise FrameError(
            f"The result cannot be written as Parquet: {error}.",
            advice="Convert the column in the query, or use --format json.",
        ) from None
    sys.stdout.buffer.write(data)


def _write_table(frame: pd.DataFrame) -> None:
    if frame.empty:
        print(f"(no rows; columns: {', '.join(map(str, frame.columns))})")
        return
    # A file or pipe gets whole lines; a terminal gets columns cut or wrapped to its width.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if width is None:
        print(frame.to_string(index=False))
        return
    longest = max(20, width // 3)
    print(frame.to_string(index=False, line_width=width, max_colwidth=longest))
