"""Verbs that draw: plots, picture grids, videos, the explorer.

Functions of ``infinity_frames.vis`` are verbs of the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from infinity_frames.protocol.deprecation import renamed_arguments
from infinity_frames.protocol.errors import FrameError
from infinity_frames.protocol.lazy import LazyModule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from infinity_frames import vis
    from infinity_frames.web import local as web
    from infinity_frames.web.local import View
else:  # matplotlib and OpenCV are imported when a verb first draws
    vis = LazyModule("infinity_frames.vis")
    web = LazyModule("infinity_frames.web.local")

__all__ = ["PlotVerbs"]


class PlotVerbs:
    """Plots and videos of a frame's rows."""

    _frame: pd.DataFrame

    def visualize(self, stratify_var: str | None = None) -> Figure:
        """Draw a plot per column: parameters of jobs, or parameters and outcomes of results.

        Parameters
        ----------
        stratify_var : str, optional
            A column whose values are shown by color.

        Examples
        --------
        >>> jobs.infinity.visualize()
        """
        if "path" in self._frame.columns:
            return vis.visualize_batch_results(self._frame, stratify_var=stratify_var)
        return vis.visualize_job_params(self._frame, stratify_var=stratify_var)

    @renamed_arguments(label="caption")
    def previews(
        self,
        k: int = 20,
        caption: str | Sequence[str] | None = None,
        boxes: bool = False,
        keypoints: bool = False,
    ) -> Figure:
        """Draw a captioned grid of what the first `k` jobs look like.

        Parameters
        ----------
        k : int
            At most this many.
        caption : str or sequence of str, optional
            Columns to write under each picture; by default the job's id.
        boxes, keypoints : bool
            Draw the labels over the pictures.

        Examples
        --------
        >>> looks.infinity.previews(k=2, caption="exercise")
        """
        return vis.view_previews(self._frame, k, caption, boxes, keypoints)

    @renamed_arguments(labels="draw", label="caption")
    def show(
        self,
        k: int = 20,
        draw: str | Sequence[str] = ("boxes",),
        caption: str | Sequence[str] | None = None,
        *,
        path: str | Path | None = None,
    ) -> Figure:
        """Draw the first `k` rows' pictures, each at its ``frame_number``, with labels over it.

        Parameters
        ----------
        k : int
            At most this many; several rows of one frame are one picture.
        draw : str or sequence of str
            Labels to draw: boxes, masks, cuboids, skeleton, keypoints, rep_count.
        caption : str or sequence of str, optional
            Columns to write under each picture, of this frame or else of its jobs' results; by
            default the job and the frame.

        Examples
        --------
        >>> worst = results.infinity.annotations("person").nsmallest(4, "percent_in_fov")
        >>> worst.infinity.show(draw=("boxes", "skeleton"), caption="percent_in_fov")
        """
        return vis.show(self._frame, k, draw, path, caption)

    def explore(self, *, path: str | Path | None = None, browser: bool | None = None) -> View:
        """Show these results in the explorer: pictures beside filters, videos with their labels.

        A server on this machine serves the page; it needs no engine.

        Parameters
        ----------
        path : path, optional
            The folder that the results are in now, if they were moved.
        browser : bool, optional
            Open a browser tab. By default one is opened outside of notebooks; a notebook shows
            the explorer when the view is the cell's last expression.

        Returns
        -------
        View
            Its ``selected`` is the frame of the rows that are selected on the page; its ``close()``
            stops serving them.

        Examples
        --------
        >>> view = results.infinity.explore()  # doctest: +SKIP
        >>> view.selected  # doctest: +SKIP
        """
        return web.explore(self._frame, path=path, browser=browser)

    def visualize_job_params(self, stratify_var: str | None = None) -> Figure:
        """Plot how each parameter is distributed; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> jobs.infinity.visualize_job_params()
        """
        return vis.visualize_job_params(self._frame, stratify_var)

    def visualize_batch_results(self, stratify_var: str | None = None) -> Figure:
        """Plot the outcomes of a batch and its parameters; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> results.infinity.visualize_batch_results()
        """
        return vis.visualize_batch_results(self._frame, stratify_var)

    def visualize_effect(
        self,
        x: str | None = None,
        y: str | None = None,
        stratify_var: str | None = None,
        *,
        ax: Axes | None = None,
    ) -> Figure:
        """Plot the effect of a parameter on an outcome; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> sweep.infinity.visualize_effect("camera_height", "avg_percent_in_fov")
        """
        return vis.visualize_effect(self._frame, x, y, stratify_var, ax=ax)

    def visualize_joint(
        self, x: str, y: str, stratify_var: str | None = None, *, ax: Axes | None = None
    ) -> Figure:
        """Plot how two parameters are distributed together; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> scored.infinity.visualize_joint("camera_height", "oks")
        """
        return vis.visualize_joint(self._frame, x, y, stratify_var, ax=ax)

    def visualize_sensitivity(self, k: int = 12, *, ax: Axes | None = None) -> Figure:
        """Plot the factors that move a metric; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> found = scored.infinity.sensitivity("oks", by=["camera_height", "num_reps"])
        >>> found.infinity.visualize_sensitivity()
        """
        return vis.visualize_sensitivity(self._frame, k, ax=ax)

    def visualize_slices(self, k: int = 10, *, ax: Axes | None = None) -> Figure:
        """Plot the rules under which a metric is worst; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> found = scored.infinity.slices("oks")
        >>> found.infinity.visualize_slices()
        """
        return vis.visualize_slices(self._frame, k, ax=ax)

    def visualize_contrast(self, *, ax: Axes | None = None) -> Figure:
        """Plot the paired differences of a sweep; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> found = scored.infinity.contrast("camera_height", "oks")  # doctest: +SKIP
        >>> found.infinity.visualize_contrast()  # doctest: +SKIP
        """
        return vis.visualize_contrast(self._frame, ax=ax)

    def visualize_breakpoints(self, *, ax: Axes | None = None) -> Figure:
        """Plot the share of jobs that are still right; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> found = jobs.infinity.breakpoint(  # doctest: +SKIP
        ...     "camera_height", score, 0.5, folder="data/heights"
        ... )
        >>> found.infinity.visualize_breakpoints()  # doctest: +SKIP
        """
        return vis.visualize_breakpoints(self._frame, ax=ax)

    def visualize_search(self, *, ax: Axes | None = None) -> Figure:
        """Plot how a search found the worst scores; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> found = session.search(score, 300, folder="data/worst")  # doctest: +SKIP
        >>> found.infinity.visualize_search()  # doctest: +SKIP
        """
        return vis.visualize_search(self._frame, ax=ax)

    def visualize_comparison(self, k: int = 12, *, ax: Axes | None = None) -> Figure:
        """Plot how far columns are from those of real data; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> found = scored.infinity.compare_to(scored.tail(150))  # doctest: +SKIP
        >>> found.infinity.visualize_comparison()  # doctest: +SKIP
        """
        return vis.visualize_comparison(self._frame, k, ax=ax)

    def visualize_gaps(self, *, ax: Axes | None = None) -> Figure:
        """Plot the rows in each cell against its target; see :func:`infinity_frames.vis`.

        Examples
        --------
        >>> found = scored.infinity.gaps(by=["camera_height", "num_reps"])
        >>> found.infinity.visualize_gaps()
        """
        return vis.visualize_gaps(self._frame, ax=ax)

    def view_previews(
        self,
        k: int = 20,
        caption: str | Sequence[str] | None = None,
        boxes: bool = False,
        keypoints: bool = False,
    ) -> Figure:
        """Draw a captioned grid of what the first `k` jobs look like; the same as ``previews``.

        Examples
        --------
        >>> looks.infinity.view_previews(k=2)
        """
        return vis.view_previews(self._frame, k, caption, boxes, keypoints)

    def visualize_videos(
        self, path: str | Path, k: int = 16, label: str | Sequence[str] | None = None
    ) -> Path:
        """Write one video that plays the first `k` videos side by side.

        Examples
        --------
        >>> results.infinity.visualize_videos("side_by_side.mp4").name
        'side_by_side.mp4'
        """
        return vis.visualize_videos(self._frame, path, k, label)

    def visualize_all_labels(self, path: str | Path | None = None) -> Path:
        """Write a video with all labels of the job of this one row.

        Examples
        --------
        >>> results.iloc[[0]].infinity.visualize_all_labels("all_labels.mp4").name
        'all_labels.mp4'
        """
        return vis.visualize_all_labels(self._row("visualize_all_labels"), path)

    def visualize_timeseries(
        self, path: str | Path | None = None, columns: Sequence[str] | None = None
    ) -> Path:
        """Write a video of the job of this one row beside its sensor data.

        Examples
        --------
        >>> results.iloc[[0]].infinity.visualize_timeseries("imu.mp4")  # doctest: +SKIP
        """
        return vis.visualize_timeseries(self._row("visualize_timeseries"), path, columns)

    def draw_labels(
        self, path: str | Path | None = None, annotators: Sequence[Any] | None = None
    ) -> Path:
        """Write the video of the job of this one row with its labels drawn over it.

        Examples
        --------
        >>> results.iloc[[0]].infinity.draw_labels("first.mp4").name
        'first.mp4'
        """
        drawn = (vis.BoxAnnotator(),) if annotators is None else annotators
        return vis.draw_labels(self._row("draw_labels"), path, drawn)

    def compare(self, path: str | Path | None = None) -> Path:
        """Write a video of the jobs of these two rows side by side, with their difference.

        Examples
        --------
        >>> results.iloc[[0, 1]].infinity.compare("compared.mp4").name
        'compared.mp4'
        """
        if len(self._frame) != 2:
            raise FrameError(
                f"compare() takes two rows, and this frame has {len(self._frame)}.",
                advice="Select them: frame.iloc[[0, 1]].infinity.compare().",
            )
        return vis.compare(self._frame.iloc[[0]], self._frame.iloc[[1]], path)

    def display_video(self, width: int | None = None) -> Any:
        """Embed the video of the job of this one row in a notebook.

        Examples
        --------
        >>> results.iloc[[0]].infinity.display_video()
        """
        row = self._row("display_video")
        video = row["video"].iloc[0] if "video" in row.columns else pd.NA
        if pd.isna(video):
            raise FrameError(
                "The job of this row has no video.",
                advice="Previews are pictures: .infinity.previews() shows them.",
            )
        return vis.display_video(str(video), width)

    def _row(self, verb: str) -> pd.DataFrame:
        if len(self._frame) != 1:
            raise FrameError(
                f"{verb}() takes one row, and this frame has {len(self._frame)}.",
                advice=f"Select one: frame.iloc[[0]].infinity.{verb}().",
            )
        return self._frame
