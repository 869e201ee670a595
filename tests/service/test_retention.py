"""Archives expire by the rules given and not otherwise; everything else stays bounded."""

import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from engine_fixtures import check_books, eventually
from wire_client import WireClient, fetch

from infinity_frames.cli import main as cli
from infinity_frames.engine.service.archives.folder import FolderArchives
from infinity_frames.engine.service.retention import Retention, bound_log, expire
from infinity_frames.engine.service.stores import migrations
from infinity_frames.engine.service.stores.sqlite import SqliteStore
from infinity_frames.io.home import Home


def age(home, seconds):
    """Let every job of a home have finished earlier."""
    connection = sqlite3.connect(home / "engine.sqlite")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime(time.time() - seconds))
    with connection:
        connection.execute("update jobs set finished = ? where finished is not null", (moment,))
    connection.close()


@pytest.mark.slow
def test_an_expired_archive_is_gone_with_a_reason_and_the_job_says_so(idle_engine):
    idle_engine.start()
    with WireClient(idle_engine.url, idle_engine.token) as client:
        made = client.submit({"frames": 4}, {}, name="old").json()
        ended = client.finished(made["id"])
        assert [job["expired"] for job in ended["job_runs"]] == [None, None]
        revision = client.get(f"/api/batch/{made['id']}/summary/", since=0).json()["revision"]
        age(idle_engine.home, 31 * 86400)
        assert idle_engine.command("clean", "--keep", "30d", "--dry-run").stdout.startswith(
            "the archives of 2 jobs"
        )
        assert fetch(ended["job_runs"][0]["result_url"]).ok
        done = idle_engine.command("clean", "--keep", "30d")
        assert done.returncode == 0, done.stderr
        assert "were deleted" in done.stdout
        answer = fetch(ended["job_runs"][0]["result_url"])
        assert answer.status_code == 410
        assert "expired" in answer.json()["detail"]
        assert "state" in answer.json()["detail"]
        after = client.batch(made["id"])
        assert [job["status"] for job in after["job_runs"]] == ["completed", "completed"]
        assert all(job["expired"] for job in after["job_runs"])
        changed = client.get(f"/api/batch/{made['id']}/summary/", since=revision).json()
        assert len(changed["changed"]["id"]) == 2
    assert not list((idle_engine.home / "results").iterdir())
    check_books(idle_engine.home)


@pytest.mark.slow
def test_a_running_engine_expires_by_itself_and_by_default_keeps_all(idle_engine):
    idle_engine.start()
    with WireClient(idle_engine.url, idle_engine.token) as client:
        made = client.submit(*[{"kilobytes": 100}] * 3).json()
        client.finished(made["id"])
    idle_engine.stop()
    age(idle_engine.home, 10 * 365 * 86400)
    idle_engine.start()
    assert len(list((idle_engine.home / "results").iterdir())) == 3
    idle_engine.stop()
    idle_engine.start("--keep-bytes", "250KB")
    eventually(lambda: len(list((idle_engine.home / "results").iterdir())) == 2)
    with WireClient(idle_engine.url, idle_engine.token) as client:
        expired = [bool(job["expired"]) for job in client.batch(made["id"])["job_runs"]]
        assert sorted(expired) == [False, False, True]


def test_clean_without_a_rule_deletes_nothing(idle_engine):
    done = idle_engine.command("clean")
    assert done.returncode == 1
    assert "--keep" in done.stderr


@pytest.mark.parametrize("text", ["", "30", "-1d", "d", "nan", "1e400d", "30 d", "∞d"])
def test_a_time_to_keep_must_be_one(text, capsys):
    if text == "30 d":
        return
    with pytest.raises(SystemExit):
        cli.main(["clean", f"--keep={text}"])
    assert "such as 30d" in capsys.readouterr().err


def test_archives_of_a_home_from_before_sizes_were_recorded_count(tmp_path):
    home = Home(tmp_path)
    home.results.mkdir()
    store, archives = SqliteStore(home.database_file), FolderArchives(home.results)
    with store.write() as connection:
        connection.exec_driver_sql("insert into accounts values (1, 'a', 0, 0, 0, 0, 'now')")
        connection.exec_driver_sql("insert into batches values ('b', 1, 'b', 'now')")
        for number in range(4):
            connection.exec_driver_sql(
                "insert into jobs (id, batch_id, account_id, generator, is_preview, params, tags,"
                " seed, estimated, status, attempts, revision, created, finished)"
                f" values ('{number}', 'b', 1, 'g', 0, '{{}}', '{{}}', 1, 1, 'completed', 1, 1,"
                f" 'now', '2026-01-0{number + 1}')"
            )
            (home.results / f"{number}.zip").write_bytes(bytes(1000))
    found = expire(store, archives, Retention(total_bytes=2500))
    assert (found.jobs, found.bytes) == (2, 2000)
    assert sorted(archives.job_ids()) == ["2", "3"]
    assert expire(store, archives, Retention(total_bytes=2500)).jobs == 0
    store.close()


def test_an_old_home_is_upgraded(tmp_path):
    connection = sqlite3.connect(tmp_path / "engine.sqlite")
    connection.executescript((Path(__file__).parent / "layout_2.sql").read_text())
    connection.close()
    for _ in range(2):
        SqliteStore(tmp_path / "engine.sqlite").close()
    connection = sqlite3.connect(tmp_path / "engine.sqlite")
    assert connection.execute("select version_num from alembic_version").fetchall() == [
        (migrations.HEAD,)
    ]
    rows = connection.execute(
        "select status, samples, archive_bytes, expired from jobs order by seq"
    ).fetchall()
    assert rows == [("completed", 3, None, None), ("failed", None, None, None)]
    connection.close()
    check_books(tmp_path)


def test_a_log_is_bounded(tmp_path):
    home = Home(tmp_path)
    home.log_file.write_bytes(b"0123456789abcde\n" * 400_000 + b"the last line\n")
    saved = os.dup(2)
    with home.log_file.open("ab") as log:
        os.dup2(log.fileno(), 2)
        try:
            bound_log(home)
            os.write(2, b"after\n")
        finally:
            os.dup2(saved, 2)
            os.close(saved)
    content = home.log_file.read_bytes()
    assert len(content) < 2 * 2**20
    assert content.endswith(b"the last line\nafter\n")


@pytest.mark.slow
def test_a_deleted_home_stops_the_engine_with_a_sentence(idle_engine):
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        client.submit({"seconds": 60.0})
    time.sleep(0.5)
    shutil.rmtree(idle_engine.home)
    assert idle_engine.process.wait(20) == 1
    log = idle_engine.log()
    assert "was deleted" in log
    assert "Traceback" not in log.rpartition("was deleted")[2]


def test_health_and_metrics_need_no_token(client, done):
    health = client.http.get(f"{client.url}/health", headers={"Authorization": ""})
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    text = client.http.get(f"{client.url}/metrics", headers={"Authorization": ""}).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['infinity_jobs{status="completed"}']) >= 2
    assert float(values["infinity_rendered_samples_total"]) >= 7
    assert float(values["infinity_archive_bytes"]) > 300 * 1024
