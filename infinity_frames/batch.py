"""Submitted jobs: their state, waiting, cancelling and running them again.

The verbs are functions of a batch frame, which may hold rows of several batches or some rows of
one: they act on the rows they are given. A `Batch` is one whole batch with its frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from infinity_frames.client.batch_frames import batch_frame, updated
from infinity_frames.client.download import download_jobs
from infinity_frames.client.http import UNFINISHED, status
from infinity_frames.client.waiting import Wait, warn_of_failures
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, RequestRejected, UnknownJob
from infinity_frames.protocol.schemas import BATCH, RESULTS, Frame, as_frame
from infinity_frames.protocol.spec import Parameter

if TYPE_CHECKING:
    from infinity_frames.session import Session

__all__ = [
    "Batch",
    "await_frame",
    "batch_of",
    "cancel_frame",
    "download_frame",
    "refresh_frame",
    "retry",
    "seeded",
]


class Batch:
    """A batch on a server.

    Parameters
    ----------
    session : Session
        The session it belongs to.
    data : mapping
        The server's batch object.
    sent : DataFrame, optional
        Its jobs' parameters and tags, if known; else `data` has them.

    Raises
    ------
    SessionError
        It holds jobs of another generator than the session's.
    """

    def __init__(
        self, session: Session, data: Mapping[str, Any], sent: pd.DataFrame | None = None
    ) -> None:
        self.session = session
        self.batch_id = str(data["id"])
        self.name = str(data.get("name") or "")
        self._frame = batch_frame(session, data, sent)

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {s}" for s, n in Counter(self._frame["status"]).items())
        return f"<Batch {self.name!r} {self.batch_id}: {counts}>"

    def _repr_html_(self) -> str:
        from infinity_frames.vis import repr as face

        return face.to_html(face.of_batch(self))

    @property
    def frame(self) -> Frame:
        """Batch frame as last heard of; :meth:`refresh` asks the server."""
        return as_frame(self._frame.copy())

    @property
    def is_preview(self) -> bool:
        """Whether its jobs render one frame only."""
        return bool(self._frame["is_preview"].all())

    @property
    def job_ids(self) -> list[str]:
        """Ids of its jobs, in the order submitted."""
        return [str(job) for job in self._frame["job_id"]]

    @property
    def job_params(self) -> list[dict[str, Any]]:
        """Parameters of its jobs, in the order submitted; copies."""
        records: list[dict[str, Any]] = parameters.records(
            self.session.spec, parameters.jobs_of(self.session.spec, self._frame)
        )
        return records

    @property
    def num_jobs(self) -> int:
        """How many jobs it has."""
        return len(self._frame)

    def get_num_jobs_remaining(self) -> int:
        """How many jobs have not finished, now."""
        return int(self.refresh()["status"].isin(UNFINISHED).sum())

    def get_batch_data(self) -> dict[str, Any]:
        """The server's batch object, jobs with their parameters."""
        return self.session.rest.batch(self.batch_id)

    def get_batch_summary_data(self) -> dict[str, Any]:
        """The server's batch object, jobs without their parameters."""
        return self.session.rest.batch_summary(self.batch_id)

    def get_job_summary_data(self, job_id: str) -> dict[str, Any]:
        """The server's object of one job.

        Raises
        ------
        UnknownJob
            The batch has no such job.
        """
        for job in self.get_batch_summary_data()["job_runs"]:
            if job["id"] == str(job_id):
                return dict(job)
        raise UnknownJob(
            f"Batch {self.batch_id} has no job {job_id}.",
            advice="batch.job_ids lists those it has.",
            batch=self.batch_id,
            job=str(job_id),
        )

    def refresh(self) -> Frame:
        """Batch frame as it is now."""
        self._frame = refresh_frame(self._frame, self.session)
        return self.frame

    def await_completion(
        self, polling_interval: float | None = None, timeout: float | None = None
    ) -> Frame:
        """Wait until every job has finished.

        Parameters
        ----------
        polling_interval : float, optional
            Seconds between two looks; else 0.2 s, growing to 5 s the longer it takes.
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        DataFrame
            Batch frame of the jobs with results. A warning says how many failed, and why.

        Raises
        ------
        BatchTimeout
            Not done in time; the jobs go on, and waiting again is fine.
        EngineStopped
            Somebody stopped the embedded engine; the jobs go on when it is started again.
        """
        self._frame = await_frame(
            self._frame, self.session, polling_interval=polling_interval, timeout=timeout
        )
        return self._with_status("completed")

    def get_completed_jobs(self) -> Frame:
        """Batch frame of the jobs that have finished by now, well or not."""
        self.refresh()
        return as_frame(self._frame[~self._frame["status"].isin(UNFINISHED)].copy())

    def get_valid_completed_jobs(self) -> Frame:
        """Batch frame of the jobs that have results by now."""
        self.refresh()
        return self._with_status("completed")

    def cancel(self) -> Frame:
        """Stop what has not finished; the batch frame as it is then.

        Raises
        ------
        RequestRejected
            This server cannot cancel.
        """
        self._frame = cancel_frame(self._frame, self.session)
        return self.frame

    def download(self, path: str | Path, overwrite: bool = False, quiet: bool = False) -> Frame:
        """Fetch the results into the folder `path`; see :func:`download_frame`."""
        return download_frame(self._frame, path, self.session, overwrite=overwrite, quiet=quiet)

    def get_job_params_seeded_for_rerun(self) -> list[dict[str, Any]]:
        """Parameters of its jobs with ``state`` set to the job's id: the same scenes again."""
        return [
            {**values, "state": job}
            for values, job in zip(self.job_params, self.job_ids, strict=True)
        ]

    def _with_status(self, wanted: str) -> Frame:
        return as_frame(self._frame[self._frame["status"] == wanted].copy())


def batch_of(frame: pd.DataFrame, session: Session | None = None) -> Batch:
    """The whole batch that every row of a batch frame belongs to.

    Raises
    ------
    FrameError
        The rows belong to several batches.
    """
    session = _session(frame, session, "batch")
    ids = list(frame["batch_id"].dropna().unique())
    if len(ids) != 1:
        raise FrameError(
            f"This frame holds jobs of {len(ids)} batches, and .batch is one.",
            advice="Take the rows of one of them: frame[frame.batch_id == ...].",
        )
    return session.batch_from_api(str(ids[0]))


def refresh_frame(frame: pd.DataFrame, session: Session | None = None) -> Frame:
    """The same rows in their present state, asked batch by batch (one small request each)."""
    session = _session(frame, session, "refresh()")
    summaries = [session.rest.batch_summary(batch) for batch in _batches(frame)]
    return updated(frame, [job for data in summaries for job in data["job_runs"]])


def await_frame(
    frame: pd.DataFrame,
    session: Session | None = None,
    *,
    polling_interval: float | None = None,
    timeout: float | None = None,
) -> Frame:
    """Wait until every row's job has finished; all rows in their final state.

    Raises
    ------
    BatchTimeout
        Not done in time; ``where`` holds ``batch`` and ``remaining``.
    ServerUnreachable, RequestTimeout, ServerFault
        The server was away for five minutes.
    EngineStopped
        Somebody stopped the embedded engine; the jobs go on when it is started again.
    """
    session = _session(frame, session, "await_completion()")
    wait = Wait(session.rest, frame, polling_interval, timeout)
    out = updated(frame, wait.run())
    warn_of_failures(out)
    return out


def cancel_frame(frame: pd.DataFrame, session: Session | None = None) -> Frame:
    """Stop the rows' jobs that have not finished; the rows as they are then.

    Raises
    ------
    RequestRejected
        The server cannot cancel.
    FrameError
        A batch has unfinished jobs that are not in the frame: servers cancel whole batches.
    """
    session = _session(frame, session, "cancel()")
    rest = session.rest
    if not rest.has("cancel"):
        raise RequestRejected(
            f"{session.server} cannot cancel a batch.", advice="Let it finish; nothing was changed."
        )
    ours = set(frame["job_id"])
    for batch in _batches(frame):
        jobs = rest.batch_summary(batch, since=0)["job_runs"]
        others = [job for job in jobs if status(job) in UNFINISHED and job["id"] not in ours]
        if others:
            raise FrameError(
                f"Batch {batch} has {len(others)} unfinished jobs that are not in this frame, and "
                "only whole batches can be cancelled.",
                advice="Cancel the whole of it with session.batch_from_api(batch_id).cancel().",
                batch=batch,
            )
    answers = [rest.cancel_batch(batch) for batch in _batches(frame)]
    return updated(frame, [job for data in answers for job in data["job_runs"]])


def download_frame(
    frame: pd.DataFrame,
    path: str | Path,
    session: Session | None = None,
    *,
    overwrite: bool = False,
    quiet: bool = False,
) -> Frame:
    """Fetch the results of the rows' jobs; only what is missing, unless `overwrite`.

    Parameters
    ----------
    path : path
        The batch's folder; rows of several batches get a folder each inside it, named by its id.
    overwrite : bool
        Fetch the rows' jobs again even where they are complete.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        Results frame of these rows, in their order. Jobs that failed on the server are rows too; a
        warning tells of those that have not finished.

    Raises
    ------
    DownloadIncomplete
        After everything else is safe; ``where`` holds ``results`` and ``failures``.
    DownloadError
        The folder holds another batch, or cannot be written.
    """
    session = _session(frame, session, "download()")
    tags = dict(zip(frame["job_id"].astype(str), parameters.tags(frame), strict=True))
    wanted = dict(zip(frame["job_id"].astype(str), frame["batch_id"].astype(str), strict=True))
    if not wanted:
        return RESULTS.empty()
    return download_jobs(
        session.rest,
        wanted,
        Path(path),
        server=session.server,
        generator=session.generator,
        tags=tags,
        parameters=[_recorded(parameter) for parameter in session.spec.parameters],
        overwrite=overwrite,
        quiet=quiet,
    )


def _recorded(parameter: Parameter) -> dict[str, Any]:
    """What a reader of results needs: the dtype the parameter's column had, and its unit."""
    options = {} if parameter.choices is None else {"choices": list(parameter.choices)}
    out = {"name": parameter.name, "type": parameter.type, "options": options}
    return out if parameter.unit is None else {**out, "unit": parameter.unit}


def seeded(frame: pd.DataFrame, session: Session | None = None) -> Frame:
    """The rows' jobs again: their parameters and tags, ``state`` set to the job's id."""
    session = _session(frame, session, "seeded()", "job_id")
    return session.jobs(parameters.seeded(session.spec, frame))


def retry(frame: pd.DataFrame, session: Session | None = None) -> Frame:
    """The failed rows as jobs with fresh seeds."""
    session = _session(frame, session, "retry()", "job_id", "status")
    failed = frame[frame["status"] == "failed"]
    return session.jobs(parameters.reseeded(session.spec, failed))


def _session(frame: pd.DataFrame, session: Session | None, verb: str, *columns: str) -> Session:
    from infinity_frames.client.registry import session_for  # session.py makes Batches

    kind = RESULTS if "path" in frame.columns else BATCH
    kind.require(frame, columns or ("batch_id", "job_id"), verb)
    return session_for(frame, session)


def _batches(frame: pd.DataFrame) -> list[str]:
    return [str(batch) for batch in frame["batch_id"].dropna().unique()]
