"""What may happen to a job: queued, leased to a worker, then completed, failed or cancelled.

Each function is one transaction's worth of work on a connection it is given. A job that has ended
never changes again: an outcome that comes late (the job was cancelled meanwhile) is not recorded.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from infinity_frames.engine.service import ledger
from infinity_frames.engine.service.stores import database as store
from infinity_frames.engine.service.stores.database import jobs

__all__ = [
    "MAX_ATTEMPTS",
    "cancel",
    "complete",
    "fail",
    "lease",
    "recover",
    "release",
    "unfinished",
]

MAX_ATTEMPTS = 3


def lease(connection: Connection, owner: str, count: int) -> Sequence[Row[Any]]:
    """Take up to `count` jobs off the queue for `owner`: previews first, then the oldest.

    A preview is one frame that somebody is waiting to see; a batch may take hours.
    """
    chosen = connection.execute(
        sa.select(jobs)
        .where(jobs.c.status == sa.literal_column("'queued'"))
        .order_by(jobs.c.is_preview.desc(), jobs.c.seq)
        .limit(count)
    ).all()
    if chosen:
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.seq.in_([row.seq for row in chosen]))
            .values(
                status="running",
                lease=owner,
                attempts=jobs.c.attempts + 1,
                started=store.now(),
                revision=store.next_revision(),
            )
        )
    return chosen


def complete(connection: Connection, job_id: str, owner: str, samples: int, sha256: str) -> bool:
    """Record a rendered job and settle it; False if the job is no longer this owner's."""
    return _end(connection, job_id, owner, status="completed", samples=samples, sha256=sha256)


def fail(connection: Connection, job_id: str, owner: str, error: str) -> bool:
    """Record why a job could not be made; it costs nothing. False if no longer this owner's."""
    return _end(connection, job_id, owner, status="failed", error=error)


def release(connection: Connection, job_id: str, owner: str, error: str, *, counted: bool) -> None:
    """Give a job back that was not finished, through no fault that is known to be its own.

    Parameters
    ----------
    connection : Connection
        A writing transaction.
    job_id, owner : str
        The job and who leased it.
    error : str
        What happened; the job's error once its attempts are used up.
    counted : bool
        Whether the attempt counts. It does not when the engine is stopped or the disk is full.
    """
    mine = _leased(job_id, owner)
    attempts = connection.execute(sa.select(jobs.c.attempts).where(mine)).scalar()
    if attempts is None:
        return
    if counted and attempts >= MAX_ATTEMPTS:
        fail(connection, job_id, owner, f"{error} It was tried {attempts} times.")
    else:
        _requeue(connection, mine, attempts=attempts - (0 if counted else 1))


def cancel(connection: Connection, batch_id: str) -> list[str]:
    """End every unfinished job of a batch; the ids of those that were being rendered."""
    unfinished_jobs = (jobs.c.batch_id == batch_id) & jobs.c.status.in_(["queued", "running"])
    running = connection.execute(
        sa.select(jobs.c.id).where(jobs.c.batch_id == batch_id, jobs.c.status == "running")
    )
    ids = list(running.scalars())
    ledger.settle(connection, unfinished_jobs)
    connection.execute(
        sa.update(jobs)
        .where(unfinished_jobs)
        .values(
            status="cancelled",
            lease=None,
            finished=store.now(),
            revision=store.next_revision(),
        )
    )
    return ids


def recover(connection: Connection, rendering: Set[str]) -> None:
    """Take back the jobs of an owner that died. Only the one owner of a home may call this.

    Parameters
    ----------
    connection : Connection
        A writing transaction.
    rendering : set of str
        Jobs whose attempt counts: they were being rendered, so they may be what killed it.
    """
    lost = connection.execute(
        sa.select(jobs.c.id, jobs.c.lease).where(jobs.c.status == sa.literal_column("'running'"))
    ).all()
    for job_id, owner in lost:
        counted = job_id in rendering
        error = "The engine died while it was rendered."
        release(connection, job_id, owner, error, counted=counted)


def unfinished(connection: Connection, batch_id: str | None = None) -> bool:
    """Whether any job, or any of a batch, waits or is being rendered."""
    waiting = jobs.c.status == sa.literal_column("'queued'")
    running = jobs.c.status == sa.literal_column("'running'")
    if batch_id is not None:
        waiting &= jobs.c.batch_id == batch_id
        running &= jobs.c.batch_id == batch_id
    return bool(
        connection.execute(
            sa.select(
                sa.exists(sa.select(jobs.c.seq).where(waiting))
                | sa.exists(sa.select(jobs.c.seq).where(running))
            )
        ).scalar()
    )


def _leased(job_id: str, owner: str) -> sa.ColumnElement[bool]:
    return (jobs.c.id == job_id) & (jobs.c.status == "running") & (jobs.c.lease == owner)


def _requeue(connection: Connection, which: sa.ColumnElement[bool], attempts: int) -> None:
    connection.execute(
        sa.update(jobs)
        .where(which)
        .values(
            status="queued",
            lease=None,
            started=None,
            attempts=attempts,
            revision=store.next_revision(),
        )
    )


def _end(connection: Connection, job_id: str, owner: str, **values: Any) -> bool:
    ended = connection.execute(
        sa.update(jobs)
        .where(_leased(job_id, owner))
        .values(lease=None, finished=store.now(), revision=store.next_revision(), **values)
    )
    if ended.rowcount:
        ledger.settle(connection, jobs.c.id == job_id)
    return bool(ended.rowcount)
