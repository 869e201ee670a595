"""breakpoint() on rendered sprites, and its bisection on made-up scores."""

import numpy as np
import pandas as pd
import pytest

import infinity_frames as inf
from infinity_frames.errors import FrameError
from infinity_frames.experiments.breakpoints import _Bisection, survival


def bisected(truths, low=0.0, high=1.0, grid=4, step=0.01):
    """Breakpoints of rows that fail above their truth; NaN never, -1 always, 9 in the middle."""
    search = _Bisection(len(truths), low, high, grid, step, False, 0.5, "low")
    while True:
        at, values = search.wanted()
        if not len(at):
            return search.frame()
        truth = np.array(truths)[at]
        right = np.where(truth == 9, (values < 0.1) | (values > 0.9), values < truth)
        search.told(at, values, np.where(np.isnan(truth) | right, 1.0, 0.0))


def test_bisection_finds_every_truth_and_says_what_it_cannot():
    rng = np.random.default_rng(0)
    truths = rng.uniform(0.01, 0.99, 50)
    found = bisected([*truths, np.nan, -1.0, 9.0])
    assert (found["verdict"][:50] == "fails above").all()
    assert np.abs(found["breakpoint"][:50] - truths).max() <= 0.005 + 1e-9
    assert ((found["low"] <= [*truths, 0, 0, 0]) & ([*truths, 0, 0, 0] <= found["high"]))[:50].all()
    assert found["verdict"].tolist()[50:] == ["never fails", "always fails", "non-monotone"]
    assert found["breakpoint"][50:].isna().all()
    assert found["renders"].max() == 4 + 6  # log2(1 / 3 / 0.01) = 5.06
    share, decided = survival(found, [0.0, 1.0])
    assert decided == 52
    assert share.tolist() == pytest.approx([51 / 52, 1 / 52])


def darkness(limit):
    """A score that a sprite's visible scale decides: its labeled area over the picture."""

    def score(results):
        sprite = results.infinity.annotations().groupby("job_id")["area"].max()
        return -(sprite / 64**2 - limit)

    return score


@pytest.mark.slow
def test_breakpoints_of_rendered_rows_and_a_run_that_goes_on(sprites, tmp_path):
    jobs = sprites.sample(3, seed=2, shape="ELLIPSE", x=0.5, y=0.5, distractors=0, speed=0.0)
    calls = []

    def fails_once(results):
        calls.append(len(results))
        if len(calls) == 3:
            raise RuntimeError("no memory")
        return darkness(0.1)(results)

    folder = tmp_path / "scales"
    options = {"score": fails_once, "threshold": 0.0, "folder": folder, "quiet": True}
    with pytest.raises(RuntimeError, match="no memory") as caught:
        jobs.infinity.breakpoint("scale", **options)
    assert "nothing is rendered twice" in "".join(caught.value.__notes__)
    rendered = len(inf.read_results(folder, quiet=True))
    found = jobs.infinity.breakpoint("scale", **options)
    assert calls[:3] == [12, 3, 3]
    assert calls[3] == 3  # the round whose score raised is scored again, not rendered again
    assert rendered == 12 + 3 + 3
    # The area of an ellipse with the half axes 0.6 and 1 radius.
    truth = np.sqrt(0.1 / (np.pi * 0.6))
    assert (found["verdict"] == "fails above").all()
    assert found["breakpoint"].to_numpy() == pytest.approx(truth, abs=0.004)
    assert found.attrs["breakpoint"]["samples"] == found["renders"].sum()
    before = len(calls)
    pd.testing.assert_frame_equal(jobs.infinity.breakpoint("scale", **options), found)
    assert len(calls) == before
    with pytest.raises(FrameError, match="holds a run with other jobs"):
        jobs.infinity.breakpoint("x", **options)


def test_a_budget_is_never_exceeded(sprites, tmp_path):
    jobs = sprites.sample(3, seed=2, shape="ELLIPSE", x=0.5, y=0.5, distractors=0, speed=0.0)
    found = jobs.infinity.breakpoint(
        "scale", darkness(0.1), 0.0, folder=tmp_path / "few", budget=13, grid=3, quiet=True
    )
    assert found.attrs["breakpoint"]["samples"] <= 13
    assert (found["verdict"] == "out of budget").any()
    assert len(inf.read_results(tmp_path / "few", quiet=True)) <= 13


def test_wrong_calls_are_explained(sprites, tmp_path):
    jobs = sprites.sample(1, seed=1)
    with pytest.raises(FrameError, match=r"no parameter 'scael'.*scale"):
        jobs.infinity.breakpoint("scael", darkness(1), 0.5, folder=tmp_path / "a")
    with pytest.raises(FrameError, match="shape is not a number"):
        jobs.infinity.breakpoint("shape", darkness(1), 0.5, folder=tmp_path / "a")
    with pytest.raises(FrameError, match="returned 1 numbers for 2 jobs"):
        jobs.infinity.breakpoint(
            "scale", lambda rows: [0.0], 0.5, folder=tmp_path / "a", grid=2, quiet=True
        )
