"""YOLO: a text file per picture for Ultralytics, see https://docs.ultralytics.com/datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.data.exports.base import DataSet
from infinity_frames.data.exports.escaping import yaml_string
from infinity_frames.data.exports.parts import require_distinct, role_of
from infinity_frames.data.exports.samples import Sample, encode, load, samples
from infinity_frames.data.labels import COCO_KEYPOINTS
from infinity_frames.data.rle import decode_outline
from infinity_frames.protocol.errors import MediaError, ResultsError
from infinity_frames.protocol.label_summary import PERSON
from infinity_frames.protocol.warnings import warn_user

__all__ = ["YoloDetect", "YoloPose", "YoloSegment"]

Label = Mapping[str, Any]
Numbers = NDArray[np.float64]

UNSEEN = "objects without a visible pixel, left out"
JOINED = "outlines of several parts, joined by lines a pixel wide"
FILLED = "outlines with holes, which were filled"
NO_OUTLINE = "objects without an outline, left out"
OTHERS = "objects that are no person, left out"
BESIDE = (
    "jobs whose other labels the format cannot hold: ids, crowds, occlusion, 3D labels, "
    "rep counts, cameras, masks; they remain in the downloaded files"
)


class _Yolo:
    """``images/<part>/``, ``labels/<part>/`` and ``data.yaml``.

    A row of a label file is the class number, counted from 0, and numbers relative to the size of
    the picture.
    """

    name = ""
    usage = ""
    takes_pictures = True
    takes_series = False

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Map the parts to train, val and test; warn if training and validation would be the same.

        Raises
        ------
        ResultsError
            A part is not one of the three, for example a fold.
        """
        names = {part: role_of(part) or "" for part in parts}
        unknown = [part for part, role in names.items() if not role]
        if unknown:
            raise ResultsError(
                f"YOLO has the parts train, val and test, not {', '.join(map(repr, unknown))}.",
                advice="Rename the values of the column 'split'. For folds, export once per fold: "
                "that fold as val, the others as train.",
                parts=unknown,
            )
        require_distinct(names)
        roles = _roles(list(names.values()))
        if roles["val"] == roles["train"]:
            warn_user(
                f"All jobs are in one part, {parts[0]}: data.yaml names it as val too, so scores "
                "describe pictures seen in training. Divide the jobs first: "
                '.infinity.split({"train": 0.8, "val": 0.2}).',
            )
        return names

    def write(self, folder: Path, data: DataSet) -> None:
        """Write pictures and label files of every part, then ``data.yaml``."""
        classes = self._classes(data)
        parts = []
        for part, members in data.parts():
            parts.append(part)
            for kind in ("images", "labels"):
                (folder / kind / part).mkdir(parents=True)
            for job in members:
                labels = load(job, data)
                if labels is None:
                    continue
                for sample in samples(job, labels, data):
                    picture = folder / "images" / part / f"{sample.stem}.{data.pictures}"
                    picture.write_bytes(encode(sample.picture, data.pictures))
                    text = "".join(f"{row}\n" for row in self._rows(sample, classes, data))
                    label_file = folder / "labels" / part / f"{sample.stem}.txt"
                    label_file.write_text(text, encoding="utf-8")
        (folder / "data.yaml").write_text(self._yaml(parts, classes, data), encoding="utf-8")
        data.losses[BESIDE] += len(data.jobs)

    def _classes(self, data: DataSet) -> dict[int, int]:
        """Return the file's class number by the data set's."""
        return {number: number for number in range(len(data.names))}

    def _rows(self, sample: Sample, classes: Mapping[int, int], data: DataSet) -> Iterator[str]:
        for number, annotation in sample.objects:
            box = annotation.get("bbox")
            if not box or box[2] <= 0 or box[3] <= 0:
                data.losses[UNSEEN] += 1
            elif number not in classes:
                data.losses[OTHERS] += 1
            else:
                numbers = self._numbers(annotation, sample, data)
                if numbers is not None:
                    row = (f"{value:.9g}" for value in numbers)
                    yield " ".join([str(classes[number]), *row])

    def _numbers(self, annotation: Label, sample: Sample, data: DataSet) -> Numbers | None:
        """Return a row without its class number; None leaves the object out. Here: the box."""
        del data
        return _box(annotation, sample)

    def _yaml(self, parts: Sequence[str], classes: Mapping[int, int], data: DataSet) -> str:
        roles = _roles(parts)
        lines = [f"{role}: images/{part}" for role, part in roles.items()]
        if roles["val"] == roles["train"]:
            lines.insert(
                0, "# There is one part only: val is train again, its scores say nothing new."
            )
        lines.append("names:")
        lines += [
            f"  {written}: {yaml_string(data.names[number])}" for number, written in classes.items()
        ]
        return "\n".join(lines) + "\n"


class YoloDetect(_Yolo):
    """Boxes."""

    name = "yolo-detect"
    usage = "`yolo detect train data=data.yaml`. Boxes only."


class YoloPose(_Yolo):
    """Boxes and 17 points of people."""

    name = "yolo-pose"
    usage = (
        "`yolo pose train data=data.yaml`. Boxes and 17 points of people; v is 0 outside the "
        "picture, 1 hidden, 2 visible."
    )

    def _classes(self, data: DataSet) -> dict[int, int]:
        return {data.names.index(PERSON): 0} if PERSON in data.names else {}

    def _numbers(self, annotation: Label, sample: Sample, data: DataSet) -> Numbers | None:
        del data
        return np.concatenate([_box(annotation, sample), _points(annotation, sample)])

    def _yaml(self, parts: Sequence[str], classes: Mapping[int, int], data: DataSet) -> str:
        places = {name: place for place, name in enumerate(COCO_KEYPOINTS)}
        mirrored = [places[_mirrored(name)] for name in COCO_KEYPOINTS]
        return (
            super()._yaml(parts, classes, data)
            + f"kpt_shape: [{len(COCO_KEYPOINTS)}, 3]\nflip_idx: {mirrored}\n"
        )


class YoloSegment(_Yolo):
    """A polygon around the visible pixels of each object."""

    name = "yolo-segment"
    usage = (
        "`yolo segment train data=data.yaml`. A polygon per object, through the centers of the "
        "outermost pixels."
    )

    def _numbers(self, annotation: Label, sample: Sample, data: DataSet) -> Numbers | None:
        polygon = _polygon(annotation, sample, data)
        return None if polygon is None else ((polygon + 0.5) / _size(sample)).ravel()


def _roles(parts: Sequence[str]) -> dict[str, str]:
    """Return the part that Ultralytics reads for each role; it needs train and val."""
    roles = {part: part for part in parts}
    roles.setdefault("train", parts[0])
    roles.setdefault("val", roles.get("test", parts[0]))
    return roles


def _size(sample: Sample) -> Numbers:
    return np.array([sample.width, sample.height], float)


def _box(annotation: Label, sample: Sample) -> Numbers:
    """Center and size of the box, relative to the picture."""
    corner, extent = np.array(annotation["bbox"], float).reshape(2, 2)
    size = _size(sample)
    return np.concatenate([(corner + extent / 2) / size, extent / size])


def _points(annotation: Label, sample: Sample) -> Numbers:
    flat = annotation.get("keypoints") or [0.0] * (3 * len(COCO_KEYPOINTS))
    points = np.asarray(flat, float).reshape(-1, 3).copy()
    points[:, :2] /= _size(sample)
    points[points[:, 2] == 0] = 0.0
    return points.ravel()


def _polygon(annotation: Label, sample: Sample, data: DataSet) -> NDArray[np.int64] | None:
    """Return the pixels around an object's mask, in order.

    Several parts are joined into one loop.
    """
    import cv2  # imported late: it needs libGL

    segmentation = annotation.get("segmentation")
    if not segmentation:
        data.losses[NO_OUTLINE] += 1
        return None
    try:
        mask = decode_outline(segmentation, sample.height, sample.width)
    except MediaError:
        data.losses[NO_OUTLINE] += 1
        return None
    # This drops only points on straight runs: the pixels inside stay the same.
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
        data.losses[UNSEEN] += 1
        return None
    data.losses[FILLED] += len(outer) < len(contours)
    data.losses[JOINED] += len(outer) > 1
    loop = _joined(outer)
    return loop if len(loop) > 2 else np.repeat(loop, 3, axis=0)


def _joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Join all parts into one closed loop: go to each from its nearest point, and back."""
    loop = max(parts, key=len)
    for part in sorted((p for p in parts if p is not loop), key=len, reverse=True):
        apart = ((loop[:, None] - part[None]) ** 2).sum(axis=2)
        at, to = np.unravel_index(int(apart.argmin()), apart.shape)
        there = np.roll(part, -to, axis=0)
        loop = np.concatenate([loop[: at + 1], there, there[:1], loop[at:]])
    return np.asarray(loop)


def _mirrored(name: str) -> str:
    sides = {"left": "right", "right": "left"}
    side, _, rest = name.partition("_")
    return f"{sides[side]}_{rest}" if side in sides else name
