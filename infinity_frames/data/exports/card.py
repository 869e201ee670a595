"""The README of an exported data set: its contents, and the labels that its format leaves out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from infinity_frames.data.exports.base import DataSet, Losses

__all__ = ["write_card"]

_SHOWN = 6
_LONG = 300
"""Most characters of a cell."""
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$]|(?<!\w)[_#]|_(?!\w)|:(?=//)")


def write_card(folder: Path, data: DataSet, usage: str) -> None:
    """Write ``README.md``, after any README of the format itself.

    Parameters
    ----------
    folder : Path
        The data set's folder.
    data : DataSet
        The data set that was written.
    usage : str
        How to read it, Markdown.
    """
    parts = pd.Series([job.part for job in data.jobs], dtype="string").value_counts(sort=False)
    known = sorted({job.generator for job in data.jobs if job.generator is not None})
    generators = _cell(", ".join(known) or "unknown")
    text = [
        "# Data set\n\n"
        f"{len(data.jobs)} synthetic scenes by {generators}, labeled by the "
        "renderer and exported with infinity_frames.\n",
        "| part | jobs |\n| --- | --- |\n"
        + "".join(f"| {_cell(str(name))} | {count} |\n" for name, count in parts.items()),
        f"## Reading it\n\n{usage}\n\n`jobs.parquet` has a row per job with its parameters, tags "
        "and part.\n",
        _classes(data),
        "## What is left out\n\n" + _losses(data.losses),
        "## Parameters\n\n| parameter | values |\n| --- | --- |\n" + _parameters(data),
    ]
    file = folder / "README.md"
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(before + "\n".join(part for part in text if part), encoding="utf-8")


def _classes(data: DataSet) -> str:
    if not data.names:
        return ""
    return f"## Categories\n\n{', '.join(map(_cell, data.names))}.\n"


def _losses(losses: Losses) -> str:
    found = {what: count for what, count in losses.items() if count}
    if not found:
        return "Nothing: the export is lossless.\n"
    return "".join(f"- {what}: {count}\n" for what, count in found.items())


def _parameters(data: DataSet) -> str:
    rows = {_cell(name): _cell(_values(data.table[name].dropna())) for name in data.parameters}
    return "".join(f"| {name} | {text} |\n" for name, text in rows.items() if text)


def _cell(text: str) -> str:
    """Return text of others for a Markdown table: no markup, no HTML, no links, one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    short = line if len(line) <= _LONG else f"{line[: _LONG - 3]}..."
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", short)


def _values(column: pd.Series[Any]) -> str:
    if column.empty:
        return ""
    distinct = column.astype("string").value_counts()
    if len(distinct) <= _SHOWN:
        return ", ".join(f"{value} ({count})" for value, count in distinct.items())
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return f"{column.min():g} to {column.max():g}"
    return f"{len(distinct)} different values"
