"""Summaries of the labels of completed jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; jobs that were completed before have no summary."""
    op.add_column("jobs", sa.Column("labels", sa.Text))
