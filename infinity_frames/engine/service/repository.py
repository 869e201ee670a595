"""Batches and jobs in the store, and as the JSON objects of the protocol."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from infinity_frames.engine.service import ledger, queue
from infinity_frames.engine.service.requests import Job
from infinity_frames.engine.service.stores import database as store
from infinity_frames.engine.service.stores.database import batches, jobs
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
    "list_batches",
    "new_batch",
    "progress_json",
    "usage",
]

Linker = Callable[[str], str]
"""Makes the result URL of a job of that id."""

# Keys of a job object, and the columns they are read from in the same order.
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
}
# The ids come last: they do not compress, and what sends them leaves a tail as it is.
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
    """Open an empty batch; its id."""
    batch_id = str(uuid.uuid4())
    connection.execute(
        sa.insert(batches).values(
            id=batch_id, account_id=account_id, name=name, created=store.now()
        )
    )
    return batch_id


def add_jobs(
    connection: Connection, account_id: int, batch_id: str, new: Sequence[Job]
) -> list[str]:
    """Reserve the samples of new jobs and queue them at the end of a batch; their ids.

    Raises
    ------
    NotEnoughSamples
        The account has too few left.
    """
    ledger.reserve(connection, account_id, batch_id, sum(job.estimated for job in new))
    created = store.now()
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
    """A batch of this account.

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
            f"There is no batch {batch_id!r}.",
            advice="GET /api/batch/ lists the batches of this account.",
        )
    return row


def job_row(connection: Connection, account_id: int, job_id: str, is_preview: bool) -> Row[Any]:
    """A preview or standard job of this account.

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
            f"There is no {kind} job {job_id!r}.",
            advice="GET /api/batch/{id}/ lists the jobs of a batch.",
        )
    return row


def find_jobs(
    connection: Connection, account_id: int, is_preview: bool, batch_id: str | None, limit: int
) -> Sequence[Row[Any]]:
    """Jobs of one kind in the order submitted: all of a batch, else the latest `limit`."""
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
    """The latest `limit` batches made in a window, oldest first."""
    query = sa.select(batches).where(batches.c.account_id == account_id)
    query = query.where(*_window(batches.c.created, start, end))
    rows = connection.execute(query.order_by(batches.c.created.desc()).limit(limit)).all()
    return [{"id": row.id, "name": row.name, "created": row.created} for row in rows[::-1]]


def usage(
    connection: Connection, account_id: int, start: str | None, end: str | None
) -> dict[str, dict[str, int]]:
    """Jobs submitted in a window and the samples they rendered, by generator."""
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
    """A batch object; a summary leaves out what is long, and what a job does not have yet.

    With `job_id` that one alone of its jobs.
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
    """The state of the jobs that changed after revision `since`, and what revision this is.

    What never changes is left out, so that a poll costs what has happened since the one before.
    """
    of_batch = jobs.c.batch_id == batch.id
    revision = connection.execute(sa.select(sa.func.max(jobs.c.revision)).where(of_batch)).scalar()
    # Columns, written as JSON by the database: a third less to write, send and read than objects.
    columns = sa.select(*(sa.func.json_group_array(column) for column in _PROGRESS.values()))
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
    """A job object with its parameters and tags."""
    run = _with_result(dict(zip(_FULL, row, strict=True)), link)
    # Stored as JSON, and sent as stored.
    run["param_values"] = orjson.Fragment(run["param_values"])
    run["tags"] = orjson.Fragment(run["tags"])
    return run


def as_created(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch object as it was when it was made: the answer that a repeated request gets."""
    untouched = {
        "in_progress": True,
        "result_url": None,
        "status": "queued",
        "error": None,
        "num_samples": None,
        "sha256": None,
        "started": None,
        "finished": None,
    }
    runs = [{**run, **untouched} for run in batch["job_runs"]]
    return {**batch, "message": None, "job_runs": runs}


def _summary_json(row: Row[Any], link: Linker) -> dict[str, Any]:
    return _with_result(_without_none(_SUMMARY, row), link)


def _without_none(keys: Iterable[str], row: Row[Any]) -> dict[str, Any]:
    # Called for every job of a batch at every poll: by position, which is what rows do fast.
    return {key: value for key, value in zip(keys, row, strict=True) if value is not None}


def _with_result(run: dict[str, Any], link: Linker) -> dict[str, Any]:
    status = run["status"]
    run["in_progress"] = status == "queued" or status == "running"
    run["result_url"] = link(run["id"]) if status == "completed" else None
    return run
