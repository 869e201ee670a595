"""FastAPI dependencies: what the endpoints read from a request.

They are coroutines, because FastAPI runs plain functions in its thread pool, at a cost per call.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Request

from infinity_frames.engine.service.host_check import SAFE_METHODS
from infinity_frames.engine.service.repository import Linker
from infinity_frames.engine.service.service import IdempotencyKey, Service
from infinity_frames.engine.service.sign_in import cookie_name
from infinity_frames.protocol.errors import AuthenticationError, RequestRejected

__all__ = [
    "AccountId",
    "ClientExtensions",
    "Engine",
    "Key",
    "Limit",
    "Link",
    "RawBody",
    "Since",
    "TokenText",
    "Window",
    "account_of",
]

MAX_BODY_BYTES = 64 * 2**20
# A body over the limit is read to its end and discarded, so that the client receives the reason;
# a body over this limit is cut off.
_MAX_READ_BYTES = 4 * MAX_BODY_BYTES
_MAX_KEY = 200
_MAX_LIMIT = 100_000
_MAX_REVISION = 2**53


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Engine = Annotated[Service, Depends(_service)]


async def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "token" or not token.strip():
        raise AuthenticationError(
            "The request has no token.", advice="Send the header `Authorization: Token <token>`."
        )
    return token.strip()


async def account_of(request: Request, service: Engine) -> int:
    """Return the account of a request: of its token, or of the cookie of a signed-in browser."""
    session = request.cookies.get(cookie_name(request))
    if session is None or "authorization" in request.headers:
        return await run_sync(service.account, await _token(request))
    # Browsers send Origin with every change, and the engine rejects foreign ones. A change without
    # it does not come from one of the engine's pages.
    if request.method not in SAFE_METHODS and "origin" not in request.headers:
        raise RequestRejected(
            "The request has a cookie and no Origin header.",
            advice="Programs send the header `Authorization: Token <token>`.",
            status=403,
        )
    return await run_sync(service.session_account, session)


async def _body(request: Request) -> bytes:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestRejected(
            "The body is compressed.", advice="Send it as plain JSON.", status=415
        )
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_READ_BYTES:
            break
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
    if size > MAX_BODY_BYTES:
        raise RequestRejected(
            f"The body is larger than {MAX_BODY_BYTES // 2**20} MB.",
            advice="Split the batch into several.",
            status=413,
        )
    return b"".join(chunks)


RawBody = Annotated[bytes, Depends(_body)]


async def _linker(request: Request, service: Engine) -> Linker:
    signer = service.signer
    base, expiry = str(request.base_url), signer.expiry()
    return lambda job_id: base + signer.path(job_id, expiry)


async def _key(request: Request, body: RawBody) -> IdempotencyKey | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not key or len(key) > _MAX_KEY:
        raise RequestRejected(
            f"Idempotency-Key must have 1 to {_MAX_KEY} characters.",
            advice="Send a fresh UUID with every new request.",
            status=400,
        )
    return IdempotencyKey.of(key, request.url.path, body)


def _integer(request: Request, name: str, least: int, most: int) -> int | None:
    """Read an integer of the query string."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise RequestRejected(f"{name} must be a whole number from {least} to {most}.", status=400)
    return int(text)


async def _limit(request: Request) -> int:
    return _integer(request, "limit", 1, _MAX_LIMIT) or _MAX_LIMIT


async def _since(request: Request) -> int | None:
    return _integer(request, "since", 0, _MAX_REVISION)


def _time(request: Request, name: str) -> str | None:
    """Read a time of the query string, in the format of the store."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        # An unescaped plus sign of an offset arrives as a space.
        time = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        return time.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        raise RequestRejected(
            f"{name} must be an ISO-8601 time; it is {text[:80]!r}.",
            advice="Write it as 2026-01-31T12:00:00+00:00.",
            status=400,
        ) from None


async def _window(request: Request) -> tuple[str | None, str | None]:
    return _time(request, "start_time"), _time(request, "end_time")


async def _extensions(request: Request) -> frozenset[str]:
    names = request.headers.get("infinity-extensions", "").split(",")
    return frozenset(filter(None, (name.strip() for name in names)))


AccountId = Annotated[int, Depends(account_of)]
# Extensions of the protocol that the client announces to know.
ClientExtensions = Annotated[frozenset[str], Depends(_extensions)]
Key = Annotated[IdempotencyKey | None, Depends(_key)]
Link = Annotated[Linker, Depends(_linker)]
Limit = Annotated[int, Depends(_limit)]
Since = Annotated[int | None, Depends(_since)]
# The token itself, where a cookie is not enough.
TokenText = Annotated[str, Depends(_token)]
Window = Annotated[tuple[str | None, str | None], Depends(_window)]
