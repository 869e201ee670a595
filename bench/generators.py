"""Jobs and samples a second of every generator, per core, without the engine around it.

Measured in processor time of one process, so that other work on the machine matters little.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import Line
from infinity_frames.cli.authoring import find_generator
from infinity_frames.engine.generators.base import Generator

JOBS = 3
SPEEDUP = 50.0  # to reach by series without a video
SHORT: dict[str, dict[str, Any]] = {
    "visionfit-v0.4.0": {"frame_rate": 12, "rel_baseline_speed": 2.0},
    "sensefit-v0.2.0": {"rel_baseline_speed": 2.0},
    "spills-v0.1.0": {"video_duration": 1.0},
    "spills-v0.2.0": {"video_duration": 1.0},
}


def run() -> Iterator[Line]:
    """Measure after one job that compiles."""
    for name, given in SHORT.items():
        jobs, samples = _rates(find_generator(name), given)
        yield Line(f"{name}: jobs", jobs, "jobs/s")
        yield Line(f"{name}: frames", samples, "frames/s")
    sensefit = find_generator("sensefit-v0.3.0")
    given = {"rel_baseline_speed": 1.0, "num_reps": 2}
    filmed, _ = _rates(sensefit, {**given, "render_video": True})
    yield Line("sensefit-v0.3.0 with video: jobs", filmed, "jobs/s")
    alone, samples = _rates(sensefit, {**given, "render_video": False})
    yield Line(
        "sensefit-v0.3.0 without: jobs", alone, "jobs/s", filmed, "with video", target=SPEEDUP
    )
    yield Line("sensefit-v0.3.0 without: samples", samples, "samples/s")


def _rates(generator: Generator, given: dict[str, Any]) -> tuple[float, float]:
    """Jobs and samples per second of processor time."""
    generator.prepare()
    params, samples, spent = {**generator.spec.defaults, **given}, 0, 0.0
    for seed in range(JOBS + 1):
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            made = generator.render({**params, "random_seed": seed}, seed, Path(folder), False)
        if seed:  # the first one loads what the others share
            spent += time.process_time() - start
            samples += made
    return JOBS / spent, samples / spent
