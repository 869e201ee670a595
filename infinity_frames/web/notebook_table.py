"""A small table of results inside a notebook's output: it sorts, filters and enlarges pictures.

The table is one iframe without a foreign or local address, so it works in a saved notebook, with
no kernel and no network. The iframe is sandboxed: its script sees nothing of the notebook.
"""

from __future__ import annotations

import base64
from html import escape
from itertools import islice
from typing import Any

import cv2
import pandas as pd

from infinity_frames.data.layout import JobFiles, locate
from infinity_frames.io.pictures import read_picture
from infinity_frames.io.video import read_frames
from infinity_frames.protocol.errors import InfinityError
from infinity_frames.vis.annotators import BoxAnnotator, MaskAnnotator, SkeletonAnnotator
from infinity_frames.vis.columns import numbers, short_id, texts
from infinity_frames.vis.frame_labels import Labels
from infinity_frames.vis.images import encoded
from infinity_frames.vis.labeled_video import annotated, fitting
from infinity_frames.vis.repr import varying_columns
from infinity_frames.vis.style import on_dark_pages, short
from infinity_frames.web.pages import render

__all__ = ["notebook_table"]

_MOST_ROWS = 200
_MOST_COLUMNS = 10
_MOST_PICTURES = 8
_MOST_LETTERS = 60
_PICTURE = 384
"""Pixels across an enlarged picture; the row shows the same one small."""
_ANNOTATORS = (MaskAnnotator(), BoxAnnotator(), SkeletonAnnotator())
_ROW, _HEAD, _TALLEST, _LOWEST_WITH_PICTURES = 30, 84, 430, 400  # pixels


def notebook_table(frame: pd.DataFrame) -> str:
    """Return an iframe with the rows of a results frame, empty for other frames.

    Parameters
    ----------
    frame : DataFrame
        Any frame; results have the columns `job_id`, `status` and `path`.

    Returns
    -------
    str
        HTML. It shows the first 200 rows, the columns that differ between rows, and for the first
        jobs with files a picture that opens with its labels.
    """
    if not {"job_id", "status", "path"} <= set(map(str, frame.columns)) or not len(frame):
        return ""
    if not frame.columns.is_unique:
        return ""
    rows = frame.head(_MOST_ROWS)
    pictures = _pictures(rows)
    columns = _columns(rows)
    height = min(_TALLEST, _HEAD + _ROW * (1 + len(rows)))
    if any(pictures):
        height = max(height, _LOWEST_WITH_PICTURES)
    page = render(
        "notebook_table.html",
        table={"columns": columns, "pictures": pictures},
        total=len(frame),
        shown=len(rows),
        dark_height=height + 1,
    ).decode()
    # A page inside an iframe learns nothing of the notebook's theme, except for its own size.
    dark = on_dark_pages("iframe.infinity-table", f"height: {height + 1}px !important;")
    return (
        f"<style>{dark}</style>"
        f'<iframe class="infinity-table" title="Table of {len(rows)} results" '
        f'sandbox="allow-scripts" style="width: 100%; height: {height}px; border: 0" '
        f'srcdoc="{escape(page)}"></iframe>'
    )


def _columns(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Job, status and the columns that differ, each with the texts or numbers of its cells."""
    differ = varying_columns(rows)
    ids = rows["job_id"].astype("string").fillna("").map(short_id)
    out = [{"name": "job", "number": False, "cells": ids.tolist()}]
    for name in ["status", *differ[: _MOST_COLUMNS - 2]]:
        known = rows[name].dropna()
        if numbers(known) is not None and len(known):
            floats = rows[name].astype("Float64")
            finite = floats.isin(numbers(known))
            cells: list[Any] = [
                float(value) if ok else None for value, ok in zip(floats, finite, strict=True)
            ]
        else:
            cells = [
                None if value is pd.NA else short(str(value), _MOST_LETTERS)
                for value in texts(rows[name])
            ]
        out.append({"name": str(name), "number": numbers(known) is not None, "cells": cells})
    return out


def _pictures(rows: pd.DataFrame) -> list[str | None]:
    """Return a picture with labels per row as a data address, for the first jobs that have one."""
    out: list[str | None] = []
    left = tries = _MOST_PICTURES
    for job_id, path in rows[["job_id", "path"]].itertuples(index=False, name=None):
        found = None
        if left and tries and pd.notna(path) and pd.notna(job_id):
            try:
                (files,) = locate([(str(job_id), str(path))])
                found = base64.b64encode(_labeled(files)).decode("ascii")
                left -= 1
            except (InfinityError, LookupError, OSError, StopIteration, cv2.error):
                tries -= 1  # the table shows the row without a picture
        out.append(None if found is None else f"data:image/jpeg;base64,{found}")
    return out


def _labeled(files: JobFiles) -> bytes:
    """Return the preview or the first frame, with its labels where they can be read."""
    if files.picture is not None:
        picture = read_picture(files.picture)
    else:
        picture = next(islice(read_frames(files.video or ""), 1))
    if files.labels is not None:
        try:
            labels = Labels(files.labels).frame(0)
            fitting(picture, labels, files.labels)
            picture = annotated(picture, labels, _ANNOTATORS, _PICTURE)
        except (InfinityError, LookupError, ValueError):
            pass
    return encoded(picture, ".jpg", _PICTURE)
