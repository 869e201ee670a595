"""Protection against web pages of other sites: checks of the Host and Origin headers.

A page of another site can send requests to an engine on this machine, and can point a name of its
own at it (DNS rebinding). Requests for a foreign name, and changes from a foreign page, are
rejected before they reach an endpoint.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

__all__ = ["SAFE_METHODS", "HostCheck"]

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class HostCheck:
    """Decides which Host and Origin headers are accepted.

    Parameters
    ----------
    names : iterable of str
        Host names under which the engine is served. IP addresses, ``localhost`` and the names of
        this machine are always accepted, because DNS rebinding cannot use them.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        # The full name of the machine would need a DNS query, which may take long.
        own = socket.gethostname()
        self._names = {name.lower().rstrip(".") for name in (*names, own) if name}

    def problem(self, scope: Scope) -> str | None:
        """Return why a request is rejected, None if it is accepted."""
        headers = {
            name: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"host", b"origin")
        }
        host = headers.get(b"host")
        if host is not None and not self._accepts(host):
            return (
                f"This engine is not served under the host name {host[:200]!r}. If it should be, "
                "start it with --allow-host NAME."
            )
        origin = headers.get(b"origin")
        if origin is None or scope["method"] in SAFE_METHODS:
            return None
        if origin != "null" and host is not None and urlsplit(origin).netloc == host:
            return None
        return (
            f"Web pages of {origin[:200]!r} must not change anything here. Send the request "
            "without an Origin header, or from a page of this engine."
        )

    def _accepts(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name is None:
            return False
        name = name.lower().rstrip(".")
        if name in self._names or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
