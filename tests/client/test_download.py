"""Downloads against real sockets and a real disk: whole jobs or none, whatever breaks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from base_server import TEST_GENERATOR, TOKEN, BaseServer
from downloads import SIZE, assert_whole, big_archive, fetches, impatient, submit
from fault_server import FaultServer, alter, answer, cut_after, dribble, drop, hang

from infinity_frames import Session
from infinity_frames.batch import download_frame
from infinity_frames.client.download import fetch
from infinity_frames.protocol import errors


@pytest.fixture(params=[(), ("status", "tags", "idempotency")], ids=["base", "extended"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(extensions=request.param, archive=big_archive) as running:
        yield running


@pytest.fixture
def base() -> Iterator[FaultServer]:
    with FaultServer(archive=big_archive) as running:
        yield running


def test_a_batch_arrives_whole_and_once(server: FaultServer, tmp_path: Path) -> None:
    batch = submit(server)
    results = batch.download(tmp_path / "b", quiet=True)
    assert_whole(tmp_path / "b", batch.job_ids)
    assert results["job_id"].tolist() == batch.job_ids
    assert results["num_reps"].tolist() == [1, 2, 3]
    assert results["status"].tolist() == ["completed"] * 3
    assert results["path"].tolist() == [str(tmp_path / "b" / job) for job in batch.job_ids]
    assert fetches(server) == 3
    batch.download(tmp_path / "b", quiet=True)
    assert fetches(server) == 3


def test_the_record_says_everything_but_secrets(server: FaultServer, tmp_path: Path) -> None:
    session = Session(token=TOKEN, server=server.url)
    jobs = pd.DataFrame({"num_reps": [1, 2], "tag_fold": ["a", "b"]})
    batch = session.submit(jobs, batch_name="n")
    batch.download(tmp_path, quiet=True)
    record = orjson.loads((tmp_path / "batch.json").read_bytes())
    assert record["format"] == 1
    assert record["id"] == batch.batch_id
    assert record["server"] == server.url
    assert record["generator"] == TEST_GENERATOR.name
    assert [job["tags"] for job in record["job_runs"]] == [{"fold": "a"}, {"fold": "b"}]
    assert [job["status"] for job in record["job_runs"]] == ["completed"] * 2
    assert record["job_runs"][1]["param_values"]["num_reps"] == 2
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN.encode() not in everything
    assert b"/results/" not in everything
    # Taken up in another process, a server without tags does not make them vanish.
    again = session.batch_from_api(batch.batch_id).download(tmp_path, quiet=True)
    assert again["tag_fold"].tolist() == ["a", "b"]


def test_only_the_rows_asked_for_are_fetched(server: FaultServer, tmp_path: Path) -> None:
    batch = submit(server)
    frame = batch.frame.query("num_reps == 2")
    results = download_frame(frame, tmp_path, batch.session, quiet=True)
    assert results["job_id"].tolist() == [batch.job_ids[1]]
    assert fetches(server) == 1
    batch.download(tmp_path, quiet=True)
    assert fetches(server) == 3


def test_several_batches_get_a_folder_each(server: FaultServer, tmp_path: Path) -> None:
    first, second = submit(server, 1), submit(server, 2)
    frame = pd.concat([first.frame, second.frame], ignore_index=True)
    results = download_frame(frame, tmp_path, first.session, quiet=True)
    assert set(results["job_id"]) == {*first.job_ids, *second.job_ids}
    assert_whole(tmp_path / first.batch_id, first.job_ids)
    assert_whole(tmp_path / second.batch_id, second.job_ids)
    second.download(tmp_path, quiet=True)  # alone it goes on in its own folder
    assert fetches(server) == 3
    with pytest.raises(errors.DownloadError, match="folder of one batch"):
        download_frame(frame, tmp_path / first.batch_id, first.session, quiet=True)


def test_another_batch_or_a_file_in_the_way_is_refused(server: FaultServer, tmp_path: Path) -> None:
    first, second = submit(server, 1), submit(server, 1)
    first.download(tmp_path / "b", quiet=True)
    before = sorted(path.name for path in (tmp_path / "b").iterdir())
    for overwrite in (False, True):
        with pytest.raises(errors.DownloadError, match=first.batch_id):
            second.download(tmp_path / "b", overwrite=overwrite, quiet=True)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(errors.DownloadError, match="is a file"):
        second.download(tmp_path / "file", quiet=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "batch.json").write_text("[1]")
    with pytest.raises(errors.DownloadError, match="not a batch record"):
        second.download(tmp_path / "c", quiet=True)


def test_a_folder_that_cannot_be_written_is_named(base: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(errors.DownloadError, match="cannot be written"):
        submit(base).download(tmp_path / "file" / "b", quiet=True)


def test_overwrite_fetches_again_and_keeps_what_is_the_users(
    server: FaultServer, tmp_path: Path
) -> None:
    batch = submit(server)
    batch.download(tmp_path, quiet=True)
    job = batch.job_ids[0]
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / job / "sub").mkdir()
    (tmp_path / job / "sub" / "notes.txt").write_text("mine too")
    (tmp_path / job / "data.bin").write_text("spoilt")
    batch.download(tmp_path, overwrite=True, quiet=True)
    assert fetches(server) == 6
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / job / "sub" / "notes.txt").read_text() == "mine too"
    assert (tmp_path / job / "data.bin").stat().st_size == SIZE


def test_a_job_that_lost_a_file_is_not_taken_for_complete(
    server: FaultServer, tmp_path: Path
) -> None:
    batch = submit(server)
    batch.download(tmp_path, quiet=True)
    (tmp_path / batch.job_ids[0] / "data.bin").unlink()
    (tmp_path / batch.job_ids[1] / "data.bin").write_text("cut")
    batch.download(tmp_path, quiet=True)
    assert fetches(server) == 5
    assert_whole(tmp_path, batch.job_ids)


def test_a_half_extracted_folder_of_another_tool_is_not_taken_for_complete(
    base: FaultServer, tmp_path: Path
) -> None:
    batch = submit(base)
    (tmp_path / batch.job_ids[0]).mkdir(parents=True)
    (tmp_path / batch.job_ids[0] / "data.bin").write_text("half")
    batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, batch.job_ids)


def test_failed_and_unfinished_jobs_are_rows_and_said(server: FaultServer, tmp_path: Path) -> None:
    batch = submit(server)
    failed, running, fine = batch.job_ids
    server.failing[failed] = "The renderer died."
    server.unfinished.add(running)
    with pytest.warns(UserWarning, match="1 of 3 jobs have not finished"):
        results = batch.download(tmp_path, quiet=True)
    states = dict(zip(results["job_id"], results["status"], strict=True))
    assert states == {failed: "failed", running: "running", fine: "completed"}
    assert fetches(server) == 1
    server.unfinished.clear()
    results = batch.download(tmp_path, quiet=True)
    assert results["status"].tolist() == ["failed", "completed", "completed"]
    assert fetches(server) == 2


def test_nothing_finished_is_no_success(base: FaultServer, tmp_path: Path) -> None:
    batch = submit(base)
    base.unfinished.update(batch.job_ids)
    with pytest.warns(UserWarning, match="3 of 3 jobs have not finished"):
        results = batch.download(tmp_path, quiet=True)
    assert results["status"].tolist() == ["running"] * 3


# Broken connections


@pytest.mark.parametrize(
    "faults",
    [
        [drop, drop],
        [cut_after(100_000), cut_after(100_000)],
        [answer(503, {}, Retry_After="0"), answer(500, {})],
        [answer(403, {"detail": "Expired."})],
        [hang(3)],
    ],
    ids=["drop", "cut", "busy", "expired", "hang"],
)
def test_a_broken_transfer_is_gone_on_with(
    server: FaultServer, tmp_path: Path, faults: list[Any]
) -> None:
    batch = submit(server, 1)
    server.fail("GET", "/results/", *faults)
    batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, batch.job_ids)
    assert server.faults == []


def test_a_server_that_dribbles_is_hung_up_on_and_asked_for_the_rest(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "WATCHED", 0.2)
    monkeypatch.setattr(fetch, "SLOWEST", 10_000_000)
    batch = submit(server, 1)
    server.fail("GET", "/results/", dribble(0.05))
    batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, batch.job_ids)
    first, second = [asked for _, path, asked, _ in server.requests if "/results/" in path]
    assert "range" not in first
    assert second["range"].startswith("bytes=")


def test_a_cut_loses_nothing_that_had_arrived(base: FaultServer, tmp_path: Path) -> None:
    batch = submit(base, 1)
    base.fail("GET", "/results/", cut_after(200_000))
    batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, batch.job_ids)
    last = base.requests[-1][2]
    assert last["range"] == "bytes=200000-"
    assert last["if-range"].startswith('"')
    assert "authorization" not in last


def test_a_result_that_changed_is_not_joined_to_an_old_piece(
    base: FaultServer, tmp_path: Path
) -> None:
    batch = submit(base, 1)
    base.fail("GET", "/results/", cut_after(100_000), *[drop] * 9)
    with pytest.raises(errors.DownloadIncomplete):
        impatient(batch, tmp_path)
    base.faults.clear()
    changed = {**base.job(batch.job_ids[0])}
    old = base.archive
    base.archive = lambda job: old({**job, "param_values": {"num_reps": 20}})
    batch.download(tmp_path, quiet=True)
    body = json.loads((tmp_path / changed["id"] / "job.json").read_text())
    assert body["params"] == {"num_reps": 20}
    assert_whole(tmp_path, batch.job_ids)


def test_an_altered_archive_is_never_unpacked(tmp_path: Path) -> None:
    with FaultServer(extensions=("status",), archive=big_archive) as server:
        batch = submit(server, 1)
        server.fail("GET", "/results/", alter)
        batch.download(tmp_path / "once", quiet=True)
        assert_whole(tmp_path / "once", batch.job_ids)
        server.fail("GET", "/results/", alter, alter)
        with pytest.raises(errors.DownloadIncomplete, match="does not have the checksum"):
            batch.download(tmp_path / "twice", quiet=True)
        assert not (tmp_path / "twice" / batch.job_ids[0]).exists()


def test_what_failed_is_named_after_everything_else_is_safe(
    server: FaultServer, tmp_path: Path
) -> None:
    batch = submit(server)
    bad = batch.job_ids[1]
    good = [batch.job_ids[0], batch.job_ids[2]]
    (tmp_path / "mine.txt").write_text("mine")
    whole = server.archive
    server.archive = lambda job: whole(job)[:-30] if job["id"] == bad else whole(job)
    with pytest.raises(errors.DownloadIncomplete, match=bad) as caught:
        batch.download(tmp_path, quiet=True)
    failures, results = caught.value.where["failures"], caught.value.where["results"]
    assert failures["job_id"].tolist() == [bad]
    assert failures["batch_id"].tolist() == [batch.batch_id]
    assert "not a complete zip" in failures["reason"][0]
    assert set(good) <= set(results["job_id"])
    assert_whole(tmp_path, good)
    assert not (tmp_path / bad).exists()
    assert (tmp_path / "mine.txt").read_text() == "mine"
    server.archive = whole
    batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, batch.job_ids)


def test_a_server_that_restarts_elsewhere_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = BaseServer(archive=big_archive).start()
    batch = submit(first)
    second = BaseServer(archive=big_archive)
    second.batches, second.permits = first.batches, {}
    rest = batch.origin.rest
    data = rest.batch(batch.batch_id)
    first.stop()
    rest._http.close()
    with second:
        rest._locate = lambda: second.url
        # The batch as it was told before the restart: its URLs name the old port.
        told = iter([data])
        ask = rest.batch
        monkeypatch.setattr(rest, "batch", lambda batch_id: next(told, None) or ask(batch_id))
        batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, batch.job_ids)


def test_a_result_that_goes_while_it_is_fetched_is_named(base: FaultServer, tmp_path: Path) -> None:
    def forget(server: FaultServer, handler: Any, *_: Any) -> None:
        server.failing[gone] = "Deleted."
        server.send_json(handler, 410, {"detail": "Gone."})

    batch = submit(base, 2)
    gone, kept = batch.job_ids
    base.fail("GET", base.permit(gone).removeprefix(base.url), forget)
    with pytest.raises(errors.DownloadIncomplete, match=f"no archive of job {gone} any more"):
        batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, [kept])


def test_a_wait_longer_than_the_limit_is_named_and_not_begun(
    base: FaultServer, tmp_path: Path
) -> None:
    batch = submit(base, 2)
    base.fail("GET", "/results/", answer(503, {}, Retry_After="86400"))
    started = time.monotonic()
    with pytest.raises(errors.DownloadIncomplete, match=r"wait \d+ s"):
        batch.download(tmp_path, quiet=True)
    assert time.monotonic() - started < 10
    assert len(batch.download(tmp_path, quiet=True)) == 2
