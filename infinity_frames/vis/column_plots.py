"""Plot one column of a frame: a histogram, dots or bars, depending on its values."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from infinity_frames.vis.columns import different, has_long_tail, is_time, numbers, texts
from infinity_frames.vis.style import caption, short, theme, wrap

__all__ = ["colors", "date_axis", "days_of", "legend", "legend_height", "tile"]

_MOST_BARS, _MOST_SPLIT = 8, 6
_MOST_SETTINGS = 6
_FEW = 150
"""Largest number of jobs that are drawn as single dots instead of a histogram."""
_KEYS = 4
"""Number of legend entries in a row."""
_LETTERS = 32
"""Number of letters of a title that fit above a plot."""


def tile(axis: Axes, values: pd.Series[Any], groups: pd.Series[Any] | None, heading: str) -> None:
    """Plot a column: numbers as a histogram, settings and texts as bars; split by `groups`.

    Parameters
    ----------
    axis : Axes
        Where to.
    values : Series
        The column.
    groups : categorical Series or None
        The stratum of each row.
    heading : str
        Title of the plot.
    """
    known = values.dropna()
    if is_time(known):
        _times(axis, known, groups)
        _title(axis, values, heading)
        return
    floats = numbers(known)
    count = different(known)
    if floats is not None and not _are_settings(floats, count):
        if groups is None:
            _histogram(axis, floats)
        else:
            _strata(axis, floats, groups.loc[floats.index])
    elif floats is None and count > 50 and count > 0.5 * len(known):
        first, last = (short(text, 60) for text in texts(known.iloc[[0, -1]]))
        caption(axis, wrap(f"{count:,} different values:\n{first}\n…\n{last}", 34))
    else:
        _bars(axis, texts(known), floats is not None, groups)
    _title(axis, values, heading)


def _title(axis: Axes, values: pd.Series[Any], heading: str) -> None:
    missing = values.isna().mean()
    note = "" if missing in (0, 1) else f"\n{_percent(missing)} unspecified"
    axis.set_title(wrap(heading, _LETTERS) + note, fontweight="bold")


def colors(groups: pd.Series[Any]) -> dict[str, str]:
    """Color of each group."""
    names = cast("list[str]", list(groups.cat.categories))
    return {name: theme().color(index) for index, name in enumerate(names)}


def legend(place: Figure | Axes, groups: pd.Series[Any], heading: str) -> None:
    """Draw the legend of the groups below the plots of a figure, or inside an axes."""
    hues = colors(groups)
    place.legend(
        handles=[Patch(color=hue, label=short(name, 30)) for name, hue in hues.items()],
        title=heading,
        loc="outside lower center" if isinstance(place, Figure) else "best",
        ncols=min(len(hues), _KEYS) if isinstance(place, Figure) else 1,
    )


def legend_height(groups: pd.Series[Any] | None) -> float:
    """Height of the legend in inches."""
    if groups is None:
        return 0.0
    return 0.34 + 0.19 * math.ceil(len(groups.cat.categories) / _KEYS)


def _are_settings(floats: pd.Series[Any], count: int) -> bool:
    """Return whether the numbers are a few settings that many jobs share, not measurements."""
    return count <= _MOST_SETTINGS and (_is_whole(floats) or 2 * count <= len(floats))


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _is_whole(floats: pd.Series[Any]) -> bool:
    return bool((floats % 1 == 0).all())


def _histogram(axis: Axes, floats: pd.Series[Any]) -> None:
    options: dict[str, Any] = {"bins": _edges(floats)}
    options |= {"color": theme().color(0), "edgecolor": theme().paper, "linewidth": 0.4}
    axis.hist(floats, **options)
    axis.set(xlabel="", ylabel="")
    axis.grid(axis="y")
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    if has_long_tail(floats):
        axis.set_xscale("log")
    elif _is_whole(floats):
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _times(axis: Axes, known: pd.Series[Any], groups: pd.Series[Any] | None) -> None:
    """Plot points in time like numbers, on an axis of dates."""
    days = days_of(known)
    if groups is None:
        _histogram(axis, days)
    else:
        _strata(axis, days, groups.loc[days.index])
    date_axis(axis.xaxis)


def days_of(times: pd.Series[Any]) -> pd.Series[Any]:
    """Return points in time as matplotlib's days since 1970."""
    return pd.Series(np.asarray(date2num(times)), index=times.index)  # type: ignore[no-untyped-call]


def date_axis(axis: Axis) -> None:
    """Mark an axis of days, as `date2num` counts them, with dates."""
    locator = AutoDateLocator(minticks=2, maxticks=4)  # type: ignore[no-untyped-call]
    axis.set_major_locator(locator)
    axis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _edges(floats: pd.Series[Any]) -> Any:
    """Histogram bin edges: a bin per value for a few whole numbers, else numpy's rule."""
    low, high = floats.min(), floats.max()
    if _is_whole(floats) and high - low < 30:
        return np.arange(low, high + 2) - 0.5
    # Few jobs in many bins show chance, not the distribution.
    bins = int(np.clip(math.sqrt(2 * len(floats)), 5, 24))
    if has_long_tail(floats):
        return np.geomspace(low, high, bins + 1)
    return np.histogram_bin_edges(floats, bins=bins)


def _strata(axis: Axes, floats: pd.Series[Any], groups: pd.Series[Any]) -> None:
    """Draw a row per group, as dots or as a histogram, so that no group hides another."""
    hues = colors(groups)
    names = list(hues)
    if len(floats) <= _FEW:
        scatter = np.random.default_rng(0)
        for row, name in enumerate(names):
            own = floats[groups == name]
            if len(own):
                axis.scatter(
                    own,
                    row + scatter.uniform(-0.25, 0.25, len(own)),
                    color=hues[name],
                    s=11,
                    alpha=0.85,
                    lw=0,
                )
            if len(own) > 2:  # of one or two the middle says nothing
                axis.plot([own.median()] * 2, [row - 0.38, row + 0.38], color=hues[name], lw=1.6)
    else:
        edges = _edges(floats)
        for row, name in enumerate(names):
            counts, _ = np.histogram(floats[groups == name], edges)
            heights = row + 0.4 - 0.85 * counts / max(counts.max(), 1)
            axis.stairs(heights, edges, baseline=row + 0.4, fill=True, color=hues[name], alpha=0.85)
    if has_long_tail(floats):
        axis.set_xscale("log")
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set(xlabel="", ylabel="", yticks=[])
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x")


def _bars(axis: Axes, labels: pd.Series[Any], numeric: bool, groups: pd.Series[Any] | None) -> None:
    """Draw bars of the most common values, each below its name, so that long names fit."""
    counts = labels.value_counts()
    if numeric:  # settings in their own order, not by how common they are
        counts = counts.loc[sorted(counts.index, key=float)]
    most = _MOST_BARS if groups is None else _MOST_SPLIT
    shown, left_out = counts.iloc[:most], counts.iloc[most:]
    rows = np.arange(len(shown))
    if groups is None or groups.name == labels.name:
        hues = {} if groups is None else colors(groups)
        inks = [hues.get(name, theme().color(0)) for name in shown.index]
        axis.barh(rows + 0.2, shown, color=inks, height=0.4)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    else:
        table = pd.crosstab(labels, groups.loc[labels.index], normalize="columns")
        bar = 0.5 / len(table.columns)
        for index, group in enumerate(table.columns):
            hue = colors(groups)[group]
            heights = table[group].reindex(shown.index)
            axis.barh(rows + bar * (index + 0.5), heights, height=bar, color=hue)
    for row, name in enumerate(shown.index):
        axis.text(
            0.01,
            row,
            short(str(name), 34),
            va="bottom",
            transform=axis.get_yaxis_transform(),
        )
    axis.set(yticks=[], ylim=(max(len(rows), 4) - 0.4, -0.65))
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x")
    if len(left_out):
        axis.set_xlabel(f"and {len(left_out):,} more values ({left_out.sum():,} jobs)")
    elif groups is not None and groups.name != labels.name:
        axis.set_xlabel("share")
