"""The runner for one machine: supervised worker processes, one per core, spawned when needed.

A worker that dies, hangs or exceeds its memory limit loses only its current job: every worker has
its own pipe, so no shared queue can be left locked by a dying process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import psutil

from infinity_frames.engine.service.ports import Archives, Outcome, Preparation, Task
from infinity_frames.engine.service.runners.worker import Report, main
from infinity_frames.io.home import Home

__all__ = ["LocalRunner", "available_cores"]

_SUPERVISION_S = 0.25
_PREPARATION_LIMIT_S = 900.0
# A shorter preparation only loads compiled code from the cache, and needs no message.
_LONG_PREPARATION_S = 2.5
# With one process per core, threads inside the processes would compete. Spawned processes read
# these variables when they import numba, numpy and OpenCV.
_SINGLE_THREAD = {
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
}


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    task: Task | None = None
    phase: str = "idle"
    since: float = 0.0
    memory: int = 0
    memory_read: float = 0.0
    generators: set[str] = field(default_factory=set)
    """Generators that it has prepared, or was told to prepare."""

    def enter(self, phase: str) -> None:
        self.phase, self.since = phase, time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.since


class LocalRunner:
    """Renders in processes of this machine; implements :class:`.ports.Runner`.

    Parameters
    ----------
    home : Home
        Holds the scratch folder.
    archives : Archives
        Stores the finished archives; the worker processes write to it.
    workers : int
        Maximum number of processes; they start with the first tasks and stay.
    memory_limit : int
        Bytes of resident memory that a worker may use.
    """

    def __init__(self, home: Home, archives: Archives, workers: int, memory_limit: int) -> None:
        self._home = home
        self._archives = archives
        self._limit = workers
        self._memory_limit = memory_limit
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")
        self._woken, self._waker = self._context.Pipe(duplex=False)
        for name, value in _SINGLE_THREAD.items():
            os.environ.setdefault(name, value)
        # Hide the user's token for other servers from generator code.
        os.environ.pop("INFINITY_TOKEN", None)

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
            if not self._tell(worker, task):
                continue
            worker.task = task
            if worker.phase == "idle":
                worker.enter("starting")
            return

    def poll(self, timeout: float) -> list[Outcome]:
        """Return outcomes since the last call; also stop tasks that exceed their limits."""
        if any(worker.task for worker in self._workers):
            timeout = min(timeout, _SUPERVISION_S)
        sources = [worker.connection for worker in self._workers]
        ready = wait([self._woken, *sources], timeout)
        while self._woken.poll():
            self._woken.recv_bytes()
        outcomes = []
        for worker in list(self._workers):
            outcome = self._hear(worker) if worker.connection in ready else None
            outcome = outcome or self._supervise(worker)
            if outcome is not None:
                outcomes.append(outcome)
        return outcomes

    def stop(self, job_id: str) -> None:
        """Stop a task by killing its process: rendering code cannot be interrupted otherwise."""
        for worker in self._workers:
            if worker.task is not None and worker.task.job_id == job_id:
                self._end(worker)
                return
        self._discard(job_id)

    def wake(self) -> None:
        """Make a `poll` that is waiting return."""
        self._waker.send_bytes(b"")

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
        self._woken.close()
        self._waker.close()

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
        process = self._context.Process(target=main, args=(theirs, self._home, self._archives))
        process.start()
        # Close our copy of its end, so that the death of the worker reads as end of file.
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _hear(self, worker: _Worker) -> Outcome | None:
        try:
            report: Report = worker.connection.recv()
        except (EOFError, OSError):
            return self._give_up(worker, "lost", _how_it_died(worker.process))
        if isinstance(report, Outcome):
            worker.task = None
            worker.enter("idle")
            return report
        # The worker may have received a task while it was preparing; the task starts now.
        worker.enter("starting" if report == "idle" and worker.task else report)
        return None

    def _supervise(self, worker: _Worker) -> Outcome | None:
        if worker.task is None:
            return None
        if worker.phase != "rendering" and worker.elapsed > _PREPARATION_LIMIT_S:
            return self._give_up(
                worker, "lost", "Its worker process was not ready within 15 minutes."
            )
        if worker.phase == "rendering" and worker.elapsed > worker.task.time_limit:
            limit = f"{worker.task.time_limit:g} s"
            return self._give_up(
                worker, "failed", f"The job took longer than its limit of {limit}."
            )
        if time.monotonic() - worker.memory_read > _SUPERVISION_S / 2:
            worker.memory_read = time.monotonic()
            worker.memory = _memory(worker.process)
        if worker.memory > self._memory_limit:
            limit = f"{self._memory_limit / 2**30:.2g} GiB"
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
        _kill(worker.process)
        worker.connection.close()
        if worker.task is not None:
            self._discard(worker.task.job_id)

    def _discard(self, job_id: str) -> None:
        self._archives.delete([job_id])


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _how_it_died(process: BaseProcess) -> str:
    process.join(1.0)
    code = process.exitcode
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    return f"The process that rendered it died {how}."


def _memory(process: BaseProcess) -> int:
    try:
        return int(psutil.Process(process.pid).memory_info().rss)
    except psutil.Error:
        return 0


def _kill(process: BaseProcess) -> None:
    """Kill a worker and the processes it started: it leads its own process group."""
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
