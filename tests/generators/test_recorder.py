"""The recorder: labels that follow from silhouettes, files that are complete, errors in words."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sprites import Sprites

from infinity_frames.data.rle import decode_rle
from infinity_frames.generators import Category, LabeledObject, Recorder, RenderError
from infinity_frames.io.video import read_frames

SIZE = (24, 32)
KINDS = (Category("ball"), Category("box"))
GREY = np.full((*SIZE, 3), 90, np.uint8)


def block(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def recorded(folder, objects, categories=KINDS, **options) -> dict:
    with Recorder(folder, categories=categories, **options) as recorder:
        recorder.add(GREY, objects)
    return json.loads((folder / "labels.json").read_text())


def masks_of(folder) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(folder / "segmentation.zip") as archive:
        return {
            name: np.asarray(Image.open(io.BytesIO(archive.read(name))))
            for name in archive.namelist()
        }


def test_nearer_objects_hide_farther_ones(tmp_path):
    far, near = block(2, 2, 10, 10), block(7, 2, 10, 10)
    labels = recorded(tmp_path, [LabeledObject("ball", 0, far), LabeledObject("box", 1, near)])
    ball, box = labels["annotations"]
    assert (ball["bbox"], ball["area"], ball["percent_occlusion"]) == ([2, 2, 10, 5], 50, 50.0)
    assert (box["bbox"], box["area"], box["percent_occlusion"]) == ([2, 7, 10, 10], 100, 0.0)
    seen = decode_rle(ball["segmentation"])
    np.testing.assert_array_equal(seen, far & ~near)
    masks = masks_of(tmp_path)
    color = np.round(np.array(ball["color"]) * 255)
    np.testing.assert_array_equal((masks["image.000000.iseg.png"] == color).all(axis=2), seen)
    alone = masks[f"image.000000.iseg.{ball['id']:06d}.png"]
    np.testing.assert_array_equal((alone == color).all(axis=2), far)
    kind = np.round(np.array(labels["categories"][1]["color"]) * 255)
    np.testing.assert_array_equal((masks["image.000000.cseg.png"] == kind).all(axis=2), near)


def test_an_object_without_a_visible_pixel_has_no_annotation(tmp_path):
    hidden, front = block(4, 4, 3, 3), block(2, 2, 10, 10)
    labels = recorded(tmp_path, [LabeledObject("ball", 3, hidden), LabeledObject("box", 1, front)])
    assert [one["instance_id"] for one in labels["annotations"]] == [1]


def test_keypoints_are_visible_where_their_object_is(tmp_path):
    kind = Category("ball", ("a", "b", "c"), ((1, 2),))
    points = np.array([[3.5, 3.5], [3.5, 8.5], [-1.0, 3.0]])
    objects = [
        LabeledObject("ball", 0, block(2, 2, 10, 10), points),
        LabeledObject("box", 1, block(7, 0, 10, 20)),
    ]
    labels = recorded(tmp_path, objects, (kind, Category("box")))
    ball = labels["annotations"][0]
    assert ball["keypoints"] == [3.5, 3.5, 2, 3.5, 8.5, 1, 0, 0, 0]
    assert ball["num_keypoints"] == 2
    assert labels["categories"][0]["keypoints"] == ["a", "b", "c"]


def test_a_video_has_every_frame_and_a_preview_has_one(tmp_path):
    for name, preview in (("whole", False), ("look", True)):
        (tmp_path / name).mkdir()
        params = {**Sprites.spec.defaults, "frames": 5, "distractors": 3}
        assert Sprites().render(params, 7, tmp_path / name, preview) == (1 if preview else 5)
    whole, look = (
        json.loads((tmp_path / n / "labels.json").read_text()) for n in ("whole", "look")
    )
    assert len(list(read_frames(tmp_path / "whole" / "video.mp4"))) == 5
    assert not (tmp_path / "look" / "video.mp4").exists()
    assert look["images"] == whole["images"][:1]
    first = [one for one in whole["annotations"] if one["image_id"] == 0]
    assert look["annotations"] == first
    pictures = [(tmp_path / n / "video_preview.png").read_bytes() for n in ("whole", "look")]
    assert pictures[0] == pictures[1]


def test_the_last_frame_can_be_the_preview_picture(tmp_path):
    with Recorder(tmp_path, poster="last") as recorder:
        recorder.write(GREY)
        recorder.write(GREY + 50)
    assert np.asarray(Image.open(tmp_path / "video_preview.png"))[0, 0, 0] == 140
    assert not (tmp_path / "labels.json").exists()


def test_a_series_is_written_with_nine_decimals(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.series(pd.DataFrame({"time": [0.0, 1 / 3]}))
    assert pd.read_csv(tmp_path / "data.csv", index_col=0)["time"].tolist() == [0, 0.333333333]


BALL = block(2, 2, 4, 4)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([LabeledObject("bal", 0, BALL)], "unknown category. Available: ball, box"),
        ([LabeledObject("ball", 0, BALL[:9])], r"shape \(9, 32\); expected bool of shape \(24, 32"),
        ([LabeledObject("ball", 0, BALL.astype(int))], "the mask is int64"),
        ([LabeledObject("ball", -1, BALL)], "instance numbers must be 0..254"),
        ([LabeledObject("ball", 0, BALL), LabeledObject("box", 0, BALL)], "used twice"),
        ([LabeledObject("ball", 0, BALL, np.zeros((2, 2)))], "its category names none"),
    ],
)
def test_an_error_names_frame_and_object(tmp_path, objects, message):
    with pytest.raises(RenderError, match=message) as raised:
        recorded(tmp_path, objects)
    assert "Frame 0, object" in str(raised.value)


def test_a_picture_must_be_rgb_of_one_size(tmp_path):
    with Recorder(tmp_path) as recorder:
        with pytest.raises(RenderError, match="Frame 0 is float64"):
            recorder.write(GREY.astype(float))
        recorder.write(GREY)
        with pytest.raises(RenderError, match="one size"):
            recorder.write(GREY[:10])


def test_a_failed_job_leaves_no_video(tmp_path):
    def fail() -> None:
        with Recorder(tmp_path, frame_rate=6) as recorder:
            recorder.write(GREY)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (tmp_path / "video.mp4").exists()


def test_255_instances_have_different_colors(tmp_path):
    objects = [
        LabeledObject("ball", number, block(number // 30, number % 30, 1, 1))
        for number in range(255)
    ]
    labels = recorded(tmp_path, objects)
    assert len({tuple(one["color"]) for one in labels["annotations"]}) == 255


def test_the_module_of_authors_lists_a_servers_generators_when_called(monkeypatch):
    import infinity_frames as inf

    asked: dict[str, object] = {}

    def stub(token=None, server=None):
        asked.update(token=token, server=server)
        return pd.DataFrame({"name": ["a"]})

    monkeypatch.setattr("infinity_frames.generators.list_generators", stub)
    assert inf.generators("secret", "http://x").name.tolist() == ["a"]
    assert asked == {"token": "secret", "server": "http://x"}
    assert inf.generators.Recorder is Recorder
