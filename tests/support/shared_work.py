"""What the test processes of one run make once and share: rendered results and an engine."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from engine_fixtures import EngineProcess, end_family
from filelock import FileLock

import infinity_frames as inf
from infinity_frames.io.home import Home


def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of this run of pytest, the same in each of its test processes."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first test process to need it fills; the others wait for it."""
    done = folder.with_name(f"{folder.name}.done")
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir(parents=True)
            make(folder)
            done.touch()
    return folder


@contextmanager
def shared_home(home: Path) -> Iterator[EngineProcess]:
    """Run an engine for all test processes; the last one to leave stops it."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "users.lock").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            made = EngineProcess(home, {})
            made.url = inf.start_engine(home, workers=2)
            yield made
        finally:
            with suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop(home)


def _stop(home: Path) -> None:
    address = Home(home).address()
    assert address is not None
    engine = psutil.Process(address["pid"])
    family = [engine, *engine.children(recursive=True)]
    inf.stop_engine(home)
    end_family(family)
