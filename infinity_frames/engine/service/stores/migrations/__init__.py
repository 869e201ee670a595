"""Alembic migrations of the store, for SQLite and PostgreSQL."""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa

__all__ = ["HEAD", "upgrade"]

HEAD = "0004"
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
    found = None
    if sa.inspect(connection).has_table("alembic_version"):
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
