"""A server of the protocol that fails in the ways networks and servers do, when it is told to."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from base_server import BaseServer

Fault = Callable[["FaultServer", BaseHTTPRequestHandler, dict[str, str], bytes], None]


class FaultServer(BaseServer):
    """A BaseServer; each fault added strikes one request that matches it, in the order added."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.faults: list[tuple[str, str, Fault]] = []
        self.latency = 0.0

    def fail(self, method: str, beginning: str, *faults: Fault) -> None:
        self.faults += [(method, beginning, fault) for fault in faults]

    def handle(self, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes) -> None:
        if self.latency:
            time.sleep(self.latency)
        with self.lock:
            for entry in self.faults:
                if handler.command == entry[0] and handler.path.startswith(entry[1]):
                    self.faults.remove(entry)
                    break
            else:
                entry = None
        if entry is None:
            super().handle(handler, headers, body)
        else:
            entry[2](self, handler, headers, body)


def answer(status: int, data: Any, **headers: str) -> Fault:
    """Answer that instead."""
    return lambda server, handler, *_: server.send_json(handler, status, data, **headers)


def drop(server: FaultServer, handler: BaseHTTPRequestHandler, *_: Any) -> None:
    """Close the connection without doing anything."""
    close(handler)


def lose_answer(
    server: FaultServer, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes
) -> None:
    """Do what was asked, and close the connection instead of saying so."""
    server.answer(handler.command, handler.path, headers, body)
    close(handler)


def hang(seconds: float) -> Fault:
    """Say nothing for a while, then close."""

    def fault(server: FaultServer, handler: BaseHTTPRequestHandler, *_: Any) -> None:
        time.sleep(seconds)
        close(handler)

    return fault


def cut_after(size: int) -> Fault:
    """Answer in full, but break the connection after so many bytes of the body."""
    return _body(lambda content: [content[:size]])


def dribble(pause: float) -> Fault:
    """Answer byte by byte."""

    def pieces(content: bytes) -> Any:
        for at in range(len(content)):
            time.sleep(pause)
            yield content[at : at + 1]

    return _body(pieces)


def dribble_head(pause: float, seconds: float) -> Fault:
    """Answer with header after header, and never come to the body."""

    def fault(server: FaultServer, handler: BaseHTTPRequestHandler, *_: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(int(seconds / pause)):
            time.sleep(pause)
            try:
                handler.wfile.write(b"X-%d: 1\r\n" % number)
            except OSError:
                break
        handler.close_connection = True

    return fault


def alter(server: FaultServer, handler: Any, headers: dict[str, str], body: bytes) -> None:
    """Answer in full length, one byte changed."""
    _body(lambda content: [content[:40] + bytes([content[40] ^ 1]) + content[41:]])(
        server, handler, headers, body
    )


def ignore_range(
    server: FaultServer, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes
) -> None:
    """Answer as a server does that knows no ranges: with everything."""
    kept = {name: value for name, value in headers.items() if name != "range"}
    BaseServer.handle(server, handler, kept, body)


def close(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


class _Broken:
    """A handler whose body goes out otherwise than it was meant."""

    def __init__(self, handler: BaseHTTPRequestHandler, pieces: Callable[[bytes], Any]) -> None:
        self._handler, self._pieces, self._ended = handler, pieces, False
        self.wfile = self

    def end_headers(self) -> None:
        self._handler.end_headers()
        self._ended = True

    def write(self, content: bytes) -> None:
        for piece in self._pieces(content):
            self._handler.wfile.write(piece)
            self._handler.wfile.flush()
        close(self._handler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)


def _body(pieces: Callable[[bytes], Any]) -> Fault:
    def fault(
        server: FaultServer, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes
    ) -> None:
        broken: Any = _Broken(handler, pieces)
        BaseServer.handle(server, broken, headers, body)

    return fault
