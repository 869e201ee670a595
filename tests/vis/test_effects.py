"""Parameters beside what they caused, two columns together, and the two themes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from infinity_frames.protocol.errors import FrameError
from infinity_frames.vis import (
    set_theme,
    visualize_batch_results,
    visualize_effect,
    visualize_job_params,
    visualize_joint,
)
from infinity_frames.vis.style import Drawing

HEIGHTS = [0.3, 0.9, 1.5]


def sweep(bases: int = 5) -> pd.DataFrame:
    """Results of a sweep: what is in view falls with the camera's height, by base and height."""
    rows = [
        {
            "job_id": f"{base}-{height}",
            "status": "completed",
            "tag_base": str(base),
            "camera_height": height,
            "scene": ("GYM_1", "BEDROOM_2")[base % 2],
            "avg_percent_in_fov": 100 - 10 * height - base,
            "num_frames": 20 + base,
        }
        for base in range(bases)
        for height in HEIGHTS
    ]
    return pd.DataFrame(rows)


def lines(figure: Figure) -> list[tuple[list[float], list[float]]]:
    drawn = figure.axes[0].get_lines()
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in drawn]  # type: ignore[arg-type]


def test_a_sweep_is_its_median_between_its_copies() -> None:
    figure = visualize_effect(sweep())
    *copies, (x, median) = lines(figure)
    assert len(copies) == 5
    assert x == HEIGHTS
    np.testing.assert_allclose(median, [100 - 10 * height - 2 for height in HEIGHTS])
    (band,) = figure.axes[0].collections
    edge = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert edge.min() == pytest.approx(100 - 15 - 3.6)
    assert edge.max() == pytest.approx(100 - 3 - 0.4)


def test_strata_have_a_line_each() -> None:
    figure = visualize_effect(sweep(), "camera_height", "avg_percent_in_fov", "scene")
    colours = {line.get_color() for line in figure.axes[0].get_lines()}
    assert len(colours) == 2
    assert len(figure.legends) == 1


def test_many_values_become_classes() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"light": rng.uniform(0, 1000, 2000)})
    frame["mean"] = frame["light"] * 2 + rng.normal(0, 10, 2000)
    ((x, y),) = lines(visualize_effect(frame, "light", "mean"))
    assert len(x) == 12
    np.testing.assert_allclose(y, np.multiply(x, 2), atol=10)


def test_choices_can_be_causes() -> None:
    figure = visualize_effect(sweep(), "scene", "num_frames")
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert sorted(names) == ["BEDROOM_2", "GYM_1"]


@pytest.mark.parametrize("group", [None, "tag_base"])
def test_choices_stand_apart_in_the_order_of_their_parameter(group: str | None) -> None:
    listed = pd.CategoricalDtype(["GYM_1", "BEDROOM_4", "BEDROOM_5", "BEDROOM_2"])
    frame = sweep().assign(scene=["BEDROOM_2", "BEDROOM_4", "GYM_1"] * 5).astype({"scene": listed})
    figure = visualize_effect(frame, "scene", "avg_percent_in_fov", group)
    axes = figure.axes[0]
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert names == ["GYM_1", "BEDROOM_4", "BEDROOM_2"]
    assert all(line.get_linestyle() == "None" for line in axes.get_lines()), "nothing joins them"
    medians = [np.asarray(line.get_ydata(), float) for line in axes.get_lines()]
    each = [pytest.approx(np.array([85, 91, 97]) - base) for base in range(5)]
    assert medians == (each if group else each[2:3])
    dots = [item for item in axes.collections if isinstance(item, PathCollection)]
    assert sum(len(np.asarray(item.get_offsets())) for item in dots) == 15


def test_the_spread_at_a_choice_is_a_bar() -> None:
    figure = visualize_effect(sweep().assign(light=[True] * 8 + [False] * 7), "light", "num_frames")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["False", "True"]
    (bars,) = (item for item in axes.collections if isinstance(item, LineCollection))
    on = sweep()["num_frames"][:8].quantile([0.1, 0.9])
    assert [list(end) for end in bars.get_segments()[1]] == [[1, y] for y in on]


def test_results_of_a_sweep_show_its_effect_first() -> None:
    figure = visualize_batch_results(sweep())
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "avg_percent_in_fov [%]\nover camera_height"
    assert "num_frames\nover camera_height" not in titles, "the camera does not change it"
    plain = visualize_batch_results(sweep().drop(columns="tag_base"))
    assert not any("over" in axes.get_title(loc="left") for axes in plain.axes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": "camera"}, "Unknown column 'camera'"),
        ({"y": "scene"}, "'scene' is not numeric"),
        ({"y": "empty"}, "No job has a value"),
    ],
)
def test_what_cannot_be_drawn_says_why(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        visualize_effect(sweep().assign(empty=pd.array([None] * 15, dtype="Float64")), **options)


def test_without_a_sweep_the_parameter_has_to_be_named() -> None:
    with pytest.raises(FrameError, match="No parameter of these jobs was swept"):
        visualize_effect(sweep().drop(columns="tag_base"))
    with pytest.raises(FrameError, match="No outcome"):
        visualize_effect(sweep()[["tag_base", "camera_height"]])


@pytest.mark.parametrize("rows", [1, 40, 5_000])
@pytest.mark.parametrize(
    ("x", "y"), [("a", "b"), ("c", "b"), ("a", "c"), ("c", "d"), ("few", "b"), ("a", "list")]
)
def test_any_two_columns_can_be_seen_together(rows: int, x: str, y: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=rows),
            "b": pd.array(rng.uniform(size=rows), dtype="Float64"),
            "c": pd.Categorical(rng.choice(["one", "two"], rows)),
            "d": rng.choice(["x" * 60, "y$", "z"], rows),
            "few": pd.array(rng.choice([24, 6, 12], rows), dtype="Int64"),
            "list": [[n % 2] for n in range(rows)],
        }
    )
    figure = visualize_joint(frame, x, y)
    assert figure.axes[0].get_xlabel() == x
    assert isinstance(figure, Drawing)
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 5, 6, 24])
def test_names_below_a_plot_never_overlap(count: int) -> None:
    names = [f"SPLIT_SQUAT-SINGLE_ARM-DUMBBELL-{number}" for number in range(count)]
    frame = pd.DataFrame(
        {
            "tag_base": "0",
            "exercise": np.tile(names, 3),
            "scene": np.repeat(["GYM_1", "BEDROOM_2", "BEDROOM_4"], count),
            "num_frames": np.arange(3 * count),
        }
    )
    plots = [
        visualize_joint(frame, "exercise", "num_frames"),
        visualize_joint(frame, "exercise", "scene"),
        visualize_effect(frame, "exercise", "num_frames"),
        visualize_batch_results(frame),
    ]
    for plot in plots:
        assert isinstance(plot, Drawing)
        plot.pixels()
        labels = [label for label in plot.axes[0].get_xticklabels() if label.get_text()]
        assert len(labels) == count
        boxes = [label.get_window_extent() for label in labels]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        page = plot.bbox
        assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 for box in boxes)


def test_two_choices_are_counted() -> None:
    frame = pd.DataFrame({"a": ["x", "x", "y"], "b": ["u", "v", "u"]})
    counts = sorted(text.get_text() for text in visualize_joint(frame, "a", "b").axes[0].texts)
    assert counts == ["0", "1", "1", "1"]


def test_jobs_without_both_values_are_left_out_and_counted() -> None:
    frame = pd.DataFrame({"a": [1.0, None, 3.0], "b": [1.0, 2.0, None]})
    title = visualize_joint(frame, "a", "b").axes[0].get_title(loc="left")
    assert title == "b and a\n1 job, 2 without both values"
    with pytest.raises(FrameError, match="No job has a value for both"):
        visualize_joint(frame.iloc[1:], "a", "b")


def brightness(figure: Any) -> float:
    return float(figure.pixels().mean())


@pytest.mark.slow
def test_a_theme_holds_for_every_plot_and_only_as_long_as_it_should() -> None:
    frame = sweep()
    plots = [
        lambda: visualize_job_params(frame),
        lambda: visualize_job_params(frame, stratify_var="scene"),
        lambda: visualize_effect(frame),
        lambda: visualize_joint(frame, "scene", "camera_height"),
    ]
    with set_theme("dark"):
        assert all(brightness(plot()) < 90 for plot in plots)
    assert all(brightness(plot()) > 180 for plot in plots)
    with pytest.raises(FrameError, match=r"Unknown theme 'black'.*light, dark"):
        set_theme("black")
