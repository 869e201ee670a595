"""The processes that a generator starts: found, measured and killed together with their worker."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import psutil

from infinity_frames.engine.service.forks import FAMILY_VARIABLE

__all__ = ["adopt_orphans", "family", "family_memory", "kill_family"]


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process instead of the init process (Linux)."""
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_child_subreaper = 36
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def family(pid: int) -> list[psutil.Process]:
    """Return the living descendants of a process, without the process itself."""
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    return found


def family_memory(pid: int, descendants: list[psutil.Process]) -> int:
    """Return sum the resident memory of a process and its descendants, in bytes."""
    total = 0
    for process in [pid, *descendants]:
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(process) if isinstance(process, int) else process
            total += int(found.memory_info().rss)
    return total


def kill_family(pid: int, mark: str) -> None:
    """Kill every descendant of a worker, whichever process group it belongs to.

    Parameters
    ----------
    pid : int
        The worker, alive or dead; it is not killed itself.
    mark : str
        Its value of `FAMILY_VARIABLE`.
    """
    # Twice: a process may start another one while the first list is being killed.
    for _ in range(2):
        found = {process.pid: process for process in [*family(pid), *_marked(pid, mark)]}
        for process in found.values():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        if not found:
            return
        psutil.wait_procs(list(found.values()), timeout=1.0)


def _marked(pid: int, mark: str) -> list[psutil.Process]:
    """Find the processes that inherited a worker's mark, also after the worker has died."""
    found = []
    for process in psutil.process_iter():
        if process.pid in (pid, os.getpid()):
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(FAMILY_VARIABLE) == mark:
                found.append(process)
    return found
