"""Plot two columns: the effect of a parameter on an outcome, or two parameters together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from infinity_frames.protocol.errors import FrameError
from infinity_frames.vis.axis_labels import headings
from infinity_frames.vis.column_plots import colors, date_axis, days_of, legend
from infinity_frames.vis.columns import (
    OUTCOMES,
    different,
    grouped,
    has_long_tail,
    identifies,
    is_time,
    numbers,
    require_column,
    texts,
)
from infinity_frames.vis.frames import Folder, as_jobs, as_results
from infinity_frames.vis.style import axes_on, counted, short, theme, wrap

__all__ = ["draw_effect", "moved", "swept", "visualize_effect", "visualize_joint"]

BASE = "tag_base"
_MOST_SETTINGS, _BINS, _MOST_LINES = 24, 12, 40
_MOST_POINTS = 3_000
_MOST_ABREAST = 5
_ABREAST = 0.7
"""Share of a choice's width that its groups fill."""


def visualize_effect(
    results: pd.DataFrame | Folder | Iterable[Folder | Mapping[str, Any]],
    x: str | None = None,
    y: str | None = None,
    stratify_var: str | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Plot the effect of a parameter on an outcome: median and spread.

    Over numbers the medians are a line, and the band reaches from the 10th to the 90th percentile
    of the jobs. Copies of one job in a sweep (``tag_base``) are joined by thin lines: they differ
    only in the swept parameter. A parameter with many values is cut into classes of equally many
    jobs. Choices have nothing between them that a line could cross: each has its median, a bar from
    the 10th to the 90th percentile, and a dot per job, in the order in which the parameter lists
    them. Axes name the units that the generator's parameters have, where the frame remembers its
    generator.

    Parameters
    ----------
    results : frame or path or list
        A results frame, or the batch folder it is read from.
    x : str, optional
        A parameter; by default the first that was swept.
    y : str, optional
        A number; by default the first outcome that the sweep changed, else the first that varies.
    stratify_var : str, optional
        A column to split by: a line each, or a bar at every choice.
    ax : Axes, optional
        Draw here, in the style of your own figure, instead of on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        A column is unknown or empty, or `y` is not numeric.

    Examples
    --------
    >>> inf.vis.visualize_effect(sweep, "camera_height", "avg_percent_in_fov")
    """
    frame = as_results(results)
    x = x or next(iter(swept(frame)), None)
    if x is None:
        raise FrameError("No parameter of these jobs was swept.", advice="Name one: x=...")
    there = [name for name in OUTCOMES if _varies(frame, name)]
    y = y or next((name for name in there if moved(frame, name)), next(iter(there), None))
    if y is None:
        raise FrameError("No outcome of these jobs varies.", advice="Name a column: y=...")
    groups = None if stratify_var is None else grouped(frame, stratify_var)
    heads = headings(frame)
    with axes_on(ax, 5.6, 3.6) as (drawing, axis):
        rows = draw_effect(axis, frame, x, y, groups)
        axis.set(xlabel=heads[x], ylabel=heads[y])
        axis.set_title(f"{y} over {x}\n{counted(rows, 'row')}", fontweight="bold")
        if groups is not None:
            legend(drawing if ax is None else axis, groups, heads[str(groups.name)])
    return drawing


def visualize_joint(
    jobs: pd.DataFrame | Mapping[str, Any] | Iterable[Mapping[str, Any]],
    x: str,
    y: str,
    stratify_var: str | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Plot how two parameters are distributed together.

    Two numbers are drawn as dots (from 3,000 jobs on as a density map), a number and a choice as a
    row of dots with quartiles for each choice, and two choices as a table of counts.

    Parameters
    ----------
    jobs : frame or list of dict
        A row per job.
    x, y : str
        The two columns.
    stratify_var : str, optional
        A column that colors the dots.
    ax : Axes, optional
        Draw here, in the style of your own figure, instead of on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame is empty, or a column is unknown.

    Examples
    --------
    >>> inf.vis.visualize_joint(scored, "camera_height", "oks")
    """
    frame = as_jobs(jobs)
    pair = [require_column(frame, name, "to plot") for name in (x, y)]
    both = pair[0].notna() & pair[1].notna()
    if not both.any():
        raise FrameError(f"No job has a value for both {x} and {y}.")
    groups = None if stratify_var is None else grouped(frame, stratify_var)
    heads = headings(frame)
    with axes_on(ax, 5.2, 4.2) as (drawing, axis):
        _joint(axis, pair[0][both], pair[1][both], groups)
        axis.set(xlabel=heads[x], ylabel=heads[y])
        shown = counted(int(both.sum()), "job")
        missing = f", {int((~both).sum()):,} without both values" if not both.all() else ""
        axis.set_title(f"{y} and {x}\n{shown}{missing}", fontweight="bold")
        if groups is not None:
            legend(drawing if ax is None else axis, groups, heads[str(groups.name)])
    return drawing


def swept(frame: pd.DataFrame) -> list[str]:
    """Return parameters that differ between copies of one job; empty if nothing was swept."""
    skip = {BASE, "status", *OUTCOMES}
    columns = [str(n) for n in frame.columns if n not in skip and not identifies(frame[n])]
    return [name for name in columns if moved(frame, name)]


def moved(frame: pd.DataFrame, column: str) -> bool:
    """Return whether a column differs between copies of one job."""
    if BASE not in frame.columns or frame[BASE].isna().all():
        return False
    values = texts(frame[column]).fillna("")
    within = values.groupby(texts(frame[BASE]).to_numpy(), observed=True).nunique()
    return bool((within > 1).any())


def draw_effect(
    axis: Axes, frame: pd.DataFrame, x: str, y: str, groups: pd.Series[Any] | None
) -> int:
    """Draw an outcome over a parameter; return the number of jobs that have both.

    Raises
    ------
    FrameError
        As :func:`visualize_effect`.
    """
    outcome = numbers(require_column(frame, y, "to plot").dropna())
    if outcome is None:
        raise FrameError(f"The column {y!r} is not numeric.", advice="Choose another y.")
    cause = require_column(frame, x, "to plot").dropna()
    common = outcome.index.intersection(cause.index)
    if not len(common):
        raise FrameError(f"No job has a value for both {x} and {y}.")
    table = pd.DataFrame({"y": outcome.loc[common]})
    table["group"] = "" if groups is None else groups.loc[common].astype(str)
    hues = {"": theme().color(0)} if groups is None else colors(groups)
    places = _places(cause.loc[common])
    if places is None:
        _choices(axis, table, cause.loc[common], hues)
        return len(common)
    table["x"] = places
    _scale(axis.xaxis, cause, places)
    if BASE in frame.columns:
        _copies(axis, table, texts(frame[BASE]).loc[common], hues)
    for name, part in table.groupby("group"):
        _line(axis, part, hues[str(name)])
    axis.grid()
    return len(common)


def _places(values: pd.Series[Any]) -> pd.Series[Any] | None:
    """Return positions on an axis: numbers, or days for points in time; None for choices."""
    if is_time(values):
        return days_of(values)
    return numbers(values)


def _scale(axis: XAxis | YAxis, values: pd.Series[Any], places: pd.Series[Any]) -> None:
    """Mark an axis with dates for points in time, and make it logarithmic for a long tail."""
    if is_time(values):
        date_axis(axis)
    elif has_long_tail(places):
        scale = axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale
        scale("log")


def _varies(frame: pd.DataFrame, name: str) -> bool:
    return name in frame.columns and different(frame[name].dropna()) > 1


def _copies(
    axis: Axes, table: pd.DataFrame, bases: pd.Series[Any], hues: Mapping[str, str]
) -> None:
    """Draw a line through the copies of each job."""
    lines = [(hues[str(part["group"].iloc[0])], part) for _, part in table.groupby(bases)]
    if len(lines) <= _MOST_LINES:
        for hue, part in lines:
            ordered = part.sort_values("x")
            axis.plot(ordered["x"], ordered["y"], "-o", color=hue, lw=0.7, ms=2, alpha=0.4)


def _line(axis: Axes, part: pd.DataFrame, hue: str) -> None:
    """Draw the median and the band from the 10th to the 90th percentile."""
    places = part["x"]
    if places.nunique() > _MOST_SETTINGS:
        classes = pd.qcut(places, _BINS, duplicates="drop")
        places = part.groupby(classes, observed=True)["x"].transform("median")
    spread = part.groupby(places.round(9))["y"].quantile(np.array([0.1, 0.5, 0.9])).unstack()
    at = spread.index.to_numpy(float)
    axis.plot(at, spread[0.5].to_numpy(float), "-o", color=hue, lw=2, ms=4)
    if (spread[0.9] > spread[0.1]).any():
        low, high = spread[0.1].to_numpy(float), spread[0.9].to_numpy(float)
        axis.fill_between(at, low, high, color=hue, alpha=0.18, lw=0)


def _choices(
    axis: Axes, table: pd.DataFrame, cause: pd.Series[Any], hues: Mapping[str, str]
) -> None:
    """Draw median, spread and dots at each choice, with groups side by side."""
    labels, order = texts(cause), _listed(cause)
    left_out, order = order[_MOST_SETTINGS:], order[:_MOST_SETTINGS]
    if left_out:
        shown = labels.isin(order)
        note = f"and {len(left_out):,} more values ({int((~shown).sum()):,} jobs)"
        axis.text(1, 1, note, ha="right", va="bottom", transform=axis.transAxes)
        labels, table = labels[shown], table[shown.to_numpy()]
    at = labels.map({name: float(place) for place, name in enumerate(order)}).astype(float)
    wide = _ABREAST / len(hues)
    scatter = np.random.default_rng(0).uniform(-0.3, 0.3, len(table)) * wide
    for index, (group, hue) in enumerate(hues.items()):
        shift = (index + 0.5) * wide - _ABREAST / 2
        own = (table["group"] == group).to_numpy()
        if len(table) <= _MOST_POINTS:
            dots = (at + shift + scatter)[own]
            axis.scatter(dots, table["y"][own], color=hue, s=9, alpha=0.4, lw=0)
        if own.any():
            spread = table["y"][own].groupby(at[own]).quantile(np.array([0.1, 0.5, 0.9])).unstack()
            middle = spread.index.to_numpy(float) + shift
            axis.vlines(middle, spread[0.1], spread[0.9], color=hue, lw=2, alpha=0.6)
            axis.plot(middle, spread[0.5].to_numpy(float), "o", color=hue, ms=6)
    axis.set_xlim(-0.5, len(order) - 0.5)
    _names_below(axis, np.arange(len(order)), order)
    axis.grid(axis="y")


def _listed(cause: pd.Series[Any]) -> list[str]:
    """Order choices as the parameter lists them (the column's categories); no before yes.

    Where no list is known, the commonest come first.
    """
    labels = texts(cause)
    there = list(labels.value_counts().index)
    if isinstance(cause.dtype, pd.CategoricalDtype):
        listed = texts(pd.Series(cause.cat.categories))
        return [name for name in listed if name in there]
    return sorted(there) if set(there) <= {"False", "True"} else there


def _joint(axis: Axes, x: pd.Series[Any], y: pd.Series[Any], groups: pd.Series[Any] | None) -> None:
    across, up = (
        found if found is not None and different(values) > 6 else None
        for found, values in ((_places(x), x), (_places(y), y))
    )
    for axis_of, found, values in ((axis.xaxis, across, x), (axis.yaxis, up, y)):
        if found is not None:
            _scale(axis_of, values, found)
    if across is not None and up is not None:
        _dots(axis, across, up, groups)
    elif across is None and up is None:
        _counts(axis, x, y)
    else:
        _rows(axis, x if across is None else across, y if up is None else up, groups)


def _dots(axis: Axes, x: pd.Series[Any], y: pd.Series[Any], groups: pd.Series[Any] | None) -> None:
    table = pd.DataFrame({"x": x, "y": y}).dropna()
    if len(table) > _MOST_POINTS and groups is None:
        shade = axis.hexbin(table["x"], table["y"], gridsize=32, mincnt=1, cmap=_shades(), lw=0.1)
        bar = axis.figure.colorbar(shade, ax=axis, label="jobs", shrink=0.8)
        bar.outline.set_visible(False)
    else:
        hues = None if groups is None else colors(groups)
        inks = theme().color(0) if hues is None else groups.loc[table.index].map(hues)  # type: ignore[union-attr]
        size = float(np.clip(4_000 / len(table), 3, 28))
        axis.scatter(table["x"], table["y"], c=inks, s=size, alpha=0.8, lw=0)
    axis.grid()


def _rows(axis: Axes, x: pd.Series[Any], y: pd.Series[Any], groups: pd.Series[Any] | None) -> None:
    """Draw dots per choice, with a box from quartile to quartile."""
    vertical = _places(x) is None or different(x) <= 6
    choice, value = (x, y) if vertical else (y, x)
    order = _order(choice)
    labels = texts(choice)
    left_out = labels[~labels.isin(order)]
    if len(left_out):
        note = f"and {left_out.nunique():,} more values ({len(left_out):,} jobs)"
        axis.text(1, 1, note, ha="right", va="bottom", transform=axis.transAxes)
    table = pd.DataFrame({"choice": labels, "value": value.astype(float)})
    boxes = [table.loc[labels == name, "value"].to_numpy() for name in order]
    quiet: Any = {
        f"{part}props": {"color": theme().gray} for part in ("box", "whisker", "cap", "median")
    }
    axis.boxplot(
        boxes,
        positions=range(len(order)),
        orientation="vertical" if vertical else "horizontal",
        showfliers=False,
        **quiet,
    )
    shown = table.head(_MOST_POINTS)
    at = shown["choice"].map({name: float(row) for row, name in enumerate(order)}).astype(float)
    at = at + np.random.default_rng(0).uniform(-0.18, 0.18, len(at))
    inks: Any = theme().color(0)
    if groups is not None:
        inks = groups.loc[shown.index].map(colors(groups)).tolist()
    across, up = (at, shown["value"]) if vertical else (shown["value"], at)
    axis.scatter(across, up, c=inks, s=9, alpha=0.7, lw=0, zorder=3)
    if vertical:
        _names_below(axis, np.arange(len(order)), order)
    else:
        axis.set_yticks(range(len(order)), [wrap(short(name, 24), 24) for name in order])
    axis.grid(axis="y" if vertical else "x")


def _order(choice: pd.Series[Any]) -> list[str]:
    """Order choices on an axis: numbers by size, texts by frequency, at most 24 of them."""
    if numbers(choice) is not None:
        return [str(text) for text in texts(choice.drop_duplicates().sort_values())]
    return [str(text) for text in texts(choice).value_counts().index[:_MOST_SETTINGS]]


def _counts(axis: Axes, x: pd.Series[Any], y: pd.Series[Any]) -> None:
    table = pd.crosstab(texts(y), texts(x)).reindex(index=_order(y), columns=_order(x))
    sns.heatmap(
        table.fillna(0).astype(int),
        ax=axis,
        annot=table.size <= 150,
        fmt="d",
        cmap=_shades(),
        cbar=False,
        linewidths=1,
        linecolor=theme().paper,
        annot_kws={"size": 9},
    )
    _names_below(axis, np.arange(len(table.columns)) + 0.5, list(map(str, table.columns)))
    names = [short(str(name), 28) for name in table.index]
    axis.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
    axis.tick_params(length=0)


def _names_below(axis: Axes, places: NDArray[Any], names: Sequence[str]) -> None:
    """Label the horizontal axis; many names are written upright."""
    points = float(axis.get_window_extent().width) / axis.figure.dpi * 72
    if len(names) <= _MOST_ABREAST:
        letters = int(points / len(names) / 5)  # a letter is at most five points wide
        marks = [wrap(short(name, 24), letters) for name in names]
        axis.set_xticks(places, marks, rotation=0)
    else:
        size = min(9.0, 0.8 * points / len(names))
        axis.set_xticks(places, [short(name, 24) for name in names], rotation=90, fontsize=size)


def _shades() -> LinearSegmentedColormap:
    """Color map from the background to the first data color."""
    now = theme()
    return LinearSegmentedColormap.from_list("shades", [now.empty, now.color(0)])
