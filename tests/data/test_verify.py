"""The audit: silent on true labels, and every kind of false label found where it is."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from pictures import decode_bgr
from real_results import SAMPLES, needs_samples, real, rendered  # noqa: F401

from infinity_frames.data import job_files, read_results, verification_summary, verify
from infinity_frames.data.processes import in_processes
from infinity_frames.data.verify.job import audit
from infinity_frames.data.verify.report import CHECKS
from infinity_frames.protocol.errors import FrameError, ResultsError
from infinity_frames.protocol.schemas import DISCREPANCIES


@pytest.fixture
def copied(rendered, tmp_path):  # noqa: F811
    """A copy of the batch of videos that a test may damage; nothing notes what was downloaded."""
    ignored = shutil.ignore_patterns("receipts.jsonl")
    return shutil.copytree(rendered / "videos", tmp_path / "videos", ignore=ignored)


@pytest.fixture
def job(copied):
    """The folder of the job with something in its hands."""
    results = read_results(copied, quiet=True)
    return results.set_index("exercise").loc["BICEP_CURL-BARBELL"]


def test_a_file_changed_after_the_download_is_found(rendered, tmp_path):  # noqa: F811
    folder = shutil.copytree(rendered / "videos", tmp_path / "videos")
    results = read_results(folder, quiet=True)
    job = results.iloc[0]
    record = Path(job["path"], "job.json")
    content = record.read_bytes()
    record.write_bytes(content.replace(b'"version"', b'"verSion"'))  # same size, valid JSON
    found = verify(results, quiet=True)
    (row,) = found.to_dict("records")
    assert (row["job_id"], row["check"]) == (job["job_id"], "files")
    assert "changed since its download" in row["message"]
    assert row["found"].endswith("job.json")


def relabel(job, change):
    """Change a job's labels in place."""
    file = Path(job["path"], "labels.json")
    labels = json.loads(file.read_bytes())
    change(labels)
    file.write_text(json.dumps(labels))
    return labels


def found_in(job):
    out = verify(pd.DataFrame([job[["job_id", "path"]].to_dict()]), quiet=True)
    DISCREPANCIES.schema.validate(out)
    return out


def test_what_the_engine_renders_is_right_and_everything_was_compared(real):  # noqa: F811
    out = verify(real, quiet=True)
    assert out.empty, out["message"].tolist()
    DISCREPANCIES.schema.validate(out)
    summary = verification_summary(out)
    assert list(summary.index) == list(CHECKS)
    assert (summary["comparisons"] > 0).all()
    assert (summary[["discrepancies", "jobs"]] == 0).all(axis=None)
    labels = [json.loads(Path(path, "labels.json").read_bytes()) for path in real["path"]]
    assert summary.loc["box", "comparisons"] == sum(len(one["annotations"]) for one in labels)


def first_seen(labels):
    return next(a for a in labels["annotations"] if a["area"] > 0 and a["image_id"] == 2)


def shift_box(labels):
    first_seen(labels)["bbox"][0] += 1


def add_pixel(labels):
    first_seen(labels)["area"] += 1


def swap_outlines(labels):
    one, other = [a for a in labels["annotations"] if a["image_id"] == 2 and a["area"] > 0][:2]
    one["segmentation"], other["segmentation"] = other["segmentation"], one["segmentation"]


def hide_less(labels):
    first_seen(labels)["percent_occlusion"] += 0.5


def forget_occlusion(labels):
    first_seen(labels)["percent_occlusion"] = None


def overfill_view(labels):
    first_seen(labels)["percent_in_fov"] = 100.5


def bend_camera(labels):
    labels["info"]["camera_RT_matrix"][0][3] += 0.001


def move_wrist(labels):
    first_seen(labels)["armature_keypoints"]["left_wrist"]["x"] += 0.5


def sink_wrist(labels):
    first_seen(labels)["armature_keypoints"]["left_wrist"]["z_global"] -= 0.02


def see_outside(labels):
    point = first_seen(labels)["vertex_keypoints"]["nose"]
    point["v"] = 0 if point["v"] else 1


def miscount_points(labels):
    first_seen(labels)["num_keypoints"] += 1


def drop_frame(labels):
    labels["images"] = [i for i in labels["images"] if i["frame_number"] != 2]
    labels["annotations"] = [a for a in labels["annotations"] if a["image_id"] != 2]


def drop_person(labels):
    labels["annotations"].remove(first_seen(labels))


def drop_object(labels):
    labels["annotations"].remove(
        next(a for a in labels["annotations"] if a["image_id"] == 2 and a["category_id"] != 1)
    )


def repeat_id(labels):
    labels["annotations"][1]["id"] = labels["annotations"][0]["id"]


def orphan(labels):
    labels["annotations"][0]["category_id"] = 999


def shrink_image(labels):
    labels["images"][2]["width"] -= 1


def recolor(labels):
    first_seen(labels)["color"] = [0.123, 0.456, 0.789]


@pytest.mark.parametrize(
    ("change", "check", "frame"),
    [
        (shift_box, "box", 2),
        (add_pixel, "area", 2),
        (swap_outlines, "mask", 2),
        (hide_less, "occlusion", 2),
        (forget_occlusion, "occlusion", 2),
        (overfill_view, "in_view", 2),
        (bend_camera, "camera", None),
        (move_wrist, "projection", 2),
        (sink_wrist, "projection", 2),
        (see_outside, "visibility", 2),
        (miscount_points, "keypoints", 2),
        (drop_frame, "frames", 2),
        (drop_person, "annotations", 2),
        (drop_object, "annotations", 2),
        (repeat_id, "ids", None),
        (orphan, "ids", None),
        (shrink_image, "size", 2),
        (recolor, "mask", 2),
    ],
)
def test_a_false_label_is_found_where_it_is(job, change, check, frame):
    relabel(job, change)
    out = found_in(job)
    own = out[out["check"] == check]
    assert len(own)
    assert (own["job_id"] == job["job_id"]).all()
    if frame is not None:
        assert own["frame_number"].dropna().unique().tolist() == [frame]
    assert out["message"].str.len().min() > 10


def test_one_wrong_number_is_one_discrepancy(job):
    labels = relabel(job, add_pixel)
    (row,) = found_in(job).to_dict("records")
    wrong = first_seen(labels)
    assert (row["check"], row["annotation_id"]) == ("area", wrong["id"])
    assert (row["expected"], row["found"]) == (str(wrong["area"] - 1), str(wrong["area"]))


def test_damaged_and_missing_files_are_rows(job, copied):
    other = next(p for p in read_results(copied, quiet=True)["path"] if p != job["path"])
    file = Path(job["path"], "segmentation.zip")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    Path(other, "video.mp4").write_bytes(b"no video")
    out = verify(read_results(copied, quiet=True), quiet=True)
    assert out["check"].tolist() == ["files", "files"]
    assert set(out["found"]) == {str(file), f"{other}/video.mp4"}
    Path(job["path"], "labels.json").write_text('{"images": [{"id":')
    frame = pd.DataFrame({"job_id": [job["job_id"]], "path": [job["path"]]})
    cut = verify(frame, quiet=True)
    assert f"{job['path']}/labels.json" in set(cut["found"])


def test_a_mask_with_a_pixel_changed_is_found(job):
    file = f"{job['path']}/segmentation.zip"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = "image.000001.iseg.png"
    picture = decode_bgr(members[name])
    row, column = np.argwhere(picture.any(axis=2))[0]
    picture[row, column] = 0
    members[name] = cv2.imencode(".png", picture)[1].tobytes()
    members["image.000099.iseg.png"] = members.pop("image.000000.iseg.png")
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    out = found_in(job)
    assert {"area", "mask", "occlusion"} <= set(out.query("frame_number == 1")["check"])
    frames = out[out["check"] == "frames"]["frame_number"].tolist()
    assert sorted(frames) == [0, 99]


def test_a_video_shorter_than_its_labels_is_found(job, copied):
    results = read_results(copied, quiet=True)
    other = results[results["job_id"] != job["job_id"]].iloc[0]
    assert other["num_frames"] != job["num_frames"]
    shutil.copy(f"{other['path']}/video.mp4", f"{job['path']}/video.mp4")
    (row,) = found_in(job).to_dict("records")
    assert (row["check"], int(row["expected"])) == ("frames", job["num_frames"])
    assert int(row["found"]) == other["num_frames"]


def test_the_summary_follows_what_is_left_of_a_frame(job, copied):
    relabel(job, add_pixel)
    relabel(job, shift_box)
    out = verify(read_results(copied, quiet=True), quiet=True)
    summary = verification_summary(out.query("check == 'area'"))
    assert summary.loc[["area"]].iloc[0][["discrepancies", "jobs"]].tolist() == [1, 1]
    assert summary.loc["box", "discrepancies"] == 0
    assert summary["comparisons"]["box"] > 0
    forgotten = verification_summary(pd.DataFrame(out.to_dict("list")))
    assert forgotten["comparisons"].isna().all()
    assert forgotten["discrepancies"].sum() == 2
    with pytest.raises(FrameError, match="check"):
        verification_summary(out[["job_id"]])


def test_jobs_are_audited_in_processes_alike(real):  # noqa: F811
    jobs = job_files(real)
    apart = {one.job_id: one for one in in_processes(audit, jobs, processes=2)}
    assert apart == {one.job_id: one for one in in_processes(audit, jobs, processes=1)}
    assert set(apart) == set(real["job_id"])


def test_an_error_in_a_process_comes_back():
    with pytest.raises(AttributeError):
        list(in_processes(audit, ["no job", "none either"], processes=2))  # type: ignore[arg-type]


class Deadly:
    """Ends the other process that it is sent to, and takes its time in this one."""

    def __reduce__(self):
        return os._exit, (3,)

    def __repr__(self):
        time.sleep(0.05)
        return "Deadly()"


def test_a_process_that_dies_is_an_error_and_no_hang():
    with pytest.raises(ResultsError, match="died"):
        list(in_processes(repr, [Deadly() for _ in range(10)], processes=2))


@pytest.mark.slow
@needs_samples
def test_the_real_spills_sample_is_audited():
    """Its areas are those of the boxes, its video lost a row: both are said, and nothing raises."""
    results = read_results(SAMPLES / "spills-basic", quiet=True)
    out = verify(results, quiet=True)
    assert set(out["check"]) == {"size", "box", "area", "mask"}
    assert out.query("check == 'size'")["found"].tolist() == ["[960,624]"]
    annotations = results.infinity.annotations().set_index("annotation_id")
    wrong = annotations.loc[out.query("check == 'area'")["annotation_id"]]
    of_box = wrong["bbox_width"] * wrong["bbox_height"]
    assert (wrong["area"] / of_box).between(0.99, 1.01).mean() > 0.9
    summary = verification_summary(out)
    assert summary.loc["area", "comparisons"] == annotations["area"].notna().sum() == 294
    assert summary.loc["occlusion", "comparisons"] == 0


@needs_samples
def test_the_real_imu_sample_is_audited():
    out = verify(read_results(SAMPLES / "imu-random-motion", quiet=True), quiet=True)
    assert out.empty
    assert verification_summary(out).loc["frames", "comparisons"] == 1
