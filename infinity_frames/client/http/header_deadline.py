"""Connections that time out if the header of a response is not complete in time.

A read timeout counts from one byte to the next, so a server that sends a header byte now and then
would never time out: no code runs between those bytes that could check the clock.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

__all__ = ["PunctualAdapter"]

_CHECK_TIMEOUT = 5.0
"""Seconds that the check of a new connection may take."""


class _Punctual(HTTPConnection):
    """A connection whose read timeout also limits the whole header of a response."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """Read the status line and headers of a response.

        Raises
        ------
        TimeoutError
            They were not complete in time.
        """
        if not isinstance(self.timeout, (int, float)) or self.sock is None:
            return super().getresponse()
        late = threading.Event()
        try:
            with _watch.hanging_up(self.sock, self.timeout, late):
                answer = super().getresponse()
        except Exception:
            if late.is_set():
                raise TimeoutError("the header of the response came too slowly") from None
            raise
        if late.is_set():
            # The incomplete header was taken for a complete one.
            answer.close()
            raise TimeoutError("the header of the response came too slowly")
        return answer


class _Watch:
    """One thread that closes late connections; a timer for each request would cost more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waits: dict[threading.Event, tuple[float, socket.socket]] = {}
        self._look = 0.0
        """Time at which the thread wakes next; it is started by the first wait."""

    @contextmanager
    def hanging_up(
        self, sock: socket.socket, seconds: float, late: threading.Event
    ) -> Iterator[None]:
        """Shut `sock` down, and set `late`, if the block takes longer than `seconds`."""
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


Check = Callable[[HTTPConnection], None]


class _PunctualTls(_Punctual, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Punctual


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _PunctualTls


def _checked_pool(check: Check) -> type[HTTPConnectionPool]:
    """Make a pool whose connections are checked each time they are made."""

    class Checked(_Punctual):
        def connect(self) -> None:
            """Connect, and let `check` look at the server before anything is sent."""
            super().connect()
            assert self.sock is not None
            with _watch.hanging_up(self.sock, _CHECK_TIMEOUT, threading.Event()):
                check(self)

    class CheckedPool(HTTPConnectionPool):
        ConnectionCls = Checked

    return CheckedPool


class PunctualAdapter(HTTPAdapter):
    """An adapter of requests whose connections time out on slow headers, through proxies too.

    Parameters
    ----------
    check : callable, optional
        Called with every new connection before anything is sent; raises if the server is not the
        right one.
    """

    def __init__(self, check: Check | None = None, **options: Any) -> None:
        self._http_pool = _Pool if check is None else _checked_pool(check)
        super().__init__(**options)

    def init_poolmanager(self, *given: Any, **options: Any) -> None:
        """Create the connection pools."""
        super().init_poolmanager(*given, **options)
        self._use(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """Create the connection pools of a proxy."""
        return self._use(super().proxy_manager_for(proxy, **options))

    def _use(self, manager: PoolManager) -> PoolManager:
        # A SOCKS proxy has connection classes of its own, which are kept.
        if manager.pool_classes_by_scheme.get("http") is HTTPConnectionPool:
            manager.pool_classes_by_scheme = {"http": self._http_pool, "https": _TlsPool}
        return manager


def _hang_up(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    # The socket may just have been closed; the thread must go on watching the others.
    with contextlib.suppress(Exception):
        getattr(sock, "socket", sock).shutdown(socket.SHUT_RDWR)
