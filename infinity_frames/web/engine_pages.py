"""The engine's pages: batches, a batch, a job, generators, accounts, and the data behind them."""

from __future__ import annotations

import hashlib
import importlib
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Annotated, Any

import orjson
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from infinity_frames.engine.service import ledger, registry, repository, sign_in
from infinity_frames.engine.service.dependencies import AccountId, Engine, Link, account_of
from infinity_frames.engine.service.responses import compressed_json_response, json_response
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import (
    AuthenticationError,
    InfinityError,
    MediaError,
    NotFound,
    RequestRejected,
    UnknownJob,
)
from infinity_frames.web import engine_queries as queries
from infinity_frames.web.engine_archives import Unpacked, picture
from infinity_frames.web.pages import job_code, render, security_headers, static_file
from infinity_frames.web.tables import table_json

__all__ = ["add_pages"]

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
    """Return what every page shows of its account."""

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


@_pages.get("/batch/{batch_id}")
def show_batch(
    batch_id: str, request: Request, service: Engine, account: AccountId, signed_in: SignedIn
) -> Response:
    """Show the jobs of a batch as a grid beside filters."""
    with service.store.read() as connection:
        batch = repository.batch_row(connection, account, batch_id)
        generator = queries.generator_of(connection, batch_id)
    code = _session_code(request, generator)
    _load_label_readers()
    return _page(
        "batch.html",
        **{**signed_in, "here": "batches"},
        title=batch.name or "Batch",
        subtitle=f"{generator or 'no jobs yet'}, {batch.created[:16].replace('T', ' ')} UTC",
        data=f"/pages/batch/{batch.id}",
        links="/job/",
        source=f'{code}\njobs = session.batch_from_api("{batch.id}").frame',
        labeled=f'{code}\nbatch = session.batch_from_api("{batch.id}")\n'
        f'jobs = batch.download("{batch.id}", columns="labels")',
        live=batch.id,
        selection=False,
    )


@cache
def _load_label_readers() -> None:
    """Start to import what the page of a job needs, which takes seconds; a job is likely next."""
    name = "infinity_frames.web.job_data"
    threading.Thread(target=importlib.import_module, args=[name], daemon=True).start()


def _session_code(request: Request, generator: str | None) -> str:
    """Python that opens a session like the one that this page belongs to."""
    address = str(request.base_url).rstrip("/")
    local = request.url.hostname in ("127.0.0.1", "localhost", "::1")
    server = "" if local else f', server="{address}"'
    return f'import infinity_frames as inf\nsession = inf.Session("{generator}"{server})'


@_pages.get("/job/{job_id}")
def show_job(
    job_id: str, request: Request, service: Engine, account: AccountId, signed_in: SignedIn
) -> Response:
    """Show a job: its video with labels, its curves and its parameters."""
    with service.store.read() as connection:
        job = queries.job_of_account(connection, account, job_id)
        copies = queries.siblings(connection, job)
    for copy in copies:
        completed = copy["status"] == "completed"
        copy["href"] = f"/job/{copy['id']}"
        copy["picture"] = f"/pages/batch/{job.batch_id}/picture/{copy['id']}" if completed else None
    finished = job.status == "completed" and job.expired is None
    code = _session_code(request, job.generator)
    return _page(
        "job.html",
        **{**signed_in, "here": "batches"},
        title=f"Job {job.id[:8]}",
        back=f"/batch/{job.batch_id}",
        back_title=job.batch_name or "its batch",
        facts=queries.facts(job),
        error=job.error,
        trace=job.traceback,
        data=f"/pages/job/{job.id}" if finished else "",
        siblings=copies,
        values=queries.values_of(job),
        code=job_code(code, job.batch_id, job.id, queries.sweep_of(job.generator)),
    )


@_pages.get("/generators")
def show_generators(signed_in: SignedIn) -> Response:
    """Show the installed generators."""
    usable = registry.usable_generators()
    specs = [usable[name].spec for name in sorted(usable)]
    broken = sorted(registry.broken_generators().items())
    return _page("generators.html", **signed_in, specs=specs, broken=broken)


@_pages.get("/generators/{name}")
def show_generator(name: str, request: Request, service: Engine, signed_in: SignedIn) -> Response:
    """Show the parameters of a generator as a form."""
    spec = registry.generator(name).spec
    # A preview is likely next: compile the rendering code meanwhile.
    service.dispatcher.prepare(spec.name)
    return _page(
        "generator.html",
        **signed_in,
        spec=queries.described(spec),
        rules=[rule.describe() for rule in spec.constraints],
        source=_session_code(request, spec.name),
    )


@_pages.get("/accounts")
def show_accounts(service: Engine, account: AccountId, signed_in: SignedIn) -> Response:
    """Show the accounts, their samples and their tokens."""
    with service.store.read() as connection:
        rows = queries.account_rows(connection, account)
        days = queries.samples_by_day(connection, account)
    most = max((samples for _, samples in days), default=0)
    return _page("accounts.html", **signed_in, accounts=rows, days=days, most=most)


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


# Data of the page of a batch


@_data.get("/batch/{batch_id}/table")
def get_table(
    batch_id: str,
    request: Request,
    service: Engine,
    account: AccountId,
    column: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Return the columns of a batch, or the values of some of them."""
    with service.store.read() as connection:
        repository.batch_row(connection, account, batch_id)
        ids, columns, revision = queries.batch_columns(connection, batch_id)
    return compressed_json_response(table_json(ids, columns, column, revision=revision), request)


@_data.get("/batch/{batch_id}/picture/{job_id}")
def get_picture(
    batch_id: str,
    job_id: str,
    request: Request,
    service: Engine,
    account: AccountId,
    width: Annotated[int, Query(ge=16, le=1920)] = 240,
) -> Response:
    """Return the preview or the first frame of a job, small."""
    from infinity_frames.web.pictures import thumbnail_of

    with service.store.read() as connection:
        job = queries.job_of_account(connection, account, job_id)
    if job.batch_id != batch_id or job.status != "completed":
        raise UnknownJob("This job has no picture.")
    try:
        found = picture(service.archives, job_id)
        if found is not None:
            return Response(thumbnail_of(found, width), 200, _KEPT, "image/jpeg")
        from infinity_frames.web.job_data import thumbnail

        unpacked: Unpacked = request.app.state.unpacked
        return Response(thumbnail(unpacked.files(job_id), width), 200, _KEPT, "image/jpeg")
    except MediaError as error:
        raise NotFound(error.problem, advice=error.advice) from None


# Data of the page of a job


def _unpacked(job_id: str, request: Request, service: Engine, account: AccountId) -> Any:
    """Return the files of a completed job of this account."""
    with service.store.read() as connection:
        job = queries.job_of_account(connection, account, job_id)
    if job.status != "completed":
        raise UnknownJob("This job has no results.")
    unpacked: Unpacked = request.app.state.unpacked
    return unpacked.files(job.id)


Files = Annotated[Any, Depends(_unpacked)]


@_data.get("/job/{job_id}/media")
def get_media(files: Files, request: Request) -> Response:
    """Describe the video and the labels of a job."""
    from infinity_frames.web.job_data import media_json

    return compressed_json_response(media_json(files), request)


@_data.get("/job/{job_id}/labels")
def get_labels(
    files: Files,
    request: Request,
    start: Annotated[int, Query(ge=0)] = 0,
    count: Annotated[int, Query(ge=1, le=1000)] = 60,
) -> Response:
    """Return the labels of some frames."""
    from infinity_frames.web.job_data import labels_json

    return compressed_json_response(labels_json(files, start, count), request)


@_data.get("/job/{job_id}/curves")
def get_curves(files: Files, request: Request) -> Response:
    """Return the scalar labels and the sensor data of a job."""
    from infinity_frames.web.job_data import curves_json

    return compressed_json_response(curves_json(files), request)


@_data.get("/job/{job_id}/video")
def get_video(files: Files) -> Response:
    """Return the video of a job, or a part of it."""
    if files.video is None:
        raise NotFound("This job has no video.")
    return FileResponse(files.video, media_type="video/mp4", headers=_KEPT)


@_data.get("/job/{job_id}/picture")
def get_full_picture(files: Files) -> Response:
    """Return the preview of a job in its own size."""
    if files.picture is None:
        raise NotFound("This job has no picture.")
    return FileResponse(files.picture, media_type="image/png", headers=_KEPT)


@_data.get("/generator/{name}/sample")
def draw_job(name: str, _: AccountId) -> Response:
    """Draw sensible values of a generator's parameters."""
    spec = registry.generator(name).spec
    (values,) = parameters.records(spec, parameters.sample(spec, 1))
    values.pop("random_seed", None)  # else every preview would repeat the same decisions
    return json_response({"values": values})


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
