"""Figures work with and without pyplot, on the caller's axes, in threads and without a display."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from infinity_frames.io.pictures import read_picture
from infinity_frames.vis import visualize_effect, visualize_job_params, visualize_joint
from infinity_frames.vis.style import Drawing

JOBS = pd.DataFrame(
    {
        "exercise": ["PUSHUP", "SITUP"] * 10,
        "camera_height": np.linspace(0.1, 2.7, 20),
        "num_frames": np.arange(20) * 3 + 5,
    }
)


@pytest.fixture(autouse=True)
def _no_figures_before():
    plt.close("all")
    yield
    plt.close("all")


def test_savefig_of_pyplot_writes_the_last_plot(tmp_path: Path) -> None:
    drawing = visualize_job_params(JOBS)
    assert plt.gcf() is drawing
    plt.savefig(tmp_path / "plot.png")
    assert (read_picture(tmp_path / "plot.png") < 200).any(), "the page is not blank"


def test_many_plots_are_not_kept_by_pyplot() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawings = [visualize_effect(JOBS, "camera_height", "num_frames") for _ in range(30)]
    assert len(plt.get_fignums()) < 10
    assert all(isinstance(one, Drawing) and one.pixels().min() < 200 for one in drawings[::29])


def test_plots_draw_on_the_callers_axes(tmp_path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2)
    assert visualize_effect(JOBS, "camera_height", "num_frames", "exercise", ax=left) is figure
    assert visualize_joint(JOBS, "exercise", "camera_height", ax=right) is figure
    assert left.get_lines()
    assert left.get_legend() is not None
    assert right.get_ylabel() == "camera_height"
    assert plt.get_fignums() == [figure.number]
    figure.savefig(tmp_path / "both.png")


def test_threads_leave_pyplot_alone() -> None:
    made: list[Drawing] = []
    thread = threading.Thread(target=lambda: made.append(visualize_job_params(JOBS)))
    thread.start()
    thread.join()
    assert made[0].pixels().min() < 200
    assert plt.get_fignums() == []


def test_show_without_a_display_opens_a_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address))
    visualize_job_params(JOBS).show()
    path = Path(capsys.readouterr().out.removeprefix("Figure written to ").strip())
    assert opened == [path.as_uri()]
    assert read_picture(path).shape[2] == 3


def test_letters_of_any_script_are_drawn_without_a_warning(tmp_path: Path) -> None:
    jobs = JOBS.assign(tag_name=["腕立て伏せ", "スクワット 🏋", "приседания", "قرفصاء"] * 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing = visualize_job_params(jobs)
        drawing.savefig(tmp_path / "scripts.png")
        drawing._repr_png_()


def test_texts_are_readable_in_a_cell() -> None:
    drawing = visualize_job_params(JOBS, stratify_var="exercise")
    found = (item for axis in drawing.axes for item in axis.findobj())
    texts = [item for item in found if isinstance(item, Text) and item.get_text()]
    assert min(float(text.get_fontsize()) for text in texts) >= 9
