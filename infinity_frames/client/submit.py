"""Estimating and submitting jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from infinity_frames.client.lookup import content_name, find_batch
from infinity_frames.client.origin import Jobs, Origin
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, InvalidJobs, RequestRejected, ServerFault

__all__ = ["estimate_samples", "submit_jobs"]


def estimate_samples(origin: Origin, jobs: Jobs, is_preview: bool = False) -> pd.Series[int]:
    """Return samples (frames) that each job will take, estimated by the server.

    The index is the frame's.
    """
    valid = parameters.validate(origin.spec, origin.jobs(jobs))
    records = parameters.records(origin.spec, parameters.fill(origin.spec, valid))
    runs = _job_runs(origin, records, is_preview)
    counts = origin.rest.estimate("estimate", runs) if runs else []
    return pd.Series(counts, index=valid.index, dtype="int64", name="estimated_samples")


def submit_jobs(
    origin: Origin,
    jobs: Jobs,
    *,
    is_preview: bool = False,
    batch_name: str | None = None,
    random_sample: bool = False,
    reuse: bool = False,
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """Submit jobs as a batch; parameters and errors as for ``Session.submit``.

    Returns
    -------
    data : dict
        The server's batch object.
    sent : DataFrame or None
        The jobs as they were sent; None for a batch that existed already.
    """
    spec = origin.spec
    valid = parameters.validate(spec, origin.jobs(jobs))
    _require_possible(origin, valid, is_preview)
    requested = valid if random_sample else parameters.fill(spec, valid)
    name = batch_name or f"{spec.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    if reuse:
        name = batch_name or content_name(spec, requested, is_preview)
        found = find_batch(origin.rest, spec, name, requested, is_preview)
        if found is not None:
            return found, None
    filled = parameters.fill(spec, valid, random=True) if random_sample else requested
    runs = _job_runs(origin, parameters.records(spec, filled), is_preview)
    if origin.rest.has("tags"):
        runs = [
            {**run, "tags": tags} if tags else run
            for run, tags in zip(runs, parameters.tags(filled), strict=True)
        ]
    try:
        answer = origin.rest.create_batch(name, runs)
    except InvalidJobs as error:
        raise _relabeled(error, valid.index) from None
    if len(answer["job_runs"]) != len(runs):
        raise ServerFault(
            f"{len(runs)} jobs were sent, but batch {answer['id']} has {len(answer['job_runs'])}.",
            advice="Look at it with session.batch_from_api() before using it.",
            batch=answer["id"],
        )
    for job in answer["job_runs"]:
        job.update(name=spec.name, is_preview=is_preview)
    return {**answer, "name": answer.get("name") or name}, filled


def _require_possible(origin: Origin, jobs: pd.DataFrame, is_preview: bool) -> None:
    if not len(jobs):
        raise FrameError("There is no job to submit.", advice="Give at least one row.")
    if is_preview and not origin.spec.preview:
        raise RequestRejected(
            f"{origin.generator} has no previews.", advice="Submit with is_preview=False."
        )


def _job_runs(
    origin: Origin, records: Iterable[dict[str, Any]], is_preview: bool
) -> list[dict[str, Any]]:
    name = origin.generator
    return [{"name": name, "is_preview": is_preview, "param_values": record} for record in records]


def _relabeled(error: InvalidJobs, index: pd.Index[Any]) -> InvalidJobs:
    """Return the server's refusal with the labels of the frame that was submitted."""
    broken = error.violations.copy()
    inside = [p for p in broken["position"] if pd.notna(p) and 0 <= p < len(index)]
    if len(inside) == len(broken):
        broken["label"] = pd.Series(
            [index[int(p)] for p in inside], index=broken.index, dtype=object
        )
    return InvalidJobs(error.problem, advice=error.advice, **{**error.where, "violations": broken})
