"""Neighbors, gaps, and jobs that fill them, on made-up outcomes."""

import numpy as np
import pytest
from specs import KITCHEN

from infinity_frames.errors import FrameError
from infinity_frames.experiments.coverage import cover, gaps
from infinity_frames.experiments.neighbors import near
from infinity_frames.experiments.sampling import sample
from infinity_frames.protocol import parameters


def test_neighbors_stay_near_and_keep_seed_and_rules():
    rows = sample(KITCHEN, 40, seed=1)
    jobs = near(KITCHEN, rows, 10, spread=0.05, seed=2)
    assert len(jobs) == 400
    assert not len(parameters.violations(KITCHEN, jobs))
    base = rows.iloc[jobs["tag_base"].astype(int)].reset_index(drop=True)
    assert (jobs["random_seed"] == base["random_seed"]).all()
    step = (jobs["heat"] - base["heat"]).to_numpy(float)
    assert np.std(step) == pytest.approx(0.05 * 2.65, rel=0.2)
    assert (jobs["rate"] != base["rate"]).mean() == pytest.approx(0.05, abs=0.03)
    only = near(KITCHEN, rows, 3, vary="heat", seed=2)
    assert (only["salt"].to_numpy(float) == np.repeat(rows["salt"].to_numpy(float), 3)).all()
    assert (near(KITCHEN, rows, 1, reseed=True, seed=5)["random_seed"] != rows["random_seed"]).any()
    with pytest.raises(FrameError, match=r"no parameter heet.*heat"):
        near(KITCHEN, rows, vary="heet")


def outcome(jobs, seed=0):
    rng = np.random.default_rng(seed)
    tall = jobs["heat"].to_numpy(float) * (1 + jobs["start"].to_numpy(float))
    return jobs.assign(tallness=tall + rng.normal(0, 0.1, len(jobs)))


def test_gaps_count_cells_and_their_rules_select_them():
    rows = outcome(sample(KITCHEN, 600, seed=1))
    found = gaps(rows, ["tallness", "dish"], bins={"tallness": [0, 1, 2, 3, 4]})
    assert len(found) == 16
    assert found["n"].sum() == ((rows["tallness"] >= 0) & (rows["tallness"] <= 4)).sum()
    for rule, n in zip(found["rule"], found["n"], strict=True):
        assert len(rows.query(rule)) == n
    assert set(found["verdict"]) >= {"empty", "filled"}  # no CAKE has a start, so none is tall
    with pytest.raises(FrameError, match=r"no column 'tallnes'.*tallness"):
        gaps(rows, "tallnes")


def test_gaps_against_weights_and_real_data():
    rows = sample(KITCHEN, 400, seed=1)
    weights = gaps(rows, "dish", target={"CAKE": 1, "SOUP": 1}).set_index("dish")
    assert weights.loc["CAKE", "target"] == 200
    real = rows[rows["heat"] > 2]
    against = gaps(rows, "heat", target=real)
    assert against.loc[against["target"] == 0, "verdict"].eq("filled").all()
    with pytest.raises(FrameError, match="of one column"):
        gaps(rows, ["dish", "rate"], target={"CAKE": 1})


@pytest.mark.slow
def test_cover_by_outcome_hits_its_cells_three_times_as_often_as_chance():
    rows = outcome(sample(KITCHEN, 300, seed=1))
    bins = {"tallness": [0, 1, 2, 3, 3.4, 3.8]}
    jobs = cover(KITCHEN, rows, 120, "tallness", bins=bins, seed=3)
    made = outcome(jobs, seed=9)
    hits = sum(len(part.query(cell)) for cell, part in made.groupby("tag_cell")) / len(made)
    chance = outcome(sample(KITCHEN, 5000, seed=8), seed=7)
    shares = jobs["tag_cell"].value_counts(normalize=True)
    random = sum(share * len(chance.query(cell)) / 5000 for cell, share in shares.items())
    assert not len(parameters.violations(KITCHEN, jobs.drop(columns=["tag_cell"])))
    assert hits > 3 * random
    assert hits == pytest.approx(jobs["tag_probability"].mean(), abs=0.2)


def test_cover_by_parameter_fills_exactly_the_cells():
    rows = sample(KITCHEN, 200, seed=1, where="heat < 1")
    jobs = cover(KITCHEN, rows, 50, "heat", bins={"heat": [0.1, 1, 2, 2.75]}, seed=1)
    assert len(jobs) == 50
    assert (jobs["heat"] >= 1).all()
    with pytest.raises(FrameError, match="Not enough data: 20 jobs"):
        cover(KITCHEN, outcome(rows.head(20)), 5, "tallness", bins={"tallness": [0, 1, 9]})


def test_cover_keeps_the_parameters_that_the_user_fixed():
    rows = sample(KITCHEN, 200, seed=1, where="heat < 1")
    fixed = {"dish": "SOUP", "servings": 3}
    bins = {"heat": [0.1, 1, 2, 2.75]}
    jobs = cover(KITCHEN, rows, 20, "heat", bins=bins, seed=1, fixed=fixed)
    assert set(jobs["dish"]) == {"SOUP"}
    assert set(jobs["servings"]) == {3}
    assert (jobs["heat"] >= 1).all()
