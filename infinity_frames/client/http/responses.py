"""What is sent, as JSON; what a server answers, checked before anything relies on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any

import orjson
import pandas as pd

from infinity_frames.protocol.errors import (
    AuthenticationError,
    FrameError,
    InvalidJobs,
    NotEnoughSamples,
    NotFound,
    RequestRejected,
    ServerError,
    ServerFault,
)
from infinity_frames.protocol.schemas import STATUSES, VIOLATIONS

__all__ = [
    "UNFINISHED",
    "batch",
    "counts",
    "error",
    "integers",
    "job",
    "json_object",
    "num_unfinished",
    "objects",
    "parse",
    "progress",
    "status",
    "statuses",
    "to_json",
]

LONGEST_DETAIL = 1000
_CHANGING = ("id", "status", "error", "num_samples", "started", "finished")
UNFINISHED = ("queued", "running")


def parse(content: bytes, *, method: str, path: str) -> Any:
    """Read a JSON answer.

    Raises
    ------
    ServerFault
        It is no JSON.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise _fault(f"The answer to {method} {path} is no JSON.") from None


def to_json(data: Any, *, option: int = 0) -> bytes:
    """What is to be sent, as JSON.

    Raises
    ------
    FrameError
        It holds what JSON cannot: a text with half a character, an object of some class.
    """
    try:
        return orjson.dumps(data, option=option | orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise FrameError(
            f"Jobs are sent as JSON, which cannot hold all of these: {error}.",
            advice="Look at the tags and the batch's name: numbers, booleans and valid text are "
            "fine.",
        ) from None


def json_object(data: Any) -> dict[str, Any]:
    """An answer that must be a JSON object."""
    if not isinstance(data, dict):
        raise _fault(f"The server answered a {type(data).__name__} where an object belongs.")
    return data


def objects(data: Any) -> list[dict[str, Any]]:
    """An answer that must be a list of JSON objects."""
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise _fault("The server answered something else where a list of objects belongs.")
    return data


def integers(data: Any, length: int) -> list[int]:
    """An answer that must be a list of ints, one per job sent."""
    if not isinstance(data, list) or not all(type(item) is int for item in data):
        raise _fault("The server's estimate is no list of whole numbers.")
    if len(data) != length:
        raise _fault(f"The server estimated {len(data)} jobs where {length} were sent.")
    return data


def batch(data: Any) -> dict[str, Any]:
    """An answer that must be a batch object, each of its jobs with an id of its own."""
    found = json_object(data)
    jobs = objects(found.get("job_runs"))
    _identified(found, [job.get("id") for job in jobs])
    for described in jobs:
        job(described)
    return found


def progress(data: Any) -> dict[str, Any]:
    """An answer that must be the columns of what changed in a batch; as a batch object."""
    found = json_object(data)
    changed = json_object(found.pop("changed", None))
    columns = [changed.get(key) for key in _CHANGING]
    lengths = {len(column) if isinstance(column, list) else None for column in columns}
    if len(lengths) > 1 or None in lengths:
        raise _fault("The server answered what changed in a batch in columns that do not fit.")
    _identified(found, changed["id"])
    # Written out: twice as fast as dict(zip(...)), and there may be 100,000 of them.
    found["job_runs"] = [
        {
            "id": job,
            "status": state,
            "error": error,
            "num_samples": samples,
            "started": started,
            "finished": finished,
        }
        for job, state, error, samples, started, finished in zip(*columns, strict=True)
    ]
    return found


def num_unfinished(data: Any, *, columns: bool) -> int:
    """Count unfinished jobs in a summary: in its status column, or job by job."""
    found = json_object(data)
    if not columns:
        return sum(status(job) in UNFINISHED for job in objects(found.get("job_runs")))
    column = json_object(found.get("changed")).get("status")
    if not isinstance(column, list):
        raise _fault("The server's answer lacks the status of the batch's jobs.")
    return sum(column.count(state) for state in UNFINISHED)


def _identified(batch: dict[str, Any], ids: list[Any]) -> None:
    """See that a batch and each of its jobs has an id of its own."""
    if not isinstance(batch.get("id"), str) or not all(isinstance(id_, str) for id_ in ids):
        raise _fault("The server answered a batch that lacks its id or those of its jobs.")
    if len(set(ids)) < len(ids):
        raise _fault(f"The server answered batch {batch['id']} with a job listed twice.")


def job(data: Any) -> dict[str, Any]:
    """An answer that must be a job object."""
    found = json_object(data)
    for key in ("param_values", "tags"):
        if not isinstance(found.get(key) or {}, dict):
            raise _fault(f"The server answered a job whose {key} are no object.")
    return found


def counts(data: Any) -> dict[str, dict[str, int | None]]:
    """An answer that must count samples and jobs by generator."""
    by_generator = json_object(json_object(data).get("counts_by_generator") or {})
    out = {
        # Servers without counts of jobs tell the number of samples alone.
        name: count if isinstance(count, dict) else {"samples": count}
        for name, count in by_generator.items()
    }
    if not all(type(n) in (int, NoneType) for count in out.values() for n in count.values()):
        raise _fault("The server's counts are no whole numbers.")
    return out


def status(job: Mapping[str, Any]) -> str:
    """A job's status; from a server that gives none: by its progress and its result."""
    told = job.get("status")
    if told in STATUSES:
        return str(told)
    if job.get("in_progress"):
        return "running"
    return "completed" if job.get("result_url") else "failed"


def statuses(jobs: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How many jobs are in each status."""
    return Counter(status(job) for job in jobs)


def error(
    status: int,
    content: bytes,
    *,
    method: str,
    path: str,
    missing: type[NotFound],
    secret: str | None,
) -> ServerError | InvalidJobs:
    """The error that a refusing answer stands for; `secret` is struck from the server's words."""
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:
        data = None
    detail = _detail(data, status, secret)
    where: dict[str, Any] = {"status": status, "method": method, "path": path}
    match status:
        case 401:
            return AuthenticationError(
                f"The server does not accept the token: {detail}",
                advice="Pass token=, or set INFINITY_TOKEN; the embedded engine needs neither.",
                **where,
            )
        case 402:
            needed, left = _number(data, "needed"), _number(data, "left")
            return NotEnoughSamples(detail, needed=needed, left=left, **where)
        case 404:
            return missing(detail, **where)
        case 400 if isinstance(data, dict) and isinstance(data.get("errors"), list):
            return InvalidJobs(detail, violations=_violations(data["errors"]), **where)
    if 300 <= status < 400:
        return RequestRejected(
            f"The server has moved: it answers {method} {path} with {status}.",
            advice="Give its new address, often the same with https, as server=.",
            **where,
        )
    if status < 500:
        return RequestRejected(detail, **where)
    return ServerFault(
        f"The server failed at {method} {path} ({status}): {detail}",
        advice="Try again later; if it goes on, tell whoever runs the server.",
        **where,
    )


def _detail(data: Any, status: int, secret: str | None) -> str:
    detail = data.get("detail", data) if isinstance(data, dict) else data
    text = detail if isinstance(detail, str) else str(detail)
    if not detail:
        text = f"it answered {status} without a reason."
    if secret:
        text = text.replace(secret, "***")
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "..."


def _number(data: Any, key: str) -> int | None:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, int) else None


def _violations(errors: list[Any]) -> pd.DataFrame:
    """Violations frame of the (+) ``errors`` of a rejected batch."""
    rows = [
        {
            "position": item.get("job"),
            "label": item.get("job"),
            "parameter": item.get("parameter"),
            "rule": item.get("rule"),
            "value": None if item.get("value") is None else str(item["value"]),
            "message": item.get("message"),
        }
        for item in errors
        if isinstance(item, Mapping)
    ]
    return VIOLATIONS.conform(pd.DataFrame(rows, columns=list(VIOLATIONS.columns)))


def _fault(problem: str) -> ServerFault:
    return ServerFault(
        problem, advice="Check that the server address is that of an Infinity API server."
    )
