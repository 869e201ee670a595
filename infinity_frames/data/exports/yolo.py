"""YOLO: a text file per picture, as Ultralytics reads it, https://docs.ultralytics.com/datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from infinity_frames.data.exports.samples import (
    Job,
    Losses,
    Sample,
    by_split,
    encoded,
    load,
    samples,
)
from infinity_frames.data.labels import COCO_KEYPOINTS, PERSON
from infinity_frames.data.rle import decode_outline
from infinity_frames.protocol.errors import MediaError

__all__ = ["roles", "write_yolo"]

UNSEEN = "objects without a visible pixel, left out"
JOINED = "outlines of several parts, joined by lines a pixel wide"
FILLED = "outlines with holes, which were filled"
NO_OUTLINE = "objects without an outline, left out"
OTHERS = "objects that are no person, left out"


def roles(splits: Sequence[str]) -> dict[str, str]:
    """Which part Ultralytics reads as what: it asks for train and val, whatever parts there are."""
    named = {split: split for split in splits}
    named.setdefault("train", splits[0])
    named.setdefault("val", named.get("test", splits[0]))
    return named


def write_yolo(
    target: Path, jobs: Sequence[Job], kind: str, losses: Losses, task: str
) -> Iterator[Job]:
    """Write ``images/<split>/``, ``labels/<split>/`` and ``data.yaml``; yields each job done.

    Parameters
    ----------
    target : Path
        An empty folder.
    jobs : sequence of Job
    kind : {"png", "jpg"}
        Of the pictures.
    losses : Losses
        Counts what does not fit.
    task : {"detect", "pose", "segment"}
        Rows are the class (from 0) and, relative to the picture's size: the box as middle and
        size; that and the 17 points as x, y, v; or a polygon around the visible pixels.
    """
    classes: dict[str, int] = {}
    parts = by_split(jobs)
    for split, members in parts.items():
        for folder in ("images", "labels"):
            (target / folder / split).mkdir(parents=True)
        for job in members:
            labels = load(job, losses)
            if labels is not None:
                names = {id_: str(c.get("name")) for id_, c in labels.categories.items()}
                for sample in samples(job, labels, losses):
                    picture = target / "images" / split / f"{sample.stem}.{kind}"
                    picture.write_bytes(encoded(sample.picture, kind))
                    rows = list(_rows(sample, names, classes, task, losses))
                    text = "".join(f"{row}\n" for row in rows)
                    (target / "labels" / split / f"{sample.stem}.txt").write_text(
                        text, encoding="utf-8"
                    )
            yield job
    (target / "data.yaml").write_text(_yaml(list(parts), list(classes), task), encoding="utf-8")


def _rows(
    sample: Sample,
    names: Mapping[Any, str],
    classes: dict[str, int],
    task: str,
    losses: Losses,
) -> Iterator[str]:
    size = np.array([sample.width, sample.height], float)
    for annotation in sample.annotations:
        name = names.get(annotation.get("category_id"), "unknown")
        box = annotation.get("bbox")
        if not box or box[2] <= 0 or box[3] <= 0:
            losses[UNSEEN] += 1
            continue
        if task == "pose" and name != PERSON:
            losses[OTHERS] += 1
            continue
        if task == "segment":
            polygon = _polygon(annotation, sample, losses)
            if polygon is None:
                continue
            numbers = ((polygon + 0.5) / size).ravel()
        else:
            corner, extent = np.array(box[:2], float), np.array(box[2:], float)
            numbers = np.concatenate([(corner + extent / 2) / size, extent / size])
            if task == "pose":
                numbers = np.concatenate([numbers, _points(annotation, size)])
        label = classes.setdefault(name, len(classes))
        yield " ".join([str(label), *(f"{value:.9g}" for value in numbers)])


def _points(annotation: Mapping[str, Any], size: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = annotation.get("keypoints") or [0.0] * (3 * len(COCO_KEYPOINTS))
    points = np.asarray(flat, float).reshape(-1, 3).copy()
    points[:, :2] /= size
    points[points[:, 2] == 0] = 0.0
    return points.ravel()


def _polygon(
    annotation: Mapping[str, Any], sample: Sample, losses: Losses
) -> NDArray[np.int64] | None:
    """The pixels around an object's mask, in order; several parts are joined into one loop."""
    import cv2  # only where outlines are traced: importing it needs libGL

    segmentation = annotation.get("segmentation")
    if not segmentation:
        losses[NO_OUTLINE] += 1
        return None
    try:
        mask = decode_outline(segmentation, sample.height, sample.width)
    except MediaError:
        losses[NO_OUTLINE] += 1
        return None
    # Only points on straight runs are dropped: the pixels inside stay the same.
    contours, tree = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    is_outer = [] if tree is None else tree[0][:, 3] < 0  # holes have a parent
    outer = [
        contour.reshape(-1, 2).astype(np.int64)
        for contour, keep in zip(contours, is_outer, strict=True)
        if keep
    ]
    if not outer:
        losses[UNSEEN] += 1
        return None
    losses[FILLED] += len(outer) < len(contours)
    losses[JOINED] += len(outer) > 1
    loop = _joined(outer)
    return loop if len(loop) > 2 else np.repeat(loop, 3, axis=0)


def _joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One closed loop through all parts, each reached from the nearest point and back again."""
    loop = max(parts, key=len)
    for part in sorted((p for p in parts if p is not loop), key=len, reverse=True):
        apart = ((loop[:, None] - part[None]) ** 2).sum(axis=2)
        at, to = np.unravel_index(int(apart.argmin()), apart.shape)
        there = np.roll(part, -to, axis=0)
        loop = np.concatenate([loop[: at + 1], there, there[:1], loop[at:]])
    return np.asarray(loop)


def _yaml(splits: Sequence[str], names: Sequence[str], task: str) -> str:
    named = roles(splits)
    lines = [f"{role}: images/{split}" for role, split in named.items()]
    if named["val"] == named["train"]:
        lines.insert(0, "# There is one part only: val is train again, its scores say nothing new.")
    lines.append("names:")
    # JSON strings are YAML strings, whatever is in a name.
    lines += [f"  {number}: {orjson.dumps(name).decode()}" for number, name in enumerate(names)]
    if task == "pose":
        places = {name: place for place, name in enumerate(COCO_KEYPOINTS)}
        mirrored = [places[_mirrored(name)] for name in COCO_KEYPOINTS]
        lines += [f"kpt_shape: [{len(COCO_KEYPOINTS)}, 3]", f"flip_idx: {mirrored}"]
    return "\n".join(lines) + "\n"


def _mirrored(name: str) -> str:
    sides = {"left": "right", "right": "left"}
    side, _, rest = name.partition("_")
    return f"{sides[side]}_{rest}" if side in sides else name
