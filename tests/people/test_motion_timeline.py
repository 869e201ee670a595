"""When each rep happens: counts, repeatability, and the frame estimate."""

from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinity_frames.engine.people.exercises import VISIONFIT_EXERCISES, exercise
from infinity_frames.engine.people.motion.timeline import Timeline, expected_frames
from infinity_frames.protocol.errors import RenderError

settings_ = st.fixed_dictionaries(
    {
        "num_reps": st.integers(1, 20),
        "rel_baseline_speed": st.floats(0.33, 3.0),
        "max_rel_speed_change": st.floats(0.0, 1.0),
        "inter_rep_delay_avg": st.floats(0.0, 5.0),
        "inter_rep_delay_var": st.floats(0.0, 5.0),
        "add_pauses": st.booleans(),
        "frame_rate": st.sampled_from([30, 24, 12, 8, 6]),
    }
)
trims = st.tuples(st.floats(0.0, 0.45), st.floats(0.0, 0.45))
names = st.sampled_from(VISIONFIT_EXERCISES)


@settings(max_examples=60, deadline=None)
@given(params=settings_, trim=trims, name=names, seed=st.integers(0, 2**31 - 1))
def test_rep_counts_run_from_0_to_num_reps(params, trim, name, seed):
    what = exercise(name)
    if what.allows_trimming:
        params |= {"trim_start_frac": trim[0], "trim_end_frac": trim[1]}
    frames = Timeline.from_params(params, what, seed).frames
    count = frames.rep_count_from_start
    assert count[0] == 0.0
    assert count[-1] == pytest.approx(params["num_reps"])
    assert (np.diff(count) >= 0.0).all()
    shift = frames.rep_count_from_intermediate - count
    np.testing.assert_allclose(shift, 1.0 - what.midpoint)
    assert (np.diff(frames.clock) >= 0.0).all()
    assert frames.phase.min() >= 0.0
    assert frames.phase.max() <= 1.0


@settings(max_examples=30, deadline=None)
@given(params=settings_, name=names, seed=st.integers(0, 2**31 - 1))
def test_more_reps_leave_the_first_ones_as_they_were(params, name, seed):
    few = Timeline.from_params(params, exercise(name), seed)
    many = Timeline.from_params(params | {"num_reps": params["num_reps"] + 3}, exercise(name), seed)
    n = few.num_reps
    np.testing.assert_array_equal(many.starts[:n], few.starts)
    time = np.linspace(0.0, few.duration * 0.999, 50)
    np.testing.assert_array_equal(many.at(time).phase, few.at(time).phase)
    np.testing.assert_array_equal(many.at(time).clock, few.at(time).clock)


def test_another_frame_rate_sees_the_same_motion():
    params = {"num_reps": 4, "max_rel_speed_change": 0.4, "inter_rep_delay_avg": 1.0}
    slow, fast = (
        Timeline.from_params(params | {"frame_rate": rate}, exercise("PUSHUP"), 5).frames
        for rate in (12, 24)
    )
    shared = slice(0, 2 * (len(slow.time) - 1), 2)
    np.testing.assert_allclose(fast.phase[shared], slow.phase[:-1], atol=1e-12)


def test_counts_stand_still_between_reps_and_in_pauses():
    timeline = Timeline(
        exercise("SQUAT-BODYWEIGHT"),
        seed=1,
        num_reps=2,
        inter_rep_delay_avg=2.0,
        inter_rep_delay_var=1.0,
        add_pauses=True,
    )
    assert 1.0 <= timeline.delays[0] <= 3.0
    end = timeline.starts[1] - timeline.delays[0]
    resting = timeline.at(np.linspace(end, timeline.starts[1], 7))
    np.testing.assert_allclose(resting.rep_count_from_start, 1.0)
    middle = timeline.exercise.midpoint * timeline.active[0]
    held = timeline.at(np.linspace(middle, middle + timeline.pauses[0], 7))
    np.testing.assert_allclose(held.rep_count_from_start, timeline.exercise.midpoint)


@given(change=st.floats(0.0, 1.0), seed=st.integers(0, 2**31 - 1))
def test_speeds_stay_within_the_change_asked_for(change, seed):
    timeline = Timeline(exercise("PUSHUP"), seed, num_reps=5, max_rel_speed_change=change)
    speed = timeline.exercise.seconds / timeline.active
    assert (speed <= (1 + change) * (1 + 1e-9)).all()
    assert (speed >= (1 - 1e-9) / (1 + change)).all()


def test_reps_differ_in_speed():
    timeline = Timeline(exercise("PUSHUP"), 0, num_reps=5, max_rel_speed_change=0.5)
    assert len(np.unique(timeline.active)) == 5


@given(start=st.floats(0.0, 0.45), end=st.floats(0.0, 0.45))
def test_trims_narrow_the_motion_and_shorten_it(start, end):
    what = exercise("SQUAT-BODYWEIGHT")
    timeline = Timeline(what, 0, num_reps=2, trim_start_frac=start, trim_end_frac=end)
    phase = timeline.at(np.linspace(0.0, timeline.duration, 400)).phase
    m = what.midpoint
    depth = np.where(phase <= m, phase / m, (1.0 - phase) / (1.0 - m))
    assert depth.min() == pytest.approx(start, abs=1e-3)
    assert depth.max() == pytest.approx(1.0 - end, abs=1e-3)
    np.testing.assert_allclose(timeline.active, what.seconds * (1.0 - start - end))


def test_the_estimate_comes_within_3_percent_over_200_jobs():
    rng = np.random.default_rng(11)
    jobs = pd.DataFrame(
        {
            "exercise": rng.choice(VISIONFIT_EXERCISES, 200),
            "num_reps": rng.integers(1, 11, 200),
            "rel_baseline_speed": rng.uniform(0.8, 1.25, 200),
            "max_rel_speed_change": rng.uniform(0.0, 0.2, 200),
            "inter_rep_delay_avg": rng.uniform(0.0, 2.0, 200),
            "inter_rep_delay_var": rng.uniform(0.0, 2.0, 200),
            "add_pauses": rng.random(200) < 0.5,
            "frame_rate": rng.choice([30, 24, 12, 8, 6], 200),
        }
    )
    actual = [
        Timeline.from_params(
            cast("dict[str, Any]", job), exercise(job["exercise"]), seed
        ).num_frames
        for seed, job in enumerate(jobs.to_dict("records"))
    ]
    assert expected_frames(jobs).sum() == pytest.approx(sum(actual), rel=0.03)


def test_the_estimate_is_exact_where_nothing_is_random():
    jobs = pd.DataFrame(
        {
            "exercise": ["PUSHUP", "V_UP", "BURPEE"],
            "num_reps": pd.array([1, 7, pd.NA], dtype="Int64"),
            "frame_rate": [24, 8, 30],
            "trim_start_frac": [0.25, 0.0, 0.0],
        }
    )
    actual = [
        Timeline(exercise("PUSHUP"), 0, trim_start_frac=0.25).num_frames,
        Timeline(exercise("V_UP"), 0, num_reps=7, frame_rate=8).num_frames,
        Timeline(exercise("BURPEE"), 0, frame_rate=30).num_frames,
    ]
    assert expected_frames(jobs).tolist() == actual


def test_an_imu_job_counts_frames_per_second():
    jobs = pd.DataFrame({"exercise": ["BICEP_CURL-DUMBBELL"], "frames_per_second": [40]})
    timeline = Timeline.from_params(
        {"frames_per_second": 40, "watch_location": "LEFT"}, exercise("BICEP_CURL-DUMBBELL"), 0
    )
    assert timeline.frame_rate == 40
    assert expected_frames(jobs).tolist() == [timeline.num_frames]


def test_an_estimate_names_the_exercise_it_does_not_know():
    with pytest.raises(RenderError, match="CARTWHEEL"):
        expected_frames(pd.DataFrame({"exercise": ["CARTWHEEL"]}))
