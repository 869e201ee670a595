"""Archives that mean harm, or find no room: refused by name, and nothing else is touched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from base_server import TEST_GENERATOR, archive_of, zip_of
from downloads import assert_whole, big_archive, submit
from fault_server import FaultServer
from hypothesis import given, settings
from hypothesis import strategies as st

from infinity_frames import Session
from infinity_frames.client.download import unpack as archive
from infinity_frames.client.download.unpack import unpack
from infinity_frames.data import ResultsWarning
from infinity_frames.protocol import errors

EXAMPLES = int(os.environ.get("FUZZ", "60"))


@pytest.fixture
def base() -> Iterator[FaultServer]:
    with FaultServer(archive=big_archive) as running:
        yield running


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
        for file, (size, digest) in files.items():
            content = (target / file).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (size, digest)


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
    members: dict[str | zipfile.ZipInfo, bytes] = {
        f"{bad}/job.json": body,
        f"{bad}/a/b.txt": b"abc" * 40,
        f"{bad}/c.bin": b"x",
    }
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
    assert isinstance(session, Session)
    with pytest.raises(errors.DownloadIncomplete, match="Invalid job id"):
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
    monkeypatch.setattr("infinity_frames.client.download.partial_file.HELD_BYTES", 0)
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
