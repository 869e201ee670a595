"""VisionFit: labeled videos of people exercising.

What the server needs, the parameters and the estimate, is cheap to import; what renders is imported
by the workers only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.engine.generators.visionfit.parameters import SPEC
from infinity_frames.engine.people.motion.timeline import expected_frames

__all__ = ["VisionFit"]


class VisionFit:
    """The generator of exercise videos; see `infinity_frames.engine.generators.base.Generator`."""

    spec = SPEC

    def estimate(self, jobs: pd.DataFrame) -> NDArray[np.int64]:
        """Return frames that each job's video is expected to have.

        Parameters
        ----------
        jobs : DataFrame
            A row per job, a typed column per parameter; complete and valid.

        Returns
        -------
        (len(jobs),) int64 array
        """
        return expected_frames(jobs)

    def prepare(self) -> None:
        """Import and compile what renders; takes seconds the first time on a machine."""
        from infinity_frames.engine.generators.visionfit.video import warm_up

        warm_up()

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        """Make ``labels.json``, ``segmentation.zip``, ``video_preview.png`` and ``video.mp4``.

        Parameters
        ----------
        params : dict
            A value for every parameter; valid.
        seed : int
            Where every random decision comes from.
        directory : Path
            Receives the files.
        preview : bool
            Make frame 0 of the video only, and no ``video.mp4``.

        Returns
        -------
        int
            Frames made.
        """
        from infinity_frames.engine.generators.visionfit.video import render_job

        return render_job(params, seed, directory, preview)
