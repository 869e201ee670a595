"""Connections on which an answer's head must be whole in time.

A read time limit counts from each byte to the next, so a server that sends a header byte now and
then would be waited for without end: nothing gets to look at the clock before the head is whole.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

__all__ = ["PunctualAdapter"]


class _Punctual(HTTPConnection):
    """Gives an answer's head as long as its read time limit, all in all."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """Read the head.

        Raises
        ------
        TimeoutError
            It was not whole in time.
        """
        if not isinstance(self.timeout, (int, float)) or self.sock is None:
            return super().getresponse()
        late = threading.Event()
        try:
            with _watch.hanging_up(self.sock, self.timeout, late):
                answer = super().getresponse()
        except Exception:
            if late.is_set():
                raise TimeoutError("the head of the answer came too slowly") from None
            raise
        if late.is_set():
            # What had come by then was taken for the whole head.
            answer.close()
            raise TimeoutError("the head of the answer came too slowly")
        return answer


class _Watch:
    """One thread that hangs up on whoever is late; a timer for each request would cost more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waits: dict[threading.Event, tuple[float, socket.socket]] = {}
        self._look = 0.0
        """When the thread looks next; it is started with the first wait."""

    @contextmanager
    def hanging_up(
        self, sock: socket.socket, seconds: float, late: threading.Event
    ) -> Iterator[None]:
        """Shut `sock` down, and set `late`, if the block takes longer than that."""
        due = time.monotonic() + seconds
        with self._changed:
            self._waits[late] = due, sock
            if not self._look:
                threading.Thread(target=self._run, daemon=True).start()
                self._look = due
            elif due < self._look:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._waits.pop(late, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for late, (due, sock) in list(self._waits.items()):
                    if due <= now:
                        del self._waits[late]
                        _hang_up(sock, late)
                self._look = min((due for due, _ in self._waits.values()), default=math.inf)
                self._changed.wait(None if math.isinf(self._look) else self._look - now)


_watch = _Watch()


def _watch_anew() -> None:
    global _watch
    _watch = _Watch()


if hasattr(os, "register_at_fork"):  # the thread stays behind in the parent
    os.register_at_fork(after_in_child=_watch_anew)


class _PunctualTls(_Punctual, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Punctual


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _PunctualTls


class PunctualAdapter(HTTPAdapter):
    """An adapter of requests whose connections are punctual, through proxies too."""

    def init_poolmanager(self, *given: Any, **options: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*given, **options)
        _use(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """The pools of a proxy."""
        return _use(super().proxy_manager_for(proxy, **options))


def _use(manager: PoolManager) -> PoolManager:
    # Of a SOCKS proxy the connections are of its own kind, and stay so.
    if manager.pool_classes_by_scheme.get("http") is HTTPConnectionPool:
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager


def _hang_up(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    # Closed just now, or of a kind that does not shut down: the others are still watched.
    with contextlib.suppress(Exception):
        getattr(sock, "socket", sock).shutdown(socket.SHUT_RDWR)
