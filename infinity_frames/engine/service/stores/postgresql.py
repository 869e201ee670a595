"""The store of several engines: a PostgreSQL database.

Writing transactions take turns by an advisory lock, so that everything that one has read is still
true when it commits, as in SQLite; the balance of an account and the revisions of a batch depend on
it. Reading never waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from infinity_frames.engine.service.stores import migrations
from infinity_frames.protocol.errors import EngineError

__all__ = ["PostgresStore"]

# Any number that no other program locks in the same database.
_LOCK = 0x696E66696E697479
_CONNECT_TIMEOUT_S = 10
_POOL = 10
_OVERFLOW = 30


class PostgresStore:
    """A PostgreSQL database; implements :class:`~infinity_frames.engine.service.ports.Store`.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:port/database``.

    Raises
    ------
    EngineError
        The driver is not installed, the database cannot be reached, or another version made it.
    """

    shared = True

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
            # The URL holds a password: messages show it without.
            self._name = parsed.render_as_string(hide_password=True).replace("+psycopg", "")
            self._engine = sa.create_engine(
                parsed,
                pool_size=_POOL,
                max_overflow=_OVERFLOW,
                # A connection that the server closed meanwhile is replaced before it is used.
                pool_pre_ping=True,
                isolation_level="REPEATABLE READ",
                connect_args={"connect_timeout": _CONNECT_TIMEOUT_S},
            )
        except (sa.exc.ArgumentError, ValueError):
            raise EngineError(
                "The address of the database is not valid.",
                advice="Write it as postgresql://user:password@host:5432/database.",
            ) from None
        except ImportError:
            raise EngineError(
                "The driver for PostgreSQL is not installed.",
                advice='Run `pip install "infinity-frames[postgresql]"`.',
            ) from None
        # Statements of a writing transaction must see what was committed before it got the lock.
        self._writing = self._engine.execution_options(isolation_level="READ COMMITTED")
        try:
            with self.write() as connection:
                newer = migrations.upgrade(connection, 0)
        except sa.exc.DBAPIError as error:
            self.close()
            raise EngineError(
                f"The database {self._name} cannot be used: {_first_line(error)}.",
                advice="Check its address, the user's rights, and that the server runs.",
            ) from None
        if newer is not None:
            self.close()
            raise EngineError(
                f"The database {self._name} was made by another version (layout {newer}).",
                advice="Use that version of infinity_frames, or another database.",
            )

    def __repr__(self) -> str:
        return f"PostgresStore({self._name!r})"

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a connection that sees one consistent state of the database."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a transaction that is committed as a whole, or rolled back on an error."""
        with self._writing.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection

    def maintain(self) -> None:
        """Do nothing: PostgreSQL cleans up by itself."""

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _first_line(error: sa.exc.DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error.orig).__name__
