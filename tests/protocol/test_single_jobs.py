"""Jobs as dicts, one at a time and in lists: the same values and types as in frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import KITCHEN

from infinity_frames.protocol import parameters

ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 30),
    st.floats(),
    st.sampled_from(["SOUP", "CAKE", "PIE", "STEW", "1", "2.5", "True", ""]),
    st.sampled_from([np.float32(0.5), np.int64(3), pd.NA, [1.0]]),
)
JOB = st.dictionaries(st.sampled_from([*KITCHEN.by_name, "tag_fold", "oops"]), ANY, max_size=8)


def test_single_jobs_are_distributed_as_frames_are() -> None:
    drawn = [parameters.sample_one(KITCHEN, {}) for _ in range(2000)]
    jobs = [job for job in drawn if job is not None]
    assert len(jobs) == len(drawn)
    ours = parameters.frame(KITCHEN, jobs)
    theirs = parameters.sample(KITCHEN, 2000, seed=0)
    assert parameters.violations(KITCHEN, ours).empty
    assert list(ours.columns) == [name for name in theirs.columns if theirs[name].notna().any()]
    for name in ours.columns:
        assert ours[name].dtype == theirs[name].dtype
        if ours[name].nunique() <= 5:
            shares = [frame[name].value_counts(normalize=True) for frame in (ours, theirs)]
            assert shares[0].sub(shares[1], fill_value=0).abs().max() < 0.06
        else:
            spread = float(theirs[name].std())
            assert abs(float(ours[name].mean() - theirs[name].mean())) < 0.15 * spread
    record = parameters.records(KITCHEN, theirs)[0]
    assert {k: type(v) for k, v in jobs[0].items()} == {k: type(v) for k, v in record.items()}


def test_single_jobs_keep_what_is_fixed_and_the_joint_rules() -> None:
    for _ in range(50):
        job = parameters.sample_one(
            KITCHEN, {"dish": "CAKE", "heat": 1, "width": 512, "servings": np.int64(3)}
        )
        assert job is not None
        assert (job["dish"], job["heat"], job["servings"]) == ("CAKE", 1.0, 3)
        assert job["start"] == 0.0
        assert (job["width"], job["height"]) == (512, 512)
        assert type(job["heat"]) is float


@pytest.mark.parametrize(
    "fixed",
    [
        {"dish": "PIE"},
        {"dish": {"SOUP": 1.0}},
        {"heat": 9.0},
        {"heat": float("nan")},
        {"servings": 2.0},
        {"servings": [3]},
        {"noise": 1},
        {"tag_fold": 1},
        {"oops": 1},
        {"dish": "CAKE", "start": 0.5},
    ],
)
def test_single_jobs_leave_anything_else_to_sample(fixed: dict[str, object]) -> None:
    assert parameters.sample_one(KITCHEN, fixed) is None


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.lists(JOB, max_size=6), st.integers(1, 3))
def test_a_list_of_dicts_reads_as_columns_of_objects_do(
    jobs: list[dict[str, object]], times: int
) -> None:
    jobs = jobs * (1 if times == 1 else 300 * times)  # several blocks of rows
    names = list(dict.fromkeys(key for job in jobs for key in job))
    objects = pd.DataFrame(
        {name: pd.Series([job.get(name) for job in jobs], dtype="object") for name in names},
        index=range(len(jobs)),
    )
    found = parameters.frame(KITCHEN, jobs)
    pd.testing.assert_frame_equal(found, parameters.frame(KITCHEN, objects))
