"""Hugging Face exports hold frames, labels and typed parameters."""

# ruff: noqa: F401, F811
from __future__ import annotations

import json

import cv2
import numpy as np
import pyarrow.parquet as pq
from exported import exported, raw_labels
from pictures import decode_bgr
from real_results import rendered


def test_huggingface_rows_are_the_frames(exported):
    folder, results, _ = exported("huggingface")
    raw = raw_labels(results)
    for part, jobs in results.groupby("split", observed=True):
        (file,) = (folder / "data").glob(f"{part}-*.parquet")
        content = pq.read_table(file)
        features = json.loads(content.schema.metadata[b"huggingface"])["info"]["features"]
        assert list(features) == content.column_names
        assert features["image"] == {"_type": "Image"}
        rows = content.to_pylist()
        assert len(rows) == jobs["num_frames"].sum()
        for row in rows:
            labels = raw[row["job_id"]]
            own = [a for a in labels["annotations"] if a["image_id"] == row["frame_number"]]
            for found, annotation in zip(row["objects"], own, strict=True):
                assert found["bbox"] == annotation["bbox"]
                assert json.loads(found["segmentation"]) == annotation["segmentation"]
                more = json.loads(found["labels"])
                kept = {**found, **more, "segmentation": annotation["segmentation"]}
                assert {k: kept[k] for k in annotation if k not in ("image_id", "category_id")} == {
                    k: v for k, v in annotation.items() if k not in ("image_id", "category_id")
                }
            assert json.loads(row["scene"]) == labels["info"]
            picture = decode_bgr(row["image"]["bytes"])
            assert picture.shape == (row["height"], row["width"], 3)
    assert f"path: data/{part}-*.parquet" in (folder / "README.md").read_text()
