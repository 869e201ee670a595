"""Connections to the embedded engine: a token is sent only after the server proved its identity."""

from __future__ import annotations

import hmac
import secrets
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

from infinity_frames.io.proof import PROOF_PATH, proof

__all__ = ["EngineProof"]

_LONGEST_ANSWER = 1024


class EngineProof:
    """Checks on a new connection that the server is the engine of a home.

    A port says nothing about who listens there: after an engine has exited, any local user may
    have bound its port.

    Parameters
    ----------
    key_file : Path
        The key in the engine's home.
    """

    def __init__(self, key_file: Path) -> None:
        self.key_file = key_file

    def __call__(self, connection: HTTPConnection) -> None:
        """Ask for the proof; nothing secret is sent.

        Raises
        ------
        NewConnectionError
            The server did not prove that it is the engine; the connection is closed.
        """
        try:
            right = self._is_engine(connection)
        except (OSError, HTTPException, ValueError):
            right = False
        if not right:
            connection.close()
            raise NewConnectionError(connection, "the server is not the engine of this home")

    def _is_engine(self, connection: HTTPConnection) -> bool:
        key = self.key_file.read_bytes()
        nonce = secrets.token_hex(32)
        sock = connection.sock
        assert sock is not None
        assert connection.port is not None
        host = f"{connection.host}:{connection.port}"
        request = f"GET {PROOF_PATH}?nonce={nonce} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        sock.sendall(request.encode("ascii"))
        with HTTPResponse(sock, method="GET") as response:
            response.begin()
            answer = response.read(_LONGEST_ANSWER)
            whole = response.isclosed() and not response.will_close
        expected = f'"{proof(key, nonce, connection.port)}"'.encode()
        return bool(key) and whole and hmac.compare_digest(answer.strip(), expected)
