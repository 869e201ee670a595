"""The tables of a store, as SQLAlchemy Core describes them for every database.

A change here needs a migration in ``stores/migrations``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = [
    "accounts",
    "batches",
    "engines",
    "idempotency",
    "jobs",
    "json_column",
    "ledger",
    "metadata",
    "next_revision",
    "now",
    "secrets",
    "tokens",
]

metadata = sa.MetaData()
# SQLite numbers rows itself only in columns of type INTEGER, which hold 64 bits there.
_INTEGER = BigInteger().with_variant(Integer(), "sqlite")
_QUEUED = sa.text("status = 'queued'")
_RUNNING = sa.text("status = 'running'")
_STORED = sa.text("status = 'completed' AND expired IS NULL")

accounts = Table(
    "accounts",
    metadata,
    Column("id", _INTEGER, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("metered", Boolean, nullable=False),
    # Sums of the account's ledger entries, stored so that reading a balance is one lookup.
    Column("granted", _INTEGER, nullable=False, default=0),
    Column("reserved", _INTEGER, nullable=False, default=0),
    Column("settled", _INTEGER, nullable=False, default=0),
    Column("created", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    # The first characters of a token are its name; only a digest of the whole is stored.
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
    Column("seq", _INTEGER, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("batch_id", ForeignKey("batches.id"), nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("generator", Text, nullable=False),
    Column("is_preview", Boolean, nullable=False),
    Column("params", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("seed", _INTEGER, nullable=False),
    Column("estimated", _INTEGER, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("samples", _INTEGER),
    Column("sha256", Text),
    Column("attempts", _INTEGER, nullable=False, default=0),
    Column("lease", Text),
    # Grows within a batch with every change: jobs changed since a poll have a larger revision.
    Column("revision", _INTEGER, nullable=False),
    Column("created", Text, nullable=False),
    Column("started", Text),
    Column("finished", Text),
    Column("traceback", Text),
    Column("archive_bytes", _INTEGER),
    # Time at which the archive was deleted by the retention rules.
    Column("expired", Text),
    # The summary of the labels of a completed job, as JSON.
    Column("labels", Text),
    Index("jobs_of_batch", "batch_id", "seq"),
    Index("jobs_changed", "batch_id", "revision"),
    Index("jobs_of_account", "account_id", "is_preview", "seq"),
    Index(
        "jobs_queued",
        sa.desc("is_preview"),
        "seq",
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    ),
    Index("jobs_running", "seq", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
    Index("jobs_stored", "finished", sqlite_where=_STORED, postgresql_where=_STORED),
)

# Engines that lease jobs of this store, with the time of their last heartbeat.
engines = Table(
    "engines",
    metadata,
    Column("id", Text, primary_key=True),
    # Machine and home folder: an engine that starts there knows that the one before is dead.
    Column("home", Text, nullable=False),
    Column("seen", Text, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("batch_id", ForeignKey("batches.id"), nullable=False),
    # Set when the request was the single-job endpoint.
    Column("job_id", Text),
    Column("created", Text, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", _INTEGER, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("batch_id", Text),
    # Unique, so that a job cannot be settled twice.
    Column("job_id", Text, unique=True),
    Column("granted", _INTEGER, nullable=False, default=0),
    Column("reserved", _INTEGER, nullable=False, default=0),
    Column("settled", _INTEGER, nullable=False, default=0),
    Column("created", Text, nullable=False),
)


def now() -> str:
    """Return the current UTC time as stored: text of fixed width, which sorts by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def next_revision() -> sa.ScalarSelect[int]:
    """Expression for the next revision within the batch of the job that an UPDATE changes."""
    others = jobs.alias()
    largest = sa.select(sa.func.max(others.c.revision) + 1)
    return largest.where(others.c.batch_id == jobs.c.batch_id).correlate(jobs).scalar_subquery()


class json_column(FunctionElement[str]):  # noqa: N801 (named as SQL functions are)
    """SQL function that collects a column as a JSON array, as text."""

    type = Text()
    inherit_cache = True
    name = "json_column"


@compiles(json_column)
def _sqlite_json(element: json_column, compiler: Any, **options: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **options)})"


@compiles(json_column, "postgresql")
def _postgresql_json(element: json_column, compiler: Any, **options: Any) -> str:
    return f"coalesce(json_agg({compiler.process(element.clauses, **options)})::text, '[]')"
