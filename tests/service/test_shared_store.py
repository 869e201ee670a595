"""Several engines on one PostgreSQL database, and archives in an S3 server: the real parts."""

import hashlib
import os
import pickle
import threading
from contextlib import closing
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from engine_fixtures import EngineProcess, eventually
from ledger_machine import GRANTED, Books, check_ledger
from postgres import postgres_server, postgres_url
from s3_server import bucket, s3
from wire_client import WireClient, fetch

from infinity_frames.engine.service import ledger, queue, repository
from infinity_frames.engine.service.archives import open_archives
from infinity_frames.engine.service.requests import NewJob
from infinity_frames.engine.service.stores import open_store, tables
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import EngineError

pytestmark = pytest.mark.slow

__all__ = ["bucket", "postgres_server", "postgres_url", "s3"]

JOB = NewJob("toy", False, {}, {}, 1, 3)


@pytest.fixture
def store(tmp_path, postgres_url):
    with closing(open_store(Home(tmp_path), postgres_url)) as made:
        yield made


def test_threads_of_two_engines_lease_and_settle_every_job_once(tmp_path, postgres_url):
    jobs = 120
    stores = [open_store(Home(tmp_path), postgres_url) for _ in range(2)]
    with stores[0].write() as connection:
        ledger.new_token(connection, "metered", 3 * jobs)
        batch_id = repository.new_batch(connection, 1, "batch")
        repository.add_jobs(connection, 1, batch_id, [JOB] * jobs)
        for number in range(4):
            queue.register(connection, str(number), f"home {number}")
    leased: list[Any] = []

    def work(number):
        store, owner = stores[number % 2], str(number)
        while True:
            with store.write() as connection:
                rows = queue.lease(connection, owner, 3)
            if not rows:
                return
            leased.extend(row.id for row in rows)
            with store.write() as connection:
                for row in rows:
                    assert queue.complete(connection, row.id, owner, 2, "0" * 64)
                    assert not queue.complete(connection, row.id, owner, 2, "0" * 64)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leased) == len(set(leased)) == jobs
    check_ledger(stores[0])
    with stores[0].read() as connection:
        assert ledger.balance(connection, 1) == ledger.Balance(reserved=0, left=jobs)
        revisions = connection.execute(sa.select(tables.jobs.c.revision)).scalars().all()
    assert len(set(revisions)) > 1
    for store in stores:
        store.close()


def test_jobs_of_a_dead_engine_are_taken_over_and_of_a_living_one_are_not(store):
    with store.write() as connection:
        ledger.new_token(connection, "metered", 100)
        batch_id = repository.new_batch(connection, 1, "batch")
        ids = repository.add_jobs(connection, 1, batch_id, [JOB] * 2)
        queue.register(connection, "alive", "a")
        queue.register(connection, "dead", "b")
        queue.lease(connection, "alive", 1)
        queue.lease(connection, "dead", 1)
        assert queue.recover(connection) == 0
        old = "2020-01-01T00:00:00.000000+00:00"
        connection.execute(
            sa.update(tables.engines).where(tables.engines.c.id == "dead").values(seen=old)
        )
        assert queue.recover(connection) == 1
        assert queue.still_leased(connection, "alive", ids) == {ids[0]}
        assert queue.still_leased(connection, "dead", ids) == set()
        assert not queue.complete(connection, ids[1], "dead", 3, "0" * 64)
        (row,) = queue.lease(connection, "alive", 5)
        assert (row.id, row.attempts) == (ids[1], 1)
    check_ledger(store)


def test_a_poll_tells_of_changes_as_on_sqlite(store):
    import orjson

    with store.write() as connection:
        ledger.new_token(connection, "metered", 100)
        batch_id = repository.new_batch(connection, 1, "batch")
        ids = repository.add_jobs(connection, 1, batch_id, [JOB] * 3)
        queue.lease(connection, "me", 1)
        queue.fail(connection, ids[0], "me", "it broke")
    with store.read() as connection:
        row = repository.batch_row(connection, 1, batch_id)
        first = orjson.loads(orjson.dumps(repository.progress_json(connection, row, 0, None)))
        assert sorted(first["changed"]["id"]) == sorted(ids)
        assert sorted(first["changed"]["status"]) == ["failed", "queued", "queued"]
        later = repository.progress_json(connection, row, first["revision"], None)
        assert orjson.loads(orjson.dumps(later))["changed"]["id"] == []


def test_the_books_balance_on_postgresql_whatever_happens(tmp_path, postgres_server):
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    class PostgresBooks(Books):
        def __init__(self):
            super().__init__()
            self.store.close()
            self.store = open_store(Home(tmp_path), postgres_server)
            with self.store.write() as connection:
                names = ", ".join(table.name for table in reversed(tables.metadata.sorted_tables))
                connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")

    run_state_machine_as_test(
        PostgresBooks, settings=settings(max_examples=5, stateful_step_count=20, deadline=None)
    )
    assert GRANTED


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://root:secret@host/x", "not supported"),
        ("postgresql://user:secret@127.0.0.1:1/x", "cannot be used"),
        ("postgresql://user:secret@host:port/x", "not valid"),
    ],
)
def test_a_bad_address_is_refused_without_its_password(tmp_path, url, says):
    with pytest.raises(EngineError, match=says) as refusal:
        open_store(Home(tmp_path), url)
    assert "secret" not in str(refusal.value)


# Two engines, a database and an object store


def test_archives_in_s3_are_stored_found_read_signed_and_deleted(bucket, tmp_path):
    archives = open_archives(Home(tmp_path), f"s3://{bucket}/some/prefix/")
    content = os.urandom(9 * 2**20)
    (tmp_path / "a.zip").write_bytes(content)
    assert archives.find("job") is None
    archives.put("job", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
    stored = archives.find("job")
    assert stored is not None
    assert stored.size == len(content)
    assert b"".join(archives.read("job", 100, 5 * 2**20)) == content[100 : 5 * 2**20]
    assert list(archives.job_ids()) == ["job"]
    url = archives.url("job", 60)
    assert url is not None
    part = requests.get(url, headers={"Range": "bytes=10-19"}, timeout=30)
    assert (part.status_code, part.content) == (206, content[10:20])
    assert requests.get(url.partition("?")[0], timeout=30).status_code == 403
    assert pickle.loads(pickle.dumps(archives)).find("job").size == len(content)
    archives.delete(["job", "missing"])
    assert archives.find("job") is None
    with pytest.raises(EngineError, match="cannot be used"):
        open_archives(Home(tmp_path), "s3://no-such-bucket-here")


def test_two_engines_share_a_database_and_a_bucket_and_one_may_die(
    tmp_path, toys, bucket, postgres_url
):
    shared = {"INFINITY_DATABASE": postgres_url, "INFINITY_ARCHIVES": f"s3://{bucket}/x"}
    engines = [
        EngineProcess(tmp_path / name, {**toys, **shared, "INFINITY_HOME": str(tmp_path / name)})
        for name in ("one", "two")
    ]
    try:
        for engine in engines:
            engine.start("--workers", "1")
        with WireClient(engines[0].url, engines[0].token) as client:
            jobs = [{"seconds": 0.2, "random_seed": n} for n in range(12)]
            made = client.submit(*jobs).json()
            client.finished(made["id"], timeout=120)
            slow = client.submit({"seconds": 600.0}, {"seconds": 600.0}).json()
            eventually(
                lambda: (
                    [j["status"] for j in client.summary(slow["id"])["job_runs"]]
                    == ["running", "running"]
                )
            )
        engines[1].kill()
        with WireClient(engines[0].url, engines[0].token) as client:
            # Its job is taken over by the other engine, or waits for it; nothing is lost.
            ended = client.batch(made["id"])
            assert {job["status"] for job in ended["job_runs"]} == {"completed"}
            for job in ended["job_runs"]:
                content = fetch(job["result_url"]).content
                assert hashlib.sha256(content).hexdigest() == job["sha256"]
            client.post(f"/api/batch/{slow['id']}/cancel/")
            assert client.account()["samples_reserved"] == 0
    finally:
        for engine in engines:
            engine.stop()
    with closing(open_store(Home(tmp_path), postgres_url)) as store:
        check_ledger(store)
