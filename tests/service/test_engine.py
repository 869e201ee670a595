"""The engine as a program: one per home, survives being killed, leaves when idle, loses nothing."""

import io
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import zipfile
from typing import Any

import pytest
import requests
from engine_fixtures import check_books, eventually
from wire_client import WireClient, batch, fetch, new_key

from infinity_frames import launcher as embedded
from infinity_frames.cli import main as cli
from infinity_frames.engine.service.signing import Signer
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import EngineNotInstalled, EngineNotStarted, RequestRejected

pytestmark = pytest.mark.slow


def client_of(running):
    return WireClient(running.url, running.token)


def statuses(found):
    return [job["status"] for job in found["job_runs"]]


def attempts(home, set_to=None):
    """Status and attempts of each job; then the attempts of the running ones are set."""
    connection = sqlite3.connect(home / "engine.sqlite")
    try:
        found = connection.execute("select status, attempts from jobs order by seq").fetchall()
        if set_to is not None:
            query = "update jobs set attempts = ? where status = 'running'"
            connection.execute(query, (set_to,))
            connection.commit()
        return found
    finally:
        connection.close()


# Killed and started again


def test_killed_in_the_middle_of_a_batch_it_completes_it_after_a_restart(idle_engine):
    idle_engine.start("--workers", "2")
    token = idle_engine.new_token("user", 1000)
    jobs = [{"seconds": 0.15, "random_seed": n, "kilobytes": 200} for n in range(16)]
    with WireClient(idle_engine.url, token) as client:
        batch_id = client.submit(*jobs).json()["id"]
        before: dict[str, Any] = {}
        for round_ in range(2):
            wanted = 3 * (round_ + 1)
            eventually(lambda: statuses(client.summary(batch_id)).count("completed") >= wanted)  # noqa: B023
            before |= {
                job["id"]: job["sha256"]
                for job in client.batch(batch_id)["job_runs"]
                if job["status"] == "completed"
            }
            idle_engine.kill()
            check_books(idle_engine.home)
            idle_engine.stop()
            idle_engine.start("--workers", "2")
            client.url = idle_engine.url
        ended = client.finished(batch_id)
        assert set(statuses(ended)) == {"completed"}
        assert [job["seed"] for job in ended["job_runs"]] == list(range(16))
        digests = {job["id"]: job["sha256"] for job in ended["job_runs"]}
        assert before.items() <= digests.items(), "what was finished is not rendered again"
        for job in ended["job_runs"]:
            with zipfile.ZipFile(io.BytesIO(fetch(job["result_url"]).content)) as archive:
                assert archive.testzip() is None
        assert client.account() == {"samples_remaining": 1000 - 48, "samples_reserved": 0}
    check_books(idle_engine.home)
    assert len(list((idle_engine.home / "results").iterdir())) == 16
    assert not list((idle_engine.home / "scratch").glob("*.*/"))


def test_a_job_that_was_running_whenever_the_engine_died_is_given_up(idle_engine):
    idle_engine.start("--workers", "1")
    with client_of(idle_engine) as client:
        made = client.submit({"seconds": 60.0}, {}).json()
        eventually(lambda: statuses(client.summary(made["id"]))[0] == "running")
        # Stopped politely it loses no attempt,
        idle_engine.stop()
        assert attempts(idle_engine.home) == [("queued", 0), ("queued", 0)]
        idle_engine.start("--workers", "1")
        client.url = idle_engine.url
        eventually(lambda: statuses(client.summary(made["id"]))[0] == "running")
        # and killed while it is rendered it does; as if it were the third time:
        eventually(lambda: list((idle_engine.home / "scratch").glob("*.*/")))
        idle_engine.kill()
        assert attempts(idle_engine.home, set_to=3) == [("running", 1), ("queued", 0)]
        idle_engine.stop()
        idle_engine.start("--workers", "1")
        client.url = idle_engine.url
        ended = client.finished(made["id"])
    assert statuses(ended) == ["failed", "completed"]
    assert "tried 3 times" in ended["job_runs"][0]["error"]
    check_books(idle_engine.home)


def test_an_archive_whose_commit_never_came_is_not_served(idle_engine):
    idle_engine.start()
    with client_of(idle_engine) as client:
        (job,) = client.finished(client.submit({}).json()["id"])["job_runs"]
        (slow,) = client.submit({"seconds": 600.0}).json()["job_runs"]
        idle_engine.kill()
        half = idle_engine.home / "results" / f"{slow['id']}.zip"
        half.write_bytes(b"PK half")
        foreign = idle_engine.home / "results" / "00000000-0000-4000-8000-000000000000.zip"
        foreign.write_bytes(b"of a store that was moved away")
        idle_engine.stop()
        idle_engine.start()
        assert not half.exists()
        assert foreign.exists()
        client.url = idle_engine.url
        assert fetch(client.get(f"/api/job_runs/{job['id']}/").json()["result_url"]).ok


def test_an_archive_that_is_gone_says_so(shared_engine):
    with client_of(shared_engine) as client:
        (job,) = client.finished(client.submit({}).json()["id"])["job_runs"]
    (shared_engine.home / "results" / f"{job['id']}.zip").unlink()
    answer = fetch(job["result_url"])
    assert answer.status_code == 404
    assert "state" in answer.json()["detail"]


def test_a_result_url_expires(shared_engine):
    with client_of(shared_engine) as client:
        (job,) = client.finished(client.submit({}).json()["id"])["job_runs"]
    from infinity_frames.engine.service.signing import Signer

    signer = Signer((shared_engine.home / "signing.key").read_bytes())
    good = signer.path(job["id"], int(time.time()) + 60)
    assert fetch(f"{shared_engine.url}/{good}").ok
    late = fetch(f"{shared_engine.url}/{signer.path(job['id'], int(time.time()) - 1)}")
    assert late.status_code == 403
    assert "expired" in late.json()["detail"]


def test_a_clock_that_moves_neither_opens_nor_closes_more_than_result_urls(monkeypatch):
    signer, now = Signer(b"k" * 32), time.time()
    path = signer.path("job", signer.expiry())
    given = _given(path)
    for moved in (0.0, -30 * 86400.0, 3600.0):
        monkeypatch.setattr(time, "time", lambda moved=moved: now + moved)
        signer.check("job", *given)
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86400.0)
    with pytest.raises(RequestRejected, match="expired"):
        signer.check("job", *given)
    signer.check("job", *_given(signer.path("job", signer.expiry())))


def _given(path):
    return [part.partition("=")[2] for part in path.partition("?")[2].split("&")]


def test_a_locked_database_loses_nothing(shared_engine):
    with client_of(shared_engine) as client:
        made = client.submit(*[{"seconds": 0.3}] * 4).json()
        eventually(lambda: "running" in statuses(client.summary(made["id"])))
        other = sqlite3.connect(shared_engine.home / "engine.sqlite", isolation_level=None)
        other.execute("begin immediate")
        try:
            key, body = new_key(), batch({}, name="while locked")
            refused = client.post("/api/batch/", body, key=key)
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) > 0
            assert "nothing was changed" in refused.json()["detail"]
        finally:
            other.execute("rollback")
            other.close()
        assert client.post("/api/batch/", body, key=key).status_code == 201
        assert set(statuses(client.finished(made["id"]))) == {"completed"}
    check_books(shared_engine.home)


def test_a_full_disk_makes_jobs_wait_not_fail(shared_engine):
    with client_of(shared_engine) as client:
        made = client.submit({"behaviour": "full"}).json()
        message = eventually(lambda: client.summary(made["id"])["message"])
        assert "disk is full" in message
        assert statuses(client.summary(made["id"])) == ["queued"]
        client.post(f"/api/batch/{made['id']}/cancel/")
        assert client.summary(made["id"])["message"] is None


def test_a_worker_killed_from_outside_costs_its_job_one_attempt(shared_engine):
    with client_of(shared_engine) as client:
        made = client.submit({"seconds": 1.0}, {"seconds": 1.0}).json()
        eventually(lambda: statuses(client.summary(made["id"])) == ["running", "running"])
        workers = eventually(shared_engine.workers)
        workers[0].send_signal(signal.SIGKILL)
        assert statuses(client.finished(made["id"])) == ["completed", "completed"]


def test_what_a_user_waits_for_is_said(idle_engine):
    idle_engine.environment["TOY_PREPARE_SECONDS"] = "3.5"
    idle_engine.start()
    with client_of(idle_engine) as client:
        client.get("/api/jobs/toy-v1.0.0/")  # what begins then is waited for like what began now
        made = client.submit({}).json()
        message = eventually(lambda: client.summary(made["id"])["message"])
        assert "compiling" in message
        assert client.finished(made["id"])["message"] is None


def test_it_gets_ready_while_the_user_still_writes_jobs(idle_engine, tmp_path):
    idle_engine.environment["TOY_MARKS"] = str(tmp_path)
    idle_engine.start("--workers", "2")
    with client_of(idle_engine) as client:
        for _ in range(2):
            client.get("/api/jobs/toy-v1.0.0/")
            eventually(lambda: list(tmp_path.glob("prepared-*")))
        made = client.submit({}).json()
        assert statuses(client.finished(made["id"])) == ["completed"]
    assert len(list(tmp_path.glob("prepared-*"))) == 1


# A long batch and a short preview; many jobs


def test_a_preview_goes_before_a_long_batch(shared_engine):
    with client_of(shared_engine) as client:
        long = client.submit(*[{"seconds": 0.3}] * 20).json()
        preview = client.submit({}, is_preview=True).json()
        client.finished(preview["id"])
        assert "queued" in statuses(client.summary(long["id"]))
        client.post(f"/api/batch/{long['id']}/cancel/")


def test_many_jobs_are_accepted_and_cancelled_at_once(shared_engine):
    token = shared_engine.new_token("big", 100_000)
    with WireClient(shared_engine.url, token) as client:
        made = client.submit(*[{"seconds": 5.0}] * 20_000)
        assert made.status_code == 201
        batch_id = made.json()["id"]
        assert client.account() == {"samples_remaining": 40_000, "samples_reserved": 60_000}
        client.post(f"/api/batch/{batch_id}/cancel/")
        assert client.account() == {"samples_remaining": 100_000, "samples_reserved": 0}
    check_books(shared_engine.home)


# One engine per home


@pytest.fixture
def home(tmp_path, toys, monkeypatch):
    """A home whose engine this process and its children start; stopped at the end."""
    path = tmp_path / "home"
    for name, value in {**toys, "INFINITY_HOME": str(path)}.items():
        monkeypatch.setenv(name, value)
    yield path
    embedded.stop_engine(path)


def test_it_starts_is_found_and_stops(home):
    assert embedded.find_engine() is None
    assert embedded.stop_engine() is False
    url = embedded.start_engine(workers=1)
    assert embedded.start_engine() == embedded.find_engine() == url
    with WireClient(url, embedded.read_token()) as client:
        assert statuses(client.finished(client.submit({}).json()["id"])) == ["completed"]
    for secret in ("token", "signing.key", "engine.sqlite", "engine.json"):
        assert stat.S_IMODE((home / secret).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert embedded.read_token() not in (home / "engine.log").read_text()
    for file in home.glob("engine.sqlite*"):
        assert embedded.read_token().encode() not in file.read_bytes()
    assert embedded.stop_engine() is True
    assert embedded.find_engine() is None
    assert not (home / "engine.json").exists()


SCRIPT = """
from infinity_frames.launcher import read_token, start_engine
from wire_client import WireClient

url = start_engine(workers=2)
with WireClient(url, read_token()) as client:
    print(url, client.finished(client.submit({}, {}).json()["id"])["id"])
"""


def test_two_scripts_at_once_share_one_engine_that_outlives_them(home, tmp_path):
    script = tmp_path / "script.py"
    # As users write them: without a `__main__` guard.
    script.write_text(SCRIPT)
    running = [
        subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=60)[0].split() for one in running]
    assert {url for url, _ in said} == {embedded.find_engine()}
    url = embedded.find_engine()
    assert url is not None
    with WireClient(url, embedded.read_token()) as client:
        for _, batch_id in said:
            assert statuses(client.batch(batch_id)) == ["completed", "completed"]


def test_a_second_engine_for_a_home_is_refused(shared_engine):
    done = shared_engine.command("serve")
    assert done.returncode == 1
    assert shared_engine.url in done.stderr
    assert "Traceback" not in done.stderr
    assert client_of(shared_engine).get("/api/jobs/").ok


def test_the_address_of_a_killed_engine_is_not_believed(idle_engine):
    idle_engine.start()
    token, port = idle_engine.token, int(idle_engine.url.rpartition(":")[2])
    idle_engine.kill()
    heard = []
    with socket.create_server(("127.0.0.1", port)) as impostor:
        impostor.settimeout(0.5)

        def listen():
            try:
                connection, _ = impostor.accept()
                with connection:
                    heard.append(connection.recv(4096))
            except TimeoutError:
                return

        listener = threading.Thread(target=listen)
        listener.start()
        assert Home(idle_engine.home).address() is not None
        assert embedded.find_engine(idle_engine.home) is None
        listener.join()
    assert not heard, "somebody else on its port was called"
    assert token


def test_an_engine_that_cannot_start_says_why(home):
    home.mkdir()
    (home / "engine.sqlite").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(EngineNotStarted, match="not a database"):
        embedded.start_engine()


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineNotStarted, match="cannot be used"):
        embedded.start_engine(tmp_path / "file" / "home")


def test_without_its_extra_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_NEEDS", ("no_such_package",))
    with pytest.raises(EngineNotInstalled, match=r"infinity-frames\[engine\]"):
        embedded.start_engine(tmp_path / "home")


def test_it_leaves_when_idle_but_not_while_it_works(idle_engine):
    idle_engine.start("--idle-timeout", "1", "--workers", "1")
    with client_of(idle_engine) as client:
        client.submit({"seconds": 2.5})
    time.sleep(2.0)
    assert idle_engine.process.poll() is None
    assert idle_engine.process.wait(10) == 0
    assert not (idle_engine.home / "engine.json").exists()
    connection = sqlite3.connect(idle_engine.home / "engine.sqlite")
    assert connection.execute("select status from jobs").fetchall() == [("completed",)]
    connection.close()


def test_only_this_machine_reaches_it_unless_asked(shared_engine):
    bound = {
        one.laddr.ip
        for one in shared_engine.family()[0].net_connections()
        if one.status == "LISTEN"
    }
    assert bound == {"127.0.0.1"}


# The command


def test_commands_answer_in_sentences(home, capsys):
    def run(*arguments):
        code = cli.main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    assert run("stop") == (0, "no engine was running\n", "")
    code, out, err = run("token", "embedded", "--samples", "5")
    assert (code, out) == (1, ""), "not even before the engine has made it"
    assert "not metered" in err
    own = run("token")[1]
    metered = run("token", "--samples", "5")[1].strip()
    url = embedded.start_engine()
    assert embedded.read_token() == own.strip(), "made before the start, it is the engine's"
    with WireClient(url, metered) as client:
        assert client.account()["samples_remaining"] == 5
    code, out, err = run("token", "embedded", "--samples", "5")
    assert (code, out) == (1, "")
    assert "not metered" in err
    code, out, err = run("serve", "--home", str(home / "b"), "--port", url.rpartition(":")[2])
    assert (code, out) == (1, "")
    assert "Cannot listen" in err
    with pytest.raises(SystemExit):
        run("serve", "--workers", "0")
    assert "1 or more" in capsys.readouterr().err
    assert run("stop") == (0, "stopped\n", "")


def test_interrupted_it_leaves_no_process_behind(idle_engine):
    engine = idle_engine.start()
    with client_of(engine) as client:
        client.submit({"seconds": 60.0})
        eventually(lambda: len(engine.family()) > 2)
    family = engine.family()
    engine.process.send_signal(signal.SIGINT)
    assert engine.process.wait(10) == 0
    eventually(lambda: not any(one.is_running() for one in family))
    with pytest.raises(requests.ConnectionError):
        requests.get(engine.url, timeout=1)
