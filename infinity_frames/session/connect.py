"""Which server, with which token."""

from __future__ import annotations

import difflib
import os

from infinity_frames import embedded
from infinity_frames.errors import UnknownGenerator
from infinity_frames.rest import Rest, server_address
from infinity_frames.spec import Generator

__all__ = ["EMBEDDED", "connect", "describe", "server_named"]

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
        return Rest(url, token or ours or embedded.read_token(), locate=embedded.start_engine)
    return Rest(server, token or os.environ.get("INFINITY_TOKEN"))


def describe(rest: Rest, generator: str) -> Generator:
    """A generator's description; one that is missing is answered with those there are."""
    try:
        return Generator.from_json(rest.generator(generator))
    except UnknownGenerator as error:
        names = [str(item.get("name")) for item in rest.generators()]
        close = difflib.get_close_matches(generator, names, n=1, cutoff=0.3)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise UnknownGenerator(
            f"The server has no generator {generator!r}.",
            advice=f"{hint}It has: {', '.join(names) or 'none'}.",
            **error.where,
        ) from None
