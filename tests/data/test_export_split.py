"""Splitting: shares kept as well as groups allow, and nothing related on two sides."""

# ruff: noqa: F401, F811
from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_factory import params, write_batch
from real_results import real, rendered

from infinity_frames.data import read_results, split
from infinity_frames.protocol.errors import FrameError


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Forty jobs: seeds of their own, but for a rerun, a sweep of three and two with one seed."""
    exercises = ("PUSHUP", "SITUP")
    jobs: list[dict[str, Any]] = [
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
    out = split(batch, {"train": 0.7, "val": 0.2, "test": 0.1}, exact=True)
    assert out["split"].value_counts().to_dict() == {"train": 28, "val": 8, "test": 4}
    assert list(out["split"].cat.categories) == ["train", "val", "test"]
    assert part_of(out).isna()["job-failed"]
    assert out.attrs == batch.attrs
    assert "split" not in batch.columns
    two = split(batch, [3, 1], exact=True)
    assert two["split"].value_counts().to_dict() == {"train": 30, "test": 10}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), train=st.floats(0.3, 0.8))
def test_copies_reruns_and_sweeps_are_never_on_two_sides(batch, seed, train):
    parts = part_of(split(batch, {"train": train, "test": 1 - train}, seed=seed, exact=True))
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


def test_real_jobs_of_one_sweep_stay_with_the_job_they_came_from(real):
    parts = part_of(split(real, [0.4, 0.6]))
    swept = real[real["tag_base"].notna()]
    family = [*swept["job_id"], *swept["tag_base"].unique()]
    assert len(family) == 3
    assert parts[family].nunique() == 1
    assert parts.nunique() == 2


def test_what_cannot_be_split_is_said(batch, real):
    with pytest.raises(FrameError, match="3 groups"):
        split(real, {"a": 1, "b": 1, "c": 1, "d": 1})
    with pytest.raises(FrameError, match="positive"):
        split(batch, {"train": 1, "test": 0})
    with pytest.raises(FrameError, match="names"):
        split(batch, [1, 1, 1, 1])
    with pytest.raises(FrameError, match="color"):
        split(batch, [1, 1], by="color")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), dropped=st.sets(st.integers(0, 40), max_size=15))
@pytest.mark.slow
def test_dropped_rows_do_not_move_the_others(batch, seed, dropped):
    sizes = {"train": 0.5, "test": 0.5}
    whole = part_of(split(batch, sizes, seed=seed))
    rest = batch[~batch.index.isin(dropped - {7, 11, 2})]
    parts = part_of(split(rest, sizes, seed=seed))
    pd.testing.assert_series_equal(parts, whole.loc[parts.index])


@pytest.mark.slow
def test_shares_by_hash_are_within_chance(batch):
    counts = [
        (split(batch, {"train": 0.7, "test": 0.3}, seed=seed)["split"] == "train").sum()
        for seed in range(60)
    ]
    groups = 40 * 0.7
    assert abs(np.mean(counts) - groups) < 1.5
    assert np.abs(np.array(counts) - groups).max() < 5 * (40 * 0.7 * 0.3) ** 0.5


def test_no_part_is_empty_while_groups_are_left(batch):
    for seed in range(20):
        out = split(batch.head(6), [0.8, 0.1, 0.1], seed=seed)
        assert out["split"].nunique() == 3


def test_a_part_that_is_assigned_stays(batch):
    first = split(batch, {"train": 0.5, "test": 0.5}, seed=1)
    kept = first["split"].astype("string")
    kept = kept.mask(np.arange(len(kept)) % 3 == 0)
    again = split(batch.assign(split=kept), {"train": 0.5, "test": 0.5}, seed=2)
    before = kept.notna()
    assert (again["split"].astype("string")[before] == kept[before]).all()
    assert again["split"].isna().sum() == 1
    parts = part_of(again)
    assert parts[["job-11", "job-12", "job-13", "job-30"]].nunique() == 1
    other = split(batch.assign(split=kept.replace("test", "held")), [0.5, 0.5], exact=True)
    assert set(other["split"].cat.categories) == {"train", "test", "held"}


def test_related_jobs_with_two_parts_are_refused(batch):
    parts = ["train"] * len(batch)
    parts[11] = "test"
    with pytest.raises(FrameError, match="Related jobs have different parts"):
        split(batch.assign(split=parts), [0.5, 0.5])


@pytest.mark.parametrize("exact", [False, True])
def test_sizes_below_one_leave_jobs_out_and_say_so(batch, exact):
    with pytest.warns(UserWarning, match=r"of 40 jobs are left out.* 0\.5") as caught:
        out = split(batch, {"train": 0.3, "test": 0.2}, exact=exact)
    assert caught[0].filename == __file__
    left_out = out["split"].isna().sum() - 1
    assert abs(left_out - 20) <= (0 if exact else 12)


def test_jobs_are_split_before_rendering(batch):
    jobs = pd.DataFrame({"random_seed": [1, 2, 2, 3, 4, 5], "camera_height": [1.0] * 6})
    out = split(jobs, [0.5, 0.5])
    assert out["tag_split"][1] == out["tag_split"][2]
    more = split(pd.concat([out, jobs.assign(random_seed=range(10, 16))]), [0.5, 0.5], seed=9)
    assert list(more["tag_split"][:6]) == list(out["tag_split"])
    alike = pd.DataFrame({"camera_height": [1.0] * 40})
    assert split(alike, [0.5, 0.5])["tag_split"].value_counts().min() > 8
    rendered_parts = split(batch.assign(tag_split="val"), [0.5, 0.5])
    assert set(rendered_parts["split"].dropna()) == {"val"}
