"""Jobs on a real Dask cluster: limits, cancel, versions, secrets, lost nodes and schedulers."""

import hashlib
import json
import zipfile
from contextlib import closing, contextmanager
from io import BytesIO

import pytest
from dask_cluster import DaskCluster
from engine_fixtures import EngineProcess, check_books, eventually
from ledger_machine import check_ledger
from postgres import postgres_server, postgres_url
from s3_server import bucket, s3
from wire_client import WireClient, fetch

from infinity_frames.engine.service.archives import open_archives
from infinity_frames.engine.service.stores import open_store
from infinity_frames.io.home import Home

__all__ = ["bucket", "postgres_server", "postgres_url", "s3"]

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


@contextmanager
def engine_on(cluster, tmp_path, toys, *arguments, **environment):
    """An engine that renders on a cluster, and a client of it."""
    engine = EngineProcess(tmp_path / "home", {**toys, **environment})
    try:
        engine.start("--runner", cluster.runner, *arguments)
        with WireClient(engine.url, engine.token) as client:
            yield engine, client
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, toys):
    """A scheduler with two nodes that tests share."""
    made = DaskCluster(tmp_path_factory.mktemp("dask"), toys)
    try:
        made.start_scheduler().start_worker("a").start_worker("b")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def shared(cluster, tmp_path_factory, toys):
    """An engine on that cluster, with limits."""
    folder = tmp_path_factory.mktemp("engine-on-dask")
    limits = ("--job-timeout", "4", "--job-memory", "500")
    with engine_on(cluster, folder, toys, *limits) as made:
        yield made


def archive(job):
    """The files of a job's archive, whose digest must be the recorded one."""
    content = fetch(job["result_url"]).content
    assert hashlib.sha256(content).hexdigest() == job["sha256"]
    with zipfile.ZipFile(BytesIO(content)) as packed:
        return {name.partition("/")[2]: packed.read(name) for name in packed.namelist()}


def test_jobs_render_on_the_nodes_as_on_this_machine(shared, client):
    jobs = [{"frames": 4, "random_seed": number} for number in range(5)]
    _, remote = shared
    there = remote.finished(remote.submit(*jobs).json()["id"], timeout=120)
    here = client.finished(client.submit(*jobs).json()["id"])
    assert {job["status"] for job in there["job_runs"]} == {"completed"}
    for ours, theirs in zip(here["job_runs"], there["job_runs"], strict=True):
        ours, theirs = (archive(job) for job in (ours, theirs))
        assert ours["video.mp4"] == theirs["video.mp4"]
        draws = [json.loads(files["labels.json"])["draws"] for files in (ours, theirs)]
        assert draws[0] == draws[1]


def test_jobs_that_fail_crash_hang_or_take_too_much_memory_cost_only_themselves(shared):
    engine, client = shared
    wrong = ["raise", "die", "hang", "hoard", "full"]
    made = client.submit(*({"behaviour": name} for name in wrong), {"frames": 2}).json()
    ended = client.finished(made["id"], timeout=200)["job_runs"]
    assert [job["status"] for job in ended] == ["failed"] * 5 + ["completed"]
    reasons = ["the toy broke", "died with exit code 9", "longer than its limit", "more memory"]
    for job, reason in zip(ended, reasons, strict=False):
        assert reason in job["error"]
    check_books(engine.home)


def test_cancel_stops_the_child_process_and_leaves_no_archive(shared):
    import psutil

    engine, client = shared
    made = client.submit({"seconds": 3.0}, {"seconds": 3.0}).json()
    eventually(
        lambda: [j["status"] for j in client.summary(made["id"])["job_runs"]] == ["running"] * 2,
        timeout=60,
    )
    client.post(f"/api/batch/{made['id']}/cancel/")
    # The nodes are free for other jobs long before the cancelled ones would have ended.
    client.finished(client.submit({"frames": 1}).json()["id"], timeout=60)
    ids = {job["id"] for job in client.summary(made["id"])["job_runs"]}
    stored = {path.stem for path in (engine.home / "results").glob("*.zip")}
    assert not ids & stored
    assert client.account()["samples_reserved"] in (0, None)
    assert psutil.pid_exists(engine.process.pid)
    check_books(engine.home)


def test_a_node_without_the_generator_is_named_and_gets_no_jobs(cluster, shared):
    _, client = shared
    cluster.start_worker("bare", PYTHONPATH="")
    try:
        eventually(lambda: client.get("/health").json()["message"], timeout=60)
        message = client.get("/health").json()["message"]
        assert "toys is not installed, the engine has 1.0" in message
        jobs = [{"frames": 1} for _ in range(4)]
        ended = client.finished(client.submit(*jobs).json()["id"], timeout=60)
        assert {job["status"] for job in ended["job_runs"]} == {"completed"}
    finally:
        cluster.kill_worker("bare")


def test_an_unreachable_scheduler_and_a_wrong_address_are_refused(idle_engine):
    for runner, reason in [
        ("dask://127.0.0.1:1", "cannot be reached"),
        ("dask://127.0.0.1", "not the address of a runner"),
        ("ray://127.0.0.1:1", "not the address of a runner"),
    ]:
        refused = idle_engine.command("serve", "--runner", runner)
        assert refused.returncode == 1
        assert reason in refused.stderr
        assert "Traceback" not in refused.stderr


def test_nothing_is_lost_when_a_node_and_the_scheduler_die_and_no_secret_reaches_a_node(
    tmp_path, toys, bucket, postgres_url
):
    cluster = DaskCluster(tmp_path / "dask", toys).start_scheduler()
    shared = {"INFINITY_DATABASE": postgres_url, "INFINITY_ARCHIVES": f"s3://{bucket}/x"}
    with closing(cluster), engine_on(cluster, tmp_path, toys, **shared) as (engine, client):
        for name in ("a", "b", "c"):
            cluster.start_worker(name)
        slow = [{"seconds": 2.0, "random_seed": number} for number in range(9)]
        made = client.submit(*slow, {"behaviour": "environment"}).json()

        def count(status):
            return [j["status"] for j in client.summary(made["id"])["job_runs"]].count(status)

        eventually(lambda: count("running") == 3, timeout=90)
        cluster.kill_worker("a")
        eventually(lambda: count("completed") >= 3, timeout=90)
        cluster.kill_scheduler()
        cluster.start_scheduler()
        # Dask workers end with their scheduler; what runs them starts them again.
        for name in ("d", "e"):
            cluster.start_worker(name)
        ended = client.finished(made["id"], timeout=200)["job_runs"]
        assert [job["status"] for job in ended] == ["completed"] * 10, cluster.log()
        labels = [json.loads(archive(job)["labels.json"]) for job in ended]
        seen = json.dumps(labels[-1]["environment"])
        for secret in (engine.token, postgres_url, "test-secret"):
            assert secret not in seen
        stored = open_archives(Home(tmp_path), f"s3://{bucket}/x").job_ids()
        assert set(stored) == {job["id"] for job in ended}
    with closing(open_store(Home(tmp_path), postgres_url)) as store:
        check_ledger(store)
