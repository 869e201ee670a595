"""Engines for tests: real processes, the toy generator installed as a user's package would be.

``conftest.py`` makes these fixtures everybody's.
"""

import os
import queue
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from wire_client import WireClient

from infinity_frames.engine.service.forks import FAMILY_VARIABLE
from infinity_frames.engine.service.main import issue_token
from infinity_frames.io.home import Home

TESTS = Path(__file__).parent
START_TIMEOUT_S = 90
T = TypeVar("T")
Sums = dict[int, tuple[int, ...]]


def install_toys(folder: Path) -> dict[str, str]:
    """Declare the toys as an installed package does; the environment that sees them."""
    package = folder / "toys-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[infinity_frames.generators]\n"
        "toy-v1.0.0 = toy_generator:Toy\n"
        "sound-v1.0.0 = toy_generator:SoundToy\n"
        "broken-v1.0.0 = toy_generator:Missing\n"
        "hostile-v1.0.0 = hostile_generator:Hostile\n"
        "undescribed-v1.0.0 = hostile_generator:Undescribed\n"
        "limited-v1.0.0 = hostile_generator:Limited\n"
        "frugal-v1.0.0 = hostile_generator:Frugal\n"
        "unlimited-v1.0.0 = hostile_generator:Unlimited\n"
        "leaver-v1.0.0 = leaving_generator:Leaver\n"
        "exiter-v1.0.0 = exiting_generator:Exiter\n"
    )
    marks = folder / "marks"
    marks.mkdir()
    path = os.pathsep.join([str(folder), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "TOY_MARKS": str(marks)}


class EngineProcess:
    """An engine program and its home."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.environment = {**os.environ, "INFINITY_HOME": str(home), **environment}
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    @property
    def token(self) -> str:
        return (self.home / "token").read_text()

    def command(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run ``infinity-frames`` with this home, as a program of its own."""
        return subprocess.run(
            [sys.executable, "-m", "infinity_frames", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            **more,
        )

    def new_token(self, name: str | None = None, samples: int | None = None) -> str:
        """What ``infinity-frames token`` prints."""
        return issue_token(Home(self.home), name, samples)

    def start(self, *arguments: str) -> "EngineProcess":
        log = (self.home.parent / "engine.log").open("ab")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "infinity_frames", "serve", *arguments],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.process, output = process, process.stdout
        assert output is not None
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: lines.put(output.readline())).start()
        self.url = lines.get(timeout=START_TIMEOUT_S).strip()
        assert self.url.startswith(("http://", "https://")), (
            self.home.parent / "engine.log"
        ).read_text()
        return self

    def _running(self) -> subprocess.Popen[str]:
        assert self.process is not None, "the engine was not started"
        return self.process

    def family(self) -> list[psutil.Process]:
        """The engine and its workers."""
        parent = psutil.Process(self._running().pid)
        return [parent, *parent.children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        """The processes that render: they bear a mark, and their parent bears none."""
        return [one for one in self.family()[1:] if _mark(one) and _mark(one.parent()) == ""]

    def kill(self) -> None:
        """SIGKILL the engine, as a crash would; its workers must notice by themselves."""
        family = self.family()
        self._running().kill()
        self._running().wait()
        end_family(family)

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            family = self.family()
            self.process.terminate()
            try:
                self.process.wait(15)
            finally:
                end_family(family)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None

    def log(self) -> str:
        return (self.home.parent / "engine.log").read_text()


def _mark(process: psutil.Process | None) -> str:
    """The mark that a worker and its descendants share; empty for other processes."""
    return "" if process is None else process.environ().get(FAMILY_VARIABLE, "").strip("0")


def end_family(family: list[psutil.Process]) -> None:
    """See that a family of processes is gone; one that is not is ended, and the test fails."""
    try:
        eventually(lambda: not any(_lives(process) for process in family), timeout=10)
    finally:
        for process in filter(_lives, family):
            process.kill()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition: Callable[[], T], timeout: float = 20.0, step: float = 0.02) -> T:
    """The first true value of `condition`, asked again and again."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(step)


def books(home: Path) -> tuple[Sums, Sums, dict[int, int], dict[int, int]]:
    """The ledger of every account, and the sums kept beside it."""
    connection = sqlite3.connect(home / "engine.sqlite")
    try:
        accounts = connection.execute("select id, granted, reserved, settled from accounts")
        sums = {row[0]: row[1:] for row in accounts}
        entries = connection.execute(
            "select account_id, sum(granted), sum(reserved), sum(settled) from ledger group by 1"
        )
        ledger = {row[0]: row[1:] for row in entries}
        open_ = connection.execute(
            "select account_id, sum(estimated) from jobs"
            " where status in ('queued', 'running') group by 1"
        )
        spent = connection.execute("select account_id, sum(samples) from jobs group by 1")
        return sums, ledger, dict(open_.fetchall()), dict(spent.fetchall())
    finally:
        connection.close()


def check_books(home: Path) -> None:
    """Granted = reserved + settled + left, in the ledger, in the sums, and as the jobs stand."""
    sums, ledger, open_, spent = books(home)
    for account, kept in sums.items():
        assert ledger.get(account, (0, 0, 0)) == kept
        assert kept[1] == open_.get(account, 0)
        assert kept[2] == (spent.get(account) or 0)


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the toy generators are installed."""
    return install_toys(tmp_path_factory.mktemp("toys") / "site")


@pytest.fixture
def idle_engine(tmp_path: Path, toys: dict[str, str]) -> Iterator[EngineProcess]:
    """An engine that is not started yet; stopped at the end whatever happens."""
    made = EngineProcess(tmp_path / "home", toys)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def shared_engine(
    tmp_path_factory: pytest.TempPathFactory, toys: dict[str, str]
) -> Iterator[EngineProcess]:
    """A running engine that tests share: two workers, and jobs of at most 4 s and 700 MB."""
    made = EngineProcess(tmp_path_factory.mktemp("shared") / "home", toys)
    try:
        yield made.start("--workers", "2", "--job-timeout", "4", "--job-memory", "700")
    finally:
        made.stop()


@pytest.fixture(scope="session")
def client(shared_engine: EngineProcess) -> Iterator[WireClient]:
    """A client with the engine's own token."""
    with WireClient(shared_engine.url, shared_engine.token) as made:
        yield made


@pytest.fixture(scope="session")
def stranger(shared_engine: EngineProcess) -> Iterator[WireClient]:
    """A client of another account."""
    with WireClient(shared_engine.url, shared_engine.new_token("stranger")) as made:
        yield made


@pytest.fixture(scope="session")
def done(client: WireClient) -> dict[str, Any]:
    """A finished batch of two jobs."""
    made = client.submit({"frames": 4, "random_seed": 7}, {"kilobytes": 300}, name="done").json()
    return client.finished(made["id"])
