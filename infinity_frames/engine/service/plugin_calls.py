"""Calls of generator code inside the engine: bounded in time and number.

Generator code may hang. A thread cannot be ended, but the request that waits for it can, and a
generator whose calls hang must not use up the threads that serve all other requests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["PluginCalls", "PluginHangs", "give_up"]

_CHECK_S = 0.1
_giving_up = threading.Event()
_T = TypeVar("_T")


class PluginHangs(Exception):
    """Generator code did not return in time, or too many of its calls have not returned yet."""


def give_up() -> None:
    """Stop waiting for all calls, since the engine is being stopped."""
    _giving_up.set()


class PluginCalls:
    """Runs generator code in threads of its own.

    Parameters
    ----------
    limit : float
        Seconds until a caller gives up.
    slots : int
        Calls of one generator at a time; further ones wait.
    slow : float
        Seconds after which a call is no longer waited for by further ones.
    """

    def __init__(self, limit: float = 20.0, slots: int = 4, slow: float = 2.0) -> None:
        self.limit, self.slots, self.slow = limit, slots, slow
        self._changed = threading.Condition()
        self._running: dict[str, dict[object, float]] = {}

    def run(self, generator: str, function: Callable[[], _T]) -> _T:
        """Return what `function` returns; raise what it raises, of whatever type.

        Raises
        ------
        PluginHangs
            It did not return in time, or all slots of the generator hang.
        """
        call = self._enter(generator)
        result: list[Any] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                result.append(function())
            except BaseException as error:
                failure.append(error)
            finally:
                with self._changed:
                    self._running[generator].pop(call)
                    self._changed.notify_all()

        thread = threading.Thread(target=work, name=f"call of {generator}", daemon=True)
        thread.start()
        deadline = time.monotonic() + self.limit
        while thread.is_alive() and time.monotonic() < deadline and not _giving_up.is_set():
            thread.join(min(self.limit, _CHECK_S))
        if failure:
            raise failure[0]
        if not result:
            raise PluginHangs(f"it did not return within {self.limit:g} s")
        value: _T = result[0]
        return value

    def _enter(self, generator: str) -> object:
        """Wait for a slot; raise if all of them hang."""
        with self._changed:
            running = self._running.setdefault(generator, {})
            while len(running) >= self.slots:
                if _giving_up.is_set():
                    raise PluginHangs("the engine is being stopped")
                hung = time.monotonic() - self.slow
                if all(start < hung for start in running.values()):
                    raise PluginHangs(f"{len(running)} earlier calls have not returned yet")
                self._changed.wait(_CHECK_S)
            call = object()
            running[call] = time.monotonic()
            return call
