"""Fixtures of sessions with a server of the tests, with the base protocol and with extensions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from base_server import TOKEN
from fault_server import FaultServer

import infinity_frames as inf
from infinity_frames.client import registry

ALL = ("idempotency", "tags", "cancel", "account", "status", "batch_id")


@pytest.fixture(params=[(), ALL], ids=["base", "extended"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(extensions=request.param) as running:
        yield running


@pytest.fixture
def extended() -> Iterator[FaultServer]:
    with FaultServer(extensions=ALL) as running:
        yield running


@pytest.fixture
def session(server: FaultServer) -> inf.Session:
    return inf.Session(token=TOKEN, server=server.url)


@pytest.fixture(autouse=True)
def a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No session is open yet, and the environment names no server."""
    monkeypatch.setattr(registry, "opened", [])
    for name in ("INFINITY_SERVER", "INFINITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
