"""A function over many items in processes of their own.

The standard pools start their processes by importing the caller's main module again, which breaks
scripts without a ``__main__`` guard, or by forking, which breaks threaded programs. The processes
here import this package only.

loky needs no guard either. It was measured against this module with 16 items of 20 ms on two cores
(medians of three turns): the first result after 1.4 s instead of 0.03 s, since this process works
while the other one starts; 3.2 s of CPU instead of 1.6 s; 166 MB in child processes instead of
71 MB; and two child processes left after Ctrl-C instead of none. Both report a killed child.
"""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Any, TypeVar

from infinity_frames.protocol.errors import ResultsError

__all__ = ["in_processes", "main"]

T = TypeVar("T")
R = TypeVar("R")


def in_processes(
    work: Callable[[T], R], items: Sequence[T], *, processes: int | None = None
) -> Iterator[R]:
    """Apply a function to items in several processes and yield its results as they arrive.

    Parameters
    ----------
    work : callable
        A function of a module of this package; its argument and result must be picklable.
    items : sequence
        What to apply it to; each process holds one at a time.
    processes : int, optional
        How many, this one among them, by default one per core; 1 starts none.

    Yields
    ------
    Any
        In no particular order.

    Raises
    ------
    ResultsError
        A process died, usually for want of memory.
    """
    count = min(processes or _cores(), len(items))
    if count < 2:
        yield from map(work, items)
        return
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    for item in items:
        todo.put(item)
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    started = [_start(work) for _ in range(count - 1)]
    feeders = [
        threading.Thread(target=_feed, args=(process, todo, done), daemon=True)
        for process in started
    ]
    try:
        for feeder in feeders:
            feeder.start()
        for _ in items:
            outcome = _next(work, todo, done)
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome[0]
    finally:
        for process, feeder in zip(started, feeders, strict=True):
            process.kill()
            feeder.join()  # its pipe has just ended
            with suppress(BrokenPipeError):
                process.communicate()


def _next(work: Callable[[T], R], todo: queue.SimpleQueue[T], done: queue.SimpleQueue[Any]) -> Any:
    """Return the next result: of another process, else made here, else once another is done."""
    if done.empty():
        try:
            item = todo.get_nowait()
        except queue.Empty:
            pass
        else:
            return (work(item),)
    return done.get()


def main() -> None:
    """Serve one parent: a function's name, then items; each answered with the result."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Output that the function prints must not mix with the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    module, name = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the parent alone
    work = getattr(importlib.import_module(module), name)
    while True:
        try:
            item = pickle.load(sys.stdin.buffer)  # noqa: S301
        except EOFError:
            return
        try:
            outcome: Any = (work(item),)
        except Exception as error:
            outcome = error
        _send(answers, outcome)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # what this process may use: Linux only
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _start(work: Callable[..., Any]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", f"from {__name__} import main; main()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
    _send(process.stdin, (work.__module__, work.__name__))
    return process


def _feed(
    process: subprocess.Popen[bytes], todo: queue.SimpleQueue[Any], done: queue.SimpleQueue[Any]
) -> None:
    assert process.stdout is not None
    while True:
        try:
            item = todo.get_nowait()
        except queue.Empty:
            return
        try:
            _send(process.stdin, item)
            done.put(pickle.load(process.stdout))  # noqa: S301 - from our own child
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            what = f"A process that worked on {item} died."
            done.put(ResultsError(what, advice="Free some memory and try again."))
            return


def _send(pipe: IO[bytes] | None, value: Any) -> None:
    assert pipe is not None
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()
