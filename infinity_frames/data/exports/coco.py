"""COCO: one JSON file per part, see https://cocodataset.org/#format-data."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from infinity_frames.data.exports.base import DataSet, Job
from infinity_frames.data.exports.parts import plain_names
from infinity_frames.data.exports.samples import Sample, encode, load, samples
from infinity_frames.data.labels import COCO_KEYPOINTS, LabelsFile, has_sound_geometry
from infinity_frames.protocol.label_summary import PERSON

__all__ = ["Coco"]

UNBOXED = "annotations without a box, left out: COCO has none"
ARCHIVES = "jobs whose archives of masks are not exported; they remain in segmentation.zip"
# The limbs between the 17 points as the COCO data set lists them, counted from 1.
_LIMBS = [
    *([16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8]),
    *([7, 9], [8, 10], [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7]),
]


class Coco:
    """COCO: ``annotations/<part>.json`` and ``images/<part>/``.

    Outlines are copied as they are, run lengths or polygons, and so is every further label. Ids
    are numbered again; ``job_id``, ``frame_number`` and the ids within the job are kept as extra
    fields.
    """

    name = "coco"
    usage = (
        "`pycocotools.coco.COCO('annotations/<part>.json')`, or "
        "`torchvision.datasets.CocoDetection('images/<part>', 'annotations/<part>.json')`: "
        "`file_name` is relative to `images/<part>`. `attributes` of an image holds the "
        "parameters of its job. Outlines and all further labels are as the jobs have them."
    )
    takes_pictures = True
    takes_series = False

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Return every part under its own name."""
        return plain_names(parts)

    def write(self, folder: Path, data: DataSet) -> None:
        """Write one JSON file and one folder of pictures for each split."""
        categories = [
            {"supercategory": category.name, **category.details, "id": place, "name": category.name}
            for place, category in enumerate(data.categories, 1)
        ]
        (folder / "annotations").mkdir()
        for part, members in data.parts():
            pictures = folder / "images" / part
            pictures.mkdir(parents=True)
            with _Writer(folder / "annotations" / f"{part}.json") as file:
                for job in members:
                    labels = load(job, data)
                    if labels is None:
                        continue
                    _describe_points(labels, categories)
                    video = file.add("videos", _video(job, labels))
                    for sample in samples(job, labels, data):
                        _add_sample(file, sample, video, pictures, data)
                file.finish(categories)
        data.losses[ARCHIVES] += sum(job.files.segmentation is not None for job in data.jobs)


def _add_sample(file: _Writer, sample: Sample, video: int, pictures: Path, data: DataSet) -> None:
    name = f"{sample.stem}.{data.pictures}"
    (pictures / name).write_bytes(encode(sample.picture, data.pictures))
    image = file.add(
        "images",
        dict(sample.image)
        | {
            "file_name": name,
            "video_id": video,
            "job_id": sample.job.job_id,
            "frame_number": sample.number,
            "job_image_id": sample.image.get("id"),
            "attributes": dict(sample.job.parameters),
        },
    )
    for number, annotation in sample.objects:
        if annotation.get("bbox"):
            file.add("annotations", _annotation(annotation, image, number + 1))
        else:
            data.losses[UNBOXED] += 1


def _annotation(annotation: Mapping[str, Any], image: int, category: int) -> dict[str, Any]:
    made = dict(annotation) | {
        "image_id": image,
        "category_id": category,
        "job_annotation_id": annotation.get("id"),
        "iscrowd": annotation.get("iscrowd", 0),
    }
    box = annotation["bbox"]
    made.setdefault("area", box[2] * box[3])
    return made


def _describe_points(labels: LabelsFile, categories: Sequence[dict[str, Any]]) -> None:
    """Name the 17 points in the category of people, once labels have them."""
    for category in categories:
        if category["name"] == PERSON and "keypoints" not in category and _has_points(labels):
            category |= {"keypoints": COCO_KEYPOINTS, "skeleton": _LIMBS}


def _has_points(labels: LabelsFile) -> bool:
    width = 3 * len(COCO_KEYPOINTS)
    return any(
        len(a.get("keypoints") or ()) == width
        for a in labels.annotations()
        if has_sound_geometry(a)
    )


def _video(job: Job, labels: LabelsFile) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "generator": job.generator,
        "attributes": dict(job.parameters),
        "info": labels.info,
    }


class _Writer:
    """A COCO file written row by row; each list grows in a temporary file until all are joined.

    Parameters
    ----------
    path : Path
        The file.
    """

    LISTS = ("videos", "images", "annotations")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._counts = dict.fromkeys(self.LISTS, 0)
        self._files = {name: path.with_suffix(f".{name}").open("w+b") for name in self.LISTS}

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        for name, file in self._files.items():
            file.close()
            self.path.with_suffix(f".{name}").unlink()

    def add(self, name: str, row: Mapping[str, Any]) -> int:
        """Append a row and return its id, counted from 1."""
        self._counts[name] += 1
        number = self._counts[name]
        self._files[name].write(b",\n" if number > 1 else b"\n")
        self._files[name].write(orjson.dumps({**row, "id": number}))
        return number

    def finish(self, categories: Sequence[Mapping[str, Any]]) -> None:
        """Join the lists into the COCO file."""
        info = {"description": "rendered with infinity_frames"}
        with self.path.open("wb") as out:
            out.write(b'{"info":' + orjson.dumps(info) + b',"licenses":[],"categories":')
            out.write(orjson.dumps(categories))
            for name, file in self._files.items():
                out.write(f',"{name}":['.encode())
                file.seek(0)
                shutil.copyfileobj(file, out)
                out.write(b"]")
            out.write(b"}")
