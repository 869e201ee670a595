"""How real the people look to a model that was trained on real people.

BlazePose looks at frames of freshly sampled VisionFit jobs. It needs ``mediapipe==0.10.14`` in a
venv of its own, whose Python ``MEDIAPIPE_PYTHON`` names; without it only the tones are measured.
``REALISM_JOBS`` sets the number of jobs (140), ``REALISM_FRAMES`` the frames of each (4).
Intervals are bootstrapped over the jobs, 95 %.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.measure import Line

SEED = 11
SIZES = (256, 512)
FLOOR_AXIS = 0.6  # a trunk is lying where less than this share of its length is upright
REAL = {"mean": 0.33, "black": 0.031, "dark": 7.6, "bright": 3.7}
"""Tones of real photographs of the same exercises: means, and shares clipped in percent."""
_MIRRORED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


@dataclass(frozen=True)
class Shot:
    """One labeled frame."""

    job: int
    file: Path
    points: NDArray[np.float64]  # (17, 3) x, y, v of COCO
    clear: bool  # in view to 90 %, and at most 20 % hidden
    lying: bool
    behind: bool


def run() -> Iterator[Line]:
    """Render, then measure the tones and what BlazePose finds."""
    with tempfile.TemporaryDirectory() as folder:
        shots = list(_shots(Path(folder)))
        yield from _tones(shots)
        python = os.environ.get("MEDIAPIPE_PYTHON")
        if python is None:
            print("  BlazePose is left out: MEDIAPIPE_PYTHON names no Python with mediapipe.")
            return
        yield from _found(shots, _blazepose(python, shots, Path(folder)))


def _shots(folder: Path) -> Iterator[Shot]:
    from infinity_frames.engine.generators.visionfit import VisionFit
    from infinity_frames.engine.people.exercises import VISIONFIT_EXERCISES
    from infinity_frames.protocol.parameters import sample

    count = int(os.environ.get("REALISM_JOBS", "140"))
    generator, exercises = VisionFit(), list(VISIONFIT_EXERCISES)
    generator.prepare()
    sizes = [SIZES[i // len(exercises) % 2] for i in range(count)]
    fixed = {
        "exercise": [exercises[i % len(exercises)] for i in range(count)],
        "image_width": sizes,
        "image_height": sizes,
        "num_reps": 1,
    }
    jobs = sample(VisionFit.spec, count, seed=SEED, fixed=fixed)
    for i, job in enumerate(jobs.astype(object).to_dict("records")):
        given = {str(name): value for name, value in job.items() if not pd.isna(value)}
        params = {**generator.spec.defaults, **given}
        yield from _of_job(i, params, int(params["random_seed"]), folder)


def _of_job(number: int, params: dict[str, Any], seed: int, folder: Path) -> Iterator[Shot]:
    """Frames of one job, spread over its rep, without rendering those between them."""
    from infinity_frames.engine.generators.visionfit.labels import SceneAnnotator
    from infinity_frames.engine.generators.visionfit.stage import build_stage
    from infinity_frames.engine.render import Renderer

    stage = build_stage(params, seed)
    renderer, annotator = Renderer(stage.scene), SceneAnnotator(stage.scene)
    sensor = stage.photography.sensor(seed)
    per_job = int(os.environ.get("REALISM_FRAMES", "4"))
    last = stage.performance.timeline.num_frames - 1
    wanted = {round(k * last / per_job) for k in range(per_job)}
    for state in stage.performance.frames(shutter=stage.photography.shutter):
        if state.frame not in wanted:
            continue
        seen = renderer.labels(state.placements)
        labels = annotator.label(
            state.frame, seen, state.placements, state.person, state.rep_counts
        )
        (person,) = (one for one in labels.annotations if one["category_id"] == 1)
        picture = sensor.picture(renderer.picture(state.placements, state.later), state.frame)
        file = folder / f"{number:04d}_{state.frame:04d}.png"
        cv2.imwrite(str(file), picture[..., ::-1])
        trunk = state.person.coco[5:7].mean(axis=0) - state.person.coco[11:13].mean(axis=0)
        points = np.array(person["keypoints"], float).reshape(17, 3)
        yield Shot(
            number,
            file,
            points,
            person["percent_in_fov"] >= 90 and (person["percent_occlusion"] or 0.0) <= 20,
            abs(trunk[2]) < FLOOR_AXIS * float(np.linalg.norm(trunk)),
            points[5, 0] < points[6, 0],
        )


def _tones(shots: list[Shot]) -> Iterator[Line]:
    """Brightness of the pictures; the baselines are of real photographs."""
    rows = []
    for shot in shots:
        picture = cv2.imread(str(shot.file))
        assert picture is not None, shot.file
        luma = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) / 255
        rows.append(
            (
                luma.mean(),
                np.quantile(luma, 0.01),
                100 * (luma <= 2 / 255).mean(),
                100 * (luma >= 253 / 255).mean(),
            )
        )
    mean, black, dark, bright = np.mean(rows, axis=0)
    yield Line(f"mean luma (real photographs: {REAL['mean']})", mean, "")
    yield Line(f"level of the darkest hundredth (real: {REAL['black']})", black, "")
    yield Line(f"clipped dark (real: {REAL['dark']})", dark, "%")
    yield Line(f"clipped bright (real: {REAL['bright']})", bright, "%")


def _blazepose(python: str, shots: list[Shot], folder: Path) -> list[NDArray[np.float64] | None]:
    source, target = folder / "pictures.json", folder / "poses.json"
    source.write_text(json.dumps([str(shot.file) for shot in shots]))
    script = Path(__file__).with_name("blazepose.py")
    command = [python, str(script), str(source), str(target)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - ours
    return [None if pose is None else np.array(pose) for pose in json.loads(target.read_text())]


def _found(shots: list[Shot], poses: list[NDArray[np.float64] | None]) -> Iterator[Line]:
    clear = [(shot, pose) for shot, pose in zip(shots, poses, strict=True) if shot.clear]
    seen = [(shot.job, float(pose is not None)) for shot, pose in clear]
    yield _rate("people found in clear frames", seen)
    lying = [(shot.job, float(pose is not None)) for shot, pose in clear if shot.lying]
    yield _rate("  of people on the floor", lying)
    near, swapped, offsets = [], [], []
    for shot, pose in clear:
        visible = shot.points[:, 2] == 2
        if pose is None or visible.sum() < 6 or not (shot.points[[5, 6, 11, 12], 2] > 0).all():
            continue
        torso = _torso(shot.points[:, :2])
        error = np.linalg.norm(pose - shot.points[:, :2], axis=1)[visible] / torso
        other = np.linalg.norm(pose[_MIRRORED] - shot.points[:, :2], axis=1)[visible] / torso
        near += [(shot.job, float(close)) for close in error < 0.2]
        if shot.behind:
            swap = (other < 0.2).mean() > (error < 0.2).mean() + 0.3
            swapped.append((shot.job, float(swap)))
        offsets.append(np.where(visible[:, None], pose - shot.points[:, :2], np.nan) / torso)
    yield _rate("points within 0.2 torsos of the labels", near)
    yield _rate("left and right swapped, from behind", swapped)
    down = 100 * np.nanmedian(np.stack(offsets)[..., 1], axis=0)
    for name, points in {
        "nose": [0],
        "eyes": [1, 2],
        "shoulders": [5, 6],
        "hips": [11, 12],
    }.items():
        yield Line(f"  {name}: found lower than labeled, of the torso", down[points].mean(), "%")


def _torso(points: NDArray[np.float64]) -> float:
    """The longest of the trunk's middle line and diagonals, px."""
    shoulders, hips = points[5:7], points[11:13]
    lines = np.vstack([shoulders - hips[::-1], shoulders.mean(axis=0) - hips.mean(axis=0)])
    return float(np.linalg.norm(lines, axis=1).max())


def _rate(work: str, values: list[tuple[int, float]]) -> Line:
    """A share with its interval, jobs drawn again and again."""
    if not values:
        return Line(f"{work} (no such frame)", float("nan"), "%")
    table = pd.DataFrame(values, columns=["job", "value"]).groupby("job")["value"]
    sums, counts = table.sum().to_numpy(), table.count().to_numpy()
    rng = np.random.default_rng(SEED)
    draws = rng.integers(0, len(sums), (2000, len(sums)))
    shares = 100 * sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(shares, (0.025, 0.975))
    text = f"{work} [{low:.1f}, {high:.1f}]"
    return Line(text, 100 * sums.sum() / counts.sum(), "%")
