"""Processes that run generator code, forked from a server that has imported what they need.

A process that starts from nothing imports pandas first, which takes a second of a core. Windows
cannot fork, so every process starts from nothing there.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
from typing import Any

__all__ = ["FAMILY_VARIABLE", "adopt_mark", "context", "ensure_server"]

FAMILY_VARIABLE = "INFINITY_WORKER_FAMILY"
"""Environment variable with a unique value per worker, inherited by every descendant: it finds
processes that left the worker's process group or lost their parent."""

# Each worker writes its own mark over this one, which therefore has the length of a mark.
_NO_MARK = "0" * 32
_PRELOADED = [
    "infinity_frames.engine.service.plugin_process",
    "infinity_frames.engine.service.runners.worker",
]
# With one process per core, threads inside the processes would compete. These variables are read
# when numba, numpy and OpenCV are imported, which the server does.
_SINGLE_THREAD = {
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
}
_FORKS = "forkserver" in multiprocessing.get_all_start_methods()


def context() -> Any:
    """Return the ``multiprocessing`` context whose processes run generator code."""
    for name, value in _SINGLE_THREAD.items():
        os.environ.setdefault(name, value)
    # Also of a process that starts again after the server has died.
    os.environ[FAMILY_VARIABLE] = _NO_MARK
    made: Any = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
    if _FORKS:
        made.set_forkserver_preload(_PRELOADED)
    return made


def ensure_server() -> None:
    """Start the server that processes are forked from; returns at once."""
    context()
    if _FORKS:
        from multiprocessing.forkserver import ensure_running  # not on every system

        ensure_running()


def adopt_mark(mark: str) -> None:
    """Mark this process, which has just been forked, and all that it will start.

    Programs that it starts inherit ``os.environ``. A process that is only forked shows the memory
    in which the system put the environment of the server, so the mark is written there too.

    Parameters
    ----------
    mark : str
        32 characters.
    """
    if _FORKS and sys.platform in ("linux", "darwin"):
        library = ctypes.CDLL(None)
        library.getenv.restype = ctypes.c_void_p
        place = library.getenv(FAMILY_VARIABLE.encode())
        if place and ctypes.string_at(place) == _NO_MARK.encode():
            ctypes.memmove(place, mark.encode(), len(_NO_MARK))
    os.environ[FAMILY_VARIABLE] = mark
    _draw_anew()


def _draw_anew() -> None:
    """Give numpy's global random numbers a new state; forked processes would share one.

    Python's own ``random`` does so by itself.
    """
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(None)
