"""The embedded engine: how soon it answers, and how many labeled frames a second it makes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import infinity_frames as inf
from bench.measure import Line

EXERCISES = ("PUSHUP", "SQUAT-BODYWEIGHT", "UPPERCUT-LEFT", "BICEP_CURL-ALTERNATING-DUMBBELL")
JOBS = 8
FRAMES_PER_SECOND = {256: 25.0, 512: 10.0}  # to reach


def run() -> Iterator[Line]:
    """Measure on an engine of its own, with a worker per core."""
    with tempfile.TemporaryDirectory(prefix="infinity-bench-") as folder:
        os.environ["INFINITY_HOME"] = folder
        try:
            start = time.perf_counter()
            session = inf.Session("visionfit-v0.4.0", server="embedded")
            yield Line("start the engine and open a session", time.perf_counter() - start, "s")
            _run(session, 256, preview=True)  # compiled and warm from here on
            preview = _run(session, 256, preview=True)
            yield Line("previews at 256, all labels", preview, "frames/s")
            for size, target in FRAMES_PER_SECOND.items():
                rate = _run(session, size, preview=False)
                yield Line(
                    f"videos at {size}, all labels, encoded", rate, "frames/s", target=target
                )
        finally:
            inf.stop_engine(Path(folder))
            del os.environ["INFINITY_HOME"]


def _run(session: inf.Session, size: int, *, preview: bool) -> float:
    """Frames a second of one batch, from the first job's start to the last one's end."""
    jobs = session.sample(
        JOBS,
        seed=size,
        exercise=[EXERCISES[k % len(EXERCISES)] for k in range(JOBS)],
        image_width=size,
        image_height=size,
        frame_rate=24,
        num_reps=1,
        inter_rep_delay_avg=0.0,
    )
    batch = jobs.infinity.submit(preview=preview)
    done = batch.infinity.await_completion(timeout=1200)
    if not done["status"].eq("completed").all():
        raise RuntimeError(str(done["error"].dropna().tolist()))
    seconds = (done["finished"].max() - done["started"].min()).total_seconds()
    return float(done["samples"].sum()) / seconds
