"""``df.infinity``: what you do with a frame, as methods on it.

Each verb is a thin call into the module that does the work; nothing is kept between calls, since
pandas makes a new accessor on every access.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from infinity_frames.experiment_verbs import ExperimentVerbs
from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol.completion import completing
from infinity_frames.protocol.deprecation import renamed_arguments
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.lazy import LazyModule
from infinity_frames.vis_verbs import VisVerbs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from infinity_frames import batch as batches
    from infinity_frames import data, vis
    from infinity_frames.batch import Batch
    from infinity_frames.client.origin import HasOrigin, Origin
    from infinity_frames.protocol import parameters
    from infinity_frames.web import local as web
    from infinity_frames.web.local import View
else:  # imported when a verb first needs them
    batches = LazyModule("infinity_frames.batch")
    data = LazyModule("infinity_frames.data")
    parameters = LazyModule("infinity_frames.protocol.parameters")
    vis = LazyModule("infinity_frames.vis")
    web = LazyModule("infinity_frames.web.local")

__all__ = ["InfinityAccessor"]

_IDS = ("batch_id", "job_id", "image_id", "frame_number", "annotation_id")
Overrides = pd.DataFrame | Sequence[Mapping[str, Any]]


@pd.api.extensions.register_dataframe_accessor("infinity")
class InfinityAccessor(ExperimentVerbs, VisVerbs):
    """Verbs on frames of jobs, of a batch and of results.

    Every verb takes ``session=`` (verbs on results: ``path=``) for when the frame's columns and
    context are not enough. Each acts on the rows it is given, so filter first, then call.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        # `set_index` and `groupby` move ids into the index, where no verb would find them.
        ids = [name for name in frame.index.names if name in _IDS and name not in frame.columns]
        self._frame = frame.reset_index(ids) if ids else frame

    def __repr__(self) -> str:
        from infinity_frames.vis.repr import of_frame, to_text

        return to_text(of_frame(self._frame))

    def _repr_html_(self) -> str:
        from infinity_frames.vis.repr import of_frame, previews, to_html

        return to_html(of_frame(self._frame), previews(self._frame))

    @property
    def _submitted(self) -> bool:
        return "job_id" in self._frame.columns

    # Jobs

    def violations(self, *, session: HasOrigin | None = None) -> Frame:
        """List every broken rule of every job.

        Returns
        -------
        Frame
            Violations frame: position, label, parameter, rule, value, message; empty if none.

        Examples
        --------
        >>> draft = session.jobs([{"num_reps": 1}, {"num_reps": 99}])
        >>> draft.infinity.violations()[["position", "parameter", "rule"]].values.tolist()
        [[1, 'num_reps', 'max']]
        """
        spec = self._jobs_origin(session, "violations").spec
        return as_frame(parameters.violations(spec, self._frame))

    def valid(self, *, session: HasOrigin | None = None) -> pd.Series[bool]:
        """Which jobs break no rule: a boolean Series on the frame's index, to filter by.

        Examples
        --------
        >>> draft = session.jobs([{"num_reps": 1}, {"num_reps": 99}])
        >>> draft.infinity.valid().tolist()
        [True, False]
        """
        broken = set(self.violations(session=session)["position"])
        good = [position not in broken for position in range(len(self._frame))]
        return pd.Series(good, index=self._frame.index, dtype="boolean", name="valid")

    def validate(self, *, session: HasOrigin | None = None) -> Frame:
        """Return the jobs as a typed frame.

        Raises
        ------
        InvalidJobs
            Jobs break rules; the error's ``violations`` has every one.

        Examples
        --------
        >>> jobs.infinity.validate().dtypes["num_reps"]
        Int64Dtype()
        """
        spec = self._jobs_origin(session, "validate").spec
        return as_frame(parameters.validate(spec, self._frame))

    def estimate(
        self, preview: bool = False, *, session: HasOrigin | None = None
    ) -> pd.Series[int]:
        """Samples (frames) each job will take, by the server; 1 for a preview.

        Returns
        -------
        Series of int64
            On the frame's index.

        Examples
        --------
        >>> jobs.infinity.estimate(preview=True).tolist()
        [1, 1]
        """
        origin = self._jobs_origin(session, "estimate")
        return batches.estimate_samples(origin, self._frame, is_preview=preview)

    def fill(
        self, random: bool = False, seed: int | None = None, *, session: HasOrigin | None = None
    ) -> Frame:
        """Give unspecified parameters their defaults, or uniform draws that keep the joint rules.

        Parameters
        ----------
        random : bool
            Draw instead of taking defaults.
        seed : int, optional
            Makes the draws repeatable.

        Examples
        --------
        >>> draft = session.jobs([{"exercise": "PUSHUP"}, {"exercise": "SITUP"}])
        >>> draft.infinity.fill()["num_reps"].tolist()
        [1, 1]
        """
        origin = self._jobs_origin(session, "fill")
        drafted = origin.jobs(self._frame)
        return as_frame(parameters.fill(origin.spec, drafted, random=random, seed=seed))

    def submit(
        self,
        name: str | None = None,
        preview: bool = False,
        random_sample: bool = False,
        reuse: bool = False,
        *,
        session: HasOrigin | None = None,
    ) -> Frame:
        """Submit the jobs as one batch.

        Parameters
        ----------
        name : str, optional
            The batch's name.
        preview : bool
            Render one frame of each job only.
        random_sample : bool
            Draw unspecified parameters uniformly, instead of taking their defaults.
        reuse : bool
            If the same jobs were submitted under this name before, return that batch.

        Returns
        -------
        Frame
            Batch frame: a row per job, with ``job_id`` and ``status``.

        Raises
        ------
        InvalidJobs, NotEnoughSamples, ServerError
            Nothing was created.

        Examples
        --------
        >>> submitted = jobs.head(1).infinity.submit("first try", preview=True, reuse=True)
        >>> submitted["is_preview"].tolist()
        [True]
        """
        return batches.submit_frame(
            self._frame,
            self._jobs_origin(session, "submit"),
            is_preview=preview,
            batch_name=name,
            random_sample=random_sample,
            reuse=reuse,
        )

    def run(
        self,
        path: str | Path,
        name: str | None = None,
        preview: bool = False,
        timeout: float | None = None,
        reuse: bool = False,
        *,
        append: bool = False,
        session: HasOrigin | None = None,
    ) -> Frame:
        """Submit the jobs, wait for them, and download their results into `path`.

        Parameters
        ----------
        path : path
            The batch's folder.
        name : str, optional
            The batch's name.
        preview : bool
            Render one frame of each job only.
        timeout : float, optional
            Seconds to wait at most.
        reuse : bool
            If the same jobs were submitted under this name before, go on with that batch: what a
            cell of a notebook wants that is run again.
        append : bool
            Grow a data set: the batch gets a folder of its own inside `path`, named by its id, and
            ``inf.read_results(path)`` reads all batches there.

        Returns
        -------
        Frame
            Results frame of these jobs, those that failed included.

        Raises
        ------
        DownloadError
            `path` holds another batch; without `reuse` this is found before anything is submitted.

        Examples
        --------
        >>> again = submitted.infinity.seeded()
        >>> again.infinity.run("again", preview=True)["status"].tolist()
        ['completed']
        """
        origin = self._jobs_origin(session, "run")
        if append:
            batches.require_batches_inside(path)
        elif not reuse:
            batches.require_free_folder(path)
        submitted = self.submit(name=name, preview=preview, reuse=reuse, session=origin)
        finished = batches.await_frame(submitted, origin, timeout=timeout)
        target = Path(path) / str(submitted["batch_id"].iloc[0]) if append else path
        return batches.download_frame(finished, target, origin)

    @completing(lambda accessor: accessor._frame.columns)
    def sweep(
        self,
        how: Literal["product", "zip"] | Overrides = "product",
        *,
        session: HasOrigin | None = None,
        **values: Any,
    ) -> Frame:
        """Every row with every combination of other values, sharing the row's random decisions.

        Rows that were submitted are repeated through ``state``, others through one
        ``random_seed`` per row; ``tag_base`` says which row a copy came from.

        Parameters
        ----------
        how : {"product", "zip"} or frame or list of dict
            All combinations of the values; the values side by side; or the combinations
            themselves, a row each.
        **values
            The values each parameter takes: ``camera_height=[0.5, 1.0, 1.5]``.

        Returns
        -------
        Frame
            Jobs frame.

        Examples
        --------
        >>> swept = submitted.infinity.sweep(camera_height=[0.5, 1.0, 1.5])
        >>> swept["camera_height"].tolist()
        [0.5, 1.0, 1.5]
        """
        origin = batches.origin_for(self._frame, session)
        swept = parameters.sweep(origin.spec, self._frame, how, values)
        return as_frame(origin.with_context(swept))

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

    # A batch

    @property
    def batch(self) -> Batch:
        """The batch that all rows belong to.

        Examples
        --------
        >>> submitted.infinity.batch.num_jobs
        1
        """
        return batches.batch_of(self._frame)

    def refresh(self, *, session: HasOrigin | None = None) -> Frame:
        """Ask the server for the present state of these jobs.

        Examples
        --------
        >>> submitted.infinity.refresh()["status"].tolist()
        ['completed']
        """
        return batches.refresh_frame(self._frame, session)

    def await_completion(
        self, timeout: float | None = None, *, session: HasOrigin | None = None
    ) -> Frame:
        """Wait until these jobs have finished, successfully or not.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        Frame
            All rows, with their final state.

        Raises
        ------
        BatchTimeout
            Some had not finished in time; they go on.

        Examples
        --------
        >>> submitted.infinity.await_completion(timeout=60)["status"].unique().tolist()
        ['completed']
        """
        return batches.await_frame(self._frame, session, timeout=timeout)

    def cancel(self, *, session: HasOrigin | None = None) -> Frame:
        """Stop the unfinished jobs.

        Examples
        --------
        >>> submitted.infinity.cancel()["status"].tolist()  # finished jobs stay as they are
        ['completed']
        """
        return batches.cancel_frame(self._frame, session)

    def download(
        self,
        path: str | Path,
        overwrite: bool = False,
        quiet: bool = False,
        *,
        check: bool = False,
        session: HasOrigin | None = None,
    ) -> Frame:
        """Fetch the missing results of these jobs, and return the results frame.

        Parameters
        ----------
        path : path
            The batch's folder; rows of several batches get a folder each inside it.
        overwrite : bool
            Fetch again files that are already there.
        quiet : bool
            No progress bar.
        check : bool
            Compare existing files with the digests recorded on arrival, and fetch changed files
            again.

        Raises
        ------
        DownloadIncomplete
            Some jobs could not be fetched; the others are safe.

        Examples
        --------
        >>> submitted.infinity.download("downloaded", quiet=True)["video"].isna().tolist()
        [True]
        """
        return batches.download_frame(
            self._frame, path, session, overwrite=overwrite, check=check, quiet=quiet
        )

    def seeded(self, *, session: HasOrigin | None = None) -> Frame:
        """The same jobs again: a jobs frame whose ``state`` names the job of each row.

        Only the account that submitted the jobs can repeat them so; see :meth:`recipe`.

        Examples
        --------
        >>> submitted.infinity.seeded()["state"].tolist() == submitted["job_id"].tolist()
        True
        """
        return batches.seeded(self._frame, session)

    def renew(
        self, n: int = 1, seed: int | None = None, *, session: HasOrigin | None = None
    ) -> Frame:
        """The same parameters with fresh randomness: `n` jobs of each row, with new seeds.

        Parameters
        ----------
        n : int
            Number of jobs of each row.
        seed : int, optional
            Makes the new seeds repeatable.

        Examples
        --------
        >>> len(jobs.infinity.renew(3, seed=1))
        6
        """
        return batches.renew(self._frame, n, seed, session)

    def retry(self, *, session: HasOrigin | None = None) -> Frame:
        """The failed jobs once more: a jobs frame with fresh seeds.

        Examples
        --------
        >>> len(submitted.infinity.retry())  # nothing failed
        0
        """
        return batches.retry(self._frame, session)

    # Results

    def scenes(self, *, path: str | Path | None = None) -> Frame:
        """Constants of each video: camera, avatar, matrices as lists; a row per job.

        Examples
        --------
        >>> looks.infinity.scenes()[["job_id", "camera_height"]]
        """
        return as_frame(data.table(self._frame, "scenes", path=path))

    def images(self, *, path: str | Path | None = None) -> Frame:
        """A row per frame of each video: time, size, rep counts.

        Examples
        --------
        >>> results.infinity.images().groupby("job_id")["time"].max()
        """
        return as_frame(data.table(self._frame, "images", path=path))

    def annotations(self, category: str | None = None, *, path: str | Path | None = None) -> Frame:
        """A row per labeled object and frame: box, area, occlusion, segmentation.

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
        """A row per keypoint and frame: pixels, visibility v, depth, global position in m.

        Examples
        --------
        >>> points = results.infinity.keypoints("coco")
        >>> points.query("name == 'nose' and v == 2")[["frame_number", "x", "y"]]
        """
        return as_frame(data.table(self._frame, "keypoints", skeleton=skeleton, path=path))

    def cuboids(self, *, path: str | Path | None = None) -> Frame:
        """A row per corner of each object's 3D box and frame.

        Examples
        --------
        >>> results.infinity.cuboids().groupby("job_id").size()
        """
        return as_frame(data.table(self._frame, "cuboids", path=path))

    def timeseries(self, *, path: str | Path | None = None) -> Frame:
        """A row per sample of each job's sensor data.

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
            What the numbers stand for; ``colors()`` names them, 0 is no object.
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
            For queries of others. Without it SQL can read and write every file that this process
            can (``read_csv``, ``COPY ... TO``); with it, it can use the tables only.
        path : path, optional
            The folder that the results are in now, if they were moved.

        Raises
        ------
        QueryError
            The query is wrong; for an unknown name the error suggests near ones.

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
            A row per discrepancy; empty where all is right. Its ``.infinity.verification()`` says
            how much was compared.

        Examples
        --------
        >>> len(results.infinity.verify(quiet=True))
        0
        """
        return as_frame(data.verify(self._frame, path=path, quiet=quiet))

    def verification(self) -> Frame:
        """What ``verify()`` compared and found, a row per check; call it on what that returned.

        Examples
        --------
        >>> results.infinity.verify(quiet=True).infinity.verification()["comparisons"]
        """
        return as_frame(data.verification_summary(self._frame))

    def split(
        self,
        sizes: Mapping[str, float] | Sequence[float],
        by: str | Sequence[str] = (),
        seed: int = 0,
        stratify: str | Sequence[str] = (),
        exact: bool = False,
        *,
        path: str | Path | None = None,
    ) -> Frame:
        """Assign the jobs to parts, a column ``split``; related jobs get the same part.

        Jobs that have a part keep it, and further jobs do not change the parts of the others. Jobs
        before rendering get the column ``tag_split``, which returns with their results.

        Parameters
        ----------
        sizes : mapping of str to float, or sequence of float
            Shares: ``{"train": 0.8, "val": 0.1, "test": 0.1}``. Below a sum of 1 the rest of the
            jobs is left out.
        by : str or sequence of str
            Columns whose values must not occur in two parts, besides seeds, reruns and sweeps.
        seed : int
            Another seed gives other parts.
        stratify : str or sequence of str
            Columns whose values should be equally frequent in every part; implies `exact`.
        exact : bool
            Keep the shares as closely as possible, instead of within the chance of hashing.

        Examples
        --------
        >>> parts = results.infinity.split({"train": 0.5, "test": 0.5}, seed=1, exact=True)
        >>> sorted(parts["split"])
        ['test', 'train']
        """
        return as_frame(
            data.split(
                self._frame, sizes, by=by, stratify=stratify, seed=seed, exact=exact, path=path
            )
        )

    def export(
        self,
        path: str | Path,
        format: str = "coco",
        *,
        pictures: Literal["png", "jpg"] = "png",
        categories: str | Sequence[str] | None = None,
        stride: int = 1,
        size: int | tuple[int, int] | None = None,
        source: str | Path | None = None,
        quiet: bool = False,
    ) -> Frame:
        """Write these rows as a data set into the new folder `path`, divided by column ``split``.

        Rows of ``images()`` export just those frames, rows of ``annotations()`` just those objects.
        YOLO needs a part to validate on: ``.infinity.split({"train": 0.8, "val": 0.2})`` first;
        without it, validation uses the training pictures, and a warning says so.

        Parameters
        ----------
        path : path
            A folder that does not exist yet.
        format : str
            A name of ``infinity_frames.data.exports.FORMATS``, ``"yolo-pose"`` for example, or a
            format of another package.
        pictures : {"png", "jpg"}
            How frames of videos are kept.
        categories : str or sequence of str, optional
            The only categories to export, in the order of their class numbers.
        stride : int
            Every how many frames one is taken.
        size : int or (int, int), optional
            Longer side, or width and height, of the pictures in pixels.
        source : path, optional
            The folder the results are in now, if they were moved.
        quiet : bool
            No progress bar.

        Returns
        -------
        Frame
            Labels that were left out, and how many; empty if nothing.

        Examples
        --------
        >>> results.infinity.export("dataset", "coco", pictures="jpg", stride=5, quiet=True)
        """
        losses = data.export(
            self._frame,
            path,
            format,
            pictures=pictures,
            categories=categories,
            stride=stride,
            size=size,
            source=source,
            quiet=quiet,
        )
        return as_frame(losses)

    def torch(
        self,
        labels: str | Sequence[str] = ("boxes",),
        transform: Callable[..., Any] | None = None,
        *,
        streaming: bool = False,
        shuffle: int = 0,
        seed: int = 0,
        categories: str | Sequence[str] | None = None,
        stride: int = 1,
        size: int | tuple[int, int] | None = None,
        path: str | Path | None = None,
    ) -> Any:
        """Read these rows as a PyTorch dataset, straight from the videos.

        An item is a uint8 picture (3, height, width) and a dict of targets as torchvision's
        detection models take them: ``labels`` (class numbers from 1), ``boxes`` (n, 4) as x1, y1,
        x2, y2 in pixels, ``keypoints`` (n, 17, 3), ``masks`` (n, height, width), ``job_id`` and
        ``frame_number``. Of sensor series an item is a float32 tensor (samples, columns) and the
        job's parameters. Rows without a part in the column ``split`` are left out; filter by it.

        Parameters
        ----------
        labels : str or sequence of str
            Which targets: ``"boxes"``, ``"keypoints"``, ``"masks"``.
        transform : callable, optional
            ``transform(picture, targets)`` makes the item, as transforms of torchvision do.
        streaming : bool
            An iterable dataset: each video is decoded once per epoch by one of the workers. Else a
            map-style dataset, whose workers keep decoded videos in memory.
        shuffle : int
            With `streaming`: frames in the buffer from which the next is drawn; 0 keeps the order.
        seed : int
            With `streaming`: the same seed and ``set_epoch`` repeat the order.
        categories, stride, size
            As for :meth:`export`.
        path : path, optional
            The folder the results are in now, if they were moved.

        Raises
        ------
        ExtraNotInstalled
            PyTorch is not installed; it is not a dependency of this package.

        Examples
        --------
        ::

            train = parts[parts.split == "train"].infinity.torch(("boxes", "masks"), size=320)
            loader = DataLoader(train, batch_size=8, num_workers=2, collate_fn=list)

        Examples
        --------
        >>> dataset = results.infinity.torch(("boxes", "masks"))  # doctest: +SKIP
        """
        return data.torch_dataset(
            self._frame,
            labels,
            transform,
            streaming=streaming,
            shuffle=shuffle,
            seed=seed,
            categories=categories,
            stride=stride,
            size=size,
            path=path,
        )

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
            What to draw: boxes, masks, cuboids, skeleton, keypoints, rep_count.
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
        ::

            view = results.infinity.explore()
            view.selected

        Examples
        --------
        >>> results.infinity.explore(browser=False)  # doctest: +SKIP
        """
        return web.explore(self._frame, path=path, browser=browser)

    def _jobs_origin(self, session: HasOrigin | None, verb: str) -> Origin:
        if self._submitted:
            raise FrameError(
                f"{verb}() takes jobs, but these rows were already submitted.",
                advice="Make jobs of them with .infinity.seeded(), .renew(), .retry() or .sweep().",
                verb=verb,
            )
        return batches.origin_for(self._frame, session)


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
