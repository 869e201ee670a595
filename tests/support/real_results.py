"""Really rendered results that all tests share; copy them before changing them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from engine_fixtures import EngineProcess
from shared_work import made_once, run_folder

from infinity_frames import Frame, Session, read_results

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the real samples are not on this machine"
)


@pytest.fixture(scope="session")
def rendered(studio: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two batches: two short videos, and previews: a job and a sweep of it."""
    before = os.environ["INFINITY_HOME"]
    os.environ["INFINITY_HOME"] = str(studio.home)
    try:
        return made_once(run_folder(tmp_path_factory) / "rendered", _render)
    finally:
        os.environ["INFINITY_HOME"] = before


def _render(root: Path) -> None:
    session = Session("visionfit-v0.4.0")
    common: dict[str, Any] = {
        "image_width": 128,
        "image_height": 128,
        "num_reps": 1,
        "frame_rate": 6,
    }
    fast: dict[str, Any] = {
        "rel_baseline_speed": 3.0,
        "inter_rep_delay_avg": 0.0,
        "inter_rep_delay_var": 0.0,
    }
    jobs = session.sample(
        2,
        seed=3,
        **common,
        **fast,
        exercise=["BICEP_CURL-BARBELL", "PUSHUP"],
        allowable_occlusion=60.0,
    )
    jobs["tag_fold"] = ["a", "b"]
    jobs.infinity.run(root / "videos", name="videos")
    first = session.sample(1, seed=4, **common).infinity.run(root / "looks", preview=True)
    sweep = first.infinity.sweep(camera_height=[0.5, 1.5])
    sweep.infinity.run(root / "sweep", preview=True)


@pytest.fixture
def real(rendered: Path) -> Frame:
    """The results frame of all of them."""
    return read_results(rendered, quiet=True)
