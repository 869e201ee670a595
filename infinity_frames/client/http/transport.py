"""HTTP with time limits, and a token that is sent to its own server only."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util import Retry

from infinity_frames.client.http.fork import renew_after_fork
from infinity_frames.client.http.header_deadline import PunctualAdapter
from infinity_frames.protocol.errors import SessionError

__all__ = [
    "CHUNK",
    "CONNECTIONS",
    "Body",
    "Http",
    "Token",
    "clean_token",
    "never_sent",
    "pieces",
    "retry_after",
    "server_address",
]

CHUNK = 256 * 1024
"""Threads that download take turns with every piece; smaller ones cost more turns than work."""
CONNECTIONS = 16


class Token(AuthBase):
    """Puts the token on a request, and keeps it out of every repr."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self._token is not None:
            request.headers["Authorization"] = f"Token {self._token}"
        return request


class Http(requests.Session):
    """A pooled session that hands its credentials to nobody else and never turns a POST into a GET.

    Plain requests adds what ``~/.netrc`` says about a host, and drops a POST's body on 301 or 302.

    Parameters
    ----------
    check : callable, optional
        Called with every new connection before anything is sent; raises if the server is not the
        right one.
    """

    def __init__(self, check: Callable[[HTTPConnection], None] | None = None) -> None:
        super().__init__()
        self._check = check
        self.renew()
        renew_after_fork(self)
        self._settings: dict[tuple[str, str], Any] = {}

    def renew(self) -> None:
        """Start with new connections; those of a parent process stay the parent's."""
        adapter = PunctualAdapter(self._check, pool_connections=4, pool_maxsize=CONNECTIONS)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Proxies and certificates as the environment has them, looked up once per host.

        requests goes through the whole environment twice for every request, which is a third of
        what a small download costs.
        """
        parts = urlsplit(str(url))
        host = parts[:2]
        if host not in self._settings:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            # What listens on this machine no proxy can reach, and no proxy is told its token.
            loopback = _is_loopback(parts.hostname or "")
            self._settings[host] = {**found, "proxies": {}} if loopback else found
        return {**self._settings[host], "stream": stream}

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Drop the token where a redirect leads to another host."""
        old, new = str(response.request.url), str(prepared_request.url)
        if self.should_strip_auth(old, new):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where to follow to; nowhere if following would turn a POST into a GET."""
        if resp.request.method == "POST" and resp.status_code in (301, 302, 303):
            return None
        return super().get_redirect_target(resp)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Body(BytesIO):
    """What is sent, in pieces: each has the connection's time limit, and all of them a deadline.

    Parameters
    ----------
    data : bytes
    deadline : float
        By the monotonic clock, s.
    """

    def __init__(self, data: bytes, deadline: float) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1) -> bytes:
        """The next piece.

        Raises
        ------
        requests.ReadTimeout
            The deadline has passed.
        """
        if time.monotonic() > self._deadline:
            raise requests.ReadTimeout("what was to be sent was taken too slowly")
        return super().read(size)


_TOKEN = re.compile(r"[\x21-\x7e]+")


def clean_token(token: str | None) -> str | None:
    """A token without surrounding white space; None for no token.

    Raises
    ------
    SessionError
        It holds characters that a header cannot carry; the error does not show it.
    """
    if token is None:
        return None
    text = token.strip() if isinstance(token, str) else ""
    if not _TOKEN.fullmatch(text):
        raise SessionError(
            "The token holds spaces, line breaks or non-ASCII characters, or is empty.",
            advice="Check where it was copied from; it is not shown here.",
        )
    return text


def server_address(text: str) -> str:
    """A server's address in its one canonical form.

    Raises
    ------
    SessionError
        It is no http(s) address, or it carries a user, a query or a fragment.
    """
    address = _canonical(text.strip())
    if address is None:
        # A user name and password before "@" are never shown.
        shown = text.strip().rpartition("@")[2].partition("?")[0].partition("#")[0]
        raise SessionError(
            f"Invalid server address {shown!r}.",
            advice='Give it as "https://host" or "http://host:port", without a user or a query.',
        )
    return address


def _canonical(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        _ = parts.port
    except ValueError:  # UnicodeError, for a host name that DNS cannot hold, is one too
        return None
    secret = "@" in parts.netloc or parts.query or parts.fragment
    if parts.scheme.lower() not in ("http", "https") or not host or secret:
        return None
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives, up to 256 KiB at a time, decompressed where the server compressed it.

    Each is what is there, not a full chunk waited for: a deadline can be kept between two, and a
    connection that breaks loses nothing that had arrived.

    Raises
    ------
    requests.ReadTimeout, requests.ConnectionError
        The body stopped before its end.
    """
    try:
        while piece := response.raw.read1(CHUNK, decode_content=True):
            yield piece
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from None
    except (HTTPError, OSError) as error:
        raise requests.ConnectionError(error) from None


def retry_after(response: requests.Response) -> float | None:
    """Seconds the server asks to wait, from ``Retry-After`` (a number or a date), if it does."""
    text = response.headers.get("Retry-After")
    if text is None or response.status_code not in (429, 503):
        return None
    try:
        return max(0.0, float(Retry().parse_retry_after(text)))
    except Exception:  # urllib3 raises its own InvalidHeader; a header we cannot read is no header
        return None


def never_sent(error: requests.RequestException) -> bool:
    """Whether the request cannot have reached the server: no connection was ever made."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
