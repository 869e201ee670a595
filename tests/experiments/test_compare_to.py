"""compare_to() on data sets whose distance is known."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import infinity_frames as inf
from infinity_frames.errors import FrameError, NoResults
from infinity_frames.experiments.comparisons import compare_to

pytestmark = pytest.mark.slow


def made(n, seed, shift=0.0, share=0.5):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "height": rng.normal(shift, 1, n),
            "kind": rng.choice(["A", "B"], n, p=[share, 1 - share]),
            "same": rng.uniform(size=n),
        }
    )


def test_known_distances_are_inside_their_intervals():
    found = compare_to(made(900, 1), made(900, 2, shift=0.5, share=0.8), resamples=60)
    rows: Any = found.set_index("column")
    for name, truth in (("height", 0.5), ("kind", 0.3)):
        assert rows.loc[name, "ci_low"] < truth < rows.loc[name, "ci_high"], name
        assert rows.loc[name, "p"] < 0.06
        assert rows.loc[name, "distance"] > rows.loc[name, "noise"]
    assert rows.loc["same", "p"] > 0.05
    assert found["column"].iloc[0] == "height"
    whole = found.attrs["comparison"]
    assert 0.6 < whole["auc_low"] < whole["auc"] < whole["auc_high"] < 0.9
    assert rows["auc_drop"].idxmin() == "same"


def test_samples_of_one_distribution_are_not_told_apart():
    wrong = 0
    for seed in range(8):
        found = compare_to(made(200, seed), made(200, 100 + seed), resamples=60)
        wrong += bool((found["p"] < 0.05).any())
        assert found.attrs["comparison"]["auc_low"] < 0.55
    assert wrong <= 2  # 5 % each; P(more than 2 of 8) = 0.6 %


def test_rows_of_one_job_are_not_independent():
    jobs = made(40, 1).assign(job_id=[f"j{i}" for i in range(40)])
    frames = jobs.loc[np.repeat(np.arange(40), 30)]
    found: Any = compare_to(frames, made(400, 2), resamples=60).set_index("column")
    assert found.loc["height", "noise"] > 0.15
    assert found.loc["height", "p"] > 0.05


def test_labels_are_compared_with_a_coco_file(pictures, tmp_path):
    results = inf.read_results(pictures, quiet=True)
    labels: Any = results.infinity.annotations().dropna(subset=["bbox_x"])
    ids = {job: i for i, job in enumerate(results["job_id"])}
    coco: dict[str, Any] = {
        "images": [{"id": i, "width": 128, "height": 128} for i in ids.values()],
        "categories": [{"id": i, "name": n} for i, n in enumerate(sorted(set(labels["category"])))],
    }
    names = {item["name"]: item["id"] for item in coco["categories"]}
    coco["annotations"] = [
        {
            "id": i,
            "image_id": ids[row.job_id],
            "category_id": names[row.category],
            "bbox": [2 * row.bbox_x, 2 * row.bbox_y, 2 * row.bbox_width, 2 * row.bbox_height],
            "area": 4 * row.area,
            "num_keypoints": int(row.num_keypoints),
        }
        for i, row in enumerate(labels.itertuples())
    ]
    file = tmp_path / "real.json"
    file.write_text(json.dumps(coco))
    same = results.infinity.compare_to(file, resamples=20)
    assert same["distance"].max() < 1e-9  # twice the picture, the same shares of it
    coco["annotations"] = [a | {"bbox": [0, 0, *a["bbox"][2:]]} for a in coco["annotations"]]
    moved = results.infinity.compare_to(coco, resamples=20)
    assert set(moved["column"][:2]) == {"center_x", "center_y"}
    assert moved.attrs["comparison"]["auc"] > 0.9


def test_wrong_data_are_explained(tmp_path):
    with pytest.raises(FrameError, match="share no column that varies"):
        compare_to(made(50, 1), pd.DataFrame({"speed": [1.0, 2.0]}))
    with pytest.raises(FrameError, match="Not enough data: 5 independent rows in the other"):
        compare_to(made(50, 1), made(5, 2))
    with pytest.raises(FrameError, match="'weight' is not in both"):
        compare_to(made(50, 1), made(50, 2), columns=["weight"])
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(NoResults, match="no COCO file"):
        compare_to(made(50, 1), tmp_path / "x.json", path=tmp_path)
