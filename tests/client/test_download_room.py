"""Downloads onto nearly full disks, into impossible folders, from servers that hang."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from base_server import TOKEN, BaseServer, zip_of
from downloads import SIZE, assert_whole, big_archive, fetches, submit
from fault_server import FaultServer, dribble, hang

from infinity_frames import RetryPolicy, Session
from infinity_frames.client.download import BatchFolder
from infinity_frames.client.http import Limits
from infinity_frames.protocol import errors

MB = 2**20
JOB_BYTES = 3 * MB


def random_archive(job: dict[str, Any]) -> bytes:
    """3 MB that cannot be compressed."""
    noise = random.Random(job["id"]).randbytes(JOB_BYTES)
    record = json.dumps({"name": job["name"], "params": job["param_values"]}).encode()
    return zip_of({f"{job['id']}/job.json": record, f"{job['id']}/data.bin": noise})


@pytest.fixture(params=[(), ("status",)], ids=["base", "extended"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(extensions=request.param, archive=random_archive) as running:
        yield running


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 22 MB: room for six jobs and one archive."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={22 * MB}", "tmpfs", str(mounted)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True)


class _Usage(NamedTuple):
    free: int


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number of bytes that `tmp_path` may hold, by what ``shutil.disk_usage`` says of it."""
    allowed = [22 * MB]

    def usage(path: Path) -> _Usage:
        used = 0
        for folder, _, names in os.walk(tmp_path):  # folders may vanish meanwhile
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    used += os.stat(os.path.join(folder, name)).st_size
        return _Usage(max(allowed[0] - used, 0))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return allowed


def assert_jobs(folder: Path, jobs: list[str]) -> None:
    for job in jobs:
        data = (folder / job / "data.bin").read_bytes()
        assert data == random.Random(job).randbytes(JOB_BYTES)
    assert list((folder / ".infinity" / "incoming").iterdir()) == []


def test_six_jobs_fit_on_a_nearly_full_disk(server: FaultServer, small_disk: Path) -> None:
    batch = submit(server, 6)
    batch.download(small_disk / "b", quiet=True)
    assert_jobs(small_disk / "b", batch.job_ids)


def test_whole_archives_of_an_earlier_run_do_not_block_each_other(
    server: FaultServer, tmp_path: Path, quota: list[int]
) -> None:
    batch = submit(server, 6)
    # An earlier client left six whole archives, which fill the disk.
    folder = BatchFolder(tmp_path / "b")
    folder.incoming.mkdir(parents=True)
    for job in server.batches[batch.batch_id]["job_runs"]:
        (folder.incoming / f"{job['id']}.zip.part").write_bytes(random_archive(job))
    quota[0] = 6 * JOB_BYTES + 2 * MB
    with pytest.raises(errors.DownloadIncomplete, match="are free") as caught:
        batch.download(tmp_path / "b", quiet=True)
    assert len(caught.value.where["failures"]) <= 2, "five jobs and an archive fit"
    quota[0] += 2 * MB
    batch.download(tmp_path / "b", quiet=True)
    assert_jobs(tmp_path / "b", batch.job_ids)


def test_what_fits_arrives_and_the_rest_is_named(
    server: FaultServer, tmp_path: Path, quota: list[int]
) -> None:
    quota[0] = 10 * MB
    batch = submit(server, 6)
    with pytest.raises(errors.DownloadIncomplete, match="are free") as caught:
        batch.download(tmp_path / "b", quiet=True)
    assert len(caught.value.where["failures"]) == 4
    whole = [job for job in batch.job_ids if (tmp_path / "b" / job).exists()]
    assert len(whole) == 2
    quota[0] = 200 * MB
    batch.download(tmp_path / "b", quiet=True)
    assert_jobs(tmp_path / "b", batch.job_ids)


def test_archives_of_unknown_length_on_a_full_disk(small_disk: Path) -> None:
    class Unsized:
        """A handler that sends no Content-Length."""

        def __init__(self, handler: Any) -> None:
            self._handler = handler

        def send_header(self, name: str, value: str) -> None:
            if name != "Content-Length":
                self._handler.send_header(name, value)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._handler, name)

    def unsized(server: FaultServer, handler: Any, headers: dict[str, str], body: bytes) -> None:
        other: Any = Unsized(handler)
        BaseServer.handle(server, other, headers, body)
        handler.close_connection = True

    with FaultServer(archive=random_archive) as server:
        batch = submit(server, 6)
        server.fail("GET", "/results/", *[unsized] * 6)
        batch.download(small_disk / "b", quiet=True)
        assert_jobs(small_disk / "b", batch.job_ids)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("n" * 300, "300 bytes"),
        ("\N{SNOWMAN}" * 100, "300 bytes"),
        (os.fsdecode(b"caf\xe9"), "not valid UTF-8"),
        ("a\0b", "null character"),
        ("/".join(["deep" * 50] * 20), "too few"),
    ],
)
def test_an_impossible_folder_name_is_refused_before_anything_happens(
    tmp_path: Path, name: str, says: str
) -> None:
    with FaultServer(archive=big_archive) as server:
        session = Session(token=TOKEN, server=server.url)
        with pytest.raises(errors.DownloadError, match=says) as refusal:
            session.jobs([{}]).infinity.run(tmp_path / name, session=session)
        assert str(refusal.value).isascii()
        assert not server.batches, "nothing was submitted"
        batch = submit(server, 2)
        with pytest.raises(errors.DownloadError, match=says):
            batch.download(tmp_path / name, quiet=True)
        assert fetches(server) == 0
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("columns", ["all", "labels"])
@pytest.mark.parametrize("fault", [hang(3), dribble(0.2)], ids=["hangs", "dribbles"])
def test_a_server_that_hangs_costs_its_time_limit_once(
    tmp_path: Path, fault: Any, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = 60
    monkeypatch.setattr("infinity_frames.client.download.fetch.WATCHED", 0.5)
    with FaultServer(archive=big_archive) as server:
        session = Session(
            token=TOKEN, server=server.url, timeout=1, retry=RetryPolicy(attempts=1000)
        )
        session.rest.limits = Limits(connect=1, read=0.5, total=1)
        batch = session.submit([{}] * jobs)
        server.fail("GET", "/results/", *[fault] * 2000)
        with pytest.raises(errors.DownloadIncomplete, match="next to nothing") as caught:
            batch.download(tmp_path, quiet=True, columns=columns)
        assert len(caught.value.where["failures"]) == jobs
        assert fetches(server) <= 3 * 16, "the others were not even requested"
        server.faults.clear()
        batch.download(tmp_path, quiet=True)
        assert_whole(tmp_path, batch.job_ids)


def test_a_server_that_sends_a_little_and_hangs_ends_too(tmp_path: Path) -> None:
    def send_then_hang(server: FaultServer, handler: Any, *_: Any) -> None:
        offset = (
            int(headers.partition("=")[2].rstrip("-"))
            if (headers := handler.headers.get("Range", ""))
            else 0
        )
        content = whole[offset : offset + 20]
        handler.send_response(206 if offset else 200)
        handler.send_header("ETag", '"x"')
        if offset:
            handler.send_header("Content-Range", f"bytes {offset}-{len(whole) - 1}/{len(whole)}")
        handler.send_header("Content-Length", str(len(whole) - offset))
        handler.end_headers()
        handler.wfile.write(content)
        handler.wfile.flush()
        ended.wait(3)
        handler.close_connection = True

    ended = threading.Event()
    with FaultServer(archive=big_archive) as server:
        batch = submit(server, 1)
        whole = big_archive(server.batches[batch.batch_id]["job_runs"][0])
        batch.origin.rest.limits = Limits(connect=1, read=0.3, total=1)
        server.fail("GET", "/results/", *[send_then_hang] * 50)
        with pytest.raises(errors.DownloadIncomplete, match="next to nothing"):
            batch.download(tmp_path, quiet=True)
        ended.set()
        assert fetches(server) <= 10


def test_a_file_changed_in_place_is_fetched_again_on_request(tmp_path: Path) -> None:
    with FaultServer(archive=big_archive) as server:
        batch = submit(server, 3)
        batch.download(tmp_path, quiet=True)
        changed = tmp_path / batch.job_ids[1] / "data.bin"
        with changed.open("r+b") as file:
            file.seek(SIZE // 2)
            file.write(b"?")
        batch.download(tmp_path, quiet=True)
        assert fetches(server) == 3, "its size is right"
        with pytest.warns(UserWarning, match=f"data.bin of job {batch.job_ids[1]}"):
            batch.frame.infinity.download(tmp_path, quiet=True, check=True, session=batch.session)
        assert fetches(server) == 4
        assert_whole(tmp_path, batch.job_ids)
        batch.download(tmp_path, quiet=True, check=True)
        assert fetches(server) == 4
        # Receipts of an earlier version hold no digests: those jobs cannot be checked.
        receipts = tmp_path / ".infinity" / "receipts.jsonl"
        lines = [json.loads(line) for line in receipts.read_text().splitlines()]
        for line in lines:
            del line["digests"]
        receipts.write_text("".join(json.dumps(line) + "\n" for line in lines))
        batch.download(tmp_path, quiet=True)
        assert fetches(server) == 4
        with pytest.warns(UserWarning, match="3 jobs"):
            batch.download(tmp_path, quiet=True, check=True)
        assert fetches(server) == 7


@pytest.mark.parametrize(
    "change",
    [
        {"digests": {"/dev/zero": "0"}},
        {"digests": {"../../outside": "0"}},
        {"digests": {"pipe": "0"}},
        {"digests": ["data.bin"]},
        {"files": ["data.bin"]},
        {"files": {"data.bin": [1]}},
        {"job": ["x"]},
        {"sha256": {}},
        {"more": 1},
    ],
    ids=str,
)
def test_a_strangers_receipts_are_read_with_care(tmp_path: Path, change: dict[str, Any]) -> None:
    with FaultServer(archive=big_archive) as server:
        batch = submit(server, 1)
        results = batch.download(tmp_path, quiet=True)
        os.mkfifo(tmp_path / batch.job_ids[0] / "pipe")
        receipts = tmp_path / ".infinity" / "receipts.jsonl"
        receipts.write_text(json.dumps({**json.loads(receipts.read_text()), **change}) + "\n")
        found = results.infinity.verify(quiet=True)
        changed = found["message"].str.contains("changed since").sum()
        assert changed == ("pipe" in str(change)), found
        batch.download(tmp_path, quiet=True)
        (tmp_path / batch.job_ids[0] / "pipe").unlink(missing_ok=True)
        assert_whole(tmp_path, batch.job_ids)
