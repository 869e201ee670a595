"""Splitting: shares kept as well as groups allow, and nothing related on two sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_factory import params, write_batch
from real_results import real, rendered  # noqa: F401

from infinity_frames.data import read_results, split
from infinity_frames.protocol.errors import FrameError


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Forty jobs: seeds of their own, but for a rerun, a sweep of three and two with one seed."""
    exercises = ("PUSHUP", "SITUP")
    jobs = [
        {
            "id": f"job-{i:02d}",
            "params": params(exercise=exercises[i % 4 == 0], avatar_identity=i % 8),
        }
        for i in range(40)
    ]
    jobs[7]["params"]["state"] = "job-21"
    for copy in (11, 12, 13):
        jobs[copy]["tags"] = {"base": "job-30"}
    jobs[2]["params"]["random_seed"] = jobs[3]["params"]["random_seed"] = 99
    jobs.append({"id": "job-failed", "status": "failed", "error": "out of memory"})
    return read_results(write_batch(tmp_path_factory.mktemp("split") / "run", jobs), quiet=True)


def part_of(frame):
    return frame.set_index("job_id")["split"]


def test_shares_are_kept_and_failed_jobs_are_in_no_part(batch):
    out = split(batch, {"train": 0.7, "val": 0.2, "test": 0.1})
    assert out["split"].value_counts().to_dict() == {"train": 28, "val": 8, "test": 4}
    assert list(out["split"].cat.categories) == ["train", "val", "test"]
    assert part_of(out).isna()["job-failed"]
    assert out.attrs == batch.attrs
    assert "split" not in batch.columns
    two = split(batch, [3, 1])
    assert two["split"].value_counts().to_dict() == {"train": 30, "test": 10}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), train=st.floats(0.3, 0.8))
def test_copies_reruns_and_sweeps_are_never_on_two_sides(batch, seed, train):
    parts = part_of(split(batch, {"train": train, "test": 1 - train}, seed=seed))
    assert parts["job-07"] == parts["job-21"]
    assert parts[["job-11", "job-12", "job-13", "job-30"]].nunique() == 1
    assert parts["job-02"] == parts["job-03"]
    assert abs((parts == "train").sum() - train * 40) <= 1


def test_the_same_seed_is_the_same_split_whatever_the_order(batch):
    parts = part_of(split(batch, [0.5, 0.5], seed=4))
    mixed = split(batch.sample(frac=1, random_state=1), [0.5, 0.5], seed=4)
    pd.testing.assert_series_equal(parts, part_of(mixed).loc[parts.index])
    others = [part_of(split(batch, [0.5, 0.5], seed=seed)) for seed in range(5, 9)]
    assert not all(parts.equals(other) for other in others)


def test_values_of_by_stay_on_one_side(batch):
    out = split(batch, [0.5, 0.25, 0.25], by="avatar_identity")
    done = out[out["split"].notna()]
    assert done.groupby("avatar_identity")["split"].nunique().eq(1).all()
    assert done["split"].nunique() == 3


def test_strata_are_as_frequent_in_every_part(batch):
    for seed in range(5):
        out = split(batch, [0.5, 0.3, 0.2], stratify="exercise", seed=seed)
        counts = pd.crosstab(out["split"], out["exercise"])
        expected = np.outer([0.5, 0.3, 0.2], [30, 10])
        assert np.abs(counts.to_numpy() - expected).max() <= 1.5


def test_rare_strata_do_not_all_go_to_the_largest_part(batch):
    singles = batch.assign(own=[str(i // 2) for i in range(len(batch))])
    out = split(singles, [0.6, 0.4], stratify="own")
    assert abs((out["split"] == "train").sum() - 24) <= 1


def test_real_jobs_of_one_sweep_stay_with_the_job_they_came_from(real):  # noqa: F811
    parts = part_of(split(real, [0.4, 0.6]))
    swept = real[real["tag_base"].notna()]
    family = [*swept["job_id"], *swept["tag_base"].unique()]
    assert len(family) == 3
    assert parts[family].nunique() == 1
    assert parts.nunique() == 2


def test_what_cannot_be_split_is_said(batch, real):  # noqa: F811
    with pytest.raises(FrameError, match="3 groups"):
        split(real, {"a": 1, "b": 1, "c": 1, "d": 1})
    with pytest.raises(FrameError, match="positive"):
        split(batch, {"train": 1, "test": 0})
    with pytest.raises(FrameError, match="names"):
        split(batch, [1, 1, 1, 1])
    with pytest.raises(FrameError, match="colour"):
        split(batch, [1, 1], by="colour")
