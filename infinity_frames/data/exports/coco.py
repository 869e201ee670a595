"""COCO: one JSON file per part, https://cocodataset.org/#format-data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from infinity_frames.data.exports.samples import Job, Losses, by_split, encoded, load, samples
from infinity_frames.data.labels import COCO_KEYPOINTS, PERSON, LabelsFile

__all__ = ["write_coco"]

UNBOXED = "annotations without a box, left out: COCO has none"
UNLISTED = "annotations of a category that their job does not list, left out"
# The 17 points' limbs as the COCO data set lists them, counted from 1.
_LIMBS = [
    *([16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8]),
    *([7, 9], [8, 10], [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7]),
]


def write_coco(target: Path, jobs: Sequence[Job], kind: str, losses: Losses) -> Iterator[Job]:
    """Write ``annotations/<split>.json`` and ``images/<split>/``; yields each job done.

    Outlines are copied as they are, run lengths or polygons, and so is every further label;
    ids are numbered anew, and ``job_id``, ``frame_number`` and the job's own ids are kept beside.
    """
    categories: dict[str, dict[str, Any]] = {}
    (target / "annotations").mkdir()
    for split, members in by_split(jobs).items():
        folder = target / "images" / split
        folder.mkdir(parents=True)
        with _Writer(target / "annotations" / f"{split}.json") as file:
            for job in members:
                labels = load(job, losses)
                if labels is not None:
                    own = _categories(labels, categories)
                    video = file.add("videos", _video(job, labels))
                    for sample in samples(job, labels, losses):
                        name = f"{sample.stem}.{kind}"
                        (folder / name).write_bytes(encoded(sample.picture, kind))
                        image = dict(sample.image) | {
                            "file_name": f"{split}/{name}",
                            "video_id": video,
                            "job_id": job.files.job_id,
                            "frame_number": sample.number,
                            "job_image_id": sample.image.get("id"),
                        }
                        at = file.add("images", image)
                        for annotation in sample.annotations:
                            if not annotation.get("bbox"):
                                losses[UNBOXED] += 1
                                continue
                            if annotation.get("category_id") not in own:
                                losses[UNLISTED] += 1
                                continue
                            file.add("annotations", _annotation(annotation, at, own))
                yield job
            # All parts number categories alike: the later ones only add to them.
            file.finish(list(categories.values()))


def _annotation(
    annotation: Mapping[str, Any], image: int, categories: Mapping[Any, int]
) -> dict[str, Any]:
    made = dict(annotation) | {
        "image_id": image,
        "category_id": categories[annotation["category_id"]],
        "job_annotation_id": annotation.get("id"),
        "iscrowd": annotation.get("iscrowd", 0),
    }
    box = annotation["bbox"]
    made.setdefault("area", box[2] * box[3])
    return made


def _categories(labels: LabelsFile, known: dict[str, dict[str, Any]]) -> dict[Any, int]:
    """Number a job's categories by name among those of all jobs; from the job's id to ours."""
    numbers = {}
    for category in labels.categories.values():
        name = str(category.get("name", category.get("id")))
        entry = known.setdefault(name, {**category, "id": len(known) + 1, "name": name})
        entry.setdefault("supercategory", name)
        if name == PERSON and "keypoints" not in entry and _has_points(labels):
            entry |= {"keypoints": COCO_KEYPOINTS, "skeleton": _LIMBS}
        numbers[category.get("id")] = entry["id"]
    return numbers


def _has_points(labels: LabelsFile) -> bool:
    width = 3 * len(COCO_KEYPOINTS)
    return any(len(a.get("keypoints") or ()) == width for a in labels.annotations())


def _video(job: Job, labels: LabelsFile) -> dict[str, Any]:
    return {
        "job_id": job.files.job_id,
        "generator": job.generator,
        "info": labels.info,
    }


class _Writer:
    """A COCO file written row by row: its lists grow in files of their own until they are joined.

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name, file in self._files.items():
            file.close()
            self.path.with_suffix(f".{name}").unlink()

    def add(self, name: str, row: Mapping[str, Any]) -> int:
        """Append a row; its id, counted from 1."""
        self._counts[name] += 1
        number = self._counts[name]
        self._files[name].write(b",\n" if number > 1 else b"\n")
        self._files[name].write(orjson.dumps({**row, "id": number}))
        return number

    def finish(self, categories: Sequence[Mapping[str, Any]]) -> None:
        """Join the lists."""
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
