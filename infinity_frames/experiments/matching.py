"""Matching of detections with labels as COCO does it, and average precision of any group of frames.

pycocotools computes similarities and matches. Precision over recall is accumulated here, since
``COCOeval.accumulate`` gives one number per data set and not one per frame or job.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.experiments.extra import library
from infinity_frames.protocol.errors import FrameError

__all__ = ["COCO_SIGMAS", "SIGMA", "Matches", "Points"]

Task = Literal["boxes", "masks", "keypoints"]
Points = Literal["labeled", "visible", "all"]
_KINDS = {"boxes": "bbox", "masks": "segm", "keypoints": "keypoints"}
BOX = ["bbox_x", "bbox_y", "bbox_width", "bbox_height"]
_EPS = float(np.spacing(1))

_SIGMAS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
COCO_SIGMAS = {
    name: value
    for part, value in _SIGMAS.items()
    for name in ([part] if part == "nose" else [f"left_{part}", f"right_{part}"])
}
"""Standard deviation of annotators per keypoint, per root of the object's area (COCO keypoints)."""
SIGMA = 0.05
"""For keypoints that COCO does not know."""


class Matches:
    """Detections matched with labels, per frame and category.

    Parameters
    ----------
    task : {"boxes", "masks", "keypoints"}
        What is compared.
    truth : DataFrame
        A row per labeled object: ``image`` (number of the frame), ``category`` (number), box,
        ``area``, ``iscrowd``, ``segmentation`` (a dict), ``keypoints`` (flat x, y, v).
    found : DataFrame
        A row per detection: ``image``, ``category``, ``score``, and the same.
    images : DataFrame
        ``width`` and ``height`` of each frame, in the order of their numbers.
    sigmas : sequence of float, optional
        Of the keypoints.
    """

    def __init__(
        self,
        task: Task,
        truth: pd.DataFrame,
        found: pd.DataFrame,
        images: pd.DataFrame,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        self.task = task
        self.count = len(images)
        self.categories = sorted({*truth["category"], *found["category"]}) or [0]
        cocoeval = library("pycocotools.cocoeval")
        with redirect_stdout(io.StringIO()):
            labels = self._dataset(_entries(truth, task, labels=True), images)
            detections = self._dataset(_entries(found, task, labels=False), images)
            self.eval = cocoeval.COCOeval(labels, detections, _KINDS[task])
            params = self.eval.params
            params.areaRng, params.areaRngLbl = [[0, 1e10]], ["all"]
            params.maxDets = [20 if task == "keypoints" else 100]
            if sigmas is not None:
                params.kpt_oks_sigmas = np.asarray(sigmas, dtype=float)
            self.eval.evaluate()
        self.images = [int(i) - 1 for i in params.imgIds]
        self.thresholds = np.asarray(params.iouThrs)
        self.recalls = np.asarray(params.recThrs)
        # evalImgs is ordered by category, then area range, then image.
        rows = np.array(self.eval.evalImgs, dtype=object).reshape(len(params.catIds), self.count)
        self.parts = {
            (int(category), image): rows[k, i]
            for k, category in enumerate(params.catIds)
            for i, image in enumerate(self.images)
            if rows[k, i] is not None
        }

    def _dataset(self, entries: list[dict[str, Any]], images: pd.DataFrame) -> Any:
        coco = library("pycocotools.coco").COCO()
        sizes = images[["width", "height"]].to_numpy("int64").tolist()
        coco.dataset = {
            "images": [{"id": i + 1, "width": w, "height": h} for i, (w, h) in enumerate(sizes)],
            "categories": [{"id": int(k), "name": str(k)} for k in self.categories],
            "annotations": entries,
        }
        coco.createIndex()
        return coco

    def precision(self, groups: NDArray[np.int64]) -> pd.DataFrame:
        """Average precision and recall of each group of frames.

        Parameters
        ----------
        groups : ndarray of int, (frames,)
            Number of each frame's group.

        Returns
        -------
        DataFrame
            Indexed by group: ap (mean over thresholds 0.50 to 0.95 and over categories with
            labels), ap50, ap75, ar. Missing where a group has no labels.
        """
        members: dict[tuple[int, int], list[Any]] = {}
        for (category, image), part in self.parts.items():
            members.setdefault((int(groups[image]), category), []).append(part)
        curves: dict[int, list[NDArray[np.float64]]] = {}
        for (group, _), parts in members.items():
            curve = self._curve(parts)
            if curve is not None:
                curves.setdefault(group, []).append(curve)
        at = [int(np.argmin(abs(self.thresholds - value))) for value in (0.5, 0.75)]
        out = {}
        for group in np.unique(groups).tolist():
            both = np.mean(curves[group], axis=0) if group in curves else None
            out[group] = (
                [np.nan] * 4
                if both is None
                else [both[0].mean(), both[0][at[0]], both[0][at[1]], both[1].mean()]
            )
        return pd.DataFrame.from_dict(out, orient="index", columns=["ap", "ap50", "ap75", "ar"])

    def _curve(self, parts: list[Any]) -> NDArray[np.float64] | None:
        """Average precision and recall of one category at each threshold: (2, thresholds)."""
        labels = np.concatenate([part["gtIgnore"] for part in parts])
        positives = int(np.count_nonzero(labels == 0))
        if not positives:
            return None
        scores = np.concatenate([part["dtScores"] for part in parts])
        order = np.argsort(-scores, kind="mergesort")
        matched = np.concatenate([part["dtMatches"] for part in parts], axis=1)[:, order] != 0
        counted = ~np.concatenate([part["dtIgnore"] for part in parts], axis=1)[:, order].astype(
            bool
        )
        true = np.cumsum(matched & counted, axis=1)
        false = np.cumsum(~matched & counted, axis=1)
        out = np.zeros((2, len(self.thresholds)))
        for t in range(len(self.thresholds)):
            if not len(scores):
                continue
            recall = true[t] / positives
            precision = true[t] / (true[t] + false[t] + _EPS)
            envelope = np.maximum.accumulate(precision[::-1])[::-1]
            place = np.searchsorted(recall, self.recalls, side="left")
            inside = place < len(envelope)
            out[0, t] = envelope[place[inside]].sum() / len(self.recalls)
            out[1, t] = recall[-1]
        return out

    def per_image(self) -> pd.DataFrame:
        """Counts and mean similarity of each frame, at the first threshold (0.5).

        Returns
        -------
        DataFrame
            similarity (mean over labeled objects of the similarity with their match, 0 where
            unmatched; missing without labels), true_positives, false_positives, false_negatives.
        """
        sums = np.zeros((self.count, 5))
        for (category, image), part in self.parts.items():
            kept = ~np.asarray(part["dtIgnore"][0]).astype(bool)
            hit = np.asarray(part["dtMatches"][0]) != 0
            needed = np.asarray(part["gtIgnore"]) == 0
            got = np.asarray(part["gtMatches"][0]) != 0
            sums[image, 0] += (hit & kept).sum()
            sums[image, 1] += (~hit & kept).sum()
            sums[image, 2] += (needed & ~got).sum()
            sums[image, 3] += self._similarity(category, image, part, hit & kept)
            sums[image, 4] += needed.sum()
        labeled = sums[:, 4] > 0
        similarity = np.where(labeled, sums[:, 3] / np.maximum(sums[:, 4], 1), np.nan)
        out = pd.DataFrame({"similarity": similarity})
        for place, name in enumerate(("true_positives", "false_positives", "false_negatives")):
            out[name] = sums[:, place].astype("int64")
        return out

    def _similarity(self, category: int, image: int, part: Any, hit: NDArray[np.bool_]) -> float:
        matrix = np.asarray(self.eval.ious[image + 1, category])
        if not hit.any() or not matrix.size:
            return 0.0
        column = {gt["id"]: i for i, gt in enumerate(self.eval._gts[image + 1, category])}
        ids = np.asarray(part["dtMatches"][0])[hit]
        columns = [column[i] for i in ids.tolist()]
        return float(matrix[np.flatnonzero(hit), columns].sum())

    def pairs(self) -> NDArray[np.int64]:
        """Return rows of `truth` and `found` that match at the first threshold: (pairs, 2)."""
        out = []
        for part in self.parts.values():
            kept = ~np.asarray(part["dtIgnore"][0]).astype(bool)
            matches = np.asarray(part["dtMatches"][0])
            out += [
                (int(truth) - 1, int(found) - 1)
                for found, truth, ok in zip(part["dtIds"], matches, kept, strict=True)
                if truth and ok
            ]
        return np.array(out, dtype=np.int64).reshape(-1, 2)


def _entries(frame: pd.DataFrame, task: Task, *, labels: bool) -> list[dict[str, Any]]:
    out = []
    for number, row in enumerate(frame.to_dict("records"), start=1):
        entry: dict[str, Any] = {
            "id": number,
            "image_id": int(row["image"]) + 1,
            "category_id": int(row["category"]),
            "bbox": [float(row[name]) for name in BOX],
            "area": float(row["area"]),
            "iscrowd": int(row.get("iscrowd") or 0),
        }
        if task == "masks":
            entry["segmentation"] = _segmentation(row["segmentation"])
        if task == "keypoints":
            entry["keypoints"] = row["keypoints"]
            entry["num_keypoints"] = int(np.count_nonzero(np.asarray(row["keypoints"])[2::3]))
        if not labels:
            entry["score"] = float(row["score"])
        out.append(entry)
    return out


def _segmentation(value: Any) -> Any:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, Mapping | list):
        raise FrameError(
            "A segmentation is neither run lengths nor polygons.",
            advice="Use the text of annotations(), or return boolean masks from the model.",
        )
    return found
