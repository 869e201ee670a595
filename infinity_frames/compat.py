"""The vocabulary of the list-of-dicts client, for scripts that were written for it.

Session and Batch inherit these methods; nothing else in the package uses them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from infinity_frames.client.describe import parameter_info
from infinity_frames.client.http import UNFINISHED
from infinity_frames.client.lookup import expand_overrides
from infinity_frames.client.origin import Jobs, Origin
from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import UnknownJob

__all__ = ["BatchVocabulary", "SessionVocabulary"]


class SessionVocabulary:
    """Methods of a Session under the names of the list-of-dicts client."""

    origin: Origin

    @property
    def parameter_info(self) -> dict[str, dict[str, Any]]:
        """``{name: {"type", "default_value", "options"}}``; options may be empty, never None.

        Examples
        --------
        >>> session.parameter_info["num_reps"]["default_value"]
        1
        """
        return parameter_info(self.origin.spec)

    def validate_job_params(self, jobs: Jobs) -> pd.Series[Any]:
        """Check jobs; return None or an error text for each, on the frame's index.

        Examples
        --------
        >>> session.validate_job_params([{"num_reps": 2}, {"num_reps": 99}]).isna().tolist()
        [True, False]
        """
        draft = self.origin.jobs(jobs)
        broken = parameters.violations(self.origin.spec, draft)
        texts: list[str | None] = [None] * len(draft)
        for position, messages in broken.groupby("position", sort=False)["message"]:
            texts[int(position)] = "; ".join(messages)  # type: ignore[arg-type]
        return pd.Series(texts, index=draft.index, dtype="object", name="error")

    def expand_overrides_across_each_preview_state(
        self, base_state_ids: Sequence[str], override_params: Jobs
    ) -> Frame:
        """Combine every base preview with every override, ``state`` set to the base's id.

        Parameters
        ----------
        base_state_ids : sequence of str
            Ids of preview jobs that were submitted.
        override_params : DataFrame or sequence of mappings
            Parameters to change, a row or mapping per variant.

        Returns
        -------
        Frame
            Jobs frame.

        Raises
        ------
        UnknownJob
            The server has no preview job with one of these ids.

        Examples
        --------
        >>> jobs = session.expand_overrides_across_each_preview_state(
        ...     batch.job_ids, [{"camera_height": 0.5}, {"camera_height": 1.5}]
        ... )
        >>> jobs["camera_height"].tolist()
        [0.5, 1.5]
        """
        variants = [override_params] if isinstance(override_params, Mapping) else override_params
        return as_frame(expand_overrides(self.origin, base_state_ids, variants, is_preview=True))

    def expand_overrides_across_each_video_state(
        self, base_state_ids: Sequence[str], override_params: Jobs
    ) -> Frame:
        """Like :meth:`expand_overrides_across_each_preview_state`, for standard jobs.

        Examples
        --------
        >>> jobs = session.expand_overrides_across_each_video_state(
        ...     videos.job_ids, [{"num_reps": 2}]
        ... )
        >>> jobs["num_reps"].tolist()
        [2, 2]
        """
        variants = [override_params] if isinstance(override_params, Mapping) else override_params
        return as_frame(expand_overrides(self.origin, base_state_ids, variants, is_preview=False))


class BatchVocabulary:
    """Methods of a Batch under the names of the list-of-dicts client."""

    origin: Origin
    batch_id: str
    _frame: pd.DataFrame

    @property
    def job_ids(self) -> list[str]:
        """Ids of its jobs, in the order submitted.

        Examples
        --------
        >>> len(batch.job_ids)
        1
        """
        return [str(job) for job in self._frame["job_id"]]

    @property
    def job_params(self) -> list[dict[str, Any]]:
        """Parameters of its jobs, in the order submitted; copies.

        Examples
        --------
        >>> batch.job_params[0]["num_reps"]
        1
        """
        spec = self.origin.spec
        return parameters.records(spec, parameters.jobs_of(spec, self._frame))

    @property
    def num_jobs(self) -> int:
        """Number of its jobs.

        Examples
        --------
        >>> batch.num_jobs
        1
        """
        return len(self._frame)

    def get_num_jobs_remaining(self) -> int:
        """Ask the server how many jobs have not finished.

        Examples
        --------
        >>> batch.get_num_jobs_remaining()
        0
        """
        return self.origin.rest.num_unfinished(self.batch_id)

    def get_batch_data(self) -> dict[str, Any]:
        """Fetch the server's batch object, jobs with their parameters.

        Examples
        --------
        >>> len(batch.get_batch_data()["job_runs"])
        1
        """
        return self.origin.rest.batch(self.batch_id)

    def get_batch_summary_data(self) -> dict[str, Any]:
        """Fetch the server's batch object, jobs without their parameters.

        Examples
        --------
        >>> "param_values" in batch.get_batch_summary_data()["job_runs"][0]
        False
        """
        return self.origin.rest.batch_summary(self.batch_id)

    def get_job_summary_data(self, job_id: str) -> dict[str, Any]:
        """Fetch the server's object of one job.

        Raises
        ------
        UnknownJob
            The batch has no such job.

        Examples
        --------
        >>> batch.get_job_summary_data(batch.job_ids[0])["in_progress"]
        False
        """
        for job in self.get_batch_summary_data()["job_runs"]:
            if job["id"] == str(job_id):
                return dict(job)
        raise UnknownJob(
            f"Batch {self.batch_id} has no job {job_id}.",
            advice="batch.job_ids lists its jobs.",
            batch=self.batch_id,
            job=str(job_id),
        )

    def get_completed_jobs(self) -> Frame:
        """Batch frame of the jobs that have finished by now, successfully or not.

        Examples
        --------
        >>> len(batch.get_completed_jobs())
        1
        """
        self.refresh()
        return as_frame(self._frame[~self._frame["status"].isin(UNFINISHED)].copy())

    def get_valid_completed_jobs(self) -> Frame:
        """Batch frame of the jobs that have results by now.

        Examples
        --------
        >>> len(batch.get_valid_completed_jobs())
        1
        """
        self.refresh()
        return as_frame(self._frame[self._frame["status"] == "completed"].copy())

    def get_job_params_seeded_for_rerun(self) -> list[dict[str, Any]]:
        """Return parameters of its jobs with ``state`` set to the job's id: the same scenes again.

        Examples
        --------
        >>> batch.get_job_params_seeded_for_rerun()[0]["state"] == batch.job_ids[0]
        True
        """
        return [
            {**values, "state": job}
            for values, job in zip(self.job_params, self.job_ids, strict=True)
        ]

    def refresh(self) -> Frame:
        """Fetch the present state of the jobs."""
        raise NotImplementedError
