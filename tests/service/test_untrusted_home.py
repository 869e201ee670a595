"""A home that others own, prepared or damaged is refused in one sentence."""

import os
import subprocess
import sys

import pytest
from wire_client import WireClient

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
