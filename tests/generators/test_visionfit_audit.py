"""Labels hold every check of the audit, over the whole space of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infinity_frames.data.verify.report import CHECKS
from infinity_frames.engine.generators.visionfit import VisionFit
from infinity_frames.engine.people.exercises import exercise
from infinity_frames.protocol.spec import Parameter
from scripts.audit import OWN_CHECKS, audited, estimates, random_job

pytestmark = pytest.mark.slow

SPEC = VisionFit.spec
TINY = {**SPEC.defaults, "image_width": 128, "image_height": 128, "frame_rate": 6, "random_seed": 1}


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Everything a parameter may be; images only as large as needed."""
    if parameter.name == "state":
        return st.none()
    if parameter.name in ("image_width", "image_height"):
        return st.integers(128, 160)
    if parameter.type == "bool":
        return st.booleans()
    if parameter.choices is not None:
        return st.sampled_from(parameter.choices)
    if parameter.type == "int":
        return st.integers(int(parameter.min or 0), int(parameter.max or 0))
    return st.floats(float(parameter.min or 0), float(parameter.max or 0))


@st.composite
def jobs(draw: st.DrawFn, *, preview: bool) -> dict[str, Any]:
    """Any valid job: for a whole video, one of few frames."""
    job = {p.name: draw(values(p), label=p.name) for p in SPEC.parameters}
    # Some exercises are not trimmed at all, the others of less than a whole rep.
    share = 0.5 * exercise(job["exercise"]).allows_trimming
    job |= {name: share * job[name] for name in ("trim_start_frac", "trim_end_frac")}
    if not preview:
        job["frame_rate"] = 6
        job["num_reps"] = draw(st.integers(1, 2))
        job["rel_baseline_speed"] = max(job["rel_baseline_speed"], 1.5)
        job |= {name: 0.1 * job[name] for name in ("inter_rep_delay_avg", "inter_rep_delay_var")}
    return job


ANY_JOB = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(params=jobs(preview=True))
@settings(ANY_JOB, max_examples=20)
def test_labels_of_any_preview_hold_every_check(
    params: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = audited(params, tmp_path_factory.mktemp("job"), preview=True)
    assert not report.rows
    assert report.checked["keypoints"] == 1
    assert report.checked["rep_counts"] > 0


@given(params=jobs(preview=False))
@settings(ANY_JOB, max_examples=6)
def test_labels_of_any_video_hold_every_check(
    params: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = audited(params, tmp_path_factory.mktemp("job"))
    assert not report.rows
    assert report.checked["keypoints"] > 1
    assert report.checked["length"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_whole_videos_hold_every_check(seed: int, tmp_path: Path) -> None:
    params = random_job(np.random.default_rng(seed))
    short = {"num_reps": 2, "frame_rate": 6, "rel_baseline_speed": 2.5, "add_pauses": False}
    delays = {"inter_rep_delay_avg": 0.3, "inter_rep_delay_var": 0.3}
    report = audited({**params, **short, **delays}, tmp_path)
    assert not report.rows
    assert report.checked["keypoints"] > 2
    # Nothing is compared by chance only: but for the bound, which asks for an occluder in view.
    assert set(CHECKS) | set(OWN_CHECKS) - {"bound"} <= set(report.checked)


@pytest.mark.parametrize(
    "changes",
    [
        {"camera_distance": 5.25, "relative_camera_yaw_deg": 45.0},  # the person out of view
        {"camera_distance": 1.0, "relative_camera_pitch_deg": 20.0},  # half in view
        {"camera_distance": 5.25, "image_height": 512, "camera_height": 2.75},  # small
        {"camera_distance": 1.0, "camera_height": 0.1, "relative_camera_pitch_deg": -45.0},
        {"exercise": "SQUAT-BACK-BARBELL", "camera_distance": 1.0},  # a bar beside the camera
    ],
)
def test_what_is_small_cut_off_or_out_of_view_is_labelled_right(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    report = audited({**TINY, **changes}, tmp_path, preview=True)
    assert not report.rows


def test_estimates_of_many_jobs_add_up() -> None:
    for seed in range(3):
        estimate, real = estimates(200, seed)
        assert abs(estimate - real) < 0.03 * real
