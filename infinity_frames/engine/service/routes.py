"""The endpoints of the protocol."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from infinity_frames.engine.service import ledger
from infinity_frames.engine.service import openapi as models
from infinity_frames.engine.service import registry as catalog
from infinity_frames.engine.service import repository as records
from infinity_frames.engine.service.repository import Linker
from infinity_frames.engine.service.runners.worker import archive_name
from infinity_frames.engine.service.service import Once, Service
from infinity_frames.protocol.errors import AuthenticationError, NotFound, RequestRejected

__all__ = ["router"]

MAX_BODY_BYTES = 64 * 2**20
# A body over the limit is read to its end, unkept, so that the client hears why it is refused;
# one that does not end is cut off.
_MAX_READ_BYTES = 4 * MAX_BODY_BYTES
_MAX_KEY = 200
_MAX_LIMIT = 100_000
_MAX_REVISION = 2**53
_BYTE_RANGE = re.compile(r"bytes=\s*([0-9]*)\s*-\s*([0-9]*)\s*")
_NONE = (None, None)
_GZIP = re.compile(r"\bgzip\b(?:\s*;\s*q=([01](?:\.\d{0,3})?))?", re.IGNORECASE)
_MIN_PACKED_BYTES = 16 * 1024

_REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": models.Error, "description": "Refused; `detail` says why."}
}
router = APIRouter(prefix="/api", responses=_REFUSALS)


# What is asked of a request is found without waiting: `async`, lest each costs a turn of a thread.


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _account(request: Request, service: Engine) -> int:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "token" or not token.strip():
        raise AuthenticationError(
            "This needs a token.", advice="Send the header `Authorization: Token <token>`."
        )
    return await run_sync(service.account, token.strip())


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


async def _linker(request: Request, service: Engine) -> Linker:
    signer = service.signer
    base, expiry = str(request.base_url), signer.expiry()
    return lambda job_id: base + signer.path(job_id, expiry)


async def _once(request: Request, body: Annotated[bytes, Depends(_body)]) -> Once | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not key or len(key) > _MAX_KEY:
        raise RequestRejected(
            f"Idempotency-Key must have 1 to {_MAX_KEY} characters.",
            advice="Send a fresh UUID with every new request.",
            status=400,
        )
    return Once.of(key, request.url.path, body)


def _whole(request: Request, name: str, least: int, most: int) -> int | None:
    """A whole number of the query."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise RequestRejected(f"{name} must be a whole number from {least} to {most}.", status=400)
    return int(text)


async def _limit(request: Request) -> int:
    return _whole(request, "limit", 1, _MAX_LIMIT) or _MAX_LIMIT


async def _since(request: Request) -> int | None:
    return _whole(request, "since", 0, _MAX_REVISION)


def _moment(request: Request, name: str) -> str | None:
    """A time of the query, as the store writes times."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        # The plus of an offset that a client did not escape arrives as a space.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        raise RequestRejected(
            f"{name} must be an ISO-8601 time; it is {text[:80]!r}.",
            advice="Write it as 2026-01-31T12:00:00+00:00.",
            status=400,
        ) from None


async def _window(request: Request) -> tuple[str | None, str | None]:
    return _moment(request, "start_time"), _moment(request, "end_time")


Engine = Annotated[Service, Depends(_service)]
AccountId = Annotated[int, Depends(_account)]
Body = Annotated[bytes, Depends(_body)]
Repeat = Annotated[Once | None, Depends(_once)]
Link = Annotated[Linker, Depends(_linker)]
Limit = Annotated[int, Depends(_limit)]
Since = Annotated[int | None, Depends(_since)]
Window = Annotated[tuple[str | None, str | None], Depends(_window)]


def _json(content: bytes | Any, status: int = 200) -> Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, status, media_type="application/json")


def _packed(content: bytes, request: Request, noise: int | None = None) -> Response:
    """A JSON answer, compressed if it is long and the client says that it can read that.

    From `noise` on it is random characters, which are not worth the time.
    """
    answer = _json(content)
    answer.headers["Vary"] = "Accept-Encoding"
    accepted = _GZIP.search(request.headers.get("accept-encoding", ""))
    if len(content) < _MIN_PACKED_BYTES or accepted is None or float(accepted[1] or 1) == 0:
        return answer
    answer.body = _gzipped(content, len(content) if noise is None else noise)
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Content-Length"] = str(len(answer.body))
    return answer


def _gzipped(content: bytes, noise: int) -> bytes:
    """A gzip file, quickly made, that holds what comes from `noise` on as it is."""
    pieces = [b"\x1f\x8b\x08" + bytes(6) + b"\xff"]
    for level, piece in ((1, content[:noise]), (0, content[noise:])):
        packer = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
        pieces += packer.compress(piece), packer.flush(zlib.Z_FULL_FLUSH)
    pieces += packer.flush(), struct.pack("<LL", zlib.crc32(content), len(content) % 2**32)
    return b"".join(pieces)


def _takes(model: type[BaseModel], *, once: bool = False) -> dict[str, Any]:
    """The OpenAPI description of a body that is read as bytes."""
    schema = model.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    content = {"application/json": {"schema": schema}}
    extra: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    if once:
        key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}
        extra["parameters"] = [key]
    return extra


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema with its references replaced by what they refer to."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items()}


def _queried(*names: str) -> dict[str, Any]:
    return {
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in names
        ]
    }


@router.get("/jobs/", response_model=list[models.GeneratorListed], tags=["generators"])
def list_generators(_: AccountId) -> Response:
    """List the generators."""
    found = catalog.all_generators().values()
    return _json([{"name": one.spec.name, "version": one.spec.version} for one in found])


@router.get("/jobs/{generator}/", response_model=models.GeneratorDescription, tags=["generators"])
def describe_generator(generator: str, service: Engine, _: AccountId) -> Response:
    """Parameters, options and joint rules of a generator."""
    found = catalog.generator(generator)
    # Who asks is about to write jobs; compiling what renders them can go on meanwhile.
    service.dispatcher.prepare(found.spec.name)
    return _json(found.spec.to_json())


@router.post(
    "/batch/",
    status_code=201,
    response_model=models.Batch,
    openapi_extra=_takes(models.BatchRequest, once=True),
    tags=["batches"],
)
def submit_batch(
    service: Engine, account: AccountId, body: Body, once: Repeat, link: Link
) -> Response:
    """Submit a batch of jobs."""
    return _json(service.submit(account, body, once, link), 201)


@router.post(
    "/batch/estimate/",
    response_model=list[int],
    openapi_extra=_takes(models.BatchRequest),
    tags=["batches"],
)
def estimate_batch(service: Engine, account: AccountId, body: Body) -> Response:
    """Samples that each job would have; a preview has one."""
    return _json(service.estimate(account, body))


@router.get(
    "/batch/",
    response_model=list[models.BatchListed],
    openapi_extra=_queried("start_time", "end_time", "limit"),
    tags=["batches"],
)
def list_batches(service: Engine, account: AccountId, window: Window, limit: Limit) -> Response:
    """The latest batches made in a window of time, oldest first."""
    with service.store.read() as connection:
        return _json(records.list_batches(connection, account, *window, limit))


@router.get("/batch/{batch_id}/", response_model=models.Batch, tags=["batches"])
def get_batch(batch_id: str, service: Engine, account: AccountId, link: Link) -> Response:
    """A batch with its jobs and their parameters."""
    return _json(service.batch(account, batch_id, link, summary=False))


@router.get(
    "/batch/{batch_id}/summary/",
    response_model=models.Summary | models.Progress,
    openapi_extra=_queried("since"),
    tags=["batches"],
)
def get_batch_summary(
    batch_id: str,
    service: Engine,
    account: AccountId,
    link: Link,
    since: Since,
    request: Request,
) -> Response:
    """A batch with its jobs, without their parameters: what is polled.

    With `since`, a `revision` that an earlier answer had (0 at first): only the jobs that changed
    after it, in no order, and of them only what changes; as columns, `changed`, not as `job_runs`.
    """
    if since is not None:
        return _progress(batch_id, service, account, since, request)
    return _packed(service.batch(account, batch_id, link, summary=True), request)


@router.post(
    "/batch/{batch_id}/cancel/",
    response_model=models.Batch | models.Progress,
    openapi_extra=_queried("since"),
    tags=["batches"],
)
def cancel_batch(
    batch_id: str,
    service: Engine,
    account: AccountId,
    link: Link,
    since: Since,
    request: Request,
) -> Response:
    """Stop what has not finished of a batch.

    With `since`, the answer is that of the summary with `since`: of a long batch much shorter.
    """
    service.cancel(account, batch_id)
    if since is not None:
        return _progress(batch_id, service, account, since, request)
    return _json(service.batch(account, batch_id, link, summary=False))


def _progress(
    batch_id: str, service: Service, account: int, since: int, request: Request
) -> Response:
    found, ids = service.progress(account, batch_id, since)
    return _packed(found, request, noise=ids)


@router.get(
    "/job_runs/counts/",
    response_model=models.Counts,
    openapi_extra=_queried("start_time", "end_time"),
    tags=["account"],
)
def count_usage(service: Engine, account: AccountId, window: Window) -> Response:
    """Jobs submitted in a window of time and the samples they rendered, by generator."""
    with service.store.read() as connection:
        return _json({"counts_by_generator": records.usage(connection, account, *window)})


@router.get("/account/", response_model=models.Account, tags=["account"])
def get_account(service: Engine, account: AccountId) -> Response:
    """The samples this account has."""
    with service.store.read() as connection:
        found = ledger.balance(connection, account)
    return _json({"samples_remaining": found.left, "samples_reserved": found.reserved})


def _serve_jobs(kind: str, path: str, *, is_preview: bool) -> None:
    """Add the endpoints of one kind of job."""

    def list_jobs(
        service: Engine,
        account: AccountId,
        link: Link,
        limit: Limit,
        batch_id: Annotated[str | None, Query()] = None,
    ) -> Response:
        return _json(service.jobs(account, is_preview, batch_id, limit, link))

    def get_job(job_id: str, service: Engine, account: AccountId, link: Link) -> Response:
        return _json(service.job(account, is_preview, job_id, link))

    def submit_job(
        service: Engine, account: AccountId, body: Body, once: Repeat, link: Link
    ) -> Response:
        answer = service.submit_single(account, body, once, link, is_preview=is_preview)
        return _json(answer, 201)

    def add(call: Callable[..., Response], path: str, verb: str, says: str, **more: Any) -> None:
        router.add_api_route(
            path, call, methods=[verb], summary=says, tags=["jobs"], name=says, **more
        )

    plural = f"The {kind} jobs of a batch, else the latest of the account."
    listed = _queried("limit")
    add(list_jobs, path, "GET", plural, response_model=list[models.Job], openapi_extra=listed)
    add(get_job, path + "{job_id}/", "GET", f"A {kind} job.", response_model=models.Job)
    older = "/jobs/preview/" if is_preview else "/jobs/run/"
    says = f"Submit one {kind} job (the older way)."
    body = _takes(models.SingleRequest, once=True)
    add(
        submit_job,
        older,
        "POST",
        says,
        status_code=201,
        response_model=models.Job,
        openapi_extra=body,
    )


_serve_jobs("standard", "/job_runs/", is_preview=False)
_serve_jobs("preview", "/job_previews/", is_preview=True)


@router.head("/results/{archive}/", include_in_schema=False)
@router.get("/results/{archive}/", response_class=FileResponse, tags=["results"])
def get_result(archive: str, service: Engine, request: Request) -> Response:
    """A job's archive. The URL is its own permission; Range, If-Range and ETag are supported."""
    job_id = archive.removesuffix(".zip")
    query = request.query_params
    service.signer.check(job_id, query.get("expires", ""), query.get("signature", ""))
    etag = f'"{service.archive_sha256(job_id)}"'
    path = service.home.results / archive_name(job_id)
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise NotFound(
            "The archive of this job is gone from the engine's home.",
            advice="Submit the job again with `state` set to its id: it renders the same again.",
        ) from None
    _check_range(request, etag, stat.st_size)
    return FileResponse(
        path, media_type="application/zip", headers={"etag": etag}, stat_result=stat
    )


def _check_range(request: Request, etag: str, size: int) -> None:
    """Refuse a range past the end; one that cannot be read is ignored, as RFC 9110 asks."""
    asked = request.headers.get("range")
    if asked is None or request.headers.get("if-range", etag) != etag:
        return
    match = _BYTE_RANGE.fullmatch(asked)
    # More digits than any size has say no more than eighteen of them.
    first, last = (int(text[:18]) if text else None for text in match.groups()) if match else _NONE
    backwards = first is not None and last is not None and last < first
    if (first, last) == _NONE or backwards:
        kept = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
        request.scope["headers"] = kept
    elif (first is None and last == 0) or (first is not None and first >= size):
        raise RequestRejected(
            f"The archive has {size} bytes; the range asked for lies past them.",
            status=416,
            headers={"Content-Range": f"bytes */{size}"},
        )
