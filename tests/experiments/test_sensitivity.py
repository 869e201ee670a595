"""sensitivity() against functions whose indices are known in closed form."""

import numpy as np
import pandas as pd
import pytest
from specs import KITCHEN
from statsmodels.stats.multitest import multipletests

from infinity_frames.errors import FrameError
from infinity_frames.experiments.designs import design
from infinity_frames.experiments.factors import holm
from infinity_frames.experiments.sampling import sample
from infinity_frames.experiments.sensitivity import DependentColumns, sensitivity
from infinity_frames.protocol.spec import Generator, Parameter

ISHIGAMI = Generator(
    "ishigami-v1.0.0",
    "1.0.0",
    tuple(Parameter(f"x{i}", "float", 0.0, min=-np.pi, max=np.pi) for i in (1, 2, 3)),
)
# Ishigami and Homma (1990), a = 7, b = 0.1.
FIRST = {"x1": 0.3139, "x2": 0.4424, "x3": 0.0}
TOTAL = {"x1": 0.5576, "x2": 0.4424, "x3": 0.2437}


def ishigami(jobs):
    x1, x2, x3 = (jobs[f"x{i}"].to_numpy(float) for i in (1, 2, 3))
    return jobs.assign(y=np.sin(x1) + 7 * np.sin(x2) ** 2 + 0.1 * x3**4 * np.sin(x1))


def test_a_saltelli_design_gives_ishigamis_indices():
    found = sensitivity(ishigami(design(ISHIGAMI, "saltelli", 1024, seed=1)), "y", method="sobol")
    for order, truth in (("first", FIRST), ("total", TOTAL)):
        rows = found[found["order"] == order].set_index("factors")
        for name, value in truth.items():
            assert rows["ci_low"][name] <= value <= rows["ci_high"][name], (order, name)


def test_given_data_give_ishigamis_first_order_indices():
    scored = ishigami(sample(ISHIGAMI, 2048, design="sobol", seed=1))
    anova = sensitivity(scored, "y").set_index("factors")
    assert anova.loc["x1", "share"] == pytest.approx(FIRST["x1"], abs=0.05)
    assert anova["p"]["x3"] > 0.05
    assert anova["p"]["x1:x3"] < 1e-6
    assert anova.index[0] in ("x2", "x1")
    fast = sensitivity(scored, "y", method="rbd_fast").set_index("factors")
    for name, value in FIRST.items():
        assert fast.loc[name, "share"] == pytest.approx(value, abs=0.06)


def test_morris_orders_the_factors():
    found = sensitivity(ishigami(design(ISHIGAMI, "morris", 64, seed=1)), "y", method="morris")
    assert len(found) == 3
    assert (found["share"] > 0).all()


@pytest.mark.slow
def test_only_planted_factors_are_named():
    false = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = pd.DataFrame(rng.uniform(size=(400, 8)), columns=list("abcdefgh"))
        x["y"] = x["a"] + 0.5 * (x["b"] > 0.5) + rng.normal(0, 0.5, 400)
        named = set(sensitivity(x, "y", resamples=20).query("p < 0.05")["factors"])
        assert {"a", "b"} <= named
        false += bool(named - {"a", "b"})
    assert false <= 3  # 5 % each; P(more than 3 of 20) = 1.6 %


def nulls(n, seed):
    """Scores that no parameter moves on average, although their spread depends on parameters."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame({"a": rng.uniform(size=n), "b": rng.uniform(size=n)})
    x["dish"] = rng.choice(["pie", "soup", "stew"], n, p=[0.6, 0.32, 0.08])
    noise = rng.normal(size=n)
    yield x.assign(y=noise * np.where(x["dish"] == "stew", 10, 1))
    yield x.assign(y=noise * (0.05 + 3 * x["a"] ** 3))
    yield x.assign(y=np.where((x["a"] > 0.8) & (x["b"] > 0.5), rng.choice([-1, 0, 1], n), 0))


def test_no_parameter_is_named_where_only_the_spread_depends_on_it():
    named = [
        bool((sensitivity(rows, "y", resamples=2)["p"] < 0.05).any())
        for seed in range(20)
        for rows in nulls(250, seed)
    ]
    assert sum(named) <= 6  # 5 % each; P(more than 6 of 60) = 3 %


@pytest.mark.slow
def test_intervals_cover_the_true_share():
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = pd.DataFrame({"a": rng.integers(0, 3, 300), "b": rng.integers(0, 2, 300)})
        x["y"] = x["a"] + rng.normal(0, 1, 300)  # variance 2/3 of 5/3: share 0.4
        row = sensitivity(x, "y", interactions=False, resamples=60).set_index("factors").loc["a"]
        covered += bool(row["ci_low"] <= 0.4 <= row["ci_high"])
    assert covered >= 34  # of 95 %, P(fewer than 34 of 40) = 0.3 %


def test_dependent_columns_and_little_data_are_said():
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"a": rng.uniform(size=200)})
    x["b"] = x["a"] + rng.normal(0, 0.1, 200)
    x["y"] = rng.normal(size=200)
    with pytest.warns(DependentColumns, match="a and b"):
        sensitivity(x, "y", resamples=5)
    with pytest.raises(FrameError, match="Not enough data: 20 rows for 1 factors"):
        sensitivity(x[["a", "y"]].head(20), "y")
    with pytest.raises(FrameError, match=r"needs the rows of a design"):
        sensitivity(x, "y", method="sobol")
    with pytest.raises(FrameError, match=r"Unknown method 'x'.*anova"):
        sensitivity(x, "y", method="x")  # type: ignore[arg-type]


def test_frames_of_one_job_count_once():
    rng = np.random.default_rng(0)
    jobs = pd.DataFrame({"job_id": [f"j{i}" for i in range(100)], "a": rng.uniform(size=100)})
    frames = jobs.loc[np.repeat(np.arange(100), 20)].reset_index(drop=True)
    frames["y"] = np.repeat(rng.normal(size=100), 20) + rng.normal(0, 0.1, 2000)
    found = sensitivity(frames, "y", by="a")
    assert found.loc[0, "n"] == 100
    assert found["p"][0] > 0.05


@pytest.mark.parametrize("p", [[0.2], [0.01, 0.04, 0.03, 0.005], [0.5, 0.02, 0.02, 1.0, 0.0, 0.9]])
def test_p_values_are_adjusted_as_statsmodels_does(p):
    expected = multipletests(p, method="holm")[1]
    assert holm(np.array(p)).tolist() == pytest.approx(expected.tolist())
    assert len(holm(np.array([]))) == 0


def test_copies_of_one_job_are_no_independent_repeats():
    factors = ["dish", "servings", "heat", "salt", "cover", "bowl"]
    named = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        jobs = sample(KITCHEN, 80, seed=seed)
        rows = jobs.loc[np.repeat(jobs.index, 8)].reset_index(drop=True)
        luck = np.repeat(rng.normal(0, 1, 80), 8)
        rows = rows.assign(
            tag_base=np.repeat([f"b{i}" for i in range(80)], 8),
            score=luck + rng.normal(0, 0.1, 640),
        )
        found = sensitivity(rows, "score", by=factors, interactions=False, resamples=5)
        named += int((found["p"] < 0.05).any())
    assert named <= 3  # 5 % each; P(more than 3 of 15) = 0.5 %
