"""Make the pictures of the docs, light and dark, and the page that shows them.

    python -m scripts.gallery [--folder docs]

Renders real jobs on an embedded engine with a home of its own (some minutes), then draws them.
The pictures of the published samples are made where ``../shared/samples`` is there, else kept.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

import infinity_frames as inf
from infinity_frames import vis
from infinity_frames.io.video import Picture, read_frames, video_info
from infinity_frames.vis.images import encoded
from scripts.overview import overview

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
EXERCISES = ("SQUAT-BODYWEIGHT", "PUSHUP", "UPPERCUT-LEFT", "BICEP_CURL-ALTERNATING-DUMBBELL")
QUALITY: dict[str, Any] = {"format": "jpg", "pil_kwargs": {"quality": 82}}
TIMEOUT_S = 900

ATTRIBUTION = (
    'Video and labels: "Smart Facility: Spills Basic" by Infinity AI, '
    "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)."
)
IMU_ATTRIBUTION = ATTRIBUTION.replace("Smart Facility: Spills Basic", "IMU Random Motion")


class Shown(NamedTuple):
    """A picture of the page: its file's name, the code that makes it, and what to see in it."""

    name: str
    code: str
    text: str
    themed: bool = False


PAGE = (
    Shown(
        "jobs",
        'jobs.infinity.visualize(stratify_var="scene")',
        "How a frame of jobs is distributed: a plot per parameter that varies, of the kind that "
        "suits it, a row per stratum; what is the same in every job is listed.",
        themed=True,
    ),
    Shown(
        "joint",
        'vis.visualize_joint(jobs, "camera_distance", "camera_height")',
        "Two parameters together, here 8,000 jobs.",
        themed=True,
    ),
    Shown(
        "previews",
        'looks.infinity.previews(caption=["exercise", "camera_height"])',
        "What the jobs look like, as previews, with the parameters that matter below.",
    ),
    Shown(
        "show",
        'people.nlargest(6, "percent_occlusion").infinity.show(draw=("boxes", "skeleton"))',
        "Any frame with a `job_id` and a `frame_number` is one call away from its pictures: here "
        "those in which the person is hidden most.",
    ),
    Shown(
        "labels",
        "vis.visualize_all_labels(job)",
        "A frame of the video that shows all labels of a job: masks, boxes and cuboids, skeleton "
        "and keypoints, the joints in 3D, and the repetition count over time.",
    ),
    Shown(
        "videos",
        'vis.visualize_videos(results, "sweep.mp4", label="camera_height")',
        "A sweep of the camera's height over three jobs, all videos at once: the copies of a job "
        "share person, room, light and motion.",
    ),
    Shown(
        "compare",
        "vis.compare(low, high)",
        "Two copies side by side: the parameters and the pixels that differ.",
    ),
    Shown(
        "effect",
        'vis.visualize_effect(results, "camera_height", "person_height_px")',
        "What the sweep did: a thin line per job, their median, and the band from the 10th to the "
        "90th percentile.",
        themed=True,
    ),
    Shown(
        "results",
        "results.infinity.visualize()",
        "What a batch came to, the effects of the sweep first.",
        themed=True,
    ),
    Shown(
        "spills",
        "vis.visualize_all_labels(sample)",
        "The same on a published data set: masks, boxes and how the spill grows. " + ATTRIBUTION,
    ),
    Shown(
        "imu",
        "vis.visualize_timeseries(sample)",
        "A video beside its sensor data, with a cursor that moves along. " + IMU_ATTRIBUTION,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    folder = parser.parse_args().folder
    pictures = folder / "gallery"
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["INFINITY_HOME"] = str(Path(scratch, "home"))
        try:
            _engine_pictures(Path(scratch), folder, pictures)
        finally:
            inf.stop_engine()
        if SAMPLES.is_dir():
            _sample_pictures(Path(scratch), pictures)
    (folder / "gallery.md").write_text(page())


def page() -> str:
    """The gallery's page, as Markdown."""
    parts = [
        "# Gallery",
        "Every picture here is made by `python -m scripts.gallery` from jobs rendered on the "
        "machine it runs on (and from two published samples), by the code above it. Plots follow "
        'the page\'s theme; in a notebook, `vis.set_theme("dark")` does.',
    ]
    for shown in PAGE:
        light = f"gallery/{shown.name}.{'png' if shown.themed else 'jpg'}"
        image = f'<img src="{light}" alt="{shown.name}">'
        if shown.themed:
            dark = light.replace(".png", "-dark.png")
            source = f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
            image = f"<picture>{source}{image}</picture>"
        parts += [f"```python\n{shown.code}\n```", shown.text, image]
    return "\n\n".join(parts) + "\n"


def _engine_pictures(scratch: Path, folder: Path, pictures: Path) -> None:
    session = inf.Session("visionfit-v0.4.0", server="embedded")
    jobs = session.sample(
        12,
        seed=31,
        exercise=[*EXERCISES] * 3,
        relative_avatar_angle_deg=[30, 70, 20, -20, -35, 100, -30, 15, 60, -80, 0, 40],
        camera_distance=np.linspace(2.6, 3.6, 12),
        camera_height=[1.2, 0.6, 1.4, 1.0, 0.8, 0.9, 1.7, 0.5, 1.1, 1.5, 2.0, 0.7],
        allowable_occlusion=[0.0] * 6 + [10.0, 20.0, 30.0] * 2,
        image_width=256,
        image_height=256,
    )
    looks = jobs.infinity.run(scratch / "looks", "looks", preview=True, timeout=TIMEOUT_S)
    bases = looks[looks["exercise"] == "SQUAT-BODYWEIGHT"].head(3)
    bases = bases.assign(num_reps=1, rel_baseline_speed=1.5, frame_rate=12)
    sweep = bases.infinity.sweep(camera_height=[0.3, 0.9, 1.5, 2.1])
    results = sweep.infinity.run(scratch / "sweep", "camera heights", timeout=TIMEOUT_S)
    large = looks.head(1).infinity.seeded().assign(image_width=512, image_height=512)
    large = large.infinity.run(scratch / "large", "large", preview=True, timeout=TIMEOUT_S)

    overview(looks, large).savefig(folder / "overview.png")
    _photograph(
        pictures, "previews", looks.infinity.previews(caption=["exercise", "camera_height"])
    )
    people = looks.infinity.annotations("person").nlargest(6, "percent_occlusion")
    _photograph(pictures, "show", people.infinity.show(draw=("boxes", "skeleton")))
    low, high = results["path"].iloc[[1, 2]]
    _still(pictures, "labels", vis.visualize_all_labels(low, scratch / "labels.mp4"))
    _still(pictures, "compare", vis.compare(low, high, scratch / "compare.mp4"))
    grid = vis.visualize_videos(results, scratch / "grid.mp4", label="camera_height")
    _still(pictures, "videos", grid)
    many = session.sample(8000, seed=2)
    measured = results.merge(results.infinity.sql(_HEIGHTS), on="job_id")
    shown = ["exercise", "scene", "gender", "camera_distance", "camera_height", "lighting_power"]
    plots: dict[str, Callable[[], Figure]] = {
        "jobs": lambda: many[
            [*shown, "relative_height", "num_reps", "frame_rate"]
        ].infinity.visualize(stratify_var="scene"),
        "joint": lambda: vis.visualize_joint(many, "camera_distance", "camera_height"),
        "effect": lambda: vis.visualize_effect(measured, "camera_height", "person_height_px"),
        "results": lambda: results[
            [*results.columns[:11], "scene", "gender", "camera_height", "tag_base"]
        ].infinity.visualize(),
    }
    for name, draw in plots.items():
        for theme, suffix in (("light", ""), ("dark", "-dark")):
            with vis.set_theme(theme):
                drawing = draw()
            drawing.savefig(pictures / f"{name}{suffix}.png")


_HEIGHTS = """
SELECT job_id, avg(bbox_height) AS person_height_px
FROM annotations WHERE category = 'person' GROUP BY job_id
"""


def _sample_pictures(scratch: Path, pictures: Path) -> None:
    spills = vis.visualize_all_labels(SAMPLES / "spills-basic", scratch / "spills.mp4")
    _still(pictures, "spills", spills, 0.8)
    imu = vis.visualize_timeseries(SAMPLES / "imu-random-motion", scratch / "imu.mp4")
    _still(pictures, "imu", imu)


def _photograph(pictures: Path, name: str, drawing: Figure) -> None:
    drawing.savefig(pictures / f"{name}.jpg", **QUALITY)


def _still(pictures: Path, name: str, video: Path, at: float = 0.5) -> None:
    """Keep one frame of a video."""
    frames = video_info(video).num_frames
    picture: Picture = next(islice(read_frames(video), int(at * (frames - 1)), None))
    (pictures / f"{name}.jpg").write_bytes(encoded(picture, ".jpg", 1280))


if __name__ == "__main__":
    main()
