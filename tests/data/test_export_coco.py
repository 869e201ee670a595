"""COCO exports, read by pycocotools."""

# ruff: noqa: F401, F811
from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from exported import exported, opened, raw_labels
from pictures import read_bgr
from real_results import SAMPLES, needs_samples, real, rendered

from infinity_frames.data import export, read_results, table
from infinity_frames.io.video import read_frames

# pycocotools' decoder has not caught up with numpy 2's __array__.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_coco_loads_with_pycocotools_and_loses_nothing(exported):
    folder, results, losses = exported("coco")
    raw = raw_labels(results)
    count = 0
    for part, jobs in results.groupby("split", observed=True):
        data = opened(folder / "annotations" / f"{part}.json")
        assert {image["job_id"] for image in data.imgs.values()} == set(jobs["job_id"])
        for annotation in data.anns.values():
            image = data.imgs[annotation["image_id"]]
            labels = raw[image["job_id"]]
            own = {a["id"]: a for a in labels["annotations"]}[annotation["job_annotation_id"]]
            names = {c["id"]: c["name"] for c in labels["categories"]}
            assert data.cats[annotation["category_id"]]["name"] == names[own["category_id"]]
            kept = set(own) - {"id", "image_id", "category_id"}
            assert {key: annotation[key] for key in kept} == {key: own[key] for key in kept}
            assert data.annToMask(annotation).sum() == annotation["area"]
            assert image["job_image_id"] == own["image_id"]
            count += 1
        infos = {video["job_id"]: video["info"] for video in data.dataset["videos"]}
        assert infos == {job: raw[job]["info"] for job in jobs["job_id"]}
    assert count == sum(len(labels["annotations"]) for labels in raw.values())
    (person,) = [c for c in data.cats.values() if c["name"] == "person"]
    assert len(person["keypoints"]) == 17
    assert losses["loss"].str.contains("archives of masks").all()


def test_coco_pictures_are_the_frames(exported):
    folder, results, _ = exported("coco")
    for part, jobs in results.groupby("split", observed=True):
        data = opened(folder / "annotations" / f"{part}.json")
        for job in jobs.itertuples():
            images = [i for i in data.imgs.values() if i["job_id"] == job.job_id]
            assert [i["frame_number"] for i in images] == list(range(job.num_frames))
            found = [read_bgr(folder / "images" / part / i["file_name"]) for i in images]
            frames = (
                [read_bgr(f"{job.path}/video_preview.png")]
                if pd.isna(job.video)
                else [frame[..., ::-1] for frame in read_frames(job.video)]
            )
            assert all(np.array_equal(*pair) for pair in zip(found, frames, strict=True))


def test_a_category_that_is_not_listed_is_counted_and_ends_nothing(tmp_path, real):
    job = real[real["is_preview"]].head(1)
    folder = tmp_path / "batch" / job["job_id"].item()
    shutil.copytree(job["path"].item(), folder)
    labels = json.loads((folder / "labels.json").read_text())
    labels["annotations"][0]["category_id"] = 99_999
    (folder / "labels.json").write_text(json.dumps(labels))
    losses = export(read_results(tmp_path / "batch"), tmp_path / "out", "coco", quiet=True)
    told = dict(zip(losses["loss"], losses["count"], strict=True))
    assert told["annotations of a category that their job does not list, left out"] == 1
    written = json.loads(next((tmp_path / "out").rglob("annotations/*.json")).read_text())
    assert len(written["annotations"]) == len(labels["annotations"]) - 1


def test_a_picture_of_another_size_than_its_labels_is_left_out_and_counted(tmp_path, real):
    job = real[real["is_preview"]].head(1)
    folder = tmp_path / "batch" / job["job_id"].item()
    shutil.copytree(job["path"].item(), folder)
    labels = json.loads((folder / "labels.json").read_text())
    labels["images"][0]["height"] += 17
    (folder / "labels.json").write_text(json.dumps(labels))
    losses = export(read_results(tmp_path / "batch"), tmp_path / "out", "coco", quiet=True)
    told = dict(zip(losses["loss"], losses["count"], strict=True))
    assert told["frames whose picture is of another size than their labels, left out"] == 1
    written = json.loads(next((tmp_path / "out").rglob("annotations/*.json")).read_text())
    assert written["images"] == []


@needs_samples
def test_the_real_sample_in_coco_agrees_with_pycocotools(tmp_path):
    results = read_results(SAMPLES / "spills-basic", quiet=True)
    losses = export(results, tmp_path / "coco", "coco", pictures="jpg", quiet=True)
    counted = losses.set_index("loss")["count"]
    assert counted["annotations without a box, left out: COCO has none"] == 12
    assert counted.filter(like="pictures smaller").item() == 153
    ours = opened(tmp_path / "coco" / "annotations" / "train.json")
    theirs = opened(SAMPLES / "spills-basic" / "00000_labels.json")
    boxed = {id_: a for id_, a in theirs.anns.items() if "bbox" in a}
    assert len(ours.anns) == len(boxed) == 294
    assert len(ours.imgs) == len(theirs.imgs) == 153
    for annotation in list(ours.anns.values())[::29]:
        own = boxed[annotation["job_annotation_id"]]
        assert annotation["segmentation"] == own["segmentation"]
        assert np.array_equal(ours.annToMask(annotation), theirs.annToMask(own))
    annotations = table(results, "annotations", quiet=True)
    by_name = annotations[annotations["bbox_x"].notna()].groupby("category").size()
    for name, count in by_name.items():
        (category,) = theirs.getCatIds(catNms=[name])
        ids = theirs.getAnnIds(catIds=[category])
        assert count == sum(id_ in boxed for id_ in ids)
        total = sum(boxed[id_]["area"] for id_ in ids if id_ in boxed)
        assert annotations.query("category == @name")["area"].sum() == pytest.approx(total)
