"""Apply a function to many items in threads that never keep the process from exiting."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["map_unordered"]

LONGEST_JOIN = 0.5
"""Seconds to wait for all threads at the end; a thread that still hangs is abandoned."""
T = TypeVar("T")
R = TypeVar("R")


def map_unordered(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    workers: int = 16,
    interrupt: Callable[[], None] | None = None,
) -> Iterator[tuple[T, R | None, Exception | None]]:
    """Apply `function` to every item; yield ``(item, result, error)`` in order of completion.

    The threads are daemons, unlike those of an Executor: after Ctrl-C neither this generator nor
    the interpreter waits for a thread that hangs in a socket.

    Parameters
    ----------
    interrupt : callable, optional
        Called when iteration ends, also early; it makes running calls of `function` return.
    """
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[T, R | None, Exception | None]] = queue.SimpleQueue()
    halt = threading.Event()
    for item in items:
        todo.put(item)

    def work() -> None:
        while not halt.is_set():
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((item, function(item), None))
            except Exception as error:
                done.put((item, None, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(items)))]
    for thread in threads:
        thread.start()
    try:
        for _ in items:
            yield _interruptible(done)
    finally:
        halt.set()
        if interrupt is not None:
            interrupt()
        for thread in threads:
            thread.join(timeout=LONGEST_JOIN / len(threads))


def _interruptible(done: queue.SimpleQueue[T]) -> T:
    """Get an item; on Windows, a wait without a time limit ignores Ctrl-C."""
    while True:
        try:
            return done.get(timeout=0.5)
        except queue.Empty:
            continue
