"""SenseFit: a wrist-worn IMU on a person who exercises.

The server imports only the parameters and the estimate, which is cheap; the workers import motion
and rendering.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.engine.generators.sensefit.parameters import SPEC
from infinity_frames.engine.generators.sensefit.parameters_v3 import SPEC as SPEC_V3
from infinity_frames.engine.people.motion.timeline import expected_frames

__all__ = ["SenseFit", "SenseFitV3"]


class SenseFit:
    """The generator of wrist data; see `infinity_frames.engine.generators.base.Generator`."""

    spec = SPEC

    def estimate(self, jobs: pd.DataFrame) -> NDArray[np.int64]:
        """Estimate the number of samples of each job's series, (len(jobs),)."""
        random = jobs["use_random_motion"].to_numpy(bool)
        frames = jobs["num_random_frames"].to_numpy(np.int64)
        return np.where(random, frames, expected_frames(jobs))

    def prepare(self) -> None:
        """Import and compile the rendering code; this takes seconds the first time on a machine."""
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


class SenseFitV3:
    """SenseFit v0.3.0: rotation rate, force and attitude of a worn sensor, with its errors."""

    spec = SPEC_V3
    # The sensor's errors change neither the ideal signals nor the video.
    unaffected: ClassVar[dict[str, tuple[str, ...]]] = {
        "accel_noise_density": ("video.mp4", "labels.json"),
        "gyro_bias": ("video.mp4", "labels.json"),
        "misalignment_deg": ("video.mp4", "labels.json"),
        "sample_rate": ("video.mp4", "labels.json"),
        "clock_offset": ("video.mp4", "labels.json"),
        "frames_per_second": ("data.csv",),
        "image_width": ("data.csv",),
    }

    def estimate(self, jobs: pd.DataFrame) -> NDArray[np.int64]:
        """Estimate the number of samples of each job's series, (len(jobs),)."""
        random = jobs["use_random_motion"].to_numpy(bool)
        rate = jobs["sample_rate"].to_numpy(float)
        wandering = np.ceil(jobs["random_duration"].to_numpy(float) * rate - 1e-9) + 1
        exercising = expected_frames(jobs.assign(frames_per_second=jobs["sample_rate"]))
        count = np.where(random, wandering, exercising)
        kept = 1.0 - jobs["dropped_fraction"].to_numpy(float)
        return np.asarray(np.rint(count * kept), dtype=np.int64)

    def prepare(self) -> None:
        """Import and compile the rendering code; this takes seconds the first time on a machine."""
        from infinity_frames.engine.generators.sensefit.video_v3 import warm_up

        warm_up()

    def render(
        self,
        params: dict[str, Any],
        seed: int,
        directory: Path,
        preview: bool,  # noqa: ARG002 - the spec says that there are no previews
    ) -> int:
        """Make ``data.csv``, and ``video.mp4`` if the job wants one."""
        from infinity_frames.engine.generators.sensefit.video_v3 import render_job

        return render_job(params, seed, directory)
