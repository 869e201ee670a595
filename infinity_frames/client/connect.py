"""Which server, with which token."""

from __future__ import annotations

import os

import pandas as pd

from infinity_frames import launcher as embedded
from infinity_frames.client.http import Rest, server_address
from infinity_frames.protocol.schemas import Frame, as_frame

__all__ = ["EMBEDDED", "connect", "generators", "server_named"]

EMBEDDED = "embedded"


def server_named(server: str | None) -> str:
    """A server's canonical name: what is given, else ``$INFINITY_SERVER``, else the engine."""
    named = server or os.environ.get("INFINITY_SERVER") or EMBEDDED
    return EMBEDDED if named == EMBEDDED else server_address(named)


def connect(server: str, token: str | None) -> Rest:
    """Open a connection; the engine is started if none runs."""
    if server == EMBEDDED:
        # A token in the environment is for the server in the environment.
        ours = os.environ.get("INFINITY_TOKEN") if server_named(None) == EMBEDDED else None
        url = embedded.start_engine()
        return Rest(url, token or ours or embedded.read_token(), locate=embedded.restart_engine)
    return Rest(server, token or os.environ.get("INFINITY_TOKEN"))


def generators(token: str | None = None, server: str | None = None) -> Frame:
    """Frame of the generators a server has: name, version and whatever else it says of them."""
    frame = pd.DataFrame(connect(server_named(server), token).generators())
    first = ["name", "version"]
    return as_frame(frame.reindex(columns=[*first, *(c for c in frame.columns if c not in first)]))
