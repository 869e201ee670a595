"""The dispatcher thread: leases queued jobs to the runner and records their outcomes."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Set
from typing import Any

import orjson
from sqlalchemy import Connection, Row
from sqlalchemy.exc import OperationalError

from infinity_frames.engine.service import queue
from infinity_frames.engine.service.ports import Outcome, Preparation, Runner, Store, Task

__all__ = ["Dispatcher"]

_IDLE_WAIT_S = 5.0
# Pause before the next attempt when the disk is full or the database is locked.
_PAUSE_S = 5.0
_BASE_LIMIT_S = 600.0
_LIMIT_PER_SAMPLE_S = 5.0
_log = logging.getLogger(__name__)


class Dispatcher:
    """Moves jobs between store and runner, in a thread of its own.

    Parameters
    ----------
    store : Store
        Holds the queue.
    runner : Runner
        Renders the jobs; only this thread uses it.
    time_limit : float, optional
        Seconds that a job may take; by default ten minutes plus five seconds per sample.
    """

    def __init__(self, store: Store, runner: Runner, time_limit: float | None = None) -> None:
        self._store = store
        self._runner = runner
        self._time_limit = time_limit
        # Identifies this run of the engine in its leases.
        self._owner = str(uuid.uuid4())
        self._cancelled: deque[str] = deque()
        self._preparations: deque[Preparation] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._running: set[str] = set()
        self._paused_until = 0.0
        self._problem: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self, rendering: Set[str]) -> None:
        """Return jobs of a killed engine to the queue, then start the thread.

        Parameters
        ----------
        rendering : set of str
            Ids of the jobs that were being rendered when that engine died.
        """
        with self._store.write() as connection:
            queue.recover(connection, rendering)
        self._thread.start()

    def wake(self) -> None:
        """Tell the thread about new jobs."""
        self._runner.wake()

    def prepare(self, generator: str) -> None:
        """Let a worker prepare a generator whose jobs may follow soon."""
        self._preparations.append(Preparation(generator))
        self._runner.wake()

    def cancel(self, job_ids: Iterable[str]) -> None:
        """Stop rendering jobs that are already recorded as cancelled."""
        self._cancelled.extend(job_ids)
        self._runner.wake()

    def message(self) -> str | None:
        """Return a sentence about what delays jobs, None if nothing does."""
        return self._problem or self._runner.activity()

    def idle(self) -> bool:
        """Return whether no job is queued, running, or waiting to be recorded."""
        if self._running or self._outcomes:
            return False
        return not self._unfinished()

    def stop(self) -> None:
        """Stop rendering; unfinished jobs return to the queue without losing an attempt."""
        self._stopping.set()
        self._runner.wake()
        self._thread.join()
        self._runner.close()
        with self._store.write() as connection:
            for outcome in self._outcomes:
                self._settle(connection, outcome)
            for job_id in self._running:
                queue.release(connection, job_id, self._owner, "", counted=False)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                while self._cancelled:
                    self._drop(self._cancelled.popleft())
                self._book()
                while self._preparations:
                    self._runner.prepare(self._preparations.popleft())
                self._outcomes.extend(self._runner.poll(_IDLE_WAIT_S))
            except OperationalError as error:
                # Outcomes that could not be recorded stay in the list for the next attempt.
                _log.warning("the database cannot be written: %s", error.orig)
                self._pause(
                    "The engine's database cannot be written; check that its disk has room."
                )
                self._stopping.wait(1.0)
            except Exception:
                _log.exception("internal error of the dispatcher")
                self._pause("Internal engine error; see the engine log for details.")
                self._stopping.wait(1.0)

    def _book(self) -> None:
        """Record outcomes and lease the next jobs in one transaction, as each costs a disk sync."""
        if any(outcome.kind == "no_space" for outcome in self._outcomes):
            self._pause("The disk is full: rendering waits until there is room.")
        free = self._free()
        if not self._outcomes and not (free and self._unfinished()):
            return
        with self._store.write() as connection:
            for outcome in self._outcomes:
                self._settle(connection, outcome)
            leased = queue.lease(connection, self._owner, free) if free else ()
        self._running.difference_update(outcome.job_id for outcome in self._outcomes)
        self._outcomes.clear()
        for row in leased:
            self._running.add(row.id)
            try:
                self._runner.start(self._task(row))
            except Exception as error:
                _log.exception("job %s could not be started", row.id)
                self._outcomes.append(
                    Outcome(row.id, "lost", f"The job could not be started: {error}")
                )

    def _free(self) -> int:
        if time.monotonic() < self._paused_until:
            return 0
        self._problem = None
        return self._runner.capacity()

    def _unfinished(self) -> bool:
        with self._store.read() as connection:
            return queue.unfinished(connection)

    def _task(self, row: Row[Any]) -> Task:
        limit = self._time_limit or _BASE_LIMIT_S + _LIMIT_PER_SAMPLE_S * row.estimated
        return Task(
            job_id=row.id,
            generator=row.generator,
            params=orjson.loads(row.params),
            seed=row.seed,
            is_preview=row.is_preview,
            time_limit=limit,
        )

    def _settle(self, connection: Connection, outcome: Outcome) -> None:
        job_id, owner = outcome.job_id, self._owner
        match outcome.kind:
            case "completed":
                samples, sha256 = outcome.samples, outcome.sha256
                if not queue.complete(connection, job_id, owner, samples, sha256):
                    # It was cancelled after rendering: its archive has to be deleted too.
                    self._cancelled.append(job_id)
            case "failed":
                _log.warning("job %s failed: %s", job_id, outcome.error)
                queue.fail(connection, job_id, owner, outcome.error)
            case "lost":
                _log.warning("job %s was lost: %s", job_id, outcome.error)
                queue.release(connection, job_id, owner, outcome.error, counted=True)
            case "no_space":
                queue.release(connection, job_id, owner, outcome.error, counted=False)

    def _drop(self, job_id: str) -> None:
        self._runner.stop(job_id)
        self._running.discard(job_id)

    def _pause(self, reason: str) -> None:
        if reason != self._problem:
            _log.warning("%s", reason)
        self._problem = reason
        self._paused_until = time.monotonic() + _PAUSE_S
