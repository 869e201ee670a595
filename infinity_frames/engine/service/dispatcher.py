"""The dispatcher thread: leases queued jobs to the runner and records their outcomes."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Set
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DatabaseError, OperationalError

from infinity_frames.engine.generators.base import Limits, limits_of
from infinity_frames.engine.service import queue, registry
from infinity_frames.engine.service.outcomes import checked_outcome
from infinity_frames.engine.service.ports import (
    Archives,
    Outcome,
    Preparation,
    Runner,
    Store,
    Task,
)
from infinity_frames.protocol.errors import ArchivesUnavailable, UnknownGenerator

__all__ = ["Dispatcher"]

_IDLE_WAIT_S = 5.0
# Pause before the next attempt when the disk is full or the database is locked.
_PAUSE_S = 5.0
# A job that finds the disk full this often, while others have room, is too large for it.
_MAX_SPACE_ATTEMPTS = 3
# Interval at which engines that share a store look for the changes of the others.
_BEAT_S = 2.0
# A deferred job that was not leased again after this time was cancelled.
_FORGET_S = 3600.0
_DATABASE_PROBLEM = "The engine's database cannot be written; check that its disk has room."
_FULL_DISK = "The disk is full: jobs wait until it has room."
_log = logging.getLogger(__name__)


class _Deferred(NamedTuple):
    """A queued job that waits: failed attempts so far, the time of the next one, and why."""

    attempts: int
    until: float
    reason: str


class Dispatcher:
    """Moves jobs between store and runner, in a thread of its own.

    Parameters
    ----------
    store : Store
        Holds the queue.
    runner : Runner
        Renders the jobs; only this thread uses it.
    archives : Archives
        Must hold the archive of every job that is recorded as completed.
    time_limit : float, optional
        Seconds that a job may take at most, if its generator does not state less; by default what
        its generator states, or ten minutes plus five seconds per sample.
    disk_is_full : callable, optional
        Returns whether the disk has no room, for any job. By default it always has.
    home : str
        The engine's home; an earlier engine of the same home on this machine is dead.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        archives: Archives,
        time_limit: float | None = None,
        disk_is_full: Callable[[], bool] = lambda: False,
        home: str = "",
    ) -> None:
        self._store = store
        self._runner = runner
        self._archives = archives
        self._time_limit = time_limit
        self._disk_is_full = disk_is_full
        # Identifies this run of the engine in its leases.
        self._owner = str(uuid.uuid4())
        self._home = f"{socket.gethostname()}:{home}"
        self._next_beat = 0.0
        self._cancelled: deque[str] = deque()
        self._preparations: deque[Preparation] = deque()
        # Outcomes as the runner reported them, and those that can be recorded.
        self._reported: deque[Outcome] = deque()
        self._outcomes: deque[Outcome] = deque()
        # Archives of stopped jobs to be deleted again: the time, and the job.
        self._late_archives: deque[tuple[float, str]] = deque()
        self._running: set[str] = set()
        # Batches of recently started jobs, for the log.
        self._batches: dict[str, str] = {}
        self._paused_until = 0.0
        self._problem: str | None = None
        self._deferred: dict[str, _Deferred] = {}
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
            queue.register(connection, self._owner, self._home)
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
        if self._running or self._reported or self._outcomes:
            return False
        return not self._unfinished()

    def stop(self) -> None:
        """Stop rendering; unfinished jobs return to the queue without losing an attempt."""
        self._stopping.set()
        self._runner.wake()
        self._thread.join()
        self._runner.close()
        try:
            self._check_reported()
            self._delete_late_archives(math.inf)
        except ArchivesUnavailable as error:
            # The unchecked jobs are rendered again, and the next start deletes the archives.
            _log.warning("%s", error)
        try:
            with self._store.write() as connection:
                for outcome in self._outcomes:
                    self._settle(connection, outcome)
                for job_id in self._running:
                    queue.release(connection, job_id, self._owner, "", counted=False)
        except DatabaseError as error:
            # The next start returns these jobs to the queue.
            _log.warning("the last outcomes could not be recorded: %s", error.orig)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._store.shared:
                    self._beat()
                while self._cancelled:
                    self._drop(self._cancelled[0])
                    self._cancelled.popleft()
                self._delete_late_archives(time.monotonic())
                self._check_reported()
                self._record_and_lease()
                while self._preparations:
                    self._runner.prepare(self._preparations.popleft())
                shared = self._store.shared
                self._reported.extend(self._runner.poll(_BEAT_S if shared else _IDLE_WAIT_S))
            except ArchivesUnavailable as error:
                self._pause(str(error))
                self._stopping.wait(1.0)
            except OperationalError as error:
                # Outcomes that could not be recorded stay in the list for the next attempt.
                _log.warning("the database cannot be written: %s", error.orig)
                self._pause(_DATABASE_PROBLEM)
                self._stopping.wait(1.0)
            except DatabaseError as error:
                _log.warning("the database is damaged: %s", error.orig)
                self._pause(f"The engine's database is damaged ({error.orig}).")
                self._stopping.wait(_PAUSE_S)
            except Exception:
                _log.exception("internal error of the dispatcher")
                self._pause("Internal engine error; see the engine log for details.")
                self._stopping.wait(1.0)

    def _beat(self) -> None:
        """Show that this engine lives, take over jobs of dead ones, and stop jobs that it lost."""
        if time.monotonic() < self._next_beat:
            return
        with self._store.write() as connection:
            queue.beat(connection, self._owner)
            queue.recover(connection)
            held = queue.still_leased(connection, self._owner, self._running)
        ended = {outcome.job_id for outcome in (*self._reported, *self._outcomes)}
        for job_id in self._running - held - ended:
            # Its archive stays: another engine may have finished the job meanwhile.
            self._runner.stop(job_id)
            self._running.discard(job_id)
        self._next_beat = time.monotonic() + _BEAT_S

    def _check_reported(self) -> None:
        """Check outcomes one by one; those that cannot be checked now stay for the next attempt."""
        while self._reported:
            self._outcomes.append(checked_outcome(self._reported[0], self._archives))
            self._reported.popleft()

    def _delete_late_archives(self, now: float) -> None:
        """Delete archives that jobs stored after they had been told to stop."""
        while self._late_archives and self._late_archives[0][0] <= now:
            self._archives.delete([self._late_archives[0][1]])
            self._late_archives.popleft()

    def _record_and_lease(self) -> None:
        """Record outcomes and lease the next jobs in one transaction, as each costs a disk sync."""
        for outcome in self._outcomes:
            if outcome.kind == "no_space" and self._disk_is_full():
                self._pause(_FULL_DISK)
        free = self._free()
        if not self._outcomes and not (free and self._unfinished()):
            return
        try:
            with self._store.write() as connection:
                for outcome in self._outcomes:
                    self._settle(connection, outcome)
                leased = queue.lease(connection, self._owner, free, self._waiting()) if free else ()
        except DatabaseError as error:
            if isinstance(error, OperationalError) or not self._outcomes:
                raise
            self._record_one_by_one()
            return
        except Exception:
            if not self._outcomes:
                raise
            self._record_one_by_one()
            return
        self._running.difference_update(outcome.job_id for outcome in self._outcomes)
        self._outcomes.clear()
        self._batches = {job: self._batches[job] for job in self._running if job in self._batches}
        for row in leased:
            self._start(row)

    def _record_one_by_one(self) -> None:
        """Record each outcome in its own transaction: one that cannot be recorded fails its job."""
        _log.exception("outcomes could not be recorded together")
        while self._outcomes:
            outcome = self._outcomes[0]
            try:
                with self._store.write() as connection:
                    self._settle(connection, outcome)
            except OperationalError:
                raise
            except Exception:
                _log.exception(
                    "the outcome of job %s could not be recorded",
                    outcome.job_id,
                    extra=self._ids(outcome.job_id),
                )
                with self._store.write() as connection:
                    error = "Internal engine error: the outcome of the job could not be recorded."
                    queue.fail(connection, outcome.job_id, self._owner, error)
            self._outcomes.popleft()
            self._running.discard(outcome.job_id)

    def _start(self, row: Row[Any]) -> None:
        self._running.add(row.id)
        self._batches[row.id] = row.batch_id
        try:
            self._runner.start(self._task(row))
        except Exception as error:
            _log.exception("job %s could not be started", row.id, extra=self._ids(row.id))
            outcome = Outcome(row.id, "lost", f"The job could not be started: {error}")
            self._reported.append(outcome)

    def _ids(self, job_id: str) -> dict[str, str | None]:
        """Return the ids that structured log lines about a job carry."""
        return {"job": job_id, "batch": self._batches.get(job_id)}

    def _free(self) -> int:
        now = time.monotonic()
        if now < self._paused_until:
            return 0
        # A waiting job shows its reason, although other jobs run.
        waiting = self._waiting()
        self._problem = self._deferred[waiting[0]].reason if waiting else None
        return self._runner.capacity()

    def _waiting(self) -> list[str]:
        """Return the jobs whose next attempt is later, so that others go before them."""
        now = time.monotonic()
        for job_id, deferred in list(self._deferred.items()):
            if now > deferred.until + _FORGET_S:
                del self._deferred[job_id]
        return [job_id for job_id, deferred in self._deferred.items() if deferred.until > now]

    def _unfinished(self) -> bool:
        with self._store.read() as connection:
            return queue.unfinished(connection)

    def _task(self, row: Row[Any]) -> Task:
        stated = _stated_limits(row.generator)
        limit = (stated or Limits()).time(row.estimated)
        if self._time_limit is not None:
            limit = min(self._time_limit, limit) if stated else self._time_limit
        return Task(
            job_id=row.id,
            generator=row.generator,
            params=orjson.loads(row.params),
            seed=row.seed,
            is_preview=row.is_preview,
            time_limit=limit,
            memory_limit=stated.memory if stated else None,
        )

    def _settle(self, connection: Connection, outcome: Outcome) -> None:
        job_id, owner = outcome.job_id, self._owner
        match outcome.kind:
            case "completed":
                recorded = queue.complete(
                    connection,
                    job_id,
                    owner,
                    outcome.samples,
                    outcome.sha256,
                    outcome.archive_bytes,
                    outcome.labels,
                )
                if not recorded and queue.is_cancelled(connection, job_id):
                    # It was cancelled after rendering: its archive has to be deleted too.
                    self._cancelled.append(job_id)
            case "failed":
                _log.warning("job %s failed: %s", job_id, outcome.error, extra=self._ids(job_id))
                error, traceback = outcome.error, outcome.traceback or None
                if queue.fail(connection, job_id, owner, error, traceback):
                    # It may have exceeded a limit after its archive was stored.
                    self._cancelled.append(job_id)
            case "lost":
                _log.warning("job %s was lost: %s", job_id, outcome.error, extra=self._ids(job_id))
                queue.release(connection, job_id, owner, outcome.error, counted=True)
            case "no_space":
                self._settle_without_space(connection, job_id)
            case "interrupted":
                _log.warning(
                    "job %s was interrupted: %s", job_id, outcome.error, extra=self._ids(job_id)
                )
                until = time.monotonic() + _PAUSE_S
                self._deferred[job_id] = _Deferred(0, until, outcome.error)
                queue.release(connection, job_id, owner, "", counted=False)
        if outcome.kind not in ("no_space", "interrupted"):
            self._deferred.pop(job_id, None)

    def _settle_without_space(self, connection: Connection, job_id: str) -> None:
        """Let a job that found the disk full wait, or fail once it is known to be too large."""
        deferred = self._deferred.get(job_id)
        attempts = deferred.attempts if deferred else 0
        if not self._disk_is_full():
            # Its files are deleted by now and there is room again: it was the job that filled it.
            attempts += 1
        if attempts >= _MAX_SPACE_ATTEMPTS:
            self._deferred.pop(job_id, None)
            error = (
                f"The disk was full in each of {attempts} attempts: the files of the job do not "
                "fit. Free space on the engine's disk, or reduce the size of the job."
            )
            queue.fail(connection, job_id, self._owner, error)
            return
        _log.warning("job %s found the disk full", job_id, extra=self._ids(job_id))
        until = time.monotonic() + _PAUSE_S * max(attempts, 1)
        self._deferred[job_id] = _Deferred(attempts, until, _FULL_DISK)
        queue.release(connection, job_id, self._owner, "", counted=False)

    def _drop(self, job_id: str) -> None:
        """Stop a job that has ended in the store, and delete its archive."""
        self._runner.stop(job_id)
        self._running.discard(job_id)
        self._deferred.pop(job_id, None)
        self._archives.delete([job_id])
        if self._runner.stop_delay:
            self._late_archives.append((time.monotonic() + self._runner.stop_delay, job_id))

    def _pause(self, reason: str) -> None:
        if reason != self._problem:
            _log.warning("%s", reason)
        self._problem = reason
        self._paused_until = time.monotonic() + _PAUSE_S


def _stated_limits(generator: str) -> Limits | None:
    try:
        return limits_of(registry.generator(generator))
    except UnknownGenerator:
        return None  # the worker fails the job with the reason
