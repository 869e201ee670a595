"""Stores: databases that hold accounts, batches and jobs."""

from __future__ import annotations

from infinity_frames.engine.service.ports import Store
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import EngineError

__all__ = ["open_store"]


def open_store(home: Home, url: str | None) -> Store:
    """Open the database at `url`, or the SQLite file of the home without one.

    Raises
    ------
    EngineError
        The address is of an unknown kind, or the database cannot be used.
    """
    # Imported here, so that an engine imports only the driver that it uses.
    if url is None:
        from infinity_frames.engine.service.stores.sqlite import SqliteStore

        return SqliteStore(home.database_file)
    if url.partition(":")[0] not in ("postgresql", "postgres"):
        raise EngineError(
            "The kind of the database is not supported.",
            advice="Write its address as postgresql://user:password@host:5432/database, or leave "
            "it out to use a SQLite file in the engine's home.",
        )
    from infinity_frames.engine.service.stores.postgresql import PostgresStore

    return PostgresStore("postgresql" + url[url.index(":") :])
