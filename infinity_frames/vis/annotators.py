"""Annotators: small objects that draw one kind of label over a picture.

The style is in the constructor; ``annotate(picture, labels)`` returns a new picture and leaves the
given one alone. Pixel c covers [c, c + 1), so a label's coordinate lies half a pixel before the
center that OpenCV draws at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.io.video import Picture
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.vis.frame_labels import Annotation, FrameLabels, Keypoint
from infinity_frames.vis.style import PALETTE, color, rgb
from infinity_frames.vis.text import Color, draw_names, draw_text

__all__ = [
    "ARMATURE",
    "COCO",
    "Annotator",
    "BoxAnnotator",
    "CuboidAnnotator",
    "KeypointAnnotator",
    "MaskAnnotator",
    "RepCountAnnotator",
    "SkeletonAnnotator",
    "TextAnnotator",
]

LEFT, RIGHT, MIDDLE = rgb("#E69F00"), rgb("#56B4E9"), rgb("#F2F2F2")
_SHIFT = 4  # OpenCV draws at sixteenths of a pixel

_CHAINS = (
    "pelvis spine1 spine2 spine3 neck head jaw",
    "head left_eye_smplhf",
    "head right_eye_smplhf",
    *(
        chain.replace("*", side)
        for side in ("left", "right")
        for chain in (
            "pelvis *_hip *_knee *_ankle *_foot",
            "spine3 *_collar *_shoulder *_elbow *_wrist",
            *(
                f"*_wrist *_{finger}1 *_{finger}2 *_{finger}3"
                for finger in ("index", "middle", "pinky", "ring", "thumb")
            ),
        )
    ),
)


def _bones(chains: Iterable[str]) -> tuple[tuple[str, str], ...]:
    joints = (chain.split() for chain in chains)
    return tuple(pair for chain in joints for pair in pairwise(chain))


ARMATURE = _bones(_CHAINS)
"""Bones of the 55-joint armature, as (parent, child) pairs."""

COCO = _bones(
    [
        "left_ear left_eye nose right_eye right_ear",
        "left_shoulder right_shoulder right_hip left_hip left_shoulder",
        *(
            chain.replace("*", side)
            for side in ("left", "right")
            for chain in ("*_shoulder *_elbow *_wrist", "*_hip *_knee *_ankle")
        ),
    ]
)
"""Limbs of the 17 COCO keypoints, as pairs of names."""

_CUBOID_EDGES = (
    *((0, 1), (1, 2), (2, 3), (3, 0)),
    *((4, 5), (5, 6), (6, 7), (7, 4)),
    *((0, 4), (1, 5), (2, 6), (3, 7)),
)
_CORNERS = ("top left", "top right", "bottom left", "bottom right")
_COLORS = 3 * len(PALETTE)
"""Number of distinct colors; after that they repeat."""
_TINTS = np.zeros((256, 1, 3), np.uint8)
_TINTS[1 : 1 + _COLORS, 0] = [rgb(color(number)) for number in range(_COLORS)]
_NEAREST_DEPTH = 0.05
"""Depth in meters up to which a corner has no pixel position (its x and y are 0)."""


class Annotator(Protocol):
    """Protocol of an object that draws one frame's labels over its picture.

    Examples
    --------
    >>> class Middle:
    ...     def annotate(self, picture, labels):
    ...         picture[labels.height // 2] = 255
    ...         return picture
    >>> inf.vis.show(looks, draw=("boxes", Middle()))
    """

    def annotate(self, picture: Picture, labels: FrameLabels) -> Picture:
        """Return the picture with the labels drawn over it."""
        ...


class BoxAnnotator:
    """Draw bounding boxes; the outer edge of the line is the box's first and last pixel.

    Parameters
    ----------
    thickness : int, optional
        Pixels, growing inwards; by default it suits the picture's size.
    names : bool
        Write each box's category.

    Examples
    --------
    >>> inf.vis.show(looks, draw=(inf.vis.BoxAnnotator(thickness=3, names=False),))
    """

    def __init__(self, thickness: int | None = None, *, names: bool = True) -> None:
        self.thickness = thickness
        self.names = names

    def annotate(self, picture: Picture, labels: FrameLabels) -> Picture:
        """Return the picture with the boxes drawn over it."""
        out = picture.copy()
        for annotation in labels.annotations:
            if annotation.bbox is not None:
                self._frame(out, annotation.bbox, _of_category(annotation))
        if self.names:  # after all boxes: no box crosses a name out
            boxed = [(item, item.bbox) for item in labels.annotations if item.bbox is not None]
            boxed.sort(key=lambda pair: -pair[1][2] * pair[1][3])
            draw_names(out, ((item.category, box, _of_category(item)) for item, box in boxed))
        return out

    def _frame(self, out: Picture, bbox: tuple[float, float, float, float], ink: Color) -> None:
        height, width = out.shape[:2]
        left, top = int(np.floor(bbox[0])), int(np.floor(bbox[1]))
        right, bottom = int(np.ceil(bbox[0] + bbox[2])), int(np.ceil(bbox[1] + bbox[3]))
        t = self.thickness or _stroke(out)
        for x0, y0, x1, y1 in (
            (left, top, right, top + t),
            (left, bottom - t, right, bottom),
            (left, top, left + t, bottom),
            (right - t, top, right, bottom),
        ):
            # A box thinner than the line stays within itself, a box over the edge is cut there.
            x0, y0 = max(x0, left, 0), max(y0, top, 0)
            x1, y1 = min(x1, right, width), min(y1, bottom, height)
            if x0 < x1 and y0 < y1:
                out[y0:y1, x0:x1] = ink


class MaskAnnotator:
    """Tint the pixels of each object's mask.

    Parameters
    ----------
    opacity : float
        0 leaves the picture, 1 hides it.

    Examples
    --------
    >>> inf.vis.show(looks, draw=(inf.vis.MaskAnnotator(opacity=0.8),))
    """

    def __init__(self, opacity: float = 0.5) -> None:
        self.opacity = opacity

    def annotate(self, picture: Picture, labels: FrameLabels) -> Picture:
        """Return the picture with the masks drawn over it."""
        height, width = picture.shape[:2]
        # One picture of color numbers, and one blend, however many objects there are.
        numbers = np.zeros((height, width), np.uint8)
        # Small objects last: an object's mask never hides one that lies inside it.
        order = sorted(labels.annotations, key=lambda item: -item.area)
        for annotation in order:
            mask = annotation.mask(labels.height or height, labels.width or width)
            if mask is not None:
                number = 1 + annotation.category_id % _COLORS
                np.copyto(numbers, number, where=_fitted(mask, height, width))
        tint = cv2.applyColorMap(numbers, _TINTS)
        blended = cv2.addWeighted(tint, self.opacity, picture, 1 - self.opacity, 0)
        out = picture.copy()
        cv2.copyTo(blended, numbers, dst=out)
        return out


class SkeletonAnnotator:
    """Draw the person's bones: left orange, right blue, hidden ones thin.

    Parameters
    ----------
    skeleton : {"armature", "coco"}
        Which points to join.

    Raises
    ------
    FrameError
        The skeleton is unknown.

    Examples
    --------
    >>> inf.vis.show(looks, draw=(inf.vis.SkeletonAnnotator("coco"),))
    """

    def __init__(self, skeleton: str = "armature") -> None:
        self.skeleton = _known(skeleton, ("armature", "coco"), "skeleton")
        self._bones = COCO if skeleton == "coco" else ARMATURE

    def annotate(self, picture: Picture, labels: FrameLabels) -> Picture:
        """Return the picture with the skeletons drawn over it."""
        out = picture.copy()
        stroke = _stroke(out)
        for annotation in labels.annotations:
            points = annotation.coco if self.skeleton == "coco" else annotation.armature
            for parent, child in self._bones:
                if parent in points and child in points:
                    ends = points[parent], points[child]
                    if min(end.v for end in ends) > 0:
                        seen = max(end.v for end in ends) == 2
                        _line(out, ends[0], ends[1], side(child), stroke if seen else 1)
        return out


class KeypointAnnotator:
    """Draw keypoints: visible ones filled, hidden ones as rings; skip those outside the picture.

    Parameters
    ----------
    skeleton : {"armature", "vertex", "coco"}
        Which points to draw.

    Raises
    ------
    FrameError
        The skeleton is unknown.

    Examples
    --------
    >>> inf.vis.show(looks, draw=(inf.vis.KeypointAnnotator("vertex"),))
    """

    VISIBLE, HIDDEN = rgb("#009E73"), rgb("#D55E00")

    def __init__(self, skeleton: str = "coco") -> None:
        self.skeleton = _known(skeleton, ("armature", "vertex", "coco"), "skeleton")

    def annotate(self, picture: Picture, labels: FrameLabels) -> Picture:
        """Return the picture with the keypoints drawn over it."""
        out = picture.copy()
        radius = (_stroke(out) + (_stroke(out) > 2)) << _SHIFT
        for annotation in labels.annotations:
            for point in self._points(annotation).values():
                center = _fixed(point.x, point.y)
                if point.v == 2:
                    cv2.circle(out, center, radius, self.VISIBLE, -1, cv2.LINE_AA, _SHIFT)
                elif point.v == 1:
                    cv2.circle(out, center, radius, self.HIDDEN, 1, cv2.LINE_AA, _SHIFT)
        return out

    def _points(self, annotation: Annotation) -> Mapping[str, Keypoint]:
        return {
            "armature": annotation.armature,
            "vertex": annotation.vertices,
            "coco": annotation.coco,
        }[self.skeleton]


class CuboidAnnotator:
    """Draw 3D boxes; the bottom face has thinner lines, which shows the orientation.

    Examples
    --------
    >>> inf.vis.show(looks, draw=(inf.vis.CuboidAnnotator(),))
    """

    def annotate(self, picture: Picture, labels: FrameLabels) -> Picture:
        """Return the picture with the cuboids drawn over it."""
        out = picture.copy()
        stroke = _stroke(out)
        for annotation in labels.annotations:
            if annotation.cuboid is None:
                continue
            red, green, blue = _of_category(annotation)
            # Lighter than the same object's box, whose lines it crosses.
            ink = ((red + 255) // 2, (green + 255) // 2, (blue + 255) // 2)
            for start, end in _CUBOID_EDGES:
                (x0, y0, z0), (x1, y1, z1) = annotation.cuboid[start], annotation.cuboid[end]
                if min(z0, z1) > _NEAREST_DEPTH:
                    thickness = 1 if min(start, end) >= 4 else max(1, stroke - 1)
                    ends = Keypoint(x0, y0, 2), Keypoint(x1, y1, 2)
                    _line(out, *ends, ink, thickness)
        return out


class RepCountAnnotator:
    """Write the repetition count, with a bar that fills once per repetition.

    Examples
    --------
    >>> inf.vis.show(looks, draw=(inf.vis.RepCountAnnotator(),))
    """

    def annotate(self, picture: Picture, labels: FrameLabels) -> Picture:
        """Return the picture with the count drawn over it."""
        count = labels.scalars.get("rep_count_from_start")
        if not isinstance(count, (int, float)) or not math.isfinite(count):
            return picture.copy()
        out = picture.copy()
        height, width = out.shape[:2]
        bar = max(3, height // 64)
        out[height - bar :] = (out[height - bar :] * 0.35).astype(np.uint8)
        out[height - bar :, : round(width * (count % 1))] = LEFT
        draw_text(out, f"rep {count:.2f}", 0, height - bar, LEFT)
        return out


class TextAnnotator:
    """Write a line of text in a corner.

    Parameters
    ----------
    text : str or callable
        The text, or a function of the frame's labels that gives it; an empty one draws nothing.
    corner : {"top left", "top right", "bottom left", "bottom right"}
        Where.

    Raises
    ------
    FrameError
        The corner is unknown.

    Examples
    --------
    >>> number = inf.vis.TextAnnotator(lambda labels: f"frame {labels.frame_number}")
    >>> inf.vis.show(looks, draw=("boxes", number))
    """

    FILL = (32, 34, 40)

    def __init__(self, text: str | Callable[[FrameLabels], str], corner: str = "top left") -> None:
        self.text = text
        self.corner = _known(corner, _CORNERS, "corner")

    def annotate(self, picture: Picture, labels: FrameLabels) -> Picture:
        """Return the picture with the text drawn over it."""
        out = picture.copy()
        text = self.text if isinstance(self.text, str) else self.text(labels)
        if text:
            height, width = out.shape[:2]
            left = width if self.corner.endswith("right") else 0
            draw_text(out, text, left, height if self.corner.startswith("bottom") else 0, self.FILL)
        return out


def _known(name: str, names: Sequence[str], what: str) -> str:
    if name not in names:
        raise FrameError(f"Unknown {what} {name!r}.", advice=nearest(str(name), names))
    return name


def side(joint: str) -> Color:
    """Orange for the person's left, blue for the right, white for the middle."""
    if joint.startswith("left"):
        return LEFT
    return RIGHT if joint.startswith("right") else MIDDLE


def _fitted(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Crop or pad a mask to the size of a picture that has a row or column more or less."""
    if mask.shape == (height, width):
        return mask
    out = np.zeros((height, width), bool)
    part = mask[:height, :width]
    out[: part.shape[0], : part.shape[1]] = part
    return out


def _of_category(annotation: Annotation) -> Color:
    return rgb(color(annotation.category_id))


def _stroke(picture: Picture) -> int:
    height, width = picture.shape[:2]
    # One pixel would wash out in video, whose colors have half the resolution.
    return max(2, (min(int(height), int(width)) + 128) // 256)


def _fixed(x: float, y: float) -> tuple[int, int]:
    """Convert a coordinate to OpenCV's fixed-point format, clipped so that it cannot overflow."""
    near = np.clip([x - 0.5, y - 0.5], -30_000, 30_000)
    across, down = np.round(near * (1 << _SHIFT)).astype(int)
    return int(across), int(down)


def _line(out: Picture, start: Keypoint, end: Keypoint, ink: Color, thickness: int) -> None:
    ends = _fixed(start.x, start.y), _fixed(end.x, end.y)
    cv2.line(out, *ends, ink, thickness, cv2.LINE_AA, _SHIFT)
