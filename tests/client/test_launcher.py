"""The embedded engine found, stopped and started again: as a person wants it, or as a crash needs.

What a killed one left behind is never taken for a living one.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys

import psutil
import pytest
from engine_fixtures import EngineProcess, eventually
from wire_client import WireClient

import infinity_frames as inf
from infinity_frames.io.home import Home
from infinity_frames.launcher import find_engine, read_token, stop_engine
from infinity_frames.protocol import errors

pytestmark = pytest.mark.slow


def test_another_clients_look_is_no_engine(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        stale = {"url": "http://127.0.0.1:9", "pid": bystander.pid, "version": "0"}
        (home / "engine.json").write_text(json.dumps(stale))
        (home / "token").write_text("secret")
        with (home / "engine.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)  # as a client that looks at this moment
            assert find_engine(home) is None
            assert inf.stop_engine(home) is False
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_an_engine_is_found_whatever_the_environment_says_of_networks(
    embedded_studio, tmp_path, monkeypatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password theirs\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert inf.start_engine() == embedded_studio.url
    assert "visionfit-v0.4.0" in set(inf.generators()["name"])


def test_a_running_engine_is_found_and_stopped(tmp_path):
    url = inf.start_engine(tmp_path / "home", workers=1)
    try:
        assert find_engine(tmp_path / "home") == url
        assert inf.start_engine(tmp_path / "home") == url
    finally:
        assert inf.stop_engine(tmp_path / "home") is True
    assert find_engine(tmp_path / "home") is None
    assert inf.stop_engine(tmp_path / "home") is False


# Away while a client waits for its jobs

WAITING = """
import sys
import infinity_frames as inf

session = inf.Session("toy-v1.0.0")
if len(sys.argv) > 1:
    batch = session.batch_from_api(sys.argv[1])
else:
    batch = session.submit([{}] * 10)
print(batch.batch_id, flush=True)
print(len(batch.await_completion(0.05)))
"""


@pytest.fixture
def engine(tmp_path, toys):
    """An engine for clients to start as their embedded one; stopped at the end."""
    made = EngineProcess(tmp_path / "home", {**toys, "TOY_HOLD": str(tmp_path / "hold")})
    try:
        yield made
    finally:
        made.stop()
        stop_engine(made.home)


@pytest.fixture
def hold(tmp_path):
    """No job of `engine` ends while this file exists."""
    path = tmp_path / "hold"
    path.touch()
    return path


def waiting(engine, *batch):
    """A client that waits for a batch, which is being rendered; the process and the batch."""
    client = subprocess.Popen(
        [sys.executable, "-c", WAITING, *batch],
        env=engine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    batch_id = client.stdout.readline().strip()
    assert batch_id, client.communicate()
    url = find_engine(engine.home)
    assert url is not None
    with WireClient(url, read_token(engine.home)) as wire:
        eventually(lambda: "running" in {j["status"] for j in wire.summary(batch_id)["job_runs"]})
    return client, batch_id


def kill(engine):
    """As a crash would: the engine that clients started, by its process id."""
    address = Home(engine.home).address()
    assert address is not None
    psutil.Process(address["pid"]).kill()


def test_an_engine_killed_under_a_waiting_client_is_started_again(engine, hold):
    client, _ = waiting(engine)
    kill(engine)
    hold.unlink()
    out, err = client.communicate(timeout=60)
    assert (client.returncode, out) == (0, "10\n"), err


@pytest.mark.parametrize("start", ["a session", "serve"])
def test_an_engine_stopped_under_a_waiting_client_stays_stopped(engine, hold, start):
    client, batch_id = waiting(engine)
    assert stop_engine(engine.home) is True
    out, err = client.communicate(timeout=60)
    assert (client.returncode, out) == (1, "")
    last = err.strip().splitlines()[-1]
    assert last.startswith("infinity_frames.protocol.errors.EngineStopped"), err
    assert "continue when a new Session or" in last
    assert "During handling" not in err
    assert find_engine(engine.home) is None

    # Started again explicitly, it continues with its jobs; a crash is then repaired.
    if start == "serve":
        engine.start()
    client, _ = waiting(engine, batch_id)
    kill(engine)
    hold.unlink()
    out, err = client.communicate(timeout=60)
    assert (client.returncode, out) == (0, "10\n"), err


OLD_ENGINE = """
import fcntl, http.server, json, os, sys
home = sys.argv[1]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, self.headers.get("Authorization"), file=sys.stderr, flush=True)
        body = b'{"detail": "Not Found"}'
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

lock = open(home + "/engine.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
url = f"http://127.0.0.1:{server.server_address[1]}"
with open(home + "/engine.json", "w") as file:
    json.dump({"url": url, "pid": os.getpid(), "version": "0.1.0"}, file)
print(url, flush=True)
server.serve_forever()
"""


def test_a_running_engine_of_an_old_version_is_named_and_can_be_stopped(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text("secret")
    (home / "proof.key").write_bytes(b"key")
    monkeypatch.setenv("INFINITY_HOME", str(home))
    with subprocess.Popen(
        [sys.executable, "-c", OLD_ENGINE, str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as engine:
        assert engine.stdout is not None
        assert engine.stderr is not None
        assert engine.stdout.readline().startswith("http")
        for verb in (inf.start_engine, find_engine, lambda: inf.Session("toy-v1.0.0")):
            with pytest.raises(errors.EngineNotStarted, match="older version") as refusal:
                verb()
            assert "`infinity-frames stop`" in str(refusal.value)
        assert inf.stop_engine() is True
        assert engine.wait(10) != 0
        said = engine.stderr.read()
        assert "/api/proof/" in said
        assert "secret" not in said
    url = inf.start_engine(workers=1)
    try:
        assert find_engine() == url
    finally:
        inf.stop_engine()
