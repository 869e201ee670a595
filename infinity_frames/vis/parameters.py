"""Grids of small plots: distributions of parameters and of results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from infinity_frames.protocol.errors import FrameError
from infinity_frames.vis.axis_labels import headings
from infinity_frames.vis.column_plots import legend, legend_height, tile
from infinity_frames.vis.columns import OUTCOMES, constant, grouped, identifies
from infinity_frames.vis.effects import draw_effect, moved, swept
from infinity_frames.vis.frames import Folder, as_jobs, as_results
from infinity_frames.vis.style import Drawing, counted, figure, look, short

__all__ = ["visualize_batch_results", "visualize_job_params"]

_WIDE, _HIGH, _ENTRY = 3.1, 2.3, 3.6  # inches: a plot's width and height, a text column's width
_MOST_EFFECTS = 6


def visualize_job_params(
    jobs: pd.DataFrame | Mapping[str, Any] | Iterable[Mapping[str, Any]],
    stratify_var: str | None = None,
) -> Drawing:
    """Plot how each parameter is distributed over jobs.

    Numbers become a histogram, texts and choices bars, a column of one value its value. Columns
    that only identify a job (``state``, seeds, ids) are left out. Titles name the units that the
    generator's parameters have, where the frame remembers its generator.

    Parameters
    ----------
    jobs : frame or list of dict
        A row per job: jobs, batch and results frames all do.
    stratify_var : str, optional
        A column to split by: each of its values has a color and a row of its own in every plot,
        or its shares side by side. Only its seven most frequent values get their own color.

    Returns
    -------
    Figure
        Shown by notebooks; ``figure.savefig("jobs.png")`` writes it.

    Raises
    ------
    FrameError
        The frame is empty, or `stratify_var` is an unknown column.

    Examples
    --------
    >>> inf.vis.visualize_job_params(scored, stratify_var="scene")
    """
    frame = as_jobs(jobs)
    groups = None if stratify_var is None else grouped(frame, stratify_var)
    columns = [name for name in frame.columns if not identifies(frame[name])]
    return _grid(frame, columns, groups, counted(len(frame), "job"))


def visualize_batch_results(
    results: pd.DataFrame | Folder | Iterable[Folder | Mapping[str, Any]],
    stratify_var: str | None = None,
) -> Drawing:
    """Plot the outcomes of a batch and its parameters.

    Where jobs came of a sweep, every outcome is drawn over every parameter that was swept, with its
    spread; see :func:`visualize_effect` for one of them at a time.

    Parameters
    ----------
    results : frame or path or list
        A results frame, or the batch folder it is read from.
    stratify_var : str, optional
        As for :func:`visualize_job_params`.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame is empty, or `stratify_var` is an unknown column.

    Examples
    --------
    >>> inf.vis.visualize_batch_results(results)
    """
    frame = as_results(results)
    first = ["status", *OUTCOMES]
    order = [name for name in first if name in frame.columns and frame[name].notna().any()]
    rest = [name for name in frame.columns if name not in first]
    groups = None if stratify_var is None else grouped(frame, stratify_var)
    columns = [name for name in [*order, *rest] if not identifies(frame[name])]
    title = counted(len(frame), "job")
    if "status" in frame.columns:
        counts = frame["status"].astype("string").fillna("of unknown status").value_counts()
        title += ": " + ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    outcomes = [name for name in order if name in OUTCOMES and constant(frame[name]) is None]
    effects = [(x, y) for x in swept(frame) for y in outcomes if moved(frame, y)]
    return _grid(frame, columns, groups, title, effects[:_MOST_EFFECTS])


def _grid(
    frame: pd.DataFrame,
    columns: list[Any],
    groups: pd.Series[Any] | None,
    title: str,
    effects: list[tuple[str, str]] | None = None,
) -> Drawing:
    if not columns:
        raise FrameError("Nothing to plot: every column only identifies the jobs.")
    heads = headings(frame)
    same = {name: constant(frame[name]) for name in columns}
    said = {name: value for name, value in same.items() if value is not None}
    fixed = [short(f"{heads[name]}: {value}", 50) for name, value in said.items()]
    names = [name for name in columns if same[name] is None]
    plots = [*(effects or ()), *names]
    across = min(5, math.ceil(math.sqrt(len(plots)))) if plots else 1
    down = math.ceil(len(plots) / across)
    width = max(_WIDE * across, 2 * _ENTRY)
    lines = math.ceil(len(fixed) / int(width / _ENTRY))
    table = 0.19 * lines + 0.38 if fixed else 0.0
    drawing = figure(width, _HIGH * down + table + 0.45 + legend_height(groups))
    with look():
        grid = drawing.add_gridspec(
            down + 1, across, height_ratios=[*[_HIGH] * down, max(table, 0.01)]
        )
        for position, plot in enumerate(plots):
            axis = drawing.add_subplot(grid[divmod(position, across)])
            if isinstance(plot, tuple):
                draw_effect(axis, frame, plot[0], plot[1], groups)
                axis.set_title(f"{heads[plot[1]]}\nover {heads[plot[0]]}", fontweight="bold")
            else:
                tile(axis, frame[plot], groups, heads[plot])
        if fixed:
            _table(drawing.add_subplot(grid[down, :]), fixed, lines, int(width / _ENTRY))
        drawing.suptitle(title, fontsize=11, x=0.01, ha="left")
        if groups is not None:
            legend(drawing, groups, heads[str(groups.name)])
    return drawing


def _table(axis: Axes, entries: list[str], lines: int, columns: int) -> None:
    """List the constant parameters as text in columns."""
    axis.set_axis_off()
    axis.set_title("the same in every job", fontweight="bold")
    for index in range(columns):
        text = "\n".join(entries[index * lines : (index + 1) * lines])
        axis.text(index / columns, 1, text, va="top", linespacing=1.4, transform=axis.transAxes)
