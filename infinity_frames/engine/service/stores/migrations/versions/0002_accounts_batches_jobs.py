"""The tables as they were before migrations existed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = None

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables."""
    _create_accounts()
    _create_jobs()
    op.create_table(
        "idempotency",
        sa.Column("account_id", _INTEGER, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("batch_id", sa.Text, sa.ForeignKey("batches.id"), nullable=False),
        sa.Column("job_id", sa.Text),
        sa.Column("created", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("id", _INTEGER, primary_key=True),
        sa.Column("account_id", _INTEGER, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("batch_id", sa.Text),
        sa.Column("job_id", sa.Text, unique=True),
        sa.Column("granted", _INTEGER, nullable=False, default=0),
        sa.Column("reserved", _INTEGER, nullable=False, default=0),
        sa.Column("settled", _INTEGER, nullable=False, default=0),
        sa.Column("created", sa.Text, nullable=False),
    )


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _INTEGER, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("metered", sa.Boolean, nullable=False),
        sa.Column("granted", _INTEGER, nullable=False, default=0),
        sa.Column("reserved", _INTEGER, nullable=False, default=0),
        sa.Column("settled", _INTEGER, nullable=False, default=0),
        sa.Column("created", sa.Text, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("account_id", _INTEGER, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("created", sa.Text, nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account_id", _INTEGER, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
    )
    op.create_index("batches_of_account", "batches", ["account_id", "created"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("seq", _INTEGER, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("batch_id", sa.Text, sa.ForeignKey("batches.id"), nullable=False),
        sa.Column("account_id", _INTEGER, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("generator", sa.Text, nullable=False),
        sa.Column("is_preview", sa.Boolean, nullable=False),
        sa.Column("params", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("seed", _INTEGER, nullable=False),
        sa.Column("estimated", _INTEGER, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("samples", _INTEGER),
        sa.Column("sha256", sa.Text),
        sa.Column("attempts", _INTEGER, nullable=False, default=0),
        sa.Column("lease", sa.Text),
        sa.Column("revision", _INTEGER, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("started", sa.Text),
        sa.Column("finished", sa.Text),
    )
    op.create_index("jobs_of_batch", "jobs", ["batch_id", "seq"])
    op.create_index("jobs_changed", "jobs", ["batch_id", "revision"])
    op.create_index("jobs_of_account", "jobs", ["account_id", "is_preview", "seq"])
    queued, running = sa.text("status = 'queued'"), sa.text("status = 'running'")
    op.create_index(
        "jobs_queued",
        "jobs",
        [sa.text("is_preview DESC"), "seq"],
        sqlite_where=queued,
        postgresql_where=queued,
    )
    op.create_index("jobs_running", "jobs", ["seq"], sqlite_where=running, postgresql_where=running)
