"""Plot what the verbs of experiments found; a frame in, a figure out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from infinity_frames.experiments.breakpoints import survival
from infinity_frames.protocol.errors import FrameError
from infinity_frames.vis.axis_labels import headings
from infinity_frames.vis.style import axes_on, counted, short, theme

__all__ = [
    "require_rows",
    "visualize_breakpoints",
    "visualize_comparison",
    "visualize_contrast",
    "visualize_search",
    "visualize_sensitivity",
    "visualize_slices",
]

_ROW_IN, _LETTERS = 0.32, 52


def visualize_sensitivity(found: pd.DataFrame, k: int = 12, *, ax: Axes | None = None) -> Figure:
    """Plot the share of variance of the `k` strongest factors, with 95 % intervals.

    Factors whose effect could be chance (p at least 0.05) are gray. The dashed line is the noise
    floor: a factor without effect stays below it with 95 % probability.

    Parameters
    ----------
    found : DataFrame
        What ``.infinity.sensitivity()`` returned.
    k : int
        How many factors.
    ax : Axes, optional
        Draw here instead of on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame was not returned by ``sensitivity()``.

    Examples
    --------
    >>> found = scored.infinity.sensitivity("oks", by=["camera_height", "num_reps"])
    >>> visualize_sensitivity(found)
    """
    require_rows(found, ["factors", "order", "share", "ci_low", "ci_high", "p"], "sensitivity")
    rows = found.head(k)
    several = rows["order"].nunique() > 1 and "total" in set(rows["order"])
    arrows = {"up": " ↑", "down": " ↓"}
    names = [
        f"{name}{arrows.get(str(direction), '')}{f' ({order})' if several else ''}"
        for name, direction, order in zip(
            rows["factors"], rows["direction"], rows["order"], strict=True
        )
    ]
    sure = (rows["p"].isna() | (rows["p"] < 0.05)).to_numpy(bool)
    about = found.attrs.get("sensitivity", {})
    with axes_on(ax, 6.0, 1.2 + _ROW_IN * len(rows)) as (drawing, axis):
        _intervals(axis, names, rows, "share", sure, bars=True)
        if about.get("noise_floor"):
            axis.axvline(about["noise_floor"], color=theme().gray, ls="--", lw=1)
        morris = about.get("method") == "morris"
        axis.set_xlabel("mean absolute elementary effect" if morris else "share of variance")
        if "n" in rows.columns:
            several_n = counted(int(rows["n"].max()), "row")
            axis.set_title(
                f"What moves {about.get('metric', 'the metric')}\n{several_n}", fontweight="bold"
            )
    return drawing


def visualize_slices(found: pd.DataFrame, k: int = 10, *, ax: Axes | None = None) -> Figure:
    """Plot how far the metric in each slice is from the other rows, with 95 % intervals.

    Parameters
    ----------
    found : DataFrame
        What ``.infinity.slices()`` returned.
    k : int
        How many slices.
    ax : Axes, optional
        Draw here instead of on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame was not returned by ``slices()``, or no slice was found.

    Examples
    --------
    >>> found = scored.infinity.slices("oks")
    >>> visualize_slices(found)
    """
    require_rows(found, ["rule", "n", "lift", "ci_low", "ci_high"], "slices")
    if not len(found):
        raise FrameError("No slice was found, so there is nothing to plot.")
    rows = found.head(k)
    names = [
        f"{short(_plain(rule), _LETTERS)}\n{counted(int(n), 'row')}"
        for rule, n in zip(rows["rule"], rows["n"], strict=True)
    ]
    with axes_on(ax, 7.2, 1.2 + 0.5 * len(rows)) as (drawing, axis):
        _intervals(axis, names, rows, "lift", np.ones(len(rows), bool))
        axis.axvline(0, color=theme().gray, lw=1)
        axis.set_xlabel("difference from the other rows")
        axis.set_title("Where it is worst", fontweight="bold")
    return drawing


def visualize_contrast(found: pd.DataFrame, *, ax: Axes | None = None) -> Figure:
    """Plot the paired difference of each value of a parameter from the baseline, with intervals.

    Parameters
    ----------
    found : DataFrame
        What ``.infinity.contrast()`` returned.
    ax : Axes, optional
        Draw here instead of on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame was not returned by ``contrast()``.

    Examples
    --------
    >>> found = scored.infinity.contrast("camera_height", "oks")  # doctest: +SKIP
    >>> visualize_contrast(found)  # doctest: +SKIP
    """
    require_rows(found, ["parameter", "value", "baseline", "difference", "verdict"], "contrast")
    names = [f"{value}\n{counted(int(n), 'pair')}" for value, n in found[["value", "n"]].to_numpy()]
    sure = found["verdict"].isin(["higher", "lower"]).to_numpy(bool)
    with axes_on(ax, 5.6, 1.2 + 0.5 * len(found)) as (drawing, axis):
        _intervals(axis, names, found, "difference", sure)
        axis.axvline(0, color=theme().gray, lw=1)
        parameter, baseline = found["parameter"].iloc[0], found["baseline"].iloc[0]
        axis.set_xlabel(f"difference from {parameter} = {baseline}")
        axis.set_ylabel(headings(found)[str(parameter)])
        axis.set_title(f"Effect of {parameter} alone\npaired copies", fontweight="bold")
    return drawing


def visualize_breakpoints(found: pd.DataFrame, *, ax: Axes | None = None) -> Figure:
    """Plot the share of jobs that a model still gets right over a parameter: a survival curve.

    The band is the 95 % Wilson interval. Jobs whose outcome changes more than once, or is not
    known, are left out and counted in the title.

    Parameters
    ----------
    found : DataFrame
        What ``.infinity.breakpoint()`` returned.
    ax : Axes, optional
        Draw here instead of on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame was not returned by ``breakpoint()``, or no row has a known outcome.

    Examples
    --------
    >>> found = jobs.infinity.breakpoint(  # doctest: +SKIP
    ...     "camera_height", score, 0.5, folder="data/heights"
    ... )
    >>> visualize_breakpoints(found)  # doctest: +SKIP
    """
    require_rows(found, ["parameter", "breakpoint", "verdict", "flips"], "breakpoint")
    parameter = str(found["parameter"].iloc[0])
    known = found["breakpoint"].dropna().to_numpy(float)
    low, high = found.attrs.get("breakpoint", {}).get("range") or (known.min(), known.max())
    # The curve changes at the breakpoints, so these and the ends are all that it needs.
    at = np.unique(np.concatenate([np.linspace(low, high, 201), known, known + 1e-9]))
    share, n = survival(found, at)
    if not n:
        raise FrameError("No row has a known outcome.", advice="Look at the column verdict.")
    z = 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    left_out = len(found) - n
    with axes_on(ax, 5.6, 3.6) as (drawing, axis):
        hue = theme().color(0)
        axis.fill_between(at, 100 * (middle - half), 100 * (middle + half), color=hue, alpha=0.18)
        axis.plot(at, 100 * share, color=hue, lw=2)
        axis.plot(known, np.zeros(len(known)), "|", color=theme().color(1), ms=9)
        axis.set(xlim=(low, high), ylim=(-3, 103), ylabel="jobs still right [%]")
        axis.set_xlabel(headings(found)[parameter])
        axis.grid()
        more = f", {left_out} without one breakpoint" if left_out else ""
        axis.set_title(f"Where it fails\n{counted(n, 'job')}{more}", fontweight="bold")
    return drawing


def visualize_search(found: pd.DataFrame, *, ax: Axes | None = None) -> Figure:
    """Plot the scores of a search in the order of its rounds; distinct failures stand out.

    Parameters
    ----------
    found : DataFrame
        What ``session.search()`` returned.
    ax : Axes, optional
        Draw here instead of on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame was not returned by ``search()``.

    Examples
    --------
    >>> found = session.search(score, 300, folder="data/worst")  # doctest: +SKIP
    >>> visualize_search(found)  # doctest: +SKIP
    """
    require_rows(found, ["score", "order", "failure", "distinct"], "search")
    limit = found.attrs.get("search", {}).get("threshold")
    low_is_worst = bool(found["score"].iloc[0] <= found["score"].iloc[-1])
    rows = found.sort_values("order", kind="stable").reset_index(drop=True)
    best = rows["score"].cummin() if low_is_worst else rows["score"].cummax()
    distinct = rows["distinct"].to_numpy(bool)
    with axes_on(ax, 6.0, 3.6) as (drawing, axis):
        x = np.arange(1, len(rows) + 1)
        axis.plot(x, rows["score"], "o", color=theme().gray, ms=3, alpha=0.6, label="job")
        axis.plot(
            x[distinct],
            rows["score"][distinct],
            "o",
            color=theme().color(5),
            ms=6,
            label="distinct failure",
        )
        axis.step(x, best, where="post", color=theme().color(0), lw=1.6, label="worst so far")
        if limit is not None and np.isfinite(limit):
            axis.axhline(limit, color=theme().gray, ls="--", lw=1)
        axis.set(xlabel="jobs rendered", ylabel="score")
        axis.grid(axis="y")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
        failing = int(rows["failure"].notna().sum())
        axis.set_title(
            f"{counted(failing, 'failing job')} of {len(rows)}\n"
            f"{counted(int(distinct.sum()), 'distinct failure')}",
            fontweight="bold",
        )
    return drawing


def visualize_comparison(found: pd.DataFrame, k: int = 12, *, ax: Axes | None = None) -> Figure:
    """Plot how far each column is from that of another data set, with 95 % intervals.

    The gray tick is the distance that samples of one distribution stay below with 95 % probability.

    Parameters
    ----------
    found : DataFrame
        What ``.infinity.compare_to()`` returned.
    k : int
        How many columns.
    ax : Axes, optional
        Draw here instead of on a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame was not returned by ``compare_to()``.

    Examples
    --------
    >>> found = scored.infinity.compare_to(scored.tail(150))  # doctest: +SKIP
    >>> visualize_comparison(found)  # doctest: +SKIP
    """
    require_rows(found, ["column", "distance", "relative", "noise", "p"], "compare_to")
    rows = found.head(k).copy()
    scale = (rows["relative"] / rows["distance"]).replace([np.inf, -np.inf], np.nan).fillna(1.0)
    for name in ("ci_low", "ci_high", "noise"):
        rows[name] = rows[name] * scale
    about = found.attrs.get("comparison", {})
    with axes_on(ax, 6.0, 1.4 + _ROW_IN * len(rows)) as (drawing, axis):
        sure = (rows["p"] < 0.05).to_numpy(bool)
        _intervals(axis, rows["column"].tolist(), rows, "relative", sure)
        axis.plot(rows["noise"], np.arange(len(rows)), "|", color=theme().gray, ms=12, mew=2)
        axis.set_xlim(left=0)
        axis.set_xlabel("distance [standard deviations, or total variation]")
        auc = ""
        if "auc" in about:
            auc = f"\ntold apart with AUC {about['auc']:.2f} "
            auc += f"[{about['auc_low']:.2f}, {about['auc_high']:.2f}]"
        axis.set_title(f"Distance from the other data set{auc}", fontweight="bold")
    return drawing


def require_rows(found: pd.DataFrame, columns: Sequence[str], verb: str) -> None:
    """Raise FrameError unless a frame has the columns of the verb's result."""
    missing = [name for name in columns if name not in found.columns]
    if missing:
        raise FrameError(
            f"The frame has no rows of {verb}(): its column {missing[0]!r} is missing.",
            advice=f"Pass what {verb}() returned.",
        )


def _intervals(
    axis: Axes,
    names: Sequence[str],
    rows: pd.DataFrame,
    value: str,
    sure: NDArray[np.bool_],
    *,
    bars: bool = False,
) -> None:
    """Draw a value with its interval per row, the first on top; unsure ones in gray."""
    places = np.arange(len(rows))
    hues = [theme().color(0) if one else theme().gray for one in sure]
    middle = rows[value].to_numpy(float)
    if bars:
        axis.barh(places, np.maximum(middle, 0), color=hues, alpha=0.35, height=0.7, lw=0)
    ends = rows[["ci_low", "ci_high"]].to_numpy(float)
    axis.hlines(places, ends[:, 0], ends[:, 1], color=hues, lw=2)
    axis.scatter(middle, places, color=hues, s=28, zorder=3)
    axis.set_yticks(places, list(names))
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")


def _plain(rule: str) -> str:
    return rule.replace(" and ", ", ").replace("'", "").replace("`", "")
