"""Reshape keypoints: a row per frame, columns (name, x | y | v)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from infinity_frames.data.frames import with_columns
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.schemas import KEYPOINTS

__all__ = ["wide"]

_VALUES = ("x", "y", "v", "z", "x_global", "y_global", "z_global")


def wide(
    keypoints: pd.DataFrame,
    values: Sequence[str] = ("x", "y", "v"),
    by: str | Sequence[str] = (),
) -> pd.DataFrame:
    """Reshape a keypoints frame to a row per frame.

    Parameters
    ----------
    keypoints : DataFrame
        Keypoints of one skeleton.
    values : sequence of str
        Columns to keep of each point: x, y, v, z, x_global, y_global, z_global.
    by : str or sequence of str
        Further columns of the index, for frames with several people: ``"annotation_id"``.

    Returns
    -------
    DataFrame
        Indexed by ``job_id`` and ``frame_number`` (and `by`); columns ``(name, value)``, float64,
        NaN where a frame lacks a point.

    Raises
    ------
    FrameError
        The frame is no keypoints frame, holds several skeletons, or several points of one name per
        row.

    Examples
    --------
    >>> results.infinity.keypoints("coco").infinity.wide()["nose"]  # doctest: +SKIP
    """
    frame = with_columns(keypoints)
    more = [by] if isinstance(by, str) else list(by)
    index = ["job_id", "frame_number", *more]
    for value in values:
        if value not in _VALUES:
            raise FrameError(f"Keypoints have no {value!r}.", advice=nearest(str(value), _VALUES))
    KEYPOINTS.require(frame, [*index, "name", *values], "wide()")
    if "skeleton" in frame.columns and frame["skeleton"].nunique() > 1:
        found = ", ".join(map(str, frame["skeleton"].dropna().unique()))
        raise FrameError(
            f"wide() takes one skeleton, and this frame has several: {found}.",
            advice='Choose one: .infinity.keypoints("coco").infinity.wide().',
        )
    rows, labels = _groups(frame, index)
    names, points = pd.factorize(frame["name"].astype("string"), sort=False)
    if len(frame) != len(pd.unique(rows * max(len(points), 1) + names)):
        raise FrameError(
            "A frame has several points of one name, so they do not fit into one row.",
            advice='Several people: pass by="annotation_id", or filter the keypoints first.',
        )
    cells = np.full((len(labels), len(points), len(values)), np.nan)
    for place, value in enumerate(values):
        column = frame[value].astype("Float64").to_numpy(float, na_value=np.nan)
        cells[rows, names, place] = column
    columns = pd.MultiIndex.from_product([list(points), list(values)], names=["name", None])
    return pd.DataFrame(cells.reshape(len(labels), -1), labels, columns)


def _groups(frame: pd.DataFrame, index: list[str]) -> tuple[np.ndarray, pd.MultiIndex]:
    """Return number the rows by their index values, in the order of their first occurrence."""
    numbers = frame.groupby(index, sort=False, observed=True, dropna=False).ngroup().to_numpy()
    labels = pd.MultiIndex.from_frame(frame[index].drop_duplicates())
    return numbers, labels
