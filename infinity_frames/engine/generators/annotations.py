"""COCO annotations and mask pictures of a frame, from the silhouettes of its objects."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.job_files import mask_png, run_lengths
from infinity_frames.protocol.errors import RenderError

__all__ = [
    "Annotator",
    "Category",
    "FrameLabels",
    "LabeledObject",
    "category_table",
    "distinct_colors",
]

Mask = NDArray[np.bool_]

_GOLDEN = 0.6180339887498949
_MOST_OBJECTS = 255  # mask pictures are encoded from 8-bit indices


@dataclass(frozen=True)
class Category:
    """A category of labeled objects.

    Parameters
    ----------
    name : str
    keypoints : tuple of str
        Names of the keypoints that every object of this category has, in order.
    skeleton : tuple of (int, int)
        Pairs of keypoints to connect when drawing, counted from 1 as in COCO.
    id : int, optional
        ``category_id`` in labels.json; default: the position in the list of categories, plus 1.
    color : (int, int, int), optional
        sRGB color in the semantic masks, 0..255; default: a color that differs from the others.
    """

    name: str
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    id: int | None = None
    color: tuple[int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class LabeledObject:
    """One object in one frame.

    Parameters
    ----------
    category : str
        Name of its category.
    instance : int
        Number of the object, the same in every frame of the job, 0..254.
    mask : (H, W) bool array
        Its whole silhouette, including parts that other objects hide.
    keypoints : (K, 2) or (K, 3) array, optional
        x and y in pixels (pixel column c covers [c, c + 1)), in the order of the category's names.
        A third column gives COCO's visibility (0 outside the picture, 1 hidden, 2 visible); without
        it, a keypoint is visible where its pixel shows the object.
    extra : mapping of str to value
        Further entries of the annotation; each becomes a column of the annotation table.
    """

    category: str
    instance: int
    mask: Mask
    keypoints: NDArray[np.float64] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FrameLabels:
    """All labels of one frame.

    Parameters
    ----------
    image : mapping
        Its entry of ``images`` in labels.json.
    annotations : list of dict
        Its entries of ``annotations``.
    masks : mapping of str to bytes
        PNG files by their names in segmentation.zip.
    """

    image: Mapping[str, Any]
    annotations: Sequence[Mapping[str, Any]]
    masks: Mapping[str, bytes]


@cache
def distinct_colors(count: int, offset: float = 0.0) -> NDArray[np.uint8]:
    """Colors that are easy to tell apart: none is black, and the first 255 all differ.

    Parameters
    ----------
    count : int
    offset : float
        Rotation of the hue, 0..1.

    Returns
    -------
    (count, 3) uint8 array
        sRGB.
    """
    colors = []
    for index in range(count):
        # Hues a golden angle apart, in three brightnesses.
        hue = (offset + index * _GOLDEN) % 1.0
        value = (1.0, 0.75, 0.55)[index % 3]
        saturation = (0.85, 0.65)[index // 3 % 2]
        colors.append(colorsys.hsv_to_rgb(hue, saturation, value))
    table = np.round(np.array(colors).reshape(count, 3) * 255).astype(np.uint8)
    table.flags.writeable = False  # every caller gets the same cached array
    return table


def category_table(categories: Sequence[Category]) -> list[dict[str, Any]]:
    """Build the ``categories`` of labels.json.

    Parameters
    ----------
    categories : sequence of Category

    Returns
    -------
    list of dict
        ``id``, ``name``, ``color`` (normalized RGB of the semantic masks), and ``keypoints`` and
        ``skeleton`` where the category has keypoints.
    """
    table = []
    for position, (category, color) in enumerate(
        zip(categories, _category_colors(categories), strict=True)
    ):
        entry: dict[str, Any] = {
            "id": position + 1 if category.id is None else category.id,
            "name": category.name,
            "color": (color / 255).tolist(),
        }
        if category.keypoints:
            entry["keypoints"] = list(category.keypoints)
            entry["skeleton"] = [list(bone) for bone in category.skeleton]
        table.append(entry)
    return table


class Annotator:
    """Labels frame after frame; annotation ids count through the whole job.

    Parameters
    ----------
    categories : sequence of Category
    occlusion : bool
        Whether to add ``percent_occlusion`` and a mask picture of each object alone.
    first_id : int
        ``id`` of the first annotation.
    instance_colors : (N, 3) uint8 array, optional
        sRGB color of each instance in the instance masks; default: `distinct_colors`.
    """

    def __init__(
        self,
        categories: Sequence[Category],
        *,
        occlusion: bool = True,
        first_id: int = 1,
        instance_colors: NDArray[np.uint8] | None = None,
    ) -> None:
        self._categories = {category.name: category for category in categories}
        self._ids = {entry["name"]: entry["id"] for entry in category_table(categories)}
        self._order = {category.name: index for index, category in enumerate(categories)}
        black = np.zeros((1, 3), np.uint8)
        if instance_colors is None:
            instance_colors = distinct_colors(_MOST_OBJECTS, 0.55)
        self._instance_colors = np.vstack([black, instance_colors])
        self._category_colors = np.vstack([black, _category_colors(categories)])
        self._occlusion = occlusion
        self._next_id = first_id

    def label(
        self,
        frame: int,
        size: tuple[int, int],
        objects: Iterable[LabeledObject],
        image: Mapping[str, Any] | None = None,
    ) -> FrameLabels:
        """Make the labels of the next frame.

        Parameters
        ----------
        frame : int
            Frame number.
        size : (int, int)
            Height and width of the picture, px.
        objects : iterable of LabeledObject
            From the farthest to the nearest: each object hides the objects listed before it. One
            without a visible pixel gets no annotation.
        image : mapping, optional
            Further entries for the frame's row of ``images``.

        Returns
        -------
        FrameLabels
            Annotations are in the order of their instances.

        Raises
        ------
        RenderError
            An object does not fit the picture or its category; the message names it.
        """
        found = list(objects)
        self._check(frame, size, found)
        layers = np.zeros(size, np.uint8)
        for layer, item in enumerate(found, start=1):
            layers[item.mask] = layer
        annotations: list[Mapping[str, Any]] = []
        masks = self._pictures(frame, layers, found)
        stem = _stem(frame)
        for layer, item in sorted(enumerate(found, start=1), key=lambda pair: pair[1].instance):
            seen = layers == layer
            if not seen.any():
                continue
            annotations.append(self._annotation(frame, item, seen))
            if self._occlusion:
                colors = self._instance_colors[[0, item.instance + 1]]
                masks[f"{stem}.iseg.{self._next_id:06d}.png"] = mask_png(item.mask, colors)
            self._next_id += 1
        height, width = size
        about = {"id": frame, "width": width, "height": height, "frame_number": frame}
        return FrameLabels({**about, **(image or {})}, annotations, masks)

    def _check(self, frame: int, size: tuple[int, int], objects: Sequence[LabeledObject]) -> None:
        if len(objects) > _MOST_OBJECTS:
            raise RenderError(
                f"Frame {frame} has {len(objects)} objects; at most {_MOST_OBJECTS} are possible."
            )
        instances: set[int] = set()
        for item in objects:
            problem = self._problem(item, size)
            if item.instance in instances:
                problem = "the same instance number is used twice"
            if problem:
                raise RenderError(
                    f"Frame {frame}, object {item.instance} ({item.category}): {problem}."
                )
            instances.add(item.instance)

    def _problem(self, item: LabeledObject, size: tuple[int, int]) -> str | None:
        if item.category not in self._categories:
            return f"unknown category. Available: {', '.join(self._categories)}"
        last = len(self._instance_colors) - 2
        if not 0 <= item.instance <= last:
            return f"instance numbers must be 0..{last}"
        if item.mask.shape != size or item.mask.dtype != np.bool_:
            return (
                f"the mask is {item.mask.dtype} of shape {item.mask.shape}; expected bool of "
                f"shape {size}"
            )
        names = self._categories[item.category].keypoints
        shape = None if item.keypoints is None else np.shape(item.keypoints)
        if names and shape not in {(len(names), 2), (len(names), 3)}:
            return f"expected {len(names)} keypoints of (x, y) or (x, y, v), got shape {shape}"
        if not names and shape is not None:
            return "it has keypoints, but its category names none"
        return None

    def _pictures(
        self, frame: int, layers: NDArray[np.uint8], objects: Sequence[LabeledObject]
    ) -> dict[str, bytes]:
        """Return the semantic and the instance mask of a frame, by their file names."""
        category = [0, *(self._order[item.category] + 1 for item in objects)]
        instance = [0, *(item.instance + 1 for item in objects)]
        stem = _stem(frame)
        return {
            f"{stem}.cseg.png": mask_png(layers, self._category_colors[category]),
            f"{stem}.iseg.png": mask_png(layers, self._instance_colors[instance]),
        }

    def _annotation(self, frame: int, item: LabeledObject, seen: Mask) -> dict[str, Any]:
        area = int(np.count_nonzero(seen))
        annotation: dict[str, Any] = {
            "id": self._next_id,
            "image_id": frame,
            "category_id": self._ids[item.category],
            "instance_id": item.instance,
            "iscrowd": 0,
            "color": (self._instance_colors[item.instance + 1] / 255).tolist(),
            "bbox": list(cv2.boundingRect(seen.view(np.uint8))),
            "segmentation": run_lengths(seen[None])[0],
            "area": area,
        }
        if self._occlusion:
            hidden = 1.0 - area / np.count_nonzero(item.mask)
            annotation["percent_occlusion"] = round(100.0 * hidden, 3)
        if item.keypoints is not None:
            points = _with_visibility(np.asarray(item.keypoints, float), seen)
            annotation["keypoints"] = [
                value for x, y, v in points.tolist() for value in (x, y, int(v))
            ]
            annotation["num_keypoints"] = int(np.count_nonzero(points[:, 2]))
        return annotation | dict(item.extra)


def _stem(frame: int) -> str:
    return f"image.{frame:06d}"


def _category_colors(categories: Sequence[Category]) -> NDArray[np.uint8]:
    colors = distinct_colors(len(categories), 0.05).copy()
    for index, category in enumerate(categories):
        if category.color is not None:
            colors[index] = category.color
    return colors


def _with_visibility(points: NDArray[np.float64], seen: Mask) -> NDArray[np.float64]:
    """Keypoints as COCO writes them, (K, 3): x, y, v; all 0 outside the picture."""
    height, width = seen.shape
    x, y = points[:, 0], points[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    column, row = np.where(inside, x, 0).astype(np.intp), np.where(inside, y, 0).astype(np.intp)
    states = points[:, 2] if points.shape[1] == 3 else np.where(seen[row, column], 2, 1)
    states = np.where(inside, states, 0)
    return np.where(
        (states > 0)[:, None], np.column_stack([np.round(x, 3), np.round(y, 3), states]), 0.0
    )
