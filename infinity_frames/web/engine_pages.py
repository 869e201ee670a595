"""The engine's pages: batches, a batch, a job, generators, accounts, and the data behind them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from infinity_frames.engine.service import ledger, repository, sign_in
from infinity_frames.engine.service.dependencies import AccountId, Engine, Link, account_of
from infinity_frames.engine.service.responses import compressed_json_response, json_response
from infinity_frames.protocol.errors import (
    AuthenticationError,
    InfinityError,
    NotFound,
    RequestRejected,
)
from infinity_frames.web import engine_queries as queries
from infinity_frames.web.engine_archives import Unpacked
from infinity_frames.web.pages import render, security_headers, static_file

__all__ = ["add_pages"]

_JOB_ID = re.compile(r"[0-9a-f-]{36}")
# Pictures and videos of a finished job never change.
_KEPT = {"Cache-Control": "private, max-age=86400", "Cross-Origin-Resource-Policy": "same-origin"}


def add_pages(app: FastAPI) -> None:
    """Add the routes of the pages to the engine's application."""
    app.state.overview = queries.Overview()
    app.state.unpacked = Unpacked(app.state.service.archives)
    app.include_router(_pages)
    app.include_router(_data)


class _PageRoute(APIRoute):
    """A route whose errors are pages; without a session, the page that says how to sign in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_with_pages(request: Request) -> Response:
            try:
                return await handle(request)
            except AuthenticationError as error:
                text = str(error) if request.url.path.startswith("/sign-in") else ""
                return _page("sign_in.html", 401, problem=text)
            except InfinityError as error:
                status = 404 if isinstance(error, NotFound) else error.where.get("status", 500)
                return _page("error.html", status, problem=str(error))

        return handle_with_pages


_pages = APIRouter(include_in_schema=False, route_class=_PageRoute)
_data = APIRouter(prefix="/pages", include_in_schema=False)


def _page(template: str, status: int = 200, **values: Any) -> Response:
    values = {"account": None, "own": False, "here": "", "base": "", **values}
    return Response(render(template, **values), status, security_headers(), "text/html")


async def _signed_in(request: Request, service: Engine, account: AccountId) -> dict[str, Any]:
    """What every page shows of its account."""

    def look_up() -> dict[str, Any]:
        with service.store.read() as connection:
            name = queries.account_name(connection, account)
            own = ledger.is_own_account(connection, account)
        return {"account": name, "own": own, "here": request.url.path.split("/")[1]}

    return await run_sync(look_up)


SignedIn = Annotated[dict[str, Any], Depends(_signed_in)]


# Sign-in


@_pages.get("/sign-in/")
def sign_in_browser(request: Request, service: Engine, code: str = "") -> Response:
    """Exchange a one-time code for a cookie, then show the batches.

    The page sends the browser on itself. A redirect would count as part of the foreign page that
    had the link, and browsers would not send the cookie.
    """
    with service.store.write() as connection:
        session = sign_in.start_session(connection, code)
    response = _page("signed_in.html")
    response.set_cookie(
        sign_in.cookie_name(request),
        session,
        max_age=sign_in.SESSION_LIFETIME_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@_pages.post("/sign-out/")
def sign_out(request: Request, service: Engine) -> Response:
    """End the session of this browser."""
    name = sign_in.cookie_name(request)
    session = request.cookies.get(name)
    if session is not None:
        with service.store.write() as connection:
            sign_in.end_session(connection, session)
        service.forget_tokens()
    response = _page("sign_in.html", problem="This browser is signed out.")
    response.delete_cookie(name, httponly=True, samesite="strict")
    return response


# Pages


@_pages.get("/")
async def show_start(request: Request, service: Engine) -> Response:
    """Show the batches to a browser; other clients get the error of an unknown endpoint."""
    if "text/html" not in request.headers.get("accept", ""):
        raise HTTPException(404)
    signed_in = await _signed_in(request, service, await account_of(request, service))
    return _page("batches.html", **{**signed_in, "here": "batches"})


@_pages.get("/batches")
def show_batches(signed_in: SignedIn) -> Response:
    """Show the latest batches."""
    return _page("batches.html", **signed_in)


@_pages.get("/static/{name}")
def get_static(name: str, request: Request) -> Response:
    """Return a script or a style sheet; browsers ask whether theirs is still the same."""
    found = static_file(name)
    if found is None:
        raise NotFound(f"There is no file {name[:80]!r}.")
    content, kind = found
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == etag:
        return Response(None, 304, headers)
    return Response(content, 200, headers, f"{kind}; charset=utf-8")


# Data of the batches page


@_data.get("/batches")
def get_batches(
    request: Request,
    service: Engine,
    account: AccountId,
    search: Annotated[str, Query(max_length=200)] = "",
    before: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Return the latest batches with counts of their jobs; the page polls this while visible."""
    overview: queries.Overview = request.app.state.overview
    with service.store.read() as connection:
        found = overview.batches(connection, account, search.replace("\0", ""), before)
        balance = ledger.balance(connection, account)
    body = orjson.dumps(
        {
            "batches": found,
            "message": service.dispatcher.message(),
            "left": balance.left,
            "reserved": balance.reserved,
        }
    )
    return compressed_json_response(body, request)


@_data.post("/batch/{batch_id}/retry")
def retry_failed(batch_id: str, service: Engine, account: AccountId, link: Link) -> Response:
    """Submit the failed jobs of a batch again, with new seeds, as a new batch."""
    with service.store.read() as connection:
        batch = repository.batch_row(connection, account, batch_id)
        runs = queries.failed_jobs(connection, batch_id)
    if not runs:
        raise RequestRejected("No job of this batch has failed.", status=400)
    body = orjson.dumps({"name": f"{batch.name} (retry)"[:1000], "job_runs": runs})
    made = orjson.loads(service.submit(account, body, None, link))
    return json_response({"id": made["id"], "jobs": len(made["job_runs"])}, 201)
