"""JSON of requests and responses; responses are checked before anything relies on them."""

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
    """Parse a JSON response.

    Raises
    ------
    ServerFault
        It is not JSON.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise _fault(f"The response to {method} {path} is not JSON.") from None


def to_json(data: Any, *, option: int = 0) -> bytes:
    """Encode a request body as JSON.

    Raises
    ------
    FrameError
        It holds a value that JSON cannot represent, such as invalid text or an arbitrary object.
    """
    try:
        return orjson.dumps(data, option=option | orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise FrameError(
            f"A value of these jobs cannot be sent as JSON: {error}.",
            advice="Check the tags and the batch's name; numbers, booleans and valid text work.",
        ) from None


def json_object(data: Any) -> dict[str, Any]:
    """Return a response that must be a JSON object."""
    if not isinstance(data, dict):
        raise _fault(f"The server sent a {type(data).__name__} where an object is expected.")
    return data


def objects(data: Any) -> list[dict[str, Any]]:
    """Return a response that must be a list of JSON objects."""
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise _fault("The server did not send a list of objects where one is expected.")
    return data


def integers(data: Any, length: int) -> list[int]:
    """Return a response that must be a list of ints, one per job sent."""
    if not isinstance(data, list) or not all(type(item) is int for item in data):
        raise _fault("The server's estimate is not a list of whole numbers.")
    if len(data) != length:
        raise _fault(f"The server estimated {len(data)} jobs, but {length} were sent.")
    return data


def batch(data: Any) -> dict[str, Any]:
    """Return a response that must be a batch object whose jobs have unique ids."""
    found = json_object(data)
    jobs = objects(found.get("job_runs"))
    _identified(found, [job.get("id") for job in jobs])
    for described in jobs:
        job(described)
    return found


def progress(data: Any) -> dict[str, Any]:
    """Convert a response with the changes of a batch, in columns, to a batch object."""
    found = json_object(data)
    changed = json_object(found.pop("changed", None))
    columns = [changed.get(key) for key in _CHANGING]
    lengths = {len(column) if isinstance(column, list) else None for column in columns}
    if len(lengths) > 1 or None in lengths:
        raise _fault("The columns of changes in the server's response differ in length.")
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
    """Check that a batch has an id, and its jobs unique ids."""
    if not isinstance(batch.get("id"), str) or not all(isinstance(id_, str) for id_ in ids):
        raise _fault("A batch in the server's response lacks its id or those of its jobs.")
    if len(set(ids)) < len(ids):
        raise _fault(f"The server lists a job of batch {batch['id']} twice.")


def job(data: Any) -> dict[str, Any]:
    """Return a response that must be a job object."""
    found = json_object(data)
    for key in ("param_values", "tags"):
        if not isinstance(found.get(key) or {}, dict):
            raise _fault(f"Invalid {key} of a job in the server's response: not an object.")
    return found


def counts(data: Any) -> dict[str, dict[str, int | None]]:
    """Return counts of samples and jobs by generator."""
    by_generator = json_object(json_object(data).get("counts_by_generator") or {})
    out = {
        # Servers that do not count jobs send only the number of samples.
        name: count if isinstance(count, dict) else {"samples": count}
        for name, count in by_generator.items()
    }
    if not all(type(n) in (int, NoneType) for count in out.values() for n in count.values()):
        raise _fault("The server's counts are not whole numbers.")
    return out


def status(job: Mapping[str, Any]) -> str:
    """Return a job's status; derive it from progress and result if the server sends none."""
    reported = job.get("status")
    if reported in STATUSES:
        return str(reported)
    if job.get("in_progress"):
        return "running"
    return "completed" if job.get("result_url") else "failed"


def statuses(jobs: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Count the jobs in each status."""
    return Counter(status(job) for job in jobs)


def error(
    status: int,
    content: bytes,
    *,
    method: str,
    path: str,
    missing: type[NotFound],
) -> ServerError | InvalidJobs:
    """Build the exception for an error response."""
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:
        data = None
    detail = _detail(data, status)
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
            f"The server has moved: it answers {method} {path} with status {status}.",
            advice="Pass its new address as server=, often the same with https.",
            **where,
        )
    if status < 500:
        return RequestRejected(detail, **where)
    return ServerFault(
        f"The server failed at {method} {path} ({status}): {detail}",
        advice="Try again later; if the error persists, contact the server's administrator.",
        **where,
    )


def _detail(data: Any, status: int) -> str:
    detail = data.get("detail", data) if isinstance(data, dict) else data
    text = detail if isinstance(detail, str) else str(detail)
    if not detail:
        text = f"status {status} without a reason."
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "..."


def _number(data: Any, key: str) -> int | None:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, int) else None


def _violations(errors: list[Any]) -> pd.DataFrame:
    """Build a violations frame from the (+) ``errors`` of a rejected batch."""
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
