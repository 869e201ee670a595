"""Submitted jobs: their state, waiting, cancelling and running them again.

The verbs are functions of a batch frame, which may hold rows of several batches or some rows of
one. They act on the given rows. A `Batch` is one whole batch with its frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from infinity_frames.client.batch_frames import batch_frame, updated
from infinity_frames.client.download import BatchFolder, download_jobs
from infinity_frames.client.http import UNFINISHED, status
from infinity_frames.client.origin import HasOrigin, Origin
from infinity_frames.client.registry import origin_for
from infinity_frames.client.submit import estimate_samples, submit_jobs
from infinity_frames.client.waiting import Wait, warn_of_failures
from infinity_frames.compat import BatchVocabulary
from infinity_frames.data import read_results
from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, RequestRejected
from infinity_frames.protocol.schemas import BATCH, RESULTS
from infinity_frames.protocol.warnings import warn_user

__all__ = [
    "Batch",
    "await_frame",
    "batch_of",
    "cancel_frame",
    "download_frame",
    "estimate_samples",
    "origin_for",
    "refresh_frame",
    "renew",
    "require_batches_inside",
    "require_free_folder",
    "retry",
    "seeded",
    "submit_frame",
]


class Batch(BatchVocabulary):
    """A batch on a server.

    Parameters
    ----------
    session : Session or Origin
        Where it belongs.
    data : mapping
        The server's batch object.
    sent : DataFrame, optional
        Its jobs' parameters and tags, if known; else read from `data`.

    Raises
    ------
    SessionError
        It holds jobs of another generator than the session's.

    Examples
    --------
    >>> batch = session.batch_from_api(batch.batch_id)
    >>> batch.num_jobs
    1
    """

    def __init__(
        self, session: HasOrigin, data: Mapping[str, Any], sent: pd.DataFrame | None = None
    ) -> None:
        self.session = session
        self.origin = session.origin
        self.batch_id = str(data["id"])
        self.name = str(data.get("name") or "")
        self._frame = batch_frame(self.origin, data, sent)

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {s}" for s, n in Counter(self._frame["status"]).items())
        return f"<Batch {self.name!r} {self.batch_id}: {counts}>"

    def _repr_html_(self) -> str:
        # Imported when a notebook shows it: drawing is not part of a script's start.
        from infinity_frames.vis.repr import of_frame, to_html

        return to_html(self._summary(of_frame(self._frame)))

    def _summary(self, of_jobs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the HTML view shows; nothing is requested from the server."""
        name = f"Batch {self.name!r}" if self.name else "Batch"
        count = f"{self.num_jobs:,} job{'' if self.num_jobs == 1 else 's'}"
        about = {"batch": self.batch_id, **of_jobs["about"]}
        return {**of_jobs, "kind": "batch", "title": f"{name}: {count}", "about": about}

    @property
    def frame(self) -> Frame:
        """Batch frame in its last known state; :meth:`refresh` asks the server.

        Examples
        --------
        >>> batch.frame[["job_id", "status"]]
        """
        return as_frame(self._frame.copy())

    @property
    def is_preview(self) -> bool:
        """Whether its jobs render only one frame.

        Examples
        --------
        >>> batch.is_preview
        True
        """
        return bool(self._frame["is_preview"].all())

    def refresh(self) -> Frame:
        """Fetch the present state of the jobs; return the batch frame.

        Examples
        --------
        >>> batch.refresh()["status"].tolist()
        ['completed']
        """
        self._frame = refresh_frame(self._frame, self.origin)
        return self.frame

    def await_completion(
        self, polling_interval: float | None = None, timeout: float | None = None
    ) -> Frame:
        """Wait until every job has finished.

        Parameters
        ----------
        polling_interval : float, optional
            Seconds between two polls; by default 0.2 s, growing to 5 s over time.
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        DataFrame
            Batch frame of the jobs with results. A warning says how many failed, and why.

        Raises
        ------
        BatchTimeout
            Not done in time; the jobs continue, and waiting again is fine.
        EngineStopped
            The embedded engine was stopped; its jobs continue when it is started again.

        Examples
        --------
        >>> batch.await_completion(timeout=60)["status"].tolist()
        ['completed']
        """
        self._frame = await_frame(
            self._frame, self.origin, polling_interval=polling_interval, timeout=timeout
        )
        return self._with_status("completed")

    def cancel(self) -> Frame:
        """Stop the unfinished jobs; return the updated batch frame.

        Raises
        ------
        RequestRejected
            This server cannot cancel.

        Examples
        --------
        >>> batch.cancel()["status"].tolist()  # a finished job stays as it is
        ['completed']
        """
        self._frame = cancel_frame(self._frame, self.origin)
        return self.frame

    def download(
        self,
        path: str | Path,
        overwrite: bool = False,
        quiet: bool = False,
        *,
        check: bool = False,
        columns: str = "all",
    ) -> Frame:
        """Fetch the results into the folder `path`; see :func:`download_frame`.

        Examples
        --------
        >>> batch.download("by_batch", quiet=True)["status"].tolist()
        ['completed']
        """
        options = {"overwrite": overwrite, "check": check, "quiet": quiet}
        return download_frame(self._frame, path, self.origin, columns=columns, **options)

    def _with_status(self, wanted: str) -> Frame:
        return as_frame(self._frame[self._frame["status"] == wanted].copy())


def submit_frame(
    frame: pd.DataFrame,
    session: HasOrigin | None = None,
    *,
    is_preview: bool = False,
    batch_name: str | None = None,
    random_sample: bool = False,
    reuse: bool = False,
) -> Frame:
    """Submit a jobs frame as one batch; return the batch frame. See ``Session.submit``."""
    origin = origin_for(frame, session)
    data, sent = submit_jobs(
        origin,
        frame,
        is_preview=is_preview,
        batch_name=batch_name,
        random_sample=random_sample,
        reuse=reuse,
    )
    return as_frame(batch_frame(origin, data, sent))


def batch_of(frame: pd.DataFrame, session: HasOrigin | None = None) -> Batch:
    """Open the batch that every row of a batch frame belongs to.

    Raises
    ------
    FrameError
        The rows belong to several batches.
    """
    origin = _origin(frame, session, "batch")
    ids = list(frame["batch_id"].dropna().unique())
    if len(ids) != 1:
        raise FrameError(
            f"This frame holds jobs of {len(ids)} batches, but .batch needs rows of one batch.",
            advice="Select the rows of one: frame[frame.batch_id == ...].",
        )
    return Batch(origin, origin.rest.batch(str(ids[0])))


def refresh_frame(frame: pd.DataFrame, session: HasOrigin | None = None) -> Frame:
    """Fetch the present state of the rows' jobs, with one small request per batch."""
    origin = _origin(frame, session, "refresh()")
    summaries = [origin.rest.batch_summary(batch) for batch in _batches(frame)]
    return as_frame(updated(frame, [job for data in summaries for job in data["job_runs"]]))


def await_frame(
    frame: pd.DataFrame,
    session: HasOrigin | None = None,
    *,
    polling_interval: float | None = None,
    timeout: float | None = None,
) -> Frame:
    """Wait until every row's job has finished; return all rows in their final state.

    Raises
    ------
    BatchTimeout
        Not done in time; ``where`` holds ``batch`` and ``remaining``.
    ServerUnreachable, RequestTimeout, ServerFault
        The server was unreachable for five minutes.
    EngineStopped
        The embedded engine was stopped; its jobs continue when it is started again.
    """
    origin = _origin(frame, session, "await_completion()")
    wait = Wait(origin.rest, frame, polling_interval, timeout)
    out = as_frame(updated(frame, wait.run()))
    warn_of_failures(out)
    return out


def cancel_frame(frame: pd.DataFrame, session: HasOrigin | None = None) -> Frame:
    """Stop the rows' unfinished jobs; return the updated rows.

    Raises
    ------
    RequestRejected
        The server cannot cancel.
    FrameError
        A batch has unfinished jobs that are not in the frame: servers cancel whole batches.
    """
    origin = _origin(frame, session, "cancel()")
    rest = origin.rest
    if not rest.has("cancel"):
        raise RequestRejected(
            f"{origin.server} cannot cancel a batch.", advice="Let it finish; nothing was changed."
        )
    ours = set(frame["job_id"])
    for batch in _batches(frame):
        jobs = rest.batch_summary(batch, since=0)["job_runs"]
        others = [job for job in jobs if status(job) in UNFINISHED and job["id"] not in ours]
        if others:
            raise FrameError(
                f"Batch {batch} has {len(others)} unfinished jobs that are not in this frame, and "
                "only whole batches can be cancelled.",
                advice="Cancel the whole batch with session.batch_from_api(batch_id).cancel().",
                batch=batch,
            )
    answers = [rest.cancel_batch(batch) for batch in _batches(frame)]
    return as_frame(updated(frame, [job for data in answers for job in data["job_runs"]]))


def download_frame(
    frame: pd.DataFrame,
    path: str | Path,
    session: HasOrigin | None = None,
    *,
    columns: str = "all",
    overwrite: bool = False,
    check: bool = False,
    quiet: bool = False,
) -> Frame:
    """Fetch the results of the rows' jobs; only missing files, unless `overwrite`.

    Parameters
    ----------
    path : path
        The batch's folder; rows of several batches get a folder each inside it, named by its id.
    columns : {"all", "labels"}
        ``"labels"`` fetches labels and sensor data only, by range requests: no videos, pictures and
        masks. A later download without it fetches the rest. The files that are read are checked by
        their checksums; the archive as a whole is not.
    overwrite : bool
        Fetch the rows' jobs again even where they are complete.
    check : bool
        Compare existing files with the digests recorded on arrival, and fetch changed files again.
        Jobs that were downloaded by version 0.1 are fetched once more.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        Results frame of these rows, in their order. Jobs that failed on the server are rows too; a
        warning counts those that have not finished.

    Raises
    ------
    DownloadIncomplete
        After everything else is safe; ``where`` holds ``results`` and ``failures``.
    DownloadError
        The folder holds another batch, or cannot be written.
    """
    origin = _origin(frame, session, "download()")
    tags = dict(zip(frame["job_id"].astype(str), parameters.tags(frame), strict=True))
    wanted = dict(zip(frame["job_id"].astype(str), frame["batch_id"].astype(str), strict=True))
    if not wanted:
        return as_frame(RESULTS.empty())
    options = {"overwrite": overwrite, "check": check, "quiet": quiet}
    done = download_jobs(origin, wanted, Path(path), tags=tags, columns=columns, **options)
    order = {job: place for place, job in enumerate(wanted)}
    results = read_results(path, quiet=quiet)
    results = results[results["job_id"].isin(order)]
    results = results.sort_values("job_id", key=lambda ids: ids.map(order)).reset_index(drop=True)
    if done.unfinished:
        warn_user(
            f"{done.unfinished} of {len(wanted)} jobs have not finished, so they have no results "
            "yet. Wait with await_completion() and download again: only those are fetched then."
        )
    done.raise_if_incomplete(len(wanted), results)
    return as_frame(results)


def require_free_folder(path: str | Path) -> None:
    """Raise DownloadError if the folder `path` holds a batch, or is a file."""
    BatchFolder(Path(path)).require_free()


def require_folder(path: str | Path) -> None:
    """Raise DownloadError if nothing can be downloaded into `path`, as below a file."""
    BatchFolder(Path(path)).require_usable()


def require_batches_inside(path: str | Path) -> None:
    """Raise DownloadError if the folder `path` is itself a batch, so that none fits inside."""
    BatchFolder(Path(path)).require_no_batch()


def jobs_origin_for(frame: pd.DataFrame, session: HasOrigin | None, verb: str) -> Origin:
    """Like origin_for, for verbs that take jobs and no rows of a batch or results."""
    if "job_id" in frame.columns:
        raise FrameError(
            f"{verb}() takes jobs, but these rows were already submitted.",
            advice="Make jobs of them with .infinity.seeded(), .renew(), .retry() or .sweep().",
            verb=verb,
        )
    return origin_for(frame, session)


def seeded(frame: pd.DataFrame, session: HasOrigin | None = None) -> Frame:
    """Repeat the rows' jobs: their parameters and tags, with ``state`` set to the job's id."""
    origin = _origin(frame, session, "seeded()", "job_id")
    return as_frame(origin.jobs(parameters.seeded(origin.spec, frame)))


def renew(
    frame: pd.DataFrame, n: int = 1, seed: int | None = None, session: HasOrigin | None = None
) -> Frame:
    """Make `n` jobs of each row with the same parameters and fresh random decisions."""
    if "job_id" in frame.columns:
        origin = _origin(frame, session, "renew()", "job_id")
    else:
        origin = origin_for(frame, session)
    return as_frame(origin.jobs(parameters.renewed(origin.spec, frame, n, seed)))


def retry(frame: pd.DataFrame, session: HasOrigin | None = None) -> Frame:
    """Make jobs with fresh seeds of the failed rows."""
    origin = _origin(frame, session, "retry()", "job_id", "status")
    failed = frame[frame["status"] == "failed"]
    cancelled = int((frame["status"] == "cancelled").sum())
    if cancelled:
        jobs = "1 cancelled job is" if cancelled == 1 else f"{cancelled} cancelled jobs are"
        warn_user(
            f"{jobs} not repeated, since the seed was not at fault. To render them with their own "
            'seeds: frame[frame["status"] == "cancelled"].infinity.seeded().',
        )
    return as_frame(origin.jobs(parameters.reseeded(origin.spec, failed)))


def _origin(frame: pd.DataFrame, session: HasOrigin | None, verb: str, *columns: str) -> Origin:
    kind = RESULTS if "path" in frame.columns else BATCH
    kind.require(frame, columns or ("batch_id", "job_id"), verb)
    return origin_for(frame, session)


def _batches(frame: pd.DataFrame) -> list[str]:
    return [str(batch) for batch in frame["batch_id"].dropna().unique()]
