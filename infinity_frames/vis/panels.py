"""The panels of a grid video: each turns a frame and its labels into one cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.video import Picture
from infinity_frames.vis.labels import FrameLabels, Keypoint
from infinity_frames.vis.overlay import ARMATURE, Annotator, draw_text, side
from infinity_frames.vis.style import PALETTE, colour, figure, look

__all__ = ["ChartPanel", "Moment", "Panel", "PicturePanel", "TurningPanel"]

_TITLE = (32, 34, 40)
_DARK = (24, 26, 30)
_FLOOR = (70, 74, 82)


@dataclass(frozen=True)
class Moment:
    """One frame of a job: its picture, its labels if it has any, its place in the video."""

    picture: Picture
    labels: FrameLabels | None
    position: int


class Panel(Protocol):
    """One cell of a grid video."""

    def draw(self, moment: Moment) -> Picture:
        """The cell of a frame, of the size the panel was made with."""
        ...


class PicturePanel:
    """The picture with labels drawn over it.

    Parameters
    ----------
    title : str
        Written in the corner.
    width, height : int
        Size of the cell, in pixels.
    annotators : sequence of Annotator
        What to draw, at the picture's own size, before it is scaled to the cell.
    """

    def __init__(
        self, title: str, width: int, height: int, annotators: Sequence[Annotator] = ()
    ) -> None:
        self.title, self.width, self.height = title, width, height
        self.annotators = annotators

    def draw(self, moment: Moment) -> Picture:
        """The cell of a frame."""
        picture = moment.picture
        if moment.labels is not None:
            for annotator in self.annotators:
                picture = annotator.annotate(picture, moment.labels)
        size = (self.width, self.height)
        # Averaging areas keeps thin lines when a picture shrinks.
        cell = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        draw_text(cell, self.title, 0, 0, _TITLE)
        return cell


class TurningPanel:
    """The person's joints in metres, on a floor, seen by a camera that walks around them.

    Parameters
    ----------
    width, height : int
        Size of the cell, in pixels.
    frame_rate : float
        Frames per second.
    seconds_per_turn : float
        How long the camera takes once around.
    """

    ELEVATION = math.radians(15)
    REACH = 2.4
    """Metres from the bottom to the top of the cell."""

    def __init__(
        self, width: int, height: int, frame_rate: float, seconds_per_turn: float = 8.0
    ) -> None:
        self.width, self.height = width, height
        self.turn = 2 * math.pi / (frame_rate * seconds_per_turn)
        self._centre, self._found = np.zeros(3), False

    def draw(self, moment: Moment) -> Picture:
        """The cell of a frame."""
        cell = np.full((self.height, self.width, 3), _DARK, np.uint8)
        annotations = () if moment.labels is None else moment.labels.annotations
        people = [item.armature for item in annotations if item.armature]
        people = [person for person in people if all(p.position for p in person.values())]
        if people and not self._found:
            self._centre, self._found = _places(people[0]).mean(axis=0) * (1, 1, 0), True
        angle = moment.position * self.turn
        self._floor(cell, angle)
        for person in people:
            self._person(cell, person, angle)
        draw_text(cell, "3D joints", 0, 0, _TITLE)
        return cell

    def _project(
        self, points: NDArray[np.float64], angle: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Pixels, shape (n, 2), and depth, shape (n,), of points (n, 3) in metres."""
        x, y, z = (points - self._centre).T
        right = x * math.cos(angle) + y * math.sin(angle)
        away = y * math.cos(angle) - x * math.sin(angle)
        up = z * math.cos(self.ELEVATION) + away * math.sin(self.ELEVATION)
        scale = min(self.height, self.width) / self.REACH
        pixels = np.stack([self.width / 2 + right * scale, self.height * 0.86 - up * scale], 1)
        return pixels.round().astype(np.int64), away

    def _floor(self, cell: Picture, angle: float) -> None:
        steps = np.linspace(-1, 1, 5)
        ends = [np.array([[s, -1, 0], [s, 1, 0], [-1, s, 0], [1, s, 0]], float) for s in steps]
        pixels, _ = self._project(np.concatenate(ends) + self._centre, angle)
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
    """Curves over time, drawn once, with a line that marks where the video is.

    Parameters
    ----------
    title : str
        Written above.
    width, height : int
        Size of the cell, in pixels.
    times : array of float, shape (n,)
        Seconds.
    curves : DataFrame
        A column per curve, n rows; missing values leave gaps.
    """

    def __init__(
        self,
        title: str,
        width: int,
        height: int,
        times: NDArray[np.float64],
        curves: pd.DataFrame,
    ) -> None:
        drawing = figure(width / 100, height / 100)
        with look():
            axes = drawing.subplots()
            for index, name in enumerate(curves.columns):
                values = curves[name].astype(float).to_numpy()
                (line,) = axes.plot(times, values, lw=1.4, color=colour(index), label=str(name))
                line.set_linestyle(("-", "--", ":")[index // len(PALETTE) % 3])
                if curves[name].dtype == bool:  # a state that switches has no values in between
                    line.set_drawstyle("steps-post")
            axes.set(xlabel="s")
            axes.set_title(title, fontweight="bold")
            axes.grid()
            columns = 1 if len(curves.columns) < 4 else 3
            axes.legend(loc="best", ncols=columns)
        self._chart = drawing.pixels()[:height, :width]
        across = axes.transData.transform(np.stack([times, np.zeros(len(times))], 1))[:, 0]
        self._columns = np.clip(across.round().astype(int), 0, width - 1)
        box = axes.get_window_extent()
        self._rows = slice(height - int(box.y1), height - int(box.y0))

    def draw(self, moment: Moment) -> Picture:
        """The cell of a frame."""
        cell = self._chart.copy()
        column = self._columns[min(moment.position, len(self._columns) - 1)]
        cell[self._rows, column : column + 2] = (213, 94, 0)
        return cell


def _places(person: Mapping[str, Keypoint]) -> NDArray[np.float64]:
    return np.array([point.position for point in person.values()], float)
