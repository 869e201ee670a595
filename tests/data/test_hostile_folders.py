"""Folders as a stranger or a broken disk leaves them: one bad job is skipped, memory is bounded."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import cv2
import label_factory as factory
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infinity_frames import read_results
from infinity_frames.data.labels import open_labels
from infinity_frames.data.problems import ResultsWarning
from infinity_frames.data.rle import decode_outline, decode_rle
from infinity_frames.io.pictures import MAX_PIXELS, decode_picture
from infinity_frames.protocol.errors import InfinityError, MediaError, QueryError

pytestmark = pytest.mark.filterwarnings("ignore::infinity_frames.data.problems.ResultsWarning")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile") / "run"
    jobs = [{"id": f"job-{number}", "frames": 2, "preview": True} for number in range(3)]
    return factory.write_batch(root, jobs)


@pytest.fixture
def batch(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "run"))


def _png(width: int, height: int) -> bytes:
    """A PNG of 8 x 8 black pixels whose header says another size, with a right checksum."""
    data = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def _change(batch: Path, **places: object) -> None:
    """Set values in the labels of job-0: ``images__width=...`` is that of the first image."""
    file = batch / "job-0" / "labels.json"
    labels = json.loads(file.read_text())
    for place, value in places.items():
        part, _, key = place.partition("__")
        if key:
            labels[part][0][key] = value
        else:
            labels[part] = value
    file.write_text(json.dumps(labels))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_PLACES = st.sampled_from(
    [
        *("info", "images", "annotations", "categories"),
        *("images__id", "images__frame_number", "images__width", "images__height", "images__time"),
        *("annotations__id", "annotations__image_id", "annotations__category_id"),
        *("annotations__bbox", "annotations__segmentation", "annotations__color"),
        *("annotations__armature_keypoints", "annotations__keypoints", "annotations__area"),
        *("annotations__cuboid_coordinates", "annotations__percent_in_fov"),
        *("categories__id", "categories__name", "categories__color"),
    ]
)


@given(place=_PLACES, value=_VALUES)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_value_anywhere_in_labels_leaves_the_other_jobs_alone(whole, place, value):
    _change(whole, **{place: value})
    try:
        results = read_results(whole, quiet=True)
        assert len(results) == 3
        for verb in ("images", "annotations", "keypoints", "cuboids", "colors"):
            found = set(getattr(results.infinity, verb)()["job_id"])
            assert {"job-1", "job-2"} <= found, verb
        results.infinity.verify(quiet=True)
    finally:
        content = json.dumps(factory.visionfit_labels(2, seed=0))
        (whole / "job-0" / "labels.json").write_text(content)


@given(size=st.tuples(st.integers(-9, 2**33), st.integers(-9, 2**33)), runs=st.lists(st.integers()))
@settings(max_examples=25, deadline=None)
def test_run_lengths_take_the_memory_of_the_picture(size, runs):
    code = {"size": list(size), "counts": runs}
    with pytest.raises(MediaError):
        decode_outline(code, 32, 33)
    with contextlib.suppress(MediaError, OverflowError):
        assert decode_rle(code).size <= MAX_PIXELS


@given(text=st.text(alphabet=[chr(code) for code in range(48, 112)], max_size=12))
@settings(max_examples=25, deadline=None)
def test_any_text_of_run_lengths_is_a_mask_or_an_error(text):
    with contextlib.suppress(MediaError):
        assert decode_outline({"size": [8, 9], "counts": text}, 8, 9).shape == (8, 9)


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 1), (0, 5), (5_000, 5_000)])
def test_a_picture_that_claims_more_pixels_than_its_bytes_hold_is_refused(size):
    with pytest.raises(MediaError, match=r"pixels|bytes"):
        decode_picture(_png(*size))


@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_honest_pictures_are_read(kind):
    ramp = np.add.outer(np.arange(40), np.arange(50))  # smooth: JPEG halves the color's resolution
    picture = np.stack([ramp, 2 * ramp, 200 - ramp], axis=2).astype(np.uint8)
    data = cv2.imencode(kind, picture, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    assert np.abs(decode_picture(data)[..., ::-1].astype(int) - picture).mean() < 8
    flat = cv2.imencode(kind, np.zeros((2000, 3000, 3), np.uint8))[1].tobytes()
    assert decode_picture(flat).shape == (2000, 3000, 3)
    for cut in (0, 1, 8, 20, 40):
        with pytest.raises(MediaError):
            decode_picture(data[:cut])


def test_a_mask_that_unpacks_to_gigabytes_is_refused(batch):
    archive = batch / "job-0" / "segmentation.zip"
    with (
        zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out,
        out.open("image.000000.iseg.png", "w", force_zip64=True) as member,
    ):
        member.write(_png(8, 8))
        for _ in range(80):
            member.write(bytes(2**20))
    with pytest.raises(InfinityError, match="unpacks to more than"):
        list(read_results(batch, quiet=True).infinity.masks("job-0"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_lying_sizes_take_little_memory(batch, tmp_path):
    """Read, look at, audit and export three jobs of which one lies, in 2 GB of address space."""
    (batch / "job-0" / "video_preview.png").write_bytes(_png(50_000, 50_000))
    segmentation = {"size": [200_000, 200_000], "counts": [40_000_000_000]}
    _change(batch, annotations__segmentation=segmentation, images__width=200_000)
    for job in ("job-1", "job-2"):
        picture = cv2.imencode(".png", np.zeros((factory.SIZE, factory.SIZE, 3), np.uint8))[1]
        (batch / job / "video_preview.png").write_bytes(picture.tobytes())
    code = (
        "import sys, warnings, resource; warnings.simplefilter('ignore')\n"
        "import infinity_frames as inf, cv2\n"
        "from infinity_frames.io import video\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2**31, 2**31))\n"
        "results = inf.read_results(sys.argv[1], quiet=True)\n"
        "results.infinity.verify(quiet=True); results.infinity._repr_html_()\n"
        "results.infinity.export(sys.argv[2], 'yolo-detect', quiet=True)\n"
        "print(len(results.infinity.annotations()))"
    )
    command = [sys.executable, "-c", code, str(batch), str(tmp_path / "out")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout) > 0
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] != 2**31


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, '{"x": NaN, "info": ' + "[" * 9**5]
)
@pytest.mark.parametrize("by_frame", [False, True])
def test_deeply_nested_json_is_a_problem_and_no_crash(tmp_path, text, by_frame):
    (tmp_path / "labels.json").write_text(text)
    labels, problem = open_labels(tmp_path / "labels.json", "j", by_frame=by_frame)
    assert labels is None
    assert "labels.json" in str(problem)


@pytest.mark.parametrize("score", ["", '"score": NaN, ', '"score": 12345678901234567890123, '])
def test_both_ways_of_reading_labels_give_the_same(batch, score):
    file = batch / "job-1" / "labels.json"
    file.write_text(file.read_text().replace('"image_id"', f'{score}"image_id"'))
    whole_file, _ = open_labels(file, "j")
    indexed, _ = open_labels(file, "j", by_frame=True)
    assert whole_file is not None
    assert indexed is not None
    assert whole_file.order == indexed.order
    assert list(whole_file.annotations()) == list(indexed.annotations())
    for position in whole_file.order:
        assert whole_file.annotations_of(position) == indexed.annotations_of(position)


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        ("3", "annotations[0] is not an object"),
        ('{"image_id": "7"}', "annotations[0].image_id is '7'"),
        ('{"image_id": 1, "category_id": []}', "annotations[0].category_id is []"),
        ('{"image_id": 1, "note": "\udcff"}', "no valid JSON"),
        ('{"image_id": 1', "no valid JSON"),
    ],
)
@pytest.mark.parametrize("by_frame", [False, True])
def test_both_ways_of_reading_labels_find_the_same_problems(tmp_path, annotation, what, by_frame):
    file = tmp_path / "labels.json"
    file.write_text(f'{{"annotations": [{annotation}]}}', "utf-8", errors="surrogateescape")
    labels, problem = open_labels(file, "j", by_frame=by_frame)
    assert labels is None
    assert what in str(problem)


@pytest.mark.parametrize("folder", ["lr=0.1", "category=person", "job_id=7", "run[1]", "a*b", "q?"])
def test_tables_do_not_depend_on_the_folders_name(batch, tmp_path, folder):
    before = read_results(batch, quiet=True).infinity.annotations()
    elsewhere = factory.write_batch(tmp_path / "run1", [{"id": "other"}])
    read_results(elsewhere, quiet=True).infinity.annotations()
    moved = tmp_path / folder / "run"
    moved.parent.mkdir()
    shutil.move(batch, moved)
    found = read_results(moved, quiet=True).infinity.annotations()
    pd.testing.assert_frame_equal(found, before)


def _shards(batch: Path) -> list[Path]:
    return sorted((batch / ".infinity").glob("*.parquet"))


def _link_outside(batch: Path) -> None:
    for file in _shards(batch):
        target = batch.parent / file.name
        shutil.move(file, target)
        file.symlink_to(target)


def _overwrite_in_place(batch: Path) -> None:
    for file in _shards(batch):
        state = file.stat()
        file.write_bytes(b"\0" * state.st_size)
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def _other_types(batch: Path) -> None:
    """A shard of the same state whose columns are of other types, as only a stranger makes it."""
    manifest = batch / ".infinity" / "manifest.json"
    known = json.loads(manifest.read_text())
    for shard, state in known["shards"].items():
        for name in state["files"]:
            file = batch / ".infinity" / f"{name}-{shard}.parquet"
            frame = pd.DataFrame({"job_id": ["job-0"], "frame_number": ["text"], "x": ["y"]})
            frame.to_parquet(file)
            state["files"][name] = [file.stat().st_size]
    manifest.write_text(json.dumps(known))


def _unlink_shards(batch: Path) -> None:
    for file in _shards(batch):
        file.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        _unlink_shards,
        lambda batch: [file.write_bytes(file.read_bytes()[:50]) for file in _shards(batch)],
        lambda batch: [file.write_bytes(b"") for file in _shards(batch)],
        lambda batch: (batch / ".infinity" / "manifest.json").write_text('{"jobs": 1}'),
        lambda batch: (batch / ".infinity" / "manifest.json").write_text("null"),
        lambda batch: shutil.rmtree(batch / ".infinity"),
        _link_outside,
        _overwrite_in_place,
        _other_types,
    ],
)
@pytest.mark.parametrize("read", ["table", "sql"])
def test_a_damaged_cache_is_rebuilt(batch, damage, read):
    def found():
        results = read_results(batch, quiet=True)
        if read == "sql":
            return results.infinity.sql("FROM annotations ORDER BY job_id, annotation_id")
        return results.infinity.annotations()

    before = found()
    assert len(before)
    damage(batch)
    pd.testing.assert_frame_equal(found(), before)
    pd.testing.assert_frame_equal(found(), before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(
    "name", ["manifest.json", "lock", "receipts.jsonl", "annotations-0.parquet"]
)
@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_nothing_in_place_of_a_file_of_ours_keeps_a_batch_from_being_read(
    batch, tmp_path, name, kind
):
    before = read_results(batch, quiet=True).infinity.annotations()
    outside = tmp_path / "outside"
    outside.write_text("precious")
    place = batch / ".infinity" / name
    place.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "link":
            place.symlink_to(outside)
    results = read_results(batch, quiet=True)
    pd.testing.assert_frame_equal(results.infinity.annotations(), before)
    results.infinity.verify(quiet=True)
    assert outside.read_text() == "precious"


def test_a_file_in_place_of_the_cache_folder_is_left_alone(batch):
    before = read_results(batch, quiet=True).infinity.annotations()
    shutil.rmtree(batch / ".infinity")
    (batch / ".infinity").write_text("mine")
    results = read_results(batch, quiet=True)
    pd.testing.assert_frame_equal(results.infinity.annotations(), before)
    results.infinity.verify(quiet=True)
    assert (batch / ".infinity").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
@pytest.mark.parametrize("name", ["data.csv", "labels.json", "job.json"])
def test_a_file_that_the_disk_cannot_read_costs_its_job_only(batch, name):
    """Reading the start of this file fails with EIO, as a damaged disk does."""
    (batch / "job-0" / name).unlink(missing_ok=True)
    (batch / "job-0" / name).symlink_to("/proc/self/mem")
    results = read_results(batch, quiet=True)
    assert len(results) >= 2
    assert {"job-1", "job-2"} <= set(results.infinity.annotations()["job_id"])
    results.infinity.verify(quiet=True)


def test_links_in_a_circle_cost_their_file_only(batch):
    for place in (batch / "circle", batch / ".hidden", batch / "job-0" / "circle"):
        place.symlink_to(place)
    (batch / "job-0" / "labels.json").unlink()
    (batch / "job-0" / "labels.json").symlink_to("labels.json")
    results = read_results(batch, quiet=True)
    assert {"job-1", "job-2"} <= set(results.infinity.annotations()["job_id"])


def test_a_cache_folder_that_is_a_link_is_not_written_through(batch, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    shutil.rmtree(batch / ".infinity", ignore_errors=True)
    (batch / ".infinity").symlink_to(victim)
    assert len(read_results(batch, quiet=True).infinity.images())
    assert not list(victim.iterdir())


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_csv('{file}')",
        "FROM '{file}'",
        "COPY (SELECT 1) TO '{file}'",
        "COPY (SELECT 1) TO '{shard}' (FORMAT parquet, USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{shard}' (FORMAT parquet, USE_TMP_FILE false)",
        "PREPARE p AS COPY (SELECT 1) TO '{shard}' (FORMAT parquet, USE_TMP_FILE false)",
        "ATTACH '{file}.db'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "EXPORT DATABASE '{file}.d'",
        "SELECT * FROM glob('/*')",
    ],
)
def test_a_sandboxed_query_reaches_no_file(batch, tmp_path, query):
    results = read_results(batch, quiet=True)
    before = results.infinity.sql("SELECT count(*) AS n FROM images", sandboxed=True)
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    contents = {file: file.read_bytes() for file in _shards(batch)}
    text = query.format(file=secret, shard=_shards(batch)[0])
    with pytest.raises(QueryError):
        results.infinity.sql(text, sandboxed=True)
    assert secret.read_text() == "a,b\n1,2\n"
    assert {file: file.read_bytes() for file in _shards(batch)} == contents
    again = results.infinity.sql("SELECT count(*) AS n FROM images", sandboxed=True)
    pd.testing.assert_frame_equal(again, before)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_a_terminal_gets_no_control_characters_of_labels(batch):
    ours, theirs = os.openpty()
    query = "SELECT 'a' || chr(27) || '[2Jb' AS text, chr(155) || '2J' AS more"
    command = [sys.executable, "-m", "infinity_frames", "sql", str(batch), query]
    try:
        ran = subprocess.run(command, stdout=theirs, stderr=theirs, timeout=60, check=False)
        shown = os.read(ours, 10_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert ran.returncode == 0, shown
    assert r"a\x1b[2Jb" in shown
    assert not set(shown) & {"\x1b", "\x9b"}


def test_a_row_without_usable_ids_is_reported_and_the_rest_is_read(batch):
    _change(batch, annotations__image_id=999)
    results = read_results(batch, quiet=True)
    with pytest.warns(ResultsWarning, match="job-0.*1 annotations or images without ids"):
        annotations = results.infinity.annotations()
    assert set(annotations["job_id"]) == {"job-0", "job-1", "job-2"}
    assert annotations["image_id"].dtype == np.int64
