"""Overlays and grids of the published spills sample, each in a process of its own.

The baseline draws as earlier clients did: every frame and every label in memory, written with
OpenCV's MPEG-4, which no browser plays.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.measure import Line, alone

SAMPLE = Path(__file__).parents[2] / "shared" / "samples" / "spills-basic"
FRAMES = 153
EARLIER = {"overlay": (169.0, 666.0), "grid": (26.0, 2000.0)}
"""Frames per second and MB of the earlier client on this sample, 2 cores."""
IDLE = ("infinity_frames.vis",)  # what an idle process has loaded already
MOST_MB = {"overlay": 200.0, "grid": 300.0}


def looped_overlay(job: Path, out: Path) -> None:
    """Draw boxes with everything in memory."""
    import cv2

    labels = json.loads((job / "00000_labels.json").read_text())
    source = cv2.VideoCapture(str(job / "00000.mp4"))
    frames = []
    while (read := source.read())[0]:
        frames.append(read[1])
    of_image: dict[int, list[Any]] = {}
    for item in labels["annotations"]:
        of_image.setdefault(item["image_id"], []).append(item)
    drawn = []
    for image, frame in zip(labels["images"], frames, strict=True):
        picture = frame.copy()
        for item in of_image.get(image["id"], ()):
            if item.get("bbox"):
                x, y, w, h = (round(value) for value in item["bbox"])
                cv2.rectangle(picture, (x, y), (x + w, y + h), (255, 0, 0), 2)
        drawn.append(picture)
    height, width = drawn[0].shape[:2]
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), 24, (width, height))
    for picture in drawn:
        writer.write(picture)
    writer.release()


def overlay(job: Path, out: Path) -> None:
    """Draw boxes, streaming, as H.264."""
    from infinity_frames import vis

    vis.draw_labels(job, out)


def grid(job: Path, out: Path) -> None:
    """Draw the video of all labels, streaming, as H.264."""
    from infinity_frames import vis

    vis.visualize_all_labels(job, out)


def longer(job: Path, times: int, folder: Path) -> Path:
    """The sample played several times over, labels included, as a job of its own."""
    from infinity_frames.io.video import VideoWriter, read_frames, video_info

    folder.mkdir()
    info = video_info(job / "00000.mp4")
    with VideoWriter(folder / "00000.mp4", info.width, info.height, info.frame_rate) as video:
        for _ in range(times):
            for picture in read_frames(job / "00000.mp4"):
                video.write(picture)
    labels = json.loads((job / "00000_labels.json").read_text())
    whole: dict[str, Any] = {**labels, "images": [], "annotations": []}
    for lap in range(times):
        for kind in ("images", "annotations"):
            step = len(labels[kind]) * lap
            for item in labels[kind]:
                moved = {**item, "id": item["id"] + step}
                if kind == "images":
                    moved["frame_number"] = item["frame_number"] + FRAMES * lap
                else:
                    moved["image_id"] = item["image_id"] + len(labels["images"]) * lap
                whole[kind].append(moved)
    (folder / "00000_labels.json").write_text(json.dumps(whole))
    shutil.copy(job / "00000_params.json", folder)
    return folder


def run() -> Iterator[Line]:
    """Measure."""
    if not SAMPLE.is_dir():
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        jobs = {FRAMES: SAMPLE, 4 * FRAMES: longer(SAMPLE, 4, folder / "longer")}
        for name, work in (("overlay", overlay), ("grid", grid)):
            rate, memory = EARLIER[name]
            for frames, job in jobs.items():
                loops: tuple[float, float] | None = None
                if name == "overlay":
                    loops = alone(looped_overlay, job, folder / "loop.mp4", imports=IDLE)
                taken, grown = alone(work, job, folder / "out.mp4", imports=IDLE)
                base = rate if loops is None else frames / loops[0]
                called = "earlier" if loops is None else "in memory"
                speed = {"overlay": 1.0, "grid": 3.0}[name]
                yield Line(
                    f"{name}, {frames} frames", frames / taken, "frames/s", base, called, speed
                )
                base = memory if loops is None else loops[1]
                most = MOST_MB[name]
                yield Line(
                    f"{name}, {frames} frames: growth (at most {most:g})", grown, "MB", base, called
                )
