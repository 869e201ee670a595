"""Exports, checked by reading them back with what reads them elsewhere."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from real_results import SAMPLES, needs_samples, real, rendered  # noqa: F401

from infinity_frames.data import export, masks, read_results, split, table
from infinity_frames.data.label_tables import TABLES
from infinity_frames.io.video import read_frames
from infinity_frames.protocol.errors import ResultsError

# pycocotools' decoder has not caught up with numpy 2's __array__.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FORMATS = ("coco", "yolo-detect", "yolo-pose", "yolo-segment", "parquet", "huggingface")


@pytest.fixture(scope="module")
def exported(rendered, tmp_path_factory):  # noqa: F811
    """Where each format of the rendered results was written to, in two parts, and its losses."""
    root = tmp_path_factory.mktemp("exported")
    divided = split(read_results(rendered, quiet=True), {"train": 0.7, "test": 0.3}, seed=1)
    return {
        name: (root / name, divided, export(divided, root / name, name, quiet=True))
        for name in FORMATS
    }


def raw_labels(results):
    """Each job's labels as plain JSON."""
    return {
        row.job_id: json.loads(Path(row.path, "labels.json").read_bytes())
        for row in results.itertuples()
    }


def opened(path):
    with redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_coco_loads_with_pycocotools_and_loses_nothing(exported):
    folder, results, losses = exported["coco"]
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
    folder, results, _ = exported["coco"]
    for part, jobs in results.groupby("split", observed=True):
        data = opened(folder / "annotations" / f"{part}.json")
        for job in jobs.itertuples():
            images = [i for i in data.imgs.values() if i["job_id"] == job.job_id]
            assert [i["frame_number"] for i in images] == list(range(job.num_frames))
            found = [cv2.imread(str(folder / "images" / i["file_name"])) for i in images]
            frames = (
                [cv2.imread(f"{job.path}/video_preview.png")]
                if pd.isna(job.video)
                else [frame[..., ::-1] for frame in read_frames(job.video)]
            )
            assert all(map(np.array_equal, found, frames))


def yolo_rows(folder):
    for file in sorted(folder.glob("labels/*/*.txt")):
        picture = folder / "images" / file.parent.name / f"{file.stem}.png"
        height, width = cv2.imread(str(picture)).shape[:2]
        job, _, number = file.stem.rpartition("_")
        rows = [line.split() for line in file.read_text().splitlines()]
        yield job, int(number), (width, height), rows


def yolo_names(folder):
    lines = (folder / "data.yaml").read_text().splitlines()
    listed = lines[lines.index("names:") + 1 :]
    return [json.loads(line.partition(": ")[2]) for line in listed if line.startswith("  ")]


def seen(results, *, people=False):
    """Raw annotations with pixels, by job and frame, with their categories' names."""
    out = {}
    for job, labels in raw_labels(results).items():
        names = {c["id"]: c["name"] for c in labels["categories"]}
        for a in labels["annotations"]:
            if a["area"] and (names[a["category_id"]] == "person" or not people):
                out.setdefault((job, a["image_id"]), []).append((names[a["category_id"]], a))
    return out


def test_yolo_boxes_come_back_to_the_pixel(exported):
    folder, results, _ = exported["yolo-detect"]
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
    folder, results, losses = exported["yolo-pose"]
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
    folder, results, losses = exported["yolo-segment"]
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


def test_parquet_holds_the_tables(exported):
    folder, results, _ = exported["parquet"]
    for name in TABLES:
        frame = table(results, name, quiet=True)
        found = pq.read_table(folder / f"{name}.parquet").to_pandas()
        assert len(found) == len(frame)
        assert list(found["job_id"].sort_values()) == list(frame["job_id"].sort_values())
        assert set(found.columns) == set(frame.columns)
    jobs = pd.read_parquet(folder / "jobs.parquet")
    assert (
        jobs.set_index("job_id")["split"].to_dict()
        == results.set_index("job_id")["split"].to_dict()
    )


def test_huggingface_rows_are_the_frames(exported):
    folder, results, _ = exported["huggingface"]
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
            picture = cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), 1)
            assert picture.shape == (row["height"], row["width"], 3)
    assert f"path: data/{part}-*.parquet" in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_the_readme_says_what_is_left_out(exported, name):
    folder, results, losses = exported[name]
    text = (folder / "README.md").read_text()
    for loss, count in losses.itertuples(index=False):
        assert f"- {loss}: {count}\n" in text
    assert results["exercise"].iloc[0] in text


def test_yolo_says_when_it_would_validate_on_what_it_trains_on(tmp_path, real):  # noqa: F811
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


def test_frames_of_odd_size_lose_what_the_video_added(tmp_path, real):  # noqa: F811
    # An unpadded mask of the labels' own size fits every picture.
    job = real[real["video"].notna()].head(1)
    with pytest.warns(UserWarning, match="one part"):
        export(job, tmp_path / "out", "yolo", pictures="jpg", quiet=True)
    pictures = list((tmp_path / "out" / "images" / "train").glob("*.jpg"))
    assert len(pictures) == job["num_frames"].item()
    (shape,) = {mask.shape for _, mask in masks(job, job["job_id"].item())}
    assert {cv2.imread(str(picture)).shape for picture in pictures} == {shape}


def test_a_category_that_is_not_listed_is_counted_and_ends_nothing(tmp_path, real):  # noqa: F811
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


def test_nothing_half_written_stays_and_nothing_is_overwritten(tmp_path, real):  # noqa: F811
    with pytest.raises(ResultsError, match="coco, yolo-detect"):
        export(real, tmp_path / "out", "voc")
    (tmp_path / "out").mkdir()
    with pytest.raises(ResultsError, match="exists already"):
        export(real, tmp_path / "out")
    with pytest.raises(ResultsError, match="nothing to export"):
        export(real.head(0), tmp_path / "new")
    with pytest.raises(ResultsError, match="bmp"):
        export(real, tmp_path / "new", pictures="bmp")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


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
