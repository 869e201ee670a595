"""SenseFit: a wrist-worn IMU on a person who exercises.

What the server needs, the parameters and the estimate, is cheap to import; what moves and renders
is imported by the workers only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.engine.generators.sensefit.parameters import SPEC
from infinity_frames.engine.people.motion.timeline import expected_frames

__all__ = ["SenseFit"]


class SenseFit:
    """The generator of wrist data; see `infinity_frames.engine.generators.base.Generator`."""

    spec = SPEC

    def estimate(self, jobs: pd.DataFrame) -> NDArray[np.int64]:
        """Samples that each job's series is expected to have, (len(jobs),)."""
        random = jobs["use_random_motion"].to_numpy(bool)
        frames = jobs["num_random_frames"].to_numpy(np.int64)
        return np.where(random, frames, expected_frames(jobs))

    def prepare(self) -> None:
        """Import and compile what renders; takes seconds the first time on a machine."""
        from infinity_frames.engine.generators.sensefit.video import warm_up

        warm_up()

    def render(
        self,
        params: dict[str, Any],
        seed: int,
        directory: Path,
        preview: bool,  # noqa: ARG002 - the description says that there are none
    ) -> int:
        """Make ``data.csv`` and ``video.mp4``."""
        from infinity_frames.engine.generators.sensefit.video import render_job

        return render_job(params, seed, directory)
