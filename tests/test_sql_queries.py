"""The queries of ``sql/``, each against the same computed with pandas."""

from __future__ import annotations

from pathlib import Path

import label_factory as factory
import numpy as np
import pandas as pd
import pytest

from infinity_frames.errors import QueryError
from infinity_frames.results import query, read_results, table

FOLDER = Path(__file__).parents[1] / "sql"


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
    out = query("visibility_by_exercise", results, **({} if skeleton is None else {"skeleton": skeleton}))
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
    with pytest.raises(QueryError, match="coverage, failures"):
        query("nothing", results)


def test_a_parameter_that_a_query_does_not_take_is_said(results):
    with pytest.raises(QueryError, match="no parameter"):
        query("visibility_by_exercise", results, skeletons="coco")
