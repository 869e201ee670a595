"""The picture at the top of the README: a frame of jobs, its previews, one of them labeled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from infinity_frames import vis
from infinity_frames.data import job_files
from infinity_frames.io.pictures import read_picture
from infinity_frames.vis.style import LIGHT, short

__all__ = ["overview"]

WIDTH, HEIGHT = 16.0, 4.75  # inches, 100 pixels each
TOP, TALL = 3.75, 3.6  # of what the three panels show, inches
TILE = 1.78  # a preview's side, inches
STRIPE, FAINT = "#F2F5F9", "#66707C"


def overview(looks: pd.DataFrame, large: pd.DataFrame) -> Figure:
    """Draw it.

    Parameters
    ----------
    looks : DataFrame
        Results frame of previews, at least six.
    large : DataFrame
        Results frame of one large preview.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=100, facecolor=LIGHT.paper)
    _table(figure, looks.head(6))
    _previews(figure, looks.head(6))
    _labeled(figure, large)
    for left in (5.33, 11.57):
        places = [(x / WIDTH, (TOP - TALL / 2) / HEIGHT) for x in (left, left + 0.4)]
        arrow = FancyArrowPatch(
            *places,
            transform=figure.transFigure,
            color=FAINT,
            arrowstyle="-|>",
            mutation_scale=18,
            lw=1.8,
        )
        figure.patches.append(arrow)
    return figure


def _heading(figure: Figure, left: float, text: str, code: str) -> None:
    place: dict[str, Any] = {"x": left / WIDTH, "va": "center"}
    figure.text(y=4.45 / HEIGHT, s=text, fontsize=13, color=LIGHT.ink, weight="bold", **place)
    figure.text(y=4.1 / HEIGHT, s=code, fontsize=10, color=FAINT, family="monospace", **place)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    axes = figure.add_axes((left / WIDTH, (top - height) / HEIGHT, width / WIDTH, height / HEIGHT))
    axes.set_axis_off()
    return axes


def _table(figure: Figure, jobs: pd.DataFrame) -> None:
    _heading(figure, 0.2, "Jobs are rows of a frame", "jobs = session.sample(6, seed=31, ...)")
    axes = _axes(figure, 0.2, TOP, 5.0, TALL)
    axes.set(xlim=(0, 5), ylim=(7, 0))
    shown = jobs[["exercise", "scene", "camera_height"]]
    for row in range(7):
        if row % 2:
            axes.add_patch(Rectangle((0, row), 5, 1, color=STRIPE, lw=0))
        values = list(shown.columns) if row == 0 else _texts(shown.iloc[row - 1])
        style: dict[str, Any] = {"va": "center", "fontsize": 10, "color": LIGHT.ink}
        if row == 0:
            style["weight"] = "bold"
        else:
            axes.text(0.1, row + 0.5, str(row - 1), **{**style, "color": FAINT})
        for text, x, side in zip(values, (0.4, 2.55, 4.9), ("left", "left", "right"), strict=True):
            axes.text(x, row + 0.5, text, ha=side, **style)
    axes.axhline(1, color=FAINT, lw=1)


def _texts(row: pd.Series) -> list[str]:
    return [short(str(row["exercise"]), 22), str(row["scene"]), f"{row['camera_height']:.2f}"]


def _previews(figure: Figure, looks: pd.DataFrame) -> None:
    code = 'looks = jobs.infinity.run("looks", preview=True)'
    _heading(figure, 5.95, "One call renders them", code)
    for index, files in enumerate(job_files(looks)):
        row, column = divmod(index, 3)
        axes = _axes(figure, 5.95 + column * (TILE + 0.04), TOP - row * (TILE + 0.04), TILE, TILE)
        assert files.picture is not None
        axes.imshow(read_picture(files.picture), interpolation="lanczos")


def _labeled(figure: Figure, large: pd.DataFrame) -> None:
    code = '.infinity.show(draw=("boxes", "skeleton"))'
    _heading(figure, 12.2, "Labels exact to the pixel", code)
    axes = _axes(figure, 12.2, TOP, TALL, TALL)
    drawn = vis.show(large, draw=("boxes", "skeleton"))
    axes.imshow(np.asarray(drawn.axes[0].images[0].get_array()), interpolation="lanczos")
