"""The ASGI application: routes, error responses, and response headers of the protocol."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from sqlalchemy.exc import DatabaseError, DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from infinity_frames.engine.service import metrics, result_routes, routes, token_routes
from infinity_frames.engine.service.host_check import HostCheck
from infinity_frames.engine.service.service import Service
from infinity_frames.protocol.errors import (
    AuthenticationError,
    InfinityError,
    InvalidJobs,
    NotEnoughSamples,
    NotFound,
)

__all__ = ["Application", "application"]

EXTENSIONS = (
    "idempotency, cancel, account, tags, status, seed, sha256, errors, sampling, constraints, "
    "message, since, parameters, broken, "
    "traceback, tokens, expired, pages"
)
_RETRY_AFTER_S = 2
_log = logging.getLogger(__name__)


class Application:
    """The engine's HTTP application.

    It accepts paths without their last slash, adds ``Infinity-Extensions`` to every response, and
    records the time of the last request.

    Parameters
    ----------
    app : ASGI application
        Handles the requests.
    hosts : HostCheck
        Rejects requests that web pages of other sites could make.
    """

    def __init__(self, app: ASGIApp, hosts: HostCheck) -> None:
        self._app = app
        self._hosts = hosts
        self._open = 0
        self._last_request = time.monotonic()

    @property
    def quiet_for(self) -> float:
        """Seconds since the last request ended; 0 while a request is handled."""
        return 0.0 if self._open else time.monotonic() - self._last_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._hosts.problem(scope)
        if problem is not None:
            await _error_response(403, problem)(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith("/api/") and not path.endswith("/"):
            scope = {**scope, "path": path + "/", "raw_path": scope["raw_path"] + b"/"}

        async def send_with_extensions(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                header = (b"infinity-extensions", EXTENSIONS.encode())
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        self._open += 1
        try:
            await self._app(scope, receive, send_with_extensions)
        finally:
            self._open -= 1
            self._last_request = time.monotonic()


def application(
    service: Service, hosts: HostCheck, pages: Callable[[FastAPI], None] | None = None
) -> Application:
    """Build the application of a service; `pages` adds the routes of pages for browsers."""
    app = FastAPIOffline(
        title="Infinity API",
        description="Batches of synthetic data, rendered on this machine.",
        redirect_slashes=False,
        redoc_url=None,
        # Swagger UI would send the description to a foreign host for a badge.
        swagger_ui_parameters={"validatorUrl": None},
    )
    app.state.service = service
    app.include_router(routes.router)
    for module in (result_routes, token_routes, metrics):
        app.include_router(module.router)
    if pages is not None:
        pages(app)
    handlers: dict[Any, Any] = {
        InfinityError: _infinity_error,
        OperationalError: _busy,
        DataError: _unstorable,
        DatabaseError: _damaged,
        HTTPException: _http,
        RequestValidationError: _invalid,
        ClientDisconnect: _gone,
        Exception: _fault,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return Application(app, hosts)


def _error_response(
    status: int, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> Response:
    body = orjson.dumps({"detail": detail, **more})
    return Response(body, status, headers=headers, media_type="application/json")


def _infinity_error(_request: Request, error: InfinityError) -> Response:
    """Translate an error of this package: its class decides the status."""
    match error:
        case AuthenticationError():
            return _error_response(401, str(error), {"WWW-Authenticate": "Token"})
        case NotEnoughSamples():
            needed, left = error.where["needed"], error.where["left"]
            return _error_response(402, str(error), needed=needed, left=left)
        case NotFound():
            return _error_response(404, str(error))
        case InvalidJobs():
            return _error_response(400, str(error), errors=error.where["errors"])
    return _error_response(error.where.get("status", 500), str(error), error.where.get("headers"))


def _busy(_request: Request, error: OperationalError) -> Response:
    """Answer 503: the database is locked or the disk is full; nothing was changed, so retry."""
    _log.warning("the database cannot be used: %s", error.orig)
    return _error_response(
        503,
        f"The engine cannot write its database now ({error.orig}); nothing was changed. "
        "Check that its disk has room, and try again.",
        {"Retry-After": str(_RETRY_AFTER_S)},
    )


def _unstorable(_request: Request, error: DataError) -> Response:
    """Return the database cannot hold a value of the request, for example a NUL character."""
    return _error_response(400, f"The request holds a value that cannot be stored: {error.orig}.")


def _damaged(_request: Request, error: DatabaseError) -> Response:
    _log.error("the database is damaged: %s", error.orig)
    return _error_response(
        503,
        f"The engine's database is damaged ({error.orig}). Stop the engine, and restore the file "
        "engine.sqlite in its home from a backup or with `sqlite3 engine.sqlite .recover`.",
    )


def _http(request: Request, error: HTTPException) -> Response:
    path = request.url.path
    sentences = {
        404: f"No endpoint {path}. /docs lists the endpoints.",
        405: f"{path} does not accept {request.method}. /docs lists the endpoints.",
    }
    detail = sentences.get(error.status_code, str(error.detail))
    return _error_response(error.status_code, detail, dict(error.headers or {}))


def _invalid(_request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _error_response(400, f"{where}: {first['msg']}. /docs describes every request.")


def _gone(_request: Request, _error: ClientDisconnect) -> Response:
    return _error_response(400, "The connection closed before the body was complete.")


def _fault(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _error_response(500, "Internal engine error; see the engine log for details.")
