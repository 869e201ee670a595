"""Waiting for jobs: small polls, further apart the longer it takes, never past the time limit."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from infinity_frames.client.http import UNFINISHED, Rest, statuses
from infinity_frames.io.progress import progress
from infinity_frames.protocol.errors import (
    BatchTimeout,
    RequestTimeout,
    ServerFault,
    ServerUnreachable,
    UnknownJob,
)

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Wait", "warn_of_failures"]

FASTEST_POLL = 0.2
SLOWEST_POLL = 5.0
PATIENCE = 300.0
"""Seconds a server may be away (restarting) while its jobs are waited for."""


class Wait:
    """Polls summaries until the wanted jobs have finished, showing progress."""

    def __init__(
        self,
        rest: Rest,
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
        self.started = self.heard = time.monotonic()

    def run(self) -> list[dict[str, Any]]:
        """The jobs' last objects."""
        total = sum(self.left.values())
        with progress(total, "jobs") as bar:
            while True:
                for batch in list(self.open):
                    self._poll(batch, bar)
                bar.update(total - sum(self.left.values()) - bar.n)
                if not self.open:
                    return list(self.jobs.values())
                self._pause()

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
        strangers = self.open[batch] - self.jobs.keys()
        if strangers:
            raise UnknownJob(
                f"Batch {batch} has no job {min(strangers)}.",
                advice="Is this frame of another server? Take the batch up with batch_from_api().",
                batch=batch,
                jobs=sorted(strangers),
            )
        states = statuses(self.jobs[job] for job in self.open[batch])
        self.left[batch] = sum(states[state] for state in UNFINISHED)
        said = [f"{states['failed']} failed" if states["failed"] else "", data.get("message")]
        bar.set_postfix_str(", ".join(str(part) for part in said if part), refresh=False)
        if not self.left[batch]:
            del self.open[batch]

    def _time_left(self) -> float | None:
        if self.timeout is None:
            return None
        # A last look is allowed a moment even when the time is over: timeout=0 means "now?".
        return max(self.started + self.timeout - time.monotonic(), 0.5)

    def _pause_allowed(self) -> float:
        """Seconds to sleep; raises when the time is over."""
        elapsed = time.monotonic() - self.started
        pause = self.interval
        if pause is None:
            # In proportion to the wait so far: done jobs are noticed at most 5 % late.
            pause = min(max(0.05 * elapsed, FASTEST_POLL), SLOWEST_POLL)
        if self.timeout is None:
            return pause
        if elapsed >= self.timeout:
            remaining = sum(self.left.values())
            raise BatchTimeout(
                f"{remaining} of the jobs had not finished after {self.timeout:g} s.",
                advice="They go on: wait again, or cancel() them.",
                batch=next(iter(self.open)),
                remaining=remaining,
            )
        return min(pause, self.timeout - elapsed)

    def _pause(self) -> None:
        time.sleep(self._pause_allowed())


def warn_of_failures(frame: pd.DataFrame) -> None:
    """Say how many of the jobs failed, and why, if any did."""
    failed = frame[frame["status"] == "failed"]
    if failed.empty:
        return
    reasons = Counter(failed["error"].fillna("the server gives no reason")).most_common(3)
    said = "; ".join(f"{reason} ({count} x)" for reason, count in reasons)
    warnings.warn(
        f"{len(failed)} of {len(frame)} jobs failed: {said}. "
        'Look at them with frame[frame.status == "failed"]; .infinity.retry() makes them anew.',
        stacklevel=4,
    )
