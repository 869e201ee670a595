"""The README of an exported data set: what it is made of, and what its format leaves out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from infinity_frames.data.exports.samples import Job, Losses
from infinity_frames.data.frames import with_columns
from infinity_frames.protocol.schemas import RESULTS, TAG_PREFIX

__all__ = ["write_card"]

_SHOWN = 6
_LONG = 300
"""Most characters of a cell."""


def write_card(
    target: Path,
    results: pd.DataFrame,
    jobs: Sequence[Job],
    losses: Losses,
    usage: str,
    front: Mapping[str, Sequence[str]],
) -> None:
    """Write ``README.md``.

    Parameters
    ----------
    target : Path
        The data set's folder.
    results : DataFrame
        The results it was made of.
    jobs : sequence of Job
        Those that are in it.
    losses : Losses
        What is not.
    usage : str
        How to read it, Markdown.
    front : mapping
        YAML front matter: lines of ``configs`` by split, for the Hugging Face hub; may be empty.
    """
    frame = with_columns(results)
    used = frame[frame["job_id"].isin([job.files.job_id for job in jobs])]
    parts = pd.Series([job.split for job in jobs], dtype="string").value_counts(sort=False)
    generators = _cell(", ".join(sorted(used["generator"].dropna().unique())) or "unknown")
    text = [
        _front_matter(front),
        "# Data set\n\n"
        f"{len(jobs)} synthetic scenes by {generators}, labelled by what rendered them and "
        "exported with infinity_frames.\n",
        "| part | jobs |\n| --- | --- |\n"
        + "".join(f"| {_cell(str(name))} | {count} |\n" for name, count in parts.items()),
        f"## Reading it\n\n{usage}\n",
        "## What is left out\n\n" + _losses(losses),
        "## Parameters\n\n| parameter | values |\n| --- | --- |\n" + _parameters(used),
    ]
    (target / "README.md").write_text("\n".join(part for part in text if part), encoding="utf-8")


def _front_matter(configs: Mapping[str, Sequence[str]]) -> str:
    if not configs:
        return ""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split, pattern in configs.items():
        # JSON strings are YAML strings.
        lines += [f"  - split: {_yaml(split)}", *(f"    path: {_yaml(path)}" for path in pattern)]
    lines += ["tags:", "- synthetic", "---", ""]
    return "\n".join(lines)


def _yaml(text: str) -> str:
    return orjson.dumps(text).decode()


def _losses(losses: Losses) -> str:
    found = {what: count for what, count in losses.items() if count}
    if not found:
        return "Nothing: the export is lossless.\n"
    return "".join(f"- {what}: {count}\n" for what, count in found.items())


def _parameters(used: pd.DataFrame) -> str:
    own = set(RESULTS.columns) | {"split"}
    names = [c for c in used.columns if c not in own and not str(c).startswith(TAG_PREFIX)]
    rows = {_cell(str(name)): _cell(_values(used[name].dropna())) for name in names}
    return "".join(f"| {name} | {text} |\n" for name, text in rows.items() if text)


_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$]|(?<!\w)[_#]|_(?!\w)|:(?=//)")


def _cell(text: str) -> str:
    """Text of others as a cell of a Markdown table: no markup, no HTML, no links, one line."""
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
    return f"{len(distinct)} different ones"
