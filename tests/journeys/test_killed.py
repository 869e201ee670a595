"""SIGKILL of the client and of the engine at random moments of a batch and its download.

``KILLS=100 pytest tests/journeys/test_killed.py -s`` runs a hundred of each and prints the outcome.
"""

import contextlib
import io
import multiprocessing
import os
import random
import signal
import socket
import sys
import time
import zipfile
from collections import Counter

import pytest
from engine_fixtures import EngineProcess, check_books, eventually
from wire_client import WireClient, fetch

KILLS = int(os.environ.get("KILLS", "6"))
JOBS = 12
LONGEST_ROUND_S = 120
# A guard against a hang only; other tests may take most of the machine meanwhile.
HANGS_AFTER_S = 120 + 30 * KILLS
processes = multiprocessing.get_context("forkserver")
# Imported once by the server that the clients are forked from, since they do not live long.
processes.set_forkserver_preload(["infinity_frames.session", "infinity_frames.data", "pandera"])


GAVE_UP = 75


def patient_client(*given):
    """A client that ends with a code of its own where it was told that the engine is away."""
    from infinity_frames.protocol import errors

    try:
        life_of_a_client(*given)
    except (errors.ServerUnreachable, errors.SubmissionUnknown):
        sys.exit(GAVE_UP)


def life_of_a_client(url, token, name, folder, phase):
    """Submit a batch, wait for it, download it; started again it goes on with the same batch."""
    import infinity_frames as inf

    session = inf.Session("toy-v1.0.0", server=url, token=token)
    jobs = session.jobs(
        [{"seconds": 0.03, "kilobytes": 400, "random_seed": n} for n in range(JOBS)]
    )
    phase.value = b"submit"
    batch = jobs.infinity.submit(name=name, reuse=True)
    phase.value = b"wait"
    batch = batch.infinity.await_completion()
    phase.value = b"download"
    batch.infinity.download(folder, quiet=True)
    phase.value = b"done"


def client_process(engine, name, folder):
    phase = processes.Array("c", len(b"download") + 1, lock=False)
    phase.value = b"start"
    given = (engine.url, engine.token, name, folder, phase)
    child = processes.Process(target=patient_client, args=given)
    child.start()
    return child, phase


def check_nothing_is_lost(engine, name, folder):
    """One batch of that name, all of its jobs done and here whole, and nothing half done."""
    with WireClient(engine.url, engine.token) as wire:
        (listed,) = [one for one in wire.get("/api/batch/").json() if one["name"] == name]
        jobs = wire.batch(listed["id"])["job_runs"]
    assert [job["seed"] for job in jobs] == list(range(JOBS))
    for job in jobs:
        assert job["status"] == "completed", job["error"]
        with zipfile.ZipFile(io.BytesIO(fetch(job["result_url"]).content)) as archive:
            for member in archive.namelist():
                assert (folder / member).read_bytes() == archive.read(member)
    assert {path.name for path in folder.iterdir()} == {
        ".infinity",
        "batch.json",
        *(job["id"] for job in jobs),
    }
    assert not [path for path in (folder / ".infinity").rglob("*") if path.suffix == ".part"]


class EngineAtPort(EngineProcess):
    """An engine that is started at one port again and again."""

    port = "0"


@pytest.fixture
def engine(tmp_path, toys):
    made = EngineAtPort(tmp_path / "home", toys)
    with socket.create_server(("127.0.0.1", 0)) as free:
        made.port = str(free.getsockname()[1])
    yield made
    made.stop()


def start(engine):
    # The port of an engine that was killed may be taken for a moment by what it left open.
    eventually(lambda: _started(engine))


def _started(engine):
    with contextlib.suppress(AssertionError):
        return engine.start("--workers", "2", "--port", engine.port)
    engine.stop()
    return None


@pytest.mark.slow
@pytest.mark.timeout(HANGS_AFTER_S)
def test_a_client_killed_at_any_moment_loses_nothing(engine, tmp_path):
    start(engine)
    rng = random.Random(0)
    kills: Counter[str] = Counter()
    rounds, longest = 0, 1.0
    while kills.total() < KILLS:
        name, folder = f"round {rounds}", tmp_path / f"round-{rounds}"
        rounds += 1
        while True:
            child, phase = client_process(engine, name, folder)
            while phase.value == b"start" and child.exitcode is None:
                time.sleep(0.001)
            began = time.monotonic()
            child.join(rng.uniform(0.0, longest) if kills.total() < KILLS else None)
            if child.exitcode is not None:
                assert child.exitcode == 0
                longest = time.monotonic() - began
                break
            child.kill()
            child.join()
            kills[phase.value.decode()] += 1
        check_nothing_is_lost(engine, name, folder)
    check_books(engine.home)
    print(f"\n{kills.total()} kills of a client ({dict(kills)}), {rounds} batches, nothing lost")


@pytest.mark.slow
@pytest.mark.timeout(HANGS_AFTER_S)
def test_an_engine_killed_at_any_moment_loses_nothing(engine, tmp_path):
    start(engine)
    rng = random.Random(1)
    kills: Counter[str] = Counter()
    rounds, told = 0, 0
    began = time.monotonic()
    child, _ = client_process(engine, "undisturbed", tmp_path / "undisturbed")
    child.join()
    # Engines that never live long enough to get to work would prove little.
    longest = time.monotonic() - began
    while kills.total() < KILLS:
        name, folder = f"round {rounds}", tmp_path / f"round-{rounds}"
        rounds += 1
        child, phase = client_process(engine, name, folder)
        while True:
            child.join(rng.uniform(0.0, longest) if kills.total() < KILLS else LONGEST_ROUND_S)
            if child.exitcode == 0:
                break
            if child.exitcode is not None:
                assert child.exitcode == GAVE_UP
                told += 1
                child, phase = client_process(engine, name, folder)
                continue
            assert kills.total() < KILLS, "the client does not end"
            kills[phase.value.decode()] += 1
            engine.process.send_signal(signal.SIGKILL)
            engine.process.wait()
            engine.stop()
            check_books(engine.home)
            start(engine)
        check_nothing_is_lost(engine, name, folder)
    check_books(engine.home)
    print(
        f"\n{kills.total()} kills of the engine ({dict(kills)}), {rounds} batches, nothing lost; "
        f"a client was told {told} times that the engine is away, and run again"
    )
