"""The runner for one machine: supervised worker processes, one per core, started when needed.

A worker that dies, hangs or exceeds its memory limit loses only its current job: every worker has
its own pipe, so no shared queue can be left locked by a dying process.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import shutil
import signal
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import psutil

from infinity_frames.engine.service import forks
from infinity_frames.engine.service.credentials import hide_credentials
from infinity_frames.engine.service.ports import Outcome, Preparation, Sink, Task
from infinity_frames.engine.service.runners.processes import family, family_memory, kill_family
from infinity_frames.engine.service.runners.reports import BadReport, Report, listen
from infinity_frames.engine.service.runners.worker import main, scratch_folder
from infinity_frames.io.home import Home

__all__ = ["LocalRunner", "available_cores"]

# Reports that wait to be handled; a worker that sends more has to wait.
_MAX_REPORTS = 64
# Errors of a generator in a row, repeated by fresh processes, until no more are repeated.
_BELIEVED = 5
_ORDER = ("idle", "starting", "preparing", "rendering")
_SUPERVISION_S = 0.25
# The last report of a process that has died is read within this time.
_LAST_REPORT_S = 1.0
# Looking for child processes reads the whole process table.
_FAMILY_S = 1.0
_PREPARATION_LIMIT_S = 900.0
# A worker accepts an order within this time.
_SEND_LIMIT_S = 10
# A worker reports within this time that it has started with an order.
_START_LIMIT_S = 120.0
# A shorter preparation only loads compiled code from the cache, and needs no message.
_LONG_PREPARATION_S = 2.5


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    mark: str
    task: Task | None = None
    phase: str = "idle"
    since: float = 0.0
    memory: int = 0
    memory_read: float = 0.0
    family: list[psutil.Process] = field(default_factory=list)
    family_read: float = 0.0
    generators: set[str] = field(default_factory=set)
    """Generators that it has prepared, or was told to prepare."""
    died: float | None = None
    """When it was found dead."""
    used: bool = False
    """Whether it has ended a task before the present one."""

    def enter(self, phase: str) -> None:
        self.phase, self.since = phase, time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.since

    def measure_memory(self) -> int:
        """Return the memory of the process and its descendants, read at intervals."""
        now = time.monotonic()
        if now - self.family_read > _FAMILY_S and self.process.pid is not None:
            self.family_read, self.family = now, family(self.process.pid)
        if now - self.memory_read > _SUPERVISION_S / 2 and self.process.pid is not None:
            self.memory_read = now
            self.memory = family_memory(self.process.pid, self.family)
        return self.memory


class LocalRunner:
    """Renders in processes of this machine; implements :class:`.ports.Runner`.

    Parameters
    ----------
    home : Home
        Holds the scratch folder.
    sink : Sink or None
        Stores the finished archives of tasks without a sink of their own; the worker processes
        write to it.
    workers : int
        Maximum number of processes; they start with the first tasks and stay.
    memory_limit : int
        Bytes of resident memory that a worker may use.
    """

    stop_delay = 0.0

    def __init__(self, home: Home, sink: Sink | None, workers: int, memory_limit: int) -> None:
        self._home = home
        self._sink = sink
        self._limit = workers
        self._memory_limit = memory_limit
        self._workers: list[_Worker] = []
        # Errors of each generator in a row that a fresh process repeated.
        self._confirmed: Counter[str] = Counter()
        self._reports: queue.Queue[tuple[_Worker, Report | BadReport] | None]
        self._reports = queue.Queue(_MAX_REPORTS)
        hide_credentials()
        self._context = forks.context()

    def capacity(self) -> int:
        """Return how many more tasks could start now."""
        return self._limit - sum(worker.task is not None for worker in self._workers)

    def prepare(self, preparation: Preparation) -> None:
        """Let one worker load a generator before its first task arrives."""
        if any(preparation.generator in worker.generators for worker in self._workers):
            return
        idle = [worker for worker in self._workers if worker.phase == "idle"]
        if idle or len(self._workers) < self._limit:
            worker = idle[0] if idle else self._spawn()
            if self._tell(worker, preparation):
                worker.enter("preparing")

    def start(self, task: Task) -> None:
        """Start a task on a worker that has prepared its generator, else on any idle or new one."""
        while True:
            free = [worker for worker in self._workers if worker.task is None]
            free.sort(key=lambda worker: task.generator not in worker.generators)
            worker = free[0] if free else self._spawn()
            if _is_crowded(worker, task):
                self._end(worker)
                continue
            if self._begin(worker, task):
                return

    def poll(self, timeout: float) -> list[Outcome]:
        """Return outcomes since the last call; also stop tasks that exceed their limits."""
        if any(worker.task or worker.phase != "idle" for worker in self._workers):
            timeout = min(timeout, _SUPERVISION_S)
        outcomes = []
        for worker, report in self._received(timeout):
            # A worker that was ended may have left reports behind.
            outcome = self._hear(worker, report) if worker in self._workers else None
            if outcome is not None:
                outcomes.append(outcome)
        for worker in list(self._workers):
            outcome = self._supervise(worker)
            if outcome is not None:
                outcomes.append(outcome)
        return outcomes

    def stop(self, job_id: str) -> None:
        """Stop a task by killing its process: rendering code cannot be interrupted otherwise."""
        for worker in self._workers:
            if worker.task is not None and worker.task.job_id == job_id:
                self._end(worker)
                return

    def wake(self) -> None:
        """Make a `poll` that is waiting return."""
        with contextlib.suppress(queue.Full):
            self._reports.put_nowait(None)

    def activity(self) -> str | None:
        """Return a sentence about a running compilation, None if nothing compiles."""
        for worker in self._workers:
            if worker.task and worker.phase == "preparing" and worker.elapsed > _LONG_PREPARATION_S:
                return (
                    f"Preparing {worker.task.generator}: compiling the renderer takes about "
                    "20 s, once per machine."
                )
        return None

    def close(self) -> None:
        """Stop every process."""
        for worker in list(self._workers):
            self._end(worker)

    def _received(self, timeout: float) -> list[tuple[_Worker, Report | BadReport]]:
        """Wait for reports of workers, at most `timeout` s, or for `wake`."""
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._reports.get(timeout=timeout))
            while len(found) < _MAX_REPORTS:
                found.append(self._reports.get_nowait())
        return [one for one in found if one is not None]

    def _begin(self, worker: _Worker, task: Task) -> bool:
        if not self._tell(worker, task):
            return False
        worker.task = task
        if worker.phase == "idle":
            worker.enter("starting")
        return True

    def _tell(self, worker: _Worker, order: Task | Preparation) -> bool:
        """Send a worker its order; drop the worker and return False if it has died."""
        try:
            worker.connection.send(order)
        except OSError:
            self._end(worker)
            return False
        worker.generators.add(order.generator)
        return True

    def _spawn(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        mark = secrets.token_hex(16)
        given = (theirs, self._home, self._sink, mark)
        process = self._context.Process(target=main, args=given)
        process.start()
        # Close our copy of its end, so that the death of the worker reads as end of file.
        theirs.close()
        _limit_sending(ours)
        worker = _Worker(process, ours, mark)
        self._workers.append(worker)
        listen(ours, lambda report: self._reports.put((worker, report)))
        return worker

    def _hear(self, worker: _Worker, report: Report | BadReport) -> Outcome | None:
        """Handle a report; generator code shares the process, so anything may arrive."""
        if isinstance(report, BadReport):
            sentence = f"The worker process sent an unreadable report ({report})."
            return self._give_up(worker, "failed", sentence)
        if report.phase == "ended":
            return self._give_up(worker, "lost", _how_it_died(worker.process))
        if report.outcome is not None:
            return self._finish(worker, report, report.outcome)
        if report.phase == "idle":
            # The worker may have received a task while it was preparing; the task starts now.
            worker.enter("starting" if worker.task else "idle")
        elif _ORDER.index(report.phase) > _ORDER.index(worker.phase):
            worker.enter(report.phase)
        elif report.phase != worker.phase:
            # Going back would start the time of its limit again.
            sentence = f"The worker process reported {report.phase!r} while {worker.phase}."
            return self._give_up(worker, "failed", sentence)
        return None

    def _finish(self, worker: _Worker, report: Report, outcome: Outcome) -> Outcome | None:
        task = worker.task
        if task is None or outcome.job_id != task.job_id:
            return self._give_up(worker, "failed", "The worker reported about another job.")
        if report.unexpected and self._may_be_spoiled(worker, task):
            self._end(worker)
            if self._begin(self._spawn(), task):
                return None
            return Outcome(task.job_id, "lost", "The process that should render it did not start.")
        if not worker.used:
            repeated = self._confirmed[task.generator] + 1 if report.unexpected else 0
            self._confirmed[task.generator] = repeated
        worker.task, worker.used = None, True
        worker.enter("idle")
        return outcome

    def _may_be_spoiled(self, worker: _Worker, task: Task) -> bool:
        """Return whether a task that failed deserves another try in a fresh process.

        An earlier task may have changed the process: its environment, limits or modules. After some
        errors of a generator that fresh processes repeated, further ones are not tried again.
        """
        if worker.generators - {task.generator}:
            return True
        return worker.used and self._confirmed[task.generator] < _BELIEVED

    def _supervise(self, worker: _Worker) -> Outcome | None:
        """Stop a worker that exceeds a limit or is dead, whether it has a task or not."""
        if worker.process.exitcode is not None:
            # Usually its connection tells, unless a process that it forked holds it open.
            worker.died = worker.died or time.monotonic()
            if time.monotonic() - worker.died > _LAST_REPORT_S:
                return self._give_up(worker, "lost", _how_it_died(worker.process))
            return None
        if worker.phase == "starting" and worker.elapsed > _START_LIMIT_S:
            return self._give_up(worker, "lost", "Its worker process did not start the job.")
        if worker.phase == "preparing" and worker.elapsed > _PREPARATION_LIMIT_S:
            return self._give_up(worker, "lost", "Its worker was not ready within 15 minutes.")
        task = worker.task
        if task is not None and worker.phase == "rendering" and worker.elapsed > task.time_limit:
            limit = f"{task.time_limit:g} s"
            return self._give_up(
                worker, "failed", f"The job took longer than its limit of {limit}."
            )
        most = self._memory_limit
        if task is not None and task.memory_limit is not None:
            most = min(most, task.memory_limit)
        if worker.measure_memory() > most:
            limit = f"{most / 2**30:.2g} GiB"
            return self._give_up(
                worker, "failed", f"The job used more memory than its limit of {limit}."
            )
        return None

    def _give_up(self, worker: _Worker, kind: str, error: str) -> Outcome | None:
        task = worker.task
        self._end(worker)
        if task is None:
            return None
        return Outcome(task.job_id, "failed" if kind == "failed" else "lost", error=error)

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        _kill(worker.process, worker.mark)
        if worker.task is not None:
            scratch = scratch_folder(self._home, worker.task.job_id, worker.process.pid)
            shutil.rmtree(scratch, ignore_errors=True)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_crowded(worker: _Worker, task: Task) -> bool:
    """Return whether other generators left a worker with too little of a task's own limit."""
    if task.memory_limit is None or not worker.generators - {task.generator}:
        return False
    return worker.measure_memory() > task.memory_limit / 2


def _limit_sending(connection: Connection) -> None:
    """Let a large order to a worker that does not read fail instead of waiting for ever (Linux)."""
    if sys.platform == "linux":
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            limit = struct.pack("@ll", _SEND_LIMIT_S, 0)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _how_it_died(process: BaseProcess) -> str:
    process.join(1.0)
    code = process.exitcode
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    return f"The process that rendered it died {how}."


def _kill(process: BaseProcess, mark: str) -> None:
    """Kill a worker and all its descendants."""
    if process.pid is not None:
        # Descendants first: while the worker lives, orphaned ones are still its children.
        kill_family(process.pid, mark)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
