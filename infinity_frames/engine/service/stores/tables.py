"""The tables of a store, as SQLAlchemy Core describes them for every database."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

__all__ = [
    "accounts",
    "batches",
    "idempotency",
    "jobs",
    "ledger",
    "metadata",
    "next_revision",
    "now",
    "tokens",
]

metadata = sa.MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("metered", Boolean, nullable=False),
    # Sums of the account's ledger entries, stored so that reading a balance is one lookup.
    Column("granted", Integer, nullable=False, default=0),
    Column("reserved", Integer, nullable=False, default=0),
    Column("settled", Integer, nullable=False, default=0),
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
    # Grows within a batch with every change: jobs changed since a poll have a larger revision.
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
    # Set when the request was the single-job endpoint.
    Column("job_id", Text),
    Column("created", Text, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("batch_id", Text),
    # Unique, so that a job cannot be settled twice.
    Column("job_id", Text, unique=True),
    Column("granted", Integer, nullable=False, default=0),
    Column("reserved", Integer, nullable=False, default=0),
    Column("settled", Integer, nullable=False, default=0),
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
