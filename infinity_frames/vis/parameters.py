"""How a set of jobs is distributed: a small plot per column, each of the kind that suits it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from infinity_frames.errors import FrameError
from infinity_frames.vis.frames import Folder, as_jobs, as_results
from infinity_frames.vis.style import Drawing, caption, colour, figure, look, wrap

__all__ = ["visualize_batch_results", "visualize_job_params"]

_MOST_BARS = 12
_MOST_GROUPS = 7
_MOST_SETTINGS = 6
_WIDE, _HIGH, _ENTRY = 3.1, 2.3, 3.6  # inches: a plot's width and height, a text column's width
_IDENTITY = frozenset(
    ("state", "batch_id", "batch_name", "job_id", "path", "video", "error", "seed", "created")
) | frozenset(("started", "finished", "estimated_samples"))
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REST = "other"


def visualize_job_params(
    jobs: pd.DataFrame | Mapping[str, Any] | Iterable[Mapping[str, Any]],
    stratify_var: str | None = None,
) -> Drawing:
    """Plot how each parameter is distributed over jobs.

    Numbers become a histogram, texts and choices bars, a column of one value its value. Columns
    that only identify a job (``state``, ids) are left out.

    Parameters
    ----------
    jobs : frame or list of dict
        A row per job: jobs, batch and results frames all do.
    stratify_var : str, optional
        A column to split by: shares within each of its values are drawn in a colour of their own.
        Only its seven commonest values are told apart.

    Returns
    -------
    Figure
        Shown by notebooks; ``figure.savefig("jobs.png")`` writes it.

    Raises
    ------
    FrameError
        There is nothing to plot, or `stratify_var` is no column.
    """
    frame = as_jobs(jobs)
    groups = None if stratify_var is None else _groups(frame, stratify_var)
    columns = [name for name in frame.columns if not _identifies(frame[name], str(name))]
    return _grid(frame[columns], groups, _count(len(frame)))


def visualize_batch_results(
    results: pd.DataFrame | Folder | Iterable[Folder | Mapping[str, Any]],
    stratify_var: str | None = None,
) -> Drawing:
    """Plot what a batch came to: frames per job, how much of the person is in view, parameters.

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
        There is nothing to plot, or `stratify_var` is no column.
    """
    frame = as_results(results)
    first = ["status", "num_frames", "avg_percent_in_fov", "avg_percent_occlusion"]
    order = [name for name in first if name in frame.columns and frame[name].notna().any()]
    rest = [name for name in frame.columns if name not in first]
    groups = None if stratify_var is None else _groups(frame, stratify_var)
    columns = [n for n in [*order, *rest] if not _identifies(frame[n], str(n))]
    title = _count(len(frame))
    if "status" in frame.columns:
        counts = frame["status"].astype("string").fillna("of unknown status").value_counts()
        title += ": " + ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return _grid(frame[columns], groups, title)


def _count(jobs: int) -> str:
    return "1 job" if jobs == 1 else f"{jobs:,} jobs"


def _identifies(values: pd.Series[Any], name: str) -> bool:
    if name in _IDENTITY:
        return True
    known = values.dropna()
    return not known.empty and all(
        isinstance(value, str) and _UUID.fullmatch(value) for value in known.head(50)
    )


def _groups(frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    """The value of each job to split by, the rarer ones lumped together."""
    if column not in frame.columns:
        raise FrameError(
            f"There is no column {column!r} to stratify by.",
            advice=f"There are: {', '.join(map(str, frame.columns))}.",
        )
    values = _texts(frame[column]).fillna("unspecified")
    commonest = values.value_counts().index
    if len(commonest) > _MOST_GROUPS:
        values = values.where(values.isin(commonest[: _MOST_GROUPS - 1]), _REST)
    order = [name for name in commonest if (values == name).any() and name != _REST]
    rest = [_REST] if (values == _REST).any() else []
    return values.astype(pd.CategoricalDtype([*order, *rest])).rename(column)


def _grid(frame: pd.DataFrame, groups: pd.Series[Any] | None, title: str) -> Drawing:
    if not len(frame.columns):
        raise FrameError("There is nothing to plot: every column only identifies the jobs.")
    same = {str(name): _constant(frame[name]) for name in frame.columns}
    fixed = [_short(f"{name}: {value}", 50) for name, value in same.items() if value is not None]
    names = [name for name in frame.columns if same[str(name)] is None]
    across = min(5, math.ceil(math.sqrt(len(names)))) if names else 1
    down = math.ceil(len(names) / across)
    width = max(_WIDE * across, 2 * _ENTRY)
    lines = math.ceil(len(fixed) / int(width / _ENTRY))
    table = 0.17 * lines + 0.35 if fixed else 0.0
    drawing = figure(width, _HIGH * down + table + 0.45)
    with look():
        grid = drawing.add_gridspec(
            down + 1, across, height_ratios=[*[_HIGH] * down, max(table, 0.01)]
        )
        for position, name in enumerate(names):
            axis = drawing.add_subplot(grid[divmod(position, across)])
            _tile(axis, frame[name], groups)
            axis.set_title(_title(frame[name]), fontweight="bold")
        if fixed:
            _table(drawing.add_subplot(grid[down, :]), fixed, lines, int(width / _ENTRY))
        drawing.suptitle(title, fontsize=11, x=0.01, ha="left")
        if groups is not None:
            _legend(drawing, groups)
    return drawing


def _constant(values: pd.Series[Any]) -> str | None:
    """What a column holds, if it holds one and the same value throughout, or none."""
    known = values.dropna()
    if known.empty:
        return "unspecified"
    if len(known) < len(values) or _different(known) > 1:
        return None
    return str(_texts(known.iloc[:1]).iloc[0])


def _table(axis: Axes, entries: list[str], lines: int, columns: int) -> None:
    """The parameters that do not vary, as text in columns: they need no plot each."""
    axis.set_axis_off()
    axis.set_title("the same in every job", fontweight="bold")
    for index in range(columns):
        text = "\n".join(entries[index * lines : (index + 1) * lines])
        axis.text(index / columns, 1, text, va="top", linespacing=1.4, transform=axis.transAxes)


def _title(values: pd.Series[Any]) -> str:
    missing = values.isna().mean()
    note = "" if missing in (0, 1) else f"\n{_percent(missing)} unspecified"
    return wrap(str(values.name), 30) + note


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _tile(axis: Axes, values: pd.Series[Any], groups: pd.Series[Any] | None) -> None:
    known = values.dropna()
    numbers = _numbers(known)
    different = _different(known)
    if numbers is not None and different > _MOST_SETTINGS:
        _histogram(axis, numbers, groups)
    elif numbers is None and different > 50 and different > 0.5 * len(known):
        first, last = (_short(text, 60) for text in _texts(known.iloc[[0, -1]]))
        caption(axis, wrap(f"{different:,} different values:\n{first}\n…\n{last}", 34))
    else:
        _bars(axis, _texts(known), numbers is not None, groups)


def _different(known: pd.Series[Any]) -> int:
    try:
        return known.nunique()
    except TypeError:  # lists and dicts cannot be hashed
        return _texts(known).nunique()


def _numbers(known: pd.Series[Any]) -> pd.Series[Any] | None:
    """The values as floats, where they are numbers and not yes and no."""
    if pd.api.types.is_datetime64_any_dtype(known):
        return None
    kinds = set(known.map(type)) if known.dtype == object else {type(None)}
    if pd.api.types.is_bool_dtype(known) or bool in kinds or np.bool_ in kinds:
        return None
    if known.dtype == object and not all(issubclass(kind, (int, float)) for kind in kinds):
        return None
    if known.dtype != object and not pd.api.types.is_numeric_dtype(known):
        return None
    floats = known.astype(float)
    return floats[np.isfinite(floats)]


def _texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """The values as texts; lists and whatever else a column may hold by what they print."""
    if isinstance(values.dtype, pd.StringDtype):
        return values
    return values.map(_text, na_action="ignore").astype("string")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(np.asarray(value).tolist() if isinstance(value, (list, np.ndarray)) else value)


def _histogram(axis: Axes, numbers: pd.Series[Any], groups: pd.Series[Any] | None) -> None:
    whole = bool((numbers % 1 == 0).all())
    discrete = whole and numbers.max() - numbers.min() < 30
    data = pd.DataFrame({"value": numbers})
    # Few jobs in many bins show chance, not the distribution.
    fair = math.sqrt(2 * len(numbers) / (1 if groups is None else len(groups.cat.categories)))
    bins = np.histogram_bin_edges(numbers, bins=int(np.clip(fair, 5, 24 if groups is None else 12)))
    options: dict[str, Any] = {"discrete": True} if discrete else {"bins": bins}
    if groups is None:
        options |= {"color": colour(0), "edgecolor": "white", "linewidth": 0.4, "alpha": 1}
    else:
        data["group"] = groups.loc[numbers.index]
        options |= {"hue": "group", "palette": _colours(groups), "legend": False, "linewidth": 1.3}
        options |= {"element": "step", "fill": False, "stat": "proportion", "common_norm": False}
    sns.histplot(data, x="value", ax=axis, **options)
    axis.set(xlabel="", ylabel="" if groups is None else "share")
    axis.grid(axis="y")
    axis.set_ylim(bottom=0)
    if groups is None:
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    if whole:
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _bars(
    axis: Axes,
    texts: pd.Series[Any],
    numeric: bool,
    groups: pd.Series[Any] | None,
) -> None:
    counts = texts.value_counts()
    if numeric:  # settings in their own order, not by how common they are
        counts = counts.loc[sorted(counts.index, key=float)]
    shown, left_out = counts.iloc[:_MOST_BARS], counts.iloc[_MOST_BARS:]
    rows = np.arange(len(shown))
    if groups is None or groups.name == texts.name:
        hues = {} if groups is None else _colours(groups)
        inks = [hues.get(name, colour(0)) for name in shown.index]
        axis.barh(rows, shown, color=inks, height=0.75)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    else:
        table = pd.crosstab(texts, groups.loc[texts.index], normalize="columns")
        bar = 0.8 / len(table.columns)
        for index, group in enumerate(table.columns):
            place = rows - 0.4 + bar * (index + 0.5)
            hue = _colours(groups)[group]
            axis.barh(place, table[group].reindex(shown.index), height=bar, color=hue)
    labels = [_short(str(name), 24) for name in shown.index]
    axis.set_yticks(rows, labels, fontsize=7 if len(rows) < 9 else 6)
    axis.set_ylim(max(len(rows), 4) - 0.5, -0.5)
    axis.grid(axis="x")
    axis.tick_params(axis="y", length=0)
    if len(left_out):
        axis.set_xlabel(f"and {len(left_out):,} more values ({left_out.sum():,} jobs)")
    elif groups is not None and groups.name != texts.name:
        axis.set_xlabel("share")


def _legend(drawing: Drawing, groups: pd.Series[Any]) -> None:
    hues = _colours(groups)
    drawing.legend(
        handles=[Patch(color=hue, label=_short(name, 30)) for name, hue in hues.items()],
        title=str(groups.name),
        loc="outside lower center",
        ncols=min(len(hues), 4),
    )


def _colours(groups: pd.Series[Any]) -> dict[str, str]:
    names = cast("list[str]", list(groups.cat.categories))
    return {name: colour(index) for index, name in enumerate(names)}


def _short(text: str, longest: int) -> str:
    """The text, its middle left out where it is long: both ends of a name tell it apart."""
    if len(text) <= longest:
        return text
    keep = longest - 1
    return f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"
