"""VisionFit's renderer in one process: CPU time a frame and where it goes, memory, first frame."""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench.measure import Line

JOBS: tuple[dict[str, Any], ...] = (
    {"exercise": "PUSHUP", "scene": "BEDROOM_2"},
    {"exercise": "SQUAT-BACK-BARBELL", "scene": "GYM_1"},
    {"exercise": "UPPERCUT-LEFT", "scene": "BEDROOM_5", "allowable_occlusion": 30.0},
    {"exercise": "BICEP_CURL-ALTERNATING-DUMBBELL", "scene": "BEDROOM_4", "add_wall_art": True},
)
CPU_MS = {256: 55.0, 512: 150.0}  # per frame, to reach: two cores then make 36 and 13 a second
FIRST_FRAME_SECONDS = 2.0
PREVIEW_SECONDS = 1.0
MEMORY_MB = 500.0
_FIRST = """
import sys, time
from pathlib import Path
start = time.perf_counter()
from infinity_frames.engine.generators.visionfit import VisionFit
VisionFit().render({**VisionFit.spec.defaults}, 0, Path(sys.argv[1]), True)
print(time.perf_counter() - start)
"""


def run() -> Iterator[Line]:
    """Measure, each size in a process of its own."""
    for size in CPU_MS:
        # Never forked: as an engine's workers are started.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as worker:
            yield from worker.submit(_measure, size).result()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as worker:
        seconds, slowest = worker.submit(_slowest_preview).result()
    work = f"the slowest preview, {slowest}"
    yield _within(work, seconds, "s", PREVIEW_SECONDS)
    work = "first frame of a fresh process, compiled before"
    yield _within(work, _first_frame(), "s", FIRST_FRAME_SECONDS)


def _first_frame() -> float:
    """Seconds from the start of imports; the median of five, after one that compiles."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", _FIRST, folder]
        taken = [
            float(subprocess.check_output(command, env=environment, text=True))  # noqa: S603 - ours
            for _ in range(6)
        ]
    return statistics.median(taken[1:])


def _slowest_preview() -> tuple[float, str]:
    """Seconds that the slowest exercise's preview takes at 256, and which it is."""
    from infinity_frames.engine.generators.visionfit import VisionFit
    from infinity_frames.engine.people.exercises import VISIONFIT_EXERCISES

    generator, taken = VisionFit(), {}
    generator.prepare()
    for seed, name in enumerate(("PUSHUP", *VISIONFIT_EXERCISES)):  # the first one warms up
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            params = {**generator.spec.defaults, "exercise": name}
            generator.render(params, seed, Path(folder), True)
            taken[name] = time.perf_counter() - start
    slowest = max(taken, key=lambda name: taken[name])
    return taken[slowest], slowest


def _measure(size: int) -> list[Line]:
    from infinity_frames.engine.generators.visionfit import VisionFit
    from infinity_frames.engine.generators.visionfit.stage import build_stage
    from infinity_frames.engine.render import Renderer

    generator = VisionFit()
    generator.prepare()
    plain = {**generator.spec.defaults, "image_width": size, "image_height": size}
    frames, spent, previews = 0, 0.0, 0.0
    for seed, job in enumerate(JOBS):
        params = {**plain, **job, "num_reps": 2}
        for preview in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                start = time.process_time()
                made = generator.render(params, seed, Path(folder), preview)
                took = time.process_time() - start
            if preview:
                previews += took
            else:
                frames, spent = frames + made, spent + took
    stage = build_stage({**plain, **JOBS[0]}, 0)
    renderer = Renderer(stage.scene)
    states = list(stage.performance.frames(9))
    split = [0.0, 0.0]
    for state in states:
        marks = [time.process_time()]
        for draw in (renderer.labels, renderer.picture):
            draw(state.placements)
            marks.append(time.process_time())
        if state.frame:  # the first prepares what stands still
            split = [total + b - a for total, a, b in zip(split, marks, marks[1:], strict=False)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ms = [1000 * total / (len(states) - 1) for total in split]
    return [
        _within(f"a frame at {size}, all included, CPU", 1000 * spent / frames, "ms", CPU_MS[size]),
        Line(f"  of that: the label pass at {size}", ms[0], "ms"),
        Line(f"  of that: the picture at {size}", ms[1], "ms"),
        _within(f"a preview at {size}, CPU", previews / len(JOBS), "s", PREVIEW_SECONDS),
        _within(f"memory of a worker at {size}, peak", peak, "MB", MEMORY_MB),
    ]


def _within(work: str, ours: float, unit: str, limit: float) -> Line:
    """A line whose ratio to reach is 1: what is allowed over what was needed."""
    return Line(work, ours, unit, limit, "at most", 1.0)
