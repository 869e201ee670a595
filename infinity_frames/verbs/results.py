"""Verbs on downloaded results: label tables, masks, SQL, verification."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.lazy import LazyModule

if TYPE_CHECKING:
    from infinity_frames import data
else:  # imported when a verb first needs it
    data = LazyModule("infinity_frames.data")

__all__ = ["ResultVerbs"]


class ResultVerbs:
    """Verbs that read the labels of exactly these rows."""

    _frame: pd.DataFrame

    def scenes(self, *, path: str | Path | None = None) -> Frame:
        """Constants of each video: camera, avatar, matrices as lists; a row per job.

        Examples
        --------
        >>> looks.infinity.scenes()[["job_id", "camera_height"]]
        """
        return as_frame(data.table(self._frame, "scenes", path=path))

    def images(self, *, path: str | Path | None = None) -> Frame:
        """Return a row per frame of each video: time, size, rep counts.

        Examples
        --------
        >>> results.infinity.images().groupby("job_id")["time"].max()
        """
        return as_frame(data.table(self._frame, "images", path=path))

    def annotations(self, category: str | None = None, *, path: str | Path | None = None) -> Frame:
        """Return a row per labeled object and frame: box, area, occlusion, segmentation.

        Examples
        --------
        >>> results.infinity.annotations("person")[["frame_number", "bbox_width", "area"]]
        """
        return as_frame(data.table(self._frame, "annotations", category=category, path=path))

    def keypoints(
        self,
        skeleton: Literal["armature", "vertex", "coco"] | None = None,
        *,
        path: str | Path | None = None,
    ) -> Frame:
        """Return a row per keypoint and frame: pixels, visibility v, depth, global position in m.

        Examples
        --------
        >>> points = results.infinity.keypoints("coco")
        >>> points.query("name == 'nose' and v == 2")[["frame_number", "x", "y"]]
        """
        return as_frame(data.table(self._frame, "keypoints", skeleton=skeleton, path=path))

    def cuboids(self, *, path: str | Path | None = None) -> Frame:
        """Return a row per corner of each object's 3D box and frame.

        Examples
        --------
        >>> results.infinity.cuboids().groupby("job_id").size()
        """
        return as_frame(data.table(self._frame, "cuboids", path=path))

    def timeseries(self, *, path: str | Path | None = None) -> Frame:
        """Return a row per sample of each job's sensor data.

        Examples
        --------
        >>> worn.infinity.timeseries()[["job_id", "time"]]  # doctest: +SKIP
        """
        return as_frame(data.table(self._frame, "timeseries", required=True, path=path))

    def wide(self, values: Sequence[str] = ("x", "y", "v"), by: str | Sequence[str] = ()) -> Frame:
        """Reshape keypoints to a row per frame with columns ``(name, x | y | v)``, float64.

        Parameters
        ----------
        values : sequence of str
            Columns to keep of each point.
        by : str or sequence of str
            Further columns of the index, for frames with several people: ``"annotation_id"``.

        Examples
        --------
        >>> results.infinity.keypoints("coco").infinity.wide()["nose"].columns.tolist()
        ['x', 'y', 'v']
        """
        return as_frame(data.wide(self._frame, values, by))

    def masks(
        self,
        job_id: str | None = None,
        kind: Literal["instance", "semantic", "index"] = "instance",
        *,
        of: Literal["category", "instance"] = "category",
        path: str | Path | None = None,
    ) -> Iterator[Any]:
        """Read label masks of one job, or of every job of this frame.

        Parameters
        ----------
        job_id : str, optional
            The job; without it the masks of all jobs, and of the ``frame_number`` of these rows
            where they have one.
        kind : {"instance", "semantic", "index"}
            Colors of instances or categories, or numbers.
        of : {"category", "instance"}
            Meaning of the numbers; ``colors()`` lists them, 0 is no object.
        path : path, optional
            The folder that the results are in now, if they were moved.

        Yields
        ------
        job_id : str
            Only without `job_id`.
        frame_number : int
        mask : ndarray
            RGB, (height, width, 3) uint8; of ``kind="index"`` (height, width) int32.

        Examples
        --------
        >>> for job_id, frame_number, mask in looks.infinity.masks(kind="index"):
        ...     people = (mask == 1).sum()
        """
        return data.masks(self._frame, job_id, kind=kind, of=of, path=path)

    def colors(self, *, path: str | Path | None = None) -> Frame:
        """List the colors and numbers in masks, with the category and instance that each names.

        Examples
        --------
        >>> results.infinity.colors()[["category", "number"]]
        """
        return as_frame(data.colors(self._frame, path=path))

    def sql(
        self,
        query: str,
        params: Mapping[str, Any] | None = None,
        tables: Mapping[str, pd.DataFrame] | str | Sequence[str] | None = None,
        *,
        sandboxed: bool = False,
        path: str | Path | None = None,
    ) -> Frame:
        """Run SQL over exactly these rows: they are the table ``jobs``.

        The other tables (``scenes``, ``images``, ``annotations``, ``keypoints``, ``cuboids``,
        ``timeseries``, ``categories``, ``batch``) hold only the labels of these jobs.

        Parameters
        ----------
        query : str
            DuckDB SQL; ``$name`` stands for a parameter.
        params : mapping, optional
            Values of the parameters.
        tables : mapping of str to DataFrame, or names, optional
            Your own frames, as tables of these names. ``tables=["scores"]`` takes the variable
            ``scores`` of the code that calls this.
        sandboxed : bool
            For queries that you did not write: they can use the tables only. Otherwise SQL can read
            and write every file that this process can (``read_csv``, ``COPY ... TO``).
        path : path, optional
            The folder that the results are in now, if they were moved.

        Raises
        ------
        QueryError
            The query is wrong; for an unknown name, the error suggests similar ones.

        Examples
        --------
        >>> results.infinity.sql("SELECT count(*) AS jobs FROM jobs")["jobs"].tolist()
        [2]
        """
        if tables is not None and not isinstance(tables, Mapping):
            tables = _frames_of_caller([tables] if isinstance(tables, str) else list(tables))
        found = data.run_sql(
            self._frame, query, params=params, tables=tables, sandboxed=sandboxed, path=path
        )
        return as_frame(found)

    def verify(self, *, path: str | Path | None = None, quiet: bool = False) -> Frame:
        """Check these jobs' labels, frame by frame, against their masks, cameras and videos.

        Returns
        -------
        Frame
            A row per discrepancy; empty if there is none. Its ``.infinity.verification()`` counts
            the comparisons.

        Examples
        --------
        >>> len(results.infinity.verify(quiet=True))
        0
        """
        return as_frame(data.verify(self._frame, path=path, quiet=quiet))

    def verification(self) -> Frame:
        """Summarize a result of ``verify()``: comparisons and discrepancies, a row per check.

        Examples
        --------
        >>> results.infinity.verify(quiet=True).infinity.verification()["comparisons"]
        """
        return as_frame(data.verification_summary(self._frame))


def _frames_of_caller(names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Variables that hold frames where a verb was called."""
    calling = sys._getframe(2)
    variables = {**calling.f_globals, **calling.f_locals}
    found = {name: value for name, value in variables.items() if isinstance(value, pd.DataFrame)}
    for name in names:
        if name not in found:
            raise FrameError(
                f"There is no frame {name!r} where sql() was called.",
                advice=f"{nearest(str(name), found)} Or pass it: tables={{{str(name)!r}: frame}}.",
                table=str(name),
            )
    return {name: found[name] for name in names}
