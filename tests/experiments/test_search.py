"""search() finds planted failures on rendered sprites, tells them apart, and goes on."""

import numpy as np
import pytest

import infinity_frames as inf
from infinity_frames.errors import FrameError


def planted(rows):
    """Two regions, each about 2 % of the draws, in which a model would fail."""
    scale, noise, x = (rows[name].to_numpy(float) for name in ("scale", "noise", "x"))
    depth = np.minimum((scale - 0.3) / 0.1, (x - 0.7) / 0.3).clip(0)
    other = np.minimum((noise - 0.2) / 0.1, (0.3 - x) / 0.3).clip(0)
    near = 0.1 * (scale - 0.08) / 0.32 + 0.1 * noise / 0.3
    return 1 - near - np.maximum(depth, other)


@pytest.mark.slow
def test_a_search_finds_distinct_planted_failures_and_goes_on(sprites, tmp_path):
    calls = []

    def fails_once(results):
        calls.append(len(results))
        if len(calls) == 2:
            raise RuntimeError("lost the GPU")
        return planted(results)

    options = {"folder": tmp_path / "worst", "batch": 32, "threshold": 0.7, "quiet": True}
    with pytest.raises(RuntimeError, match="lost the GPU"):
        sprites.search(fails_once, 96, **options)
    found = sprites.search(fails_once, 96, **options)
    assert calls == [32, 32, 32, 32]
    assert len(inf.read_results(tmp_path / "worst", quiet=True)) == 96
    assert found["job_id"].nunique() == 96
    assert found["score"].is_monotonic_increasing
    assert found["score"].to_numpy() == pytest.approx(planted(found))
    failing = found["score"] <= 0.7
    assert (found["failure"].notna() == failing).all()
    leaders = found[found["distinct"]]
    assert set(leaders["failure"]) == set(found["failure"].dropna())
    assert 2 <= len(leaders) < failing.sum()
    sides = leaders["x"].to_numpy(float)
    assert (sides < 0.3).any()
    assert (sides > 0.7).any()
    by_chance = (planted(sprites.sample(4000, seed=1)) <= 0.7).mean()
    assert failing[found["round"] == 2].mean() > 2 * by_chance


def test_a_budget_and_wrong_calls(sprites, tmp_path):
    found = sprites.search(planted, 20, folder=tmp_path / "a", batch=8, budget=12, quiet=True)
    assert len(found) == 12
    assert found.attrs["search"]["samples"] == 12
    with pytest.raises(FrameError, match=r"Unknown sampler 'grid'.*tpe"):
        sprites.search(planted, 4, folder=tmp_path / "b", sampler="grid")
    with pytest.raises(FrameError, match=r"scael cannot be searched.*scale"):
        sprites.search(planted, 4, folder=tmp_path / "b", by=["scael"])
