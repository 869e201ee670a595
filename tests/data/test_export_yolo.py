"""YOLO exports, read as Ultralytics reads them."""

# ruff: noqa: F401, F811
from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest
from exported import exported, raw_labels
from pictures import read_bgr
from pycocotools import mask as coco_mask
from real_results import real, rendered

from infinity_frames.data import export, masks

# pycocotools' decoder has not caught up with numpy 2's __array__.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def yolo_rows(folder):
    for file in sorted(folder.glob("labels/*/*.txt")):
        picture = folder / "images" / file.parent.name / f"{file.stem}.png"
        height, width = read_bgr(picture).shape[:2]
        job, _, number = file.stem.rpartition("_")
        rows = [line.split() for line in file.read_text().splitlines()]
        yield job, int(number), (width, height), rows


def yolo_names(folder):
    lines = (folder / "data.yaml").read_text().splitlines()
    listed = lines[lines.index("names:") + 1 :]
    return [json.loads(line.partition(": ")[2]) for line in listed if line.startswith("  ")]


def seen(results, *, people=False):
    """Raw annotations with pixels, by job and frame, with their categories' names."""
    out: dict[tuple[str, int], list[tuple[str, dict[str, Any]]]] = {}
    for job, labels in raw_labels(results).items():
        names = {c["id"]: c["name"] for c in labels["categories"]}
        for a in labels["annotations"]:
            if a["area"] and (names[a["category_id"]] == "person" or not people):
                out.setdefault((job, a["image_id"]), []).append((names[a["category_id"]], a))
    return out


def test_yolo_boxes_come_back_to_the_pixel(exported):
    folder, results, _ = exported("yolo-detect")
    names, expected, count = yolo_names(folder), seen(results), 0
    for job, number, size, rows in yolo_rows(folder):
        for (name, own), (label, *numbers) in zip(expected[job, number], rows, strict=True):
            middle, extent = np.array(numbers, float).reshape(2, 2) * size
            assert names[int(label)] == name
            assert np.allclose([*(middle - extent / 2), *extent], own["bbox"], atol=1e-5)
            count += 1
    assert count == sum(map(len, expected.values()))
    assert {p.name for p in (folder / "images").iterdir()} == {"train", "test"}


def test_yolo_points_come_back(exported):
    folder, results, losses = exported("yolo-pose")
    expected = seen(results, people=True)
    for job, number, size, rows in yolo_rows(folder):
        for (_, own), row in zip(expected.get((job, number), []), rows, strict=True):
            points = np.array(row[5:], float).reshape(17, 3)
            points[:, :2] *= size
            assert np.allclose(points.ravel(), own["keypoints"], atol=1e-5)
    config = (folder / "data.yaml").read_text()
    assert "kpt_shape: [17, 3]" in config
    assert "flip_idx: [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]" in config
    others = sum(map(len, seen(results).values())) - sum(map(len, expected.values()))
    counted = losses.set_index("loss")["count"]
    assert counted["objects that are no person, left out"] == others


def drawn(numbers, size):
    """A YOLO polygon as Ultralytics draws it: corners cut to whole pixels, then filled."""
    corners = (np.array(numbers, float).reshape(-1, 2) * size).astype(np.int32)
    canvas = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(canvas, [corners], 1)
    return canvas.astype(bool)


def test_yolo_outlines_are_exact_but_for_what_is_said(exported):
    folder, results, losses = exported("yolo-segment")
    expected = seen(results)
    simple = joined = filled = 0
    for job, number, size, rows in yolo_rows(folder):
        for (_, own), (_, *numbers) in zip(expected[job, number], rows, strict=True):
            mask = coco_mask.decode(own["segmentation"])
            parts = cv2.connectedComponents(mask, connectivity=8)[0] - 1
            around = np.pad(1 - mask, 1, constant_values=1)
            holes = cv2.connectedComponents(around, connectivity=4)[0] - 2
            polygon = drawn(numbers, size)
            assert not (mask.astype(bool) & ~polygon).any()
            joined, filled = joined + (parts > 1), filled + (holes > 0)
            if parts == 1 and not holes:
                assert np.array_equal(polygon, mask.astype(bool))
                simple += 1
    counted = losses.set_index("loss")["count"]
    assert counted["outlines of several parts, joined by lines a pixel wide"] == joined > 0
    assert counted["outlines with holes, which were filled"] == filled > 0
    assert simple > filled


def test_yolo_says_when_it_would_validate_on_what_it_trains_on(tmp_path, real):
    def entries(jobs, name):
        export(jobs, tmp_path / name, "yolo", quiet=True)
        text = (tmp_path / name / "data.yaml").read_text()
        return text, dict(line.split(": ") for line in text.splitlines() if ": images/" in line)

    looks = real[real["is_preview"]]
    with pytest.warns(UserWarning, match=r"seen in training.*\.infinity\.split") as caught:
        text, parts = entries(looks, "whole")
    assert caught[0].filename == __file__
    assert text.startswith("# There is one part only: val is train again")
    assert parts == {"train": "images/train", "val": "images/train"}
    # Two parts are no reason to warn, whatever they are called: warnings are errors in tests.
    for other in ("val", "test"):
        divided = looks.assign(split=["train", *[other] * (len(looks) - 1)])
        text, parts = entries(divided, other)
        assert parts == {
            "train": "images/train",
            other: f"images/{other}",
            "val": f"images/{other}",
        }
        assert "#" not in text


def test_frames_of_odd_size_lose_what_the_video_added(tmp_path, real):
    # An unpadded mask of the labels' own size fits every picture.
    job = real[real["video"].notna()].head(1)
    with pytest.warns(UserWarning, match="one part"):
        export(job, tmp_path / "out", "yolo", pictures="jpg", quiet=True)
    pictures = list((tmp_path / "out" / "images" / "train").glob("*.jpg"))
    assert len(pictures) == job["num_frames"].item()
    shapes = {mask.shape for _, mask in masks(job, job["job_id"].item())}
    assert len(shapes) == 1
    assert {read_bgr(picture).shape for picture in pictures} == shapes
