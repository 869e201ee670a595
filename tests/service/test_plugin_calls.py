"""Generator code that hangs inside the engine costs its own requests only."""

import threading
import time
from contextlib import suppress
from importlib.metadata import EntryPoint

import pytest
import requests
from engine_fixtures import eventually
from wire_client import WireClient, batch

from infinity_frames.engine.service import registry
from infinity_frames.engine.service.plugin_calls import PluginCalls, PluginHangs
from infinity_frames.protocol.errors import UnknownGenerator


def test_a_call_returns_or_raises_as_it_does_by_itself():
    calls = PluginCalls()
    assert calls.run("good", lambda: 3) == 3
    assert calls.run("good", lambda: None) is None
    for error in (ValueError("no"), SystemExit(3), KeyboardInterrupt()):

        def fail(error=error):
            raise error

        with pytest.raises(type(error)) as raised:
            calls.run("good", fail)
        assert raised.value is error


def test_calls_that_hang_are_given_up_and_then_refused_at_once():
    calls = PluginCalls(limit=0.1, slots=2, slow=0.05)
    release = threading.Event()
    for _ in range(2):
        with pytest.raises(PluginHangs, match=r"within 0\.1 s"):
            calls.run("bad", release.wait)
    with pytest.raises(PluginHangs, match="2 earlier calls"):
        calls.run("bad", lambda: 1)
    assert calls.run("good", lambda: 1) == 1, "other generators are not affected"
    release.set()
    assert eventually(lambda: _works(calls)), "and this one is used again when its calls return"


def _works(calls):
    try:
        return calls.run("bad", lambda: True)
    except PluginHangs:
        return False


def test_quick_calls_wait_for_a_slot():
    calls = PluginCalls(slots=1)
    done: list[None] = []
    threads = [
        threading.Thread(target=lambda: done.append(calls.run("good", lambda: time.sleep(0.01))))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 20


def test_an_import_that_hangs_makes_its_generator_a_broken_one(monkeypatch, tmp_path):
    (tmp_path / "hanging_generator.py").write_text("import time\ntime.sleep(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    group = "infinity_frames.generators"
    entries = [
        EntryPoint("hanging-v1", "hanging_generator:Toy", group),
        EntryPoint("toy-v1.0.0", "toy_generator:Toy", group),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    monkeypatch.setattr(registry, "_loaded", {})
    monkeypatch.setattr(registry, "_calls", PluginCalls(limit=0.2, slots=1, slow=0.1))
    assert registry.generator("toy-v1.0.0").spec.name == "toy-v1.0.0", "the other is not touched"
    assert registry.broken_generators() == {"hanging-v1": "it did not return within 0.2 s"}
    assert list(registry.usable_generators()) == ["toy-v1.0.0"]
    with pytest.raises(UnknownGenerator, match="did not return"):
        registry.generator("hanging-v1")


@pytest.mark.slow
def test_estimates_that_hang_leave_the_engine_to_others(idle_engine):
    idle_engine.start("--workers", "1")
    hanging = batch({"estimates": "hangs"}, generator="hostile-v1.0.0")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        client.get("/api/jobs/hostile-v1.0.0/")

        def estimate():
            with (
                WireClient(idle_engine.url, idle_engine.token) as another,
                suppress(requests.RequestException),  # the engine is stopped before some return
            ):
                answers.append(another.post("/api/batch/estimate/", hanging))

        answers: list[requests.Response] = []
        threads = [threading.Thread(target=estimate) for _ in range(60)]
        for thread in threads:
            thread.start()
        # More requests than the engine has threads; all but a few are refused at once.
        eventually(lambda: len(answers) >= 50)
        assert client.post("/api/batch/estimate/", batch({"frames": 3})).json() == [3]
        assert client.submit({}).status_code == 201
        refused = list(answers)
    idle_engine.stop()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in refused} == {400}
    assert all("4 earlier calls have not returned" in answer.json()["detail"] for answer in refused)
