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
_WIDE, _HIGH = 3.1, 2.3
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
    return _grid(frame[columns], groups, f"{len(frame):,} jobs")


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
    title = f"{len(frame):,} jobs"
    if "status" in frame.columns:
        counts = frame["status"].astype("string").fillna("of unknown status").value_counts()
        title += ": " + ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return _grid(frame[columns], groups, title)


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
    names = list(frame.columns)
    if not names:
        raise FrameError("There is nothing to plot: every column only identifies the jobs.")
    across = min(5, math.ceil(math.sqrt(len(names))))
    down = math.ceil(len(names) / across)
    drawing = figure(_WIDE * across, _HIGH * down + 0.4)
    with look():
        axes = list(drawing.subplots(down, across, squeeze=False).flat)
        for name, axis in zip(names, axes, strict=False):
            _tile(axis, frame[name], groups)
            axis.set_title(_title(frame[name]), fontweight="bold")
        for axis in axes[len(names) :]:
            axis.set_axis_off()
        drawing.suptitle(title, fontsize=11, x=0.01, ha="left")
        if groups is not None:
            _legend(drawing, groups)
    return drawing


def _title(values: pd.Series[Any]) -> str:
    missing = values.isna().mean()
    note = "" if missing in (0, 1) else f"\n{_percent(missing)} unspecified"
    return wrap(str(values.name), 30) + note


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _tile(axis: Axes, values: pd.Series[Any], groups: pd.Series[Any] | None) -> None:
    known = values.dropna()
    numbers = _numbers(known)
    texts = _texts(known)
    different = texts.nunique()
    if known.empty:
        caption(axis, "unspecified everywhere")
    elif different == 1:
        caption(axis, wrap(_short(texts.iloc[0], 90), 28), size=10)
    elif numbers is not None and not _few(numbers):
        _histogram(axis, numbers, groups)
    elif numbers is None and different > 50 and different > 0.5 * len(texts):
        example = _short(texts.iloc[0], 60)
        caption(axis, f"{different:,} different values, such as\n{wrap(example, 34)}")
    else:
        _bars(axis, texts, numbers, groups)


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
    if pd.api.types.is_float_dtype(values):
        return values.map(lambda value: f"{value:g}", na_action="ignore").astype("string")
    return values.map(str, na_action="ignore").astype("string")


def _few(numbers: pd.Series[Any]) -> bool:
    """Whether numbers are a handful of settings (frame rates, sizes), better shown as bars."""
    return bool(numbers.nunique() <= 6)


def _histogram(axis: Axes, numbers: pd.Series[Any], groups: pd.Series[Any] | None) -> None:
    whole = bool((numbers % 1 == 0).all())
    discrete = whole and numbers.max() - numbers.min() < 30
    data = pd.DataFrame({"value": numbers})
    bins = np.histogram_bin_edges(numbers, bins="sturges" if len(numbers) < 50 else 24)
    options: dict[str, Any] = {"discrete": True} if discrete else {"bins": bins}
    if groups is None:
        options |= {"color": colour(0), "edgecolor": "white", "linewidth": 0.4}
    else:
        data["group"] = groups.loc[numbers.index]
        options |= {"hue": "group", "palette": _colours(groups), "legend": False, "linewidth": 1.3}
        options |= {"element": "step", "fill": False, "stat": "proportion", "common_norm": False}
    sns.histplot(data, x="value", ax=axis, **options)
    axis.set(xlabel="", ylabel="" if groups is None else "share")
    axis.grid(axis="y")
    if whole:
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _bars(
    axis: Axes,
    texts: pd.Series[Any],
    numbers: pd.Series[Any] | None,
    groups: pd.Series[Any] | None,
) -> None:
    counts = texts.value_counts()
    if numbers is not None:  # settings in their own order, not by how common they are
        counts = counts.loc[sorted(counts.index, key=float)]
    shown, left_out = counts.iloc[:_MOST_BARS], counts.iloc[_MOST_BARS:]
    rows = np.arange(len(shown))
    if groups is None:
        axis.barh(rows, shown, color=colour(0), height=0.75)
    else:
        table = pd.crosstab(texts, groups.loc[texts.index], normalize="columns")
        bar = 0.8 / len(table.columns)
        for index, group in enumerate(table.columns):
            place = rows - 0.4 + bar * (index + 0.5)
            hue = _colours(groups)[group]
            axis.barh(place, table[group].reindex(shown.index), height=bar, color=hue)
    labels = [_short(str(name), 24) for name in shown.index]
    axis.set_yticks(rows, labels, fontsize=7 if len(rows) < 9 else 6)
    axis.invert_yaxis()
    axis.grid(axis="x")
    axis.tick_params(axis="y", length=0)
    if len(left_out):
        axis.set_xlabel(f"and {len(left_out):,} more values ({left_out.sum():,} jobs)")
    elif groups is not None:
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
