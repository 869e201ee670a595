"""Results read where they lie, in S3 and in folders: labels by range requests, no videos."""

import os
import shutil
import zipfile
from pathlib import Path

import label_factory as factory
import pandas as pd
import platformdirs
import pytest
from s3_server import bucket, s3

from infinity_frames.data import export, read_results, run_sql
from infinity_frames.data.problems import ResultsWarning
from infinity_frames.protocol.errors import NoResults, ResultsError

__all__ = ["bucket", "s3"]

pytest.importorskip("obstore")
VIDEO_BYTES = 3_000_000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: folder)
    return folder


@pytest.fixture
def archives(tmp_path):
    """Archives of a small batch, each with a large video, and the batch as downloaded."""
    downloaded = factory.small_batch(tmp_path / "downloaded")
    folder = tmp_path / "archives"
    folder.mkdir()
    for job in read_results(downloaded, quiet=True)["job_id"]:
        if (downloaded / job).is_dir():
            pack(downloaded / job, folder / f"{job}.zip")
    return folder, downloaded


def pack(job: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w") as packed:
        for path in sorted(path for path in job.rglob("*") if path.is_file()):
            packed.write(path, path.relative_to(job.parent).as_posix())
        packed.writestr(f"{job.name}/extra.mp4", os.urandom(VIDEO_BYTES))


def files(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_labels_of_archives_in_a_folder_equal_those_of_the_download(archives, cache):
    folder, downloaded = archives
    there = read_results(f"file://{folder}", quiet=True)
    here = read_results(downloaded, quiet=True).dropna(subset="path")
    assert sorted(there["job_id"]) == sorted(here["job_id"])
    query = "SELECT job_id, count(*) AS n FROM annotations GROUP BY job_id ORDER BY job_id"
    pd.testing.assert_frame_equal(run_sql(there, query), run_sql(here, query))
    assert not [path for path in files(cache) if path.suffix in (".mp4", ".png", ".zip")]
    assert sum(path.stat().st_size for path in files(cache)) < VIDEO_BYTES


def test_new_changed_and_deleted_archives_are_noticed_and_others_are_not_read_again(
    archives, cache
):
    folder, _ = archives
    first = read_results(f"file://{folder}", quiet=True)
    kept, changed, deleted = sorted(first["job_id"])[:3]
    (root,) = {Path(path).parent for path in first["path"]}
    before = (root / kept / "labels.json").stat().st_mtime_ns
    (folder / f"{deleted}.zip").unlink()
    with zipfile.ZipFile(folder / f"{changed}.zip", "w") as packed:
        packed.writestr(f"{changed}/labels.json", '{"info": {}, "images": [], "annotations": []}')
        packed.write(root / changed / "job.json", f"{changed}/job.json")
    second = read_results(f"file://{folder}", quiet=True)
    assert set(second["job_id"]) == set(first["job_id"]) - {deleted}
    assert (root / kept / "labels.json").stat().st_mtime_ns == before
    assert run_sql(second, f"SELECT * FROM annotations WHERE job_id = '{changed}'").empty
    one = read_results(f"file://{folder}", jobs=[kept], quiet=True)
    assert list(one["job_id"]) == [kept]


def test_a_damaged_archive_is_named_and_the_others_are_read(archives, cache):
    folder, _ = archives
    broken, *others = sorted(path.stem for path in folder.glob("*.zip"))
    (folder / f"{broken}.zip").write_bytes(b"PK" + os.urandom(5000))
    with pytest.warns(ResultsWarning, match=broken):
        read = read_results(f"file://{folder}", quiet=True)
    assert sorted(read["job_id"]) == others


def test_an_archive_that_reaches_outside_its_folder_is_refused(archives, cache):
    folder, _ = archives
    job = sorted(path.stem for path in folder.glob("*.zip"))[0]
    with zipfile.ZipFile(folder / f"{job}.zip", "w") as packed:
        packed.writestr(f"{job}/../../escaped.json", "{}")
    with pytest.warns(ResultsWarning, match="named"):
        read_results(f"file://{folder}", quiet=True)
    assert not [path for path in files(cache) if path.name == "escaped.json"]


def test_missing_places_are_said(tmp_path, cache):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoResults, match="holds no archives"):
        read_results(f"file://{tmp_path / 'empty'}")
    with pytest.raises(NoResults, match="no folder"):
        read_results(f"file://{tmp_path / 'nowhere'}")


@pytest.mark.parametrize(
    "address",
    ["https://me:pass1@host.invalid/x", "s3://key:pass1@bucket/x", "az://container/x?sig=pass1"],
)
def test_addresses_are_shown_without_their_secrets(address, cache):
    with pytest.raises(ResultsError) as caught:
        read_results(address)
    assert "pass1" not in f"{caught.value} {caught.value.where}"


@pytest.mark.slow
def test_labels_in_s3_are_read_and_exported_without_the_videos(archives, cache, bucket, tmp_path):
    from infinity_frames.engine.service.archives import open_archives
    from infinity_frames.io.home import Home

    folder, downloaded = archives
    store = open_archives(Home(tmp_path), f"s3://{bucket}/team/x")
    for path in folder.glob("*.zip"):
        copy = shutil.copy(path, tmp_path / path.name)
        store.put(path.stem, Path(copy))
    read = read_results(f"s3://{bucket}/team/x", quiet=True)
    here = read_results(downloaded, quiet=True).dropna(subset="path")
    assert sorted(read["job_id"]) == sorted(here["job_id"])
    query = "SELECT job_id, count(*) AS n FROM keypoints GROUP BY job_id ORDER BY job_id"
    pd.testing.assert_frame_equal(run_sql(read, query), run_sql(here, query))
    export(read, tmp_path / "tables", "parquet", quiet=True)
    assert (tmp_path / "tables").is_dir()
    assert sum(path.stat().st_size for path in files(cache)) < VIDEO_BYTES
    with pytest.raises(ResultsError, match="cannot be read") as refused:
        read_results("s3://no-such-bucket-anywhere/x")
    assert "test-secret" not in str(refused.value)
