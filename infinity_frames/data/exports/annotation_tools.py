"""Files that annotation tools import: CVAT for images 1.1, and Label Studio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import XMLGenerator, quoteattr
from xml.sax.xmlreader import AttributesImpl

import numpy as np
import orjson
from numpy.typing import NDArray

from infinity_frames.data.exports.base import DataSet
from infinity_frames.data.exports.escaping import xml_text
from infinity_frames.data.exports.parts import plain_names
from infinity_frames.data.exports.samples import Sample, encode, load, samples
from infinity_frames.data.labels import COCO_KEYPOINTS
from infinity_frames.data.rle import decode_outline
from infinity_frames.protocol.errors import MediaError

__all__ = ["Cvat", "LabelStudio"]

BESIDE = (
    "jobs whose other labels the format cannot hold: ids, crowds, 3D labels, rep counts, "
    "cameras; they remain in the downloaded files"
)
_HIDDEN_PERCENT = 50.0
"""Occlusion from which CVAT shows an object as occluded."""


class _Tool:
    """Pictures of every part under ``images/<part>/``, and one file of labels for all."""

    name = ""
    usage = ""
    takes_pictures = True
    takes_series = False

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Return every part under its own name."""
        return plain_names(parts)

    def _pictures(self, folder: Path, data: DataSet) -> Iterator[tuple[str, str, Sample]]:
        """Write each picture; yield its part, its path within `folder`, and the sample."""
        for part, members in data.parts():
            (folder / "images" / part).mkdir(parents=True)
            for job in members:
                labels = load(job, data)
                if labels is None:
                    continue
                for sample in samples(job, labels, data):
                    name = f"images/{part}/{sample.stem}.{data.pictures}"
                    (folder / name).write_bytes(encode(sample.picture, data.pictures))
                    yield part, name, sample
        data.losses[BESIDE] += len(data.jobs)


class Cvat(_Tool):
    """``annotations.xml`` of the format "CVAT for images 1.1"."""

    name = "cvat"
    usage = (
        "Create a CVAT task with the labels of the list below and the files of `images/`, then "
        "*Upload annotations*, format *CVAT 1.1*, with `annotations.xml`. Outlines are masks; "
        "points of people are skeletons of the label `person`."
    )

    def write(self, folder: Path, data: DataSet) -> None:
        """Write the pictures and ``annotations.xml``, an element at a time."""
        with (folder / "annotations.xml").open("w", encoding="utf-8") as file:
            xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
            xml.startDocument()
            xml.startElement("annotations", _texts({}))
            _element(xml, "version", {}, "1.1")
            for number, (part, name, sample) in enumerate(self._pictures(folder, data)):
                attributes = {
                    "id": number,
                    "name": name.removeprefix("images/"),
                    "subset": part,
                    "width": sample.width,
                    "height": sample.height,
                }
                xml.startElement("image", _texts(attributes))
                for category, annotation in sample.objects:
                    self._object(xml, xml_text(data.names[category]), annotation, sample)
                xml.endElement("image")
            xml.endElement("annotations")
            xml.endDocument()

    def _object(
        self, xml: XMLGenerator, label: str, annotation: Mapping[str, Any], sample: Sample
    ) -> None:
        hidden = float(annotation.get("percent_occlusion") or 0.0) >= _HIDDEN_PERCENT
        common = {"label": label, "source": "file", "occluded": int(hidden), "z_order": 0}
        mask = _mask(annotation, sample)
        if mask is not None:
            top, left, cut = _cut(mask)
            runs = ", ".join(map(str, _runs(cut)))
            place = {"left": left, "top": top, "width": cut.shape[1], "height": cut.shape[0]}
            _element(xml, "mask", {**common, "rle": runs, **place})
        elif annotation.get("bbox"):
            x, y, width, height = map(float, annotation["bbox"])
            place = {"xtl": x, "ytl": y, "xbr": x + width, "ybr": y + height}
            _element(xml, "box", {**common, **{k: f"{v:.2f}" for k, v in place.items()}})
        points = _points(annotation)
        if points is not None:
            xml.startElement("skeleton", _texts({"label": label, "source": "file", "z_order": 0}))
            for name, (x, y, visible) in zip(COCO_KEYPOINTS, points.tolist(), strict=True):
                _element(
                    xml,
                    "points",
                    {
                        "label": name,
                        "outside": int(visible == 0),
                        "occluded": int(visible == 1),
                        "points": f"{x:.2f},{y:.2f}",
                    },
                )
            xml.endElement("skeleton")


class LabelStudio(_Tool):
    """``tasks.json``, and ``label_config.xml`` for the labeling interface."""

    name = "label-studio"
    usage = (
        "Create a Label Studio project with `label_config.xml` as its labeling interface, add this "
        "folder as local storage (`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT` is this folder), and "
        "import `tasks.json`. Labels are annotations: boxes and points; parameters are the "
        "task's data."
    )

    def write(self, folder: Path, data: DataSet) -> None:
        """Write the pictures, ``tasks.json`` and ``label_config.xml``."""
        with (folder / "tasks.json").open("wb") as file:
            separator = b"[\n"
            for part, name, sample in self._pictures(folder, data):
                file.write(separator + orjson.dumps(self._task(part, name, sample, data)))
                separator = b",\n"
            file.write(b"\n]\n" if separator != b"[\n" else b"[]\n")
        (folder / "label_config.xml").write_text(self._config(data), encoding="utf-8")

    def _task(self, part: str, name: str, sample: Sample, data: DataSet) -> dict[str, Any]:
        results = [
            result
            for number, annotation in sample.objects
            # The same text as in the configuration, which is XML.
            for result in self._results(xml_text(data.names[number]), annotation, sample)
        ]
        return {
            "data": {
                "image": f"/data/local-files/?d={name}",
                "part": part,
                "job_id": sample.job.job_id,
                "frame_number": sample.number,
                **{f"parameter_{key}": value for key, value in sample.job.parameters.items()},
            },
            "annotations": [{"result": results, "was_cancelled": False, "ground_truth": True}],
        }

    def _results(
        self, label: str, annotation: Mapping[str, Any], sample: Sample
    ) -> Iterator[dict[str, Any]]:
        size = {"original_width": sample.width, "original_height": sample.height}
        common = {**size, "image_rotation": 0, "to_name": "image"}
        identity = str(annotation.get("id"))
        if annotation.get("bbox"):
            x, y, width, height = map(float, annotation["bbox"])
            value = {
                "x": 100 * x / sample.width,
                "y": 100 * y / sample.height,
                "width": 100 * width / sample.width,
                "height": 100 * height / sample.height,
                "rotation": 0,
                "rectanglelabels": [label],
            }
            kind = {"type": "rectanglelabels", "from_name": "box"}
            yield {**common, **kind, "id": f"box{identity}", "value": value}
        points = _points(annotation)
        for name, (x, y, visible) in zip(
            COCO_KEYPOINTS, () if points is None else points.tolist(), strict=points is not None
        ):
            if visible > 0:
                value = {
                    "x": 100 * x / sample.width,
                    "y": 100 * y / sample.height,
                    "width": 0.5,
                    "keypointlabels": [name],
                }
                kind = {"type": "keypointlabels", "from_name": "point"}
                region = {"id": f"{name}{identity}", "parentID": f"box{identity}"}
                yield {**common, **kind, **region, "value": value}

    def _config(self, data: DataSet) -> str:
        names = map(xml_text, data.names)
        boxes = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in names)
        points = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in COCO_KEYPOINTS)
        return (
            '<View>\n  <Image name="image" value="$image"/>\n'
            f'  <RectangleLabels name="box" toName="image">\n{boxes}  </RectangleLabels>\n'
            f'  <KeyPointLabels name="point" toName="image">\n{points}  </KeyPointLabels>\n'
            "</View>\n"
        )


def _texts(attributes: Mapping[str, Any]) -> AttributesImpl[str]:
    return AttributesImpl({name: xml_text(str(value)) for name, value in attributes.items()})


def _element(xml: XMLGenerator, name: str, attributes: Mapping[str, Any], text: str = "") -> None:
    xml.startElement(name, _texts(attributes))
    xml.characters(text)
    xml.endElement(name)


def _mask(annotation: Mapping[str, Any], sample: Sample) -> NDArray[np.bool_] | None:
    """Return the visible pixels of an object, or None if it has no outline."""
    if not annotation.get("segmentation"):
        return None
    try:
        mask = decode_outline(annotation["segmentation"], sample.height, sample.width)
    except MediaError:
        return None
    return np.asarray(mask, bool) if mask.any() else None


def _cut(mask: NDArray[np.bool_]) -> tuple[int, int, NDArray[np.bool_]]:
    """Return the part of a mask within its bounding box, with the first row and column of that."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return top, left, mask[top : rows[-1] + 1, left : columns[-1] + 1]


def _runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of a mask, row by row; the first run is outside, and may be 0 long."""
    flat = np.concatenate([[False], mask.ravel()])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    lengths = np.diff(np.concatenate([[0], ends, [mask.size]]))
    return [int(length) for length in lengths]


def _points(annotation: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the 17 points of a person, (17, 3), or None."""
    flat = annotation.get("keypoints")
    if not flat or len(flat) != 3 * len(COCO_KEYPOINTS):
        return None
    return np.asarray(flat, float).reshape(-1, 3)
