"""Verbs on jobs that are not submitted yet: check, fill, sweep, submit, run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol.completion import completing
from infinity_frames.protocol.lazy import LazyModule

if TYPE_CHECKING:
    from infinity_frames import batch as batches
    from infinity_frames.client.origin import HasOrigin, Origin
    from infinity_frames.protocol import parameters
else:  # imported when a verb first needs them
    batches = LazyModule("infinity_frames.batch")
    parameters = LazyModule("infinity_frames.protocol.parameters")

__all__ = ["JobVerbs"]

Overrides = pd.DataFrame | Sequence[Mapping[str, Any]]


class JobVerbs:
    """Verbs on a frame of jobs; ``run`` takes them all the way to results."""

    _frame: pd.DataFrame

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
        """Mark the jobs that break no rule: a boolean Series on the frame's index, for filtering.

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
        """Ask the server how many samples (frames) each job will take; 1 for a preview.

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
            If the same jobs were submitted under this name before, continue with that batch, so
            that a notebook cell can be run again.
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
        elif reuse:
            batches.require_folder(path)
        else:
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
        """Repeat every row with all combinations of other values, with the row's random decisions.

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

    def _jobs_origin(self, session: HasOrigin | None, verb: str) -> Origin:
        return batches.jobs_origin_for(self._frame, session, verb)
