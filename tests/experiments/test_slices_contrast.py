"""Rules and contrasts on made-up data with a known truth."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from specs import KITCHEN

from infinity_frames.errors import FrameError
from infinity_frames.experiments.contrasts import contrast
from infinity_frames.experiments.sampling import sample
from infinity_frames.experiments.slices import slices


def planted(n, seed, effect=1.0):
    jobs = sample(KITCHEN, n, seed=seed)
    rng = np.random.default_rng(seed)
    bad = (jobs["heat"] > 2.0) & (jobs["dish"] == "PIE-LEFT")
    return jobs.assign(score=rng.normal(0.8, 0.2, n) - effect * bad.to_numpy(bool))


def test_a_planted_slice_is_found_and_its_rule_runs_everywhere():
    scored = planted(1500, 1)
    found = slices(scored, "score")
    best = found.iloc[0]
    assert "heat >" in best["rule"]
    assert "dish == 'PIE-LEFT'" in best["rule"]
    assert best["ci_low"] < best["lift"] < best["ci_high"] < 0
    assert best["p"] < 1e-6
    rows = scored.query(best["rule"])
    assert rows["score"].mean() < 0.4
    plain = scored[["heat", "dish", "score"]].astype({"dish": "str", "heat": "float64"})
    connection = duckdb.connect().register("jobs", plain)
    for text in (best["rule"], best["sql"]):
        ((counted,),) = connection.execute(f"select count(*) from jobs where {text}").fetchall()
        assert counted == len(rows)
    more = sample(KITCHEN, 50, where=best["rule"], seed=2)
    assert len(more.query(best["rule"])) == 50
    assert len(found) <= 3  # no sub-rules of the same


def test_a_metric_of_right_and_wrong_needs_no_spread_inside_a_slice():
    """A classifier's score is 0 or 1, and may be the same in all rows of a slice."""
    jobs = sample(KITCHEN, 600, seed=5)
    hot, salty = (jobs[name].to_numpy(float) for name in ("heat", "salt"))
    worse = (hot > np.quantile(hot, 0.85)) | (salty > np.quantile(salty, 0.85))
    found = slices(jobs.assign(right=1.0 - worse), "right")
    assert any("heat >" in rule for rule in found["rule"])
    assert any("salt >" in rule for rule in found["rule"])


@pytest.mark.slow
def test_no_slice_is_found_in_noise():
    hits = sum(len(slices(planted(400, seed, effect=0.0), "score")) > 0 for seed in range(20))
    assert hits <= 3  # 5 % each; P(more than 3 of 20) = 1.6 %


def test_too_few_rows_are_not_enough_data():
    with pytest.raises(FrameError, match="Not enough data: 30 independent rows"):
        slices(planted(30, 0), "score")
    one_job = planted(200, 0).assign(job_id=["a"] * 100 + ["b"] * 100)
    with pytest.raises(FrameError, match="Not enough data: 2 independent rows"):
        slices(one_job, "score")
    with pytest.raises(FrameError, match=r"no column 'skore'.*score"):
        slices(planted(50, 0), "skore")


@pytest.mark.parametrize("base_spread", [0.0, 3.0])
def test_a_contrast_recovers_the_effect_and_the_gain_of_pairing(base_spread):
    rng = np.random.default_rng(0)
    n = 300
    person = rng.normal(0, base_spread, n)
    parts = [
        pd.DataFrame(
            {
                "tag_base": [f"b{i}" for i in range(n)],
                "height": height,
                "score": person + 0.5 * height + rng.normal(0, 0.5, n),
            }
        )
        for height in (0.0, 1.0)
    ]
    found = contrast(pd.concat(parts), "height", "score").iloc[0]
    assert found["ci_low"] < 0.5 < found["ci_high"]
    assert found["verdict"] == "higher"
    truth = (base_spread**2 + 0.25) / 0.25
    assert found["pairing"] == pytest.approx(truth, rel=0.3)


def test_a_contrast_of_few_pairs_says_so():
    rows = pd.DataFrame({"tag_base": list("abab"), "x": [1, 1, 2, 2], "score": [0.0, 1, 2, 3]})
    found = contrast(rows, "x", "score").iloc[0]
    assert found["verdict"] == "not enough data"
    assert np.isnan(found["p"])
    with pytest.raises(FrameError, match="has 1 value"):
        contrast(rows[:2], "x", "score")


def copies(bases, each, seed):
    """A sweep of heat in which each base has luck of its own, and nothing else matters."""
    rng = np.random.default_rng(seed)
    jobs = sample(KITCHEN, bases, seed=seed)
    out = jobs.loc[np.repeat(jobs.index, each)].reset_index(drop=True)
    luck = np.repeat(rng.normal(0, 1, bases), each)
    return out.assign(
        tag_base=np.repeat([f"b{i}" for i in range(bases)], each),
        heat=np.tile(np.linspace(0.5, 3.0, each), bases),
        job_id=[f"j{i}" for i in range(bases * each)],
        score=luck + rng.normal(0, 0.1, bases * each),
    )


def test_copies_of_one_job_are_no_independent_rows():
    few = copies(20, 3, 0)
    frames = pd.concat([few, few], ignore_index=True)
    for rows in (few, frames):
        with pytest.raises(FrameError, match="Not enough data: 20 independent rows"):
            slices(rows, "score")
    hits = sum(len(slices(copies(60, 8, seed), "score")) > 0 for seed in range(15))
    assert hits <= 3  # 5 % each; P(more than 3 of 15) = 0.5 %


def test_rules_over_parameters_alone_can_be_drawn_again(sprites):
    jobs = sprites.sample(400, seed=1)
    rng = np.random.default_rng(0)
    small = (jobs["scale"] < 0.15).to_numpy(bool)
    size = np.where(small, 8.0, 20.0) + rng.normal(0, 1, 400)
    scored = jobs.assign(bbox_width_px=size, skill=rng.normal(0.8, 0.1, 400) - 0.5 * small)
    over_labels = scored.infinity.slices("skill", by="bbox_width_px")["rule"].iloc[0]
    advice = r"bbox_width_px is no parameter of sprites-v1.0.0.*by=\"parameters\""
    with pytest.raises(FrameError, match=advice):
        sprites.sample(5, where=over_labels)
    found = scored.infinity.slices("skill", by="parameters")
    assert found["rule"].str.startswith("scale <=").any()
    for rule in found["rule"]:
        assert len(sprites.sample(5, where=rule, seed=2).query(rule)) == 5
    shares = scored.infinity.sensitivity("skill", by="parameters", resamples=2)
    assert shares["factors"].iloc[0] == "scale"
    assert not shares["factors"].str.contains("bbox_width_px").any()
    same = sprites.sample(60, seed=1, scale=0.2)[["scale"]]
    labeled = same.assign(bbox_width_px=size[:60], skill=size[:60])
    with pytest.raises(FrameError, match=r"No parameter of sprites-v1.0.0 varies"):
        labeled.infinity.slices("skill", by="parameters", session=sprites)
