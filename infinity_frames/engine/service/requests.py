"""From the body of a request to jobs that can be queued: parse, check, fill, seed, estimate."""

from __future__ import annotations

import logging
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

from infinity_frames.engine.core.author_errors import explain
from infinity_frames.engine.generators.base import Generator
from infinity_frames.engine.service import registry
from infinity_frames.engine.service.outcomes import clean_text
from infinity_frames.engine.service.plugin_calls import PluginCalls, PluginHangs
from infinity_frames.engine.service.plugin_host import PluginFailed
from infinity_frames.engine.service.ports import MAX_SAMPLES
from infinity_frames.engine.service.stores.tables import jobs as jobs_table
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import InvalidJobs, RequestRejected, UnknownGenerator
from infinity_frames.protocol.parameters.rules import unknown_parameter
from infinity_frames.protocol.schemas import VIOLATIONS

__all__ = ["JobRequest", "NewJob", "parse", "parse_batch", "parse_single", "prepare"]

MAX_JOBS = 250_000
_MAX_NAME = 1000
_MAX_TAGS_BYTES = 16_384
_SHOWN_LENGTH = 200
_MAX_PARAMS = 1000
# Distinct parameter names in one request: every name becomes a column of a frame.
_MAX_NAMES = 2000
_MAX_DEPTH = 32
_SEED = "random_seed"
_STATE = "state"
_SEEDS = 2**31
# Databases limit the number of bound values in one statement.
_CHUNK = 10_000
_log = logging.getLogger(__name__)
_calls = PluginCalls()


@dataclass(frozen=True)
class JobRequest:
    """One entry of ``job_runs`` in a request body."""

    generator: str
    is_preview: bool
    params: Mapping[str, Any]
    tags: Mapping[str, Any]


@dataclass(frozen=True)
class NewJob:
    """One checked job, ready to be queued."""

    generator: str
    is_preview: bool
    params: Mapping[str, Any]
    tags: Mapping[str, Any]
    seed: int
    estimated: int


def parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises
    ------
    RequestRejected
        The body is not JSON (NaN and Infinity are not), or not an object.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestRejected(
            f"The body is not valid JSON: {error}.",
            advice="Send a JSON object; leave out NaN and Infinity, which JSON does not have.",
            status=400,
        ) from None
    if not isinstance(found, dict):
        raise _malformed("The body", "a JSON object", found)
    return found


def parse_batch(body: Mapping[str, Any]) -> tuple[str, list[JobRequest]]:
    """Return the name and the job requests of a batch body.

    Raises
    ------
    RequestRejected
        A field is missing or of the wrong type; the message names it.
    """
    name = body.get("name")
    if not isinstance(name, str) or len(name) > _MAX_NAME or "\0" in name:
        expected = f"a string of at most {_MAX_NAME} characters, none of them NUL"
        raise _malformed("name", expected, name)
    runs = body.get("job_runs")
    if not isinstance(runs, list) or not runs:
        raise _malformed("job_runs", "a list of at least one job", runs)
    if len(runs) > MAX_JOBS:
        raise RequestRejected(
            f"The batch has {len(runs)} jobs; the limit is {MAX_JOBS}.",
            advice="Split the jobs into several batches.",
            status=413,
        )
    return name, [_request(run, f"job_runs[{position}]") for position, run in enumerate(runs)]


def parse_single(body: Mapping[str, Any], *, is_preview: bool) -> JobRequest:
    """Return the job request in a single-job body.

    Raises
    ------
    RequestRejected
        A field is missing or of the wrong type.
    """
    return _request({**body, "is_preview": is_preview}, "The body")


def prepare(
    connection: Connection, account_id: int, requests: Sequence[JobRequest]
) -> list[NewJob]:
    """Check jobs, fill in defaults and seeds, and estimate samples; keep the order.

    Raises
    ------
    InvalidJobs
        Jobs break rules of their generator; the error lists every violation.
    RequestRejected
        A generator is unknown, or cannot make a requested preview.
    """
    _check_width(requests)
    out: list[NewJob | None] = [None] * len(requests)
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
            # Translate positions among this generator's jobs to positions in the request.
            broken.append(seeds.assign(position=np.asarray(positions)[seeds["position"]]))
            continue
        for position, job in zip(positions, _jobs(generator, some, draft, seeds), strict=True):
            out[position] = job
    if broken:
        raise _invalid(pd.concat(broken).sort_values("position", kind="stable"), requests)
    return cast("list[NewJob]", out)


def _malformed(what: str, expected: str, found: object) -> RequestRejected:
    if found is None:
        shown = "missing"
    elif isinstance(found, dict | list):
        shown = f"{'an object' if isinstance(found, dict) else 'a list'} of length {len(found)}"
    else:
        shown = f"{str(found)[:80]!r} ({type(found).__name__})"
    return RequestRejected(
        f"{what} must be {expected}; it is {shown}.",
        advice="/docs describes every request body.",
        status=400,
    )


def _request(run: object, where: str) -> JobRequest:
    if not isinstance(run, dict):
        raise _malformed(where, "an object", run)
    of = "" if where == "The body" else f"{where}."
    name = run.get("name")
    if not isinstance(name, str):
        raise _malformed(f"{of}name", "the name of a generator", name)
    params = run.get("param_values", {})
    if not isinstance(params, dict):
        raise _malformed(f"{of}param_values", "an object", params)
    if len(params) > _MAX_PARAMS:
        raise _malformed(f"{of}param_values", f"at most {_MAX_PARAMS} parameters", params)
    _check_depth(params, f"{of}param_values")
    is_preview = run.get("is_preview", False)
    if not isinstance(is_preview, bool):
        raise _malformed(f"{of}is_preview", "true or false", is_preview)
    tags = run.get("tags") or {}
    if not isinstance(tags, dict):
        raise _malformed(f"{of}tags", "an object", tags)
    _check_depth(tags, f"{of}tags")
    if tags and len(orjson.dumps(tags)) > _MAX_TAGS_BYTES:
        raise _malformed(f"{of}tags", f"at most {_MAX_TAGS_BYTES} bytes of JSON", tags)
    return JobRequest(name, is_preview, params, tags)


def _check_depth(value: object, where: str) -> None:
    """Refuse values that are nested so deeply that writing them as JSON would fail."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = [item for item in inner if isinstance(item, dict | list)]
        if not level:
            return
    raise RequestRejected(
        f"{where} is nested more than {_MAX_DEPTH} levels deep.",
        advice="Flatten the value.",
        status=400,
    )


def _check_width(requests: Sequence[JobRequest]) -> None:
    names: set[str] = set()
    for request in requests:
        names.update(request.params)
        if len(names) > _MAX_NAMES:
            raise RequestRejected(
                f"The jobs have more than {_MAX_NAMES} different parameters.",
                advice="Put your own values in 'tags'.",
                status=400,
            )


def _by_generator(requests: Sequence[JobRequest]) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {}
    for position, request in enumerate(requests):
        positions.setdefault(request.generator, []).append(position)
    return positions


def _known(name: str) -> Generator:
    try:
        return registry.generator(name)
    except UnknownGenerator as error:
        # Answer 400 instead of 404: the path exists and the body is wrong.
        raise RequestRejected(error.problem, advice=error.advice, status=400) from None


def _violations(generator: Generator, draft: pd.DataFrame) -> pd.DataFrame:
    spec = generator.spec
    known = [column for column in draft.columns if column in spec.by_name]
    found: pd.DataFrame = parameters.violations(spec, draft[known])
    # Frames hold tags beside the parameters; the protocol has a separate field for them.
    for column in draft.columns.difference(known, sort=False):
        message = unknown_parameter(spec, str(column), own="put your own values in 'tags'")
        values = draft[column]
        given = [(p, values.iat[p]) for p in np.flatnonzero(values.notna()).tolist()]
        found = _with(found, str(column), "unknown", given, message)
    return found


def _states(
    connection: Connection, account_id: int, generator: Generator, draft: pd.DataFrame
) -> dict[str, int] | pd.DataFrame:
    """Return the seeds of the jobs named by ``state``, or violations for unknown jobs."""
    if _STATE not in draft.columns or _STATE not in generator.spec.by_name:
        return {}
    given = [(p, str(uuid.UUID(v))) for p, v in enumerate(draft[_STATE]) if isinstance(v, str)]
    ids = sorted({value for _, value in given})
    seeds: dict[str, int] = {}
    for start in range(0, len(ids), _CHUNK):
        chosen = jobs_table.c.id.in_(ids[start : start + _CHUNK])
        rows = connection.execute(
            sa.select(jobs_table.c.id, jobs_table.c.seed).where(
                chosen, jobs_table.c.account_id == account_id
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
    generator: Generator,
    requests: Sequence[JobRequest],
    draft: pd.DataFrame,
    states: dict[str, int],
) -> Iterator[NewJob]:
    spec = generator.spec
    typed = parameters.validate(spec, parameters.fill(spec, draft))
    rows = zip(requests, parameters.records(spec, typed), _estimates(generator, typed), strict=True)
    for request, params, estimate in rows:
        seed = _seed(request.params.get(_SEED) is not None, params, states)
        if _SEED in params:
            params[_SEED] = seed
        estimated = 1 if request.is_preview else estimate
        yield NewJob(spec.name, request.is_preview, params, request.tags, seed, estimated)


def _estimates(generator: Generator, typed: pd.DataFrame) -> list[int]:
    """Estimate the samples of jobs, and check what the generator's code returned."""
    try:
        estimates = _calls.run(generator.spec.name, lambda: np.asarray(generator.estimate(typed)))
    except (PluginHangs, PluginFailed) as error:
        _log.error("%s could not estimate jobs: %s", generator.spec.name, error)
        raise _bad_estimate(generator, str(error)) from None
    except BaseException as error:
        # Generator code may raise anything, SystemExit too.
        _log.exception("%s could not estimate jobs", generator.spec.name)
        raise _bad_estimate(generator, clean_text(explain(error), 500)) from None
    if estimates.shape != (len(typed),) or estimates.dtype.kind not in "iu":
        found = f"shape {estimates.shape} and type {estimates.dtype}"
        raise _bad_estimate(generator, f"it returned {found} for {len(typed)} jobs")
    outside = (estimates < 0) | (estimates > MAX_SAMPLES)
    if outside.any():
        value = estimates[outside][0]
        raise _bad_estimate(generator, f"it returned {value}; 0 to {MAX_SAMPLES} is allowed")
    counts: list[int] = estimates.tolist()
    return counts


def _bad_estimate(generator: Generator, reason: str) -> RequestRejected:
    return RequestRejected(
        f"The generator {generator.spec.name} could not estimate the jobs: {reason}.",
        advice="Report this to the author of the generator.",
        status=400,
    )


def _seed(given: bool, params: Mapping[str, Any], states: dict[str, int]) -> int:
    """Choose a job's seed: its own, else that of its ``state`` job, else its default, else random.

    0 is a valid seed.
    """
    state = params.get(_STATE)
    if state is not None and not given:
        return states[str(uuid.UUID(state))]
    default = params.get(_SEED)
    return secrets.randbelow(_SEEDS) if default is None else int(default)


def _invalid(found: pd.DataFrame, requests: Sequence[JobRequest]) -> InvalidJobs:
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
        f"{broken} of {len(requests)} jobs {'is' if broken == 1 else 'are'} invalid; "
        f"job {errors[0]['job']}: {errors[0]['message']}.",
        advice="'errors' lists every violation.",
        violations=found,
        errors=errors,
    )


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:_SHOWN_LENGTH]
