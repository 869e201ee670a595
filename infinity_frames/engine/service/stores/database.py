"""The engine's memory: SQLite in WAL mode through SQLAlchemy Core.

Every change of state is one transaction, and every writer takes the write lock before it reads
(``BEGIN IMMEDIATE``), so what a transaction has seen still holds when it commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from infinity_frames.protocol.errors import EngineError

__all__ = [
    "Store",
    "accounts",
    "batches",
    "idempotency",
    "jobs",
    "ledger",
    "next_revision",
    "now",
    "tokens",
]

_BUSY_TIMEOUT_S = 5.0
# Counts the changes of the tables below, so that no version writes into what it cannot read.
_LAYOUT = 2

metadata = sa.MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("metered", Boolean, nullable=False),
    # The sums of the account's ledger entries, kept beside them so that a look costs nothing.
    Column("granted", Integer, nullable=False, default=0),
    Column("reserved", Integer, nullable=False, default=0),
    Column("settled", Integer, nullable=False, default=0),
    Column("created", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    # The first characters name the token; only a digest of the whole is kept.
    Column("name", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("created", Text, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created", Text, nullable=False),
    Index("batches_of_account", "account_id", "created"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("batch_id", ForeignKey("batches.id"), nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("generator", Text, nullable=False),
    Column("is_preview", Boolean, nullable=False),
    Column("params", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("estimated", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("samples", Integer),
    Column("sha256", Text),
    Column("attempts", Integer, nullable=False, default=0),
    Column("lease", Text),
    # Grows with every change, within the batch: what changed since a poll has a larger one.
    Column("revision", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("started", Text),
    Column("finished", Text),
    Index("jobs_of_batch", "batch_id", "seq"),
    Index("jobs_changed", "batch_id", "revision"),
    Index("jobs_of_account", "account_id", "is_preview", "seq"),
    Index("jobs_queued", sa.desc("is_preview"), "seq", sqlite_where=sa.text("status = 'queued'")),
    Index("jobs_running", "seq", sqlite_where=sa.text("status = 'running'")),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("batch_id", ForeignKey("batches.id"), nullable=False),
    # The one job, where the older way of submitting made it.
    Column("job_id", Text),
    Column("created", Text, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("batch_id", Text),
    # A job is settled once: a second entry for it cannot be written.
    Column("job_id", Text, unique=True),
    Column("granted", Integer, nullable=False, default=0),
    Column("reserved", Integer, nullable=False, default=0),
    Column("settled", Integer, nullable=False, default=0),
    Column("created", Text, nullable=False),
)


def now() -> str:
    """The time, UTC, as stored: texts of one width, so that they sort as times do."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def next_revision() -> sa.ScalarSelect[int]:
    """What the revision of the job that an UPDATE changes becomes."""
    others = jobs.alias()
    largest = sa.select(sa.func.max(others.c.revision) + 1)
    return largest.where(others.c.batch_id == jobs.c.batch_id).correlate(jobs).scalar_subquery()


class Store:
    """A database file and its transactions.

    Parameters
    ----------
    path : Path
        Made at first use, mode 0600.

    Raises
    ------
    EngineError
        It is no database, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._engine = sa.create_engine(
            f"sqlite:///{path}",
            connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
            # As many connections as there are threads asking at once; none waits for another's.
            max_overflow=-1,
        )
        sa.event.listen(self._engine, "connect", _configure)
        sa.event.listen(self._engine, "begin", _begin)
        self._writing = self._engine.execution_options(writing=True)
        try:
            path.touch(mode=0o600)
            with self.write() as connection:
                self._make_tables(connection, path)
        except (sa.exc.DatabaseError, OSError) as error:
            self.close()
            raise EngineError(
                f"The engine's database {path} cannot be used: {getattr(error, 'orig', error)}.",
                advice="See that its disk has room; if it is damaged, move it away: the engine "
                "then starts with a new one.",
            ) from None

    @staticmethod
    def _make_tables(connection: sa.Connection, path: Path) -> None:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found not in (0, _LAYOUT):
            raise EngineError(
                f"The engine's database {path} was made by another version (layout {found}).",
                advice="Use that version of infinity_frames, or another --home.",
            )
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {_LAYOUT}")

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the database throughout."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: all of it or nothing."""
        with self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _configure(connection: Any, _record: object) -> None:
    # The driver would begin transactions by itself, and late; `_begin` does it.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # What a client was told must outlive a power cut, not only a crash of the engine.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
