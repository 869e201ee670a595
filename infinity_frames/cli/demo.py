"""The whole loop in two minutes: ``infinity-frames demo``.

A seeded frame of jobs becomes previews, one of them a sweep of short videos, the results one SQL
answer and a folder of pictures. It runs on an engine of its own, which it stops at the end.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd

import infinity_frames as inf

__all__ = ["main"]

EXERCISES = ("SQUAT-BODYWEIGHT", "PUSHUP", "BICEP_CURL-ALTERNATING-DUMBBELL", "UPPERCUT-LEFT")

QUERY = """
SELECT jobs.exercise,
       jobs.camera_height,
       count(DISTINCT annotations.frame_number)            AS frames,
       round(avg(annotations.bbox_height), 1)              AS person_height_px,
       round(avg(annotations.percent_in_fov), 1)           AS in_view_percent,
       round(100 * avg(wrists.visible), 1)                 AS wrists_visible_percent
FROM jobs
JOIN annotations USING (job_id)
JOIN (SELECT job_id, frame_number, avg((v = 2)::INT) AS visible
      FROM keypoints
      WHERE skeleton = 'armature' AND name IN ('left_wrist', 'right_wrist')
      GROUP BY job_id, frame_number) AS wrists USING (job_id, frame_number)
WHERE annotations.category = 'person'
GROUP BY ALL
ORDER BY jobs.camera_height
"""


def main(folder: str | Path = "demo") -> None:
    """Run the demo and leave its results in `folder`.

    Parameters
    ----------
    folder : path
        Created if missing. A second run reuses the renders of the first.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "engine"
    before = os.environ.get("INFINITY_HOME")
    os.environ["INFINITY_HOME"] = str(home)
    try:
        _loop(folder)
    finally:
        inf.stop_engine(home)
        if before is None:
            del os.environ["INFINITY_HOME"]
        else:
            os.environ["INFINITY_HOME"] = before


def _loop(folder: Path) -> None:
    from infinity_frames import vis  # matplotlib takes a moment; say something first

    say = _Steps()
    say("Opening a session on the engine of this machine")
    session = inf.Session("visionfit-v0.4.0", server="embedded")
    print(f"{session.generator}: {len(session.parameters)} parameters")

    say("Drawing 12 jobs, checking them, estimating their samples")
    jobs = session.sample(12, seed=7, exercise=EXERCISES * 3, image_width=256, image_height=256)
    jobs = jobs.infinity.validate()
    samples = jobs.infinity.estimate(preview=True).sum()
    videos = jobs.infinity.estimate().sum()
    print(f"{samples} samples as previews; as videos they would take {videos}")
    jobs.infinity.visualize(stratify_var="exercise").savefig(folder / "parameters.png")

    say("Rendering a preview of each")
    batch = jobs.infinity.submit(name="demo previews", preview=True, reuse=True)
    batch = batch.infinity.await_completion(timeout=600)
    previews = batch.infinity.download(folder / _named("previews", batch))
    previews.infinity.previews(caption=["exercise", "camera_height"]).savefig(
        folder / "previews.png"
    )

    say("Sweeping camera_height over the first squat, as short videos")
    squat = previews[previews["exercise"] == "SQUAT-BODYWEIGHT"].head(1)
    squat = squat.assign(num_reps=1, rel_baseline_speed=1.5, frame_rate=12)
    sweep = squat.infinity.sweep(camera_height=[0.3, 1.0, 1.8])
    batch = sweep.infinity.submit(name="demo sweep", reuse=True)
    batch = batch.infinity.await_completion(timeout=600)
    results = batch.infinity.download(folder / _named("videos", batch))

    say("What came back")
    shown = ["status", "exercise", "camera_height", "num_frames", "avg_percent_in_fov"]
    with pd.option_context("display.width", 120, "display.max_columns", 20):
        print(results[["job_id", *shown]].to_string(index=False))
        say("SQL over parameters and labels")
        print(QUERY.strip())
        print()
        print(results.infinity.sql(QUERY).to_string(index=False))

    say("Drawing the labels over one of the videos")
    drawn = (vis.BoxAnnotator(), vis.SkeletonAnnotator())
    vis.draw_labels(results["path"].iloc[1], folder / "labels.mp4", annotators=drawn)
    say(f"Done. Look into {folder}:")
    for name in ("parameters.png", "previews.png", "labels.mp4"):
        print(f"  {name}")
    for kind in ("previews", "videos"):
        print("  " + ", ".join(sorted(f"{p.name}/" for p in folder.glob(f"{kind}-*"))))


def _named(kind: str, batch: pd.DataFrame) -> str:
    """Return a folder of its own per batch: a second run never mixes with existing files."""
    return f"{kind}-{batch['batch_id'].iloc[0][:8]}"


class _Steps:
    """Prints each step with the time since the start."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"\n[{time.monotonic() - self.start:5.1f} s] {text}", flush=True)
