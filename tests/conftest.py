"""Shared by all tests: a rendering engine, and an environment of their own."""

# ruff: noqa: E402
from __future__ import annotations

import os
import signal
import threading

# Tests run in one process per core, where threads of numpy's libraries would wait for each other.
# The libraries read this when numpy is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import hypothesis
import pytest
from engine_fixtures import client, done, idle_engine, shared_engine, stranger, toys
from shared_work import run_folder, shared_home

from infinity_frames.client import registry

# Fixtures of every test.
__all__ = ["client", "done", "idle_engine", "shared_engine", "stranger", "toys"]


# Where a shell's background job ignores Ctrl-C, so would every program that the tests start.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Every run draws the same examples; FUZZ=n draws new ones. A busy machine is no reason to fail.
hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
if "FUZZ" not in os.environ:
    hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on an engine that renders are slow: its start and first pictures take long."""
    for item in items:
        if "studio" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory):
    """No test sees the user's engine, server or token, and none writes into the user's home."""
    for name in ("INFINITY_SERVER", "INFINITY_TOKEN"):
        os.environ.pop(name, None)
    os.environ["INFINITY_HOME"] = str(tmp_path_factory.mktemp("no-engine-here"))


@pytest.fixture(autouse=True)
def _sessions_end_with_their_test():
    """A frame of a later test never finds a session that an earlier test has left open."""
    before = list(registry.opened)
    yield
    registry.opened[:] = before


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    """A running engine that renders, shared by all test processes."""
    with shared_home(run_folder(tmp_path_factory) / "studio" / "home") as made:
        yield made


@pytest.fixture
def embedded_studio(studio, monkeypatch):
    """The same engine as the embedded one of this process."""
    monkeypatch.setenv("INFINITY_HOME", str(studio.home))
    return studio
