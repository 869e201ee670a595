"""The engine under load: ten thousand jobs that cost nothing to render, eight clients polling.

Times, memory and errors of engine and clients, and one poll against the whole summary each time.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
import requests

import infinity_frames as inf
from bench.measure import Line, memory, seconds
from infinity_frames import launcher as embedded
from infinity_frames.protocol.spec import Generator, Parameter, Uniform

JOBS = 10_000
CLIENTS = 8
MANY = 100_000
POLL_MS, POLL_MB = 60.0, 2.0
"""What the earlier client took for one poll of 10,000 jobs on 2 quiet cores."""
MB = 1e6


class Feather:
    """A generator that writes two numbers, so that the engine is the load."""

    spec = Generator(
        "feather-v1.0.0",
        "1.0.0",
        (
            Parameter("frames", "int", 3, min=1, max=10, sampling=Uniform(1, 10)),
            Parameter("size", "float", 1.0, min=0.0, max=2.0),
            Parameter("random_seed", "int", None, min=0, max=2**31 - 1),
        ),
    )

    def estimate(self, jobs: pd.DataFrame) -> Any:
        """Frames as asked for."""
        return jobs["frames"].to_numpy(np.int64)

    def prepare(self) -> None:
        """Nothing to compile."""

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        """Write the seed and a size."""
        (directory / "labels.json").write_text(f'{{"info": {{"seed": {seed}}}}}')
        return 1 if preview else int(params["frames"])


class Polled(NamedTuple):
    """What a client that polled until the end saw."""

    finished: int
    seconds: float
    grown: float


def _poll(url: str, token: str, pipe: Connection) -> None:
    session = inf.Session(Feather.spec.name, server=url, token=token)
    pipe.send("ready")
    batch = session.batch_from_api(pipe.recv())
    idle, start = memory(os.getpid()), time.perf_counter()
    done = batch.await_completion()
    grown = (psutil.Process().memory_info().rss - idle) / MB
    pipe.send(Polled(len(done), time.perf_counter() - start, grown))


def run() -> Iterator[Line]:
    """Measure on an engine of its own, with a worker per core."""
    with _engine() as home:
        url, token = embedded.start_engine(home), embedded.read_token(home)
        session = inf.Session(Feather.spec.name, server=url, token=token)
        pid = _pid(home)
        idle = _family(pid)
        with _watched(pid) as peak:
            yield from _load(session, url, token, home)
        yield Line("engine and its workers, growth under load", (max(peak) - idle) / MB, "MB")
        yield from _many(session)


def _load(session: inf.Session, url: str, token: str, home: Path) -> Iterator[Line]:
    jobs = session.sample(JOBS, seed=1)
    context = multiprocessing.get_context("spawn")
    pipes, clients = [], []
    for _ in range(CLIENTS):
        here, there = context.Pipe()
        clients.append(context.Process(target=_poll, args=(url, token, there)))
        clients[-1].start()
        pipes.append(here)
    for pipe in pipes:
        pipe.recv()
    start = time.perf_counter()
    batch = session.submit(jobs, batch_name="load")
    yield Line(f"submit {JOBS:,} jobs", time.perf_counter() - start, "s")
    for pipe in pipes:
        pipe.send(batch.batch_id)
    polled = [pipe.recv() for pipe in pipes]
    ran = time.perf_counter() - start
    for client in clients:
        client.join()
    assert all(one.finished == JOBS for one in polled), "every client sees every job"
    yield Line(f"run them, {CLIENTS} clients polling", JOBS / ran, "jobs/s")
    yield Line("a client that polls, growth", max(one.grown for one in polled), "MB")
    yield from _polls(session, batch.batch_id, url, token)
    start = time.perf_counter()
    results = batch.download(home / "out", quiet=True)
    assert results["status"].eq("completed").all()
    yield Line("download them", JOBS / (time.perf_counter() - start), "jobs/s")


def _polls(session: inf.Session, batch_id: str, url: str, token: str) -> Iterator[Line]:
    rest, path = session.rest, f"{url}/api/batch/{batch_id}/summary/"
    headers = {"Authorization": f"Token {token}"}

    def whole() -> int:
        answer = requests.get(path, headers=headers, timeout=60)
        jobs = answer.json()["job_runs"]
        assert not any(job["in_progress"] for job in jobs)
        return len(answer.content)

    revision = rest.batch_summary(batch_id, since=0)["revision"]
    what = f"poll {JOBS:,} jobs"
    loop = 1000 * seconds(whole)
    first = 1000 * seconds(lambda: rest.batch_summary(batch_id, since=0))
    again = 1000 * seconds(lambda: rest.batch_summary(batch_id, since=revision), 10)
    yield Line(f"{what}, the first time", first, "ms", POLL_MS, "earlier client", 2)
    yield Line(f"{what}, the first time", first, "ms", loop, "whole summary")
    yield Line(f"{what}, from then on", again, "ms", POLL_MS, "earlier client", 2)
    count = 1000 * seconds(lambda: rest.num_unfinished(batch_id), 10)
    counted = f"count what remains of {JOBS:,} jobs"
    yield Line(counted, count, "ms", 1000 * seconds(whole, 10), "requests, json", 1)

    def sent(since: int) -> float:
        """MB on the wire."""
        answer = requests.get(f"{path}?since={since}", headers=headers, timeout=60)
        return int(answer.headers["Content-Length"]) / MB

    sizes = [sent(since) for since in (0, revision)]
    yield Line(f"{what}, the first time", sizes[0], "MB", POLL_MB, "earlier client", 2)
    yield Line(f"{what}, from then on", sizes[1], "MB", POLL_MB, "earlier client", 2)


def _many(session: inf.Session) -> Iterator[Line]:
    """As many as fit no memory of a loop over dicts; cancelled, since only the wire is measured."""
    jobs = session.sample(MANY, seed=2)
    start = time.perf_counter()
    batch = session.submit(jobs, batch_name="many")
    yield Line(f"submit {MANY:,} jobs", time.perf_counter() - start, "s")
    rest = session.rest
    revision = rest.batch_summary(batch.batch_id, since=0)["revision"]
    first = seconds(lambda: rest.batch_summary(batch.batch_id, since=0), 2)
    again = seconds(lambda: rest.batch_summary(batch.batch_id, since=revision))
    yield Line(f"poll {MANY:,} jobs, the first time", 1000 * first, "ms")
    yield Line(f"poll {MANY:,} jobs, from then on", 1000 * again, "ms")
    start = time.perf_counter()
    batch.cancel()
    yield Line(f"cancel {MANY:,} jobs", time.perf_counter() - start, "s")


@contextmanager
def feather_installed() -> Iterator[None]:
    """An environment in which the generator is installed as a user's package is."""
    with tempfile.TemporaryDirectory(prefix="infinity-bench-") as scratch:
        package = Path(scratch, "feather-1.0.dist-info")
        package.mkdir(parents=True)
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: feather\nVersion: 1.0\n")
        (package / "entry_points.txt").write_text(
            f"[infinity_frames.generators]\n{Feather.spec.name} = bench.service:Feather\n"
        )
        before = os.environ.get("PYTHONPATH", "")
        here = [scratch, str(Path(__file__).parents[1]), before]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, here))
        try:
            yield
        finally:
            os.environ["PYTHONPATH"] = before


@contextmanager
def _engine() -> Iterator[Path]:
    """A home in which an engine with the generator can be started."""
    with tempfile.TemporaryDirectory(prefix="infinity-bench-") as scratch, feather_installed():
        home = Path(scratch, "home")
        try:
            yield home
        finally:
            embedded.stop_engine(home)


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """Memory of a process and its children, looked at again and again while the block runs."""
    seen, done = [_family(pid)], threading.Event()

    def watch() -> None:
        while not done.wait(0.25):
            seen.append(_family(pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def _pid(home: Path) -> int:
    from infinity_frames.io.home import Home

    address = Home.at(home).address()
    assert address is not None
    return int(address["pid"])


def _family(pid: int) -> float:
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return 0.0
    return memory(pid) + sum(memory(child.pid) for child in children)
