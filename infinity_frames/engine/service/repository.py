"""Reads and writes batches and jobs in the store, and builds the protocol's JSON objects."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from infinity_frames.engine.service import ledger, queue
from infinity_frames.engine.service.requests import NewJob
from infinity_frames.engine.service.stores.tables import batches, jobs, json_column, now
from infinity_frames.protocol.errors import UnknownBatch, UnknownJob

__all__ = [
    "Linker",
    "add_jobs",
    "as_created",
    "batch_json",
    "batch_row",
    "find_jobs",
    "job_json",
    "job_row",
    "job_traceback",
    "list_batches",
    "new_batch",
    "progress_json",
    "usage",
]

Linker = Callable[[str], str]
"""Function from a job id to its result URL."""

# Keys of a job object with their columns, in the order of the query.
_STATE = {
    "id": jobs.c.id,
    "status": jobs.c.status,
    "error": jobs.c.error,
    "num_samples": jobs.c.samples,
    "started": jobs.c.started,
    "finished": jobs.c.finished,
}
_SUMMARY = {
    **_STATE,
    "name": jobs.c.generator,
    "is_preview": jobs.c.is_preview,
    "estimated_samples": jobs.c.estimated,
    "seed": jobs.c.seed,
    "expired": jobs.c.expired,
}
# Ids come last: random text does not compress, so the response leaves this tail uncompressed.
_PROGRESS = {**{key: _STATE[key] for key in _STATE if key != "id"}, "id": jobs.c.id}
_FULL = {
    **_SUMMARY,
    "sha256": jobs.c.sha256,
    "created": jobs.c.created,
    "batch_id": jobs.c.batch_id,
    "param_values": jobs.c.params,
    "tags": jobs.c.tags,
}


def new_batch(connection: Connection, account_id: int, name: str) -> str:
    """Create an empty batch and return its id."""
    batch_id = str(uuid.uuid4())
    connection.execute(
        sa.insert(batches).values(id=batch_id, account_id=account_id, name=name, created=now())
    )
    return batch_id


def add_jobs(
    connection: Connection, account_id: int, batch_id: str, new: Sequence[NewJob]
) -> list[str]:
    """Reserve the samples of new jobs, queue the jobs at the end of a batch, return their ids.

    Raises
    ------
    NotEnoughSamples
        The account has too few samples left.
    """
    ledger.reserve(connection, account_id, batch_id, sum(job.estimated for job in new))
    created = now()
    of_batch = sa.select(sa.func.coalesce(sa.func.max(jobs.c.revision), 0) + 1)
    revision = connection.execute(of_batch.where(jobs.c.batch_id == batch_id)).scalar_one()
    rows = [
        {
            "id": str(uuid.uuid4()),
            "batch_id": batch_id,
            "account_id": account_id,
            "generator": job.generator,
            "is_preview": job.is_preview,
            "params": orjson.dumps(job.params).decode(),
            "tags": orjson.dumps(job.tags).decode(),
            "seed": job.seed,
            "estimated": job.estimated,
            "status": "queued",
            "created": created,
            "revision": revision,
        }
        for job in new
    ]
    connection.execute(sa.insert(jobs), rows)
    return [str(row["id"]) for row in rows]


def batch_row(connection: Connection, account_id: int, batch_id: str) -> Row[Any]:
    """Return the row of a batch of this account.

    Raises
    ------
    UnknownBatch
        The account has no such batch.
    """
    row = connection.execute(
        sa.select(batches).where(batches.c.id == batch_id, batches.c.account_id == account_id)
    ).one_or_none()
    if row is None:
        raise UnknownBatch(
            f"Unknown batch {batch_id!r}.",
            advice="GET /api/batch/ lists the batches of this account.",
        )
    return row


def job_row(connection: Connection, account_id: int, job_id: str, is_preview: bool) -> Row[Any]:
    """Return the row of a preview or standard job of this account.

    Raises
    ------
    UnknownJob
        The account has no such job of that kind.
    """
    row = connection.execute(
        sa.select(*_FULL.values()).where(
            jobs.c.id == job_id,
            jobs.c.account_id == account_id,
            jobs.c.is_preview == is_preview,
        )
    ).one_or_none()
    if row is None:
        kind = "preview" if is_preview else "standard"
        raise UnknownJob(
            f"Unknown {kind} job {job_id!r}.",
            advice="GET /api/batch/{id}/ lists the jobs of a batch.",
        )
    return row


def job_traceback(
    connection: Connection, account_id: int, job_id: str, is_preview: bool
) -> str | None:
    """Return the traceback of a failed job of this account, None if it has none."""
    job_row(connection, account_id, job_id, is_preview)
    found = connection.execute(sa.select(jobs.c.traceback).where(jobs.c.id == job_id)).scalar()
    return None if found is None else str(found)


def find_jobs(
    connection: Connection, account_id: int, is_preview: bool, batch_id: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Return jobs of one kind in submission order: all of a batch, else the latest `limit`."""
    wanted = (jobs.c.account_id == account_id) & (jobs.c.is_preview == is_preview)
    if batch_id is not None:
        batch_row(connection, account_id, batch_id)
        query = sa.select(*_FULL.values()).where(wanted, jobs.c.batch_id == batch_id)
        return connection.execute(query.order_by(jobs.c.seq)).all()
    query = sa.select(*_FULL.values()).where(wanted).order_by(jobs.c.seq.desc())
    return connection.execute(query.limit(limit)).all()[::-1]


def list_batches(
    connection: Connection, account_id: int, start: str | None, end: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return the latest `limit` batches created in a time window, oldest first."""
    query = sa.select(batches).where(batches.c.account_id == account_id)
    query = query.where(*_window(batches.c.created, start, end))
    rows = connection.execute(query.order_by(batches.c.created.desc()).limit(limit)).all()
    return [{"id": row.id, "name": row.name, "created": row.created} for row in rows[::-1]]


def usage(
    connection: Connection, account_id: int, start: str | None, end: str | None
) -> dict[str, dict[str, int]]:
    """Count jobs submitted in a time window and their rendered samples, by generator."""
    rows = connection.execute(
        sa.select(
            jobs.c.generator,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(jobs.c.samples), 0),
        )
        .where(jobs.c.account_id == account_id, *_window(jobs.c.created, start, end))
        .group_by(jobs.c.generator)
    )
    return {name: {"jobs": count, "samples": samples} for name, count, samples in rows}


def _window(
    created: sa.ColumnElement[str], start: str | None, end: str | None
) -> list[sa.ColumnElement[bool]]:
    conditions = [] if start is None else [created >= start]
    return conditions if end is None else [*conditions, created <= end]


def batch_json(
    connection: Connection,
    batch: Row[Any],
    link: Linker,
    *,
    summary: bool = False,
    message: str | None = None,
    job_id: str | None = None,
) -> dict[str, Any]:
    """Build a batch object.

    Parameters
    ----------
    connection : Connection
    batch : Row
        From :func:`batch_row`.
    link : callable
        Makes result URLs.
    summary : bool
        Leave out parameters, tags and empty values: this object is polled.
    message : str, optional
        Shown while a job of the batch is in progress.
    job_id : str, optional
        Include this job only.
    """
    columns, as_json = (_SUMMARY, _summary_json) if summary else (_FULL, job_json)
    query = sa.select(*columns.values()).where(jobs.c.batch_id == batch.id)
    if job_id is not None:
        query = query.where(jobs.c.id == job_id)
    rows = connection.execute(query.order_by(jobs.c.seq))
    runs = [as_json(row, link) for row in rows]
    busy = any(run["in_progress"] for run in runs)
    return {
        "id": batch.id,
        "name": batch.name,
        "created": batch.created,
        "message": message if busy else None,
        "job_runs": runs,
    }


def progress_json(
    connection: Connection, batch: Row[Any], since: int, message: str | None
) -> dict[str, Any]:
    """Build an object with the jobs that changed after revision `since`, and the new revision.

    Constant values are left out, so the cost of a poll is proportional to the changes.
    """
    of_batch = jobs.c.batch_id == batch.id
    revision = connection.execute(sa.select(sa.func.max(jobs.c.revision)).where(of_batch)).scalar()
    # The database writes columns as JSON: a third smaller and faster than an object per job.
    columns = sa.select(*(json_column(column) for column in _PROGRESS.values()))
    texts = connection.execute(columns.where(of_batch, jobs.c.revision > since)).one()
    busy = message and queue.unfinished(connection, batch.id)
    return {
        "id": batch.id,
        "name": batch.name,
        "created": batch.created,
        "message": message if busy else None,
        "revision": revision or 0,
        "changed": dict(zip(_PROGRESS, map(orjson.Fragment, texts), strict=True)),
    }


def job_json(row: Row[Any], link: Linker) -> dict[str, Any]:
    """Build a job object with its parameters and tags."""
    run = _with_result(dict(zip(_FULL, row, strict=True)), link)
    # Both are stored as JSON text and sent without parsing.
    run["param_values"] = orjson.Fragment(run["param_values"])
    run["tags"] = orjson.Fragment(run["tags"])
    return run


def as_created(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the batch object as it was when created, to answer a repeated request equally."""
    untouched = {
        "in_progress": True,
        "result_url": None,
        "status": "queued",
        "error": None,
        "num_samples": None,
        "sha256": None,
        "started": None,
        "finished": None,
        "expired": None,
    }
    runs = [{**run, **untouched} for run in batch["job_runs"]]
    return {**batch, "message": None, "job_runs": runs}


def _summary_json(row: Row[Any], link: Linker) -> dict[str, Any]:
    return _with_result(_without_none(_SUMMARY, row), link)


def _without_none(keys: Iterable[str], row: Row[Any]) -> dict[str, Any]:
    # This runs for every job at every poll; access by position is the fast one.
    return {key: value for key, value in zip(keys, row, strict=True) if value is not None}


def _with_result(run: dict[str, Any], link: Linker) -> dict[str, Any]:
    status = run["status"]
    run["in_progress"] = status == "queued" or status == "running"
    run["result_url"] = link(run["id"]) if status == "completed" else None
    return run
