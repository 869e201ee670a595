"""The label cache: nothing is read twice, and two processes do not disturb each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import label_factory as factory
import orjson
import pandas as pd
import platformdirs
import pytest

from infinity_frames.data import ResultsWarning, database, read_results, table
from infinity_frames.data import parquet_cache as cache
from infinity_frames.data import row_builder as rows
from infinity_frames.data.label_tables import TABLES, parse
from infinity_frames.data.processes import in_processes


@pytest.fixture
def batch(tmp_path):
    jobs = [{"id": f"job-{i}", "frames": 2} for i in range(4)]
    return factory.write_batch(tmp_path / "run", jobs)


@pytest.fixture
def parsed(monkeypatch):
    """The ids of jobs whose files are read, as they are."""
    read: list[str] = []
    original = parse

    def counting(job, *, tables):
        read.append(job.job_id)
        return original(job, tables=tables)

    monkeypatch.setattr(cache, "parse", counting)
    return read


def change(batch: Path, job_id: str, frames: int) -> None:
    labels = json.dumps(factory.visionfit_labels(frames, seed=9))
    (batch / job_id / "labels.json").write_text(labels)


def test_nothing_is_read_twice(batch, parsed):
    results = read_results(batch)
    first = table(results, "images")
    parsed.clear()
    again = read_results(batch)
    pd.testing.assert_frame_equal(again, results)
    pd.testing.assert_frame_equal(table(again, "images"), first)
    assert parsed == []


def test_a_database_of_a_folder_reads_each_file_once(batch, parsed):
    with database(batch) as connection:
        assert connection.sql("SELECT count(*) FROM images").fetchall() == [(8,)]
    assert sorted(parsed) == ["job-0", "job-1", "job-2", "job-3"]


def test_only_what_changed_is_read_again(batch, parsed):
    results = read_results(batch)
    before = table(results, "annotations")
    parsed.clear()
    change(batch, "job-2", 5)
    after = table(results, "annotations")
    assert parsed == ["job-2"]
    others = before["job_id"] != "job-2"
    kept = after[after["job_id"] != "job-2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before[others].reset_index(drop=True))
    assert after[after["job_id"] == "job-2"]["frame_number"].max() == 4
    parsed.clear()
    assert read_results(batch).set_index("job_id").loc["job-2", "num_frames"] == 5
    assert parsed == []


def test_only_new_jobs_are_read(batch, parsed):
    table(read_results(batch), "images")
    parsed.clear()
    factory.write_job(batch / "job-9", factory.params(), factory.visionfit_labels(1))
    results = read_results(batch)
    assert len(table(results, "images")) == 4 * 2 + 1
    assert set(parsed) == {"job-9"}


def test_only_the_jobs_asked_for_are_read(batch, parsed):
    results = read_results(batch)
    parsed.clear()
    table(results[1:3], "images")
    assert parsed == ["job-1", "job-2"]


def test_another_reader_version_reads_everything_again(batch, parsed, monkeypatch):
    results = read_results(batch)
    before = table(results, "cuboids")
    parsed.clear()
    monkeypatch.setattr(cache, "READER_VERSION", "of other columns")
    pd.testing.assert_frame_equal(table(results, "cuboids"), before)
    assert parsed == ["job-0", "job-1", "job-2", "job-3"]


def test_a_cut_manifest_is_no_harm(batch):
    results = read_results(batch)
    before = table(results, "images")
    (batch / ".infinity" / "manifest.json").write_text('{"version": 1, "jo')
    pd.testing.assert_frame_equal(table(results, "images"), before)


@pytest.mark.parametrize("place", [4, 0.5, -12])
def test_a_changed_byte_of_a_shard_is_no_harm(batch, place):
    results = read_results(batch)
    before = table(results, "images")
    (file,) = (batch / ".infinity").glob("images-*.parquet")
    content = bytearray(file.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 0xFF
    file.write_bytes(content)
    pd.testing.assert_frame_equal(table(read_results(batch), "images"), before)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("summary", None),
        ("problem", 3),
        ("shard", None),
        ("shard", "../images"),
        ("shard", ["a"]),
        ("shard", {}),
        ("source", []),
        (None, None),
    ],
)
def test_a_damaged_entry_of_the_manifest_doubles_no_rows(batch, field, value):
    before = table(read_results(batch), "images")
    file = batch / ".infinity" / "manifest.json"
    manifest = json.loads(file.read_bytes())
    if field is None:
        del manifest["jobs"]["job-1"]
    else:
        manifest["jobs"]["job-1"][field] = value
    file.write_text(json.dumps(manifest))
    pd.testing.assert_frame_equal(table(read_results(batch), "images"), before)


def test_a_bad_job_is_reported_each_time_and_read_once_repaired(batch, parsed):
    good = (batch / "job-1" / "labels.json").read_bytes()
    (batch / "job-1" / "labels.json").write_bytes(good[:100])
    for _ in range(2):
        with pytest.warns(ResultsWarning, match="job-1"):
            results = read_results(batch)
        with pytest.warns(ResultsWarning, match="job-1"):
            images = table(results, "images")
        assert set(images["job_id"]) == {"job-0", "job-2", "job-3"}
    (batch / "job-1" / "labels.json").write_bytes(good)
    assert set(table(read_results(batch), "images")["job_id"]) == set(results["job_id"])
    assert parsed.count("job-1") == 3


def test_shards_are_flushed_by_size_and_read_as_one(batch, monkeypatch):
    monkeypatch.setattr(cache, "_CHUNK_BYTES", 1)
    results = read_results(batch)
    images = table(results, "images")
    assert len(list((batch / ".infinity").glob("images-*.parquet"))) == 4
    assert images["job_id"].unique().tolist() == ["job-0", "job-1", "job-2", "job-3"]


def test_old_shards_go_a_day_after_the_last_reader_could_open_them(batch):
    def age(files):
        for file in files:
            os.utime(file, (time.time() - 2 * 86400,) * 2)

    results = read_results(batch)
    table(results, "images")
    old = set((batch / ".infinity").glob("*.parquet"))
    age(old)
    change(batch, "job-0", 3)
    table(results, "images")
    assert all(file.is_file() for file in old)
    age(old)
    change(batch, "job-0", 4)
    table(results, "images")
    assert not any(file.is_file() for file in old)


def test_a_folder_that_is_read_only_gets_its_tables_elsewhere(batch, tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "home-cache")
    batch.chmod(0o555)
    try:
        images = table(read_results(batch), "images")
    finally:
        batch.chmod(0o755)
    assert len(images) == 8
    assert not (batch / ".infinity").exists()
    assert list((tmp_path / "home-cache").rglob("images-*.parquet"))


@pytest.mark.slow
def test_two_processes_may_build_at_once(tmp_path):
    jobs = [{"id": f"job-{i:02}", "frames": 6} for i in range(30)]
    batch = factory.write_batch(tmp_path / "run", jobs)
    code = (
        "import sys; from infinity_frames.data import read_results, table;"
        "print(len(table(read_results(sys.argv[1]), 'keypoints')))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(batch)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    answers = []
    for process in running:
        answer, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        answers.append(int(answer))
    assert answers == [30 * 6 * (len(factory.JOINTS) + len(factory.SKIN) + 17)] * 2
    manifest = orjson.loads((batch / ".infinity" / "manifest.json").read_bytes())
    # The one that waited found the work done.
    assert len({entry["shard"] for entry in manifest["jobs"].values()}) == 1


def test_a_reader_keeps_its_tables_while_another_rebuilds(batch):
    with database(batch) as connection:
        change(batch, "job-3", 7)
        table(read_results(batch), "images")
        assert connection.sql("SELECT count(*) FROM images").fetchall() == [(8,)]


def test_times_follow_the_parameters_file(batch):
    results = read_results(batch)
    table(results, "images")
    record = {"name": "visionfit-v0.4.0", "params": factory.params(frame_rate=10)}
    (batch / "job-0" / "job.json").write_text(json.dumps(record))
    images = table(results, "images").set_index("job_id")
    assert images["time"]["job-0"].tolist() == [0, 0.1]
    assert images["time"]["job-1"].tolist() == [0, 1 / 24]


def test_an_interrupted_build_keeps_what_was_done_and_goes_on_later(batch, monkeypatch):
    results = read_results(batch)
    monkeypatch.setattr(cache, "_CHUNK_BYTES", 1)
    original, read = parse, []

    def interrupted(job, *, tables):
        read.append(job.job_id)
        if len(read) == 3:
            raise KeyboardInterrupt
        return original(job, tables=tables)

    monkeypatch.setattr(cache, "parse", interrupted)
    with pytest.raises(KeyboardInterrupt):
        table(results, "images")
    done = read[:2]
    images = table(results, "images")
    assert images["job_id"].tolist() == [id_ for id_ in results["job_id"] for _ in range(2)]
    assert not set(read[3:]) & set(done)


def test_a_second_process_builds_the_same_tables(batch, monkeypatch):
    results = read_results(batch)
    alone = table(results, "annotations")
    for file in (batch / ".infinity").glob("*"):
        file.unlink()
    monkeypatch.setattr(cache, "_CHUNK_BYTES", 1)
    monkeypatch.setattr(cache, "_MANY_BYTES", 1)
    pd.testing.assert_frame_equal(table(results, "annotations"), alone)


def test_many_small_shards_are_put_together(batch, monkeypatch):
    results = read_results(batch)
    monkeypatch.setattr(cache, "_FEW_SHARDS", 2)
    for job in results["job_id"]:  # as a batch that is read while it comes in
        images = table(results[results["job_id"] == job], "images")
        assert len(images) == 2
    assert table(results, "images")["job_id"].tolist() == [
        i for i in results["job_id"] for _ in "ab"
    ]
    manifest = json.loads((batch / ".infinity" / "manifest.json").read_bytes())
    assert len({entry["shard"] for entry in manifest["jobs"].values()}) <= 2


@pytest.fixture
def uneven(tmp_path):
    """Jobs with labels of other types than those of the others, some of which fit no column."""
    root = factory.write_batch(tmp_path / "uneven", [{"id": f"job-{i}"} for i in range(8)])

    def write(number, edit):
        labels = factory.visionfit_labels(2, seed=number)
        edit(labels)
        (root / f"job-{number}" / "labels.json").write_text(json.dumps(labels))

    write(0, lambda labels: labels["images"][1].update(brightness=0.5, lit="dim"))
    write(1, lambda labels: labels["images"][0].update(brightness=1, lit=True))
    write(2, lambda labels: [a.update(iscrowd=True) for a in labels["annotations"]])
    write(3, lambda labels: labels["annotations"][0].update(iscrowd=0.5))
    write(4, lambda labels: labels["annotations"][0]["keypoints"].pop())
    write(5, lambda labels: labels["annotations"][-1].update(area="large"))
    write(6, lambda labels: labels["annotations"].clear())
    return root


@pytest.mark.filterwarnings("ignore::infinity_frames.data.ResultsWarning")
def test_jobs_read_together_give_the_tables_they_give_apart(uneven, monkeypatch):
    def tables():
        results = read_results(uneven)
        return {name: table(results, name) for name in TABLES}

    together = tables()
    for file in (uneven / ".infinity").iterdir():
        file.unlink()
    monkeypatch.setattr(cache, "_CHUNK_BYTES", 1)
    for name, frame in tables().items():
        pd.testing.assert_frame_equal(frame, together[name], check_like=True)


def test_of_jobs_read_together_only_the_odd_ones_are_reported_and_left_out(uneven):
    results = read_results(uneven)
    with pytest.warns(ResultsWarning, match="labels.json holds malformed labels") as caught:
        images = table(results, "images")
    odd = ["job-3", "job-4", "job-5"]
    assert [next(id_ for id_ in odd if id_ in str(w.message)) for w in caught] == odd
    assert set(images["job_id"]) == {"job-0", "job-1", "job-2", "job-6", "job-7"}
    assert images["lit"].dropna().tolist() == ["dim", "true"]
    assert images["brightness"].dropna().tolist() == [0.5, 1.0]


def test_rows_packed_while_a_file_is_read_are_the_same_rows(batch, monkeypatch):
    results = read_results(batch)
    whole = {name: table(results, name) for name in ("keypoints", "cuboids")}
    for file in (batch / ".infinity").iterdir():
        file.unlink()
    monkeypatch.setattr(rows, "_PACKED", 10)
    for name, frame in whole.items():
        pd.testing.assert_frame_equal(table(results, name), frame)


@pytest.mark.parametrize(("largest", "processes"), [(1, 1), (2**20, 2)])
def test_large_files_are_read_by_one_process(batch, monkeypatch, largest, processes):
    started = []
    original = in_processes

    def counting(work, items, *, processes):
        started.append(processes)
        return original(work, items, processes=1)

    monkeypatch.setattr(cache, "in_processes", counting)
    monkeypatch.setattr(cache, "_MANY_BYTES", 1)
    monkeypatch.setattr(cache, "_LARGE_BYTES", largest)
    assert len(table(read_results(batch), "images")) == 8
    assert set(started) == {processes}
