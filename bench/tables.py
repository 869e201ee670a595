"""Label tables, against plain json and pandas on the same files; each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.measure import Line

POINTS = [f"joint_{i:02d}" for i in range(100)]

# Runs a work and prints its answer, seconds, and the most memory it took over the idle process,
# the processes it starts included.
MEASURED = """
import json, os, sys, threading, time
import psutil
{imports}
me, peak, done = psutil.Process(), [0], threading.Event()
idle = me.memory_info().rss
def watch():
    while not done.wait(0.1):
        taken = me.memory_info().rss - idle
        for child in me.children(recursive=True):
            try:
                taken += child.memory_full_info().uss
            except psutil.Error:
                pass
        peak[0] = max(peak[0], taken)
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
done.set()
watcher.join()
print(json.dumps([answer, seconds, peak[0] / 1e6]))
"""

AREAS = (
    "import infinity_frames as inf; import infinity_frames.data.sql",
    "with inf.database(inf.read_results(root, quiet=True)) as connection:\n"
    "    answer = connection.sql('SELECT sum(area) FROM annotations').fetchall()[0][0]",
)
PLAIN_AREAS = (
    "import pandas as pd; from pathlib import Path",
    "frames = []\n"
    "for file in sorted(Path(root).glob('*/labels.json')):\n"
    "    labels = json.loads(file.read_text())\n"
    "    frames.append(pd.DataFrame(labels['annotations']).assign(job_id=file.parent.name))\n"
    "answer = pd.concat(frames)['area'].sum()",
)
SEEN = (
    AREAS[0],
    "results = inf.read_results(root, quiet=True)\n"
    "seen = inf.query('visibility_by_exercise', results)\n"
    "answer = float((seen['frames'] * seen['share_visible']).sum())",
)
PLAIN_SEEN = (
    PLAIN_AREAS[0],
    "rows = []\n"
    "for file in sorted(Path(root).glob('*/labels.json'))[:limit]:\n"
    "    exercise = json.loads((file.parent / 'job.json').read_text())['params']['exercise']\n"
    "    for one in json.loads(file.read_text())['annotations']:\n"
    "        for name, point in one['armature_keypoints'].items():\n"
    "            rows.append((exercise, name, point['v']))\n"
    "points = pd.DataFrame(rows, columns=['exercise', 'name', 'v'])\n"
    "points['seen'] = points['v'] == 2\n"
    "seen = points.groupby(['exercise', 'name'])['seen'].agg(['size', 'mean'])\n"
    "answer = float((seen['size'] * seen['mean']).sum())",
)


def run() -> Iterator[Line]:
    """Measure."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["INFINITY_HOME"] = home
        yield from _compared(
            "200 label files of 1.6 MB", _copies(Path(home, "copies")), AREAS, PLAIN_AREAS
        )
        yield from _compared("10,000 small jobs", _small(Path(home, "small")), SEEN, PLAIN_SEEN)
        yield from _many_rows(_long(Path(home, "long"), jobs=100))


def _compared(
    what: str, root: Path, ours: tuple[str, str], plain: tuple[str, str]
) -> Iterator[Line]:
    expected, baseline, plain_peak = _measure(plain, root)
    for state in ("cold", "warm"):
        answer, taken, peak = _measure(ours, root)
        assert abs(answer - expected) <= 1e-9 * abs(expected)
        yield Line(f"{what}, {state}", taken, "s", baseline, "json + pandas")
        yield Line(f"{what}, {state}: peak memory", peak, "MB", plain_peak, "json + pandas")


def _many_rows(root: Path) -> Iterator[Line]:
    few = 5
    expected, baseline, plain_peak = _measure(PLAIN_SEEN, root, limit=few)
    answer, taken, peak = _measure(SEEN, root)
    assert answer * few / 100 == expected
    yield Line("10 million keypoint rows, built and asked", taken, "s", baseline * 20, "json x 20")
    yield Line("10 million keypoint rows, built: peak memory", peak, "MB", plain_peak, "a 20th")
    answer, taken, peak = _measure(SEEN, root)
    yield Line("10 million keypoint rows, one query", taken, "s", baseline * 20, "json x 20")
    yield Line("10 million keypoint rows, one query: peak memory", peak, "MB", plain_peak, "a 20th")


def _measure(
    work: tuple[str, str], root: Path, limit: int | None = None
) -> tuple[float, float, float]:
    imports, body = work
    script = MEASURED.format(imports=imports, work=body)
    names = f"root = {str(root)!r}; limit = {limit!r}\n"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", names + script], capture_output=True, text=True, check=True
    )
    answer, taken, peak = json.loads(done.stdout)
    return answer, taken, peak


def _copies(root: Path) -> Path:
    """A spill over 153 frames: two polygons a frame."""
    rng = np.random.default_rng(0)

    def annotation(number: int) -> dict[str, Any]:
        outline = np.round(rng.uniform(0, 900, 600), 2).tolist()
        return {
            "id": number,
            "image_id": number // 2,
            "category_id": number % 2,
            "iscrowd": 0,
            "area": round(float(rng.uniform(1, 1e5)), 3),
            "bbox": np.round(rng.uniform(0, 300, 4), 2).tolist(),
            "segmentation": [outline[:400], outline[400:]],
            "color": rng.uniform(size=3).tolist(),
        }

    labels = {
        "info": {"scene_id": "WAREHOUSE_0001"},
        "categories": [{"id": 0, "name": "spill"}, {"id": 1, "name": "floor"}],
        "images": [_image(frame) for frame in range(153)],
        "annotations": [annotation(number) for number in range(306)],
    }
    text = json.dumps(labels)
    for job in range(200):
        _write(root / f"job-{job:05d}", text, "SPILL")
    return root


def _small(root: Path) -> Path:
    """Previews: one frame of one person."""
    text = json.dumps(_people(1))
    for job in range(10_000):
        _write(root / f"job-{job:05d}", text, ("PUSHUP", "SITUP", "BURPEE")[job % 3])
    return root


def _long(root: Path, jobs: int) -> Path:
    """Videos of a thousand frames and a hundred points; one file stands for all."""
    text = json.dumps(_people(1000))
    first = root / "job-00000"
    _write(first, text, "PUSHUP")
    for job in range(1, jobs):
        folder = root / f"job-{job:05d}"
        folder.mkdir()
        for name in ("job.json", "labels.json"):
            os.link(first / name, folder / name)
    return root


def _people(frames: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def points() -> dict[str, Any]:
        values = np.round(rng.normal(size=(len(POINTS), 6)), 4).tolist()
        axes = ("x", "y", "z", "x_global", "y_global", "z_global")
        states = rng.integers(0, 3, len(POINTS)).tolist()
        return {
            name: {**dict(zip(axes, row, strict=True)), "v": v}
            for name, row, v in zip(POINTS, values, states, strict=True)
        }

    return {
        "info": {},
        "categories": [{"id": 1, "name": "person"}],
        "images": [_image(frame) for frame in range(frames)],
        "annotations": [
            {
                "id": frame,
                "image_id": frame,
                "category_id": 1,
                "bbox": [1, 2, 3, 4],
                "area": 12,
                "armature_keypoints": points(),
            }
            for frame in range(frames)
        ],
    }


def _image(frame: int) -> dict[str, Any]:
    return {"id": frame, "frame_number": frame, "width": 960, "height": 625, "time": frame / 24}


def _write(folder: Path, labels: str, exercise: str) -> None:
    folder.mkdir(parents=True)
    record = {"name": "bench-v1.0.0", "params": {"exercise": exercise, "frame_rate": 24}}
    (folder / "job.json").write_text(json.dumps(record))
    (folder / "labels.json").write_text(labels)
