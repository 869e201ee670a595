"""Check the annotations of a frame against its masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.data.masks import MaskArchive
from infinity_frames.data.rle import decode_outline
from infinity_frames.data.verify.report import AuditReport
from infinity_frames.protocol.errors import MediaError, ResultsError

__all__ = ["MaskAudit"]

Mask = NDArray[np.bool_]
Codes = NDArray[np.uint32]

_ALPHA = np.array([0, 0, 0, 255], np.uint8).view(np.uint32)[0]
_OUTLINE = 1.5
"""Largest distance of a polygon's box from the mask's, px: polygons cut or enclose pixels."""
_PERCENT = 0.01
"""Largest error of a percentage: labels round it."""


class MaskAudit:
    """Boxes, areas, outlines and occlusion of one job, a frame at a time.

    Parameters
    ----------
    masks : MaskArchive or None
        Without masks, boxes and areas are compared with the segmentations.
    annotations : sequence of mapping
        All annotations of the job: an object keeps its color through the video.
    categories : mapping
        By id.
    report : AuditReport
        Receives the comparisons.
    """

    def __init__(
        self,
        masks: MaskArchive | None,
        annotations: Sequence[Mapping[str, Any]],
        categories: Mapping[Any, Mapping[str, Any]],
        report: AuditReport,
    ) -> None:
        self._masks = masks
        self._categories = categories
        self._report = report
        self._owners: dict[int, Any] = {}
        for annotation in annotations:
            color = _code(annotation.get("color"))
            if color is not None:
                self._owners.setdefault(color, annotation.get("category_id"))

    def frame(
        self, number: int, image: Mapping[str, Any], present: Sequence[Mapping[str, Any]]
    ) -> dict[Any, Mask]:
        """Check the annotations of a frame; return the visible pixels of each by annotation id."""
        size = image.get("height"), image.get("width")
        codes = self._read("iseg", number, size)
        if codes is not None:
            self._coverage(number, codes, present)
            self._semantics(number, codes, size)
        visible = {}
        for annotation in present:
            mask = self._mask(number, annotation, codes, size)
            if mask is not None:
                visible[annotation.get("id")] = mask
                self._shape(number, annotation, mask)
                self._occlusion(number, annotation, mask, size)
            share = annotation.get("percent_in_fov")
            if share is not None:
                fits = 0 <= share <= 100
                what = f"percent_in_fov is {share}"
                self._check("in_view", fits, what, number, annotation, "0 to 100", share)
        return visible

    def _mask(
        self,
        number: int,
        annotation: Mapping[str, Any],
        codes: Codes | None,
        size: tuple[Any, Any],
    ) -> Mask | None:
        """Visible pixels by the instance mask, else by the segmentation; None without either."""
        color = _code(annotation.get("color"))
        seen: Mask | None = None
        if codes is not None and color is not None:
            seen = np.asarray(codes == color)
        segmentation = annotation.get("segmentation")
        if not segmentation:
            return seen
        try:
            outline = decode_outline(
                segmentation, *(map(int, size) if seen is None else seen.shape)
            )
        except MediaError as error:
            self._check("mask", False, error.problem, number, annotation)
            return seen
        if seen is None:
            return outline
        apart = outline != seen
        if not _is_exact(annotation):
            apart = _opened(apart)  # polygons are allowed their boundary
        count = int(np.count_nonzero(apart))
        what = f"the outline and the instance mask differ in {count} px"
        self._check("mask", not count, what, number, annotation, 0, count)
        return seen

    def _shape(self, number: int, annotation: Mapping[str, Any], mask: Mask) -> None:
        pixels = int(np.count_nonzero(mask))
        slack = 0.0 if _is_exact(annotation) else 1.0
        area = annotation.get("area")
        if area is not None:
            off = abs(area - pixels)
            what = f"area is {area:g} and the mask has {pixels} px"
            allowed = off <= slack * _boundary(mask)
            self._check("area", allowed, what, number, annotation, pixels, area)
        box = annotation.get("bbox")
        if box:
            expected = _box(mask)
            found = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
            off = max(abs(a - b) for a, b in zip(expected, found, strict=True))
            what = f"the box is up to {off:.4g} px from the mask's"
            allowed = off <= slack * _OUTLINE + 1e-6
            wanted = [*expected[:2], expected[2] - expected[0], expected[3] - expected[1]]
            self._check("box", allowed, what, number, annotation, wanted, list(box))

    def _occlusion(
        self, number: int, annotation: Mapping[str, Any], mask: Mask, size: tuple[Any, Any]
    ) -> None:
        if self._masks is None or not self._masks.has_alone:
            return
        own = annotation.get("id")
        codes = self._read("iseg", number, size, own)
        if codes is None:
            what = "the archive has no mask of this instance alone"
            self._check("occlusion", False, what, number, annotation)
            return
        alone = codes == _code(annotation.get("color"))
        whole, seen = int(np.count_nonzero(alone)), int(np.count_nonzero(mask))
        outside = int(np.count_nonzero(mask & ~alone))
        what = f"{outside} visible px are not in the mask of the instance alone"
        self._check("occlusion", not outside, what, number, annotation, 0, outside)
        found = annotation.get("percent_occlusion")
        expected = 100 * (1 - seen / whole) if whole else None
        fits = (
            found is None
            if expected is None
            else found is not None and abs(found - expected) <= _PERCENT
        )
        what = f"percent_occlusion is {found}, and {whole - seen} of {whole} px are hidden"
        self._check("occlusion", fits, what, number, annotation, expected, found)

    def _coverage(self, number: int, codes: Codes, present: Sequence[Mapping[str, Any]]) -> None:
        """Check that every object with pixels is annotated and every pixel belongs to an object."""
        colors = {_code(annotation.get("color")) for annotation in present}
        # An object too small to be boxed is annotated without color.
        unboxed = {a.get("category_id") for a in present if a.get("color") is None}
        known = 0
        for color, owner in self._owners.items():
            pixels = int(np.count_nonzero(codes == color))
            known += pixels
            if pixels and color not in colors:
                name = self._categories.get(owner, {}).get("name", owner)
                what = f"the mask has {pixels} px of a {name} without annotation in this frame"
                self._report.check(
                    "annotations", owner in unboxed, what, expected=pixels, found=0, frame=number
                )
        stray = int(np.count_nonzero(codes)) - known
        what = f"{stray} px of the instance mask have a color that no annotation has"
        self._report.check("mask", not stray, what, expected=0, found=stray, frame=number)

    def _semantics(self, number: int, codes: Codes, size: tuple[Any, Any]) -> None:
        semantic = self._read("cseg", number, size)
        if semantic is None:
            return
        of_category: defaultdict[Any, list[int]] = defaultdict(list)
        for color, owner in self._owners.items():
            of_category[owner].append(color)
        for id_, colors in of_category.items():
            own = _code(self._categories.get(id_, {}).get("color"))
            if own is not None:
                union = reduce(np.logical_or, (codes == color for color in colors))
                apart = int(np.count_nonzero((semantic == own) != union))
                what = (
                    f"semantic and instance mask differ in {apart} px of "
                    f"{self._categories[id_].get('name', id_)}"
                )
                self._report.check("mask", not apart, what, expected=0, found=apart, frame=number)

    def _read(
        self, kind: str, number: int, size: tuple[Any, Any], alone: int | None = None
    ) -> Codes | None:
        """Read a mask as one number per pixel; None without a mask of the right size."""
        if self._masks is None:
            return None
        try:
            mask = self._masks.read(kind, number, alone)
        except ResultsError as error:
            self._report.check("files", False, error.problem, frame=number, annotation=alone)
            return None
        if mask is None:
            return None
        what = f"a {kind} mask is {mask.shape[1]} x {mask.shape[0]} px"
        if not self._report.check(
            "size",
            mask.shape[:2] == size,
            what,
            expected=list(size),
            found=list(mask.shape[:2]),
            frame=number,
            annotation=alone,
        ):
            return None
        return _codes(mask)

    def _check(
        self,
        name: str,
        holds: bool,
        message: str,
        number: int,
        annotation: Mapping[str, Any],
        expected: Any = None,
        found: Any = None,
    ) -> None:
        self._report.check(
            name,
            holds,
            message,
            expected=expected,
            found=found,
            frame=number,
            annotation=annotation.get("id"),
        )


def _codes(mask: NDArray[np.uint8]) -> Codes:
    """Return each pixel's color as one number, 0 for black."""
    import cv2  # only where pictures are decoded: importing it needs libGL

    # With a fourth byte a pixel is a number as it lies there; xor takes the byte out again.
    codes = cv2.cvtColor(mask, cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]
    return np.asarray(codes ^ _ALPHA)


def _code(color: Iterable[float] | None) -> int | None:
    """Return a normalized color as the number its pixels have."""
    if color is None:
        return None
    red, green, blue = (round(255 * value) for value in color)
    return int(np.array([red, green, blue, 0], np.uint8).view(np.uint32)[0])


def _is_exact(annotation: Mapping[str, Any]) -> bool:
    """Return whether labels are of pixels: except at the edges of polygons."""
    return not isinstance(annotation.get("segmentation"), list)


def _box(mask: Mask) -> list[int]:
    """First column, first row, one past the last column and row; zeros of an empty mask."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return [0, 0, 0, 0]
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def _opened(mask: Mask) -> Mask:
    """Return the parts of a mask that are at least 3 px wide."""
    import cv2  # only where pictures are decoded: importing it needs libGL

    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)


def _boundary(mask: Mask) -> int:
    """Return pixels of a mask that touch its outside."""
    import cv2  # only where pictures are decoded: importing it needs libGL

    inner = cv2.erode(
        mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )  # fmt: skip
    return int(np.count_nonzero(mask) - np.count_nonzero(inner))
