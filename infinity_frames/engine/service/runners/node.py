"""The part of the Dask runner on the nodes: renders jobs in supervised child processes.

A Dask worker that receives its first job starts a supervisor, a program with a `LocalRunner`, so
that a job that crashes, hangs or takes too much memory costs only itself, as on one machine. The
supervisor is a process of its own because Dask workers may not start processes by multiprocessing,
and it ends with its Dask worker.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from infinity_frames.engine.service.ports import Outcome, Preparation, Task

__all__ = ["Order", "Unfit", "check", "installed", "prepare", "render"]

_GROUP = "infinity_frames.generators"
# Interval at which a job notices that its engine no longer waits for it.
_WATCH_S = 0.5
_MEMORY_SHARE = 0.75
_PROGRAM = "infinity_frames.engine.service.runners.supervisor"


@dataclass(frozen=True)
class Order:
    """A task with what its node needs to know; it holds no credentials of the engine.

    Parameters
    ----------
    task : Task
        Its sink stores the archive; without a memory limit, it gets its share of the node's.
    packages : mapping of str to str
        Packages and versions that the node must have, as `installed` returns them.
    """

    task: Task
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Unfit:
    """Response of a node that lacks a package of an order."""

    node: str
    reason: str


def installed(generator: str) -> dict[str, str]:
    """Return the versions of this package and of the package that provides a generator."""
    found = {"infinity-frames": version("infinity-frames")}
    for entry in entry_points(group=_GROUP, name=generator):
        if entry.dist is not None:
            found[entry.dist.name] = entry.dist.version
    return found


def check(packages: Mapping[str, str]) -> str | None:
    """Return what a node lacks of the packages in the same versions, None if it has all."""
    for name, wanted in packages.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            return f"{name} is not installed, the engine has {wanted}"
        if found != wanted:
            return f"{name} is {found}, the engine has {wanted}"
    return None


def prepare(generator: str, dask_worker: Any = None) -> None:
    """Let the node's supervisor prepare a generator; returns at once."""
    _supervisor(dask_worker).send(Preparation(generator))


def render(order: Order) -> Outcome | Unfit:
    """Render one job; runs as a Dask task in a thread of the worker."""
    from distributed import get_worker

    worker = get_worker()
    missing = check(order.packages)
    if missing is not None:
        return Unfit(worker.address, missing)
    supervisor = _supervisor(worker)
    ended = supervisor.start(order)
    key = worker.get_current_task()
    while not ended.wait(_WATCH_S):
        state = worker.state.tasks.get(key)
        if state is None or state.state == "cancelled":
            # The engine stopped the job, died, or lost this node: nobody waits for the outcome.
            supervisor.stop(order.task.job_id, ended)
            break
    return ended.outcome


class _Ended(threading.Event):
    """Set when a task has ended, with its outcome."""

    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.outcome = Outcome(job_id, "interrupted", "The job was stopped on its node.")


class _Supervisor:
    """The Dask worker's side of its supervisor process."""

    def __init__(self, folder: Path, slots: int, memory_limit: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 (a program of this package)
                [sys.executable, "-m", _PROGRAM, str(folder), str(slots), str(memory_limit),
                 str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._connection = Connection(ours.detach())
        self._lock = threading.Lock()
        self._waiting: dict[str, _Ended] = {}
        self.alive = True
        threading.Thread(target=self._listen, name="infinity-node", daemon=True).start()

    def send(self, message: Any) -> None:
        with self._lock, contextlib.suppress(OSError):
            # After its death, `_listen` ends the waiting jobs.
            self._connection.send(message)

    def start(self, order: Order) -> _Ended:
        ended = _Ended(order.task.job_id)
        with self._lock:
            self._waiting[order.task.job_id] = ended
        self.send(order)
        if not self.alive:
            ended.set()
        return ended

    def stop(self, job_id: str, ended: _Ended) -> None:
        with self._lock:
            if self._waiting.get(job_id) is not ended:
                return
            del self._waiting[job_id]
        self.send(job_id)

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                outcome = self._connection.recv()
                with self._lock:
                    ended = self._waiting.pop(outcome.job_id, None)
                if ended is not None:
                    ended.outcome = outcome
                    ended.set()
        self.alive = False
        self.process.wait()
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for job_id, ended in waiting.items():
            ended.outcome = Outcome(job_id, "lost", "The supervisor of its node died.")
            ended.set()


_current: _Supervisor | None = None
_starting = threading.Lock()


def _supervisor(worker: Any) -> _Supervisor:
    """Return the supervisor of this Dask worker; start it, also after it died."""
    global _current
    with _starting:
        if _current is None or not _current.alive:
            slots = worker.state.nthreads
            total = worker.memory_manager.memory_limit or psutil.virtual_memory().total
            folder = Path(worker.local_directory).parent / f"infinity-frames-{_owner()}"
            _current = _Supervisor(folder, slots, int(total * _MEMORY_SHARE) // slots)
        return _current


def _owner() -> str:
    """Name of this machine and user: Dask's folder may be on a shared disk."""
    return f"{socket.gethostname()}-{os.getuid()}"
