"""Downloads of labels without videos, by range requests, against real sockets and a real disk."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from base_server import TOKEN, BaseServer, zip_of
from downloads import submit
from fault_server import FaultServer, alter, answer, cut_after, drop, ignore_range

from infinity_frames import Session
from infinity_frames.protocol import errors

VIDEO_BYTES = 900_000
# Larger than a request for the end of the archive, so that it takes requests of its own.
SERIES_BYTES = 300_000


def archive(job: dict[str, Any]) -> bytes:
    """An archive whose labels lie before and behind a video, which does not shrink."""
    noise = random.Random(job["id"])
    about = json.dumps({"name": job["name"], "params": job["param_values"]}).encode()
    return zip_of(
        {
            f"{job['id']}/data.csv": b"time\n" + noise.randbytes(SERIES_BYTES // 2).hex().encode(),
            f"{job['id']}/job.json": about,
            f"{job['id']}/video.mp4": noise.randbytes(VIDEO_BYTES),
            f"{job['id']}/labels/extra.parquet": noise.randbytes(500),
            f"{job['id']}/video.png": noise.randbytes(500),
        }
    )


LABELS = {"data.csv", "job.json", "labels/extra.parquet"}
ALL = LABELS | {"video.mp4", "video.png"}


@pytest.fixture(params=[(), ("status", "tags", "idempotency")], ids=["base", "extended"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with CountingServer(extensions=request.param, archive=archive) as running:
        yield running


class CountingServer(FaultServer):
    """Counts the bytes of archives that it sends."""

    sent = 0

    def send_body(self, handler: Any, content: bytes) -> None:
        self.sent += len(content)
        super().send_body(handler, content)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_labels_arrive_without_videos_and_the_rest_later(server: Any, tmp_path: Path) -> None:
    batch = submit(server)
    results = batch.download(tmp_path / "b", quiet=True, columns="labels")
    assert results["job_id"].tolist() == batch.job_ids
    assert results["num_reps"].tolist() == [1, 2, 3]
    assert results["video"].isna().all()
    assert all(files(tmp_path / "b" / job) == LABELS for job in batch.job_ids)
    assert server.sent < 3 * (SERIES_BYTES + 70_000)
    before = server.sent
    batch.download(tmp_path / "b", quiet=True, columns="labels", check=True)
    assert server.sent == before
    batch.download(tmp_path / "b", quiet=True)
    batch.download(tmp_path / "whole", quiet=True)
    for job in batch.job_ids:
        assert files(tmp_path / "b" / job) == ALL
        for name in ALL:
            one, other = (tmp_path / folder / job / name for folder in ("b", "whole"))
            assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_here_whole_stays_whole(server: Any, tmp_path: Path, overwrite: bool) -> None:
    batch = submit(server)
    batch.download(tmp_path, quiet=True)
    batch.download(tmp_path, quiet=True, columns="labels", overwrite=overwrite)
    assert all(files(tmp_path / job) == ALL for job in batch.job_ids)


def test_files_of_the_user_survive_the_rest(server: Any, tmp_path: Path) -> None:
    batch = submit(server, 1)
    batch.download(tmp_path, quiet=True, columns="labels")
    (tmp_path / batch.job_ids[0] / "notes.txt").write_text("mine")
    batch.download(tmp_path, quiet=True)
    assert files(tmp_path / batch.job_ids[0]) == {*ALL, "notes.txt"}


def test_a_server_without_ranges_sends_whole_archives(server: Any, tmp_path: Path) -> None:
    batch = submit(server)
    server.fail("GET", "/results/", *[ignore_range] * 6)
    batch.download(tmp_path, quiet=True, columns="labels")
    assert all(files(tmp_path / job) == ALL for job in batch.job_ids)


@pytest.mark.parametrize("fault", [drop, cut_after(1000), answer(503, {}), answer(403, {})])
def test_a_broken_range_is_requested_again(server: Any, tmp_path: Path, fault: Any) -> None:
    batch = submit(server)
    server.fail("GET", "/results/", fault, fault)
    batch.download(tmp_path, quiet=True, columns="labels")
    assert all(files(tmp_path / job) == LABELS for job in batch.job_ids)


def test_an_altered_range_is_an_error_of_its_own_job(server: Any, tmp_path: Path) -> None:
    batch = submit(server, 1)
    server.fail("GET", "/results/", BaseServer.handle, alter)
    with pytest.raises(errors.DownloadIncomplete) as caught:
        batch.download(tmp_path, quiet=True, columns="labels")
    assert caught.value.where["failures"]["job_id"].tolist() == batch.job_ids
    assert not (tmp_path / batch.job_ids[0]).exists()
    batch.download(tmp_path, quiet=True, columns="labels")
    assert files(tmp_path / batch.job_ids[0]) == LABELS


def test_other_words_are_refused(server: Any, tmp_path: Path) -> None:
    batch = submit(server)
    with pytest.raises(errors.DownloadError, match="neither 'all' nor 'labels'"):
        batch.download(tmp_path / "b", quiet=True, columns="masks")
    assert not (tmp_path / "b").exists()


def test_an_archive_of_labels_alone_is_the_same_as_whole(tmp_path: Path) -> None:
    def small(job: dict[str, Any]) -> bytes:
        return zip_of({f"{job['id']}/job.json": orjson.dumps({"name": job["name"]})})

    with FaultServer(archive=small) as running:
        session = Session(token=TOKEN, server=running.url)
        batch = session.submit(pd.DataFrame({"num_reps": [1]}))
        batch.download(tmp_path, quiet=True, columns="labels")
        assert files(tmp_path / batch.job_ids[0]) == {"job.json"}
