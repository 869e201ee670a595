"""Labels and detections in the form in which :class:`Matches` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from infinity_frames.data import table
from infinity_frames.experiments.matching import BOX, COCO_SIGMAS, SIGMA, Points
from infinity_frames.protocol.errors import FrameError
from infinity_frames.protocol.warnings import warn_user

__all__ = ["KEY", "NEEDED", "Labels", "Task", "labels_of", "sigmas_of"]

Task = Literal["boxes", "masks", "keypoints", "classification", "regression"]
_SHOWN = 5  # categories named in a warning
KEY = ["job_id", "frame_number"]
NEEDED = {
    "boxes": BOX,
    "masks": ["segmentation"],
    "keypoints": ["name", "x", "y"],
    "classification": [],
    "regression": [],
}


class Labels:
    """Truth and predictions in the form of :class:`Matches`."""

    def __init__(self, truth: pd.DataFrame, found: pd.DataFrame, names: list[str]) -> None:
        self.truth, self.found, self.names = truth, found, names


def labels_of(
    results: pd.DataFrame,
    images: pd.DataFrame,
    predictions: pd.DataFrame,
    task: Task,
    points: Points,
    skeleton: str | None,
    truth: pd.DataFrame | None,
    path: str | Path | None,
) -> Labels:
    """Return labels and detections of the frames to judge, with the columns of `Matches`."""
    rows = results[results["path"].notna()] if "path" in results.columns else results
    filtered = truth is not None and "bbox_x" in truth.columns
    objects = truth if filtered else table(rows, "annotations", path=path, quiet=True)
    assert objects is not None
    objects = objects[~objects["bbox_x"].isna()].reset_index(drop=True)
    names: list[str] = []
    found = predictions.dropna(subset=NEEDED[task]).reset_index(drop=True)
    if task == "keypoints":
        spots = truth if truth is not None and not filtered else None
        if spots is None:
            spots = table(rows, "keypoints", path=path, quiet=True)
        spots = _one_skeleton(spots, found, skeleton)
        names = list(dict.fromkeys(spots["name"].astype(str)))
        objects = _with_points(objects, spots, names, points)
        found = _detections(found, names)
    objects, found = _numbered(objects, images), _numbered(found, images)
    if truth is None:
        _warn_of_unpredicted(objects, found)
    _categorize(objects, found)
    found = found.drop(columns="area", errors="ignore")  # COCO takes that of the detection's box
    if "score" not in found.columns:
        found["score"] = 1.0
    for frame in (objects, found):
        _with_boxes(frame)
    return Labels(objects.reset_index(drop=True), found.reset_index(drop=True), names)


def _numbered(frame: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the frames to judge, with the number of their frame."""
    index = pd.MultiIndex.from_frame(images[KEY].astype({"job_id": "str"}))
    at = pd.MultiIndex.from_arrays(
        [frame["job_id"].astype(str), frame["frame_number"].astype("int64")]
    )
    place = index.get_indexer(at)
    return frame.assign(image=place)[place >= 0].copy()


def _warn_of_unpredicted(truth: pd.DataFrame, found: pd.DataFrame) -> None:
    """Warn of categories that the model never predicts: it may not know them."""
    if "category" not in found.columns or "category" not in truth.columns or not len(found):
        return
    predicted = set(found["category"].astype(str))
    never = sorted(set(truth["category"].astype(str)) - predicted)
    if never and predicted & set(truth["category"].astype(str)):
        more = f" and {len(never) - _SHOWN} more" if len(never) > _SHOWN else ""
        warn_user(
            f"No prediction has the category {', '.join(never[:_SHOWN])}{more}: all such objects "
            "count as missed. To compare with other objects alone, pass "
            f"truth=results.infinity.annotations({min(predicted)!r})."
        )


def _categorize(truth: pd.DataFrame, found: pd.DataFrame) -> None:
    if "category" not in found.columns or "category" not in truth.columns:
        truth["category"], found["category"] = 1, 1
        return
    both = pd.concat([truth["category"], found["category"]]).astype(str)
    codes = pd.factorize(both, sort=True)[0] + 1
    truth["category"], found["category"] = codes[: len(truth)], codes[len(truth) :]


def _with_boxes(frame: pd.DataFrame) -> None:
    for name in BOX:
        if name not in frame.columns:
            frame[name] = 0.0
    if "area" not in frame.columns:
        frame["area"] = frame["bbox_width"] * frame["bbox_height"]
    if "iscrowd" in frame.columns:
        frame["iscrowd"] = frame["iscrowd"].fillna(0).astype(int)
    frame["area"] = frame["area"].fillna(frame["bbox_width"] * frame["bbox_height"])


def _one_skeleton(
    spots: pd.DataFrame, predictions: pd.DataFrame, wanted: str | None
) -> pd.DataFrame:
    named = set(predictions["name"].astype(str))
    shared = spots[spots["name"].astype(str).isin(named)]
    if wanted is None and len(shared):
        wanted = str(shared.groupby("skeleton", observed=True)["name"].nunique().idxmax())
    out = spots[spots["skeleton"].astype(str) == wanted]
    unknown = named - set(out["name"].astype(str))
    if unknown or not len(out):
        listed = sorted(set(out["name"].astype(str)) or set(spots["name"].astype(str)))
        raise FrameError(
            f"The labels have no keypoint {min(unknown, default='')!r}.",
            advice=f"Available: {', '.join(listed[:20])}.",
        )
    return out[out["name"].astype(str).isin(named)]


def _with_points(
    objects: pd.DataFrame, spots: pd.DataFrame, names: list[str], points: Points
) -> pd.DataFrame:
    """Objects with the flat list x, y, v of their points; points that do not count have v=0."""
    if points not in ("labeled", "visible", "all"):
        raise FrameError(f"Unknown points {points!r}.", advice="Available: labeled, visible, all.")
    v = spots["v"].fillna(0).astype(int)
    there = spots["x"].notna() & spots["y"].notna()
    counted = {"labeled": v > 0, "visible": v == 2, "all": there}[points] & there
    spots = spots.assign(v=np.where(counted, 2, 0), x=spots["x"].fillna(0), y=spots["y"].fillna(0))
    flat = _flat(spots, ["job_id", "frame_number", "annotation_id"], names)
    return objects.merge(flat, on=["job_id", "frame_number", "annotation_id"], how="inner")


def _detections(found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    if "detection" not in found.columns:
        found = found.assign(detection=0)
    key = ["job_id", "frame_number", "detection"]
    if found.duplicated([*key, "name"]).any():
        raise FrameError(
            "A frame has two predictions of one keypoint.",
            advice="Number the objects of each frame in a column detection.",
        )
    flat = _flat(found.assign(v=1), key, names)
    more = [name for name in ("score", "category") if name in found.columns]
    about = found.groupby(key, sort=False, observed=True)[more].first().reset_index()
    return flat.merge(about, on=key) if more else flat


def _flat(spots: pd.DataFrame, key: list[str], names: list[str]) -> pd.DataFrame:
    groups = spots.groupby(key, sort=False, observed=True).ngroup().to_numpy()
    place = pd.Categorical(spots["name"].astype(str), categories=names).codes
    values = np.zeros((int(groups.max()) + 1 if len(groups) else 0, len(names), 3))
    values[groups, place] = spots[["x", "y", "v"]].to_numpy("float64")
    out = spots[key].iloc[np.unique(groups, return_index=True)[1]].reset_index(drop=True)
    out["keypoints"] = values.reshape(len(values), -1).tolist()
    return out


def sigmas_of(names: list[str], given: Mapping[str, float] | float | None) -> list[float] | None:
    """Sigma of each keypoint: `given`, else COCO's; None without keypoints."""
    if not names:
        return None
    if isinstance(given, Mapping):
        return [float(given.get(name, COCO_SIGMAS.get(name, SIGMA))) for name in names]
    if given is not None:
        return [float(given)] * len(names)
    return [COCO_SIGMAS.get(name, SIGMA) for name in names]
