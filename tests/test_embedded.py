"""The engine found and stopped: what a killed one left behind is never taken for a living one."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys

import infinity_frames as inf
from infinity_frames.embedded import find_engine


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
