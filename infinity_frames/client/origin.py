"""Origin: a generator on a server, for one account. It is all that the verbs of frames need."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from infinity_frames import launcher
from infinity_frames.client.describe import describe
from infinity_frames.client.http import Limits, RestClient, RetryPolicy, Token, server_address
from infinity_frames.client.http.proof import EngineProof
from infinity_frames.io.home import Home
from infinity_frames.protocol import parameters
from infinity_frames.protocol.schemas import with_context
from infinity_frames.protocol.spec import Generator

__all__ = ["EMBEDDED", "HasOrigin", "Jobs", "Origin", "connect", "generators", "server_name"]

EMBEDDED = "embedded"
"""How frames name the embedded engine, whatever port it listens on."""

Jobs = pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Origin:
    """A generator on a server, with the connection of one account.

    Parameters
    ----------
    server : str
        ``"embedded"`` or the server's canonical address.
    rest : RestClient
        The connection, with its token.
    spec : Generator
        The generator's description.
    """

    def __init__(self, server: str, rest: RestClient, spec: Generator) -> None:
        self.server = server
        self.rest = rest
        self.spec = spec
        self.batches: set[str] = set()
        """Ids of the batches that this process has seen on the server through this origin."""

    @classmethod
    def open(
        cls,
        generator: str,
        *,
        token: str | Token | None = None,
        server: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> Origin:
        """Connect to a server and read the generator's description.

        Parameters
        ----------
        generator : str
            Full name, or the name without its version for the newest version.
        token, server, retry, timeout
            As for :class:`infinity_frames.Session`.
        """
        token = Token.of(token)
        name = server_name(server)
        rest = connect(name, token, retry=retry, timeout=timeout)
        return cls(name, rest, describe(rest, generator))

    def __repr__(self) -> str:
        return f"Origin({self.generator!r}, server={self.server!r})"

    @property
    def generator(self) -> str:
        """Full name of the generator."""
        return self.spec.name

    @property
    def origin(self) -> Origin:
        """Itself, so that a function can take a Session, a Batch or an Origin."""
        return self

    def jobs(self, jobs: Jobs) -> pd.DataFrame:
        """Build a draft jobs frame that knows its server and generator; nothing is rejected."""
        return self.with_context(parameters.frame(self.spec, jobs))

    def with_context(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Note this server and generator in the frame's ``attrs``."""
        return with_context(frame, server=self.server, generator=self.generator)

    def close(self) -> None:
        """Close the idle connections; a later request opens a new one."""
        self.rest.close()

    def same_account(self, other: Origin) -> bool:
        """Return whether both stand for the same generator, server and account."""
        same_place = self.server == other.server and self.generator == other.generator
        return same_place and self.rest.same_account(other.rest)


class HasOrigin(Protocol):
    """A Session, a Batch or an Origin."""

    @property
    def origin(self) -> Origin:
        """Where its jobs belong."""


def server_name(server: str | None) -> str:
    """Canonical name of a server: as given, else ``$INFINITY_SERVER``, else ``"embedded"``."""
    named = server or os.environ.get("INFINITY_SERVER") or EMBEDDED
    return EMBEDDED if named == EMBEDDED else server_address(named)


def connect(
    server: str,
    token: str | Token | None,
    *,
    retry: RetryPolicy | None = None,
    timeout: float | None = None,
) -> RestClient:
    """Open a connection; start the embedded engine if it is named and does not run."""
    limits = Limits.of(timeout)
    token = Token.of(token)
    if server == EMBEDDED:
        # A token in the environment is for the server in the environment.
        named_here = server_name(None) == EMBEDDED
        url = launcher.start_engine()
        own = token or _token_of_environment(named_here) or Token.of(launcher.read_token())
        return RestClient(
            url,
            own,
            limits=limits,
            retry=retry,
            locate=launcher.restart_engine,
            check=EngineProof(Home.at().proof_key_file),
        )
    # A token in the environment is for the server in the environment, if one is named there.
    named_here = not os.environ.get("INFINITY_SERVER") or server_name(None) == server
    own = token or _token_of_environment(named_here)
    return RestClient(server, own, limits=limits, retry=retry)


def _token_of_environment(named_here: bool) -> Token:
    return Token.of(os.environ.get("INFINITY_TOKEN") if named_here else None)


def generators(token: str | None = None, server: str | None = None) -> pd.DataFrame:
    """List the generators of a server.

    Parameters
    ----------
    token, server : str, optional
        As for :class:`infinity_frames.Session`.

    Returns
    -------
    DataFrame
        name, version, and whatever else the server states about each.
    """
    frame = pd.DataFrame(connect(server_name(server), token).generators())
    first = ["name", "version"]
    return frame.reindex(columns=[*first, *(c for c in frame.columns if c not in first)])
