"""Every function of ``infinity_frames.vis`` that draws a frame is a verb of the same name."""

from __future__ import annotations

import base64
import inspect
import re
from pathlib import Path
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import vis_factory
from matplotlib.text import Text

import infinity_frames as inf
from infinity_frames import vis
from infinity_frames.accessor import InfinityAccessor
from infinity_frames.protocol.errors import FrameError

NO_VERBS = {"decode_rle", "get_subdirectories", "summarize_batch_results_as_dataframe"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("verbs") / "batch"
    for number in range(3):
        vis_factory.make_job(root / f"job{number}", 4, camera_height=0.5 + number)
    return inf.read_results(root)


def test_every_function_is_a_verb() -> None:
    functions = {name for name in vis.__all__ if inspect.isfunction(getattr(vis, name))}
    missing = functions - NO_VERBS - set(dir(InfinityAccessor))
    assert not missing


def test_verbs_draw_the_rows_of_the_frame(results: Any, tmp_path: Path) -> None:
    first = results.iloc[[0]].infinity
    assert first.draw_labels(tmp_path / "a.mp4").is_file()
    assert first.visualize_all_labels(tmp_path / "b.mp4").is_file()
    assert results.iloc[[0, 1]].infinity.compare(tmp_path / "c.mp4").is_file()
    assert results.infinity.visualize_videos(tmp_path / "d.mp4").is_file()
    assert "<video" in first.display_video()._repr_html_()
    for figure in (
        results.infinity.view_previews(),
        results.infinity.visualize_job_params(),
        results.infinity.visualize_batch_results(),
        results.infinity.visualize_joint("camera_height", "num_reps"),
        results.infinity.visualize_effect("camera_height", "num_frames"),
    ):
        assert figure.axes
        plt.close(figure)


def test_verbs_of_one_row_say_how_to_select_it(results: Any) -> None:
    for verb in ("draw_labels", "visualize_all_labels", "visualize_timeseries", "display_video"):
        with pytest.raises(FrameError, match=rf"iloc\[\[0\]\].infinity.{verb}\(\)"):
            getattr(results.infinity, verb)()
    with pytest.raises(FrameError, match="two rows"):
        results.infinity.compare()


def shown(figure, kind: str) -> np.ndarray:
    (data,) = re.findall(rf"data:image/{kind};base64,([^\"]+)", figure._repr_html_())
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_plots_follow_the_page_and_a_chosen_theme_stays(results: Any) -> None:
    plot, pictures = results.infinity.visualize(), results.infinity.previews()
    assert "invert" in plot._repr_html_()
    assert shown(plot, "png").shape[2] >= 3
    grid = shown(pictures, "webp")
    assert grid.shape[2] == 4
    assert (grid[0, 0, 3], int(grid[..., 3].max())) == (0, 255)  # transparent around the pictures
    assert pictures.pixels()[0, 0].tolist() == [255, 255, 255]
    assert {text.get_color() for text in pictures.findobj(Text)} != {"#777777"}
    with vis.set_theme("dark"):
        dark = results.infinity.visualize()
    assert dark._repr_html_() is None
    assert results.infinity.visualize()._repr_html_() is not None
    plt.close("all")


def test_a_job_with_sensor_data_alone_names_their_table(tmp_path: Path) -> None:
    root = tmp_path / "batch"
    vis_factory.make_job(root / "job0", 2)
    for file in (root / "job0").iterdir():
        if file.suffix in (".mp4", ".png", ".zip") or file.name == "labels.json":
            file.unlink()
    (root / "job0" / "data.csv").write_text("time,x\n0.0,1.0\n0.1,2.0\n")
    results = inf.read_results(root)
    for shown in (results.infinity.show(), results.infinity.previews()):
        texts = [text.get_text() for axes in shown.axes for text in axes.texts]
        assert any("only sensor data" in text.replace("\n", " ") for text in texts)
        assert any("timeseries()" in text for text in texts)
