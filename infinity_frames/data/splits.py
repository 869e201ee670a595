"""Results in parts for training and testing, without copies of one thing on two sides."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data.frames import batch_frame, job_files, with_columns
from infinity_frames.protocol.errors import FrameError
from infinity_frames.protocol.schemas import RESULTS, TAG_PREFIX, Frame, as_frame

__all__ = ["SPLIT", "split"]

SPLIT = "split"
_NAMES = ("train", "val", "test")
_CAMERA = re.compile(r"_cam\d+$")
_SWEPT = f"{TAG_PREFIX}base"


def split(
    results: pd.DataFrame,
    sizes: Mapping[str, float] | Sequence[float],
    *,
    by: str | Sequence[str] = (),
    stratify: str | Sequence[str] = (),
    seed: int = 0,
    path: str | Path | None = None,
) -> Frame:
    """Divide results into parts, such that what belongs together stays together.

    Jobs belong together that share a seed, of which one repeats the other (``state``), that were
    swept from one row (``tag_base``), that are cameras of one scene, or that agree in a column of
    `by`: such groups are never divided.

    Parameters
    ----------
    results : DataFrame
        Results frame.
    sizes : mapping of str to float, or sequence of float
        Shares of the parts by name; without names two or three are train, val, test (two: train,
        test). They are scaled to 1.
    by : str or sequence of str
        Columns of which no value may be on two sides: ``by="avatar_identity"``.
    stratify : str or sequence of str
        Columns whose values should be as frequent in every part.
    seed : int
        The same seed, the same parts, whatever the order of the rows.
    path : path, optional
        The folder the results are in now, if they were moved.

    Returns
    -------
    DataFrame
        The same rows with a category column ``split``; NA where a job has no results.

    Raises
    ------
    FrameError
        The sizes are none, a column is missing, or there are fewer groups than parts.
    """
    shares = _shares(sizes)
    frame = with_columns(results)
    grouped, strata = _listed(by), _listed(stratify)
    RESULTS.require(frame, ["job_id", *grouped, *strata], "Splitting")
    usable = frame.drop_duplicates("job_id")
    if "path" in frame.columns:
        usable = usable[usable["path"].notna()]
    usable = usable.sort_values("job_id", ignore_index=True)
    groups = _groups(usable, grouped, path)
    if len(groups) < len(shares):
        raise FrameError(
            f"{len(usable)} jobs make only {len(groups)} groups that share no seed, rerun, sweep "
            f"or value of by, too few for {len(shares)} parts.",
            advice="Render more seeds, split into fewer parts, or name fewer columns in by=.",
        )
    chosen = _assigned(groups, _strata(usable, strata), np.array(list(shares.values())), seed)
    names = dict(zip(usable["job_id"], (list(shares)[part] for part in chosen), strict=True))
    out = as_frame(results.copy())
    parts = pd.Categorical([names.get(id_) for id_ in frame["job_id"]], categories=list(shares))
    out[SPLIT] = pd.Series(parts, index=out.index)
    return out


def _shares(sizes: Mapping[str, float] | Sequence[float]) -> dict[str, float]:
    named = dict(sizes) if isinstance(sizes, Mapping) else _named(list(sizes))
    if not named or any(not 0 < share < float("inf") for share in named.values()):
        raise FrameError(
            f"The sizes of the parts have to be positive, not {list(named.values())}.",
            advice='Give shares such as {"train": 0.8, "val": 0.1, "test": 0.1}.',
        )
    total = sum(named.values())
    return {str(name): share / total for name, share in named.items()}


def _named(shares: list[float]) -> dict[str, float]:
    names = ("train", "test") if len(shares) == 2 else _NAMES
    if len(shares) > len(names):
        raise FrameError(
            f"{len(shares)} parts need names.", advice="Give sizes as a dict of name to share."
        )
    return dict(zip(names, shares, strict=False))


def _listed(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _groups(
    usable: pd.DataFrame, by: Sequence[str], path: str | Path | None
) -> list[NDArray[np.int64]]:
    """Positions of jobs that belong together."""
    seeds = batch_frame(usable, job_files(usable, path=path)).set_index("job_id")["seed"]
    first: dict[Hashable, int] = {}
    parent = list(range(len(usable)))

    def root(job: int) -> int:
        while parent[job] != job:
            parent[job] = parent[parent[job]]
            job = parent[job]
        return job

    frame = usable.assign(_seed=usable["job_id"].map(seeds))
    for job, row in enumerate(frame.to_dict("records")):
        for key in _keys(row, by):
            parent[root(job)] = root(first.setdefault(key, job))
    members: defaultdict[int, list[int]] = defaultdict(list)
    for job in range(len(usable)):
        members[root(job)].append(job)
    return [np.array(jobs) for jobs in members.values()]


def _keys(row: Mapping[Hashable, object], by: Sequence[str]) -> Iterator[Hashable]:
    """What two jobs that belong together have in common."""
    scene = _CAMERA.sub("", str(row["job_id"]))
    yield "job", scene
    if scene != row["job_id"]:
        yield "job", row["job_id"]
    for column in ("_seed", "random_seed"):
        if not _is_missing(row.get(column)):
            yield "seed", row.get("generator"), float(str(row[column]))
    if not _is_missing(row.get("state")):
        yield "job", str(row["state"])
    if not _is_missing(row.get(_SWEPT)):
        # A row that was submitted is named by its job's id, others by their place in the batch.
        yield "job", str(row[_SWEPT])
        yield "base", row.get("batch_id"), str(row[_SWEPT])
    for column in by:
        if not _is_missing(row[column]):
            yield "by", column, row[column]


def _is_missing(value: object) -> bool:
    return value is None or bool(pd.isna(value))  # type: ignore[call-overload]


def _strata(usable: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """Which stratum each job is in: jobs by combination of values."""
    if not columns:
        return np.zeros(len(usable), np.int64)
    numbered = usable.groupby(list(columns), dropna=False, observed=True, sort=False).ngroup()
    return np.asarray(numbered, np.int64)


def _assigned(
    groups: Sequence[NDArray[np.int64]],
    strata: NDArray[np.int64],
    shares: NDArray[np.float64],
    seed: int,
) -> NDArray[np.int64]:
    """The part of each job.

    Groups go, large ones first, to where they bring the counts nearest to what is wanted, in their
    strata and over all: iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011) with
    groups in the place of examples and squared deviations as the measure.
    """
    shuffled = np.random.default_rng(seed).permutation(len(groups)).tolist()
    order = sorted(shuffled, key=lambda group: -len(groups[group]))
    totals = np.bincount(strata).astype(float)
    # A rare stratum weighs as much as a frequent one, and all jobs as much as all strata.
    weights = np.append(1 / totals, len(totals) / totals.sum())
    missing = shares[:, None] * np.append(totals, totals.sum())
    part_of = np.zeros(len(groups), np.int64)
    for group in order:
        counts = np.bincount(strata[groups[group]], minlength=len(totals))
        counts = np.append(counts, counts.sum())
        cost = (weights * counts * (counts - 2 * missing)).sum(axis=1)
        part = int(np.argmin(cost.round(9)))
        part_of[group] = part
        missing[part] -= counts
    _fill_empty(part_of, order, len(shares))
    chosen = np.zeros(len(strata), np.int64)
    for members, given in zip(groups, part_of, strict=True):
        chosen[members] = given
    return chosen


def _fill_empty(
    part_of: NDArray[np.int64],
    order: Sequence[int],
    parts: int,
) -> None:
    """Give a part that got nothing the smallest group of the one that has the most groups."""
    for part in range(parts):
        if part not in part_of:
            fullest = np.bincount(part_of, minlength=parts).argmax()
            part_of[[g for g in order if part_of[g] == fullest][-1]] = part
