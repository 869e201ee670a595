"""The runner of this machine: supervised worker processes, one per core, spawned when needed.

A worker that dies, hangs or eats too much memory costs the job it was at, and nothing else: each
has a pipe of its own, so there is no queue that a dying process could leave locked.
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

from infinity_frames.engine.service.ports import Outcome, Preparation, Task
from infinity_frames.engine.service.runners.worker import Report, archive_name, main
from infinity_frames.io.home import Home

__all__ = ["LocalRunner", "available_cores"]

_SUPERVISION_S = 0.25
_PREPARATION_LIMIT_S = 900.0
# A shorter preparation only loads what was compiled before.
_WORTH_SAYING_S = 2.5
# One process per core: threads inside them would only fight each other. Spawned processes read
# these when they import numba, numpy and OpenCV.
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
    weighed: float = 0.0
    generators: set[str] = field(default_factory=set)
    """Those it has loaded, or was told to."""

    def enter(self, phase: str) -> None:
        self.phase, self.since = phase, time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.since


class LocalRunner:
    """Renders in processes of this machine.

    Parameters
    ----------
    home : Home
        Where the scratch and result folders are.
    workers : int
        Processes at most; they are started as tasks come and stay warm.
    memory_limit : int
        Bytes of resident memory that a worker may take.
    """

    def __init__(self, home: Home, workers: int, memory_limit: int) -> None:
        self._home = home
        self._limit = workers
        self._memory_limit = memory_limit
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")
        self._woken, self._waker = self._context.Pipe(duplex=False)
        for name, value in _SINGLE_THREAD.items():
            os.environ.setdefault(name, value)
        # What whoever starts the engine is to another server is no business of a generator's.
        os.environ.pop("INFINITY_TOKEN", None)

    def capacity(self) -> int:
        """How many tasks more could start now."""
        return self._limit - sum(worker.task is not None for worker in self._workers)

    def prepare(self, preparation: Preparation) -> None:
        """Have one worker load a generator, so that it need not when the first task comes."""
        if any(preparation.generator in worker.generators for worker in self._workers):
            return
        idle = [worker for worker in self._workers if worker.phase == "idle"]
        if idle or len(self._workers) < self._limit:
            worker = idle[0] if idle else self._spawn()
            if self._tell(worker, preparation):
                worker.enter("preparing")

    def start(self, task: Task) -> None:
        """Begin a task on an idle worker, best one that is ready for it, or on a new one."""
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
        """Tasks that ended since the last call; also ends those that overstep their limits."""
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
        """End a task with its process (rendering code cannot be interrupted otherwise)."""
        for worker in self._workers:
            if worker.task is not None and worker.task.job_id == job_id:
                self._end(worker)
                return
        self._discard(job_id)

    def wake(self) -> None:
        """Make a `poll` that is waiting return."""
        self._waker.send_bytes(b"")

    def activity(self) -> str | None:
        """What keeps tasks waiting: the compilation of a generator, while it goes on."""
        for worker in self._workers:
            if worker.task and worker.phase == "preparing" and worker.elapsed > _WORTH_SAYING_S:
                return (
                    f"Getting {worker.task.generator} ready: compiling the renderer takes about "
                    "20 s, once per machine."
                )
        return None

    def close(self) -> None:
        """End every process."""
        for worker in list(self._workers):
            self._end(worker)
        self._woken.close()
        self._waker.close()

    def _tell(self, worker: _Worker, order: Task | Preparation) -> bool:
        """Send a worker its order; one that has died is let go of."""
        try:
            worker.connection.send(order)
        except OSError:
            self._end(worker)
            return False
        worker.generators.add(order.generator)
        return True

    def _spawn(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=main, args=(theirs, self._home), daemon=False)
        process.start()
        # With our copy of its end closed, a dead worker reads as end of file at once.
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
        # A task may have been given to it while it was getting ready: it begins now.
        worker.enter("starting" if report == "idle" and worker.task else report)
        return None

    def _supervise(self, worker: _Worker) -> Outcome | None:
        if worker.task is None:
            return None
        if worker.phase != "rendering" and worker.elapsed > _PREPARATION_LIMIT_S:
            return self._give_up(worker, "lost", "Its worker was not ready in 15 minutes.")
        if worker.phase == "rendering" and worker.elapsed > worker.task.time_limit:
            limit = f"{worker.task.time_limit:g} s"
            return self._give_up(worker, "failed", f"It took longer than its limit of {limit}.")
        if time.monotonic() - worker.weighed > _SUPERVISION_S / 2:
            worker.weighed = time.monotonic()
            worker.memory = _memory(worker.process)
        if worker.memory > self._memory_limit:
            limit = f"{self._memory_limit / 2**30:.2g} GiB"
            return self._give_up(
                worker, "failed", f"It took more memory than its limit of {limit}."
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
        (self._home.results / archive_name(job_id)).unlink(missing_ok=True)


def available_cores() -> int:
    """Cores this process may use."""
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
    """End a worker and whatever it started: it leads a process group of its own."""
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
