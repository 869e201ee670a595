"""Plot the empty and thin cells of a data set: bars, or heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from infinity_frames.protocol.errors import FrameError
from infinity_frames.vis.axis_labels import headings
from infinity_frames.vis.experiments import require_rows
from infinity_frames.vis.style import axes_on, counted, figure, look, theme

__all__ = ["visualize_gaps"]


def visualize_gaps(found: pd.DataFrame, *, ax: Axes | None = None) -> Figure:
    """Plot the rows in each cell against its target: bars, or a heat map of two columns.

    A third column makes a panel per value. Cells below half their target are outlined.

    Parameters
    ----------
    found : DataFrame
        What ``.infinity.gaps()`` returned.
    ax : Axes, optional
        Draw here instead of on a new figure; not with three columns.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame was not returned by ``gaps()``, or `ax` was given for three columns.

    Examples
    --------
    >>> found = scored.infinity.gaps(by=["camera_height", "num_reps"])
    >>> visualize_gaps(found)
    """
    require_rows(found, ["rule", "n", "target", "ratio", "verdict"], "gaps")
    columns = _cell_columns(found)
    heads = headings(found)
    table = found.assign(**{f"_{name}": _cell_names(found, name) for name in columns})
    if len(columns) == 3:
        if ax is not None:
            raise FrameError("Three columns need several panels.", advice="Leave ax= out.")
        panels = list(table.groupby(f"_{columns[2]}", sort=False))
        wide = figure(4.2 * len(panels), 4.0)
        with look():
            axes = np.atleast_1d(wide.subplots(1, len(panels), sharey=True))
            for axis, (name, part) in zip(axes, panels, strict=True):
                _heat(axis, part, columns[:2], heads, key=axis is axes[-1])
                if axis is not axes[0]:
                    axis.set_ylabel("")
                axis.set_title(f"{columns[2]}: {name}", fontweight="bold")
        return wide
    with axes_on(ax, 6.0, 4.4 if len(columns) == 2 else 3.4) as (drawing, axis):
        if len(columns) == 2:
            _heat(axis, table, columns, heads)
        else:
            _bars(axis, table, columns[0], heads)
        counts = found["verdict"].value_counts()
        axis.set_title(
            f"{counted(int(found['n'].sum()), 'row')} in {len(found)} cells\n"
            f"{counts.get('empty', 0)} empty, {counts.get('thin', 0)} thin",
            fontweight="bold",
        )
    return drawing


def _cell_columns(found: pd.DataFrame) -> list[str]:
    by = found.attrs.get("gaps", {}).get("by")
    if by:
        return [str(name) for name in by]
    out = []
    for name in map(str, found.columns):
        if name == "rule":
            break
        base = name.removesuffix("_low") if f"{name.removesuffix('_low')}_high" in found else name
        if not name.endswith("_high") or f"{name.removesuffix('_high')}_low" not in found:
            out.append(base)
    return out


def _cell_names(found: pd.DataFrame, name: str) -> Any:
    if f"{name}_low" not in found.columns:
        return found[name].astype(str)
    low, high = found[f"{name}_low"], found[f"{name}_high"]
    texts = [f"{a:.4g} to {b:.4g}" for a, b in zip(low, high, strict=True)]
    order = [f"{a:.4g} to {b:.4g}" for a, b in sorted(set(zip(low, high, strict=True)))]
    return pd.Categorical(texts, categories=list(dict.fromkeys(order)), ordered=True)


def _heat(
    axis: Axes, table: pd.DataFrame, columns: Sequence[str], heads: Any, *, key: bool = True
) -> None:
    across, up = columns[0], columns[1]
    kept = table[[f"_{across}", f"_{up}", "n", "target", "verdict"]]
    grid = kept.pivot_table(
        index=f"_{up}", columns=f"_{across}", values=["n", "target"], aggfunc="sum", observed=False
    )
    n: NDArray[Any] = grid["n"].to_numpy(float)
    target: NDArray[Any] = grid["target"].to_numpy(float)
    ratio: NDArray[Any] = n / np.where(target > 0, target, np.nan)
    now = theme()
    shades = LinearSegmentedColormap.from_list("shades", [now.empty, now.color(0)])
    shown = axis.imshow(
        np.minimum(ratio, 2), cmap=shades, vmin=0, vmax=2, origin="lower", aspect="auto"
    )
    for row, column in np.ndindex(n.shape[0], n.shape[1]):
        dark = float(ratio[row, column]) > 1.1
        axis.text(
            column,
            row,
            f"{n[row, column]:.0f}",
            ha="center",
            va="center",
            color=now.paper if dark else now.ink,
        )
        if ratio[row, column] < 0.5:
            axis.add_patch(
                Rectangle(
                    (column - 0.47, row - 0.47), 0.94, 0.94, fill=False, ec=now.color(5), lw=1.6
                )
            )
    axis.set_xticks(range(n.shape[1]), [str(x) for x in grid["n"].columns], rotation=30, ha="right")
    axis.set_yticks(range(n.shape[0]), [str(y) for y in grid.index])
    axis.set(xlabel=heads[across], ylabel=heads[up])
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    if key:
        bar = axis.figure.colorbar(shown, ax=axis, shrink=0.8, label="rows / target")
        bar.outline.set_visible(False)


def _bars(axis: Axes, table: pd.DataFrame, column: str, heads: Any) -> None:
    names = table[f"_{column}"]
    order = list(names.cat.categories) if isinstance(names.dtype, pd.CategoricalDtype) else None
    rows = table.assign(_name=names.astype(str)).set_index("_name")
    rows = rows.loc[order if order is not None else sorted(rows.index)]
    places = np.arange(len(rows))
    hues = [theme().color(5 if v != "filled" else 0) for v in rows["verdict"]]
    axis.bar(places, rows["n"], color=hues, width=0.75)
    axis.hlines(rows["target"], places - 0.45, places + 0.45, color=theme().ink, lw=1.4)
    axis.set_xticks(places, list(rows.index), rotation=30, ha="right")
    axis.set(xlabel=heads[column], ylabel="rows (line: target)")
    axis.grid(axis="y")
