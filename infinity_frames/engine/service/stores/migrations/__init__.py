"""Alembic migrations of the store, for SQLite and PostgreSQL."""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa

from infinity_frames.engine.service.stores.tables import metadata

__all__ = ["HEAD", "upgrade"]

HEAD = "0005"
"""Newest revision in ``versions``; the tables of ``stores/tables.py`` have this layout."""

_FIRST = "0002"


def upgrade(connection: sa.Connection, layout: int) -> str | None:
    """Create the tables or bring them to the newest revision, in the connection's transaction.

    Parameters
    ----------
    connection : Connection
        A writing transaction.
    layout : int
        Layout number of a database from before migrations existed; 0 for all others.

    Returns
    -------
    str or None
        The revision of a database that a newer version of the package made; it is left unchanged.
    """
    found, existing = None, set(sa.inspect(connection).get_table_names())
    if not existing & {"alembic_version", *metadata.tables}:
        _create(connection)
        return None
    if "alembic_version" in existing:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if found == HEAD:
        return None
    if found is not None and found > HEAD:
        return str(found)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Imported only when a database changes, since the import takes a noticeable time.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    if found is None and layout == int(_FIRST):
        command.stamp(config, _FIRST)
    command.upgrade(config, HEAD)
    return None


def _create(connection: sa.Connection) -> None:
    """Create the newest tables without Alembic, whose import takes a third of a second."""
    metadata.create_all(connection)
    version = sa.Table(
        "alembic_version",
        sa.MetaData(),
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    version.create(connection)
    connection.execute(version.insert().values(version_num=HEAD))
