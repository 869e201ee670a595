"""Compare predictions with labels: a metric per frame or job, beside parameters and labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data import table
from infinity_frames.experiments.detections import (
    KEY,
    NEEDED,
    Labels,
    Task,
    labels_of,
    sigmas_of,
)
from infinity_frames.experiments.factors import is_number, numbers
from infinity_frames.experiments.matching import Matches, Points
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.schemas import context, with_context, with_folders

__all__ = ["TASKS", "evaluate"]
TASKS = ("boxes", "masks", "keypoints", "classification", "regression")
_OBJECT_LABELS = ["area", "bbox_width", "bbox_height", "percent_in_fov", "percent_occlusion"]


def evaluate(
    results: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    task: Task,
    target: str | None = None,
    prediction: str = "prediction",
    per: Literal["frame", "job"] = "frame",
    points: Points = "labeled",
    skeleton: Literal["armature", "vertex", "coco"] | None = None,
    sigmas: Mapping[str, float] | float | None = None,
    every: int | None = None,
    truth: pd.DataFrame | None = None,
    path: str | Path | None = None,
) -> pd.DataFrame:
    """Compare predictions with the labels of results.

    Detections are matched greedily by score, as COCO does (pycocotools; Lin et al. 2014): at a
    similarity of at least 0.5 for the counts, at 0.50, 0.55, ... 0.95 for average precision, which
    is the mean of the interpolated precision at 101 recalls. Similarity is intersection over union
    of boxes or masks; of keypoints, object keypoint similarity (OKS): the mean over counted points
    of exp(-d^2 / (2 area (2 sigma)^2)) with the pixel distance d.

    Parameters
    ----------
    results : DataFrame
        Results rows.
    predictions : DataFrame
        Rows with job_id and frame_number, as :func:`predict` returns them. Boxes and masks: a row
        per detection with ``bbox_x``, ``bbox_y``, ``bbox_width``, ``bbox_height`` (px) or
        ``segmentation`` (COCO run lengths); keypoints: a row per point with ``name``, ``x``, ``y``
        (px), and ``detection`` (a number) where a frame has several. All may have ``score``
        (1 by default) and ``category``; without it, objects of all categories are compared.
    task : {"boxes", "masks", "keypoints", "classification", "regression"}
        What was predicted.
    target : str, optional
        Classification and regression: the column with the truth, of `results` or their images().
    prediction : str
        Classification and regression: the predicted column.
    per : {"frame", "job"}
        A row per frame, or per job with its frames pooled.
    points : {"labeled", "visible", "all"}
        Keypoints that count: with v > 0 as in COCO, with v = 2, or every point with coordinates.
    skeleton : str, optional
        Which keypoints, where labels have several skeletons; the one with the most predicted names
        by default.
    sigmas : mapping of str to float, or float, optional
        Per keypoint; COCO's by default, and 0.05 for names that COCO does not have.
    every : int, optional
        Only every n-th frame was predicted; as ``predict(every=)`` noted it by default.
    truth : DataFrame, optional
        Labels to compare with: rows of annotations() or keypoints(), perhaps filtered.
    path : path, optional
        The results' folder, if they were moved.

    Returns
    -------
    DataFrame
        A row per frame (or job) with job_id, frame_number, the metrics, then the columns of
        `results` and, per frame, the means of area, box size, percent_in_fov and
        percent_occlusion over its objects. Boxes and masks: iou (mean over objects, 0 if missed),
        ap, ap50, ap75, ar, precision, recall, true_positives, false_positives, false_negatives,
        n_truth, n_predicted. Keypoints: the same with ``oks``, and ``error_px`` (mean over counted
        points of matched objects). Classification: truth, prediction, correct (0 or 1; per job its
        mean). Regression: truth, prediction, error, absolute_error, squared_error.
        ``attrs["evaluation"]`` holds the metrics of all frames together.

    Raises
    ------
    FrameError
        A column is missing, a prediction belongs to no frame of the results, or a task is unknown.

    Examples
    --------
    >>> scored = looks.infinity.evaluate(found, task="keypoints")
    """
    _require(results, predictions, task, target, prediction)
    if every is None:
        every = int(predictions.attrs.get("predictions", {}).get("every", 1))
    images = _images(results, predictions, every, path)
    if task in ("classification", "regression"):
        assert target is not None
        metrics, overall = _scalar(results, images, predictions, task, target, prediction, per)
    else:
        labels = labels_of(results, images, predictions, task, points, skeleton, truth, path)
        metrics, overall = _detected(labels, images, task, per, sigmas_of(labels.names, sigmas))
    out = _joined(results, images, metrics, per, path)
    out.attrs["evaluation"] = {"task": task, "per": per, "frames": len(images), **overall}
    known = context(results)
    if {"server", "generator"} <= set(known):
        with_context(out, server=known["server"], generator=known["generator"])
    return out


def _require(
    results: pd.DataFrame, predictions: pd.DataFrame, task: str, target: str | None, column: str
) -> None:
    if task not in TASKS:
        raise FrameError(f"Unknown task {task!r}.", advice=f"Available: {', '.join(TASKS)}.")
    scalar = task in ("classification", "regression")
    for name in ["job_id", *([] if scalar else ["frame_number"])]:
        if name not in predictions.columns:
            raise FrameError(
                f"The predictions have no column {name!r}.",
                advice="Use the rows that predict() returns.",
            )
    for name in [*NEEDED[task], *([column] if scalar else [])]:
        if name not in predictions.columns:
            raise FrameError(
                f"The predictions have no column {name!r}, which {task} need.",
                advice=nearest(name, map(str, predictions.columns)),
            )
    if scalar and target is None:
        raise FrameError(f"{task} needs the column with the truth.", advice="Pass target=.")
    if "job_id" not in results.columns:
        raise FrameError("evaluate() takes results, and these rows have no job_id.")


def _images(
    results: pd.DataFrame, predictions: pd.DataFrame, every: int, path: str | Path | None
) -> pd.DataFrame:
    """Return the frames to judge, numbered; jobs that a model could not be run on are left out."""
    rows = results[results["path"].notna()] if "path" in results.columns else results
    images = table(rows, "images", path=path, quiet=True)
    images = images[images["frame_number"] % every == 0]
    failed = predictions.attrs.get("predictions", {}).get("failed", [])
    images = images[~images["job_id"].isin(failed)].reset_index(drop=True)
    if "frame_number" in predictions.columns:
        known = pd.MultiIndex.from_frame(images[KEY].astype({"job_id": "str"}))
        found = pd.MultiIndex.from_arrays(
            [predictions["job_id"].astype(str), predictions["frame_number"].astype("int64")]
        )
        strange = ~found.isin(known)
        if strange.any():
            row = predictions[strange].iloc[0]
            raise FrameError(
                f"{int(strange.sum())} of {len(predictions)} predictions belong to no frame of "
                f"these results: frame {row['frame_number']} of job {row['job_id']}.",
                advice="Evaluate against the results that were predicted.",
            )
    if not len(images):
        raise FrameError("These results have no labeled frame.")
    return images


def _detected(
    labels: Labels, images: pd.DataFrame, task: Any, per: str, sigmas: list[float] | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    match = Matches(task, labels.truth, labels.found, images, sigmas)
    name = "oks" if task == "keypoints" else "iou"
    rows = match.per_image().rename(columns={"similarity": name})
    counted = ["true_positives", "false_positives", "false_negatives"]
    if task == "keypoints":
        rows["error_px"] = _distance(labels, match)
    jobs = pd.factorize(images["job_id"])[0]
    if per == "job":
        how = dict.fromkeys(counted, "sum") | {name: "mean"}
        how |= {"error_px": "mean"} if "error_px" in rows.columns else {}
        rows = rows.groupby(jobs).agg(how)
    groups = jobs if per == "job" else np.arange(len(images))
    rows = rows.join(match.precision(np.asarray(groups, dtype=np.int64)))
    true, false, missed = (rows[column].to_numpy(float) for column in counted)
    with np.errstate(invalid="ignore"):
        rows["precision"] = true / (true + false)
        rows["recall"] = true / (true + missed)
    rows["n_truth"] = (true + missed).astype("int64")
    rows["n_predicted"] = (true + false).astype("int64")
    first = [name, *(["error_px"] if "error_px" in rows.columns else [])]
    rest = ["ap", "ap50", "ap75", "ar", "precision", "recall", *counted, "n_truth", "n_predicted"]
    pooled = match.precision(np.zeros(len(images), dtype=np.int64)).iloc[0]
    whole = {str(key): float(value) for key, value in pooled.items()}
    whole[name] = float(rows[name].mean())
    return rows[[*first, *rest]].reset_index(drop=True), whole


def _distance(labels: Labels, match: Matches) -> NDArray[np.float64]:
    """Return the mean pixel distance over counted points of matched objects, per frame."""
    total, count = np.zeros(match.count), np.zeros(match.count)
    images = labels.truth["image"].to_numpy()
    shape = (-1, len(labels.names), 3)
    truths = np.array(labels.truth["keypoints"].tolist(), dtype=float).reshape(shape)
    founds = np.array(labels.found["keypoints"].tolist(), dtype=float).reshape(shape)
    for truth, found in match.pairs():
        a, b = truths[truth], founds[found]
        counted = (a[:, 2] > 0) & (b[:, 2] > 0)
        image = images[truth]
        total[image] += np.hypot(*(a - b)[counted, :2].T).sum()
        count[image] += counted.sum()
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _scalar(
    results: pd.DataFrame,
    images: pd.DataFrame,
    predictions: pd.DataFrame,
    task: str,
    target: str,
    prediction: str,
    per: str,
) -> tuple[pd.DataFrame, dict[str, float]]:
    source = images if target in images.columns else results
    if target not in source.columns:
        columns = [*map(str, results.columns), *map(str, images.columns)]
        raise FrameError(f"There is no column {target!r}.", advice=nearest(target, columns))
    on = KEY if "frame_number" in predictions.columns else ["job_id"]
    if predictions.duplicated(on).any():
        raise FrameError(f"Several predictions have the same {' and '.join(on)}.")
    found = images[KEY].astype({"job_id": "str"})
    given = predictions[[*on, prediction]].astype({"job_id": "str"})
    found = found.merge(given.rename(columns={prediction: "prediction"}), on=on, how="left")
    if source is images:
        found["truth"] = images[target].to_numpy()
    else:
        known = results.drop_duplicates("job_id").set_index(results["job_id"].astype(str))[target]
        found["truth"] = found["job_id"].map(known)
    if task == "classification":
        missing = found["prediction"].isna() | found["truth"].isna()
        right = found["prediction"].astype(str) == found["truth"].astype(str)
        found["correct"] = right.astype("float64").where(~missing)
        names = ["correct"]
    else:
        for name in ("prediction", "truth"):
            if not is_number(found[name]):
                raise FrameError(f"The {name} is not a number.", advice="Use classification.")
            found[name] = numbers(found[name])
        found["error"] = found["prediction"] - found["truth"]
        found["absolute_error"] = found["error"].abs()
        found["squared_error"] = found["error"] ** 2
        names = ["error", "absolute_error", "squared_error"]
    overall = {name: float(found[name].mean()) for name in names}
    found = found.drop(columns=KEY)
    if per == "job":
        jobs = pd.factorize(images["job_id"])[0]
        return found[names].groupby(jobs).mean().reset_index(drop=True), overall
    return found, overall


def _joined(
    results: pd.DataFrame,
    images: pd.DataFrame,
    metrics: pd.DataFrame,
    per: str,
    path: str | Path | None,
) -> pd.DataFrame:
    """Metrics beside the columns of the results and, per frame, of its labels."""
    keys = images[["job_id"]].drop_duplicates() if per == "job" else images[KEY]
    out = pd.concat([keys.reset_index(drop=True), metrics], axis="columns")
    more = [name for name in results.columns if name == "job_id" or name not in out.columns]
    of_jobs = results[more].drop_duplicates("job_id")
    out = out.merge(of_jobs.astype({"job_id": "string"}), on="job_id", how="left")
    if per == "frame":
        rows = results[results["path"].notna()] if "path" in results.columns else results
        objects = table(rows, "annotations", path=path, quiet=True)
        shown = [name for name in _OBJECT_LABELS if name in objects and name not in out.columns]
        if len(objects) and shown:
            means = objects.groupby(KEY, observed=True)[shown].mean().reset_index()
            out = out.merge(means, on=KEY, how="left")
        more = [n for n in images.columns if n not in out.columns and n != "image_id"]
        out = out.merge(images[[*KEY, *more]], on=KEY, how="left")
    folders = results.attrs.get("infinity")
    if isinstance(folders, Mapping) and "folders" in folders:
        with_folders(out, folders["folders"])
    return out
