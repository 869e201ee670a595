"""Connections on which an answer's head must be whole in time.

A read time limit counts from each byte to the next, so a server that sends a header byte now and
then would be waited for without end: nothing gets to look at the clock before the head is whole.
"""

from __future__ import annotations

import contextlib
import socket
import threading
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
        clock = threading.Timer(self.timeout, _hang_up, (self.sock, late))
        clock.daemon = True
        clock.start()
        try:
            answer = super().getresponse()
        except Exception:
            if late.is_set():
                raise TimeoutError("the head of the answer came too slowly") from None
            raise
        finally:
            clock.cancel()
        if late.is_set():
            # What had come by then was taken for the whole head.
            answer.close()
            raise TimeoutError("the head of the answer came too slowly")
        return answer


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
    with contextlib.suppress(OSError):  # it has just been closed
        sock.shutdown(socket.SHUT_RDWR)
