"""Engines for tests: real processes, the toy generator installed as a user's package would be.

Import the fixtures a test needs: ``from engine_fixtures import engine, toys  # noqa: F401``.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from infinity_frames.engine.program import issue_token
from infinity_frames.home import Home

TESTS = Path(__file__).parent
START_TIMEOUT_S = 30


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
        self.process: subprocess.Popen | None = None
        self.url = ""

    @property
    def token(self) -> str:
        return (self.home / "token").read_text()

    def command(self, *arguments: str, **more) -> subprocess.CompletedProcess:
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
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infinity_frames", "serve", *arguments],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline())).start()
        self.url = lines.get(timeout=START_TIMEOUT_S).strip()
        assert self.url.startswith("http://"), (self.home.parent / "engine.log").read_text()
        return self

    def family(self) -> list[psutil.Process]:
        """The engine and its workers."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill(self) -> None:
        """SIGKILL the engine, as a crash would; its workers must notice by themselves."""
        family = self.family()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        _end(family)

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            family = self.family()
            self.process.terminate()
            try:
                self.process.wait(15)
            finally:
                _end(family)
        self.process.stdout.close()
        self.process = None

    def log(self) -> str:
        return (self.home.parent / "engine.log").read_text()


def _end(family: list[psutil.Process]) -> None:
    """See that a family of processes is gone; one that is not is ended, and the test fails."""
    try:
        eventually(lambda: not any(_lives(process) for process in family), timeout=10)
    finally:
        for process in filter(_lives, family):
            process.kill()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(condition, timeout=20.0, step=0.02):
    """The first true value of `condition`, asked again and again."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(step)


@pytest.fixture(scope="session")
def toys(tmp_path_factory) -> dict[str, str]:
    """The environment in which the toy generators are installed."""
    return install_toys(tmp_path_factory.mktemp("toys") / "site")


@pytest.fixture
def idle_engine(tmp_path, toys):
    """An engine that is not started yet; stopped at the end whatever happens."""
    made = EngineProcess(tmp_path / "home", toys)
    yield made
    made.stop()


@pytest.fixture
def engine(idle_engine):
    """A running engine with a home of its own."""
    return idle_engine.start("--workers", "2")


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory, toys):
    """A running engine that the tests of a module share."""
    made = EngineProcess(tmp_path_factory.mktemp("shared") / "home", toys)
    try:
        yield made.start("--workers", "2", "--job-timeout", "4", "--job-memory", "700")
    finally:
        made.stop()
