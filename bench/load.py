"""Many clients on one engine for minutes: errors, and whether anything grows with time.

``LOAD_MINUTES`` (5) and ``LOAD_CLIENTS`` (16) set its length and size. Each client submits batches,
estimates, polls, waits, downloads, cancels and lists, again and again, and checks what it gets. The
engine keeps archives for a minute only, so that whatever grows is a leak.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil

import infinity_frames as inf
from bench.measure import Line
from bench.service import MB, Feather, feather_installed
from infinity_frames import launcher

MINUTES = float(os.environ.get("LOAD_MINUTES", "5"))
CLIENTS = int(os.environ.get("LOAD_CLIENTS", "16"))
SAMPLED_S = 5.0
KEPT = "60s"


@dataclass
class Seen:
    """What a client counted."""

    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    usage: list[tuple[float, float, int]] = field(default_factory=list)
    """Seconds since the start, MB of memory, open files."""


def run() -> Iterator[Line]:
    """Measure on an engine of its own, with two workers."""
    with tempfile.TemporaryDirectory(prefix="infinity-load-") as scratch, feather_installed():
        home = Path(scratch, "home")
        command = [sys.executable, "-m", "infinity_frames", "serve", "--home", str(home)]
        with Path(scratch, "log").open("wb") as log:
            engine = subprocess.Popen(  # noqa: S603 (this package)
                [*command, "--workers", "2", "--keep", KEPT], stdout=log, stderr=log
            )
        try:
            while (url := launcher.find_engine(home)) is None:
                time.sleep(0.1)
            with _sampled(engine.pid, home) as samples:
                seen = _clients(url, launcher.read_token(home), Path(scratch, "out"))
            yield from _of_clients(seen)
            yield from _of_engine(np.array(samples))
        finally:
            engine.terminate()
            engine.wait(60)


def _clients(url: str, token: str, folder: Path) -> list[Seen]:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number in range(CLIENTS):
        here, there = context.Pipe()
        given = (url, token, folder / str(number), number, there)
        processes.append(context.Process(target=_client, args=given))
        processes[-1].start()
        pipes.append(here)
    seen = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return seen


def _client(url: str, token: str, folder: Path, number: int, pipe: Connection) -> None:
    seen, rng = Seen(), random.Random(number)  # noqa: S311 (not for secrets)
    session = inf.Session(Feather.spec.name, server=url, token=token)
    started, me = time.monotonic(), psutil.Process()
    while (passed := time.monotonic() - started) < 60 * MINUTES:
        try:
            _round(session, folder, rng, seen)
        except Exception:
            seen.errors.append(traceback.format_exc())
        seen.usage.append((passed, me.memory_info().rss / MB, me.num_fds()))
    pipe.send(seen)


def _round(session: inf.Session, folder: Path, rng: random.Random, seen: Seen) -> None:
    """Submit a batch and use it as people do; check what comes back."""
    jobs = session.sample(rng.randint(1, 40), seed=rng.randrange(10**6))
    if rng.random() < 0.3:
        assert session.estimate_samples(jobs).tolist() == jobs["frames"].tolist()
        seen.done["estimates"] += 1
    start = time.perf_counter()
    batch = session.submit(jobs, batch_name=f"load {rng.random()}")
    seen.done["batches"] += 1
    seen.done["jobs"] += len(jobs)
    if rng.random() < 0.1:
        states = set(batch.cancel()["status"])
        assert states <= {"completed", "cancelled"}, states
        seen.done["cancelled batches"] += 1
        return
    done = batch.await_completion()
    seen.waits.append(time.perf_counter() - start)
    assert len(done) == len(jobs)
    assert done["samples"].tolist() == jobs["frames"].tolist()
    if rng.random() < 0.3:
        try:
            results = batch.frame.head(3).infinity.download(folder, quiet=True, session=session)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        assert results["status"].eq("completed").all()
        seen.done["downloads"] += len(results)
    if rng.random() < 0.05:
        assert batch.batch_id in set(session.get_batches_last_n_days(1)["batch_id"])
        seen.done["lists"] += 1


class _sampled:  # noqa: N801 (used like a function)
    """Rows of what the engine and its workers use.

    Seconds, memory in MB, open files, and MB of archives, write-ahead log and database.
    """

    def __init__(self, pid: int, home: Path) -> None:
        self.pid, self.home = pid, home
        self.rows: list[tuple[float, ...]] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> list[tuple[float, ...]]:
        self.thread.start()
        return self.rows

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def _run(self) -> None:
        engine, started = psutil.Process(self.pid), time.monotonic()
        while not self.ended.wait(SAMPLED_S):
            with contextlib.suppress(psutil.NoSuchProcess):  # a worker ended meanwhile
                self.rows.append((time.monotonic() - started, *self._sample(engine)))

    def _sample(self, engine: psutil.Process) -> tuple[float, ...]:
        family = [engine, *engine.children(recursive=True)]
        memory = sum(process.memory_info().rss for process in family) / MB
        files = sum(process.num_fds() for process in family)
        names = ("results", "scratch", "engine.sqlite-wal", "engine.sqlite")
        results, scratch, log, database = (_bytes(self.home / name) / MB for name in names)
        return memory, files, results + scratch, log, database


def _bytes(path: Path) -> int:
    """Sum the sizes of files, some of which may vanish meanwhile."""
    if not path.is_dir():
        return _size(path)
    # os.walk passes over folders that vanish; Path.rglob raises.
    inside = (Path(where, name) for where, _, names in os.walk(path) for name in names)
    return sum(map(_size, inside))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _of_clients(seen: list[Seen]) -> Iterator[Line]:
    done = sum((one.done for one in seen), Counter())
    for name, count in done.items():
        yield Line(f"{CLIENTS} clients, {MINUTES:g} minutes: {name}", count, "")
    errors = [error for one in seen for error in one.errors]
    yield Line("errors", len(errors), "")
    if errors:
        print("\n".join(errors[:3]), flush=True)
    waits = np.concatenate([one.waits for one in seen])
    yield Line("a batch from submission to completion, median", float(np.median(waits)), "s")
    yield Line("the slowest of 100", float(np.quantile(waits, 0.99)), "s")
    growth = [_growth(np.array(one.usage)) for one in seen]
    yield Line("a client, growth of memory, the most", max(g[0] for g in growth), "MB")
    yield Line("a client, growth of open files, the most", max(g[1] for g in growth), "")


def _of_engine(rows: np.ndarray) -> Iterator[Line]:
    names = ["memory", "open files", "archives and scratch", "write-ahead log", "database"]
    units = ["MB", "", "MB", "MB", "MB"]
    growths, last = _growth(rows), rows[-len(rows) // 4 :, 1:]
    for name, unit, growth, values in zip(names, units, growths, last.T, strict=True):
        yield Line(f"engine and workers: {name} at the end", float(np.median(values)), unit)
        yield Line(f"engine and workers: {name}, growth", float(growth), unit)


def _growth(rows: np.ndarray) -> np.ndarray:
    """How much the median of the last quarter of time is above that of the second quarter."""
    part = rows[:, 0] / rows[-1, 0]
    second, last = rows[part <= 0.5][-len(rows) // 4 :], rows[part > 0.75]
    grown: np.ndarray = np.median(last[:, 1:], axis=0) - np.median(second[:, 1:], axis=0)
    return grown
