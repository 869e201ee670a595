"""The endpoints of the protocol, without the download of results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from infinity_frames.engine.service import ledger, openapi, registry, repository
from infinity_frames.engine.service.dependencies import (
    AccountId,
    ClientExtensions,
    Engine,
    Key,
    Limit,
    Link,
    RawBody,
    Since,
    Window,
)
from infinity_frames.engine.service.responses import compressed_json_response, json_response
from infinity_frames.engine.service.service import Service
from infinity_frames.io.proof import MAX_NONCE, proof
from infinity_frames.protocol.errors import NotFound

__all__ = ["router"]

router = APIRouter(prefix="/api", responses=openapi.REFUSALS)


def _is_of_base_protocol(parameter: dict[str, Any]) -> bool:
    if parameter.get("extension"):
        return False
    return parameter["default_value"] is not None or parameter["type"] == "uuid"


def _query(*names: str) -> dict[str, Any]:
    return {
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in names
        ]
    }


@router.get("/proof/", include_in_schema=False)
def prove_identity(
    service: Engine, request: Request, nonce: Annotated[str, Query(max_length=MAX_NONCE)]
) -> Response:
    """Prove to a local client, before it sends a token, that this is the engine of its home."""
    server = request.scope.get("server")
    if server is None or server[1] is None:
        raise NotFound("This engine does not listen on a port.")
    return json_response(proof(service.proof_key, nonce, server[1]))


@router.get("/jobs/", response_model=list[openapi.GeneratorListed], tags=["generators"])
def list_generators(_: AccountId, extensions: ClientExtensions) -> Response:
    """List the generators that can be used; to clients that announce `broken`, the others too."""
    listed: list[dict[str, str]] = [
        {"name": one.spec.name, "version": one.spec.version}
        for one in registry.usable_generators().values()
    ]
    if "broken" in extensions:
        broken = registry.broken_generators()
        listed += [{"name": name, "version": "", "error": broken[name]} for name in broken]
    return json_response(listed)


@router.get("/jobs/{generator}/", response_model=openapi.GeneratorDescription, tags=["generators"])
def describe_generator(
    generator: str, service: Engine, _: AccountId, extensions: ClientExtensions
) -> Response:
    """Describe the parameters, options and joint rules of a generator.

    Extensions and parameters without a value are shown to clients that announce `parameters`;
    clients of the base protocol convert every default to its type.
    """
    found = registry.generator(generator)
    # This client is about to submit jobs; start compiling the rendering code meanwhile.
    service.dispatcher.prepare(found.spec.name)
    description = found.spec.to_json()
    if "parameters" not in extensions:
        description["params"] = list(filter(_is_of_base_protocol, description["params"]))
    return json_response(description)


@router.post(
    "/batch/",
    status_code=201,
    response_model=openapi.Batch,
    openapi_extra=openapi.request_body(openapi.BatchRequest, idempotent=True),
    tags=["batches"],
)
def submit_batch(
    service: Engine, account: AccountId, body: RawBody, key: Key, link: Link
) -> Response:
    """Submit a batch of jobs."""
    return json_response(service.submit(account, body, key, link), 201)


@router.post(
    "/batch/estimate/",
    response_model=list[int],
    openapi_extra=openapi.request_body(openapi.BatchRequest),
    tags=["batches"],
)
def estimate_batch(service: Engine, account: AccountId, body: RawBody) -> Response:
    """Estimate the samples of each job; a preview has one."""
    return json_response(service.estimate(account, body))


@router.get(
    "/batch/",
    response_model=list[openapi.BatchListed],
    openapi_extra=_query("start_time", "end_time", "limit"),
    tags=["batches"],
)
def list_batches(service: Engine, account: AccountId, window: Window, limit: Limit) -> Response:
    """List the latest batches created in a time window, oldest first."""
    with service.store.read() as connection:
        return json_response(repository.list_batches(connection, account, *window, limit))


@router.get("/batch/{batch_id}/", response_model=openapi.Batch, tags=["batches"])
def get_batch(batch_id: str, service: Engine, account: AccountId, link: Link) -> Response:
    """Get a batch with its jobs and their parameters."""
    return json_response(service.batch(account, batch_id, link, summary=False))


@router.get(
    "/batch/{batch_id}/summary/",
    response_model=openapi.Summary | openapi.Progress,
    openapi_extra=_query("since"),
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
    """Get a batch with its jobs, without their parameters; clients poll this endpoint.

    With `since`, the `revision` of an earlier response (0 at first), the response holds only the
    jobs that changed after it, in any order, as columns in `changed` instead of `job_runs`.
    """
    if since is not None:
        return _progress(batch_id, service, account, since, request)
    return compressed_json_response(service.batch(account, batch_id, link, summary=True), request)


@router.post(
    "/batch/{batch_id}/cancel/",
    response_model=openapi.Batch | openapi.Progress,
    openapi_extra=_query("since"),
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
    """Cancel the unfinished jobs of a batch.

    With `since`, the response is that of the summary with `since`, which is much shorter.
    """
    service.cancel(account, batch_id)
    if since is not None:
        return _progress(batch_id, service, account, since, request)
    return json_response(service.batch(account, batch_id, link, summary=False))


def _progress(
    batch_id: str, service: Service, account: int, since: int, request: Request
) -> Response:
    found, ids = service.progress(account, batch_id, since)
    return compressed_json_response(found, request, incompressible_from=ids)


@router.get(
    "/job_runs/counts/",
    response_model=openapi.Counts,
    openapi_extra=_query("start_time", "end_time"),
    tags=["account"],
)
def count_usage(service: Engine, account: AccountId, window: Window) -> Response:
    """Count jobs submitted in a time window and their rendered samples, by generator."""
    with service.store.read() as connection:
        return json_response(
            {"counts_by_generator": repository.usage(connection, account, *window)}
        )


@router.get("/account/", response_model=openapi.Account, tags=["account"])
def get_account(service: Engine, account: AccountId) -> Response:
    """Get the samples of this account."""
    with service.store.read() as connection:
        found = ledger.balance(connection, account)
    return json_response({"samples_remaining": found.left, "samples_reserved": found.reserved})


def _serve_jobs(kind: str, path: str, *, is_preview: bool) -> None:
    """Add the endpoints of one kind of job."""

    def list_jobs(
        service: Engine,
        account: AccountId,
        link: Link,
        limit: Limit,
        batch_id: Annotated[str | None, Query()] = None,
    ) -> Response:
        return json_response(service.jobs(account, is_preview, batch_id, limit, link))

    def get_job(job_id: str, service: Engine, account: AccountId, link: Link) -> Response:
        return json_response(service.job(account, is_preview, job_id, link))

    def get_traceback(job_id: str, service: Engine, account: AccountId) -> Response:
        with service.store.read() as connection:
            text = repository.job_traceback(connection, account, job_id, is_preview)
        return json_response({"traceback": text})

    def submit_job(
        service: Engine, account: AccountId, body: RawBody, key: Key, link: Link
    ) -> Response:
        job = service.submit_single(account, body, key, link, is_preview=is_preview)
        return json_response(job, 201)

    def add(call: Callable[..., Response], path: str, verb: str, summary: str, **more: Any) -> None:
        router.add_api_route(
            path, call, methods=[verb], summary=summary, tags=["jobs"], name=summary, **more
        )

    plural = f"List the {kind} jobs of a batch, else the latest of the account."
    listed = _query("limit")
    add(list_jobs, path, "GET", plural, response_model=list[openapi.Job], openapi_extra=listed)
    add(
        get_traceback,
        path + "{job_id}/traceback/",
        "GET",
        f"Get the traceback of a failed {kind} job.",
        response_model=openapi.Traceback,
    )
    add(get_job, path + "{job_id}/", "GET", f"Get a {kind} job.", response_model=openapi.Job)
    single = "/jobs/preview/" if is_preview else "/jobs/run/"
    title = f"Submit one {kind} job (older endpoint)."
    body = openapi.request_body(openapi.SingleRequest, idempotent=True)
    add(
        submit_job,
        single,
        "POST",
        title,
        status_code=201,
        response_model=openapi.Job,
        openapi_extra=body,
    )


_serve_jobs("standard", "/job_runs/", is_preview=False)
_serve_jobs("preview", "/job_previews/", is_preview=True)
