"""Finding what was submitted before: a batch with the same jobs, the base jobs of a rerun."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pandas as pd

from infinity_frames.client.http import RestClient, map_unordered, to_json
from infinity_frames.client.origin import Origin
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, UnknownJob
from infinity_frames.protocol.spec import Generator

__all__ = ["content_name", "expand_overrides", "find_batch", "find_jobs", "last_days"]

LONG_AGO = 3650
"""How far back, in days, a batch to reuse is searched for."""


def content_name(spec: Generator, jobs: pd.DataFrame, is_preview: bool) -> str:
    """Derive a batch name from the content of the jobs, so that the same jobs get the same name."""
    content = [is_preview, parameters.records(spec, jobs), parameters.tags(jobs)]
    digest = hashlib.sha256(to_json(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{spec.name} {digest[:12]}"


def find_batch(
    rest: RestClient, spec: Generator, name: str, jobs: pd.DataFrame, is_preview: bool
) -> dict[str, Any] | None:
    """Find the account's newest batch of that name with the same jobs, none of them cancelled.

    The server's list is searched, so this holds across processes and machines. Only
    parameters that are specified in `jobs` are compared.
    """
    requested = parameters.records(spec, jobs)
    tags = parameters.tags(jobs) if rest.has("tags") else None
    for row in reversed(rest.batches(*last_days(LONG_AGO))):
        if row.get("name") == name:
            batch = rest.batch(str(row["id"]))
            found = batch["job_runs"]
            if _same_kind(found, spec.name, is_preview) and _same_jobs(
                spec, found, requested, tags
            ):
                return batch
    return None


def _same_kind(found: Iterable[Mapping[str, Any]], generator: str, is_preview: bool) -> bool:
    return all(
        job.get("name") == generator
        and bool(job.get("is_preview")) == is_preview
        and job.get("status") != "cancelled"
        for job in found
    )


def _same_jobs(
    spec: Generator,
    found: Sequence[Mapping[str, Any]],
    requested: Sequence[Mapping[str, Any]],
    tags: Sequence[Mapping[str, Any]] | None,
) -> bool:
    if len(found) != len(requested):
        return False
    if tags is not None and [job.get("tags") or {} for job in found] != list(tags):
        return False
    # Compare typed values: a server may return "1.02" or 1 where 1.02 or 1.0 was sent.
    typed = parameters.frame(spec, [dict(job.get("param_values") or {}) for job in found])
    return all(
        {key: values.get(key) for key in wanted} == wanted
        for values, wanted in zip(parameters.records(spec, typed), requested, strict=True)
    )


def find_jobs(
    rest: RestClient, ids: Sequence[str], *, is_preview: bool
) -> dict[str, dict[str, Any]]:
    """Fetch the parameters of submitted jobs, by id.

    Takes two requests if the jobs share a batch and the server names it; else one request per job,
    in parallel.

    Raises
    ------
    UnknownJob
        The account has no job of this kind with one of these ids.
    """
    found: dict[str, dict[str, Any]] = {}
    left = list(dict.fromkeys(ids))
    while left:
        job = _job(rest, left[0], is_preview)
        found[left[0]] = _values(job)
        batch_id = job.get("batch_id")
        if batch_id is not None and len(left) > 1:
            for other in rest.batch(str(batch_id))["job_runs"]:
                if bool(other.get("is_preview")) == is_preview:
                    found.setdefault(other["id"], _values(other))
        left = [base for base in left if base not in found]
        if batch_id is None:
            break
    for base, one, error in map_unordered(lambda base: _job(rest, base, is_preview), left):
        if error is not None:
            raise error
        assert one is not None
        found[base] = _values(one)
    return found


def expand_overrides(
    origin: Origin,
    ids: Sequence[str],
    overrides: pd.DataFrame | Sequence[Mapping[str, Any]],
    *,
    is_preview: bool,
) -> pd.DataFrame:
    """Combine submitted jobs, looked up by id, with every override; ``state`` is the base's id."""
    wanted = [str(base) for base in ids]
    bases = find_jobs(origin.rest, wanted, is_preview=is_preview)
    rows = origin.jobs([bases[base] for base in wanted]).assign(job_id=wanted)
    return origin.with_context(parameters.sweep(origin.spec, rows, overrides))


def last_days(n: float) -> tuple[datetime, datetime]:
    """Start and end of the last `n` days.

    The end lies a day ahead, so that a slow local clock hides no new batch.

    Raises
    ------
    FrameError
        `n` is not a number of at least 0, or reaches back too far for a date.
    """
    now = datetime.now(UTC)
    try:
        start = now - timedelta(days=float(n))
    except (TypeError, ValueError, OverflowError):
        start = None
    if start is None or isinstance(n, bool) or n < 0:
        raise FrameError(f"Invalid number of days {n!r}.", advice="Pass a number, such as 7.")
    return start, now + timedelta(days=1)


def _job(rest: RestClient, job_id: str, is_preview: bool) -> dict[str, Any]:
    try:
        return rest.job(job_id, is_preview=is_preview)
    except UnknownJob as error:
        kind, other = ("preview", "video") if is_preview else ("video", "preview")
        raise UnknownJob(
            f"This account has no {kind} job {job_id}.",
            advice=f"For a {other} use expand_overrides_across_each_{other}_state().",
            **error.where,
        ) from None


def _values(job: Mapping[str, Any]) -> dict[str, Any]:
    return dict(job.get("param_values") or {})
