"""SenseFit: what the watch says, against the motion it rides on and the video that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import infinity_frames as inf
from infinity_frames.engine.generators.sensefit import SenseFit
from infinity_frames.engine.generators.sensefit.picture import AXIS_COLORS
from infinity_frames.engine.generators.sensefit.wearer import Wearer
from infinity_frames.engine.people.exercises import SENSEFIT_EXERCISES
from infinity_frames.engine.people.skeleton import JOINT_INDEX
from infinity_frames.io.video import read_frames, video_info
from infinity_frames.protocol import parameters

SPEC = SenseFit.spec
MATRIX = [f"rotation_matrix_m{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)]
COUNTS = ["rep_count_from_start", "rep_count_from_intermediate"]
QUICK: dict[str, Any] = {"rel_baseline_speed": 3.0, "image_width": 224, "image_height": 224}


def wearer(seed: int = 100, **over: Any) -> Wearer:
    return Wearer({**SPEC.defaults, **over}, seed)


def matrices(seed: int = 100, **over: Any) -> np.ndarray:
    return np.array([moment.matrix for moment in wearer(seed, **over).moments()])


def rendered(folder: Path, seed: int = 100, **over: Any) -> pd.DataFrame:
    folder.mkdir()
    generator = SenseFit()
    generator.prepare()
    samples = generator.render({**SPEC.defaults, **QUICK, **over}, seed, folder, False)
    assert sorted(path.name for path in folder.iterdir()) == ["data.csv", "video.mp4"]
    series = pd.read_csv(folder / "data.csv", index_col=0)
    assert len(series) == samples
    return series


def test_the_parameters_are_those_of_the_documentation():
    described = {p.name: (p.type, p.min, p.max, p.default) for p in SPEC.parameters}
    assert described == {
        "exercise": ("str", None, None, "BICEP_CURL-DUMBBELL"),
        "num_reps": ("int", 1, 20, 1),
        "rel_baseline_speed": ("float", 0.33, 3, 1),
        "max_rel_speed_change": ("float", 0, 1, 0),
        "trim_start_frac": ("float", 0, 0.9, 0),
        "trim_end_frac": ("float", 0, 0.9, 0),
        "kinematic_noise_factor": ("float", 0, 2, 1),
        "watch_location": ("str", None, None, "LEFT"),
        "crown_orientation": ("str", None, None, "RIGHT"),
        "ref_xy_rotation": ("float", 0, pytest.approx(2 * np.pi), 0),
        "wrist_offset_deg": ("float", -90, 90, 0),
        "randomize_body_shape": ("bool", None, None, False),
        "use_random_motion": ("bool", None, None, False),
        "num_random_frames": ("int", 10, 500, 100),
        "frames_per_second": ("int", None, None, 20),
        "image_width": ("int", 224, 1024, 480),
        "image_height": ("int", 224, 1024, 480),
        "random_seed": ("int", 0, 2**31 - 1, 100),
    }
    assert SPEC.by_name["exercise"].choices == SENSEFIT_EXERCISES
    assert not SPEC.preview
    drawn = parameters.sample(SPEC, 200, seed=3)
    for name, (low, high) in {
        "rel_baseline_speed": (0.5, 2.0),
        "max_rel_speed_change": (0.0, 0.5),
        "kinematic_noise_factor": (0.0, 1.0),
        "wrist_offset_deg": (-20.0, 20.0),
    }.items():
        assert drawn[name].between(low, high).all()
        assert np.ptp(drawn[name]) > 0.8 * (high - low)
    assert drawn["randomize_body_shape"].all()
    assert drawn["random_seed"].nunique() > 190


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    exercise=st.sampled_from(SENSEFIT_EXERCISES),
    seed=st.integers(0, 2**31 - 1),
    watch_location=st.sampled_from(["LEFT", "RIGHT"]),
    crown_orientation=st.sampled_from(["LEFT", "RIGHT"]),
    ref_xy_rotation=st.floats(0, 6.28),
    wrist_offset_deg=st.floats(-90, 90),
    kinematic_noise_factor=st.floats(0, 2),
    use_random_motion=st.booleans(),
    rate=st.sampled_from([20, 30, 40]),
)
def test_every_matrix_is_a_rotation_and_turns_smoothly(rate, seed, **over):
    found = matrices(seed, frames_per_second=rate, num_random_frames=60, **over)
    unity = found @ np.swapaxes(found, 1, 2)
    assert np.abs(unity - np.eye(3)).max() < 1e-9
    assert np.linalg.det(found) == pytest.approx(1.0, abs=1e-9)
    steps = found[1:] @ np.swapaxes(found[:-1], 1, 2)
    angles = np.arccos(np.clip((np.trace(steps, axis1=1, axis2=2) - 1) / 2, -1, 1))
    # Gyroscopes of watches measure up to 2000 deg/s; nobody turns a wrist as fast.
    assert np.degrees(angles.max()) * rate < 1500


def test_a_hanging_arm_points_the_crown_down_and_the_screen_aside():
    """Left wrist, crown to the right: x towards the hand, z out of the back of the hand."""
    x, y, z = matrices(exercise="SQUAT-BODYWEIGHT", kinematic_noise_factor=0.0)[0]
    assert x[2] < -0.85  # down
    assert z[0] > 0.8  # away from the thigh, to the person's left: +X, since it faces -Y
    assert abs(z[2]) < 0.4
    assert np.allclose(np.cross(x, y), z)


@pytest.mark.parametrize("side", ["LEFT", "RIGHT"])
def test_the_crown_lies_along_the_forearm(side):
    """To the hand or to the elbow: as a wearer reads the screen, right is right on both wrists."""
    towards_hand = {"LEFT": 1.0, "RIGHT": -1.0}[side]
    for crown, sign in (("RIGHT", 1.0), ("LEFT", -1.0)):
        for moment in wearer(watch_location=side, crown_orientation=crown).moments():
            elbow, wrist = (
                moment.joints[JOINT_INDEX[f"{side.lower()}_{joint}"]]
                for joint in ("elbow", "wrist")
            )
            along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
            assert moment.matrix[0] @ along == pytest.approx(towards_hand * sign, abs=1e-6)
            assert np.linalg.norm(moment.watch[:3, 3] - wrist) < 0.05


def test_crown_reference_and_offset_turn_the_same_motion():
    plain = matrices()
    flipped = matrices(crown_orientation="LEFT")
    assert np.allclose(flipped, np.diag([-1.0, -1.0, 1.0]) @ plain)
    turned = matrices(ref_xy_rotation=0.7)
    about = np.array([[np.cos(0.7), -np.sin(0.7), 0], [np.sin(0.7), np.cos(0.7), 0], [0, 0, 1]])
    assert np.allclose(turned, plain @ about)
    assert np.allclose(turned[:, :, 2], plain[:, :, 2])  # up stays up
    a = np.radians(30.0)
    offset = matrices(wrist_offset_deg=30.0)
    about = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    assert np.allclose(offset, about @ plain)


@pytest.mark.parametrize("side", ["LEFT", "RIGHT"])
def test_a_negative_offset_turns_the_watch_as_supination_does(side):
    """Curling a dumbbell supinates the forearm: the screen turns from forward to the floor."""
    hanging = matrices(exercise="BICEP_CURL-DUMBBELL", watch_location=side)[0]
    supinated = matrices(
        exercise="BICEP_CURL-DUMBBELL", watch_location=side, wrist_offset_deg=-60.0
    )[0]
    facing = np.array([0.0, -1.0, 0.0])  # where the person looks
    # The arm hangs with its palm to the thigh; supinated, the palm looks forward, the back back.
    assert (supinated[2] - hanging[2]) @ facing < -0.3


def test_the_other_wrist_sees_the_mirror_image():
    """Of a sided exercise without noise; a mirror turns rotations the other way."""
    name = "TRICEP_KICKBACK-BENT_OVER+SINGLE_ARM-DUMBBELL"
    left = matrices(exercise=f"{name}-LEFT", kinematic_noise_factor=0.0)
    right = matrices(exercise=f"{name}-RIGHT", kinematic_noise_factor=0.0, watch_location="RIGHT")
    mirror = np.diag([-1.0, 1.0, 1.0])
    assert np.allclose(right, mirror @ left @ mirror, atol=1e-6)


def test_reps_are_counted_as_in_a_video():
    job = {"num_reps": 4, "max_rel_speed_change": 0.5, "exercise": "HAMMER_CURL-DUMBBELL"}
    done = wearer(7, **job)
    start, intermediate = (done.counts[name] for name in COUNTS)
    assert start[0] == 0.0
    assert start[-1] == 4.0
    assert (np.diff(start) >= 0).all()
    assert np.allclose(intermediate, start + 0.5)
    estimate = SenseFit().estimate(pd.DataFrame([{**SPEC.defaults, **job}] * 3))
    assert estimate == pytest.approx(len(start), rel=0.2)
    assert np.allclose(np.diff(done.time), 1 / 20)


def test_random_motion_counts_nothing_and_goes_on_as_it_began():
    shorter = matrices(3, use_random_motion=True, num_random_frames=40)
    longer = wearer(3, use_random_motion=True, num_random_frames=500)
    found = np.array([moment.matrix for moment in longer.moments()])
    assert len(found) == 500
    assert longer.counts == {}
    assert np.allclose(found[:40], shorter, atol=1e-12)
    assert not np.allclose(matrices(4, use_random_motion=True, num_random_frames=40), shorter)
    up = found[:, :, 2]
    assert (np.ptp(up, axis=0) > 1.0).all()  # the watch is held every way
    estimate = SenseFit().estimate(
        pd.DataFrame([{**SPEC.defaults, "use_random_motion": True, "num_random_frames": 500}])
    )
    assert estimate.tolist() == [500]


def test_a_body_is_drawn_when_asked():
    fixed = {wearer(seed).body.stature for seed in range(4)}
    drawn = {wearer(seed, randomize_body_shape=True).body.stature for seed in range(4)}
    assert len(fixed) == 1
    assert len(drawn) == 4


@pytest.mark.slow
def test_the_series_is_the_video(tmp_path):
    series = rendered(tmp_path / "a", num_reps=2, image_width=301, frames_per_second=30)
    assert series.columns.tolist() == ["ref_xy_rotation", "time", *MATRIX, *COUNTS]
    info = video_info(tmp_path / "a" / "video.mp4")
    assert (info.num_frames, info.frame_rate) == (len(series), 30)
    assert (info.width, info.height) == (302, 224)  # H.264 has even sizes only
    again = rendered(tmp_path / "b", num_reps=2, image_width=301, frames_per_second=30)
    pd.testing.assert_frame_equal(series, again)
    random = rendered(tmp_path / "c", use_random_motion=True, num_random_frames=10)
    assert random.columns.tolist() == ["ref_xy_rotation", "time", *MATRIX]


def test_axes_are_drawn_where_the_series_says(tmp_path):
    """The drawn axes of the device, found by their colours, point as its matrix projects."""
    from infinity_frames.engine.generators.sensefit.picture import build_scene
    from infinity_frames.engine.people.actor import extent
    from infinity_frames.engine.scene.camera import project

    job: dict[str, Any] = {"exercise": "OVERHEAD_PRESS-DUMBBELL", "ref_xy_rotation": 0.4}
    series = rendered(tmp_path / "a", **job, image_width=480, image_height=480)
    worn = wearer(**job, **QUICK)
    room = extent(worn.actor.exercise)
    camera = build_scene(worn.objects, room, "LEFT", 480, 480).camera
    about = np.array([[np.cos(0.4), -np.sin(0.4), 0], [np.sin(0.4), np.cos(0.4), 0], [0, 0, 1]])
    frames = read_frames(tmp_path / "a" / "video.mp4")
    seen = 0
    for moment, row, picture in zip(worn.moments(), series[MATRIX].to_numpy(), frames, strict=True):
        axes = about @ row.reshape(3, 3).T  # columns: the device's axes, global
        middle = moment.watch[:3, 3]
        ends, _ = project(camera, np.vstack([middle, middle + 0.24 * axes.T]))
        hues = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(int)
        for axis in (0, 1):  # shirts may be blue
            along = ends[axis + 1] - ends[0]
            if np.linalg.norm(along) < 20:
                continue
            x, y = np.round(ends[0] + 0.7 * along).astype(int)
            hue, saturation, _ = hues[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).T
            asked = cv2.cvtColor(np.array([[AXIS_COLORS[axis]]], np.uint8), cv2.COLOR_RGB2HSV)[
                0, 0, 0
            ]
            away = np.abs((hue - int(asked) + 90) % 180 - 90)
            assert ((away < 12) & (saturation > 110)).any()
            seen += 1
    assert seen > 15


def test_from_a_session_to_a_table(embedded_studio, tmp_path):
    session = inf.SenseFitSession("sensefit-v0.2.0")
    assert "sensefit-v0.2.0" in set(inf.generators()["name"])
    jobs = session.jobs(
        [
            {**QUICK, "num_reps": 1, "tag_kind": "curl"},
            {**QUICK, "use_random_motion": True, "num_random_frames": 12, "tag_kind": "random"},
        ]
    )
    results = jobs.infinity.run(tmp_path / "run", session=session)
    assert results["status"].tolist() == ["completed"] * 2
    series = results.infinity.timeseries()
    counted = series.groupby("job_id")["rep_count_from_start"].max()
    by_kind = results.set_index("job_id")["tag_kind"]
    assert counted[by_kind == "curl"].tolist() == [1.0]
    assert counted[by_kind == "random"].isna().all()
    assert results["num_frames"].tolist() == [
        int((series["job_id"] == job).sum()) for job in results["job_id"]
    ]
    up = results.infinity.sql(
        "SELECT job_id, max(abs(rotation_matrix_m33)) <= 1 AS fine FROM timeseries GROUP BY ALL"
    )
    assert up["fine"].all()
    with pytest.raises(inf.errors.RequestRejected, match="previews"):
        jobs.infinity.submit(preview=True, session=session)
