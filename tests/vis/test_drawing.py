"""Videos with labels drawn over them: a whole video, all labels at once, two jobs side by side."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vis_factory as factory

from infinity_frames.io.video import VideoWriter, read_frames, video_info
from infinity_frames.protocol.errors import FrameError, MediaError
from infinity_frames.vis import (
    BoxAnnotator,
    MaskAnnotator,
    compare,
    draw_labels,
    visualize_all_labels,
    visualize_timeseries,
    visualize_videos,
)

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the published samples are not beside the project"
)
ORANGE = np.array([230, 159, 0])


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return factory.make_job(tmp_path / "job-a")


def test_every_frame_has_its_own_labels(job: Path) -> None:
    path = draw_labels(job, annotators=[BoxAnnotator(3, names=False)])
    assert path == job / "labels.mp4"
    frames = list(read_frames(path))
    assert len(frames) == 6
    for number, frame in enumerate(frames):
        x, y, w, h = factory.box(number)
        edge = frame[y + h // 2, [x + 1, x + w - 2]].astype(int)
        assert np.abs(edge - ORANGE).max() < 60
        assert np.abs(frame[y + h // 2, [x - 4, x + w + 3]].astype(int) - 50).max() < 40


def test_a_job_may_be_given_by_its_row_of_results(job: Path) -> None:
    results = pd.DataFrame({"path": [str(job)], "video": [str(job / "video.mp4")]})
    for given in (results, results.iloc[0], results.drop(columns="video").iloc[0]):
        assert draw_labels(given) == job / "labels.mp4"
    with pytest.raises(FrameError, match="2 rows"):
        draw_labels(pd.concat([results, results]))
    with pytest.raises(FrameError, match="neither a video nor a path"):
        draw_labels(results.assign(path=None, video=None).iloc[0])


def test_annotators_draw_in_the_order_given(job: Path, tmp_path: Path) -> None:
    path = draw_labels(job, tmp_path / "a.mp4", [MaskAnnotator(1.0)])
    x, y, w, h = factory.box(0)
    centre = next(read_frames(path))[y + h // 2, x + w // 2]
    assert np.abs(centre.astype(int) - ORANGE).max() < 12


def test_a_job_without_a_video_says_so_and_writes_nothing(job: Path, tmp_path: Path) -> None:
    (job / "video.mp4").unlink()
    with pytest.raises(MediaError, match="has no video"):
        draw_labels(job, tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()


def test_no_video_overwrites_what_it_is_made_of(job: Path, tmp_path: Path) -> None:
    other = factory.make_job(tmp_path / "other")
    before = {path: path.read_bytes() for one in (job, other) for path in one.iterdir()}
    for path in (job / "video.mp4", job / ".." / job.name / "labels.json"):
        for write in (draw_labels, visualize_all_labels):
            with pytest.raises(MediaError, match="overwrite"):
                write(job, path)
    with pytest.raises(MediaError, match="overwrite"):
        compare(job, other, other / "video.mp4")
    with pytest.raises(MediaError, match="overwrite"):
        visualize_videos([job, other], other / "video.mp4")
    assert before == {path: path.read_bytes() for one in (job, other) for path in one.iterdir()}


def test_a_job_without_labels_says_so(job: Path) -> None:
    (job / "labels.json").unlink()
    with pytest.raises(MediaError, match="has no labels"):
        draw_labels(job)


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="No job at"):
        draw_labels(tmp_path / "nowhere")


def test_labels_of_another_size_are_an_error_not_a_blank(tmp_path: Path) -> None:
    job = factory.make_job(tmp_path / "job", label_size=(256, 192))
    with pytest.raises(MediaError, match="128 x 96 pixels, and its labels are for 256 x 192"):
        draw_labels(job)
    assert "labels.mp4" not in os.listdir(job)


@pytest.mark.parametrize(("frames", "word"), [(5, "fewer"), (7, "more")])
def test_labels_of_another_length_are_an_error(job: Path, frames: int, word: str) -> None:
    with VideoWriter(job / "video.mp4", factory.WIDTH, factory.HEIGHT, 12) as video:
        for number in range(frames):
            video.write(factory.picture(number))
    with pytest.raises(MediaError, match=f"{word} frames than its labels .6"):
        draw_labels(job)
    assert "labels.mp4" not in os.listdir(job)


def test_a_damaged_video_leaves_no_drawing(job: Path) -> None:
    (job / "video.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match="cannot be read"):
        draw_labels(job)
    assert "labels.mp4" not in os.listdir(job)


def test_all_labels_have_a_cell_each(job: Path) -> None:
    path = visualize_all_labels(job)
    info = video_info(path)
    assert (info.width, info.height) == (3 * 360, 2 * 270)
    assert (info.num_frames, info.frame_rate) == (6, 12)
    frames = list(read_frames(path))
    cells = [
        [frame[r : r + 270, c : c + 360].astype(int) for r in (0, 270) for c in (0, 360, 720)]
        for frame in frames
    ]
    plain = cells[3][0]
    for index in range(1, 6):
        assert (np.abs(cells[3][index] - plain).max(axis=2) > 60).mean() > 0.01, index
    for index in range(6):  # the video moves, the joints turn, the mark on the chart advances
        assert (np.abs(cells[5][index] - cells[0][index]).max(axis=2) > 40).any(), index


def test_joints_without_a_place_are_left_out(job: Path) -> None:
    labels = factory.labels(6)
    for person in labels["annotations"]:
        for joint in person["armature_keypoints"].values():
            joint["x_global"] = 1e12
        person["armature_keypoints"]["head"]["x"] = float("nan")
    (job / "labels.json").write_text(json.dumps(labels))
    assert video_info(visualize_all_labels(job)).num_frames == 6


def test_a_job_with_nothing_but_a_video_has_no_labels_to_show(job: Path) -> None:
    (job / "labels.json").unlink()
    with pytest.raises(MediaError, match="neither labels nor sensor data"):
        visualize_all_labels(job)


def test_sensor_data_are_curves_beside_the_video(job: Path) -> None:
    (job / "labels.json").unlink()
    rows = [f"{n / 12},{np.sin(n)},{n / 4}" for n in range(6)]
    header = "time,rotation_matrix_m11,rep_count_from_start"
    (job / "data.csv").write_text("\n".join([header, *rows]))
    info = video_info(visualize_all_labels(job))
    assert (info.width, info.height, info.num_frames) == (720, 270, 6)


def test_comparing_names_what_differs_and_waits_for_the_longer(tmp_path: Path) -> None:
    one = factory.make_job(tmp_path / "one", 4)
    other = factory.make_job(tmp_path / "other", 7, num_reps=5, camera_height=1.25)
    path = compare(one, other)
    assert path == one / "compare_other.mp4"
    frames = list(read_frames(path))
    assert len(frames) == 7
    assert frames[0].shape[1] == 3 * 320, "two pictures and their difference, 240 rows high"
    strip = frames[0].shape[0] - 240
    left, right = frames[-1][strip:, :320], frames[-1][strip:, 320:640]
    assert left.mean() < 0.6 * right.mean(), "the one that has ended is darkened"
    same = list(read_frames(compare(one, one, tmp_path / "same.mp4")))
    assert same[0].shape[0] < frames[0].shape[0], "no parameter differs"
    assert len(same) == 4
    assert same[2][-200:, 640:].max() < 12, "no pixel differs"


def test_a_difference_is_where_the_pictures_differ(tmp_path: Path) -> None:
    one, other = (factory.make_job(tmp_path / name, 4) for name in ("one", "other"))
    with VideoWriter(other / "video.mp4", factory.WIDTH, factory.HEIGHT, factory.RATE) as video:
        for number in range(4):
            picture = factory.picture(number)
            picture[70:80, 100:110] = 255
            video.write(picture)
    frame = list(read_frames(compare(one, other)))[2]
    difference = frame[-240:, 640:].max(axis=2)
    scale = 240 / factory.HEIGHT
    changed = np.zeros_like(difference, bool)
    changed[round(70 * scale) : round(80 * scale), round(100 * scale) : round(110 * scale)] = True
    assert np.median(difference[changed]) > 200
    assert np.median(difference[40:][~changed[40:]]) < 12


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written over the pictures of a comparison."""
    texts: list[str] = []
    module = import_module("infinity_frames.vis.compare")  # where vis.compare is the function
    monkeypatch.setattr(module, "draw_text", lambda _, text, *place: texts.append(text))
    return texts


@pytest.mark.parametrize(
    ("params", "other", "expected"),
    [
        ({"camera_height": 0.5}, {"camera_height": 2.0}, ["camera_height 0.5", "camera_height 2"]),
        (
            {"camera_height": 0.5, "exercise": "PUSHUP"},
            {"camera_height": 2.0, "exercise": "V_UP"},
            ["camera_height 0.5, exercise PUSHUP", "camera_height 2, exercise V_UP"],
        ),
        ({"num_reps": 1.00001}, {"num_reps": 1.00002}, ["num_reps 1.00001", "num_reps 1.00002"]),
        ({"random_seed": 1}, {"random_seed": 2, "extra": 1}, ["extra unspecified", "extra 1"]),
        ({"random_seed": 1}, {"random_seed": 2}, ["0f8fad5b", "other"]),
    ],
)
def test_videos_beside_each_other_are_headed_by_what_differs(
    tmp_path: Path,
    written: list[str],
    params: dict[str, Any],
    other: dict[str, Any],
    expected: list[str],
) -> None:
    first = factory.make_job(tmp_path / "0f8fad5b-d9cb-469f-a165-70867728950e", 1, **params)
    compare(first, factory.make_job(tmp_path / "other", 1, **other))
    assert written[:2] == expected


def test_a_heading_is_as_long_as_its_picture_is_wide(tmp_path: Path, written: list[str]) -> None:
    many: dict[str, Any] = {f"parameter_{number}": number for number in range(20)}
    first = factory.make_job(tmp_path / "one", 1, note="x" * 300)
    compare(first, factory.make_job(tmp_path / "other", 1, note="y" * 300, **many))
    assert all(len(text) < 50 for text in written)
    assert written[0].startswith("note xxx")


def test_long_values_are_compared_whole(tmp_path: Path) -> None:
    one = factory.make_job(tmp_path / "one", 2, tag="short")
    other = factory.make_job(tmp_path / "other", 2, tag="a value of many words " * 20)
    (long,) = {frame.shape[0] for frame in read_frames(compare(one, other))}
    (plain,) = {frame.shape[0] for frame in read_frames(compare(one, one))}
    assert long > plain + 100


def test_many_videos_run_side_by_side(tmp_path: Path) -> None:
    for number, frames in enumerate((3, 6, 4, 5, 2)):
        factory.make_job(tmp_path / "batch" / f"job-{number}", frames)
    out = tmp_path / "grid.mp4"
    assert visualize_videos(tmp_path / "batch", out, k=4) == out
    seen = list(read_frames(out))
    assert len(seen) == 6
    height, width = seen[0].shape[:2]
    assert width == 960
    cells = [f[height // 4 : height // 2, 480:] for f in (seen[2], seen[5])]
    assert np.abs(cells[0].astype(int) - cells[1]).max() > 60, "the second one moves on"
    ended = [f[height // 4 : height // 2, :480].mean() for f in (seen[2], seen[5])]
    assert ended[1] < 0.6 * ended[0], "the first one has ended"


def test_a_video_of_another_shape_keeps_it_in_a_grid(tmp_path: Path) -> None:
    for name, size in {"a": (128, 96), "b": (40, 120)}.items():
        (tmp_path / name).mkdir()
        with VideoWriter(tmp_path / name / "video.mp4", *size, 12) as video:
            video.write(np.full((size[1], size[0], 3), 200, np.uint8))
    (frame,) = read_frames(visualize_videos([tmp_path / "a", tmp_path / "b"], tmp_path / "v.mp4"))
    height, width = frame.shape[0], frame.shape[1] // 2
    row = frame[height // 2, :, 0] > 100
    assert row[:width].all()
    left, right = np.flatnonzero(row[width:])[[0, -1]]
    assert right - left + 1 == pytest.approx(height / 3, abs=4)
    assert left + right == pytest.approx(width, abs=4)


def test_a_folder_without_videos_has_no_grid(tmp_path: Path) -> None:
    job = factory.make_job(tmp_path / "batch" / "job")
    (job / "video.mp4").unlink()
    with pytest.raises(MediaError, match="None of these jobs has a video"):
        visualize_videos([job], tmp_path / "grid.mp4")
    with pytest.raises(FrameError, match="k must be 1 to 36"):
        visualize_videos([job], tmp_path / "grid.mp4", k=0)
    assert not (tmp_path / "grid.mp4").exists()


def cursor(frame: np.ndarray, left: int = 640) -> float:
    """The column of the mark that moves over the charts: the only vermillion from top to bottom."""
    marked = (np.abs(frame[:, left:].astype(int) - (213, 94, 0)).max(axis=2) < 60).sum(axis=0)
    return float(np.flatnonzero(marked > 100).mean())


def test_a_cursor_runs_over_the_sensor_data(job: Path) -> None:
    rows = [f"{n / 24},{np.sin(n)},{np.cos(n)},7" for n in range(12)]
    (job / "data.csv").write_text("\n".join(["time,wave_x,wave_y,constant", *rows]))
    path = visualize_timeseries(job)
    assert path == job / "timeseries.mp4"
    frames = list(read_frames(path))
    assert len(frames) == 6
    places = [cursor(frame) for frame in frames]
    steps = np.diff(places)
    assert (steps > 20).all()
    np.testing.assert_allclose(steps, steps.mean(), atol=1.5)


def test_a_single_reading_is_a_dot(job: Path) -> None:
    (job / "data.csv").write_text("time,a\n0,1\n")
    frame = next(iter(read_frames(visualize_timeseries(job))))
    middle = frame[120:360, 900:1050].astype(int)
    assert (np.abs(middle - (0, 114, 178)).max(axis=2) < 60).any(), "the first curve's blue"


def test_sensor_data_that_cannot_be_drawn_say_so(job: Path) -> None:
    with pytest.raises(MediaError, match="has no sensor data"):
        visualize_timeseries(job)
    (job / "data.csv").write_text("time,a\n0,1\n1,2\n")
    with pytest.raises(MediaError, match="no numbers called b"):
        visualize_timeseries(job, columns=["b"])
    (job / "data.csv").write_text("time,a\n")
    with pytest.raises(MediaError, match="hold no numbers"):
        visualize_timeseries(job)
    (job / "data.csv").write_text("time,a\n,1\n,2\n")
    with pytest.raises(MediaError, match="rows without a time"):
        visualize_timeseries(job)
    assert not (job / "timeseries.mp4").exists()


@pytest.mark.slow
@needs_samples
def test_a_published_sample_has_its_spill_in_its_box(tmp_path: Path) -> None:
    sample = SAMPLES / "spills-basic"
    boxes = draw_labels(sample, tmp_path / "boxes.mp4", [BoxAnnotator(3, names=False)])
    masks = draw_labels(sample, tmp_path / "masks.mp4", [MaskAnnotator(1.0)])
    spill = np.array([0, 114, 178])  # the palette's first colour
    for number, (box, mask) in enumerate(zip(read_frames(boxes), read_frames(masks), strict=True)):
        if number != 150:
            continue
        assert box.shape == (624, 960, 3)
        assert np.abs(box[560, 53].astype(int) - spill).max() < 60
        assert np.abs(box[560, 351].astype(int) - spill).max() < 60
        assert np.abs(mask[570, 200].astype(int) - spill).max() < 20
    assert number == 152


@pytest.mark.slow
@needs_samples
def test_a_published_imu_sample_becomes_curves(tmp_path: Path) -> None:
    for draw in (visualize_all_labels, visualize_timeseries):
        path = draw(SAMPLES / "imu-random-motion", tmp_path / "imu.mp4")
        assert video_info(path).num_frames == 146
    frames = list(read_frames(path))
    start, middle, end = (cursor(frames[number], 480) for number in (0, 100, 145))
    assert middle - start == pytest.approx(100 / 145 * (end - start), abs=2)
