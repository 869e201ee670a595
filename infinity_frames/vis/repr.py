"""Summaries of frames, sessions and batches as HTML and text.

A summary is a dict of numbers, texts and lists of these; it holds plain text only; each view
escapes what it writes, because users choose the names.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import pandas as pd

from infinity_frames.data.layout import JobFiles, locate
from infinity_frames.protocol.errors import InfinityError
from infinity_frames.protocol.schemas import context
from infinity_frames.vis.columns import OUTCOMES, constant, different, identifies, numbers, texts
from infinity_frames.vis.effects import moved
from infinity_frames.vis.style import counted, short

__all__ = ["of_frame", "previews", "to_html", "to_text", "varying_columns"]

Summary = Mapping[str, Any]

_COLORS = {  # as in plots: apart for every common kind of color blindness
    "completed": "#009E73",
    "running": "#56B4E9",
    "queued": "#8C8C8C",
    "failed": "#D55E00",
    "cancelled": "#CC79A7",
}
_OTHER = "#8C8C8C"
_MOST_PARAMETERS, _MOST_VALUES, _MOST_PREVIEWS, _MOST_REASONS = 12, 4, 6, 3
_THUMBNAIL = 128  # pixels across


def of_frame(frame: pd.DataFrame) -> dict[str, Any]:
    """Summarize a frame of jobs, of a batch or of results.

    Parameters
    ----------
    frame : DataFrame
        Any frame; its columns decide what the summary contains.

    Returns
    -------
    dict
        kind, title, about (dict of short facts), counts (status to number of jobs), reasons (why
        jobs failed), varying (name, values), rest (how many parameters are the same everywhere).
    """
    frame = _told_apart(frame)
    kind = _kind(frame)
    summary: dict[str, Any] = {"kind": kind, "title": counted(len(frame), _NOUNS[kind])}
    summary["about"] = {**_origin(frame), **_sizes(frame)}
    summary["counts"] = _statuses(frame)
    summary["reasons"] = _reasons(frame)
    if kind == "labels":
        summary["about"]["columns"] = ", ".join(map(str, frame.columns[:8]))
        return {**summary, "varying": [], "rest": 0}
    columns = _described(frame)
    varying = varying_columns(frame)
    summary["varying"] = [(str(name), _values(frame[name])) for name in varying[:_MOST_PARAMETERS]]
    summary["more"] = max(0, len(varying) - _MOST_PARAMETERS)
    summary["rest"] = len(columns) - len(varying)
    return summary


def varying_columns(frame: pd.DataFrame) -> list[Any]:
    """Return columns that differ between rows, swept parameters first.

    Ids, seeds and states are left out.
    """
    varying = [name for name in _described(frame) if constant(frame[name]) is None]
    return sorted(varying, key=lambda name: not moved(frame, name))


def previews(frame: pd.DataFrame) -> list[tuple[str, bytes]]:
    """Captions and JPEG thumbnails of the first jobs of a results frame."""
    if not {"job_id", "path"} <= set(frame.columns):
        return []
    rows = _told_apart(frame)[["job_id", "path"]].dropna().drop_duplicates("job_id")
    found = []
    for job_id, path in rows.head(4 * _MOST_PREVIEWS).itertuples(index=False, name=None):
        try:
            (files,) = locate([(str(job_id), str(path))])
            found.append((str(job_id)[:8], _thumbnail(files)))
        except (InfinityError, LookupError, OSError):
            continue  # a face shows what there is; show() and previews() explain missing files
        if len(found) == _MOST_PREVIEWS:
            break
    return found


def to_text(summary: Summary) -> str:
    """Format a summary for a terminal."""
    lines = [summary["title"]]
    if summary["counts"]:
        lines.append("  " + ", ".join(f"{n:,} {status}" for status, n in summary["counts"].items()))
    lines += [f"  failed: {reason} ({n} x)" for reason, n in summary["reasons"]]
    lines += [f"  {name}: {value}" for name, value in summary["about"].items()]
    width = max((len(name) for name, _ in summary["varying"]), default=0)
    lines += [f"  {name:<{width}}  {values}" for name, values in summary["varying"]]
    if summary.get("more"):
        lines.append(f"  and {summary['more']} more that vary")
    if summary["rest"]:
        lines.append(f"  {summary['rest']} the same in every job")
    return "\n".join(lines)


def to_html(summary: Summary, pictures: Iterable[tuple[str, bytes]] = ()) -> str:
    """Format a summary as HTML; all texts are escaped.

    Parameters
    ----------
    summary : dict
        From one of the functions above.
    pictures : iterable of (caption, JPEG bytes)
        A strip of previews.
    """
    about = " · ".join(f"{escape(name)} {_code(value)}" for name, value in summary["about"].items())
    parts = [
        f'<div style="font-size: 1.1em; font-weight: 600">{escape(summary["title"])}</div>',
        f'<div style="opacity: 0.75; margin: 2px 0 6px">{about}</div>',
        _bar(summary["counts"]),
        *(
            f'<div style="color: {_COLORS["failed"]}">failed: {escape(reason)} ({n} x)</div>'
            for reason, n in summary["reasons"]
        ),
        _strip(pictures),
        _table(summary),
    ]
    body = "".join(part for part in parts if part)
    return f'<div style="font-family: sans-serif; font-size: 13px; max-width: 860px">{body}</div>'


def _described(frame: pd.DataFrame) -> list[Any]:
    return [n for n in frame.columns if n not in _STATE and not identifies(frame[n])]


def _told_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Rename duplicate columns: the second column of a name becomes "name (2)"."""
    if frame.columns.is_unique:
        return frame
    names: list[Any] = []
    for name in frame.columns:
        own, number = name, 1
        while own in names:
            number += 1
            own = f"{name} ({number})"
        names.append(own)
    return frame.set_axis(names, axis=1)


_NOUNS = {"jobs": "job", "batch": "batch row", "results": "result", "labels": "label"}
_STATE = frozenset(("status", "generator", "is_preview", "samples", *OUTCOMES, "tag_base"))


def _kind(frame: pd.DataFrame) -> str:
    if "job_id" not in frame.columns:
        return "jobs"
    if "status" not in frame.columns:
        return "labels"
    return "results" if "path" in frame.columns else "batch"


def _origin(frame: pd.DataFrame) -> dict[str, Any]:
    about: dict[str, Any] = dict(context(frame))
    if "generator" in frame.columns and different(frame["generator"].dropna()) == 1:
        about["generator"] = str(frame["generator"].dropna().iloc[0])
    return {name: about[name] for name in ("generator", "server") if name in about}


def _sizes(frame: pd.DataFrame) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if "batch_id" in frame.columns:
        batches = different(frame["batch_id"].dropna())
        if batches != 1:
            about["batches"] = batches
    if "is_preview" in frame.columns:
        previews = int(frame["is_preview"].fillna(False).astype(bool).sum())
        if previews:
            about["previews"] = previews
    for column, name in (("num_frames", "frames"), ("samples", "samples")):
        if column in frame.columns and frame[column].notna().any():
            about[name] = f"{int(frame[column].sum()):,}"
            break
    return about


def _statuses(frame: pd.DataFrame) -> dict[str, int]:
    if "status" not in frame.columns:
        return {}
    counts = frame["status"].astype("string").fillna("unknown").value_counts()
    order = [*(name for name in _COLORS if name in counts.index)]
    order += [str(name) for name in counts.index if name not in _COLORS]
    return {name: int(counts[name]) for name in order if counts[name]}


def _reasons(frame: pd.DataFrame) -> list[tuple[str, int]]:
    if not {"status", "error"} <= set(frame.columns):
        return []
    failed = frame.loc[frame["status"].astype("string") == "failed", "error"]
    counts = failed.astype("string").fillna("no reason given").value_counts()
    return [(short(str(why), 200), int(n)) for why, n in counts.head(_MOST_REASONS).items()]


def _values(values: pd.Series[Any]) -> str:
    """Summarize a column: the range of numbers, or the most common values."""
    known = values.dropna()
    missing = len(values) - len(known)
    note = f", {missing:,} unspecified" if missing else ""
    floats = numbers(known)
    if floats is not None and len(floats) and floats.nunique() > _MOST_VALUES:
        return f"{floats.min():.4g} to {floats.max():.4g}{note}"
    counts = texts(known).value_counts(sort=floats is None)
    shown = [f"{short(str(name), 40)} ({n})" for name, n in counts.head(_MOST_VALUES).items()]
    more = [f"{len(counts) - _MOST_VALUES} more"] if len(counts) > _MOST_VALUES else []
    return ", ".join([*shown, *more]) + note


def _thumbnail(files: JobFiles) -> bytes:
    from itertools import islice

    from infinity_frames.io.pictures import read_picture
    from infinity_frames.io.video import read_frames
    from infinity_frames.vis.images import encoded

    if files.picture is not None:
        picture = read_picture(files.picture)
    else:
        # The first frame: finding the middle would mean decoding up to it.
        picture = next(islice(read_frames(files.video or os.devnull), 1))
    return encoded(picture, ".jpg", _THUMBNAIL)


def _code(value: Any) -> str:
    return f"<code>{escape(str(value))}</code>"


def _bar(counts: Mapping[str, int]) -> str:
    """Return the number of jobs by status: a colored bar with the counts below it."""
    total = sum(counts.values())
    if not total:
        return ""
    cells, words = [], []
    for status, count in counts.items():
        color = _COLORS.get(status, _OTHER)
        style = f"flex: {count} 0 0; background: {color}"
        cells.append(f'<span style="{style}" title="{escape(status)}"></span>')
        words.append(f'<span style="color: {color}">■</span> {count:,} {escape(status)}')
    bar = f'<div style="display: flex; height: 8px; gap: 1px">{"".join(cells)}</div>'
    return f'{bar}<div style="margin: 3px 0 6px">{" &nbsp; ".join(words)}</div>'


def _strip(pictures: Iterable[tuple[str, bytes]]) -> str:
    images = "".join(
        f'<img alt="{escape(name)}" title="{escape(name)}" '
        f'style="height: 96px; margin: 0 4px 4px 0; border-radius: 3px" '
        f'src="data:image/jpeg;base64,{base64.b64encode(data).decode("ascii")}">'
        for name, data in pictures
    )
    return f'<div style="margin: 4px 0">{images}</div>' if images else ""


def _table(summary: Summary) -> str:
    rows = [
        f'<tr><td style="text-align: left; padding: 1px 12px 1px 0">{escape(name)}</td>'
        f'<td style="text-align: left">{escape(values)}</td></tr>'
        for name, values in summary["varying"]
    ]
    notes = []
    if summary.get("more"):
        notes.append(f"{summary['more']} more vary")
    if summary["rest"]:
        notes.append(f"{summary['rest']} are the same in every job")
    note = f'<div style="opacity: 0.75">{"; ".join(notes)}</div>' if notes else ""
    table = f'<table style="font-size: inherit">{"".join(rows)}</table>' if rows else ""
    return table + note
