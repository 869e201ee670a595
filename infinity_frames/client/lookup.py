"""What was submitted before: the same batch again, and the jobs a rerun starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pandas as pd

from infinity_frames.client.http import Rest, concurrently, written
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import UnknownJob
from infinity_frames.protocol.spec import Generator

__all__ = ["content_name", "find_batch", "find_jobs", "last_days"]

LONG_AGO = 3650
"""Days of batches searched for one to use again."""


def content_name(spec: Generator, jobs: pd.DataFrame, is_preview: bool) -> str:
    """A batch name made of the jobs themselves, so that the same jobs find their batch again."""
    said = [is_preview, parameters.records(spec, jobs), parameters.tags(jobs)]
    digest = hashlib.sha256(written(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{spec.name} {digest[:12]}"


def find_batch(
    rest: Rest, spec: Generator, name: str, jobs: pd.DataFrame, is_preview: bool
) -> dict[str, Any] | None:
    """The account's newest batch of that name with the same jobs, none of them cancelled.

    The server's own list is asked, so this holds across processes and machines. Only the parameters
    that `jobs` give are compared.
    """
    asked = parameters.records(spec, jobs)
    tags = parameters.tags(jobs) if rest.has("tags") else None
    for row in reversed(rest.batches(*last_days(LONG_AGO))):
        if row.get("name") == name:
            batch = rest.batch(str(row["id"]))
            found = batch["job_runs"]
            if _same_kind(found, spec.name, is_preview) and _same_jobs(spec, found, asked, tags):
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
    asked: Sequence[Mapping[str, Any]],
    tags: Sequence[Mapping[str, Any]] | None,
) -> bool:
    if len(found) != len(asked):
        return False
    if tags is not None and [job.get("tags") or {} for job in found] != list(tags):
        return False
    # Through a frame, since a server may give back "1.02" or 1 where 1.02 or 1.0 was sent.
    typed = parameters.frame(spec, [dict(job.get("param_values") or {}) for job in found])
    return all(
        {key: values.get(key) for key in wanted} == wanted
        for values, wanted in zip(parameters.records(spec, typed), asked, strict=True)
    )


def find_jobs(rest: Rest, ids: Sequence[str], *, is_preview: bool) -> dict[str, dict[str, Any]]:
    """Parameters of submitted jobs by id.

    Two requests where they share a batch and the server says which; one each, at the same time,
    where it does not.

    Raises
    ------
    UnknownJob
        There is no job of one of these ids, or not of this kind.
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
    for base, one, error in concurrently(lambda base: _job(rest, base, is_preview), left):
        if error is not None:
            raise error
        assert one is not None
        found[base] = _values(one)
    return found


def last_days(n: float) -> tuple[datetime, datetime]:
    """The window of the last `n` days; its end lies ahead, lest a fast clock hide what is new."""
    now = datetime.now(UTC)
    return now - timedelta(days=float(n)), now + timedelta(days=1)


def _job(rest: Rest, job_id: str, is_preview: bool) -> dict[str, Any]:
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
