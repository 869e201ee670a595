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
from infinity_frames.protocol.addresses import without_secrets
from infinity_frames.protocol.errors import InfinityError, SessionError

__all__ = [
    "CHUNK",
    "CONNECTIONS",
    "SETTINGS_ERRORS",
    "Body",
    "Http",
    "Token",
    "never_sent",
    "pieces",
    "retry_after",
    "server_address",
]

CHUNK = 256 * 1024
"""Bytes per piece; with smaller ones, switching between threads costs more than the work."""
CONNECTIONS = 16
SETTINGS_ERRORS = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
"""Raised before anything is sent, because a proxy or certificate of the environment is invalid."""


class Token(AuthBase):
    """Adds the token to requests; no repr and no list of attributes shows it.

    Functions pass it on instead of the text, which a traceback with local variables would show.

    Parameters
    ----------
    text : str or None
        None for no token.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str | None) -> None:
        self._text = text.strip() if isinstance(text, str) else text

    @classmethod
    def of(cls, token: str | Token | None) -> Token:
        """Wrap the text of a token; a `Token` is returned as it is."""
        return token if isinstance(token, Token) else cls(token or None)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        if self._text is not None:
            request.headers["Authorization"] = f"Token {self._text}"
        return request

    def __bool__(self) -> bool:
        return self._text is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def hide_in(self, content: bytes) -> bytes:
        """Replace the token where a response repeats it: its texts end up in frames and errors.

        A short token may be a common word, which a response also holds for other reasons.
        """
        if self._text is None or len(self._text) < _SHORTEST_HIDDEN:
            return content
        return content.replace(self._text.encode(), b"***")

    def check(self) -> None:
        """Check that a header can carry the token.

        Raises
        ------
        SessionError
            It cannot; the error does not show the token.
        """
        if self._text is None or (isinstance(self._text, str) and _TOKEN.fullmatch(self._text)):
            return
        raise SessionError(
            "The token contains spaces, line breaks or non-ASCII characters, or is empty.",
            advice="Copy it again from where it was issued; it is not shown here.",
        )


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class Http(requests.Session):
    """A pooled session that sends the token to one server only and never turns a POST into a GET.

    Plain requests adds credentials from ``~/.netrc``, and drops a POST's body on 301 or 302.

    Parameters
    ----------
    check : callable, optional
        Called with every new connection before anything is sent; raises if the server is not the
        right one.
    """

    def __init__(self, check: Callable[[HTTPConnection], None] | None = None) -> None:
        super().__init__()
        # A request without a token is falsy for requests, which would then read ~/.netrc.
        self.auth = _unchanged
        self._check = check
        self.renew()
        renew_after_fork(self)
        self._settings: dict[tuple[str, str], Any] = {}

    def renew(self) -> None:
        """Discard the connections, which belong to the parent process after a fork."""
        adapter = PunctualAdapter(self._check, pool_connections=4, pool_maxsize=CONNECTIONS)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def merge_environment_settings(
        self, url: str | bytes | None, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Read proxies and certificates from the environment, once per host.

        requests reads the whole environment twice for every request, a third of the time of a
        small download.
        """
        parts = urlsplit(str(url))
        host = parts[:2]
        if host not in self._settings:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            # A proxy cannot reach a server on this machine, and must not get its token.
            loopback = _is_loopback(parts.hostname or "")
            self._settings[host] = {**found, "proxies": {}} if loopback else found
        return {**self._settings[host], "stream": stream}

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request; invalid settings, of whatever library, raise `SETTINGS_ERRORS`."""
        try:
            return super().send(request, **options)
        except (requests.RequestException, InfinityError):
            raise
        except (OSError, ValueError) as error:
            raise requests.exceptions.InvalidURL(type(error).__name__) from None

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Drop the token where a redirect leads to another host."""
        old, new = str(response.request.url), str(prepared_request.url)
        if self.should_strip_auth(old, new):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a redirect leads; None if following it would turn a POST into a GET."""
        if resp.request.method == "POST" and resp.status_code in (301, 302, 303):
            return None
        return super().get_redirect_target(resp)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Body(BytesIO):
    """A request body that is sent in pieces, with a deadline for the whole.

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
        """Return the next piece.

        Raises
        ------
        requests.ReadTimeout
            The deadline has passed.
        """
        if time.monotonic() > self._deadline:
            raise requests.ReadTimeout("the server received the request too slowly")
        return super().read(size)


_SHORTEST_HIDDEN = 4
_TOKEN = re.compile(r"[\x21-\x7e]+")


def server_address(text: str) -> str:
    """Return a server's address in its canonical form.

    Raises
    ------
    SessionError
        It is not an http(s) address, or it contains a user, parameters, a query or a fragment.
    """
    address = _canonical(text.strip())
    if address is None:
        raise SessionError(
            f"Invalid server address {without_secrets(text)!r}.",
            advice='Write it as "https://host" or "http://host:port", without a user or a query.',
        )
    return address


def _canonical(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        _ = parts.port
    except ValueError:  # UnicodeError, for a host name that DNS cannot hold, is one too
        return None
    if parts.scheme.lower() not in ("http", "https") or not host:
        return None
    if without_secrets(text) != text:
        return None
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the decompressed body as it arrives, up to 256 KiB at a time.

    A piece is yielded as soon as it arrives. So the caller can check a deadline between two pieces,
    and what arrived before a connection broke is kept.

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
    """Return the seconds that ``Retry-After`` (a number or a date) asks to wait, if any."""
    text = response.headers.get("Retry-After")
    if text is None or response.status_code not in (429, 503):
        return None
    try:
        return max(0.0, float(Retry().parse_retry_after(text)))
    except Exception:  # urllib3 raises its own InvalidHeader; an invalid header is ignored
        return None


def never_sent(error: requests.RequestException) -> bool:
    """Return whether the request cannot have reached the server, since no connection was made."""
    if isinstance(error, (requests.ConnectTimeout, *SETTINGS_ERRORS)):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
