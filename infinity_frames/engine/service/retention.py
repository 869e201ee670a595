"""Retention: deletes expired archives and bounds everything else that grows with time."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from infinity_frames.engine.service.ports import Archives, Store
from infinity_frames.engine.service.stores.tables import idempotency, jobs, next_revision, now
from infinity_frames.io.home import Home

__all__ = ["Expiry", "Housekeeper", "Retention", "bound_log", "expire"]

_INTERVAL_S = 30.0
_KEY_LIFETIME = timedelta(days=30)
_MAX_LOG_BYTES = 5 * 2**20
_KEPT_LOG_BYTES = 2**20
# Jobs that expire in one transaction, so that clients are not kept waiting.
_CHUNK = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retention:
    """Which archives are kept; by default all of them.

    Parameters
    ----------
    seconds : float or None
        Archives of jobs that finished longer ago expire.
    total_bytes : int or None
        When the archives take more space, the oldest expire.
    """

    seconds: float | None = None
    total_bytes: int | None = None


@dataclass(frozen=True)
class Expiry:
    """Number of jobs whose archives expired, and the bytes that this freed."""

    jobs: int = 0
    bytes: int = 0


def expire(
    store: Store, archives: Archives, retention: Retention, *, dry_run: bool = False
) -> Expiry:
    """Delete the archives that the retention rules no longer keep.

    Jobs, parameters and books stay; only the archives go. Jobs are marked as expired before their
    archives are deleted, so that a crash in between leaves no job with a missing archive.

    Parameters
    ----------
    store : Store
    archives : Archives
    retention : Retention
    dry_run : bool
        Only count.

    Returns
    -------
    Expiry
    """
    chosen = _expired_by_age(store, retention) | _expired_by_size(store, archives, retention)
    ids = list(chosen)
    if not dry_run:
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            with store.write() as connection:
                _mark_expired(connection, chunk)
            archives.delete(chunk)
    return Expiry(len(ids), sum(chosen.values()))


def bound_log(home: Home) -> None:
    """Shorten the engine's log file, where standard error is that file, to its last lines."""
    try:
        status, named = os.fstat(2), home.log_file.stat()
        is_log = (status.st_dev, status.st_ino) == (named.st_dev, named.st_ino)
        if not (is_log and stat.S_ISREG(status.st_mode) and status.st_size > _MAX_LOG_BYTES):
            return
        with home.log_file.open("rb") as file:
            file.seek(-_KEPT_LOG_BYTES, os.SEEK_END)
            kept = file.read().partition(b"\n")[2]
        os.ftruncate(2, 0)
        os.write(2, b"(earlier lines were deleted)\n" + kept)
    except OSError:
        return


class Housekeeper:
    """A thread that applies the retention rules and bounds keys, log and database files.

    Parameters
    ----------
    home : Home
    store : Store
    archives : Archives
    retention : Retention
    """

    def __init__(self, home: Home, store: Store, archives: Archives, retention: Retention) -> None:
        self._home = home
        self._store = store
        self._archives = archives
        self._retention = retention
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                bound_log(self._home)
                expired = expire(self._store, self._archives, self._retention)
                if expired.jobs:
                    _log.info(
                        "the archives of %d jobs expired (%d bytes)", expired.jobs, expired.bytes
                    )
                _delete_old_keys(self._store)
                self._store.maintain()
            except Exception:
                _log.exception("housekeeping failed; it is repeated")
            if self._stopping.wait(_INTERVAL_S):
                return


def _expired_by_age(store: Store, retention: Retention) -> dict[str, int]:
    if retention.seconds is None:
        return {}
    oldest = (datetime.now(UTC) - timedelta(seconds=retention.seconds)).isoformat(
        timespec="microseconds"
    )
    with store.read() as connection:
        rows = connection.execute(_stored().where(jobs.c.finished < oldest)).all()
    return {row.id: row.archive_bytes or 0 for row in rows}


def _expired_by_size(store: Store, archives: Archives, retention: Retention) -> dict[str, int]:
    if retention.total_bytes is None:
        return {}
    with store.read() as connection:
        rows = connection.execute(_stored().order_by(jobs.c.finished.desc())).all()
    kept, expired = 0, {}
    for row, size in zip(rows, _sizes(rows, archives), strict=True):
        kept += size
        if kept > retention.total_bytes:
            expired[row.id] = size
    return expired


def _sizes(rows: Sequence[Row[tuple[str, int | None]]], archives: Archives) -> list[int]:
    """Return the sizes of archives; look them up for jobs from before sizes were recorded."""
    sizes = []
    for row in rows:
        job_id, size = row.id, row.archive_bytes
        stored = archives.find(job_id) if size is None else None
        sizes.append(size or (stored.size if stored is not None else 0))
    return sizes


def _stored() -> sa.Select[tuple[str, int | None]]:
    completed = jobs.c.status == sa.literal_column("'completed'")
    return sa.select(jobs.c.id, jobs.c.archive_bytes).where(completed, jobs.c.expired.is_(None))


def _mark_expired(connection: Connection, job_ids: Sequence[str]) -> None:
    for job_id in job_ids:
        # One by one, so that each gets a revision of its own after the present ones.
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == job_id)
            .values(expired=now(), revision=next_revision())
        )


def _delete_old_keys(store: Store) -> None:
    oldest = (datetime.now(UTC) - _KEY_LIFETIME).isoformat(timespec="microseconds")
    with store.read() as connection:
        old = sa.exists(sa.select(idempotency.c.key).where(idempotency.c.created < oldest))
        if not connection.execute(sa.select(old)).scalar():
            return
    with store.write() as connection:
        connection.execute(sa.delete(idempotency).where(idempotency.c.created < oldest))
