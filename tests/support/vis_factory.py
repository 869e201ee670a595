"""Job folders with real videos and labels that fit them, drawn without a renderer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from infinity_frames.io.video import VideoWriter

WIDTH, HEIGHT, RATE = 128, 96, 12
BACKGROUND, PERSON = (40, 60, 50), (200, 190, 180)
FOCAL, DISTANCE, EYE = 110.0, 3.2, 0.95

_T_POSE = {
    "pelvis": (0, 0.95),
    "spine1": (0, 1.06),
    "spine2": (0, 1.17),
    "spine3": (0, 1.25),
    "neck": (0, 1.46),
    "head": (0, 1.6),
}
_SIDES = {
    "hip": (0.09, 0.9),
    "knee": (0.1, 0.49),
    "ankle": (0.11, 0.08),
    "foot": (0.12, 0.03),
    "collar": (0.06, 1.4),
    "shoulder": (0.18, 1.41),
    "elbow": (0.44, 1.41),
    "wrist": (0.7, 1.41),
}


def box(frame: int) -> tuple[int, int, int, int]:
    """The person's box: it moves right, two pixels a frame."""
    return 30 + 2 * frame, 20, 41, 63


def project(point: tuple[float, float, float]) -> tuple[float, float, float]:
    """Pixels and depth of a global point; the camera looks along +Y, from -DISTANCE."""
    x, y, z = point
    depth = y + DISTANCE
    return WIDTH / 2 + FOCAL * x / depth, HEIGHT / 2 - FOCAL * (z - EYE) / depth, depth


def armature(frame: int) -> dict[str, dict[str, float]]:
    """Joints facing the camera (its left is the person's right), the arms moving."""
    places = {name: (0.0, 0.0, z) for name, (_, z) in _T_POSE.items()}
    for name, (x, z) in _SIDES.items():
        lift = 0.05 * frame if name in ("elbow", "wrist") else 0.0
        places[f"left_{name}"] = (x, 0.0, z - lift)
        places[f"right_{name}"] = (-x, 0.1, z - lift)
    points = {}
    for name, place in places.items():
        x, y, z = project(place)
        visible = 1 if name.startswith("right_") else 2
        points[name] = {"x": x, "y": y, "v": visible, "z": z} | {
            f"{axis}_global": value for axis, value in zip("xyz", place, strict=True)
        }
    return points


def cuboid() -> list[list[float]]:
    """Corners of a box of 1.6 x 0.5 x 1.7 m about the person, in the order of the labels."""
    near, far = -0.25, 0.25
    corners = [
        *((-0.8, near, 1.7), (0.8, near, 1.7), (0.8, far, 1.7), (-0.8, far, 1.7)),
        *((-0.8, near, 0.0), (0.8, near, 0.0), (0.8, far, 0.0), (-0.8, far, 0.0)),
    ]
    return [list(project(corner)) for corner in corners]


def picture(frame: int) -> np.ndarray:
    """What the video shows: a bright rectangle that fills the person's box."""
    out = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
    x, y, w, h = box(frame)
    out[y : y + h, x : x + w] = PERSON
    return out


def rle(mask: np.ndarray) -> dict[str, Any]:
    """Uncompressed COCO run lengths of a mask."""
    flat = np.concatenate([[False], mask.T.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff([0, *edges.tolist(), mask.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


def labels(frames: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> dict[str, Any]:
    """COCO labels that fit the pictures."""
    annotations = []
    for frame in range(frames):
        x, y, w, h = box(frame)
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[y : y + h, x : x + w] = True
        points = armature(frame)
        annotations.append(
            {
                "id": frame,
                "image_id": 100 + frame,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [x, y, w, h],
                "segmentation": rle(mask),
                "area": int(mask.sum()),
                "armature_keypoints": points,
                "keypoints": [v for p in list(points.values())[:17] for v in (p["x"], p["y"], 2)],
                "cuboid_coordinates": cuboid(),
            }
        )
    images = [
        {
            "id": 100 + frame,
            "width": size[0],
            "height": size[1],
            "frame_number": frame,
            "rep_count_from_start": frame / 4,
        }
        for frame in range(frames)
    ]
    categories = [{"id": 1, "name": "person"}]
    return {
        "info": {},
        "categories": categories,
        "images": images,
        "annotations": annotations,
    }


def make_job(
    folder: Path, frames: int = 6, *, label_size: tuple[int, int] = (WIDTH, HEIGHT), **params: Any
) -> Path:
    """A job's folder with record, labels, video and preview picture."""
    folder.mkdir(parents=True)
    record = {"name": "visionfit-v0.4.0", "params": {"scene": "GYM_1", "num_reps": 2} | params}
    (folder / "job.json").write_text(json.dumps(record))
    (folder / "labels.json").write_text(json.dumps(labels(frames, label_size)))
    with VideoWriter(folder / "video.mp4", WIDTH, HEIGHT, RATE) as video:
        for frame in range(frames):
            video.write(picture(frame))
    encoded = cv2.imencode(".png", picture(0)[:, :, ::-1])[1]
    (folder / "video_preview.png").write_bytes(encoded.tobytes())
    return folder
