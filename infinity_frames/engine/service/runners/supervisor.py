"""The supervisor program of the Dask runner: one per Dask worker, started by ``node.py``."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from infinity_frames.engine.service.credentials import hide_credentials
from infinity_frames.engine.service.ports import Preparation, Task
from infinity_frames.engine.service.runners.local import LocalRunner
from infinity_frames.engine.service.runners.node import Order
from infinity_frames.io.home import Home

__all__ = ["main"]


def main(folder: str, slots: str, memory_limit: str, descriptor: str) -> None:
    """Run the supervisor until its Dask worker closes the connection."""
    # Ctrl-C in the terminal of the Dask worker ends this program through the connection.
    os.setsid()
    home = Home(Path(folder))
    home.path.mkdir(mode=0o700, exist_ok=True)
    home.scratch.mkdir(mode=0o700, exist_ok=True)
    _delete_stale(home)
    # A node may have credentials for other purposes.
    hide_credentials(of_stores=True)
    connection = Connection(int(descriptor))
    os.set_inheritable(int(descriptor), False)
    runner = LocalRunner(home, None, int(slots), int(memory_limit))
    try:
        _Loop(runner, connection).run()
    except (EOFError, OSError):
        return
    finally:
        runner.close()


class _Loop:
    """Moves orders from the Dask worker to the runner, and outcomes back."""

    def __init__(self, runner: LocalRunner, connection: Connection) -> None:
        self._runner = runner
        self._connection = connection
        self._messages: deque[Order | Preparation | str | None] = deque()
        self._queued: deque[Task] = deque()

    def run(self) -> None:
        threading.Thread(target=self._receive, daemon=True).start()
        while True:
            while self._messages:
                self._handle(self._messages.popleft())
            while self._queued and self._runner.capacity() > 0:
                self._runner.start(self._queued.popleft())
            for outcome in self._runner.poll(60.0):
                self._connection.send(outcome)

    def _receive(self) -> None:
        try:
            while True:
                self._messages.append(self._connection.recv())
                self._runner.wake()
        except (EOFError, OSError):
            self._messages.append(None)
            self._runner.wake()

    def _handle(self, message: Order | Preparation | str | None) -> None:
        match message:
            case None:
                raise EOFError
            case Preparation():
                self._runner.prepare(message)
            case Order():
                # The node may still render the same job for an engine that died.
                self._stop(message.task.job_id)
                self._queued.append(message.task)
            case str():
                self._stop(message)

    def _stop(self, job_id: str) -> None:
        self._queued = deque(task for task in self._queued if task.job_id != job_id)
        self._runner.stop(job_id)


def _delete_stale(home: Home) -> None:
    """Delete scratch folders of processes that have died; other supervisors share the folder."""
    for path in home.scratch.glob("*.*/"):
        pid = path.name.rpartition(".")[2]
        with contextlib.suppress(OSError):
            old = time.time() - path.stat().st_mtime > 1.0
            if old and pid.isdigit() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
