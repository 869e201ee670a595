"""Spills: a liquid that spreads over a floor, watched by a fixed camera.

The server imports only the parameters and the estimate, which is cheap; the workers import the
rendering code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.engine.generators.spills.parameters import SPEC
from infinity_frames.engine.generators.spills.parameters_v2 import SPEC as SPEC_V2

__all__ = ["Spills", "SpillsV2"]


class Spills:
    """The generator of spills; see `infinity_frames.engine.generators.base.Generator`."""

    spec = SPEC

    def estimate(self, jobs: pd.DataFrame) -> NDArray[np.int64]:
        """Return the number of frames of each job's video, (len(jobs),)."""
        seconds = jobs["video_duration"].to_numpy(float)
        rates = jobs["frame_rate"].to_numpy(float)
        return np.asarray(np.rint(seconds * rates), dtype=np.int64)

    def prepare(self) -> None:
        """Import and compile the rendering code; this takes seconds the first time on a machine."""
        from infinity_frames.engine.generators.spills.video import warm_up

        warm_up()

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        """Make ``labels.json``, ``segmentation.zip``, ``video_preview.png`` and ``video.mp4``."""
        from infinity_frames.engine.generators.spills.video import render_job

        return render_job(params, seed, directory, preview)


class SpillsV2(Spills):
    """Spills v0.2.0: liquids that flow around obstacles, and cameras that vary."""

    spec = SPEC_V2
    # The look of the liquid and the camera's sensor change no label.
    unaffected: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        ("color", "depth", "relative_lighting_power", "contrast", "sensor_gain"),
        ("segmentation.zip",),
    )

    def prepare(self) -> None:
        """Import and compile the rendering code; this takes seconds the first time on a machine."""
        from infinity_frames.engine.generators.spills.video_v2 import warm_up

        warm_up()

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        """Make ``labels.json``, ``segmentation.zip``, ``video_preview.png`` and ``video.mp4``."""
        from infinity_frames.engine.generators.spills.video_v2 import render_job

        return render_job(params, seed, directory, preview)
