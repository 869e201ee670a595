"""The queries of ``sql/``, each against the same computed with pandas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import label_factory as factory
import numpy as np
import pandas as pd
import pytest
from real_results import real, rendered  # noqa: F401

from infinity_frames.data import export, query, read_results, run_sql, table
from infinity_frames.protocol.errors import QueryError

FOLDER = Path(__file__).parents[2] / "sql"


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    rng = np.random.default_rng(4)
    jobs = [
        {
            "id": f"job-{i}",
            "params": factory.params(
                exercise=["PUSHUP", "SITUP"][i % 2],
                scene=["GYM_1", "BEDROOM_2", "BEDROOM_4"][i % 3],
                camera_distance=float(rng.uniform(1, 5)),
                camera_height=float(rng.uniform(0.1, 2)),
                avatar_identity=i % 4,
            ),
            "frames": 2 + i % 3,
        }
        for i in range(7)
    ]
    errors = ["out of memory", "timed out", "out of memory"]
    jobs += [{"id": f"fail-{i}", "status": "failed", "error": e} for i, e in enumerate(errors)]
    jobs += [{"id": "fail-9", "status": "cancelled"}]
    return factory.write_batch(tmp_path_factory.mktemp("queries") / "run", jobs)


@pytest.fixture(scope="module")
def results(batch):
    return read_results(batch)


def rows(frame):
    return list(frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None))


@pytest.mark.parametrize("skeleton", [None, "vertex", "coco"])
def test_visibility(results, skeleton):
    out = query(
        "visibility_by_exercise", results, **({} if skeleton is None else {"skeleton": skeleton})
    )
    points = table(results, "keypoints", skeleton=skeleton or "armature")
    points = points.merge(results[["job_id", "exercise"]], on="job_id")
    expected = (
        points.assign(inside=points["v"] > 0, visible=points["v"] == 2)
        .groupby(["exercise", "name"])
        .agg(frames=("v", "size"), inside=("inside", "mean"), visible=("visible", "mean"))
        .reset_index()
        .sort_values(["exercise", "visible", "name"])
    )
    assert rows(out[["exercise", "name", "frames"]]) == rows(
        expected[["exercise", "name", "frames"]]
    )
    assert out["share_in_picture"].tolist() == pytest.approx(expected["inside"].tolist())
    assert out["share_visible"].tolist() == pytest.approx(expected["visible"].tolist())


def test_occlusion_by_camera(results):
    out = query("occlusion_by_camera", results, distance_step=1.0)
    people = table(results, "annotations", category="person").merge(results, on="job_id")
    expected = (
        people.assign(
            distance=np.floor(people["camera_distance"]),
            height=np.floor(people["camera_height"] / 0.5) * 0.5,
        )
        .groupby(["distance", "height"])
        .agg(
            jobs=("job_id", "nunique"),
            frames=("job_id", "size"),
            mean=("percent_occlusion", "mean"),
            most=("percent_occlusion", "max"),
            fov=("percent_in_fov", "mean"),
        )
        .reset_index()
    )
    assert out.to_numpy(float) == pytest.approx(expected.to_numpy(float))


def test_failures(results):
    out = query("failures", results)
    assert rows(out) == [
        ("visionfit-v0.4.0", "failed", "out of memory", 2, "fail-0"),
        ("visionfit-v0.4.0", "failed", "timed out", 1, "fail-1"),
        ("visionfit-v0.4.0", "cancelled", None, 1, "fail-9"),
    ]


def test_coverage(results):
    out = query("coverage", results)
    done = results[results["status"] == "completed"]
    expected = (
        done.groupby(["exercise", "scene"])
        .agg(
            jobs=("job_id", "size"),
            frames=("num_frames", "sum"),
            identities=("avatar_identity", "nunique"),
            near=("camera_distance", "min"),
            far=("camera_distance", "max"),
            low=("camera_height", "min"),
            high=("camera_height", "max"),
        )
        .reset_index()
        .sort_values(["jobs", "exercise", "scene"], ascending=[False, True, True])
    )
    assert rows(out) == rows(expected)


def joined(results, name, **options):
    """A label table with each job's exercise and camera height."""
    jobs = results[["job_id", "exercise", "camera_height"]]
    return table(results, name, quiet=True, **options).merge(jobs, on="job_id")


def test_visibility_by_camera_height(real):  # noqa: F811
    out = query("visibility_by_camera_height", real, joint="left_knee", height_step=1.0)
    points = joined(real, "keypoints", skeleton="armature").query("name == 'left_knee'")
    expected = (
        points.assign(
            height=np.floor(points["camera_height"]), inside=points["v"] > 0, seen=points["v"] == 2
        )
        .groupby(["exercise", "height"])
        .agg(
            jobs=("job_id", "nunique"),
            frames=("v", "size"),
            inside=("inside", "mean"),
            seen=("seen", "mean"),
        )
        .reset_index()
    )
    assert rows(out) == [tuple(row) for row in rows(expected)]


def test_rep_timing(real):  # noqa: F811
    out = query("rep_timing", real)
    images = joined(real, "images").sort_values(["job_id", "frame_number"])
    steps = images.assign(
        seconds=images.groupby("job_id")["time"].diff(),
        reps=images.groupby("job_id")["rep_count_from_start"].diff(),
    ).dropna(subset=["seconds"])
    steps["moving"] = steps["seconds"].where(steps["reps"] > 0, 0.0)
    videos = steps.groupby(["exercise", "job_id"])[["reps", "moving", "seconds"]].sum()
    videos["rate"] = videos["moving"] / videos["reps"]
    grouped = videos.groupby("exercise")
    assert out["exercise"].tolist() == list(grouped.groups)
    sums = grouped.sum()
    for column, expected in {
        "jobs": grouped.size(),
        "reps": sums["reps"],
        "seconds_per_rep": sums["moving"] / sums["reps"],
        "fastest": grouped["rate"].min(),
        "slowest": grouped["rate"].max(),
        "share_still": 1 - sums["moving"] / sums["seconds"],
    }.items():
        assert out[column].tolist() == pytest.approx(expected.tolist(), abs=1e-9), column


def test_joint_travel(real):  # noqa: F811
    out = query("joint_travel", real, pattern="left_%kle")
    points = joined(real, "keypoints", skeleton="armature").query("name == 'left_ankle'")
    points = points.merge(table(real, "images", quiet=True)[["job_id", "image_id", "time"]])
    points = points.sort_values(["job_id", "frame_number"])
    axes = [f"{axis}_global" for axis in "xyz"]
    moved = points.groupby("job_id")[axes].diff()
    points["metres"] = np.sqrt((moved.astype(float) ** 2).sum(axis=1, min_count=3))
    points["seconds"] = points.groupby("job_id")["time"].diff()
    grouped = points.groupby("exercise")
    expected = grouped["metres"].sum(min_count=1) / grouped["seconds"].sum(min_count=1)
    assert out["exercise"].tolist() == list(expected.index)
    assert out["name"].unique().tolist() == ["left_ankle"]
    assert out["jobs"].tolist() == grouped["job_id"].nunique().tolist()
    for column, wanted in (
        ("metres_per_second", expected),
        ("lowest", grouped["z_global"].min()),
        ("highest", grouped["z_global"].max()),
    ):
        assert out[column].astype(float).tolist() == pytest.approx(
            wanted.astype(float).tolist(), nan_ok=True
        )
    assert out["metres_per_second"].notna().any()


def test_worth_a_look(real):  # noqa: F811
    out = query("worth_a_look", real, k=2)
    people = table(real, "annotations", category="person", quiet=True).query("area > 0")
    for reason, column, sign, unremarkable in (
        ("most hidden", "percent_occlusion", 1, 0),
        ("least in the picture", "percent_in_fov", -1, 100),
        ("largest", "area", 1, None),
        ("smallest", "area", -1, None),
    ):
        some = people if unremarkable is None else people[people[column] != unremarkable]
        strength = (sign * some[column]).rename("strength")
        ranked = some.assign(strength=strength).sort_values(
            ["strength", "frame_number"], ascending=[False, True]
        )
        one_each = ranked.drop_duplicates("job_id").sort_values(
            ["strength", "job_id"], ascending=[False, True]
        )
        found = out[out["reason"] == reason]
        assert found["annotation_id"].tolist() == one_each["annotation_id"].head(2).tolist()
        assert found["job_id"].tolist() == one_each["job_id"].head(2).tolist()
    assert len(out.infinity.scenes()) == out["job_id"].nunique()


def test_who_is_wholly_in_the_picture_and_not_hidden_is_not_worth_a_look_for_that(tmp_path):
    batch = factory.write_batch(tmp_path / "run", [{"id": name} for name in ("whole", "cut")])
    for name, inside, hidden in (("whole", 100.0, 0.0), ("cut", 40.0, 60.0)):
        file = batch / name / "labels.json"
        labels = json.loads(file.read_text())
        for annotation in labels["annotations"]:
            annotation |= {"percent_in_fov": inside, "percent_occlusion": hidden}
        file.write_text(json.dumps(labels))
    out = query("worth_a_look", batch)
    listed = {reason: set(rows["job_id"]) for reason, rows in out.groupby("reason")}
    assert listed == {
        "largest": {"whole", "cut"},
        "smallest": {"whole", "cut"},
        "most hidden": {"cut"},
        "least in the picture": {"cut"},
    }


def test_box_sizes(real):  # noqa: F811
    out = query("box_sizes", real)
    seen = table(real, "annotations", quiet=True).query("bbox_width > 0")
    side = np.sqrt(seen["bbox_width"] * seen["bbox_height"]).astype(float)
    seen = seen.assign(
        side=side,
        small=seen["area"] < 1024,
        medium=seen["area"].between(1024, 9216),
        large=seen["area"] > 9216,
    )
    expected = (
        seen.groupby("category")
        .agg(
            boxes=("side", "size"),
            p05=("side", lambda values: values.quantile(0.05)),
            median=("side", "median"),
            p95=("side", lambda values: values.quantile(0.95)),
            small=("small", "mean"),
            medium=("medium", "mean"),
            large=("large", "mean"),
        )
        .reset_index()
        .sort_values(["boxes", "category"], ascending=[False, True])
    )
    assert out["category"].tolist() == expected["category"].tolist()
    assert out.iloc[:, 1:].to_numpy(float) == pytest.approx(expected.iloc[:, 1:].to_numpy(float))


def test_class_balance(real):  # noqa: F811
    out = query("class_balance", real)
    seen = table(real, "annotations", quiet=True).query("bbox_width > 0")
    images = table(real, "images", quiet=True)
    picture = seen["job_id"] + "/" + seen["image_id"].astype("string")
    grouped = seen.assign(picture=picture).groupby("category")
    expected = pd.DataFrame(
        {
            "annotations": grouped.size(),
            "pictures": grouped["picture"].nunique(),
            "jobs": grouped["job_id"].nunique(),
            "share_of_annotations": grouped.size() / len(seen),
            "share_of_pictures": grouped["picture"].nunique() / len(images),
            "share_of_pixels": grouped["area"].sum() / (images["width"] * images["height"]).sum(),
        }
    ).reset_index()
    expected = expected.sort_values(["annotations", "category"], ascending=[False, True])
    assert out["category"].tolist() == expected["category"].tolist()
    assert out.iloc[:, 1:].to_numpy(float) == pytest.approx(expected.iloc[:, 1:].to_numpy(float))


def test_render_time(real):  # noqa: F811
    out = query("render_time", real)
    batch = run_sql(real, "FROM batch")
    seconds = (batch["finished"] - batch["started"]).dt.total_seconds()
    over = batch["samples"] - batch["estimated_samples"]
    grouped = batch.assign(seconds=seconds, over=over).groupby(["generator", "is_preview"])
    sums = grouped[["samples", "over", "seconds"]].sum()
    assert rows(out[["generator", "is_preview"]]) == [tuple(key) for key in sums.index]
    expected = np.column_stack(
        [grouped.size(), sums, sums["seconds"] / sums["samples"], grouped["seconds"].max()]
    )
    assert out.iloc[:, 2:].to_numpy(float) == pytest.approx(expected.astype(float))


@pytest.fixture(scope="module")
def spills(tmp_path_factory):
    """Two spills in a published data set: by job, the area at each of ten frames (0: no box)."""
    rng = np.random.default_rng(8)
    folder = tmp_path_factory.mktemp("spills")
    areas = {f"0000{job}": np.append([0, 0], np.sort(rng.integers(9, 400, 8))) for job in (0, 1)}
    for stem, series in areas.items():
        annotations = [
            {"id": i, "image_id": 3 * i, "category_id": 0}
            | ({"bbox": [1, 1, 5, 5], "area": int(area)} if area else {})
            for i, area in enumerate(series)
        ]
        images = [
            {"id": 3 * i, "frame_number": i, "width": 40, "height": 20} for i in range(len(series))
        ]
        labels = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 0, "name": "spill"}],
        }
        (folder / f"{stem}_labels.json").write_text(json.dumps(labels))
        (folder / f"{stem}_params.json").write_text(json.dumps({"params": {"frame_rate": "8"}}))
    return folder, areas


def test_spill_growth(spills):
    folder, areas = spills
    out = query("spill_growth", folder).set_index("job_id")
    assert out["largest_area"].is_monotonic_decreasing
    for stem, series in areas.items():
        row = out.loc[f"{folder.name}-{stem}"]
        assert row["frames"] == (series > 0).sum()
        assert row["first_seen"] == np.argmax(series > 0) / 8
        assert row["first_area"] == series[series > 0][0]
        assert row["half_grown"] == np.argmax(series >= series.max() / 2) / 8
        assert row["largest_area"] == series.max()
        assert row["largest_share_of_picture"] == pytest.approx(series.max() / 800)


def test_imu_summary(tmp_path):
    rng = np.random.default_rng(9)
    for stem, speed in (("00000", 4.0), ("00001", 90.0)):
        axis = rng.normal(size=3)
        cross = np.cross(np.eye(3), axis / np.linalg.norm(axis))
        step = np.eye(3) + np.sin(a := np.radians(speed / 20)) * cross
        step = step + (1 - np.cos(a)) * cross @ cross  # Rodrigues
        matrices = [np.linalg.matrix_power(step, i) for i in range(30)]
        names = [f"rotation_matrix_m{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3)]
        frame = pd.DataFrame([m.ravel() for m in matrices], columns=names)
        frame.insert(0, "time", np.arange(30) / 20)
        frame.to_csv(tmp_path / f"{stem}.csv")
        (tmp_path / f"{stem}_params.json").write_text('{"params": {}}')
        tilts = np.degrees(np.arccos([min(m[2, 2], 1.0) for m in matrices]))
        row = query("imu_summary", tmp_path).set_index("job_id").loc[[f"{tmp_path.name}-{stem}"]]
        expected = [30, 29 / 20, 20, tilts.min(), tilts.max(), speed * 29 / 20, speed, speed]
        assert row.iloc[0].astype(float).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_queries_run_over_exported_parquet_without_this_package(tmp_path, real):  # noqa: F811
    """As the duckdb command line does it: views.sql, then the query prepared and executed."""
    export(real, tmp_path / "tables", "parquet", quiet=True)
    views = (tmp_path / "tables" / "views.sql").read_text()
    script = f"""
import duckdb
con = duckdb.connect()
con.execute({views!r})
con.execute("PREPARE ask AS " + open({str(FOLDER / "visibility_by_exercise.sql")!r}).read())
print(len(con.execute("EXECUTE ask(skeleton := 'coco')").fetchall()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path / "tables",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(done.stdout) == len(query("visibility_by_exercise", real, skeleton="coco")) > 17


def test_every_query_says_what_it_answers_and_is_tested_here():
    own = Path(__file__).read_text(encoding="utf-8")
    files = sorted(FOLDER.glob("*.sql"))
    assert files
    for file in files:
        assert file.read_text(encoding="utf-8").startswith("-- ")
        assert f'query("{file.stem}"' in own


def test_a_folder_will_do(batch, results):
    pd.testing.assert_frame_equal(query("failures", batch), query("failures", results))


def test_a_query_that_is_not_there_names_those_that_are(results):
    with pytest.raises(QueryError, match="coverage, failures, imu_summary"):
        query("nothing", results)


def test_a_parameter_that_a_query_does_not_take_is_said(results):
    with pytest.raises(QueryError, match=r"no parameter \$skeletons.*Available: \$skeleton\."):
        query("visibility_by_exercise", results, skeletons="coco")


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "visibility_by_exercise",
            {"skeleton": "cooc"},
            "no value of keypoints.skeleton.*mean coco",
        ),
        ("visibility_by_camera_height", {"joint": "left_wrst"}, "mean left_wrist"),
        ("worth_a_look", {"category": "persn"}, "no value of annotations.category.*mean person"),
        ("spill_growth", {}, "'spill', which is no value of annotations.category"),
    ],
)
def test_a_value_that_occurs_nowhere_is_no_empty_answer(results, name, params, message):
    with pytest.raises(QueryError, match=message):
        query(name, results, **params)


def test_an_answer_may_be_empty(results):
    assert query("joint_travel", results, pattern="nobody%").empty
    failed = results[results["status"] == "failed"]
    assert query("visibility_by_exercise", failed, skeleton="cooc").empty, "they have no labels"
