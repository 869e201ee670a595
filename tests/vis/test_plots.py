"""Plots and grids of pictures: what a figure shows for whatever a frame holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import vis_factory as factory
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from infinity_frames import data as results
from infinity_frames.protocol.errors import FrameError, MediaError, NoResults
from infinity_frames.vis import (
    TextAnnotator,
    get_subdirectories,
    show,
    view_previews,
    visualize_batch_results,
    visualize_job_params,
    visualize_videos,
)
from infinity_frames.vis.style import Drawing, PictureGrid

STATE = "0f8fad5b-d9cb-469f-a165-70867728950e"


def jobs(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "scene": pd.Categorical(rng.choice(["GYM_1", "BEDROOM_2"], n)),
            "num_reps": pd.array(rng.integers(1, 11, n), dtype="Int64"),
            "camera_height": pd.array(rng.uniform(0.1, 2.75, n), dtype="Float64"),
            "frame_rate": pd.array(rng.choice([24, 6, 12], n), dtype="Int64"),
            "add_pauses": pd.array(rng.random(n) < 0.5, dtype="boolean"),
            "trim_start_frac": pd.array([0.0] * n, dtype="Float64"),
            "state": pd.array([STATE] * n, dtype="string"),
            "another_id": [f"{i:08x}-d9cb-469f-a165-70867728950e" for i in range(n)],
        }
    )


def bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def picture_of(figure: Figure) -> np.ndarray:
    """The first picture that a figure shows, as it was handed to matplotlib."""
    return np.asarray(figure.axes[0].images[0].get_array())


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def texts(figure: Figure) -> str:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    found += [axes.get_title(loc="center") for axes in figure.axes]
    return " ".join("\n".join(found).split())


def png_of(figure: Figure) -> bytes:
    assert isinstance(figure, Drawing)
    return figure._repr_png_()


def drawn(figure: Figure) -> Figure:
    """The figure, after every part of it has really been drawn."""
    shown = figure._repr_jpeg_() if isinstance(figure, PictureGrid) else png_of(figure)
    assert shown[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")
    return figure


def test_every_parameter_has_a_plot_that_suits_it() -> None:
    figure = drawn(visualize_job_params(jobs()))
    varying = ["scene", "num_reps", "camera_height", "frame_rate", "add_pauses"]
    assert titles(figure) == [*varying, "the same in every job"]
    assert "trim_start_frac: 0" in texts(figure)
    assert "state" not in texts(figure)
    by_name = dict(zip(titles(figure), figure.axes, strict=True))
    heights = [bar.get_height() for bar in bars(by_name["camera_height"])]
    assert sum(heights) == 60
    settings = [label.get_text() for label in by_name["frame_rate"].texts]
    assert settings == ["6", "12", "24"]
    widths = [bar.get_width() for bar in bars(by_name["frame_rate"])]
    assert widths == jobs()["frame_rate"].value_counts().sort_index().tolist()


def test_a_list_of_dicts_plots_as_the_frame_does() -> None:
    plain = jobs().astype(object).drop(columns=["state", "another_id"])
    assert titles(
        visualize_job_params(cast("list[dict[str, Any]]", plain.to_dict("records")))
    ) == titles(visualize_job_params(jobs()))


def test_strata_are_shares_of_each_stratum() -> None:
    figure = drawn(visualize_job_params(jobs(), stratify_var="scene"))
    axes = dict(zip(titles(figure), figure.axes, strict=True))["add_pauses"]
    assert sum(bar.get_width() for bar in bars(axes)) == pytest.approx(2)
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"GYM_1", "BEDROOM_2"}


@pytest.mark.parametrize("constants", [1, 3, 20])
def test_a_legend_lies_below_the_constants(constants: int) -> None:
    same = pd.DataFrame({"scene": ["GYM_1"] * 5} | {f"p{n}": [n] * 5 for n in range(constants)})
    figure = drawn(visualize_job_params(same, stratify_var="scene"))
    bottom = min(text.get_window_extent().y0 for axes in figure.axes for text in axes.texts)
    assert figure.legends[0].get_window_extent().y1 < bottom


def test_rare_strata_are_lumped_together() -> None:
    frame = jobs().assign(tag_many=[f"m{min(i, 20)}" for i in range(60)])
    figure = drawn(visualize_job_params(frame, stratify_var="tag_many"))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == 7
    assert labels[-1] == "other"


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([[1, 2], [3], [1, 2]], id="lists"),
        pytest.param([{"a": 1}, {"b": 2}, None], id="dicts"),
        pytest.param([1, "a", None], id="mixed"),
        pytest.param(["$x$", "$\\frac", "x"], id="mathematics"),
        pytest.param([np.inf, 1.0, np.nan], id="infinite"),
        pytest.param([True, False, None], id="missing yes or no"),
        pytest.param(pd.DatetimeIndex(["2026-01-01", "2026-01-02", "NaT"]), id="times"),
        pytest.param(["a_very_" * 30, "b_very_" * 30, "c"], id="long"),
        pytest.param([1e300, -1e300, 1e-300], id="huge"),
    ],
)
def test_any_column_plots(values: Any) -> None:
    frame = pd.DataFrame({"tag_odd": values, "num_reps": [1, 2, 3]})
    assert titles(drawn(visualize_job_params(frame)))[0].startswith("tag_odd")


@pytest.mark.parametrize("rows", [1, 2, 10, 20_000])
def test_any_number_of_jobs_plots(rows: int) -> None:
    drawn(visualize_job_params(jobs(rows)))


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 4, 12, 40])
def test_any_number_of_parameters_plots(columns: int) -> None:
    values = np.random.default_rng(1).normal(size=(30, columns))
    names = [f"relative_parameter_of_a_long_name_{i}" for i in range(columns)]
    figure = drawn(visualize_job_params(pd.DataFrame(values, columns=names)))
    assert len(titles(figure)) == columns


def test_a_column_without_values_is_listed() -> None:
    frame = jobs().assign(camera_height=pd.array([None] * len(jobs()), "Float64"))
    assert "camera_height: unspecified" in texts(visualize_job_params(frame))


def test_how_much_is_missing_is_said() -> None:
    frame = jobs()
    frame.loc[:14, "camera_height"] = pd.NA
    assert "camera_height\n25 % unspecified" in titles(visualize_job_params(frame))


@pytest.mark.parametrize("nothing", [pd.DataFrame(), jobs().head(0), [], pd.DataFrame(index=[1])])
def test_nothing_to_plot_is_an_error(nothing: Any) -> None:
    with pytest.raises(FrameError, match="Nothing to plot"):
        visualize_job_params(nothing)


@pytest.mark.parametrize("plot", [visualize_job_params, visualize_batch_results, view_previews])
def test_columns_of_one_name_are_named(plot: Any) -> None:
    twice = pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["a", "b", "a"])
    with pytest.raises(FrameError, match="Duplicate columns: a"):
        plot(twice)


def test_arguments_of_another_kind_are_the_packages_own_errors(
    batch: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(FrameError, match=r"Unknown column \['scene'\] to stratify by"):
        visualize_job_params(jobs(), stratify_var=["scene"])  # type: ignore[arg-type]
    for draw in (show, view_previews):
        with pytest.raises(FrameError, match=r"whole number of pictures.*2\.5"):
            draw(batch, k=2.5)  # type: ignore[arg-type]
    with pytest.raises(FrameError, match=r"1 to 36 videos, not 2\.5"):
        visualize_videos(batch, tmp_path / "v.mp4", k=2.5)  # type: ignore[arg-type]
    for nothing in (None, 5, [None]):
        with pytest.raises(FrameError, match="Expected a results frame"):
            view_previews(nothing)  # type: ignore[arg-type]
        with pytest.raises(FrameError, match="Expected a frame"):
            visualize_job_params(nothing)  # type: ignore[arg-type]


def test_an_unknown_stratum_names_the_columns() -> None:
    with pytest.raises(FrameError, match=r"Unknown column 'sene'.*scene"):
        visualize_job_params(jobs(), stratify_var="sene")


def test_plots_leave_the_users_settings_alone() -> None:
    before = dict(plt.rcParams)
    visualize_job_params(jobs(), stratify_var="scene")
    assert dict(plt.rcParams) == before


@pytest.fixture
def batch(tmp_path: Path) -> pd.DataFrame:
    """Results: two jobs, a failed one, one that is gone and one never downloaded."""
    for name in ("a", "b"):
        factory.make_job(tmp_path / name)
    return pd.DataFrame(
        {
            "job_id": ["b", "a", "f", "gone", "never"],
            "status": ["completed", "completed", "failed", "completed", "completed"],
            "error": [None, None, "out of memory", None, None],
            "path": [str(tmp_path / "b"), str(tmp_path / "a"), None, str(tmp_path / "gone"), None],
            "num_frames": pd.array([6, 6, None, 6, None], dtype="Int64"),
            "avg_percent_in_fov": [100.0, 50.0, None, 75.0, None],
            "camera_height": [0.5, 1.5, 2.0, 2.5, 2.7],
        }
    )


def test_batch_results_count_what_became_of_the_jobs(batch: pd.DataFrame) -> None:
    figure = drawn(visualize_batch_results(batch))
    assert figure.get_suptitle() == "5 jobs: 4 completed, 1 failed"
    assert titles(figure)[0] == "status"
    assert "avg_percent_in_fov" in " ".join(titles(figure))


def test_previews_keep_the_order_and_say_why_a_picture_is_missing(batch: pd.DataFrame) -> None:
    figure = drawn(view_previews(batch))
    captions = [axes.get_title(loc="center") for axes in figure.axes[:5]]
    assert captions == ["b", "a", "f", "gone", "never"]
    assert [len(axes.images) for axes in figure.axes[:5]] == [1, 1, 0, 0, 0]
    assert "failed: out of memory" in texts(figure)
    assert "The files of job gone are not at" in texts(figure)
    assert "no results downloaded" in texts(figure)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), factory.picture(0))


def test_previews_are_captioned_by_columns_and_limited(batch: pd.DataFrame) -> None:
    figure = view_previews(batch, k=2, caption=["camera_height", "error"])
    assert "camera_height: 0.5 error: unspecified" in texts(figure)
    assert sum(len(axes.images) for axes in figure.axes) == 2
    with pytest.raises(FrameError, match="Unknown column 'camera'"):
        view_previews(batch, caption="camera")
    with pytest.raises(FrameError, match="at least 1"):
        view_previews(batch, k=0)


def test_previews_of_folders(tmp_path: Path, batch: pd.DataFrame) -> None:
    folders = get_subdirectories(tmp_path)
    assert folders == [str(tmp_path / "a"), str(tmp_path / "b")]
    figure = drawn(view_previews(folders, boxes=True, keypoints=True))
    assert [axes.get_title(loc="center") for axes in figure.axes] == ["a", "b"]
    shown = picture_of(figure)
    x, y, _, _ = factory.box(3)  # the middle of the video
    scale = shown.shape[1] // factory.WIDTH  # small pictures grow before they are drawn on
    assert np.abs(shown[scale * (y + 30), scale * x].astype(int) - (230, 159, 0)).max() < 5


def test_a_picture_that_cannot_be_read_has_a_tile_that_says_so(tmp_path: Path) -> None:
    job = factory.make_job(tmp_path / "a")
    (job / "video_preview.png").write_bytes(b"")
    assert "preview.pngcannotberead" in texts(view_previews([job])).replace(" ", "")


def test_malformed_labels_take_no_picture_from_other_jobs(batch: pd.DataFrame) -> None:
    whole, broken = (Path(path) for path in batch["path"][:2])
    labels = factory.labels(6)
    for annotation in labels["annotations"]:
        annotation["bbox"] = [1, 2]
    (broken / "labels.json").write_text(json.dumps(labels))
    for drawn in (view_previews([whole, broken], boxes=True), show(batch[:2])):
        assert [len(axis.images) for axis in drawn.axes[:2]] == [1, 0]
        assert "cannotberead" in texts(drawn).replace(" ", "").replace("\n", "")


def test_show_draws_each_frame_asked_for_once(batch: pd.DataFrame) -> None:
    rows = batch.head(2)[["job_id", "path"]].merge(
        pd.DataFrame({"job_id": ["b", "b", "a", "b"], "frame_number": [4, 4, 2, 99]}), on="job_id"
    )
    figure = drawn(show(rows, draw=("boxes", "masks")))
    captions = [axes.get_title(loc="center") for axes in figure.axes if axes.get_title()]
    assert captions == ["b frame 4", "b frame 99", "a frame 2"]
    assert "there is no frame 99" in texts(figure)
    shown = picture_of(figure)
    x, y, w, h = factory.box(4)
    corner = shown[4 * (y + h) - 1, 4 * (x + w) - 1]
    np.testing.assert_array_equal(corner, (230, 159, 0))
    assert (shown[4 * (y + h), 4 * (x + w)] != corner).any()


def test_show_writes_columns_under_pictures(batch: pd.DataFrame) -> None:
    rows = pd.concat([batch.head(1).assign(frame_number=n, worst=10.0 * n) for n in (1, 0)])
    figure = show(rows, caption=["worst", "frame_number"], draw="boxes")
    captions = [axes.get_title(loc="center") for axes in figure.axes]
    assert captions == ["worst: 10\nframe_number: 1", "worst: 0\nframe_number: 0"]


def test_show_finds_what_labels_lack_in_their_jobs_results(tmp_path: Path) -> None:
    heights = {"a": 0.5, "b": 1.25}
    for name, height in heights.items():
        factory.make_job(tmp_path / name, camera_height=height)
    people = results.table(results.read_results(tmp_path), "annotations", category="person")
    picked = people[people["frame_number"] == 2][::-1].assign(note="mine")
    figure = show(picked, caption=["note", "camera_height", "num_frames"])
    captions = [axes.get_title(loc="center") for axes in figure.axes]
    assert captions == [
        f"note: mine\ncamera_height: {heights[job]}\nnum_frames: 6" for job in ("b", "a")
    ]
    with pytest.raises(
        FrameError, match=r"Unknown column 'camera_hight'.*Did you mean camera_height"
    ):
        show(picked, caption="camera_hight")
    with pytest.raises(FrameError, match=r"Unknown column 'nott'.*Did you mean note"):
        show(picked, caption="nott")


def test_show_keeps_the_order_of_the_frame(batch: pd.DataFrame) -> None:
    paths = batch.set_index("job_id")["path"]
    rows = pd.DataFrame({"job_id": ["b", "a", "b", "never"], "frame_number": [5, 1, 0, 2]})
    figure = drawn(show(rows.assign(path=rows["job_id"].map(paths))))
    captions = [axes.get_title(loc="center") for axes in figure.axes]
    assert captions == ["b frame 5", "a frame 1", "b frame 0", "never"]
    assert "no results downloaded" in texts(figure)
    with pytest.raises(FrameError, match="job_id is empty"):
        show(batch.assign(job_id=pd.array([None] * len(batch), "string")))


def test_show_takes_the_middle_where_no_frame_is_named(batch: pd.DataFrame) -> None:
    figure = show(batch.loc[batch["job_id"] == "a", ["job_id", "path"]])
    assert figure.axes[0].get_title(loc="center") == "a frame 3"


def test_show_says_what_it_lacks(
    batch: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results.frames, "_read_here", {})  # as in a process that read nothing
    with pytest.raises(FrameError, match="no column job_id"):
        show(batch[["path"]])
    with pytest.raises(FrameError, match="path"):
        show(batch[["job_id"]])
    with pytest.raises(FrameError, match="'boxen'"):
        show(batch, draw=("boxen",))
    with pytest.raises(NoResults):
        show(batch[["job_id"]], path=tmp_path / "nowhere")
    with pytest.raises(MediaError, match="No such folder"):
        get_subdirectories(tmp_path / "nowhere")


def test_importing_the_package_imports_no_plotting_and_no_opencv() -> None:
    code = (
        "import sys, infinity_frames; "
        "print([m for m in ('cv2', 'matplotlib', 'seaborn') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_old_argument_names_still_work_with_a_warning(batch: pd.DataFrame) -> None:
    rows = batch.loc[batch["job_id"] == "a", ["job_id", "path"]].assign(frame_number=2)
    with pytest.warns(DeprecationWarning, match="is now called") as caught:
        old = show(rows, labels="boxes", label="frame_number")  # type: ignore[call-arg]
    assert ["draw=" in str(w.message) for w in caught] == [True, False]
    assert caught[0].filename == __file__
    new = show(rows, draw="boxes", caption="frame_number")
    assert (old.pixels() == new.pixels()).all()
    with pytest.raises(TypeError, match="both"):
        show(rows, label="frame_number", caption="frame_number")  # type: ignore[call-arg]


def test_show_takes_annotators_of_ones_own(batch: pd.DataFrame) -> None:
    rows = batch.loc[batch["job_id"] == "a", ["job_id", "path"]].assign(frame_number=2)
    marked = show(rows, draw=("boxes", TextAnnotator("mine", "bottom right")))
    plain = show(rows, draw=("boxes",))
    first, second = (picture_of(figure) for figure in (marked, plain))
    tall, wide = first.shape[:2]
    changed = (first != second).any(axis=2)
    assert changed[tall - 4, wide - 4]
    assert not changed[: tall // 2, : wide // 2].any()


def test_a_video_that_does_not_decode_has_a_tile_that_says_so(batch: pd.DataFrame) -> None:
    Path(batch["path"].iloc[1], "video.mp4").write_bytes(b"no video at all")
    rows = batch.head(2)[["job_id", "path"]].assign(frame_number=1)
    figure = drawn(show(rows))
    assert [len(axes.images) for axes in figure.axes[:2]] == [1, 0]
    assert "cannotberead" in texts(figure).replace(" ", "")


def test_all_missing_and_a_single_row_are_still_a_picture() -> None:
    missing = pd.DataFrame({"a": [None, None], "b": pd.array([None, None], dtype="Float64")})
    assert "a: unspecified" in texts(drawn(visualize_job_params(missing)))
    assert "a: 1" in texts(drawn(visualize_job_params(pd.DataFrame({"a": [1.0]}))))


def test_few_draws_are_no_settings() -> None:
    frame = pd.DataFrame({"drawn": [0.1, 0.52, 0.7], "set": [12, 24, 24]})
    by_name = {axes.get_title(loc="left"): axes for axes in visualize_job_params(frame).axes}
    assert not by_name["drawn"].texts
    assert [text.get_text() for text in by_name["set"].texts] == ["12", "24"]
