"""Faces: what frames, sessions and batches show of themselves, safe against what they hold."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import vis_factory as factory
from hypothesis import given, settings
from hypothesis import strategies as st

from infinity_frames import Session
from infinity_frames.vis import repr as face

PLAIN = {"div", "span", "table", "tr", "td", "code", "img"}


def test_a_plotting_backend_that_does_not_exist_is_ignored():
    code = "import infinity_frames.vis, matplotlib.pyplot as plt; plt.figure()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": "nosuch"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'nosuch'" in done.stderr


class Page(HTMLParser):
    """The tags, attributes and text of a page that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.images: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "img":
            self.images.append(dict(attrs)["src"])

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def results(tmp_path: Path) -> pd.DataFrame:
    for name in ("a", "b"):
        factory.make_job(tmp_path / name)
    return pd.DataFrame(
        {
            "batch_id": "one",
            "job_id": ["a", "b", "c", "d"],
            "generator": "visionfit-v0.4.0",
            "is_preview": False,
            "status": ["completed", "completed", "failed", "running"],
            "error": [None, None, "out of memory", None],
            "path": [str(tmp_path / "a"), str(tmp_path / "b"), None, None],
            "num_frames": pd.array([6, 6, None, None], dtype="Int64"),
            "camera_height": [0.5, 1.5, 0.5, 1.5],
            "scene": "GYM_1",
            "random_seed": [1, 2, 3, 4],
        }
    )


def test_results_show_what_became_of_them(results: pd.DataFrame) -> None:
    page = Page(results.infinity._repr_html_())
    for said in ("4 results", "2 completed", "1 failed", "1 running", "out of memory (1 x)"):
        assert said in page.text
    assert "camera_height" in page.text
    assert "random_seed" not in page.text
    assert "1 are the same in every job" in page.text
    assert len(page.images) == 2
    assert all(image.startswith("data:image/jpeg;base64,") for image in page.images)


def test_the_terminal_says_the_same(results: pd.DataFrame) -> None:
    text = repr(results.infinity)
    assert text.splitlines()[0] == "4 results"
    assert "2 completed, 1 running, 1 failed" in text
    assert "failed: out of memory (1 x)" in text
    assert "<" not in text
    assert "camera_height  0.5 (2), 1.5 (2)" in text


def test_a_summary_is_plain_data(results: pd.DataFrame) -> None:
    summary = face.of_frame(results)
    assert summary["counts"] == {"completed": 2, "running": 1, "failed": 1}
    assert summary["varying"] == [("camera_height", "0.5 (2), 1.5 (2)")]
    assert summary["about"] == {"generator": "visionfit-v0.4.0", "frames": "12"}


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1), st.text(min_size=1))
def test_names_and_values_never_become_markup(name: str, value: str) -> None:
    evil = f"<script>{name}</script><img src=x onerror=alert(1)>"
    frame = pd.DataFrame(
        {"job_id": ["a", "b"], "status": ["failed", evil], f"tag_{evil}": [value, "'\""]}
    )
    frame["error"] = [evil, value]
    frame["generator"] = evil
    frame.attrs["infinity"] = {"server": evil, "generator": evil}
    page = Page(frame.infinity._repr_html_())
    assert set(page.tags) <= PLAIN
    assert page.attributes <= {"style", "title", "alt", "src"}
    assert not page.images


def test_a_picture_that_is_gone_leaves_the_others(results: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "a" / "video_preview.png").write_bytes(b"")
    assert len(Page(results.infinity._repr_html_()).images) == 1


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
        pd.DataFrame({"a": [None]}),
        pd.DataFrame({"job_id": ["a"], "x": [1.0]}),
        pd.DataFrame({"job_id": [], "status": [], "path": []}),
        pd.DataFrame({"a": [[1], [2]], "b": [np.inf, 1.0], 3: [1, 2]}),
    ],
)
def test_any_frame_has_a_face(frame: pd.DataFrame) -> None:
    assert Page(frame.infinity._repr_html_()).tags
    assert repr(frame.infinity)


def test_columns_of_one_name_are_told_apart() -> None:
    frame = pd.DataFrame(
        [["j", "/nowhere", 1, 2, 5, "k"], ["i", "/nowhere", 3, 4, 6, "l"]],
        columns=["job_id", "path", "a", "a", "a (2)", "job_id"],
    ).assign(status="completed")
    assert frame.infinity._repr_html_()
    lines = repr(frame.infinity).splitlines()
    assert [line.split("  ")[1] for line in lines if " a" in line] == ["a", "a (2)", "a (2) (2)"]


def test_what_a_sweep_changed_comes_first() -> None:
    frame = pd.DataFrame(
        {"scene": ["x", "x", "y", "y"], "height": [1, 2, 1, 2], "tag_base": ["0", "0", "1", "1"]}
    )
    assert [name for name, _ in face.of_frame(frame)["varying"]] == ["height", "scene"]


def test_sessions_and_batches_have_faces(embedded_studio) -> None:
    session = Session("visionfit-v0.4.0", server="embedded")
    batch = session.submit(session.sample(2, seed=1), is_preview=True, batch_name="<b>two</b>")
    try:
        page = Page(batch._repr_html_())
        assert "Batch '<b>two</b>': 2 jobs" in page.text
        assert batch.batch_id in page.text
        page = Page(session._repr_html_())
        assert "Session for visionfit-v0.4.0" in page.text
        assert "embedded" in page.text
        token = (embedded_studio.home / "token").read_text()
        assert token not in batch._repr_html_() + session._repr_html_()
    finally:
        batch.cancel()
