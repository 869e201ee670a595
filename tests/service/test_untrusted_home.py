"""A home that others own, prepared or damaged is refused in one sentence."""

import json
import os
import subprocess
import sys

import pytest
from wire_client import WireClient

from infinity_frames.engine.service.home import private_bytes
from infinity_frames.io.home import Home
from infinity_frames.launcher import find_engine, stop_engine
from infinity_frames.protocol.errors import EngineNotStarted

pytestmark = pytest.mark.slow


def serve(home, toys):
    return subprocess.run(
        [sys.executable, "-m", "infinity_frames", "serve", "--home", str(home)],
        env={**os.environ, **toys},
        capture_output=True,
        text=True,
        timeout=60,
    )


def in_one_sentence(done):
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("name", ["", "engine.lock", "token", "engine.sqlite", "results"])
def test_a_home_of_another_user_is_refused(tmp_path, toys, name):
    home = tmp_path / "home"
    home.mkdir()
    target = home / name
    if name == "results":
        target.mkdir()
    elif name:
        target.touch()
    os.chown(target, 65534, 65534)
    assert "another user" in in_one_sentence(serve(home, toys))


@pytest.mark.parametrize(
    "name", ["engine.lock", "token", "engine.sqlite", "scratch", "engine.json"]
)
def test_a_planted_link_is_refused(tmp_path, toys, name):
    home = tmp_path / "home"
    home.mkdir()
    (home / name).symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in in_one_sentence(serve(home, toys))
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["signing.key", "proof.key", "token", "engine.lock"])
def test_a_folder_in_place_of_a_file_is_refused(tmp_path, toys, name):
    home = tmp_path / "home"
    (home / name).mkdir(parents=True)
    assert "a folder, not a file" in in_one_sentence(serve(home, toys))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_client_refuses_the_home_of_another_user(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "engine.lock").touch()
    os.chown(home, 65534, 65534)
    for call in (find_engine, stop_engine):
        with pytest.raises(EngineNotStarted, match="another user"):
            call(home)


@pytest.mark.parametrize("pid", [-1, 0, 1, "1", None, [1], True])
def test_an_address_file_names_no_group_of_processes(tmp_path, pid):
    about = {"url": "http://127.0.0.1:9", "pid": pid, "version": "1"}
    (tmp_path / "engine.json").write_text(json.dumps(about))
    assert Home.at(tmp_path).address() is None


def test_a_cut_key_is_replaced(tmp_path):
    key = tmp_path / "signing.key"
    for cut in (b"", b"short"):
        key.write_bytes(cut)
        made = private_bytes(key)
        assert len(made) == 32
        assert private_bytes(key) == made


def test_an_open_home_is_closed(idle_engine):
    idle_engine.home.mkdir(mode=0o755)
    idle_engine.home.chmod(0o755)
    (idle_engine.home / "engine.lock").touch(mode=0o644)
    mine = idle_engine.home / "mine.txt"
    mine.touch(mode=0o644)
    idle_engine.start()
    assert idle_engine.home.stat().st_mode & 0o777 == 0o700
    assert (idle_engine.home / "engine.lock").stat().st_mode & 0o077 == 0
    assert mine.stat().st_mode & 0o777 == 0o644, "other files are left alone"


def test_a_database_damaged_in_its_middle_is_one_sentence(idle_engine):
    idle_engine.start()
    with WireClient(idle_engine.url, idle_engine.token) as client:
        client.submit(*[{}] * 300, name="many")
        client.post(f"/api/batch/{client.submit({}).json()['id']}/cancel/")
    idle_engine.stop()
    database = idle_engine.home / "engine.sqlite"
    content = bytearray(database.read_bytes())
    for start in range(4096 * 4, len(content), 4096):
        content[start : start + 2048] = os.urandom(2048)
    database.write_bytes(content)
    done = serve(idle_engine.home, {})
    text = in_one_sentence(done)
    assert "damaged" in text or "cannot be used" in text
