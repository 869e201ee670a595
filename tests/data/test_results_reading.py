"""read_results: every layout of downloaded results as one typed frame."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import label_factory as factory
import numpy as np
import pandas as pd
import pytest

from infinity_frames.data import ResultsWarning, read_results, run_sql, table
from infinity_frames.data.type_inference import typed
from infinity_frames.protocol.errors import NoResults
from infinity_frames.protocol.schemas import RESULTS, context

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the published samples are not next to this checkout"
)


@pytest.fixture
def batch(tmp_path):
    return factory.small_batch(tmp_path / "run")


def test_a_batch_is_read_in_the_order_submitted_with_failed_and_missing_jobs(batch):
    results = read_results(batch)
    assert list(results["job_id"]) == ["job-b", "job-a", "job-c", "job-f", "job-d"]
    assert list(results.columns[: len(RESULTS.columns)]) == list(RESULTS.columns)
    assert list(results["status"]) == ["completed"] * 3 + ["failed", "completed"]
    assert results["path"].isna().tolist() == [False, False, False, True, True]
    assert results.loc[3, "error"] == "out of memory"
    assert results["is_preview"].tolist() == [False, False, True, False, False]
    assert results["path"][0] == str(batch / "job-b")
    assert results["video"][0] == str(batch / "job-b" / "video.mp4")
    assert pd.isna(results["video"][2])
    assert set(results["batch_id"]) == {"batch-run"}


def test_a_batch_knows_where_it_came_from(batch):
    expected = {"server": "embedded", "generator": "visionfit-v0.4.0"}
    assert context(read_results(batch)) == expected


def test_averages_are_of_the_person_and_leave_out_what_is_unknown(batch):
    results = read_results(batch).set_index("job_id")
    for job_id in ("job-a", "job-b", "job-c"):
        labels = json.loads((batch / job_id / "labels.json").read_text())
        person = [a for a in labels["annotations"] if a["category_id"] == 1]
        hidden = [a["percent_occlusion"] for a in person if a["percent_occlusion"] is not None]
        assert results.loc[job_id, "num_frames"] == len(labels["images"])
        in_fov = np.mean([a["percent_in_fov"] for a in person])
        assert results.loc[job_id, "avg_percent_in_fov"] == pytest.approx(in_fov)
        if hidden:
            assert results.loc[job_id, "avg_percent_occlusion"] == pytest.approx(np.mean(hidden))
        else:
            assert pd.isna(results["avg_percent_occlusion"][job_id])
    assert results.loc[["job-f", "job-d"], "num_frames"].isna().all()


def test_parameters_are_typed_from_their_values_and_tags_are_left_as_they_are(batch):
    results = read_results(batch)
    assert results["num_reps"].dtype == "Int64"
    assert results["num_reps"].tolist() == [2, 3, 2, 2, 9]
    assert results["camera_distance"].dtype == "Float64"
    assert results["add_wall_art"].dtype == "boolean"
    assert results["exercise"].dtype == "string"
    assert results["tag_fold"].tolist()[:2] == ["a", "007"]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, None, 3], "Int64", [1, pd.NA, 3]),
        (["1.02", 2.5], "Float64", [1.02, 2.5]),
        (["3", 4], "Int64", [3, 4]),
        ([1, 2.5], "Float64", [1.0, 2.5]),
        ([True, None], "boolean", [True, pd.NA]),
        (["007", "8"], "string", ["007", "8"]),
        ([True, "x"], "string", ["true", "x"]),
        ([[1, 2], None], "string", ["[1,2]", pd.NA]),
        ([2**63], "Float64", [2.0**63]),
        (["1e400", "1"], "string", ["1e400", "1"]),
    ],
)
def test_types_come_from_the_values(values, dtype, expected):
    column = typed(values, numbers=True)
    assert column.dtype == dtype
    pd.testing.assert_series_equal(column, pd.Series(expected, dtype=dtype))


def test_a_folder_of_batches_is_one_frame_of_all_their_jobs(tmp_path):
    for name in ("one", "two"):
        factory.write_batch(tmp_path / name, [{"id": f"{name}-{i}", "frames": 1} for i in range(2)])
    results = read_results(tmp_path)
    assert list(results["job_id"]) == ["one-0", "one-1", "two-0", "two-1"]
    assert list(results["batch_id"].unique()) == ["batch-one", "batch-two"]
    assert context(results)["generator"] == "visionfit-v0.4.0"
    assert len(table(results, "images")) == 4


def test_a_copy_of_a_batch_does_not_double_its_jobs(tmp_path):
    factory.write_batch(tmp_path / "one", [{"id": "same", "frames": 1}])
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with pytest.warns(ResultsWarning, match="second copy of a job already read"):
        results = read_results(tmp_path)
    assert list(results["job_id"]) == ["same"]


def test_job_folders_without_a_batch_record_are_read_from_their_own(tmp_path):
    jobs: list[dict[str, Any]] = [
        {"id": "job-1", "params": factory.params(num_reps=7)},
        {"id": "job-2"},
    ]
    factory.write_batch(tmp_path / "loose", jobs, record=False)
    results = read_results(tmp_path / "loose")
    assert results["num_reps"].tolist() == [7, 2]
    assert set(results["generator"]) == {"visionfit-v0.4.0"}
    assert set(results["status"]) == {"completed"}
    assert results["avg_percent_in_fov"].notna().all()


def test_one_jobs_folder_stands_for_its_batch(batch):
    assert list(read_results(batch / "job-a")["job_id"]) == list(read_results(batch)["job_id"])


def test_older_names_are_read(tmp_path):
    labels = factory.visionfit_labels(2)
    factory.write_job(tmp_path / "old" / "j1", factory.params(), labels, old_names=True)
    results = read_results(tmp_path / "old")
    assert results["num_frames"].tolist() == [2]
    assert results["video"][0].endswith("video.rgb.mp4")
    assert len(table(results, "annotations")) == len(labels["annotations"])


def write_flat(folder: Path, cameras: list[str]) -> None:
    folder.mkdir()
    (folder / "00000_params.json").write_text(json.dumps({"params": factory.params(num_reps=4)}))
    for number, camera in enumerate(cameras):
        labels = factory.visionfit_labels(2, seed=number)
        (folder / f"00000{camera}_labels.json").write_text(json.dumps(labels))
        (folder / f"00000{camera}.mp4").write_bytes(b"no video")


def test_a_published_data_set_is_a_row_per_video(tmp_path):
    write_flat(tmp_path / "set", ["_cam0", "_cam1", "_cam10"])
    results = read_results(tmp_path / "set")
    ids = ["set-00000_cam0", "set-00000_cam1", "set-00000_cam10"]
    assert list(results["job_id"]) == ids
    assert results["num_reps"].tolist() == [4, 4, 4]
    assert [Path(video).name for video in results["video"]] == [
        "00000_cam0.mp4",
        "00000_cam1.mp4",
        "00000_cam10.mp4",
    ]
    assert table(results[1:2], "images")["job_id"].unique().tolist() == ids[1:2]


def test_older_data_set_names_are_read(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "3_params.json").write_text(json.dumps({"params": factory.params()}))
    (folder / "3.json").write_text(json.dumps(factory.visionfit_labels(2)))
    (folder / "3.mp4").write_bytes(b"no video")
    factory.write_masks(folder / "3_img_labels.zip", 2)
    results = read_results(folder)
    assert results["job_id"].tolist() == ["set-3"]
    assert results["num_frames"].tolist() == [2]


def test_a_renamed_data_set_is_found_again_with_path(tmp_path):
    write_flat(tmp_path / "set", [""])
    results = read_results(tmp_path / "set")
    (tmp_path / "set").rename(tmp_path / "renamed")
    with pytest.raises(NoResults, match=re.escape("path=")):
        table(results, "images")
    images = table(results, "images", path=tmp_path / "renamed")
    assert images["job_id"].unique().tolist() == ["set-00000"]


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda job: (job / "job.json").unlink(), "has no job.json"),
        (lambda job: (job / "job.json").write_text('{"params": {'), "job.json is no valid JSON"),
        (lambda job: (job / "labels.json").write_text('{"images": ['), "labels.json is no valid"),
        (lambda job: (job / "labels.json").write_text("[]"), "labels.json is not a JSON object"),
        (
            lambda job: (job / "labels.json").write_text('{"images": [1], "annotations": [2]}'),
            "labels.json holds malformed labels",
        ),
    ],
)
@pytest.mark.parametrize("record", [True, False], ids=["batch.json", "folders only"])
def test_one_bad_job_is_reported_and_the_others_are_read(tmp_path, damage, names, record):
    jobs = [{"id": "good"}, {"id": "bad"}]
    root = factory.write_batch(tmp_path / "run", jobs, record=record)
    damage(root / "bad")
    with pytest.warns(ResultsWarning, match=re.escape(names)) as caught:
        results = read_results(root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResultsWarning)
        images = table(results, "images")
    assert all("bad" in str(warning.message) for warning in caught)
    good = results.set_index("job_id").loc["good"]
    assert good["num_frames"] == 3
    assert images["job_id"].unique().tolist() == ["good"]
    if record:
        assert results["num_frames"].isna().tolist() == [False, True]


def test_a_fraction_where_a_whole_number_belongs_is_reported_and_not_cut(tmp_path):
    root = factory.write_batch(tmp_path / "run", [{"id": "good"}, {"id": "bad"}])
    labels = factory.visionfit_labels(2)
    labels["annotations"][0]["armature_keypoints"]["head"]["v"] = 0.7
    (root / "bad" / "labels.json").write_text(json.dumps(labels))
    results = read_results(root)
    with pytest.warns(ResultsWarning, match=r"bad.*labels.json holds malformed labels"):
        points = table(results, "keypoints")
    assert set(points["job_id"]) == {"good"}


def test_a_folder_that_cannot_be_opened_is_reported(batch, monkeypatch):
    opened = os.scandir

    def scandir(path):
        if Path(path).name == "job-a":
            raise PermissionError(13, "Permission denied")
        return opened(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.warns(ResultsWarning, match=r"job-a cannot be opened \(Permission denied\)"):
        results = read_results(batch)
    assert results["path"].isna().tolist() == [False, True, False, True, True]


def test_an_odd_value_in_the_batch_record_is_reported_and_missing(batch):
    record = json.loads((batch / "batch.json").read_text())
    good = read_results(batch)
    record["job_runs"][0]["is_preview"] = "perhaps"
    record["job_runs"][1]["started"] = "yesterday"
    (batch / "batch.json").write_text(json.dumps(record))
    with pytest.warns(ResultsWarning, match="job-b.*batch.json.*'perhaps' for is_preview"):
        results = read_results(batch)
    assert results["is_preview"].isna().tolist() == [True, False, False, False, False]
    others = [name for name in results.columns if name != "is_preview"]
    pd.testing.assert_frame_equal(results[others], good[others])
    again = pytest.warns(ResultsWarning, match="is_preview")
    with again, pytest.warns(ResultsWarning, match="job-a.*'yesterday' for started"):
        assert run_sql(results, "SELECT started FROM batch")["started"].notna().sum() == 4


def test_labels_with_nan_are_read_as_missing(tmp_path):
    root = factory.write_batch(tmp_path / "run", [{"id": "j", "frames": 1}])
    labels = factory.visionfit_labels(1)
    labels["annotations"][0]["percent_in_fov"] = float("nan")
    (root / "j" / "labels.json").write_text(json.dumps(labels))
    results = read_results(root)
    assert pd.isna(results["avg_percent_in_fov"][0])
    assert table(results, "annotations")["percent_in_fov"].isna().all()


def test_a_cut_batch_record_is_reported_and_the_folders_are_read(batch):
    (batch / "batch.json").write_text('{"format": 1, "job_runs": [')
    with pytest.warns(ResultsWarning, match=re.escape("batch.json is no valid JSON")):
        results = read_results(batch)
    assert sorted(results["job_id"]) == ["job-a", "job-b", "job-c"]


def test_hidden_folders_are_no_jobs(batch):
    shutil.copytree(batch / "job-a", batch / ".job-x.part")
    assert "job-x" not in " ".join(read_results(batch)["job_id"])


def test_nothing_there_is_an_error_that_says_what_to_give(tmp_path):
    with pytest.raises(NoResults, match="There is no folder"):
        read_results(tmp_path / "nowhere")
    with pytest.raises(NoResults, match="holds no downloaded jobs"):
        read_results(tmp_path)
    with pytest.raises(NoResults, match="home is unknown"):
        read_results("~no_such_user_here/batch")


@needs_samples
def test_the_published_samples_are_read(tmp_path):
    shutil.copytree(SAMPLES, tmp_path / "samples", copy_function=shutil.copyfile)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = read_results(tmp_path / "samples").set_index("job_id")
    spill, watch = results.loc["spills-basic-00000"], results.loc["imu-random-motion-00000"]
    assert (spill["num_frames"], watch["num_frames"]) == (153, 146)
    assert spill["frame_rate"] == 24
    assert watch["watch_location"] == "LEFT"
    annotations = table(results, "annotations")
    assert annotations["category"].value_counts().to_dict() == {"spill": 153, "floor": 153}
    plain = json.loads((SAMPLES / "spills-basic" / "00000_labels.json").read_text())
    areas = [annotation.get("area") for annotation in plain["annotations"]]
    assert np.array_equal(annotations["area"], np.array(areas, float), equal_nan=True)
    series = table(results, "timeseries")
    csv = pd.read_csv(SAMPLES / "imu-random-motion" / "00000.csv", index_col=0)
    assert np.allclose(series[csv.columns].to_numpy(float), csv.to_numpy(float))


def test_parameters_have_the_dtypes_of_a_jobs_frame_where_the_record_names_them(tmp_path):
    def written(name, exercises):
        jobs = [
            {"id": f"{name}-{i}", "params": factory.params(exercise=e, camera_height=1)}
            for i, e in enumerate(exercises)
        ]
        root = factory.write_batch(tmp_path / name, jobs)
        record = json.loads((root / "batch.json").read_text())
        record["parameters"] = [
            {
                "name": "exercise",
                "type": "str",
                "options": {"choices": ["SITUP", "PUSHUP", "V_UP"]},
            },
            {"name": "camera_height", "type": "float", "options": {}},
            {"name": "scene", "type": "int", "options": {}},
            {"name": "num_reps", "type": "colour"},
        ]
        (root / "batch.json").write_text(json.dumps(record))
        return root

    results = read_results(written("a", ["PUSHUP", "SITUP"]))
    assert results["camera_height"].dtype == "Float64"
    assert results["exercise"].cat.categories.tolist() == ["SITUP", "PUSHUP", "V_UP"]
    assert not results["exercise"].cat.ordered
    assert results["scene"].dtype == "string"  # no int, whatever the record says
    assert results["num_reps"].dtype == "Int64"
    asked = run_sql(results, "SELECT exercise, camera_height FROM jobs ORDER BY job_id")
    assert asked["exercise"].dtype == results["exercise"].dtype
    written("b", ["BURPEE"])
    both = read_results(tmp_path)
    assert both["exercise"].dtype == "string"
    assert both["exercise"].tolist() == ["PUSHUP", "SITUP", "BURPEE"]
    written("c", ["V_UP"])
    assert read_results(tmp_path / "c")["exercise"].dtype == results["exercise"].dtype


def test_a_series_that_is_no_text_is_named_and_the_others_are_read(tmp_path):
    for name, content in (("good", b"time,x\n0,1.5\n"), ("bad", b"time,x\n0,\xff\xfe\n")):
        factory.write_job(tmp_path / "run" / name, factory.params(), None)
        (tmp_path / "run" / name / "data.csv").write_bytes(content)
    with pytest.warns(ResultsWarning, match=r"bad.*data\.csv.*not UTF-8"):
        series = table(read_results(tmp_path / "run"), "timeseries")
    assert series["x"].tolist() == [1.5]


@pytest.mark.parametrize("name", ["", "a\x00b"])
def test_a_parameter_that_no_column_can_be_called_hides_no_job(tmp_path, name):
    root = tmp_path / "run"
    for job, more in (("good", {}), ("bad", {name: 1})):
        factory.write_job(root / job, factory.params() | more, factory.visionfit_labels(1))
    jobs = run_sql(read_results(root), "SELECT job_id, num_reps FROM jobs ORDER BY job_id")
    assert jobs["job_id"].tolist() == ["bad", "good"]
    assert jobs["num_reps"].tolist() == [2, 2]
