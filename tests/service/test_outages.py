"""Faults of everything around two engines: nothing is lost, nothing done twice, nothing half."""

import hashlib
import time
import zipfile
from contextlib import closing
from io import BytesIO

import pytest
import requests
from engine_fixtures import EngineProcess, eventually
from postgres import PostgresServer
from s3_server import READ_ONLY, S3Server
from test_shared_store import check_ledger
from wire_client import WireClient, fetch

from infinity_frames.engine.service.archives import open_archives
from infinity_frames.engine.service.stores import open_store
from infinity_frames.io.home import Home

pytest.importorskip("obstore")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("outage_s", [3.0, 20.0])
def test_crashes_of_database_object_store_and_engine_lose_nothing(
    tmp_path, toys, monkeypatch, outage_s
):
    database = PostgresServer()
    (tmp_path / "s3").mkdir()
    store = S3Server(tmp_path / "s3").start()
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    archives = f"s3://{store.make_bucket()}/x"
    shared = {"INFINITY_DATABASE": database.url, "INFINITY_ARCHIVES": archives}
    engines = [
        EngineProcess(tmp_path / name, {**toys, **shared, "INFINITY_HOME": str(tmp_path / name)})
        for name in ("one", "two")
    ]
    faults = 0
    try:
        for engine in engines:
            engine.start("--workers", "1")
        with WireClient(engines[0].url, engines[0].token) as client:
            jobs = [{"seconds": 0.3, "random_seed": number} for number in range(16)]
            made = client.submit(*jobs).json()

            def count(*statuses):
                summary = client.summary(made["id"])["job_runs"]
                return sum(job["status"] in statuses for job in summary)

            eventually(lambda: count("completed") >= 1, timeout=90)
            database.crash()
            faults += 1
            refused = requests.get(
                f"{engines[0].url}/api/batch/{made['id']}/summary/",
                headers={"Authorization": f"Token {engines[0].token}"},
                timeout=60,
            )
            assert refused.status_code == 503
            time.sleep(outage_s)
            database.come_back()
            done = eventually(lambda: count("completed"), timeout=90)
            store.kill()
            store.start(READ_ONLY)
            faults += 1
            eventually(lambda: client.summary(made["id"])["message"], timeout=90)
            store.kill()
            faults += 1
            engines[1].kill()
            faults += 1
            time.sleep(min(outage_s, 3.0))
            store.start()
            engines[1].start("--workers", "1")
            assert count("completed") >= done
            ended = client.finished(made["id"], timeout=200)["job_runs"]
            assert [job["status"] for job in ended] == ["completed"] * 16
            for job in ended:
                content = fetch(job["result_url"]).content
                assert hashlib.sha256(content).hexdigest() == job["sha256"]
                assert zipfile.ZipFile(BytesIO(content)).testzip() is None
            assert client.account()["samples_reserved"] == 0
        found = list(open_archives(Home(tmp_path), archives).job_ids())
        assert sorted(found) == sorted(job["id"] for job in ended)
        with closing(open_store(Home(tmp_path), database.url)) as opened:
            check_ledger(opened)
        assert faults == 4
    finally:
        for engine in engines:
            engine.stop()
        store.kill()
        database.close()
