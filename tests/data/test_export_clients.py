"""Exports read by the tools that users train and label with."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from contextlib import redirect_stdout
from pathlib import Path

import label_factory
import numpy as np
import pandas as pd
import pytest
import vis_factory
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from infinity_frames.data import export, read_results
from infinity_frames.protocol.errors import ResultsError

FRAMES = 3
quiet_clients = pytest.mark.filterwarnings("ignore")  # warnings of the clients' own code


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("clients") / "batch"
    for job, exercise in (("a", "PUSHUP"), ("b", "SQUAT"), ("c", "PUSHUP")):
        vis_factory.make_job(root / job, FRAMES, exercise=exercise)
    return read_results(root).assign(split=["train", "train", "dev"])


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("series") / "batch"
    for number, job in enumerate(("a", "b")):
        folder = root / job
        label_factory.write_job(folder, {"frames_per_second": 20, "num_reps": number}, None)
        rows = {
            "time": np.arange(6) / 20,
            "accel_x": np.arange(6) + number,
            "phase": list("uuddud"),
        }
        pd.DataFrame(rows).to_csv(folder / "data.csv")
    return read_results(root).assign(split=["train", "val"])


def in_silence(work):
    with redirect_stdout(io.StringIO()):
        return work()


def test_coco_scores_one_against_itself(results: pd.DataFrame, tmp_path: Path) -> None:
    export(results, tmp_path / "coco", quiet=True)
    truth = in_silence(lambda: COCO(str(tmp_path / "coco" / "annotations" / "train.json")))
    found = [{**annotation, "score": 1.0} for annotation in truth.dataset["annotations"]]
    detected = in_silence(lambda: truth.loadRes(found))
    for kind in ("bbox", "segm"):
        score = COCOeval(truth, detected, kind)
        in_silence(lambda s=score: (s.evaluate(), s.accumulate(), s.summarize()))
        assert score.stats[0] == pytest.approx(1.0)
    images = {image["attributes"]["exercise"] for image in truth.dataset["images"]}
    assert images == {"PUSHUP", "SQUAT"}


@quiet_clients
def test_supervision_reads_coco_and_yolo(results: pd.DataFrame, tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    coco, yolo = tmp_path / "coco", tmp_path / "yolo"
    export(results, coco, quiet=True)
    export(results, yolo, "yolo-segment", quiet=True)
    sets = [
        supervision.DetectionDataset.from_coco(
            str(coco / "images" / "train"), str(coco / "annotations" / "train.json")
        ),
        supervision.DetectionDataset.from_yolo(
            str(yolo / "images" / "train"),
            str(yolo / "labels" / "train"),
            str(yolo / "data.yaml"),
        ),
    ]
    for found in sets:
        assert found.classes == ["person"]
        assert len(found) == 2 * FRAMES
        for path, _, detections in found:
            frame = int(Path(path).stem[-6:])
            x, y, width, height = vis_factory.box(frame)
            expected = [x, y, x + width, y + height]
            assert detections.xyxy[0] == pytest.approx(expected, abs=1.1)


@quiet_clients
def test_load_dataset_reads_parts_classes_and_parameters(
    results: pd.DataFrame, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets")
    export(results, tmp_path / "hf", "huggingface", quiet=True)
    found = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert {part: len(rows) for part, rows in found.items()} == {
        "train": 2 * FRAMES,
        "validation": FRAMES,
    }
    row = found["validation"][1]
    assert row["exercise"] == "PUSHUP"
    assert row["objects"][0]["bbox"] == list(vis_factory.box(1))
    assert row["image"].size == (vis_factory.WIDTH, vis_factory.HEIGHT)


@quiet_clients
def test_webdataset_reads_pictures_and_objects(results: pd.DataFrame, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    export(results, tmp_path / "shards", "webdataset", quiet=True)
    shard = tmp_path / "shards" / "train-000000.tar"
    rows = list(webdataset.WebDataset(str(shard), shardshuffle=False).decode("rgb8"))
    assert [row["__key__"] for row in rows] == [f"{j}_{f:06d}" for j in "ab" for f in range(FRAMES)]
    for row in rows:
        frame = row["json"]["frame_number"]
        assert (
            row["json"]["parameters"]["exercise"]
            == {"a": "PUSHUP", "b": "SQUAT"}[row["json"]["job_id"]]
        )
        assert row["json"]["categories"][row["json"]["objects"][0]["category"]] == "person"
        x, y, width, height = row["json"]["objects"][0]["bbox"]
        inside = row["png"][y + 3 : y + height - 3, x + 3 : x + width - 3]
        assert inside.mean() > 150 > row["png"][:y].mean()
        assert (x, y, width, height) == vis_factory.box(frame)
    assert (tmp_path / "shards" / "val-000000.tar").exists()
    again = tmp_path / "again"
    export(results, again, "webdataset", quiet=True)
    assert (again / "train-000000.tar").read_bytes() == shard.read_bytes()


def test_cvat_masks_and_skeletons_are_those_of_the_frames(
    results: pd.DataFrame, tmp_path: Path
) -> None:
    export(results, tmp_path / "cvat", "cvat", quiet=True)
    root = ElementTree.parse(tmp_path / "cvat" / "annotations.xml").getroot()
    images = root.findall("image")
    assert len(images) == 3 * FRAMES
    for image in images:
        assert (tmp_path / "cvat" / "images" / image.attrib["name"]).is_file()
        assert image.attrib["subset"] in ("train", "dev")
        (mask,) = image.findall("mask")
        drawn = np.zeros((int(image.attrib["height"]), int(image.attrib["width"])), bool)
        place = [int(mask.attrib[key]) for key in ("left", "top", "width", "height")]
        runs = [int(text) for text in mask.attrib["rle"].split(",")]
        values = np.arange(len(runs)) % 2 == 1
        cut = np.repeat(values, runs).reshape(place[3], place[2])
        drawn[place[1] : place[1] + place[3], place[0] : place[0] + place[2]] = cut
        frame = int(image.attrib["name"].rpartition("_")[2][:6])
        x, y, width, height = vis_factory.box(frame)
        expected = np.zeros_like(drawn)
        expected[y : y + height, x : x + width] = True
        assert (drawn == expected).all()
        assert len(image.findall("skeleton/points")) == 17


def test_cvat_runs_of_a_mask_with_a_hole() -> None:
    from infinity_frames.data.exports.annotation_tools import _cut, _runs

    mask = np.zeros((5, 6), bool)
    mask[1:4, 1:5] = True
    mask[2, 2] = False
    mask[1, 1] = False
    top, left, cut = _cut(mask)
    runs = _runs(cut)
    assert (top, left) == (1, 1)
    assert runs[0] == 1  # outside comes first
    again = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(cut.shape)
    assert (again == cut).all()
    assert _runs(np.ones((2, 2), bool)) == [0, 4]


def test_label_studio_boxes_are_percentages(results: pd.DataFrame, tmp_path: Path) -> None:
    export(results, tmp_path / "ls", "label-studio", quiet=True, size=64)
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    assert len(tasks) == 3 * FRAMES
    for task in tasks:
        picture = task["data"]["image"].partition("?d=")[2]
        assert (tmp_path / "ls" / picture).is_file()
        first = task["annotations"][0]["result"][0]
        assert (first["original_width"], first["original_height"]) == (64, 48)
        x, _, width, _ = vis_factory.box(task["data"]["frame_number"])
        pixel = 100 / 64  # boxes of smaller pictures end at whole pixels
        assert first["value"]["x"] == pytest.approx(100 * x / vis_factory.WIDTH, abs=pixel)
        assert first["value"]["width"] == pytest.approx(100 * width / vis_factory.WIDTH, abs=pixel)
        assert first["value"]["rectanglelabels"] == ["person"]
    config = ElementTree.parse(tmp_path / "ls" / "label_config.xml").getroot()
    names = {label.attrib["value"] for label in config.findall("*/Label")}
    used = {
        name
        for task in tasks
        for result in task["annotations"][0]["result"]
        for name in result["value"][result["type"]]
    }
    assert used <= names


@quiet_clients
def test_series_are_exported_as_csv_shards_and_rows(series: pd.DataFrame, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    export(series, tmp_path / "csv", "csv", stride=2, quiet=True)
    found = pd.read_csv(tmp_path / "csv" / "val" / "b.csv")
    assert found["sample"].tolist() == [0, 2, 4]
    assert found["accel_x"].tolist() == [1, 3, 5]
    assert found["phase"].tolist() == ["u", "d", "u"]
    jobs = pd.read_parquet(tmp_path / "csv" / "jobs.parquet")
    assert jobs["num_reps"].tolist() == [0, 1]

    losses = export(series, tmp_path / "shards", "webdataset", quiet=True)
    assert losses["count"].sum() == 2  # the column of texts, of two jobs
    (row,) = webdataset.WebDataset(
        str(tmp_path / "shards" / "train-000000.tar"), shardshuffle=False
    ).decode()
    columns = row["json"]["columns"]
    assert row["npy"].shape == (6, len(columns))
    assert row["npy"][:, columns.index("accel_x")].tolist() == list(range(6))

    export(series, tmp_path / "hf", "huggingface", stride=3, quiet=True)
    datasets = pytest.importorskip("datasets")
    rows = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert rows["train"][0]["accel_x"] == [0, 3]
    assert rows["validation"][0]["num_reps"] == 1


def test_series_formats_and_picture_formats_refuse_each_other(
    series: pd.DataFrame, results: pd.DataFrame, tmp_path: Path
) -> None:
    for name in ("coco", "yolo", "cvat", "label-studio"):
        with pytest.raises(ResultsError, match="csv, parquet, huggingface or webdataset"):
            export(series, tmp_path / "x", name, quiet=True)
    with pytest.raises(ResultsError, match="no sensor series"):
        export(results, tmp_path / "x", "csv", quiet=True)
    assert not (tmp_path / "x").exists()
