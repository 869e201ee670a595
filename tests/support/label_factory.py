"""Label folders like those the generators write, small and made up, without rendering anything."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

JOINTS = ("pelvis", "left_hip", "right_hip", "head")
SKIN = ("nose", "left_heel")
SIZE = 16


def visionfit_labels(frames: int = 3, seed: int = 0) -> dict[str, Any]:
    """COCO labels of a person, and from frame 1 on of a dumbbell, as ``generators.md`` has them."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    for frame in range(frames):
        annotations.append(_annotation(len(annotations), frame, 1, rng) | _person(rng))
        if frame:
            annotations.append(_annotation(len(annotations), frame, 2, rng))
    # The person's share of hidden pixels is unknown where none of its pixels is in the picture.
    annotations[0]["percent_occlusion"] = None
    return {
        "info": {
            "camera_pitch": 90.0,
            "camera_height": float(rng.uniform(0.1, 2)),
            "avatar_presenting_gender": "FEMALE",
            "avatar_betas": rng.normal(size=10).tolist(),
            "camera_K_matrix": [[15.5, 0, 8], [0, 15.5, 8], [0, 0, 1]],
        },
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dumbbell"}],
        "images": [
            {
                "id": 10 + frame,
                "width": SIZE,
                "height": SIZE,
                "frame_number": frame,
                "rep_count_from_start": frame / frames,
            }
            for frame in range(frames)
        ],
        "annotations": annotations,
    }


def _annotation(id_: int, frame: int, category: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "id": id_,
        "image_id": 10 + frame,
        "category_id": category,
        "instance_id": category,
        "iscrowd": 0,
        "color": [0.2 * category, 0.5, 0.4],
        "bbox": [1, 2, 3, 4 + category],
        "segmentation": {"size": [SIZE, SIZE], "counts": "a1b2"},
        "area": int(rng.integers(1, 200)),
        "percent_in_fov": float(rng.uniform(0, 100)),
        "percent_occlusion": float(rng.uniform(0, 100)),
        "cuboid_coordinates": rng.normal(size=(8, 3)).tolist(),
    }


def _person(rng: np.random.Generator) -> dict[str, Any]:
    def points(names: tuple[str, ...]) -> dict[str, Any]:
        axes = ("x", "y", "z", "x_global", "y_global", "z_global")
        return {
            name: dict(zip(axes, rng.normal(size=6).tolist(), strict=True))
            | {"v": int(rng.integers(0, 3))}
            for name in names
        }

    return {
        "armature_keypoints": points(JOINTS),
        "vertex_keypoints": points(SKIN),
        "keypoints": [value for i in range(17) for value in (i + 0.5, 2.0 * i, i % 3)],
        "num_keypoints": 17,
        "quaternions": {name: rng.normal(size=4).tolist() for name in JOINTS},
    }


def write_masks(file: Path, frames: int) -> dict[tuple[int, str], np.ndarray]:
    """A segmentation.zip, members in no order; returns the RGB pictures in it."""
    rng = np.random.default_rng(7)
    pictures: dict[tuple[int, str], np.ndarray] = {}
    with zipfile.ZipFile(file, "w") as archive:
        for frame in reversed(range(frames)):
            for kind in ("iseg", "cseg"):
                picture = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
                encoded = cv2.imencode(".png", picture[:, :, ::-1])[1]
                archive.writestr(f"image.{frame:06d}.{kind}.png", encoded.tobytes())
                pictures[frame, kind] = picture
            archive.writestr(f"image.{frame:06d}.iseg.000001.png", encoded.tobytes())
    return pictures


def write_job(
    folder: Path,
    params: dict[str, Any],
    labels: dict[str, Any] | None,
    *,
    preview: bool = False,
    old_names: bool = False,
    record: bool = True,
) -> Path:
    """A job's folder as an archive unpacks to it."""
    folder.mkdir(parents=True)
    stem = "video.rgb" if old_names else "labels"
    if record:
        content = {"name": "visionfit-v0.4.0", "params": params, "seed": 5, "version": "0.4.0"}
        (folder / "job.json").write_text(json.dumps(content))
    if labels is not None:
        (folder / f"{stem}.json").write_text(json.dumps(labels))
        zip_name = "video.rgb.zip" if old_names else "segmentation.zip"
        write_masks(folder / zip_name, len(labels["images"]))
    if not preview:
        (folder / ("video.rgb.mp4" if old_names else "video.mp4")).write_bytes(b"no video")
    (folder / "video_preview.png").write_bytes(b"no picture")
    return folder


def params(**given: Any) -> dict[str, Any]:
    """Parameters of a job, a few of VisionFit's."""
    return {
        "scene": "GYM_1",
        "exercise": "PUSHUP",
        "num_reps": 2,
        "camera_distance": 3.0,
        "camera_height": 0.75,
        "frame_rate": 24,
        "avatar_identity": 3,
        "add_wall_art": False,
    } | given


def write_batch(root: Path, jobs: list[dict[str, Any]], *, record: bool = True) -> Path:
    """A batch folder. A job: ``id``, and optionally params, tags, status, error, frames, preview.

    Jobs that did not complete, and those with ``frames=None``, get no folder.
    """
    root.mkdir(parents=True, exist_ok=True)
    runs = []
    for number, job in enumerate(jobs):
        status = job.get("status", "completed")
        values = job.get("params", params())
        frames = job.get("frames", 3)
        if status == "completed" and frames is not None:
            labels = visionfit_labels(frames, seed=number)
            write_job(root / job["id"], values, labels, preview=job.get("preview", False))
        runs.append(
            {
                "id": job["id"],
                "name": "visionfit-v0.4.0",
                "is_preview": job.get("preview", False),
                "in_progress": False,
                "status": status,
                "error": job.get("error"),
                "param_values": values,
                "tags": job.get("tags", {}),
                "seed": number,
                "estimated_samples": 3,
                "num_samples": frames,
                "created": "2026-01-02T03:04:05+00:00",
                "started": "2026-01-02T03:04:06.5+00:00",
                "finished": None,
                "sha256": None,
            }
        )
    if record:
        content = {
            "format": 1,
            "server": "embedded",
            "generator": "visionfit-v0.4.0",
            "id": f"batch-{root.name}",
            "name": "made up",
            "created": "2026-01-02T03:04:05+00:00",
            "job_runs": runs,
        }
        (root / "batch.json").write_text(json.dumps(content))
    return root


def small_batch(root: Path) -> Path:
    """Three completed jobs of which one is a preview, a failed one and one not downloaded."""
    return write_batch(
        root,
        [
            {
                "id": "job-b",
                "params": params(exercise="SITUP", camera_distance=4.2),
                "tags": {"fold": "a"},
            },
            {"id": "job-a", "params": params(num_reps=3), "tags": {"fold": "007"}},
            {"id": "job-c", "preview": True, "frames": 1},
            {"id": "job-f", "status": "failed", "error": "out of memory"},
            {"id": "job-d", "frames": None, "params": params(num_reps=9)},
        ],
    )
