"""Tracebacks of failed jobs; size and expiry of archives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns, and an index of the archives that can expire."""
    op.add_column("jobs", sa.Column("traceback", sa.Text))
    op.add_column("jobs", sa.Column("archive_bytes", _INTEGER))
    op.add_column("jobs", sa.Column("expired", sa.Text))
    stored = sa.text("status = 'completed' AND expired IS NULL")
    op.create_index(
        "jobs_stored", "jobs", ["finished"], sqlite_where=stored, postgresql_where=stored
    )
