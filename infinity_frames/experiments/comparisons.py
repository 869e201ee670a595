"""How far the labels of a data set are from those of another, such as a real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data import table
from infinity_frames.experiments.extra import library
from infinity_frames.experiments.factors import groups_of, interval, is_number, numbers
from infinity_frames.protocol.errors import FrameError, NoResults
from infinity_frames.protocol.schemas import TAG_PREFIX

__all__ = ["LABELS", "compare_to"]

Real = pd.DataFrame | str | Path | Mapping[str, Any]
LABELS = (
    *("category", "objects_in_frame", "relative_width", "relative_height", "relative_area"),
    *("aspect_ratio", "center_x", "center_y", "num_keypoints"),
)
"""Columns that are compared with a COCO file: of each object, sizes as shares of the picture."""
_MOST_ROWS = 20_000
_FEWEST = 20
_FOLDS = 5
_NOT_COMPARED = {"job_id", "batch_id", "batch_name", "path", "video", "error", "state", "status"}
_NOT_COMPARED |= {"random_seed", "seed", "generator", "annotation_id", "image_id", "group"}


def compare_to(
    frame: pd.DataFrame,
    real: Real,
    *,
    columns: Sequence[str] | None = None,
    resamples: int = 200,
    seed: int = 0,
    path: str | Path | None = None,
) -> pd.DataFrame:
    """Compare the distribution of each shared column with that of another data set.

    Numbers are compared by the Wasserstein-1 distance (scipy), in the column's unit; texts by the
    total variation distance, half the sum of |p - q|. A classifier (extremely randomized
    trees, 5 folds by job) that tells the data sets apart gives the area under its ROC curve: 0.5
    where it cannot (a classifier two-sample test, Lopez-Paz and Oquab 2017).

    Parameters
    ----------
    frame : DataFrame
        Results, whose labels are compared with a COCO file; or any rows, compared with a frame.
    real : DataFrame, path or mapping
        A frame with columns of the same names, or the annotations of a COCO file.
    columns : sequence of str, optional
        Which to compare; by default all scalar columns that both have.
    resamples : int
        Bootstrap resamples and permutations, of whole jobs and whole pictures.
    seed : int
        Of these.
    path : path, optional
        The results' folder, if they were moved.

    Returns
    -------
    DataFrame
        A row per column, the most different first: column, measure ("wasserstein" or "total
        variation"), distance, ci_low, ci_high (95 %, bootstrap), relative (distance over the
        standard deviation of `real`; of texts the distance), noise (distance that samples of one
        distribution stay below with 95 % probability), p (permutation test, corrected
        by Benjamini and Hochberg),
        auc_drop (how much worse the classifier is when this column is shuffled), mean, real_mean,
        n, n_real. ``attrs["comparison"]`` holds auc, auc_low, auc_high, n, n_real.

    Raises
    ------
    FrameError
        Nothing is shared, or a side has fewer than 20 independent rows.
    NoResults
        The COCO file cannot be read.

    Examples
    --------
    >>> looks.infinity.compare_to("annotations/person_keypoints_val2017.json")
    """
    mine, other = _both(frame, real, path)
    shared = _shared(mine, other, columns)
    rng = np.random.default_rng(seed)
    mine, other = (_thinned(rows, rng) for rows in (mine, other))
    for rows, which in ((mine, "these rows"), (other, "the other data set")):
        if rows["group"].nunique() < _FEWEST:
            raise FrameError(
                f"Not enough data: {rows['group'].nunique()} independent rows in {which}, and "
                f"{_FEWEST} are needed."
            )
    out = pd.DataFrame([_compared(mine, other, name, rng, resamples) for name in shared])
    adjust = library("statsmodels.stats.multitest").multipletests
    out["p"] = adjust(out["p"], method="fdr_bh")[1]
    auc, drops = _told_apart(mine, other, shared, rng, resamples)
    out.insert(8, "auc_drop", drops)
    out = out.sort_values("relative", ascending=False, kind="stable").reset_index(drop=True)
    sizes = {"n": len(mine), "n_real": len(other)}
    found = dict(zip(("auc", "auc_low", "auc_high"), auc, strict=True))
    out.attrs["comparison"] = {**found, **sizes}
    return out


def _both(
    frame: pd.DataFrame, real: Real, path: str | Path | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if isinstance(real, pd.DataFrame):
        mine = frame.reset_index(drop=True)
        other = real.reset_index(drop=True)
        return mine.assign(group=groups_of(mine)), other.assign(group=groups_of(other))
    other = _measured(_coco(real))
    objects = table(frame, "annotations", path=path, quiet=True)
    images = table(frame, "images", path=path, quiet=True)
    sizes = images[["job_id", "frame_number", "width", "height"]]
    rows = objects.merge(sizes, on=["job_id", "frame_number"])
    of_frame = rows.groupby(["job_id", "frame_number"], observed=True)["category"]
    rows["objects_in_frame"] = of_frame.transform("size")
    rows["group"] = pd.factorize(rows["job_id"])[0]
    return _measured(rows), other


def _coco(real: str | Path | Mapping[str, Any]) -> pd.DataFrame:
    """Return the objects of a COCO file."""
    data: Any = real
    if not isinstance(real, Mapping):
        try:
            data = orjson.loads(Path(real).read_bytes())
        except (OSError, ValueError) as error:
            raise NoResults(f"{real} cannot be read as JSON: {error}.", file=str(real)) from None
    box = ("bbox_x", "bbox_y", "bbox_width", "bbox_height")
    try:
        kinds = {item["id"]: item["name"] for item in data["categories"]}
        sizes = {item["id"]: (item["width"], item["height"]) for item in data["images"]}
        rows = pd.DataFrame(
            {
                "category": kinds[item["category_id"]],
                **dict(zip(box, item["bbox"], strict=True)),
                "area": item.get("area"),
                "width": sizes[item["image_id"]][0],
                "height": sizes[item["image_id"]][1],
                "num_keypoints": item.get("num_keypoints"),
                "group": item["image_id"],
            }
            for item in data["annotations"]
            if not item.get("iscrowd")
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise NoResults(
            f"This is no COCO file: {error!r} is missing or malformed.",
            advice="It needs images (with width and height), categories and annotations with bbox.",
        ) from None
    if not len(rows):
        raise NoResults("The COCO file has no annotation.")
    rows["objects_in_frame"] = rows.groupby("group")["group"].transform("size")
    rows["group"] = pd.factorize(rows["group"])[0]
    return rows


def _measured(rows: pd.DataFrame) -> pd.DataFrame:
    width, height = numbers(rows["width"]), numbers(rows["height"])
    w, h = numbers(rows["bbox_width"]), numbers(rows["bbox_height"])
    out = pd.DataFrame({"category": rows["category"].astype(str)})
    out["objects_in_frame"] = rows["objects_in_frame"].to_numpy("float64")
    out["relative_width"], out["relative_height"] = w / width, h / height
    out["relative_area"] = numbers(rows["area"].astype("Float64")) / (width * height)
    out["aspect_ratio"] = w / np.where(h > 0, h, np.nan)
    out["center_x"] = (numbers(rows["bbox_x"]) + w / 2) / width
    out["center_y"] = (numbers(rows["bbox_y"]) + h / 2) / height
    if "num_keypoints" in rows.columns:
        out["num_keypoints"] = numbers(rows["num_keypoints"].astype("Float64"))
    return out.assign(group=rows["group"].to_numpy())


def _shared(mine: pd.DataFrame, other: pd.DataFrame, columns: Sequence[str] | None) -> list[str]:
    wanted = list(columns) if columns is not None else [str(name) for name in mine.columns]
    out = []
    for name in wanted:
        both = name in mine.columns and name in other.columns
        if not both and columns is not None:
            raise FrameError(f"The column {name!r} is not in both data sets.")
        if not both or name in _NOT_COMPARED or name.startswith((TAG_PREFIX, "metric_")):
            continue
        a, b = mine[name].dropna(), other[name].dropna()
        try:
            varied = len(a) > 0 and len(b) > 0 and pd.concat([a, b]).nunique() > 1
        except TypeError:
            varied = False  # lists
        text = not is_number(a)
        if varied and not (text and max(a.nunique(), b.nunique()) > 200):
            out.append(name)
    if not out:
        raise FrameError(
            "The data sets share no column that varies.",
            advice="Rename columns of the other data set to those of these rows.",
        )
    return out


def _thinned(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    if len(rows) <= _MOST_ROWS:
        return rows
    kept = rng.permutation(rows["group"].unique())
    counts = rows["group"].value_counts()[kept].cumsum()
    return rows[rows["group"].isin(kept[: max(int((counts <= _MOST_ROWS).sum()), 1)])]


def _compared(
    mine: pd.DataFrame, other: pd.DataFrame, name: str, rng: np.random.Generator, resamples: int
) -> dict[str, Any]:
    a, b = (rows[[name, "group"]].dropna() for rows in (mine, other))
    number = is_number(a[name]) and is_number(b[name])
    if number:
        x, y = numbers(a[name]), numbers(b[name])
    else:
        codes = pd.factorize(pd.concat([a[name], b[name]]).astype(str))[0].astype(float)
        x, y = codes[: len(a)], codes[len(a) :]
    measure = library("scipy.stats").wasserstein_distance if number else _total_variation
    g, k = (pd.factorize(rows["group"])[0] for rows in (a, b))
    boot = np.array([measure(_again(x, g, rng), _again(y, k, rng)) for _ in range(resamples)])
    whole = np.concatenate([x, y])
    groups = np.concatenate([g, k + g.max() + 1])
    share = (g.max() + 1) / (groups.max() + 1)
    null = []
    for _ in range(resamples):
        side = (rng.random(groups.max() + 1) < share)[groups]
        null.append(measure(whole[side], whole[~side]) if 0 < side.sum() < len(side) else 0.0)
    distance = float(measure(x, y))
    # The bootstrap of a distance is biased by resampling noise; what it adds on average is removed.
    low, high = interval(boot - boot.mean() + distance)
    spread = float(np.std(y)) if number else 1.0
    return {
        "column": name,
        "measure": "wasserstein" if number else "total variation",
        "distance": distance,
        "ci_low": max(low, 0.0),
        "ci_high": high,
        "relative": distance / spread if spread > 0 else np.inf,
        "noise": float(np.quantile(null, 0.95)),
        "p": (1 + sum(value >= distance for value in null)) / (1 + resamples),
        "mean": float(np.mean(x)) if number else np.nan,
        "real_mean": float(np.mean(y)) if number else np.nan,
        "n": len(x),
        "n_real": len(y),
    }


def _total_variation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    size = int(max(x.max(), y.max())) + 1
    p = np.bincount(x.astype(int), minlength=size) / len(x)
    q = np.bincount(y.astype(int), minlength=size) / len(y)
    return float(np.abs(p - q).sum() / 2)


def _again(
    values: NDArray[np.float64], groups: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a bootstrap sample of whole groups."""
    count = int(groups.max()) + 1
    times = np.bincount(rng.integers(0, count, count), minlength=count)
    return np.repeat(values, times[groups])


def _told_apart(
    mine: pd.DataFrame,
    other: pd.DataFrame,
    shared: list[str],
    rng: np.random.Generator,
    resamples: int,
) -> tuple[tuple[float, float, float], list[float]]:
    """Area under the ROC curve on held-out jobs with its interval, and its drop per column."""
    auc_of = library("sklearn.metrics").roc_auc_score
    both = pd.concat([mine[[*shared, "group"]], other[[*shared, "group"]]], ignore_index=True)
    x = np.column_stack(
        [numbers(both[n]) if is_number(both[n]) else numbers(both[n].astype(str)) for n in shared]
    )
    y = np.repeat([0, 1], [len(mine), len(other)])
    groups = both["group"].to_numpy() + y * (int(mine["group"].max()) + 1)
    split = library("sklearn.model_selection").StratifiedGroupKFold(
        _FOLDS, shuffle=True, random_state=0
    )
    score, shuffled = np.zeros(len(y)), np.zeros((len(shared), len(y)))
    for train, test in split.split(x, y, groups):
        model = library("sklearn.ensemble").ExtraTreesClassifier(
            100, min_samples_leaf=5, random_state=0, class_weight="balanced"
        )
        model.fit(x[train], y[train])
        score[test] = model.predict_proba(x[test])[:, 1]
        for column in range(len(shared)):
            changed = x[test].copy()
            changed[:, column] = rng.permutation(changed[:, column])
            shuffled[column, test] = model.predict_proba(changed)[:, 1]
    auc = float(auc_of(y, score))
    codes = pd.factorize(groups)[0]
    replicates = []
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, codes.max() + 1, codes.max() + 1))
        weights = np.append(times, np.zeros(codes.max() + 1 - len(times)))[codes]
        if weights[y == 0].sum() > 0 and weights[y == 1].sum() > 0:
            replicates.append(auc_of(y, score, sample_weight=weights))
    low, high = interval(np.array(replicates))
    return (auc, low, high), [auc - float(auc_of(y, row)) for row in shuffled]
