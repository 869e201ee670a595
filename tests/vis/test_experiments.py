"""Plots of what the verbs of experiments found."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from infinity_frames import vis
from infinity_frames.protocol.errors import FrameError


def intervals(names: list[str], column: str, value: str) -> pd.DataFrame:
    """Rows as sensitivity(), slices(), contrast() and compare_to() make them."""
    middle = np.linspace(0.4, 0.01, len(names))
    frame = pd.DataFrame({column: names, value: middle})
    frame["ci_low"], frame["ci_high"] = middle - 0.01, middle + 0.02
    frame["p"] = np.linspace(0.001, 0.3, len(names))
    return frame.assign(n=100)


def test_factors_are_bars_and_unsure_ones_are_gray() -> None:
    found = intervals(["scale", "color", "scale:color"], "factors", "share")
    found = found.assign(order=["first", "first", "pair"], direction=["up", "mixed", "mixed"])
    found.attrs["sensitivity"] = {"metric": "oks", "noise_floor": 0.02, "method": "anova"}
    figure = vis.visualize_sensitivity(found)
    axis: Any = figure.axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["scale ↑", "color", "scale:color"]
    assert [patch.get_width() for patch in axis.patches] == pytest.approx(found["share"].tolist())
    assert axis.patches[0].get_facecolor()[:3] != axis.patches[-1].get_facecolor()[:3]
    assert "oks" in axis.get_title(loc="left")


def test_slices_contrasts_and_comparisons_draw_their_intervals() -> None:
    slices = intervals(["scale < 0.1 and color == 'RED'", "noise > 0.2"], "rule", "lift")
    contrast = intervals(["0.5", "0.8"], "value", "difference").assign(
        parameter="height", baseline=0.2, verdict=["lower", "no difference shown"]
    )
    distant = intervals(["height", "kind"], "column", "relative")
    distant["distance"] = distant["relative"] * 2
    for draw, found in (
        (vis.visualize_slices, slices),
        (vis.visualize_contrast, contrast),
        (vis.visualize_comparison, distant.assign(noise=0.1)),
    ):
        figure, axis = plt.subplots()
        assert draw(found, ax=axis) is figure
        assert len(axis.get_yticks()) == 2
        assert axis.collections
        plt.close(figure)
    with pytest.raises(FrameError, match="No slice was found"):
        vis.visualize_slices(slices.head(0))


def test_gaps_are_bars_a_heat_map_or_panels() -> None:
    rows = [
        {"a_low": a, "a_high": a + 1, "b": b, "rule": "", "n": n, "target": 4.0, "ratio": n / 4}
        for (a, b), n in zip([(0, "X"), (1, "X"), (0, "Y"), (1, "Y")], [4, 1, 0, 9], strict=True)
    ]
    found = pd.DataFrame(rows).assign(verdict=["filled", "thin", "empty", "filled"])
    figure = vis.visualize_gaps(found)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(texts) == ["0", "1", "4", "9"]
    assert len(figure.axes[0].patches) == 2  # the outlined cells
    one = (
        found.drop(columns=["a_low", "a_high"])
        .groupby("b", as_index=False)
        .agg({"rule": "first", "n": "sum", "target": "sum", "ratio": "mean", "verdict": "first"})
    )
    assert len(vis.visualize_gaps(one).axes[0].patches) == 2
    third = found.assign(c="Z")[["a_low", "a_high", "b", "c", *found.columns[3:]]]
    third.attrs["gaps"] = {"by": ["a", "b", "c"]}
    assert vis.visualize_gaps(third).axes[0].get_title() == "c: Z" or "c: Z" in str(
        vis.visualize_gaps(third).axes[0].get_title(loc="left")
    )


def test_breakpoints_are_a_survival_curve() -> None:
    found = pd.DataFrame({"parameter": "noise", "breakpoint": [0.1, 0.2, np.nan, np.nan]})
    found["verdict"] = ["fails above", "fails above", "never fails", "non-monotone"]
    found["flips"] = [1, 1, 0, 2]
    found.attrs["breakpoint"] = {"range": [0.0, 0.3]}
    axis = vis.visualize_breakpoints(found).axes[0]
    x, y = (np.asarray(data, float) for data in axis.get_lines()[0].get_data())
    for at, share in ((0.0, 100), (0.15, 200 / 3), (0.3, 100 / 3)):
        assert np.interp(at, x, y) == pytest.approx(share)
    assert "1 without one breakpoint" in axis.get_title(loc="left")
    with pytest.raises(FrameError, match="No row has a known outcome"):
        vis.visualize_breakpoints(found.tail(1).assign(breakpoint=0.1))


def test_a_search_marks_its_distinct_failures() -> None:
    found = pd.DataFrame({"score": [0.1, 0.2, 0.5, 0.6], "order": [3, 0, 1, 2]})
    found["failure"] = pd.array([0, 0, None, None], dtype="Int64")
    found["distinct"] = [True, False, False, False]
    axis = vis.visualize_search(found).axes[0]
    assert [len(line.get_xdata()) for line in axis.get_lines()] == [4, 1, 4]  # type: ignore[arg-type]
    assert "2 failing jobs of 4" in axis.get_title(loc="left")
    with pytest.raises(FrameError, match=r"no rows of search\(\)"):
        vis.visualize_search(found.drop(columns="order"))
