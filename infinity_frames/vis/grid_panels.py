"""The panels of a grid video: each turns a frame and its labels into one cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from infinity_frames.io.video import Picture
from infinity_frames.vis.annotators import ARMATURE, Annotator, side
from infinity_frames.vis.frame_labels import FrameLabels, Keypoint
from infinity_frames.vis.labeled_video import annotated
from infinity_frames.vis.style import figure, look, rgb, theme
from infinity_frames.vis.text import draw_text

__all__ = ["TITLE", "ChartPanel", "Moment", "Panel", "PicturePanel", "TurningPanel"]

TITLE = (32, 34, 40)
_DARK = (24, 26, 30)
_FLOOR = (70, 74, 82)


@dataclass(frozen=True)
class Moment:
    """One frame of a job: picture, labels (or None) and time in s."""

    picture: Picture
    labels: FrameLabels | None
    time: float


class Panel(Protocol):
    """One cell of a grid video."""

    def draw(self, moment: Moment) -> Picture:
        """Draw the cell of a frame, in the panel's size."""
        ...


class PicturePanel:
    """Panel with the picture and labels drawn over it.

    Parameters
    ----------
    title : str
        Written in the corner.
    width, height : int
        Size of the cell, in pixels.
    annotators : sequence of Annotator
        What to draw, at the picture's own size or larger, before it is scaled to the cell.
    """

    def __init__(
        self, title: str, width: int, height: int, annotators: Sequence[Annotator] = ()
    ) -> None:
        self.title, self.width, self.height = title, width, height
        self.annotators = annotators

    def draw(self, moment: Moment) -> Picture:
        """Draw the cell of a frame."""
        picture = moment.picture
        if moment.labels is not None and self.annotators:
            picture = annotated(picture, moment.labels, self.annotators, self.width)
        size = (self.width, self.height)
        # Averaging areas keeps thin lines when a picture shrinks.
        cell = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        draw_text(cell, self.title, 0, 0, TITLE)
        return cell


class TurningPanel:
    """Panel with the person's joints in meters on a floor, seen by an orbiting camera.

    Parameters
    ----------
    width, height : int
        Size of the cell, in pixels.
    seconds_per_turn : float
        How long the camera takes once around.
    """

    ELEVATION = math.radians(15)
    REACH = 2.4
    """Height of the cell in meters."""

    def __init__(self, width: int, height: int, seconds_per_turn: float = 8.0) -> None:
        self.width, self.height = width, height
        self.turn = 2 * math.pi / seconds_per_turn
        self._center, self._found = np.zeros(3), False

    def draw(self, moment: Moment) -> Picture:
        """Draw the cell of a frame."""
        cell = np.full((self.height, self.width, 3), _DARK, np.uint8)
        annotations = () if moment.labels is None else moment.labels.annotations
        people = [item.armature for item in annotations if item.armature]
        people = [person for person in people if all(p.position for p in person.values())]
        if people and not self._found:
            self._center, self._found = _places(people[0]).mean(axis=0) * (1, 1, 0), True
        angle = moment.time * self.turn
        self._floor(cell, angle)
        for person in people:
            self._person(cell, person, angle)
        draw_text(cell, "3D joints", 0, 0, TITLE)
        return cell

    def _project(
        self, points: NDArray[np.float64], angle: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Project points (n, 3) in meters to pixels (n, 2) and depths (n,)."""
        x, y, z = (points - self._center).T
        right = x * math.cos(angle) + y * math.sin(angle)
        away = y * math.cos(angle) - x * math.sin(angle)
        up = z * math.cos(self.ELEVATION) + away * math.sin(self.ELEVATION)
        scale = min(self.height, self.width) / self.REACH
        pixels = np.stack([self.width / 2 + right * scale, self.height * 0.86 - up * scale], 1)
        # As far as OpenCV's integers reach: positions may be extremely far away.
        return pixels.round().clip(-30_000, 30_000).astype(np.int64), away

    def _floor(self, cell: Picture, angle: float) -> None:
        steps = np.linspace(-1, 1, 5)
        ends = [np.array([[s, -1, 0], [s, 1, 0], [-1, s, 0], [1, s, 0]], float) for s in steps]
        pixels, _ = self._project(np.concatenate(ends) + self._center, angle)
        for start, end in pixels.reshape(-1, 2, 2).tolist():
            cv2.line(cell, start, end, _FLOOR, 1, cv2.LINE_AA)

    def _person(self, cell: Picture, person: Mapping[str, Keypoint], angle: float) -> None:
        pixels, depth = self._project(_places(person), angle)
        at = {name: index for index, name in enumerate(person)}
        bones = [(a, b) for a, b in ARMATURE if a in at and b in at]
        bones.sort(key=lambda bone: -(depth[at[bone[0]]] + depth[at[bone[1]]]))
        thickness = max(1, self.height // 130)
        for parent, child in bones:
            start, end = pixels[at[parent]].tolist(), pixels[at[child]].tolist()
            cv2.line(cell, start, end, side(child), thickness, cv2.LINE_AA)


class ChartPanel:
    """Panel with curves over time and a line at the current frame.

    Parameters
    ----------
    width, height : int
        Size of the cell, in pixels.
    times : array of float, shape (n,)
        Seconds.
    groups : mapping of str to DataFrame
        Charts above each other, by title: a column per curve, n rows; missing values leave gaps.
    """

    def __init__(
        self,
        width: int,
        height: int,
        times: NDArray[np.float64],
        groups: Mapping[str, pd.DataFrame],
    ) -> None:
        drawing = figure(width / 100, height / 100)
        with look():
            charts = drawing.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
            for axes, (title, curves) in zip(charts, groups.items(), strict=True):
                _curves(axes, times, curves)
                axes.set_title(title, fontweight="bold")
            charts[-1].set(xlabel="s")
        self._chart = drawing.pixels()[:height, :width]
        (start, _), (end, _) = charts[0].transData.transform([(0, 0), (1, 0)])
        self._zero, self._per_second = start, end - start
        boxes = [axes.get_window_extent() for axes in charts]
        self._left, self._right = int(boxes[0].x0), int(boxes[0].x1)
        self._rows = [slice(height - int(box.y1), height - int(box.y0)) for box in boxes]
        self._ink = rgb(theme().palette[5])

    def draw(self, moment: Moment) -> Picture:
        """Draw the cell of a frame."""
        cell = self._chart.copy()
        column = round(self._zero + moment.time * self._per_second)
        column = min(max(column, self._left), self._right)
        for rows in self._rows:
            cell[rows, column : column + 2] = self._ink
        return cell


def _curves(axes: Axes, times: NDArray[np.float64], curves: pd.DataFrame) -> None:
    now = theme()
    length = times.max() - times.min()
    for index, name in enumerate(curves.columns):
        values = curves[name].astype(float).to_numpy()
        (line,) = axes.plot(times, values, lw=1.4, color=now.color(index), label=str(name))
        if not length:  # a line needs two moments
            line.set_marker("o")
        line.set_linestyle(("-", "--", ":")[index // len(now.palette) % 3])
        if curves[name].dtype == bool:  # a state that switches has no values in between
            line.set_drawstyle("steps-post")
    axes.grid()
    beside = 0.0 if length else 0.5
    axes.set_xlim(times.min() - beside, times.max() + beside)
    # On a separate canvas: where there is no free corner, it stays readable over the curves.
    paper = {"frameon": True, "framealpha": 0.85, "edgecolor": "none", "facecolor": now.paper}
    axes.legend(loc="best", ncols=1 if len(curves.columns) < 3 else 3, **paper)


def _places(person: Mapping[str, Keypoint]) -> NDArray[np.float64]:
    return np.array([point.position for point in person.values()], float)
