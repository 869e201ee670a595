"""Audit of VisionFit: random jobs of the whole parameter space rendered, every label checked.

    python scripts/audit.py --jobs 100 --seed 0

A job is rendered in full, then checked frame by frame against its masks, camera and video, its rep
counts and its length against its timeline; last, the estimates of many jobs against theirs. Draws
are uniform over every range, so that corners are met which sampling avoids; only sizes and lengths
are kept small.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data.layout import JobFiles
from infinity_frames.data.verify.job import audit
from infinity_frames.data.verify.report import CHECKS, AuditReport
from infinity_frames.engine.generators.visionfit import VisionFit
from infinity_frames.engine.generators.visionfit.stage import build_stage
from infinity_frames.engine.people.exercises import exercise
from infinity_frames.engine.people.motion.timeline import Timeline
from infinity_frames.protocol.spec import Parameter

__all__ = ["OWN_CHECKS", "audited", "estimates", "random_job"]

SPEC = VisionFit.spec
OWN_CHECKS = {
    "rep_counts": "rep counts rise from 0 to num_reps; the other starts a midpoint earlier",
    "length": "as many frames are rendered as the timeline has",
    "bound": "furniture placed before the person hides no more than is allowed",
}
"""What is checked here beyond `infinity_frames.data.verify.report.CHECKS`."""

_SMALL = {
    "image_width": (128, 192),
    "image_height": (128, 192),
    "num_reps": (1, 3),
    "frame_rate": (6, 12),
}


def random_job(rng: np.random.Generator) -> dict[str, Any]:
    """Parameters drawn uniformly from all valid values, except sizes and lengths."""
    job = {parameter.name: _draw(parameter, rng) for parameter in SPEC.parameters}
    done = exercise(job["exercise"])
    for name in ("trim_start_frac", "trim_end_frac"):
        job[name] *= 0.5 * done.allows_trimming
    job["inter_rep_delay_avg"] *= 0.3
    job["inter_rep_delay_var"] *= 0.3
    job["rel_baseline_speed"] = max(job["rel_baseline_speed"], 0.7)
    return job


def _draw(parameter: Parameter, rng: np.random.Generator) -> Any:
    if parameter.name == "state":
        return None
    if parameter.name == "random_seed":
        return int(rng.integers(2**31))
    if parameter.type == "bool":
        return bool(rng.random() < 0.5)
    if parameter.name == "frame_rate":
        return int(rng.choice(_SMALL["frame_rate"]))
    if parameter.choices is not None:
        return parameter.choices[int(rng.integers(len(parameter.choices)))]
    ends = _SMALL.get(parameter.name, (parameter.min, parameter.max))
    low, high = (float(end or 0.0) for end in ends)
    if parameter.type == "int":
        return int(rng.integers(round(low), round(high) + 1))
    # The ends themselves are met too.
    return float(np.clip(rng.uniform(-0.1, 1.1), 0, 1) * (high - low) + low)


def audited(params: Mapping[str, Any], folder: Path, *, preview: bool = False) -> AuditReport:
    """Render a job into an empty folder and check all its labels.

    Parameters
    ----------
    params : mapping
        A valid value of every parameter.
    folder : Path
        Receives the job's files.
    preview : bool
        Only frame 0.

    Returns
    -------
    AuditReport
        Of every comparison.
    """
    frames = VisionFit().render(dict(params), int(params["random_seed"]), folder, preview)
    record = folder / "job.json"
    record.write_bytes(orjson.dumps({"params": dict(params)}))
    video = folder / "video.mp4"
    report = audit(
        JobFiles(
            job_id=str(params["random_seed"]),
            folder=folder,
            root=folder.parent,
            record=record,
            labels=folder / "labels.json",
            video=video if video.exists() else None,
            picture=folder / "video_preview.png",
            segmentation=folder / "segmentation.zip",
        )
    )
    labels = orjson.loads((folder / "labels.json").read_bytes())
    _check_reps(labels["images"], params, report, preview)
    _check_length(frames, params, report, preview)
    _check_bound(labels, params, folder, report)
    return report


def _check_reps(
    images: list[dict[str, Any]], params: Mapping[str, Any], report: AuditReport, preview: bool
) -> None:
    counts = np.array([image["rep_count_from_start"] for image in images])
    other = np.array([image["rep_count_from_intermediate"] for image in images])
    shift = 1.0 - exercise(params["exercise"]).midpoint
    report.check("rep_counts", counts[0] == 0.0, "the first count is not 0", found=counts[0])
    if not preview:
        ends = counts[-1] == params["num_reps"]
        report.check("rep_counts", ends, "the last is not num_reps", found=counts[-1])
    report.check("rep_counts", (np.diff(counts) >= 0).all(), "counts fall")
    shifted = np.allclose(other - counts, shift, atol=2e-6)
    report.check("rep_counts", shifted, "the other is not shifted by 1 - m", expected=shift)


def _check_length(
    frames: int, params: Mapping[str, Any], report: AuditReport, preview: bool
) -> None:
    done = exercise(params["exercise"])
    timeline = Timeline.from_params(params, done, int(params["random_seed"]))
    planned = 1 if preview else timeline.num_frames
    report.check("length", frames == planned, "other frames", expected=planned, found=frames)


def _check_bound(
    labels: Mapping[str, Any], params: Mapping[str, Any], folder: Path, report: AuditReport
) -> None:
    """By the masks of the person and of the occluder, each as if nothing stood before it."""
    objects = build_stage(params, int(params["random_seed"])).scene.objects
    if not objects[-1].occluder:
        return
    last = sum(item.category is not None for item in objects)
    of_frame: dict[int, dict[int, int]] = {}
    for annotation in labels["annotations"]:
        ids = of_frame.setdefault(annotation["image_id"], {})
        ids[annotation["instance_id"]] = annotation["id"]
    with zipfile.ZipFile(folder / "segmentation.zip") as masks:
        for frame, ids in of_frame.items():
            if last not in ids:
                continue
            person, piece = (
                _alone(masks.read(f"image.{frame:06d}.iseg.{ids[number]:06d}.png"))
                for number in (1, last)
            )
            hidden = 100.0 * (person & piece).sum() / max(person.sum(), 1)
            allowed = params["allowable_occlusion"]
            what = "more is hidden than is allowed"
            report.check(
                "bound", hidden <= allowed, what, expected=allowed, found=hidden, frame=frame
            )


def _alone(png: bytes) -> NDArray[np.bool_]:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture.any(axis=2))


def estimates(count: int, seed: int) -> tuple[int, int]:
    """Frames of random jobs of any length: as estimated, and as their timelines have them."""
    rng = np.random.default_rng(seed)
    jobs = []
    for _ in range(count):
        job = random_job(rng)
        job |= {"num_reps": int(rng.integers(1, 21)), "frame_rate": int(rng.choice([6, 12, 24]))}
        job["inter_rep_delay_avg"], job["inter_rep_delay_var"] = rng.uniform(0, 5, 2).tolist()
        jobs.append(job)
    real = sum(
        Timeline.from_params(job, exercise(job["exercise"]), job["random_seed"]).num_frames
        for job in jobs
    )
    return int(VisionFit().estimate(pd.DataFrame(jobs)).sum()), real


def main() -> int:
    """Audit jobs and report; the number of discrepancies."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--jobs", type=int, default=40)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    VisionFit().prepare()
    checked: Counter[str] = Counter()
    wrong, start = 0, time.perf_counter()
    for number in range(given.jobs):
        params = random_job(np.random.default_rng((given.seed, number)))
        with tempfile.TemporaryDirectory() as folder:
            report = audited(params, Path(folder))
        checked.update(report.checked)
        for row in report.rows:
            wrong += 1
            print(f"job {number}: {row}\n  {params}", flush=True)
    seconds = time.perf_counter() - start
    frames = checked["keypoints"]  # compared once per frame, of the person
    print(f"{given.jobs} jobs, {frames} frames, {wrong} discrepancies, {seconds:.0f} s")
    for name, count in checked.items():
        print(f"  {name:<16}{count:>10}  {(CHECKS | OWN_CHECKS).get(name, '')}")
    estimate, real = estimates(200, given.seed)
    off = 100 * (estimate / real - 1)
    print(f"200 jobs are estimated at {estimate} frames and have {real}: {off:+.2f} %")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
