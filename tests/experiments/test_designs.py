"""sample(design=, where=, like=) against the distributions that the generator states."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from specs import KITCHEN

from infinity_frames.errors import FrameError
from infinity_frames.experiments.sampling import sample
from infinity_frames.protocol import parameters


@pytest.mark.parametrize(("design", "share"), [("sobol", 0.5), ("halton", 0.5), ("lhs", 0.75)])
def test_a_design_is_more_even_than_chance_and_keeps_the_rules(design, share):
    jobs = sample(KITCHEN, 256, design=design, seed=1)
    by_chance = sample(KITCHEN, 256, where="servings > 0", seed=1)
    assert not len(parameters.violations(KITCHEN, jobs))
    assert jobs.attrs["design"]["discrepancy"] < share * by_chance.attrs["design"]["discrepancy"]
    assert jobs["rate"].value_counts().between(84, 87).all()
    pd.testing.assert_frame_equal(jobs, sample(KITCHEN, 256, design=design, seed=1))


@given(st.integers(1, 200), st.integers(0, 50))
@settings(max_examples=6, deadline=None)
def test_every_prefix_of_a_sobol_design_is_that_design(n, seed):
    free = ["servings", "heat", "rate", "salt", "bowl"]
    long = sample(KITCHEN, 200, design="sobol", seed=seed)
    short = sample(KITCHEN, n, design="sobol", seed=seed)
    pd.testing.assert_frame_equal(long[free].head(n), short[free])


RULES = [
    "heat > 2",
    "heat > 1 and heat <= 1.25 and dish == 'CAKE'",
    "1 < salt < 2.5",
    "salt > 0 and start + end > 0.5",
    "rate != 24 and bowl == 0 and cover == True",
    "width == 512 or servings in [3, 4]",
    "dish in ['SOUP', 'CAKE'] and 3 <= servings",
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("design", ["random", "sobol"])
def test_a_rule_conditions_the_generators_distribution(rule, design):
    jobs = sample(KITCHEN, 1500, where=rule, design=design, seed=3)
    plain = parameters.sample(KITCHEN, 60_000, seed=4).query(rule)
    assert len(jobs.query(rule)) == 1500
    assert not len(parameters.violations(KITCHEN, jobs))
    assert jobs.attrs["design"]["acceptance"] == pytest.approx(len(plain) / 60_000, rel=0.15)
    for name in ("heat", "salt", "start", "end", "servings"):
        test = ks_2samp(jobs[name].to_numpy(float), plain[name].to_numpy(float))
        assert test.pvalue > 1e-4, name


def test_an_impossible_rule_states_its_acceptance_rate():
    for rule in ("heat > 3", "noise == False", "dish == 'NOTHING'", "start + end > 1.5"):
        with pytest.raises(FrameError, match="acceptance rate is"):
            sample(KITCHEN, 5, where=rule)
    with pytest.raises(FrameError, match=r"acceptance rate is .*e-"):
        sample(KITCHEN, 5, where="salt + heat > 6.6")
    rare = sample(KITCHEN, 5, where="salt > 3.8 and heat > 2.74", seed=0)
    assert rare.attrs["design"]["acceptance"] < 1e-6


def test_a_rule_over_fixed_columns_draws_again_only_the_rejected_rows():
    doses = np.linspace(0.2, 2.0, 40)
    jobs = sample(KITCHEN, 40, where="salt > heat - 1", seed=1, fixed={"heat": doses})
    assert np.allclose(jobs["heat"].to_numpy(float), doses)
    assert (jobs["salt"] > jobs["heat"] - 1).all()


def test_wrong_rules_and_designs_are_explained():
    with pytest.raises(FrameError, match=r"no column heet.*Did you mean heat"):
        sample(KITCHEN, 5, where="heet > 3")
    with pytest.raises(FrameError, match="is not a condition"):
        sample(KITCHEN, 5, where="heat + 1")
    with pytest.raises(FrameError, match="cannot be applied"):
        sample(KITCHEN, 5, where="heat >")
    with pytest.raises(FrameError, match=r"Unknown design 'grid'.*sobol"):
        sample(KITCHEN, 5, design="grid")  # type: ignore[arg-type]


def test_like_resembles_the_shared_columns():
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"heat": rng.normal(1.0, 0.1, 300), "dish": ["SOUP", "CAKE", "CAKE"] * 100})
    jobs = sample(KITCHEN, 600, like=real, seed=1)
    assert ks_2samp(jobs["heat"].to_numpy(float), real["heat"]).pvalue > 0.01
    assert (jobs["dish"] == "CAKE").mean() == pytest.approx(2 / 3, abs=0.06)
    with pytest.raises(FrameError, match="shares no parameter"):
        sample(KITCHEN, 5, like=pd.DataFrame({"speed": [1.0]}))
