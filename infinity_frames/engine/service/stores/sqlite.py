"""The store of one machine: a SQLite file in WAL mode.

Every writing transaction takes the write lock before it reads (``BEGIN IMMEDIATE``), so everything
that a transaction has read is still true when it commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from infinity_frames.engine.service.stores import migrations
from infinity_frames.protocol.errors import EngineError

__all__ = ["SqliteStore"]

_BUSY_TIMEOUT_S = 5.0
# Layout number of databases before migrations existed, and the number that later ones carry so
# that those early versions refuse them.
_EARLY_LAYOUT = 2
_MIGRATED = 3
_MAX_WAL_BYTES = 64 * 2**20


class SqliteStore:
    """A SQLite database file; implements :class:`~infinity_frames.engine.service.ports.Store`.

    Parameters
    ----------
    path : Path
        The file; created with mode 0600 if it is missing.

    Raises
    ------
    EngineError
        The file is not a database, cannot be written, or was made by another version.
    """

    shared = False

    def __init__(self, path: Path) -> None:
        self._engine = sa.create_engine(
            f"sqlite:///{path}",
            connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
            # Open one connection per thread that needs one, so that no request waits for another.
            max_overflow=-1,
        )
        sa.event.listen(self._engine, "connect", _configure)
        sa.event.listen(self._engine, "begin", _begin)
        self._writing = self._engine.execution_options(writing=True)
        try:
            path.touch(mode=0o600)
            with self.write() as connection:
                _upgrade(connection, path)
        except (sa.exc.DatabaseError, OSError) as error:
            self.close()
            raise EngineError(
                f"The engine's database {path} cannot be used: {getattr(error, 'orig', error)}.",
                advice="Check that its disk has room. If the file is damaged, move it away: the "
                "engine then starts with a new one.",
            ) from None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a connection that sees one consistent state of the database."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a transaction that is committed as a whole, or rolled back on an error."""
        with self._writing.begin() as connection:
            yield connection

    def maintain(self) -> None:
        """Move the write-ahead log into the database and shorten it, unless it is in use."""
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _upgrade(connection: sa.Connection, path: Path) -> None:
    layout = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    newer: int | str | None = layout
    if layout in (0, _EARLY_LAYOUT, _MIGRATED):
        newer = migrations.upgrade(connection, layout)
    if newer is not None:
        raise EngineError(
            f"The engine's database {path} was made by another version (layout {newer}).",
            advice="Use that version of infinity_frames, or another --home.",
        )
    connection.exec_driver_sql(f"PRAGMA user_version = {_MIGRATED}")


def _configure(connection: Any, _record: object) -> None:
    # Stop the driver from starting transactions itself; `_begin` starts them.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # A confirmed submission must survive a power failure, not only a crash of the engine.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {_MAX_WAL_BYTES}")


def _begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
