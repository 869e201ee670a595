"""The files of one job as the pages show them: picture, video, labels by window, curves.

Labels are sent as they stand in the file. The page draws them, so that nothing is burned in.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from infinity_frames.data.layout import JobFiles
from infinity_frames.data.rle import decode_outline
from infinity_frames.io.pictures import read_picture
from infinity_frames.io.video import Picture, read_frames, video_info
from infinity_frames.protocol.errors import InfinityError, MediaError
from infinity_frames.vis.annotators import ARMATURE, COCO
from infinity_frames.vis.frame_labels import Annotation, FrameLabels, Keypoint, Labels
from infinity_frames.vis.style import color
from infinity_frames.web.pictures import shrunk

__all__ = [
    "MAX_WINDOW",
    "curves_json",
    "forget_labels",
    "labels_json",
    "media_json",
    "thumbnail",
]

MAX_WINDOW = 120
"""Most frames whose labels are sent at once."""
_MOST_POINTS = 20_000
"""Samples of a sensor curve beyond which only every n-th one is sent."""
_SKELETONS = {"armature": ARMATURE, "coco": COCO}
_THUMBNAIL = 240
_opening = threading.Lock()


def thumbnail(files: JobFiles, width: int = _THUMBNAIL) -> bytes:
    """Return the preview picture, else the first frame of the video, as JPEG.

    Raises
    ------
    MediaError
        The job has neither, or it cannot be read.
    """
    return shrunk(_picture(files), width)


def _picture(files: JobFiles) -> Picture:
    if files.picture is not None:
        return read_picture(files.picture)
    if files.video is None:
        raise MediaError(f"The job {files.job_id} has neither a picture nor a video.")
    first = next(islice(read_frames(files.video), 1), None)
    if first is None:
        raise MediaError(f"The video of the job {files.job_id} is empty.")
    return first


def media_json(files: JobFiles) -> bytes:
    """Describe the files of a job that a page can show, and why others cannot be read."""
    out: dict[str, Any] = {"problems": [], "video": False, "picture": files.picture is not None}
    if files.video is not None:
        try:
            info = video_info(files.video)
            out.update(width=info.width, height=info.height, frame_rate=info.frame_rate)
            out.update(frames=info.num_frames, video=True)
        except InfinityError as error:
            out["problems"].append(str(error))
    labels = _labels_or_problem(files, out["problems"])
    if labels is not None and len(labels):
        out.update(_described(labels))
        if not out["video"]:
            out.update(frames=1, frame_rate=1.0)
    return orjson.dumps(out)


def _labels_or_problem(files: JobFiles, problems: list[str]) -> Labels | None:
    if files.labels is None:
        return None
    try:
        return _labels(files.labels)
    except MediaError as error:
        problems.append(str(error))
        return None


def _labels(file: Path) -> Labels:
    with _opening:  # two requests for one job read the file once
        return _opened(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(file: Path, _changed: int) -> Labels:
    return Labels(file)


def forget_labels() -> None:
    """Free the memory of the labels files that were read last."""
    _opened.cache_clear()


def _described(labels: Labels) -> dict[str, Any]:
    first = labels.images[0]
    return {
        "labels": len(labels),
        "label_width": first.get("width") or 0,
        "label_height": first.get("height") or 0,
        "categories": [
            {"id": id_, "name": name, "color": color(id_)}
            for id_, name in labels.categories.items()
            if isinstance(id_, int)
        ],
        "bones": {
            name: [[joints.index(a), joints.index(b)] for a, b in bones]
            for name, bones in _SKELETONS.items()
            if (joints := _joints(name)) is not None
        },
        "joints": {name: _joints(name) for name in _SKELETONS},
    }


def _joints(skeleton: str) -> list[str]:
    return list(dict.fromkeys(joint for bone in _SKELETONS[skeleton] for joint in bone))


def labels_json(files: JobFiles, start: int, count: int) -> bytes:
    """Encode the labels of frames ``start`` to ``start + count - 1``, in the order of the video.

    Returns
    -------
    bytes
        JSON: ``start`` and ``frames``, a list of annotations for each frame. An annotation has
        ``c`` (category id) and, where the label has them, ``b`` (box: x, y, width, height),
        ``m`` (mask: height, width, run lengths in column order), ``a`` and ``k`` (armature and
        COCO points: x, y, visibility for each joint), ``q`` (cuboid: x, y, depth of 8 corners).

    Raises
    ------
    MediaError
        The labels cannot be read.
    """
    if files.labels is None:
        raise MediaError(f"The job {files.job_id} has no labels.")
    labels = _labels(files.labels)
    stop = min(len(labels), start + min(count, MAX_WINDOW))
    frames = [_frame(labels.frame(position)) for position in range(start, stop)]
    return orjson.dumps({"start": start, "frames": frames})


def _frame(frame: FrameLabels) -> list[dict[str, Any]]:
    # Small objects last: the mask of a large object does not hide one in front of it.
    order = sorted(frame.annotations, key=lambda item: -item.area)
    return [_compact(item, frame.height, frame.width) for item in order]


def _compact(item: Annotation, height: int, width: int) -> dict[str, Any]:
    out: dict[str, Any] = {"c": item.category_id}
    if item.bbox is not None:
        out["b"] = item.bbox
    if item.segmentation:
        out["m"] = [height, width, _runs(item.segmentation, height, width)]
    for key, skeleton, points in (("a", "armature", item.armature), ("k", "coco", item.coco)):
        if points:
            out[key] = _flat(points, _joints(skeleton))
    if item.cuboid is not None:
        out["q"] = item.cuboid.tolist()
    return out


def _flat(points: Mapping[str, Keypoint], joints: Sequence[str]) -> list[float]:
    """Return x, y and visibility of each joint; visibility is 0 where a point is missing."""
    rows = (points.get(joint) for joint in joints)
    return [value for p in rows for value in ((p.x, p.y, p.v) if p is not None else (0, 0, 0))]


def _runs(segmentation: Any, height: int, width: int) -> Any:
    """Run lengths: COCO's text as it stands, anything else as a list of numbers."""
    if isinstance(segmentation, Mapping) and segmentation.get("size") == [height, width]:
        counts = segmentation.get("counts")
        if isinstance(counts, str):
            return counts
    flat = decode_outline(segmentation, height, width).T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
    return np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()


def curves_json(files: JobFiles) -> bytes:
    """Encode the scalar labels of every frame and the sensor data, for plots.

    Returns
    -------
    bytes
        JSON: ``frames`` (name to a value per frame), ``sensor`` (name to values), ``time`` (seconds
        of each sensor sample), ``step`` (every how many samples one is sent).
    """
    problems: list[str] = []
    labels = _labels_or_problem(files, problems)
    frames = {}
    if labels is not None:
        for name in labels.scalar_names:
            frames[name] = [_number(image.get(name)) for image in labels.images]
    out: dict[str, Any] = {"frames": frames, "sensor": {}, "time": [], "step": 1}
    if files.series is not None:
        try:
            out.update(_sensor(pd.read_csv(files.series)))
        except (ValueError, OSError) as error:
            problems.append(f"The sensor data cannot be read: {error}.")
    return orjson.dumps({**out, "problems": problems})


def _sensor(table: pd.DataFrame) -> dict[str, Any]:
    step = max(1, -(-len(table) // _MOST_POINTS))
    numeric = table.select_dtypes("number").iloc[::step]
    columns = {
        str(name): [_number(value) for value in np.round(values.to_numpy(float), 5).tolist()]
        for name, values in numeric.items()
    }
    time = columns.pop("time", None) or [float(row) for row in range(len(numeric))]
    return {"sensor": columns, "time": time, "step": step}


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float) and np.isfinite(value):
        return float(value)
    return None
