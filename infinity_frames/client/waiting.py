"""Waiting for jobs: small polls, less frequent over time, never beyond the time limit."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from infinity_frames.client.http import UNFINISHED, RestClient, status, statuses
from infinity_frames.io.progress import progress
from infinity_frames.protocol.errors import (
    BatchTimeout,
    RequestTimeout,
    ServerFault,
    ServerUnreachable,
    UnknownJob,
)
from infinity_frames.protocol.warnings import warn_user

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Wait", "warn_of_failures"]

FASTEST_POLL = 0.2
SLOWEST_POLL = 5.0
PATIENCE = 300.0
"""Seconds that a server may be unreachable, as when it restarts, before waiting fails."""


class Wait:
    """Polls summaries until the wanted jobs have finished, showing progress."""

    def __init__(
        self,
        rest: RestClient,
        frame: pd.DataFrame,
        interval: float | None,
        timeout: float | None,
    ) -> None:
        self.rest, self.interval, self.timeout = rest, interval, timeout
        groups = frame.groupby("batch_id", sort=False, observed=True)["job_id"]
        self.open = {str(batch): set(map(str, jobs)) for batch, jobs in groups}
        self.left = {batch: len(jobs) for batch, jobs in self.open.items()}
        self.revision = dict.fromkeys(self.open, 0)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.frames = _frames(frame)
        # Previews, and jobs of unknown length, count as jobs.
        self.unit = "frames" if max(self.frames.values(), default=1) > 1 else "jobs"
        self.started = self.heard = time.monotonic()

    def run(self) -> list[dict[str, Any]]:
        """Wait, and return the jobs' last objects.

        Raises
        ------
        KeyboardInterrupt
            With a message: an interrupted wait does not stop the jobs.
        """
        try:
            return self._run()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._interrupted()) from None

    def _interrupted(self) -> str:
        left = sum(self.left.values())
        batches = [batch for batch, count in self.left.items() if count]
        batch = batches[0] if batches else next(iter(self.left), "")
        more = f" (and {len(batches) - 1} more batches)" if len(batches) > 1 else ""
        return (
            f"Stopped waiting; {left} job{'s' * (left != 1)} of batch {batch}{more} continue. "
            "Wait again with .infinity.await_completion(), come back later with "
            f'session.batch_from_api("{batch}"), or stop the jobs with .infinity.cancel().'
        )

    def _run(self) -> list[dict[str, Any]]:
        with progress(sum(self.frames.values()), self.unit) as bar:
            while True:
                for batch in list(self.open):
                    self._poll(batch, bar)
                bar.update(self._done() - bar.n)
                if not self.open:
                    return list(self.jobs.values())
                self._pause()

    def _done(self) -> int:
        """Return frames of the jobs that have finished."""
        finished = (job for job in self.jobs.values() if status(job) not in UNFINISHED)
        return sum(self.frames.get(job["id"], 0) for job in finished)

    def _poll(self, batch: str, bar: tqdm[Any]) -> None:
        try:
            since = self.revision[batch]
            data = self.rest.batch_summary(batch, since=since, within=self._time_left())
        except (ServerUnreachable, RequestTimeout, ServerFault):
            self._pause_allowed()
            if time.monotonic() - self.heard > PATIENCE:
                raise
            bar.set_postfix_str("the server does not answer; still trying", refresh=False)
            return
        self.heard = time.monotonic()
        self.revision[batch] = data.get("revision") or 0
        self.jobs.update((job["id"], job) for job in data["job_runs"])
        unknown_jobs = self.open[batch] - self.jobs.keys()
        if unknown_jobs:
            raise UnknownJob(
                f"Batch {batch} has no job {min(unknown_jobs)}.",
                advice="The frame may belong to another server; try batch_from_api().",
                batch=batch,
                jobs=sorted(unknown_jobs),
            )
        states = statuses(self.jobs[job] for job in self.open[batch])
        self.left[batch] = sum(states[state] for state in UNFINISHED)
        notes = [f"{states['failed']} failed" if states["failed"] else "", data.get("message")]
        if self.unit == "frames":
            total = len(self.frames)
            notes.insert(0, f"{total - sum(self.left.values())} of {total} jobs")
        bar.set_postfix_str(", ".join(str(part) for part in notes if part), refresh=False)
        if not self.left[batch]:
            del self.open[batch]

    def _time_left(self) -> float | None:
        if self.timeout is None:
            return None
        # The last poll gets a moment even when the time is over, so that timeout=0 polls once.
        return max(self.started + self.timeout - time.monotonic(), 0.5)

    def _pause_allowed(self) -> float:
        """Return seconds to sleep; raises BatchTimeout when the time is over."""
        elapsed = time.monotonic() - self.started
        pause = self.interval
        if pause is None:
            # In proportion to the wait so far: a finished job is noticed at most 5 % late.
            pause = min(max(0.05 * elapsed, FASTEST_POLL), SLOWEST_POLL)
        if self.timeout is None:
            return pause
        if elapsed >= self.timeout:
            remaining = sum(self.left.values())
            raise BatchTimeout(
                f"{remaining} of the jobs had not finished after {self.timeout:g} s.",
                advice="They continue: wait again, or cancel() them.",
                batch=next(iter(self.open)),
                remaining=remaining,
            )
        return min(pause, self.timeout - elapsed)

    def _pause(self) -> None:
        time.sleep(self._pause_allowed())


def _frames(frame: pd.DataFrame) -> dict[str, int]:
    """Estimated frames of each job; one each unless all are known."""
    ids = frame["job_id"].astype(str)
    known = frame.get("estimated_samples")
    if known is None or known.isna().any():
        return dict.fromkeys(ids, 1)
    return {job: max(int(count), 1) for job, count in zip(ids, known, strict=True)}


def warn_of_failures(frame: pd.DataFrame) -> None:
    """Warn if jobs failed: how many, and why."""
    failed = frame[frame["status"] == "failed"]
    if failed.empty:
        return
    reasons = Counter(failed["error"].fillna("the server gives no reason")).most_common(3)
    listed = "; ".join(f"{reason} ({count} x)" for reason, count in reasons)
    warn_user(
        f"{len(failed)} of {len(frame)} jobs failed: {listed}. "
        'Look at them with frame[frame.status == "failed"]; .infinity.retry() makes new jobs of '
        "them."
    )
