"""The engine program: owns its home, serves the API, and exits when idle."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

from infinity_frames.engine.service import ledger, plugin_calls, plugin_host, registry
from infinity_frames.engine.service.app import Application, application
from infinity_frames.engine.service.archives import open_archives
from infinity_frames.engine.service.credentials import hide_credentials
from infinity_frames.engine.service.dispatcher import Dispatcher
from infinity_frames.engine.service.home import (
    claimed,
    make_private,
    private_bytes,
    publish,
    unusable_home,
)
from infinity_frames.engine.service.host_check import HostCheck
from infinity_frames.engine.service.logs import LogFormat, set_up_logging
from infinity_frames.engine.service.ports import Archives, Store
from infinity_frames.engine.service.retention import Expiry, Housekeeper, Retention, expire
from infinity_frames.engine.service.runners import open_runner
from infinity_frames.engine.service.runners.worker import disk_is_full
from infinity_frames.engine.service.service import Service
from infinity_frames.engine.service.signing import Signer
from infinity_frames.engine.service.stores import open_store
from infinity_frames.engine.service.stores.tables import jobs
from infinity_frames.engine.service.stores.tables import secrets as secrets_table
from infinity_frames.engine.service.tls import Certificate
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import EngineError

__all__ = ["Settings", "issue_token", "serve"]

_IDLE_CHECK_S = 0.5
# Seconds that open downloads get to finish when the engine is stopped.
_GRACE_S = 3


@dataclass(frozen=True)
class Settings:
    """Options of the engine.

    Parameters
    ----------
    host : str
        Address to listen on; the default is reachable from this machine only.
    port : int
        0 chooses a free port.
    workers : int or None
        Number of jobs at once; one per core by default, of this machine or of the cluster.
    idle_timeout : float
        Seconds without jobs and requests after which the engine exits; 0 means never.
    job_timeout : float or None
        Seconds that a job may take; by default ten minutes plus five seconds per sample.
    job_memory : int or None
        Bytes that a worker may use; by default its share of 3/4 of the machine's memory.
    allowed_hosts : tuple of str
        Further host names under which clients reach the engine, for example behind a proxy.
    retention : Retention
        Which archives are kept; by default all.
    database : str or None
        Address of a PostgreSQL database that engines may share; by default the home's SQLite file.
    archives : str or None
        ``s3://bucket/prefix`` or ``file:///folder``; by default the home's results folder.
    runner : str or None
        ``dask://host:port`` of a Dask scheduler; by default jobs run on this machine.
    certificate : Certificate or None
        Serves HTTPS; clients on this machine then use the first of `allowed_hosts`.
    log_format : {"text", "json"}
        Format of the log on standard error.
    """

    host: str = "127.0.0.1"
    port: int = 0
    workers: int | None = None
    idle_timeout: float = 0.0
    job_timeout: float | None = None
    job_memory: int | None = None
    allowed_hosts: tuple[str, ...] = ()
    retention: Retention = field(default_factory=Retention)
    database: str | None = field(default=None, repr=False)
    archives: str | None = None
    runner: str | None = None
    certificate: Certificate | None = None
    log_format: LogFormat = "text"


def serve(
    home: Home,
    settings: Settings,
    ready: Callable[[str], None],
    pages: Callable[[FastAPI], None] | None = None,
) -> None:
    """Serve until a signal stops the engine or the idle timeout passes.

    Parameters
    ----------
    home : Home
        Folder of the engine; owned while this function runs.
    settings : Settings
        Address, workers and limits.
    ready : callable
        Called with the URL once the engine answers.
    pages : callable, optional
        Adds the routes of pages for browsers to the application.

    Raises
    ------
    EngineError
        Another engine owns the home, or the address cannot be used.
    """
    set_up_logging(settings.log_format)
    if settings.certificate is not None:
        settings.certificate.check()
    # Uvicorn raises the signal again after it has stopped; the engine must still clean up then.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with claimed(home) as rendering, closing(open_store(home, settings.database)) as store:
            _serve_owned(home, store, settings, rendering, ready, pages)
    except KeyboardInterrupt:
        return
    except sa.exc.DatabaseError as error:
        where = "server" if settings.database else home.database_file
        raise EngineError(
            f"The engine's database {where} is damaged or cannot be used: {error.orig}.",
            advice="Restore a damaged file from a backup or with `sqlite3 engine.sqlite .recover`, "
            "or move it away: the engine then starts with a new one.",
        ) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _serve_owned(
    home: Home,
    store: Store,
    settings: Settings,
    rendering: Set[str],
    ready: Callable[[str], None],
    pages: Callable[[FastAPI], None] | None,
) -> None:
    hide_credentials()
    registry.isolate_packages()
    ledger.ensure_own_token(store, home)
    listening = _listen(settings.host, settings.port)
    archives = open_archives(home, settings.archives)
    runner = open_runner(home, archives, settings.runner, settings.workers, settings.job_memory)
    dispatcher = Dispatcher(
        store,
        runner,
        archives,
        settings.job_timeout,
        lambda: disk_is_full(home.scratch),
        str(home.path),
    )
    housekeeper = Housekeeper(home, store, archives, settings.retention)
    _delete_unrecorded(archives, store)
    dispatcher.start(rendering)
    housekeeper.start()
    try:
        signer = Signer(_signing_key(home, store))
        app = application(
            Service(store, archives, signer, dispatcher, private_bytes(home.proof_key_file)),
            HostCheck([settings.host, *settings.allowed_hosts]),
            pages,
        )

        def announce(url: str) -> None:
            publish(home, url, version("infinity-frames"))
            ready(url)

        server = _Server(app, home, dispatcher, settings, announce)
        server.run(sockets=[listening])
    finally:
        home.address_file.unlink(missing_ok=True)
        listening.close()
        dispatcher.stop()
        housekeeper.stop()
        plugin_host.close_all()
    if server.home_is_gone:
        raise EngineError(
            f"The engine's home {home.path} was deleted or replaced, so the engine has stopped.",
            advice="Start it again; it begins with an empty home.",
        )


def issue_token(
    home: Home, name: str | None, samples: int | None, database: str | None = None
) -> str:
    """Create a token for an engine, running or not.

    Parameters
    ----------
    home : Home
        Folder of the engine.
    name : str or None
        Account; created if missing. None returns the engine's own token or, with `samples`,
        creates an account with a random name.
    samples : int or None
        Samples to grant on top of the present balance; a new account is then metered.

    Raises
    ------
    EngineError
        The account is not metered but samples are given, or the home cannot be written.
    """
    with _opened(home, database) as store:
        if name is None and samples is None:
            return ledger.ensure_own_token(store, home)
        with store.write() as connection:
            return ledger.new_token(connection, name or f"account-{secrets.token_hex(4)}", samples)


def list_tokens(home: Home, database: str | None = None) -> list[dict[str, str]]:
    """List id, account and creation time of an engine's tokens, running or not."""
    with _opened(home, database) as store, store.read() as connection:
        return ledger.list_tokens(connection)


def revoke_token(home: Home, token_id: str, database: str | None = None) -> dict[str, str]:
    """Revoke a token of an engine, running or not.

    Raises
    ------
    EngineError
        The engine has no token of that id.
    """
    with _opened(home, database) as store, store.write() as connection:
        revoked = ledger.revoke_token(connection, token_id)
    if revoked is None:
        raise EngineError(
            f"Unknown token id {token_id!r}.",
            advice="`infinity-frames token --list` lists the tokens.",
        )
    return revoked


def clean(
    home: Home,
    retention: Retention,
    *,
    dry_run: bool = False,
    database: str | None = None,
    archives: str | None = None,
) -> Expiry:
    """Delete the archives of an engine, running or not, that the rules no longer keep."""
    with _opened(home, database) as store:
        return expire(store, open_archives(home, archives), retention, dry_run=dry_run)


@contextmanager
def _opened(home: Home, database: str | None) -> Iterator[Store]:
    """Open the store of a home, for commands."""
    make_private(home)
    try:
        with closing(open_store(home, database)) as store:
            yield store
    except OSError as error:
        raise unusable_home(home, error) from None


def _signing_key(home: Home, store: Store) -> bytes:
    """Return the key that signs result URLs; engines that share a store share it."""
    if not store.shared:
        return private_bytes(home.key_file)
    with store.write() as connection:
        query = sa.select(secrets_table.c.value).where(secrets_table.c.name == "signing")
        key = connection.execute(query).scalar()
        if key is None:
            key = secrets.token_bytes(32)
            connection.execute(sa.insert(secrets_table).values(name="signing", value=key))
    return bytes(key)


class _Server(uvicorn.Server):
    """Uvicorn server that reports when it is ready, and exits when idle."""

    def __init__(
        self,
        app: Application,
        home: Home,
        dispatcher: Dispatcher,
        settings: Settings,
        ready: Callable[[str], None],
    ) -> None:
        certificate = settings.certificate
        config = uvicorn.Config(
            app,
            log_config=None,
            # Result URLs grant access, so they must not be logged.
            access_log=False,
            log_level="warning",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=certificate.chain if certificate else None,
            ssl_keyfile=certificate.key if certificate else None,
        )
        super().__init__(config)
        self._app = app
        self._dispatcher = dispatcher
        self._idle_timeout = settings.idle_timeout
        self._scheme = "http" if certificate is None else "https"
        # A certificate is for a name, not for the address on which the engine listens.
        self._name = next(iter(settings.allowed_hosts), None) if certificate else None
        self._ready = ready
        self._home = home
        self._watch: asyncio.Task[None] | None = None
        self.home_is_gone = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        host = self._name or (f"[{host}]" if ":" in host else host)
        self._ready(f"{self._scheme}://{host}:{port}")
        self._watch = asyncio.create_task(self._watch_home_and_idleness())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish requests, but do not wait for generator code that hangs."""
        plugin_calls.give_up()
        await super().shutdown(sockets)

    async def _watch_home_and_idleness(self) -> None:
        lock = self._home.owner_lock.stat()
        while True:
            timeout = self._idle_timeout
            await asyncio.sleep(min(_IDLE_CHECK_S, timeout / 2) if timeout else _IDLE_CHECK_S)
            if not _is_same_file(self._home.owner_lock, lock):
                self.home_is_gone = self.should_exit = True
                return
            if not timeout or self._app.quiet_for < timeout:
                continue
            if await asyncio.to_thread(self._dispatcher.idle):
                self.should_exit = True
                return


def _is_same_file(path: Path, status: os.stat_result) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
        # Accepted connections inherit this option; without it short responses wait 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise EngineError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}.",
            advice="Choose another --port (0 chooses a free one) or --host.",
        ) from None
    return listening


def _delete_unrecorded(archives: Archives, store: Store) -> None:
    """Delete archives that a crash left: of jobs that are not completed, or have expired.

    Archives of unknown jobs stay, since the database may have replaced another one.
    """
    with store.read() as connection:
        wrong = jobs.c.status.in_(["failed", "cancelled"]) | jobs.c.expired.is_not(None)
        if not store.shared:
            # In a shared store, another engine may be about to record its archive.
            wrong |= jobs.c.status != "completed"
        unrecorded = set(connection.execute(sa.select(jobs.c.id).where(wrong)).scalars())
    archives.delete([job_id for job_id in archives.job_ids() if job_id in unrecorded])
