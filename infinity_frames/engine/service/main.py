"""The engine as a program: owns its home, serves, and leaves when nobody needs it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Set
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version

import psutil
import sqlalchemy as sa
import uvicorn

from infinity_frames.engine.service.app import Application, application
from infinity_frames.engine.service.dispatcher import Dispatcher
from infinity_frames.engine.service.home import claimed, private_bytes, publish
from infinity_frames.engine.service.ledger import ensure_own_token, new_token
from infinity_frames.engine.service.runners.local import LocalRunner, available_cores
from infinity_frames.engine.service.runners.worker import archive_name
from infinity_frames.engine.service.service import Service
from infinity_frames.engine.service.signing import Signer
from infinity_frames.engine.service.stores.database import Store, jobs
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import EngineError

__all__ = ["Settings", "issue_token", "serve"]

_LEAVE_CHECK_S = 0.5
# Open downloads get this long to end when the engine is stopped.
_GRACE_S = 3


@dataclass(frozen=True)
class Settings:
    """How to serve.

    Parameters
    ----------
    host : str
        Address to listen on; only this machine reaches the default.
    port : int
        0 takes a free one.
    workers : int or None
        Worker processes; one per core by default.
    idle_timeout : float
        Seconds without work or calls after which the engine leaves; 0 never.
    job_timeout : float or None
        Seconds a job may take; by default ten minutes and five seconds a sample.
    job_memory : int or None
        Bytes a worker may take; by default its share of three quarters of the machine.
    """

    host: str = "127.0.0.1"
    port: int = 0
    workers: int | None = None
    idle_timeout: float = 0.0
    job_timeout: float | None = None
    job_memory: int | None = None


def serve(home: Home, settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until stopped by a signal, or idle for long enough.

    Parameters
    ----------
    home : Home
        Owned while this runs.
    settings : Settings
        Address, workers and limits.
    ready : callable
        Told the URL once the engine answers there.

    Raises
    ------
    EngineError
        Another engine owns the home, or the address cannot be listened on.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # Uvicorn raises the signal again once it has stopped; the engine still has to clean up then.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with claimed(home) as rendering, closing(Store(home.database_file)) as store:
            _serve_owned(home, store, settings, rendering, ready)
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _serve_owned(
    home: Home,
    store: Store,
    settings: Settings,
    rendering: Set[str],
    ready: Callable[[str], None],
) -> None:
    ensure_own_token(store, home)
    workers = settings.workers or available_cores()
    memory = settings.job_memory or psutil.virtual_memory().total * 3 // 4 // workers
    listening = _listen(settings.host, settings.port)
    dispatcher = Dispatcher(store, LocalRunner(home, workers, memory), settings.job_timeout)
    _sweep(home, store)
    dispatcher.start(rendering)
    try:
        app = application(Service(home, store, Signer(private_bytes(home.key_file)), dispatcher))

        def announce(url: str) -> None:
            publish(home, url, version("infinity-frames"))
            ready(url)

        server = _Server(app, dispatcher, settings.idle_timeout, announce)
        server.run(sockets=[listening])
    finally:
        home.address_file.unlink(missing_ok=True)
        listening.close()
        dispatcher.stop()


def issue_token(home: Home, name: str | None, samples: int | None) -> str:
    """A token for an engine, which may run or not.

    Parameters
    ----------
    home : Home
        The engine's.
    name : str or None
        Account, made where there is none. None is the engine's own token; with `samples`, a new
        account of a random name.
    samples : int or None
        Samples granted on top of what the account has, which makes a new one metered.

    Raises
    ------
    EngineError
        Samples for an account that is not metered, or the home cannot be written.
    """
    try:
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(Store(home.database_file)) as store:
            if name is None and samples is None:
                return ensure_own_token(store, home)
            with store.write() as connection:
                return new_token(connection, name or f"account-{secrets.token_hex(4)}", samples)
    except OSError as error:
        raise EngineError(
            f"The engine's home {home.path} cannot be written: {error.strerror or error}.",
            advice="Choose another folder with --home or $INFINITY_HOME.",
        ) from None


class _Server(uvicorn.Server):
    """Uvicorn that says when it is reached, and leaves when idle."""

    def __init__(
        self,
        app: Application,
        dispatcher: Dispatcher,
        idle_timeout: float,
        ready: Callable[[str], None],
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            # A result URL is a permission: it must not be logged.
            access_log=False,
            log_level="warning",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_GRACE_S,
        )
        super().__init__(config)
        self._app = app
        self._dispatcher = dispatcher
        self._idle_timeout = idle_timeout
        self._tell = ready
        self._leaving: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        self._tell(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        if self._idle_timeout:
            self._leaving = asyncio.create_task(self._leave_when_idle())

    async def _leave_when_idle(self) -> None:
        while True:
            await asyncio.sleep(min(_LEAVE_CHECK_S, self._idle_timeout / 2))
            if self._app.quiet_for < self._idle_timeout:
                continue
            if await asyncio.to_thread(self._dispatcher.idle):
                self.should_exit = True
                return


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
        # Accepted connections inherit it; without it small answers wait 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise EngineError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}.",
            advice="Choose another --port (0 takes a free one) or --host.",
        ) from None
    return listening


def _sweep(home: Home, store: Store) -> None:
    """Remove archives of jobs that did not end well: the commit that named them never came.

    Whatever the store knows nothing of stays: it may be a store that was put in place of another.
    """
    with store.read() as connection:
        ids = connection.execute(sa.select(jobs.c.id).where(jobs.c.status != "completed")).scalars()
        unnamed = {archive_name(job_id) for job_id in ids}
    for entry in os.scandir(home.results):
        if entry.name in unnamed and entry.is_file(follow_symlinks=False):
            (home.results / entry.name).unlink(missing_ok=True)
