"""The states of a job: queued, leased to a runner, then completed, failed or cancelled.

Every function works inside the transaction of the connection that it is given. A job that has
ended never changes again: a late outcome, of a job cancelled meanwhile, is not recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from infinity_frames.engine.service import ledger
from infinity_frames.engine.service.stores.tables import engines, jobs, next_revision, now

__all__ = [
    "MAX_ATTEMPTS",
    "beat",
    "cancel",
    "complete",
    "fail",
    "is_cancelled",
    "lease",
    "recover",
    "register",
    "release",
    "still_leased",
    "unfinished",
]

MAX_ATTEMPTS = 3
# An engine without a heartbeat for this time is taken for dead.
ENGINE_LIFETIME_S = 60.0


def lease(
    connection: Connection, owner: str, count: int, excluded: Sequence[str] = ()
) -> Sequence[Row[Any]]:
    """Lease up to `count` queued jobs to `owner`: previews first, then the oldest.

    Previews go first because a user waits for that one frame, while a batch may take hours. Jobs
    in `excluded` are skipped.
    """
    without = [jobs.c.id.not_in(excluded)] if excluded else []
    chosen = connection.execute(
        sa.select(jobs)
        .where(jobs.c.status == sa.literal_column("'queued'"), *without)
        .order_by(jobs.c.is_preview.desc(), jobs.c.seq)
        .limit(count)
        # Engines that share a store do not wait for each other here (SQLite ignores this).
        .with_for_update(skip_locked=True)
    ).all()
    if chosen:
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.seq.in_([row.seq for row in chosen]))
            .values(
                status="running",
                lease=owner,
                attempts=jobs.c.attempts + 1,
                started=now(),
                revision=next_revision(),
            )
        )
    return chosen


def complete(
    connection: Connection,
    job_id: str,
    owner: str,
    samples: int,
    sha256: str,
    archive_bytes: int | None = None,
    labels: Mapping[str, Any] | None = None,
) -> bool:
    """Record a rendered job and settle it; return False if `owner` no longer holds its lease."""
    return _end(
        connection,
        job_id,
        owner,
        status="completed",
        samples=samples,
        sha256=sha256,
        archive_bytes=archive_bytes,
        labels=orjson.dumps(labels).decode() if labels else None,
    )


def fail(
    connection: Connection, job_id: str, owner: str, error: str, traceback: str | None = None
) -> bool:
    """Record why a job failed, at no cost; return False if `owner` no longer holds its lease."""
    return _end(connection, job_id, owner, status="failed", error=error, traceback=traceback)


def release(connection: Connection, job_id: str, owner: str, error: str, *, counted: bool) -> None:
    """Return an unfinished job to the queue after a fault that may not be the job's own.

    Parameters
    ----------
    connection : Connection
        A writing transaction.
    job_id, owner : str
        The job, and the holder of its lease.
    error : str
        What happened; becomes the job's error when no attempts are left.
    counted : bool
        Whether the attempt counts; it does not when the engine is stopped or the disk is full.
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
    """Cancel every unfinished job of a batch; return the ids of those that were running."""
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
            finished=now(),
            revision=next_revision(),
        )
    )
    return ids


def register(connection: Connection, owner: str, home: str) -> None:
    """Record that an engine lives, in place of earlier ones of the same home, which are dead."""
    connection.execute(sa.delete(engines).where(engines.c.home == home))
    connection.execute(sa.insert(engines).values(id=owner, home=home, seen=now()))


def beat(connection: Connection, owner: str) -> None:
    """Record the heartbeat of an engine."""
    connection.execute(sa.update(engines).where(engines.c.id == owner).values(seen=now()))


def recover(connection: Connection, rendering: Set[str] | None = None) -> int:
    """Return the running jobs of dead engines to the queue.

    Parameters
    ----------
    connection : Connection
        A writing transaction.
    rendering : set of str, optional
        Jobs whose attempt counts: they were being rendered and may have caused the crash. By
        default the attempts of all recovered jobs count.

    Returns
    -------
    int
        Number of recovered jobs.
    """
    oldest = datetime.now(UTC) - timedelta(seconds=ENGINE_LIFETIME_S)
    connection.execute(
        sa.delete(engines).where(engines.c.seen < oldest.isoformat(timespec="microseconds"))
    )
    alive = sa.select(engines.c.id)
    lost = connection.execute(
        sa.select(jobs.c.id, jobs.c.lease).where(
            jobs.c.status == sa.literal_column("'running'"), jobs.c.lease.not_in(alive)
        )
    ).all()
    for job_id, owner in lost:
        counted = rendering is None or job_id in rendering
        error = "The engine died while the job was rendered."
        release(connection, job_id, owner, error, counted=counted)
    return len(lost)


def is_cancelled(connection: Connection, job_id: str) -> bool:
    """Return whether a job was cancelled."""
    status = connection.execute(sa.select(jobs.c.status).where(jobs.c.id == job_id)).scalar()
    return status == "cancelled"


def still_leased(connection: Connection, owner: str, job_ids: Collection[str]) -> set[str]:
    """Return those of the jobs whose lease `owner` still holds: others may have cancelled them."""
    held = (jobs.c.status == sa.literal_column("'running'")) & (jobs.c.lease == owner)
    query = sa.select(jobs.c.id).where(held, jobs.c.id.in_(list(job_ids)))
    return set(connection.execute(query).scalars())


def unfinished(connection: Connection, batch_id: str | None = None) -> bool:
    """Return whether any job of the store, or of one batch, is queued or running."""
    queued = jobs.c.status == sa.literal_column("'queued'")
    running = jobs.c.status == sa.literal_column("'running'")
    if batch_id is not None:
        queued &= jobs.c.batch_id == batch_id
        running &= jobs.c.batch_id == batch_id
    return bool(
        connection.execute(
            sa.select(
                sa.exists(sa.select(jobs.c.seq).where(queued))
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
            revision=next_revision(),
        )
    )


def _end(connection: Connection, job_id: str, owner: str, **values: Any) -> bool:
    ended = connection.execute(
        sa.update(jobs)
        .where(_leased(job_id, owner))
        .values(lease=None, finished=now(), revision=next_revision(), **values)
    )
    if ended.rowcount:
        ledger.settle(connection, jobs.c.id == job_id)
    return bool(ended.rowcount)
