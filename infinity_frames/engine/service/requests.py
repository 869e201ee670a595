"""From the body of a request to jobs that may be queued: parsed, checked, filled, seeded."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import orjson
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from infinity_frames.engine.generators.base import Generator
from infinity_frames.engine.service import registry as catalog
from infinity_frames.engine.service.stores import database as store
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import InvalidJobs, RequestRejected, UnknownGenerator
from infinity_frames.protocol.parameters.rules import unknown_parameter
from infinity_frames.protocol.schemas import VIOLATIONS

__all__ = ["Job", "Request", "parse", "parse_batch", "parse_single", "prepare"]

MAX_JOBS = 250_000
_MAX_NAME = 1000
_MAX_TAGS_BYTES = 16_384
_SHOWN_LENGTH = 200
_SEED = "random_seed"
_STATE = "state"
_SEEDS = 2**31
# SQLite takes a limited number of bound values in one statement.
_CHUNK = 10_000


@dataclass(frozen=True)
class Request:
    """One ``job_run`` of a body."""

    generator: str
    is_preview: bool
    params: Mapping[str, Any]
    tags: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One job that may be queued."""

    generator: str
    is_preview: bool
    params: Mapping[str, Any]
    tags: Mapping[str, Any]
    seed: int
    estimated: int


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a body.

    Raises
    ------
    RequestRejected
        It is not JSON (NaN and Infinity are not), or no object.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestRejected(
            f"The body is not valid JSON: {error}.",
            advice="Send a JSON object; NaN and Infinity are no JSON, leave such values out.",
            status=400,
        ) from None
    if not isinstance(found, dict):
        raise _malformed("The body", "a JSON object", found)
    return found


def parse_batch(body: Mapping[str, Any]) -> tuple[str, list[Request]]:
    """Name and requests of a batch body.

    Raises
    ------
    RequestRejected
        Something is missing or of the wrong kind; says what and where.
    """
    name = body.get("name")
    if not isinstance(name, str) or len(name) > _MAX_NAME:
        raise _malformed("name", f"a text of at most {_MAX_NAME} characters", name)
    runs = body.get("job_runs")
    if not isinstance(runs, list) or not runs:
        raise _malformed("job_runs", "a list of at least one job", runs)
    if len(runs) > MAX_JOBS:
        raise RequestRejected(
            f"The batch has {len(runs)} jobs, and one may have {MAX_JOBS}.",
            advice="Split it into several batches.",
            status=413,
        )
    return name, [_request(run, f"job_runs[{position}]") for position, run in enumerate(runs)]


def parse_single(body: Mapping[str, Any], *, is_preview: bool) -> Request:
    """The one job of the older way of submitting.

    Raises
    ------
    RequestRejected
        Something is missing or of the wrong kind.
    """
    return _request({**body, "is_preview": is_preview}, "The body")


def prepare(connection: Connection, account_id: int, requests: Sequence[Request]) -> list[Job]:
    """Check jobs, give them their defaults and seeds, and estimate them; in the order given.

    Raises
    ------
    InvalidJobs
        Jobs break rules of their generator; all of them are named.
    RequestRejected
        A generator is unknown, or asked for a preview it cannot make.
    """
    out: list[Job | None] = [None] * len(requests)
    broken = []
    for name, positions in _by_generator(requests).items():
        generator = _known(name)
        some = [requests[position] for position in positions]
        if not generator.spec.preview and any(request.is_preview for request in some):
            raise RequestRejected(
                f"{name} makes no previews.",
                advice="Submit its jobs with is_preview false.",
                status=400,
            )
        draft = parameters.frame(generator.spec, [request.params for request in some])
        found = _violations(generator, draft)
        seeds = found if len(found) else _states(connection, account_id, generator, draft)
        if isinstance(seeds, pd.DataFrame):
            # Positions are those of this generator's jobs; the client counts all of them.
            broken.append(seeds.assign(position=np.asarray(positions)[seeds["position"]]))
            continue
        for position, job in zip(positions, _jobs(generator, some, draft, seeds), strict=True):
            out[position] = job
    if broken:
        raise _invalid(pd.concat(broken).sort_values("position", kind="stable"), requests)
    return cast("list[Job]", out)


def _malformed(what: str, expected: str, found: object) -> RequestRejected:
    shown = "missing" if found is None else f"{str(found)[:80]!r} ({type(found).__name__})"
    return RequestRejected(
        f"{what} must be {expected}; it is {shown}.",
        advice="/docs describes every body.",
        status=400,
    )


def _request(run: object, where: str) -> Request:
    if not isinstance(run, dict):
        raise _malformed(where, "an object", run)
    of = "" if where == "The body" else f"{where}."
    name = run.get("name")
    if not isinstance(name, str):
        raise _malformed(f"{of}name", "the name of a generator", name)
    params = run.get("param_values", {})
    if not isinstance(params, dict):
        raise _malformed(f"{of}param_values", "an object", params)
    is_preview = run.get("is_preview", False)
    if not isinstance(is_preview, bool):
        raise _malformed(f"{of}is_preview", "true or false", is_preview)
    tags = run.get("tags") or {}
    if not isinstance(tags, dict):
        raise _malformed(f"{of}tags", "an object", tags)
    if tags and len(orjson.dumps(tags)) > _MAX_TAGS_BYTES:
        raise _malformed(f"{of}tags", f"at most {_MAX_TAGS_BYTES} bytes of JSON", tags)
    return Request(name, is_preview, params, tags)


def _by_generator(requests: Sequence[Request]) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {}
    for position, request in enumerate(requests):
        positions.setdefault(request.generator, []).append(position)
    return positions


def _known(name: str) -> Generator:
    try:
        return catalog.generator(name)
    except UnknownGenerator as error:
        # The path exists; it is the body that is wrong.
        raise RequestRejected(error.problem, advice=error.advice, status=400) from None


def _violations(generator: Generator, draft: pd.DataFrame) -> pd.DataFrame:
    spec = generator.spec
    known = [column for column in draft.columns if column in spec.by_name]
    found: pd.DataFrame = parameters.violations(spec, draft[known])
    # A frame keeps its owner's tags among the parameters; over the wire they have their own place.
    for column in draft.columns.difference(known, sort=False):
        message = unknown_parameter(spec, str(column), own="what is your own goes in 'tags'")
        values = draft[column]
        given = [(p, values.iat[p]) for p in np.flatnonzero(values.notna()).tolist()]
        found = _with(found, str(column), "unknown", given, message)
    return found


def _states(
    connection: Connection, account_id: int, generator: Generator, draft: pd.DataFrame
) -> dict[str, int] | pd.DataFrame:
    """Seeds of the jobs that ``state`` names; the violations where one is not this account's."""
    if _STATE not in draft.columns or _STATE not in generator.spec.by_name:
        return {}
    given = [(p, str(uuid.UUID(v))) for p, v in enumerate(draft[_STATE]) if isinstance(v, str)]
    ids = sorted({value for _, value in given})
    seeds: dict[str, int] = {}
    for start in range(0, len(ids), _CHUNK):
        chosen = store.jobs.c.id.in_(ids[start : start + _CHUNK])
        rows = connection.execute(
            sa.select(store.jobs.c.id, store.jobs.c.seed).where(
                chosen, store.jobs.c.account_id == account_id
            )
        )
        seeds.update({row.id: row.seed for row in rows})
    unknown = [(position, value) for position, value in given if value not in seeds]
    if unknown:
        message = "state names a job that this account does not have"
        return _with(VIOLATIONS.empty(), _STATE, "unknown", unknown, message)
    return seeds


def _with(
    found: pd.DataFrame, parameter: str, rule: str, given: list[tuple[int, Any]], message: str
) -> pd.DataFrame:
    rows = [
        {
            "position": position,
            "label": position,
            "parameter": parameter,
            "rule": rule,
            "value": str(value),
            "message": message,
        }
        for position, value in given
    ]
    more = VIOLATIONS.conform(pd.DataFrame(rows))
    return more if found.empty else pd.concat([found, more])


def _jobs(
    generator: Generator, requests: Sequence[Request], draft: pd.DataFrame, states: dict[str, int]
) -> Iterator[Job]:
    spec = generator.spec
    typed = parameters.validate(spec, parameters.fill(spec, draft))
    estimates = np.maximum(np.asarray(generator.estimate(typed), dtype=np.int64), 0).tolist()
    rows = zip(requests, parameters.records(spec, typed), estimates, strict=True)
    for request, params, estimate in rows:
        seed = _seed(request.params.get(_SEED) is not None, params, states)
        if _SEED in params:
            params[_SEED] = seed
        estimated = 1 if request.is_preview else estimate
        yield Job(spec.name, request.is_preview, params, request.tags, seed, estimated)


def _seed(given: bool, params: Mapping[str, Any], states: dict[str, int]) -> int:
    """A job's seed: its own if given, else that of the job it repeats, else its default, else new.

    0 is a seed.
    """
    state = params.get(_STATE)
    if state is not None and not given:
        return states[str(uuid.UUID(state))]
    default = params.get(_SEED)
    return secrets.randbelow(_SEEDS) if default is None else int(default)


def _invalid(found: pd.DataFrame, requests: Sequence[Request]) -> InvalidJobs:
    rows = zip(*(found[name] for name in ("position", "parameter", "rule", "message")), strict=True)
    errors = [
        {
            "job": position,
            "parameter": parameter,
            "rule": rule,
            "value": _shown(requests[position].params.get(parameter)),
            "message": message,
        }
        for position, parameter, rule, message in rows
    ]
    broken = found["position"].nunique()
    return InvalidJobs(
        f"{broken} of {len(requests)} jobs break{'s' if broken == 1 else ''} rules; "
        f"job {errors[0]['job']}: {errors[0]['message']}.",
        advice="'errors' names every broken rule.",
        violations=found,
        errors=errors,
    )


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:_SHOWN_LENGTH]
