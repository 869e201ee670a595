"""SenseFit v0.3.0: signals that agree with the path, and a sensor whose faults are as asked."""

import json
import shutil
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from infinity_frames.data import read_results, verify
from infinity_frames.engine.generators.sensefit import SenseFit, SenseFitV3
from infinity_frames.engine.generators.sensefit.imu import GRAVITY, KNOT_RATE, Path, Sensor, signals
from infinity_frames.engine.generators.sensefit.video_v3 import build_wearer, series_of
from infinity_frames.engine.service.runners.output_checks import check_output
from infinity_frames.io.video import count_frames
from infinity_frames.protocol.parameters import sample

DEFAULTS = SenseFitV3.spec.defaults
PLACEMENTS = SenseFitV3.spec.by_name["placement"].choices or ()
PERFECT: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("accel_noise_density", "accel_bias", "accel_bias_walk", "gyro_noise_density"),
            *("gyro_bias", "gyro_bias_walk", "scale_error", "misalignment_deg"),
        ),
        0.0,
    ),
    "resolution_bits": 24,
}
# A small correction for turns between samples that do not commute needs a high rate.
RATE = 200


def series(seed: int = 3, **given: Any) -> pd.DataFrame:
    params = {**DEFAULTS, "render_video": False, "sample_rate": RATE, **given}
    return series_of(build_wearer(params, seed), params, seed)


def vectors(frame: pd.DataFrame, name: str) -> np.ndarray:
    return frame[[f"{name}_{axis}" for axis in "xyz"]].to_numpy(copy=True)


def attitudes(frame: pd.DataFrame) -> Rotation:
    quaternions = frame[[f"attitude_{axis}" for axis in "wxyz"]].to_numpy()
    return Rotation.from_quat(quaternions, scalar_first=True)


def integrated(frame: pd.DataFrame) -> Rotation:
    """Orientation at the end from the first one and the rotation rates alone.

    Third order in the step: the mean rate of three samples and the coning term.
    """
    rates, step = vectors(frame, "rotation_rate"), 2.0 / RATE
    a, b, c = rates[0:-2:2], rates[1:-1:2], rates[2::2]
    turns = step * (a + 4 * b + c) / 6 + step**2 / 12 * np.cross(a, c)
    out = attitudes(frame)[0]
    for turn in Rotation.from_rotvec(turns):
        out = out * turn
    return out


@pytest.mark.slow
def test_integrated_rotation_rate_gives_the_orientation_back_after_a_minute():
    frame = series(exercise="BICEP_CURL-DUMBBELL", num_reps=20, rel_baseline_speed=0.75)
    minute = frame.iloc[: 60 * RATE + 1]
    assert minute["time"].iloc[-1] == pytest.approx(60.0)
    error = (integrated(minute).inv() * attitudes(minute)[-1]).magnitude()
    assert np.degrees(error) < 0.1


def test_integrating_gives_path_and_orientation_back_after_two_seconds():
    frame = series(exercise="BICEP_CURL-DUMBBELL", num_reps=2)
    part = frame[(frame["time"] >= 1.0) & (frame["time"] <= 3.0)]
    time, where = part["time"].to_numpy(), vectors(part, "position")
    force = attitudes(part).apply(vectors(part, "specific_force"))
    acceleration = force - [0.0, 0.0, GRAVITY]
    # Sums of trapezoids, as one who has the series would do it.
    step = 1 / RATE
    start = (vectors(frame, "position")[RATE + 1] - vectors(frame, "position")[RATE - 1]) / (
        2 * step
    )
    trapezoids = np.cumsum((acceleration[1:] + acceleration[:-1]) * step / 2, axis=0)
    speed = start + np.vstack([np.zeros(3), trapezoids])
    path = where[0] + np.vstack(
        [np.zeros(3), np.cumsum((speed[1:] + speed[:-1]) * step / 2, axis=0)]
    )
    assert np.ptp(where, axis=0).max() > 0.2
    assert time[-1] - time[0] == pytest.approx(2.0)
    assert np.linalg.norm(path[-1] - where[-1]) < 0.01
    error = integrated(part.iloc[: 2 * RATE + 1]).inv() * attitudes(part)[2 * RATE]
    assert np.degrees(error.magnitude()) < 0.01


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_force_is_gravity_at_rest(placement):
    params = {**DEFAULTS, "placement": placement, "kinematic_noise_factor": 0.0}
    wearer = build_wearer(params, 3)
    # After the last rep the person stands still.
    knots = wearer.duration + 1.0 + np.arange(60) / KNOT_RATE
    path = Path.through(knots, *wearer.device_poses(knots))
    force = vectors(signals(path, knots[15:45], 0.0, False), "specific_force")
    np.testing.assert_allclose(np.linalg.norm(force, axis=1), GRAVITY, atol=1e-5)


def test_arms_that_move_at_random_accelerate_as_arms_do():
    """The arms of these jobs meet the trunk: keeping them clear of it must not fling them away."""
    fixed = {"use_random_motion": True, "random_duration": 10.0, "placement": "WRIST"}
    jobs = sample(SenseFitV3.spec, 24, seed=5, fixed=fixed).iloc[[4, 17, 22]]
    for job in jobs.astype(object).to_dict("records"):
        given = {str(name): value for name, value in job.items() if not pd.isna(value)}
        frame = series(given["random_seed"], **{**given, "render_video": False})
        assert np.linalg.norm(vectors(frame, "user_acceleration"), axis=1).max() < 10.0


def test_force_splits_in_gravity_and_user_acceleration():
    frame = series(exercise="SQUAT-BODYWEIGHT")
    force, gravity = vectors(frame, "specific_force"), vectors(frame, "gravity")
    np.testing.assert_allclose(force, vectors(frame, "user_acceleration") - gravity, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(gravity, axis=1), GRAVITY)
    down = attitudes(frame).apply(gravity)
    np.testing.assert_allclose(down, np.tile([0, 0, -GRAVITY], (len(frame), 1)), atol=1e-9)


def test_quaternion_and_matrix_are_one_orientation_in_the_reference_frame():
    frame = series(ref_xy_rotation=1.0)
    names = [f"rotation_matrix_m{row}{column}" for row in "123" for column in "123"]
    matrices = frame[names].to_numpy().reshape(-1, 3, 3)
    np.testing.assert_allclose(attitudes(frame).inv().as_matrix(), matrices, atol=1e-12)
    plain = series(ref_xy_rotation=0.0)
    turned = Rotation.from_euler("z", -1.0) * attitudes(plain)
    assert (turned.inv() * attitudes(frame)).magnitude().max() < 1e-9
    for name in ("rotation_rate", "specific_force"):
        np.testing.assert_array_equal(vectors(frame, name), vectors(plain, name))


@pytest.mark.slow
def test_the_orientation_is_that_of_the_version_before(tmp_path):
    same: dict[str, Any] = {"exercise": "BICEP_CURL-DUMBBELL", "kinematic_noise_factor": 0.0}
    params = {**SenseFit.spec.defaults, **same, "image_width": 224, "image_height": 224}
    SenseFit().render(params, 3, tmp_path, False)
    old = pd.read_csv(tmp_path / "data.csv")
    new = series(**same, sample_rate=20)
    names = [name for name in map(str, old) if name.startswith("rotation_matrix")]
    np.testing.assert_allclose(new["time"], old["time"], atol=1e-9)
    assert np.abs(new[names].to_numpy() - old[names].to_numpy()).max() < 0.02
    np.testing.assert_allclose(new["rep_count_from_start"], old["rep_count_from_start"], atol=1e-9)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_other_side_sees_the_mirror_image(placement):
    same = {
        "placement": placement,
        "exercise": "SQUAT-BODYWEIGHT",
        "kinematic_noise_factor": 0.0,
    }
    left, right = (series(**same, watch_location=side) for side in ("LEFT", "RIGHT"))
    if placement == "CHEST":  # it has no side
        pd.testing.assert_frame_equal(left, right)
        return
    force, rate = (
        [vectors(f, n) for f in (left, right)] for n in ("specific_force", "rotation_rate")
    )
    assert np.abs(force[1] - force[0] * [-1, 1, 1]).max() < 0.15
    assert np.abs(rate[1] - rate[0] * [1, -1, -1]).max() < 0.05


def test_the_sample_rate_samples_one_and_the_same_signal():
    fine, coarse = series(sample_rate=200), series(sample_rate=50)
    assert len(fine) - 1 == pytest.approx(4 * (len(coarse) - 1), abs=4)
    both = fine.iloc[::4].reset_index(drop=True).iloc[: len(coarse) - 1]
    for name in ("rotation_rate", "specific_force", "attitude"):
        columns = [column for column in map(str, fine) if column.startswith(name)]
        np.testing.assert_allclose(both[columns], coarse[columns].iloc[: len(both)], atol=1e-9)


def test_the_magnetic_field_points_north_and_down():
    frame = series(add_magnetic_field=True)
    field = attitudes(frame).apply(vectors(frame, "magnetic_field"))
    assert np.ptp(field, axis=0).max() < 1e-9
    assert field[0, 0] == pytest.approx(0, abs=1e-9)
    assert field[0, 1] > 0 > field[0, 2]
    assert np.linalg.norm(field[0]) == pytest.approx(48.0)
    assert not any("magnetic" in name for name in map(str, series()))


def test_a_perfect_sensor_measures_the_signal():
    frame = series(**PERFECT)
    for name, step in (("rotation_rate", 34.9 / 2**23), ("specific_force", 157 / 2**23)):
        error = vectors(frame, f"measured_{name}") - vectors(frame, name)
        assert np.abs(error).max() <= step / 2 * 1.001


def resting(seconds: float, rate: float, **given: Any) -> np.ndarray:
    params = {**DEFAULTS, **PERFECT, **given}
    still = np.tile([0.0, 0.0, GRAVITY], (int(seconds * rate), 1))
    return Sensor(params, 5).measured("accel", still, rate) - still


def allan_deviation(values: np.ndarray, rate: float, tau: float) -> float:
    """Overlapping Allan deviation (IEEE Std 952, annex C), mean of the axes."""
    m = round(tau * rate)
    total = np.vstack([np.zeros(3), np.cumsum(values, axis=0)]) / rate
    second = total[2 * m :] - 2 * total[m:-m] + total[: -2 * m]
    return float(np.sqrt((second**2).mean(axis=0) / (2 * (m / rate) ** 2)).mean())


@pytest.mark.parametrize("rate", [50, 200])
def test_the_allan_deviation_of_white_noise_is_its_density(rate):
    noise = resting(2000, rate, accel_noise_density=0.01)
    for tau in (0.1, 1.0, 10.0):
        assert allan_deviation(noise, rate, tau) == pytest.approx(0.01 / np.sqrt(tau), rel=0.1)


def test_the_allan_deviation_of_the_walk_grows_as_its_root():
    walk = resting(10_000, 20, accel_bias_walk=0.01)
    for tau in (1.0, 10.0):
        assert allan_deviation(walk, 20, tau) == pytest.approx(0.01 * np.sqrt(tau / 3), rel=0.15)


def test_range_and_resolution_limit_what_is_measured():
    frame = series(**{**PERFECT, "gyro_range": 1.0, "resolution_bits": 8})
    ideal, values = vectors(frame, "rotation_rate"), vectors(frame, "measured_rotation_rate")
    steps = values * 2**7
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    assert ideal.max() > 1.2 or ideal.min() < -1.2
    np.testing.assert_allclose(values, np.clip(ideal, -1.0, 1.0 - 2**-7), atol=2**-8 + 1e-9)


def test_samples_jitter_drop_and_come_by_another_clock():
    whole = series()
    frame = series(time_jitter=0.001, dropped_fraction=0.2, clock_offset=1.5)
    assert 0.7 < len(frame) / len(whole) < 0.9
    assert frame["time"].is_monotonic_increasing
    offset = frame["time"] * RATE - (frame["time"] * RATE).round()
    assert 0.1 < offset.std() < 0.3
    np.testing.assert_allclose(frame["device_time"], frame["time"] + 1.5)


def test_a_free_fall_measures_no_force_and_a_turntable_its_rate():
    time = np.arange(-0.4, 1.4, 1 / KNOT_RATE)
    spin = Rotation.from_rotvec(np.outer(time, [0.0, 0.0, 2.0])).as_matrix()
    falling = np.column_stack([0 * time, 0 * time, -GRAVITY / 2 * time**2])
    frame = signals(Path.through(time, falling, spin), np.linspace(0, 1, 50), 0.0, False)
    assert np.abs(vectors(frame, "specific_force")).max() < 1e-6
    np.testing.assert_allclose(vectors(frame, "rotation_rate"), [[0, 0, 2.0]] * 50, atol=1e-6)


def verified(root: FilePath, job: FilePath) -> list[str]:
    """What `verify` says of a job whose files are in a folder."""
    target = root / "00000000-0000-4000-8000-000000000000"
    shutil.copytree(job, target)
    (target / "job.json").write_text(json.dumps({"name": "sensefit-v0.3.0", "params": {}}))
    return verify(read_results(root), quiet=True)["message"].tolist()


def test_the_joints_of_the_video_are_those_of_the_series(tmp_path):
    """The wrist's keypoint moves with the sensor's position, frame by frame, by the camera."""
    params = {**DEFAULTS, "sample_rate": 100, "image_width": 224, "image_height": 224}
    params |= {"use_random_motion": True, "random_duration": 1.0, "clock_offset": 0.0}
    job = tmp_path / "run" / "00000000-0000-4000-8000-000000000000"
    job.mkdir(parents=True)
    SenseFitV3().render(params, 4, job, False)
    (job / "job.json").write_text(json.dumps({"name": "sensefit-v0.3.0", "params": params}))
    results = read_results(tmp_path / "run")
    assert verify(results, quiet=True)["message"].tolist() == []
    points = results.infinity.keypoints()
    wrist = points[points["name"] == "left_wrist"].sort_values("frame_number")
    images = results.infinity.images().sort_values("frame_number")
    assert len(wrist) == len(images) == 21
    assert images["time"].tolist() == pytest.approx(np.arange(21) / 20)
    table = results.infinity.timeseries().set_index("time")
    series = np.column_stack(
        [np.interp(images["time"], table.index, table[f"position_{axis}"]) for axis in "xyz"]
    )
    joint = wrist[["x_global", "y_global", "z_global"]].to_numpy()
    assert np.linalg.norm(series - joint, axis=1).max() < 0.09
    assert np.linalg.norm(np.ptp(joint, axis=0)) > 0.1
    scene = results.infinity.scenes().iloc[0]
    camera = np.array([list(row) for row in scene["camera_P_matrix"]], float)
    seen = np.column_stack([joint, np.ones(21)]) @ camera.T
    assert seen[:, :2] / seen[:, 2:] == pytest.approx(wrist[["x", "y"]].to_numpy(), abs=0.01)
    assert (wrist["v"] == 2).mean() > 0.5


def test_without_a_video_there_is_the_same_series(tmp_path):
    params = {**DEFAULTS, "use_random_motion": True, "random_duration": 1.0, "sample_rate": 100}
    params |= {"image_width": 224, "image_height": 224}
    folders = [tmp_path / name for name in ("with", "without")]
    for folder, video in zip(folders, (True, False), strict=True):
        folder.mkdir()
        assert SenseFitV3().render({**params, "render_video": video}, 2, folder, False) == 101
    assert (folders[0] / "data.csv").read_bytes() == (folders[1] / "data.csv").read_bytes()
    assert count_frames(folders[0] / "video.mp4") == 21
    assert [path.name for path in folders[1].iterdir()] == ["data.csv"]
    check_output(folders[0], 101)
    check_output(folders[1], 101)
    assert verified(tmp_path / "whole", folders[0]) == []
    cut = pd.read_csv(folders[0] / "data.csv", index_col=0).iloc[:-12]
    cut.to_csv(folders[0] / "data.csv")
    (message,) = verified(tmp_path / "cut", folders[0])
    assert "sensor data ends at 0.880 s and the video at 1.000 s" in message
    estimate = SenseFitV3().estimate(pd.DataFrame([params]))
    assert estimate.tolist() == [101]
