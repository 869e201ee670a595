"""Downloads against real sockets and a real disk: whole jobs or none, whatever breaks."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pandas as pd
import pytest
from base_server import TEST_GENERATOR, TOKEN, BaseServer, archive_of, zip_of
from fault_server import FaultServer, alter, answer, cut_after, dribble, drop, hang
from hypothesis import given, settings
from hypothesis import strategies as st

from infinity_frames import Batch, Session, errors
from infinity_frames.batch import download_frame
from infinity_frames.download import archive, fetch
from infinity_frames.download.archive import unpack
from infinity_frames.rest import Limits
from infinity_frames.results import ResultsWarning

SIZE = 300_000
EXAMPLES = int(os.environ.get("FUZZ", "60"))


def big_archive(job: dict[str, Any]) -> bytes:
    """The job's own bytes, too many for one read from a socket."""
    body = {"name": job["name"], "params": job["param_values"]}
    return zip_of(
        {
            f"{job['id']}/job.json": json.dumps(body).encode(),
            f"{job['id']}/data.bin": (job["id"].encode() * (SIZE // 36 + 1))[:SIZE],
        }
    )


@pytest.fixture(params=[(), ("status", "tags", "idempotency")], ids=["base", "extended"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(extensions=request.param, archive=big_archive) as running:
        yield running


@pytest.fixture
def base() -> Iterator[FaultServer]:
    with FaultServer(archive=big_archive) as running:
        yield running


def submit(server: BaseServer, count: int = 3, **more: Any) -> Batch:
    session = Session(token=TOKEN, server=server.url)
    session.rest.limits = Limits(connect=1, read=1, total=10)
    return session.submit([{"num_reps": n % 20 + 1} for n in range(count)], batch_name="n", **more)


def assert_whole(folder: Path, jobs: list[str]) -> None:
    for job in jobs:
        names = {path.name for path in (folder / job).iterdir()}
        assert names == {"job.json", "data.bin"}
        data = (folder / job / "data.bin").read_bytes()
        assert len(data) == SIZE
        assert data.startswith(job.encode())
    assert list((folder / ".infinity" / "incoming").iterdir()) == []


def fetches(server: BaseServer) -> int:
    return server.count("GET", "/results/")


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
    with pytest.raises(errors.DownloadError, match="no batch record"):
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
        _impatient(batch, tmp_path)
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
        with pytest.raises(errors.DownloadIncomplete, match="not the one the server describes"):
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
    assert "no whole zip" in failures["reason"][0]
    assert set(good) <= set(results["job_id"])
    assert_whole(tmp_path, good)
    assert not (tmp_path / bad).exists()
    assert (tmp_path / "mine.txt").read_text() == "mine"
    server.archive = whole
    batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, batch.job_ids)


def test_a_server_that_restarts_elsewhere_is_followed(tmp_path: Path) -> None:
    first = BaseServer(archive=big_archive).start()
    batch = submit(first)
    second = BaseServer(archive=big_archive)
    second.batches, second.permits = first.batches, {}
    rest = batch.session.rest
    data = rest.batch(batch.batch_id)
    first.stop()
    rest._http.close()
    with second:
        rest._locate = lambda: second.url
        # The batch as it was told before the restart: its URLs name the old port.
        told = iter([data])
        ask = rest.batch
        rest.batch = lambda batch_id: next(told, None) or ask(batch_id)  # type: ignore[method-assign]
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


# Archives that mean harm


def _link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


OTHER = "11111111-2222-4333-8444-555555555555"
EVIL: dict[str, Callable[[str], dict[Any, bytes]]] = {
    "absolute": lambda job: {"/tmp/evil": b"x"},
    "parent": lambda job: {f"{job}/../../evil": b"x"},
    "record": lambda job: {f"{job}/a": b"x", "../batch.json": b"x"},
    "backslash": lambda job: {f"{job}\\..\\evil": b"x"},
    "drive": lambda job: {"C:evil": b"x"},
    "other job": lambda job: {f"{OTHER}/labels.json": b"x"},
    "job and other": lambda job: {f"{job}/a": b"x", f"{OTHER}/a": b"x"},
    "link": lambda job: {_link(f"{job}/link"): b"/etc/passwd"},
    "twice": lambda job: {f"{job}/a": b"x", f"{job}/A": b"y"},
    "file as folder": lambda job: {f"{job}/a": b"x", f"{job}/a/b": b"y"},
    "empty": lambda job: {},
    "bomb": lambda job: {f"{job}/zeros": bytes(60_000_000)},
    "many": lambda job: {f"{job}/{n}": b"" for n in range(100_001)},
    "control": lambda job: {f"{job}/a\nb": b"x"},
}


@pytest.mark.parametrize("name", EVIL)
def test_a_malicious_archive_writes_nothing(base: FaultServer, tmp_path: Path, name: str) -> None:
    batch = submit(base, 2)
    evil, good = batch.job_ids
    archive = zip_of(EVIL[name](evil), zipfile.ZIP_DEFLATED)
    base.archive = lambda job: archive if job["id"] == evil else big_archive(job)
    folder = tmp_path / "deep" / "b"
    with pytest.raises(errors.DownloadIncomplete, match=evil) as caught:
        batch.download(folder, quiet=True)
    assert caught.value.where["failures"]["job_id"].tolist() == [evil]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.name == "evil") == []
    assert {path.name for path in folder.iterdir()} == {".infinity", "batch.json", good}
    assert orjson.loads((folder / "batch.json").read_bytes())["id"] == batch.batch_id
    assert_whole(folder, [good])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text("./\\:ajb \t", min_size=1, max_size=7), max_size=4, unique=True))
def test_no_name_leads_out_of_the_jobs_folder(names: list[str]) -> None:
    with TemporaryDirectory() as name:
        root = Path(name)
        archive, target = root / "a.zip", root / "deep" / "job"
        target.parent.mkdir()
        archive.write_bytes(zip_of({member: member.encode() for member in names}))
        try:
            files = unpack(archive, "j", target)
        except errors.ArchiveError:
            files = {}
            assert not target.exists()
        found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        assert found == {"a.zip", *(f"deep/job/{file}" for file in files)}
        assert all((target / file).stat().st_size == size for file, size in files.items())


def damaged(draw: Any, archive: bytes) -> bytes:
    """A zip that was cut, or some of whose bytes, often those of its directory, are others."""
    for _ in range(draw(st.integers(1, 4))):
        ends = st.integers(max(len(archive) - 160, 0), max(len(archive) - 1, 0))
        at = draw(ends | st.integers(0, max(len(archive) - 1, 0)))
        new = draw(st.binary(max_size=4) | st.sampled_from([b"\0" * 4, b"\xff" * 4, b"../", b"PK"]))
        size = draw(st.sampled_from([0, len(new), 40]))
        archive = archive[:at] + new + archive[at + size :]
    return archive[: draw(st.just(len(archive)) | st.integers(0, len(archive)))]


@pytest.mark.timeout(60 + EXAMPLES)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_archive_is_named_and_touches_nothing_else(
    base: FaultServer, compression: int
) -> None:
    batch = submit(base, 2)
    bad, good = batch.job_ids
    body = json.dumps({"name": TEST_GENERATOR.name, "params": {}}).encode()
    members = {f"{bad}/job.json": body, f"{bad}/a/b.txt": b"abc" * 40, f"{bad}/c.bin": b"x"}
    whole = zip_of(members, compression)
    outcomes = Counter[str]()

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        archive = damaged(data.draw, whole)
        base.archive = lambda job: archive if job["id"] == bad else archive_of(job)
        with TemporaryDirectory() as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore", ResultsWarning)  # its job.json may be gone
            folder = Path(scratch, "deep", "b")
            failed: list[str] = []
            try:
                batch.download(folder, quiet=True)
            except errors.DownloadIncomplete as error:
                failed = error.where["failures"]["job_id"].tolist()
            assert failed in ([], [bad])
            assert (folder / bad).exists() is not bool(failed)
            outcomes["refused" if failed else "unpacked"] += 1
            found = {path for path in Path(scratch).rglob("*") if path.is_file()}
            ours = (folder / ".infinity", folder / bad, folder / good)
            outside = {path for path in found if not any(own in path.parents for own in ours)}
            assert outside == {folder / "batch.json"}
            with zipfile.ZipFile(io.BytesIO(archive_of(base.job(good)))) as there:
                for name in there.namelist():
                    assert (folder / name).read_bytes() == there.read(name)
            assert not list((folder / ".infinity" / "incoming").iterdir())

    check()
    print(f"\n{outcomes.total()} damaged archives: {dict(outcomes)}")


def test_archives_without_a_top_folder_are_kept_apart(base: FaultServer, tmp_path: Path) -> None:
    def flat(job: dict[str, Any]) -> bytes:
        body = json.dumps({"name": job["name"], "params": job["param_values"]}).encode()
        return zip_of({"job.json": body, "sub/a.txt": job["id"].encode()})

    base.archive = flat
    batch = submit(base)
    batch.download(tmp_path, quiet=True)
    for job in batch.job_ids:
        assert (tmp_path / job / "sub" / "a.txt").read_text() == job
        assert (tmp_path / job / "job.json").exists()


def test_a_job_id_that_is_a_path_is_refused(base: FaultServer, tmp_path: Path) -> None:
    batch = submit(base, 2)
    data = base.batches[batch.batch_id]["job_runs"][0]
    data["id"] = "../../evil"
    session = batch.session
    with pytest.raises(errors.DownloadIncomplete, match="no id"):
        session.batch_from_api(batch.batch_id).download(tmp_path / "a" / "b", quiet=True)
    assert not (tmp_path / "evil").exists()
    assert_whole(tmp_path / "a" / "b", [batch.job_ids[1]])


def test_a_full_disk_is_said_before_it_is_full(
    base: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submit(base, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda path: os.terminal_size((0, 0)) and _Usage())
    with pytest.raises(errors.DownloadIncomplete, match="are free"):
        batch.download(tmp_path, quiet=True)
    assert not (tmp_path / batch.job_ids[0]).exists()


def test_an_archive_that_finds_no_room_to_be_unpacked_is_kept(
    base: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submit(base, 1)
    monkeypatch.setattr(archive, "_room", full_disk)
    monkeypatch.setattr("infinity_frames.download.part.HELD_BYTES", 0)
    with pytest.raises(errors.DownloadIncomplete, match="are free"):
        batch.download(tmp_path, quiet=True)
    monkeypatch.undo()
    batch.download(tmp_path, quiet=True)
    assert_whole(tmp_path, batch.job_ids)
    assert base.requests[-1][2]["range"].startswith("bytes=")


def full_disk(needed: int, target: Path, job_id: str) -> None:
    raise errors.DownloadError(f"Job {job_id} needs {needed} bytes, and 0 are free.", job=job_id)


class _Usage:
    free = 1000


# Processes


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


def test_killed_between_arrival_and_unpacking_nothing_is_fetched_twice(
    base: FaultServer, tmp_path: Path
) -> None:
    batch = submit(base, 1)
    job = batch.job_ids[0]
    whole = big_archive(base.job(job))
    base.fail("GET", "/results/", cut_after(len(whole) - 1), *[drop] * 9)
    with pytest.raises(errors.DownloadIncomplete):
        _impatient(batch, tmp_path)
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


def _impatient(batch: Batch, path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infinity_frames.download.fetch.ATTEMPTS", 1)
        batch.download(path, quiet=True)
