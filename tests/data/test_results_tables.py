"""Label tables: what is in them, against reading the same files as plain JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile

import cv2
import label_factory as factory
import numpy as np
import pandas as pd
import pytest

from infinity_frames.data import frames, job_files, masks, read_results, run_sql, table
from infinity_frames.protocol.errors import FrameError, NoResults, ResultsError
from infinity_frames.protocol.schemas import (
    ANNOTATIONS,
    CATEGORIES,
    CUBOIDS,
    IMAGES,
    KEYPOINTS,
    SCENES,
    TIMESERIES,
    context,
)

LABELS = (SCENES, IMAGES, ANNOTATIONS, KEYPOINTS, CUBOIDS, CATEGORIES)
KINDS = (*LABELS, TIMESERIES)
COCO = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
]


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    return factory.small_batch(tmp_path_factory.mktemp("tables") / "run")


@pytest.fixture(scope="module")
def results(batch):
    return read_results(batch)


@pytest.fixture(scope="module")
def plain(batch, results):
    """The jobs' label files as the json module reads them, in the order of the frame."""
    paths = results["path"].dropna()
    return {
        results.loc[i, "job_id"]: json.loads((batch / path / "labels.json").read_text())
        for i, path in paths.items()
    }


@pytest.mark.parametrize("kind", LABELS, ids=lambda kind: kind.name)
def test_tables_have_their_kinds_columns_and_dtypes(results, kind):
    frame = table(results, kind.name)
    kind.schema.validate(frame)
    assert list(frame.columns[: len(kind.columns)]) == list(kind.columns)
    assert context(frame) == context(results)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_tables_of_no_jobs_are_typed_too(results, kind):
    frame = table(results[results["path"].isna()], kind.name)
    kind.schema.validate(frame)
    assert len(frame) == 0


def test_jobs_without_sensor_data_say_which_tables_there_are(results):
    with pytest.raises(NoResults, match=r"timeseries.*Available: scenes, images, annotations"):
        results.infinity.timeseries()


def test_dtypes_suit_numpy_and_come_from_the_schema(results):
    points = results.infinity.keypoints("coco")
    assert points[["x", "y"]].to_numpy().dtype == np.float64
    assert points["z"].dtype == np.float64
    assert points["z"].isna().all()
    assert points["frame_number"].dtype == np.int64
    assert str(points["v"].dtype) == "Int64"
    one = results.infinity.images().iloc[:1]
    assert one["rep_count_from_start"].dtype == np.float64


@pytest.mark.parametrize("skeleton", ["cooc", "Coco", "armatur"])
def test_a_misspelled_skeleton_is_an_error(results, skeleton):
    with pytest.raises(FrameError, match=r"Did you mean|armature"):
        results.infinity.keypoints(skeleton)


def test_wide_keypoints_are_a_row_per_frame(results):
    points = results.infinity.keypoints("coco")
    wide = points.infinity.wide()
    images = results.infinity.images()
    assert wide.index.to_frame(index=False).to_numpy().tolist() == (
        images[["job_id", "frame_number"]].to_numpy().tolist()
    )
    assert wide["nose"].columns.tolist() == ["x", "y", "v"]
    for name, of_name in points.groupby("name"):
        found = wide[name].to_numpy()
        assert np.array_equal(found, of_name[["x", "y", "v"]].to_numpy(float))
    with pytest.raises(FrameError, match="one skeleton"):
        results.infinity.keypoints().infinity.wide()
    with pytest.raises(FrameError, match="annotation_id"):
        pd.concat([points, points]).infinity.wide()
    with pytest.raises(FrameError, match=r"lacks.*name"):
        images.infinity.wide()


@pytest.mark.parametrize("first_id", [1, 0])
def test_index_masks_hold_the_numbers_that_the_color_table_names(tmp_path, first_id):
    root = factory.write_batch(tmp_path / "run", [{"id": "j", "frames": 2}, {"id": "k"}])
    for job_id in ("j", "k"):
        labels = json.loads((root / job_id / "labels.json").read_text())
        for item in labels["categories"]:
            item["id"] += first_id - 1
        for item in labels["annotations"]:
            item["category_id"] += first_id - 1
        (root / job_id / "labels.json").write_text(json.dumps(labels))
        paint = np.zeros((factory.SIZE, factory.SIZE, 3), np.uint8)
        paint[2:5, 3:6] = [51, 128, 102]  # the person's color, as RGB
        paint[8:9, 1:4] = [102, 128, 102]  # the dumbbell's
        with zipfile.ZipFile(root / job_id / "segmentation.zip", "w") as archive:
            for image in labels["images"]:
                encoded = cv2.imencode(".png", paint[:, :, ::-1])[1].tobytes()
                archive.writestr(f"image.{image['frame_number']:06d}.iseg.png", encoded)
    results = read_results(root, quiet=True)
    table_of = results.infinity.colors()
    names = table_of[table_of["kind"] == "instance"].drop_duplicates(["job_id", "number"])
    assert names.loc[names["job_id"] == "j", "category"].tolist() == ["person", "dumbbell"]
    found = list(results.infinity.masks(kind="index"))
    assert [(job_id, frame) for job_id, frame, _ in found] == [
        *(("j", frame) for frame in range(2)),
        *(("k", frame) for frame in range(3)),
    ]
    for _, _, mask in found:
        assert mask.shape == (factory.SIZE, factory.SIZE)
        assert (mask[2:5, 3:6] == 1).all()
        assert (mask[8:9, 1:4] == 2).all()
        assert np.count_nonzero(mask) == 12
    one = results.infinity.images().query("frame_number == 1")
    assert [(j, f) for j, f, _ in one.infinity.masks(kind="index", of="instance")] == [
        ("j", 1),
        ("k", 1),
    ]


def test_every_results_verb_takes_the_job_id_as_index(results):
    indexed = results.set_index("job_id")
    for verb in ("scenes", "images", "annotations", "keypoints", "cuboids", "colors"):
        pd.testing.assert_frame_equal(
            getattr(indexed.infinity, verb)(), getattr(results.infinity, verb)()
        )
    assert len(indexed.infinity.sql("FROM jobs")) == len(results)
    assert len(indexed.infinity.verify(quiet=True)) == len(results.infinity.verify(quiet=True))


def test_labels_that_differ_in_case_only_are_all_kept(tmp_path):
    root = factory.write_batch(tmp_path / "run", [{"id": "j", "frames": 1}])
    labels = factory.visionfit_labels(1)
    labels["images"][0] |= {"Width": 1, "brightness": 2.0, "Brightness": 3.0, "place": "here"}
    (root / "j" / "labels.json").write_text(json.dumps(labels))
    row = read_results(root).infinity.images().iloc[0]
    assert (row["width"], row["brightness"], row["Brightness_2"]) == (factory.SIZE, 2.0, 3.0)
    assert (row["Width_2"], row["place_2"]) == (1, "here")


def test_images(results, plain):
    images = table(results, "images")
    rows = [(job_id, image) for job_id, labels in plain.items() for image in labels["images"]]
    assert images["job_id"].tolist() == [job_id for job_id, _ in rows]
    assert images["image_id"].tolist() == [image["id"] for _, image in rows]
    for column in ("frame_number", "width", "height", "rep_count_from_start"):
        assert images[column].tolist() == [image[column] for _, image in rows]
    assert images["time"].tolist() == [image["frame_number"] / 24 for _, image in rows]


def test_annotations(results, plain):
    annotations = table(results, "annotations")
    rows = [(j, a) for j, labels in plain.items() for a in labels["annotations"]]
    names = {1: "person", 2: "dumbbell"}
    assert annotations["job_id"].tolist() == [job_id for job_id, _ in rows]
    assert annotations["annotation_id"].tolist() == [a["id"] for _, a in rows]
    assert annotations["category"].tolist() == [names[a["category_id"]] for _, a in rows]
    assert annotations["frame_number"].tolist() == [a["image_id"] - 10 for _, a in rows]
    for column in ("image_id", "area", "iscrowd", "percent_in_fov", "instance_id"):
        assert annotations[column].tolist() == [a[column] for _, a in rows]
    hidden = [a["percent_occlusion"] for _, a in rows]
    assert annotations["percent_occlusion"].tolist() == pytest.approx(
        [np.nan if v is None else v for v in hidden], nan_ok=True
    )
    box = annotations[["bbox_x", "bbox_y", "bbox_width", "bbox_height"]]
    assert box.to_numpy(float).tolist() == [a["bbox"] for _, a in rows]
    decoded = [json.loads(text) for text in annotations["segmentation"]]
    assert decoded == [a["segmentation"] for _, a in rows]
    counts = [a.get("num_keypoints", pd.NA) for _, a in rows]
    assert annotations["num_keypoints"].tolist() == counts


def test_annotations_of_one_category(results, plain):
    dumbbells = table(results, "annotations", category="dumbbell")
    expected = sum(a["category_id"] == 2 for p in plain.values() for a in p["annotations"])
    assert len(dumbbells) == expected > 0
    assert set(dumbbells["category"]) == {"dumbbell"}


def test_a_category_that_labels_do_not_know_is_said(tmp_path):
    factory.write_batch(tmp_path / "run", [{"id": "a", "frames": 1}])
    results = read_results(tmp_path / "run", quiet=True)
    with pytest.raises(FrameError, match="Did you mean person"):
        table(results, "annotations", category="persons")
    with pytest.raises(FrameError, match="Available: "):
        table(results, "annotations", category="zebra")


@pytest.mark.parametrize("skeleton", ["armature", "vertex"])
def test_named_keypoints(results, plain, skeleton):
    frame = table(results, "keypoints", skeleton=skeleton)
    rows = [
        (job_id, a, name, point)
        for job_id, labels in plain.items()
        for a in labels["annotations"]
        for name, point in a.get(f"{skeleton}_keypoints", {}).items()
    ]
    assert frame["job_id"].tolist() == [job_id for job_id, *_ in rows]
    assert frame["annotation_id"].tolist() == [a["id"] for _, a, *_ in rows]
    assert frame["frame_number"].tolist() == [a["image_id"] - 10 for _, a, *_ in rows]
    assert frame["name"].tolist() == [name for *_, name, _ in rows]
    for column in ("x", "y", "v", "z", "x_global", "y_global", "z_global"):
        assert frame[column].tolist() == [point[column] for *_, point in rows]


def test_coco_keypoints(results, plain):
    frame = table(results, "keypoints", skeleton="coco")
    flat = [a["keypoints"] for p in plain.values() for a in p["annotations"] if "keypoints" in a]
    assert frame["name"].tolist() == COCO * len(flat)
    values = frame[["x", "y", "v"]].to_numpy(float)
    assert values.tolist() == np.reshape(flat, (-1, 3)).tolist()
    assert frame[["z", "x_global"]].isna().all(axis=None)


def test_all_skeletons_together(results):
    counts = table(results, "keypoints")["skeleton"].value_counts()
    apart = {name: len(table(results, "keypoints", skeleton=name)) for name in counts.index}
    assert counts.to_dict() == apart


def test_cuboids(results, plain):
    frame = table(results, "cuboids")
    corners = [a["cuboid_coordinates"] for p in plain.values() for a in p["annotations"]]
    assert frame["corner"].tolist() == list(range(8)) * len(corners)
    values = frame[["x", "y", "z"]].to_numpy(float)
    assert values.tolist() == np.reshape(corners, (-1, 3)).tolist()


def test_scenes_keep_scalars_and_matrices(results, plain):
    scenes = table(results, "scenes").set_index("job_id")
    assert list(scenes.index) == list(plain)
    for job_id, labels in plain.items():
        for name, value in labels["info"].items():
            assert scenes.loc[job_id, name] == value


def test_categories(results, plain):
    categories = table(results, "categories")
    rows = [(j, c["id"], c["name"]) for j, p in plain.items() for c in p["categories"]]
    own = categories[["job_id", "category_id", "name"]]
    assert list(own.itertuples(index=False, name=None)) == rows


def test_timeseries(tmp_path):
    folder = tmp_path / "run" / "watch"
    factory.write_job(folder, {"frames_per_second": 20}, None)
    series = pd.DataFrame(
        {"time": [0.0, 0.05], "rotation_matrix_m11": [1, 0.5], "label": ["a", ""]}
    )
    series.to_csv(folder / "data.csv")
    results = read_results(tmp_path / "run")
    frame = table(results, "timeseries")
    assert results["num_frames"].tolist() == [2]
    assert frame["sample"].tolist() == [0, 1]
    assert frame[["time", "rotation_matrix_m11"]].to_numpy(float).tolist() == [[0, 1], [0.05, 0.5]]
    assert "" not in frame.columns


def test_further_labels_of_any_type_are_kept(tmp_path):
    root = factory.write_batch(tmp_path / "run", [{"id": "one"}, {"id": "two"}])
    for job_id, value in (("one", True), ("two", "often")):
        labels = factory.visionfit_labels(2)
        labels["images"][1]["spill_visible"] = value
        labels["images"][1]["brightness"] = 1 if job_id == "one" else 0.5
        (root / job_id / "labels.json").write_text(json.dumps(labels))
    images = table(read_results(root), "images")
    assert images["spill_visible"].tolist() == [pd.NA, "true", pd.NA, "often"]
    assert images["brightness"].dtype == "float64"


def test_annotations_without_anything_but_ids_are_read(tmp_path):
    root = factory.write_batch(tmp_path / "run", [{"id": "j", "frames": 1}])
    bare = {"categories": [], "images": [{"id": 1}], "annotations": [{"id": 4, "image_id": 1}]}
    (root / "j" / "labels.json").write_text(json.dumps(bare))
    results = read_results(root)
    row = table(results, "annotations").iloc[0]
    assert (row["annotation_id"], row["image_id"], row["frame_number"]) == (4, 1, 0)
    assert row[["category", "bbox_x", "area", "segmentation"]].isna().all()


def test_the_frame_rate_may_come_from_the_video(tmp_path):
    av = pytest.importorskip("av")
    root = factory.write_batch(tmp_path / "run", [{"id": "j", "params": {"exercise": "SQUAT"}}])
    with av.open(str(root / "j" / "video.mp4"), "w") as video:
        stream = video.add_stream("libx264", rate=12)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            video.mux(stream.encode(frame))
        video.mux(stream.encode())
    images = table(read_results(root), "images")
    assert images["time"].tolist() == pytest.approx([0, 1 / 12, 2 / 12])


def test_a_filtered_frame_has_only_its_jobs_in_its_order(results):
    chosen = results.set_index("job_id").loc[["job-c", "job-b"]].reset_index()
    assert table(chosen, "images")["job_id"].unique().tolist() == ["job-c", "job-b"]
    assert set(table(results.query("num_reps == 3"), "annotations")["job_id"]) == {"job-a"}


def test_the_job_id_may_be_the_index(results):
    pd.testing.assert_frame_equal(
        table(results.set_index("job_id"), "images"), table(results, "images")
    )


def test_labels_are_read_in_another_process_after_a_round_trip(results, tmp_path):
    file = tmp_path / "results.parquet"
    results.to_parquet(file)
    code = (
        "import sys, pandas as pd; from infinity_frames.data import table;"
        "print(len(table(pd.read_parquet(sys.argv[1]), 'images')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == len(table(results, "images"))


def test_a_moved_batch_is_found_with_path(tmp_path):
    root = factory.small_batch(tmp_path / "here")
    results = read_results(root)
    before = table(results, "keypoints")
    root.rename(tmp_path / "there")
    with pytest.raises(NoResults, match="pass path= with the folder"):
        table(results, "keypoints")
    pd.testing.assert_frame_equal(table(results, "keypoints", path=tmp_path / "there"), before)
    with pytest.raises(NoResults, match="none of the 5 jobs"):
        table(results, "images", path=factory.write_batch(tmp_path / "else", [{"id": "other"}]))


def test_what_a_frame_lacks_is_said(results, monkeypatch):
    monkeypatch.setattr(frames, "_read_here", {})  # as in another process
    with pytest.raises(FrameError, match="job_id"):
        table(results.drop(columns="job_id"), "images")
    with pytest.raises(FrameError, match="path") as caught:
        table(results.drop(columns="path"), "images")
    assert "path=" in str(caught.value)
    with pytest.raises(FrameError, match="annotations, keypoints"):
        table(results, "pictures")
    with pytest.raises(FrameError, match="category"):
        table(results, "images", category="person")
    with pytest.raises(FrameError, match="job_id"):
        masks(results[["path"]], "job-a")


def test_files_of_jobs_are_found(results, batch):
    files = {job.job_id: job for job in job_files(results)}
    assert list(files) == ["job-b", "job-a", "job-c"]
    assert files["job-a"].labels == batch / "job-a" / "labels.json"
    assert files["job-c"].is_preview
    assert not files["job-a"].is_preview


@pytest.mark.parametrize(("kind", "member"), [("instance", "iseg"), ("semantic", "cseg")])
def test_masks_come_in_the_order_of_frames(tmp_path, kind, member):
    root = factory.write_batch(tmp_path / "run", [{"id": "j"}])
    pictures = factory.write_masks(root / "j" / "segmentation.zip", 3)
    found = list(masks(read_results(root), "j", kind))
    assert [number for number, _ in found] == [0, 1, 2]
    for number, mask in found:
        assert np.array_equal(mask, pictures[number, member])


def test_masks_that_are_not_there_are_said(tmp_path):
    root = factory.write_batch(tmp_path / "run", [{"id": "j"}, {"id": "k"}])
    results = read_results(root)
    (root / "j" / "segmentation.zip").write_bytes(b"PK cut")
    (root / "k" / "segmentation.zip").unlink()
    with pytest.raises(ResultsError, match="cannot be read"):
        list(masks(results, "j"))
    with pytest.raises(NoResults, match="has no masks"):
        masks(results, "k")
    with pytest.raises(NoResults, match="has no masks"):
        masks(results, "nobody")
    with pytest.raises(ResultsError, match="instance, semantic"):
        masks(results, "j", "depth")


def test_label_frames_remember_where_their_jobs_lie(tmp_path, monkeypatch):
    results = read_results(factory.small_batch(tmp_path / "a"), quiet=True)
    annotations = table(results, "annotations", quiet=True)
    assert "path" not in annotations.columns
    some = annotations.query("category == 'person'").nlargest(2, "area")
    again = table(some, "images", quiet=True)
    assert set(again["job_id"]) == set(some["job_id"])
    asked = run_sql(results, "SELECT job_id, avg(area) AS area FROM annotations GROUP BY ALL")
    assert len(table(asked, "scenes", quiet=True)) == annotations["job_id"].nunique()

    forgotten = pd.DataFrame(some.to_dict("list"))
    assert len(table(forgotten, "images", quiet=True)) == len(again)  # read in this process
    monkeypatch.setattr(frames, "_read_here", {})
    with pytest.raises(FrameError, match="path="):
        table(forgotten, "images", quiet=True)
    assert len(table(forgotten, "images", path=tmp_path / "a", quiet=True)) == len(again)


def test_a_frame_that_forgot_its_folder_is_of_the_one_read_last(tmp_path):
    """The same jobs may have been read from several places, and some may be gone since."""
    for name, length in (("old", 5), ("new", 2), ("emptied", 3)):
        factory.write_batch(tmp_path / name, [{"id": "job-x", "frames": length}])
        some = table(read_results(tmp_path / name, quiet=True), "images", quiet=True)
        forgotten = pd.DataFrame({"job_id": some["job_id"].unique()})
        assert len(table(forgotten, "images", quiet=True)) == length
    for entry in (tmp_path / "emptied").iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert len(table(forgotten, "images", quiet=True)) == 2


def test_what_a_label_frame_remembers_survives_parquet_and_a_move_is_said(tmp_path):
    results = read_results(factory.small_batch(tmp_path / "a"), quiet=True)
    table(results, "images", quiet=True).to_parquet(tmp_path / "images.parquet")
    stored = pd.read_parquet(tmp_path / "images.parquet")
    assert len(table(stored, "scenes", quiet=True)) == 3
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(NoResults, match="path="):
        table(stored, "scenes", quiet=True)
    assert len(table(stored, "scenes", path=tmp_path / "b", quiet=True)) == 3


def test_a_label_that_is_a_list_here_and_a_number_there_is_text(tmp_path):
    for name, value in (("a", [1.5, 2.0]), ("b", 3), ("c", "text")):
        labels = factory.visionfit_labels(1)
        labels["info"]["avatar_betas"] = value
        factory.write_job(tmp_path / name / f"job-{name}", factory.params(), labels)
    results = read_results(tmp_path, quiet=True)
    scenes = table(results, "scenes", quiet=True)
    assert scenes["avatar_betas"].tolist() == ["[1.5,2.0]", "3", "text"]
    same = table(results[results["job_id"] == "job-a"], "scenes", quiet=True)
    assert same["avatar_betas"].tolist() == [[1.5, 2.0]]
