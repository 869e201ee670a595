"""Downloads killed, interrupted, run twice at once: what had arrived is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from base_server import TOKEN, BaseServer, archive_of
from downloads import assert_whole, big_archive, fetches, impatient, submit
from fault_server import FaultServer, cut_after, drop

from infinity_frames import Batch
from infinity_frames.protocol import errors


@pytest.fixture
def base() -> Iterator[FaultServer]:
    with FaultServer(archive=big_archive) as running:
        yield running


CHILD = """
import signal
from infinity_frames import Session
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's job ignores it
session = Session(token={token!r}, server={url!r})
session.batch_from_api({batch!r}).download({path!r}, quiet=True)
print("done")
"""


def child(batch: Batch, server: BaseServer, path: Path) -> subprocess.Popen[str]:
    code = CHILD.format(token=TOKEN, url=server.url, batch=batch.batch_id, path=str(path))
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def slow_body(server: FaultServer) -> Callable[..., None]:
    def send(handler: Any, content: bytes) -> None:
        for at in range(0, len(content), 20_000):
            handler.wfile.write(content[at : at + 20_000])
            time.sleep(0.05)

    return send


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_stopped_in_the_middle_it_goes_on_where_it_was(
    base: FaultServer, tmp_path: Path, number: int
) -> None:
    batch = submit(base, 2)
    base.send_body = slow_body(base)  # type: ignore[method-assign]
    process = child(batch, base, tmp_path)
    parts = [tmp_path / ".infinity" / "incoming" / f"{job}.zip.part" for job in batch.job_ids]
    while not all(part.exists() and part.stat().st_size > 100_000 for part in parts):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    started = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=10)
    assert time.monotonic() - started < 1.5
    assert process.returncode != 0
    assert not any((tmp_path / job).exists() for job in batch.job_ids)
    if number == signal.SIGINT:
        assert said.rstrip().endswith("KeyboardInterrupt")
    del base.send_body
    before = len(base.requests)
    results = batch.download(tmp_path, quiet=True)
    assert len(results) == 2
    assert_whole(tmp_path, batch.job_ids)
    resumed = [r for r in base.requests[before:] if r[1].startswith("/results/")]
    assert all(int(r[2]["range"][6:-1]) > 100_000 for r in resumed)


def test_ctrl_c_ends_a_download_from_a_server_that_hangs(base: FaultServer, tmp_path: Path) -> None:
    hanging = threading.Semaphore(0)

    def half(handler: Any, content: bytes) -> None:
        handler.wfile.write(content[: len(content) // 2])
        hanging.release()
        time.sleep(30)

    batch = submit(base, 2)
    base.send_body = half  # type: ignore[method-assign]
    process = child(batch, base, tmp_path)
    assert all(hanging.acquire(timeout=20) for _ in batch.job_ids)
    time.sleep(0.3)
    assert process.poll() is None, process.communicate()
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - started < 1.5


def test_killed_between_arrival_and_unpacking_nothing_is_fetched_twice(
    base: FaultServer, tmp_path: Path
) -> None:
    batch = submit(base, 1)
    job = batch.job_ids[0]
    whole = big_archive(base.job(job))
    base.fail("GET", "/results/", cut_after(len(whole) - 1), *[drop] * 9)
    with pytest.raises(errors.DownloadIncomplete):
        impatient(batch, tmp_path)
    base.faults.clear()
    part = tmp_path / ".infinity" / "incoming" / f"{job}.zip.part"
    part.write_bytes(whole)  # as a process leaves it that dies after the last byte
    sent: list[int] = []
    base.send_body = lambda handler, content: sent.append(len(content))  # type: ignore[method-assign]
    batch.download(tmp_path, quiet=True)
    assert sent == []
    assert_whole(tmp_path, batch.job_ids)


def test_killed_while_replacing_the_old_results_come_back(
    base: FaultServer, tmp_path: Path
) -> None:
    batch = submit(base, 1)
    batch.download(tmp_path, quiet=True)
    job = batch.job_ids[0]
    aside = tmp_path / ".infinity" / "replaced"
    aside.mkdir()
    (tmp_path / job).rename(aside / job)  # as a process leaves it that dies between two renames
    batch.download(tmp_path, quiet=True)
    assert fetches(base) == 1
    assert_whole(tmp_path, batch.job_ids)


def test_a_torn_receipt_costs_one_job_only(base: FaultServer, tmp_path: Path) -> None:
    batch = submit(base, 2)
    batch.download(tmp_path, quiet=True)
    receipts = tmp_path / ".infinity" / "receipts.jsonl"
    receipts.write_bytes(receipts.read_bytes()[:-20])
    for expected in (3, 3):
        batch.download(tmp_path, quiet=True)
        assert fetches(base) == expected
    assert_whole(tmp_path, batch.job_ids)


def test_two_processes_share_the_work_without_harm(base: FaultServer, tmp_path: Path) -> None:
    batch = submit(base, 6)
    base.latency = 0.05
    processes = [child(batch, base, tmp_path) for _ in range(2)]
    for process in processes:
        out, said = process.communicate(timeout=60)
        assert out == "done\n", said
    assert fetches(base) == 6
    assert_whole(tmp_path, batch.job_ids)


def test_downloads_run_at_the_same_time(base: FaultServer, tmp_path: Path) -> None:
    base.archive = archive_of
    batch = submit(base, 32)
    most, now, lock = [0], [0], threading.Lock()
    send = base.send_body

    def counted(handler: Any, content: bytes) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        send(handler, content)

    base.send_body = counted  # type: ignore[method-assign]
    batch.download(tmp_path, quiet=True)
    assert 4 <= most[0] <= 16
