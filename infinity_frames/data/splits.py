"""Split jobs into parts for training and testing without related jobs in different parts."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.data.frames import batch_frame, job_files, with_columns
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.schemas import TAG_PREFIX, folders
from infinity_frames.protocol.warnings import warn_user

__all__ = ["SPLIT", "TAGGED_SPLIT", "split"]

SPLIT = "split"
TAGGED_SPLIT = f"{TAG_PREFIX}split"
"""The column of jobs before they are rendered: a tag comes back with the results."""
_NAMES = ("train", "val", "test")
_CAMERA = re.compile(r"_cam\d+$")
_SWEPT = f"{TAG_PREFIX}base"
_LEFT_OUT = ""
_TOLERANCE = 1e-9


def split(
    results: pd.DataFrame,
    sizes: Mapping[str, float] | Sequence[float],
    *,
    by: str | Sequence[str] = (),
    stratify: str | Sequence[str] = (),
    seed: int = 0,
    exact: bool = False,
    path: str | Path | None = None,
) -> pd.DataFrame:
    """Assign jobs to parts; related jobs get the same part.

    Jobs are related if they share a seed, if one repeats the other (``state``), if they were swept
    from one row (``tag_base``), if they are cameras of one scene, or if they agree in a column of
    `by`. A group of related jobs gets its part by a hash of `seed` and the group's identity, so
    further jobs or dropped rows change nothing for the others. A job that has a part in the column
    ``split`` already keeps it.

    Parameters
    ----------
    results : DataFrame
        Results frame; or a jobs frame before rendering, which gets the column ``tag_split``: tags
        are submitted with the jobs and return with the results.
    sizes : mapping of str to float, or sequence of float
        Shares of the parts by name; without names two or three are train, val, test (two: train,
        test). Below a sum of 1 the rest of the jobs is left out; above it they are weights.
    by : str or sequence of str
        Columns whose values must not occur in two parts: ``by="avatar_identity"``.
    stratify : str or sequence of str
        Columns whose values should be equally frequent in every part; implies `exact`.
    seed : int
        Another seed gives other parts. The order of the rows has no influence.
    exact : bool
        Keep the shares as closely as groups allow, instead of within the chance of hashing:
        about ``sqrt(n * p * (1 - p))`` of n groups for a share p. Then only a column ``split``
        that is kept makes the parts stable when jobs are added.
    path : path, optional
        The folder the results are in now, if they were moved.

    Returns
    -------
    DataFrame
        The same rows with a category column ``split``; missing where a job has no results or is
        left out.

    Raises
    ------
    FrameError
        A size is invalid, a column is missing, related jobs already have different parts, or there
        are fewer groups than parts.

    Warns
    -----
    UserWarning
        Jobs are left out.

    Examples
    --------
    >>> parts = split(results, {"train": 0.8, "val": 0.2}, by="avatar_identity")  # doctest: +SKIP
    >>> parts["split"].value_counts()  # doctest: +SKIP
    """
    shares = _shares(sizes)
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise FrameError(f"Invalid seed {seed!r}.", advice="Pass a whole number.")
    frame = with_columns(results)
    grouped, strata = _listed(by), _listed(stratify)
    is_submitted = "job_id" in frame.columns
    for name in [*grouped, *strata]:
        if name not in frame.columns:
            raise FrameError(
                f"There is no column {name!r} to split by.",
                advice=nearest(name, map(str, frame.columns)),
            )
    column = SPLIT if is_submitted else TAGGED_SPLIT
    usable = _usable(frame) if is_submitted else frame.reset_index(drop=True)
    groups = _groups(usable, grouped, path)
    known = _known_parts(usable)
    _fill_related(groups, known)
    parts = dict(shares)
    if sum(shares.values()) < 1 - _TOLERANCE:
        parts[_LEFT_OUT] = 1 - sum(shares.values())
    free = [group for group in groups if known[group.members[0]] is None]
    if len(groups) < len(shares):
        raise FrameError(
            f"{len(usable)} jobs make only {len(groups)} groups that share no seed, rerun, sweep "
            f"or value of by, too few for {len(shares)} parts.",
            advice="Render more seeds, split into fewer parts, or name fewer columns in by=.",
        )
    if exact or strata:
        _assign_exactly(free, known, _strata(usable, strata), parts, seed)
    else:
        _assign_by_hash(free, known, parts, seed)
    _warn(known, shares)
    return _with_parts(results, frame, usable, known, list(shares), column)


@dataclass(frozen=True)
class _Group:
    """Related jobs.

    Parameters
    ----------
    members : array of int
        Positions of the jobs.
    identity : str
        Text that stays the same when unrelated rows are added or dropped.
    """

    members: NDArray[np.int64]
    identity: str

    def hash(self, seed: int) -> int:
        """Return a uniform number below 2**64."""
        text = f"{seed}\n{self.identity}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _shares(sizes: Mapping[str, float] | Sequence[float]) -> dict[str, float]:
    named = dict(sizes) if isinstance(sizes, Mapping) else _named(list(sizes))
    values = list(named.values())
    valid = all(isinstance(share, (int, float, np.number)) for share in values)
    if not named or not valid or any(not 0 < share < float("inf") for share in values):
        raise FrameError(
            f"The sizes of the parts have to be positive numbers, not {values}.",
            advice='Give shares such as {"train": 0.8, "val": 0.1, "test": 0.1}.',
        )
    if any(not str(name) for name in named):
        raise FrameError("A part has an empty name.", advice="Name it train, val or test.")
    total = max(float(sum(values)), 1.0)
    return {str(name): float(share) / total for name, share in named.items()}


def _named(shares: list[float]) -> dict[str, float]:
    names = ("train", "test") if len(shares) == 2 else _NAMES
    if len(shares) > len(names):
        raise FrameError(
            f"{len(shares)} parts need names.", advice="Give sizes as a dict of name to share."
        )
    return dict(zip(names, shares, strict=False))


def _listed(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _usable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per job; without the jobs that have no results, if this is a results frame."""
    rows = frame[frame["job_id"].notna()].drop_duplicates("job_id")
    if "path" in rows.columns:
        rows = rows[rows["path"].notna()]
    return rows.sort_values("job_id", ignore_index=True)


def _groups(usable: pd.DataFrame, by: Sequence[str], path: str | Path | None) -> list[_Group]:
    """Connected components of jobs that have a key in common."""
    first: dict[Hashable, int] = {}
    parent = list(range(len(usable)))

    def root(job: int) -> int:
        while parent[job] != job:
            parent[job] = parent[parent[job]]
            job = parent[job]
        return job

    rows = usable.assign(_seed=_seeds(usable, path)).to_dict("records")
    for job, row in enumerate(rows):
        for key in _keys(row, by):
            parent[root(job)] = root(first.setdefault(key, job))
    members: defaultdict[int, list[int]] = defaultdict(list)
    for job in range(len(usable)):
        members[root(job)].append(job)
    own = _identities(usable, rows, by)
    return [_Group(np.array(jobs), min(own[job] for job in jobs)) for jobs in members.values()]


def _seeds(usable: pd.DataFrame, path: str | Path | None) -> pd.Series:
    """Return the seed of each job by the batch's record, where it is known."""
    if "seed" in usable.columns:
        return usable["seed"]
    has_files = "path" in usable.columns or path is not None or bool(folders(usable))
    if "job_id" not in usable.columns or not has_files or usable.empty:
        return pd.Series(pd.NA, index=usable.index, dtype="Int64")
    seeds = batch_frame(usable, job_files(usable, path=path)).set_index("job_id")["seed"]
    return usable["job_id"].map(seeds)


def _keys(row: Mapping[Hashable, object], by: Sequence[str]) -> Iterator[Hashable]:
    """Yield what related jobs have in common."""
    if not _is_missing(row.get("job_id")):
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


def _identities(
    usable: pd.DataFrame, rows: Sequence[Mapping[Hashable, object]], by: Sequence[str]
) -> list[str]:
    """Return a text that identifies each job; the smallest one of a group identifies the group.

    In order of preference, it is made of the value of `by`, the requested random seed, the job that
    this one repeats or was swept from, its own id, or its parameters.
    """
    own = _contents(usable)
    out = []
    for row, contents in zip(rows, own, strict=True):
        named = [f"{column}={row[column]}" for column in by if not _is_missing(row[column])]
        if named:
            out.append(f"0 {named[0]}")
        elif not _is_missing(row.get("random_seed")):
            out.append(f"1 {float(str(row['random_seed']))!r}")
        elif not _is_missing(row.get("state")):
            out.append(f"2 {row['state']}")
        elif not _is_missing(row.get(_SWEPT)):
            out.append(f"2 {_base_name(row)}")
        elif not _is_missing(row.get("job_id")):
            out.append(f"2 {_CAMERA.sub('', str(row['job_id']))}")
        else:
            out.append(f"3 {contents}")
    return out


def _base_name(row: Mapping[Hashable, object]) -> str:
    """Return the row that a job was swept from: a job's id, or its place in the batch."""
    base = str(row[_SWEPT])
    if not base.isdigit():
        return base
    batch = row.get("batch_id")
    return f"{'' if _is_missing(batch) else batch} {base}"


def _contents(usable: pd.DataFrame) -> list[str]:
    """Return the parameters of each job as text; equal jobs are numbered."""
    if "job_id" in usable.columns:
        return [""] * len(usable)
    names = sorted(name for name in map(str, usable.columns) if name != TAGGED_SPLIT)
    texts = pd.Series(
        [
            repr([(name, str(row[name])) for name in names if not _is_missing(row[name])])
            for row in usable.rename(columns=str).to_dict("records")
        ],
        dtype="object",
    )
    return [
        f"{text} {copy}" for text, copy in zip(texts, texts.groupby(texts).cumcount(), strict=True)
    ]


def _is_missing(value: object) -> bool:
    return value is None or (bool(pd.api.types.is_scalar(value)) and bool(pd.isna(value)))  # type: ignore[call-overload]


def _known_parts(usable: pd.DataFrame) -> list[str | None]:
    """Parts that the jobs have already, by the column ``split`` or else ``tag_split``."""
    known: list[str | None] = [None] * len(usable)
    for column in (TAGGED_SPLIT, SPLIT):
        if column in usable.columns:
            for job, part in enumerate(usable[column]):
                known[job] = known[job] if _is_missing(part) else str(part)
    return known


def _fill_related(groups: Sequence[_Group], known: list[str | None]) -> None:
    """Give jobs without a part the one of their group; `known` is changed in place."""
    for group in groups:
        parts = {known[job] for job in group.members} - {None}
        if len(parts) > 1:
            raise FrameError(
                "Related jobs have different parts in the column 'split': "
                f"{len(group.members)} jobs in {', '.join(sorted(map(str, parts)))}.",
                advice="Drop the column 'split' to assign all jobs again, or correct these rows.",
                positions=group.members.tolist(),
            )
        if parts:
            (part,) = parts
            for job in group.members:
                known[job] = part


def _assign_by_hash(
    groups: Sequence[_Group], known: list[str | None], parts: Mapping[str, float], seed: int
) -> None:
    """Give each group the part in whose range of [0, 1) its hash lies.

    A part without any job takes the group whose hash is nearest to the middle of its range.
    """
    names, bounds = list(parts), np.cumsum(list(parts.values()))
    places = np.array([group.hash(seed) / 2**64 for group in groups])
    chosen = np.minimum(np.searchsorted(bounds, places, side="right"), len(names) - 1)
    taken = set(known)
    for number, name in enumerate(names):
        counts = np.bincount(chosen, minlength=len(names))
        spare = np.flatnonzero(counts[chosen] > 1)
        if name not in taken and name != _LEFT_OUT and not counts[number] and len(spare):
            middle = bounds[number] - parts[name] / 2
            chosen[spare[np.abs(places[spare] - middle).argmin()]] = number
    for group, number in zip(groups, chosen, strict=True):
        for job in group.members:
            known[job] = names[number]


def _strata(usable: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """Return the stratum of each job: one per combination of values."""
    if not columns:
        return np.zeros(len(usable), np.int64)
    numbered = usable.groupby(list(columns), dropna=False, observed=True, sort=False).ngroup()
    return np.asarray(numbered, np.int64)


def _assign_exactly(
    groups: Sequence[_Group],
    known: list[str | None],
    strata: NDArray[np.int64],
    parts: Mapping[str, float],
    seed: int,
) -> None:
    """Give each group the part that brings the counts nearest to the shares.

    Large groups go first, within their strata and over all jobs: iterative stratification
    (Sechidis, Tsoumakas and Vlahavas 2011) with groups in the place of examples and squared
    deviations as the measure. Jobs that have a part already count for it.
    """
    names, shares = list(parts), np.array(list(parts.values()))
    order = sorted(groups, key=lambda group: (-len(group.members), group.hash(seed)))
    totals = np.bincount(strata).astype(float)
    # A rare stratum weighs as much as a frequent one, and all jobs as much as all strata.
    weights = np.append(1 / totals, len(totals) / totals.sum())
    missing = shares[:, None] * np.append(totals, totals.sum())
    for job, part in enumerate(known):
        if part in parts:
            missing[names.index(str(part)), [strata[job], -1]] -= 1
    assigned: list[int] = []
    for group in order:
        counts = np.bincount(strata[group.members], minlength=len(totals))
        counts = np.append(counts, counts.sum())
        cost = (weights * counts * (counts - 2 * missing)).sum(axis=1)
        place = int(np.argmin(cost.round(9)))
        assigned.append(place)
        missing[place] -= counts
    _fill_empty(assigned, names, {part for part in known if part is not None})
    for group, place in zip(order, assigned, strict=True):
        for job in group.members:
            known[job] = names[place]


def _fill_empty(assigned: list[int], names: Sequence[str], taken: set[str]) -> None:
    """Give a part without a job the smallest group of the part that has the most groups."""
    for place, name in enumerate(names):
        if place not in assigned and name not in taken and name != _LEFT_OUT and assigned:
            counts = np.bincount(assigned, minlength=len(names))
            fullest = int(counts.argmax())
            if counts[fullest] > 1:
                last = max(at for at, given in enumerate(assigned) if given == fullest)
                assigned[last] = place


def _warn(known: Sequence[str | None], shares: Mapping[str, float]) -> None:
    left_out = sum(part == _LEFT_OUT for part in known)
    if left_out:
        warn_user(
            f"{left_out} of {len(known)} jobs are left out, since the sizes add up to "
            f"{sum(shares.values()):g}: their part is missing.",
        )


def _with_parts(
    results: pd.DataFrame,
    frame: pd.DataFrame,
    usable: pd.DataFrame,
    known: Sequence[str | None],
    names: Sequence[str],
    column: str,
) -> pd.DataFrame:
    given = [part or None for part in known]
    if "job_id" in frame.columns:
        of_job = dict(zip(usable["job_id"], given, strict=True))
        # Jobs without results keep the part that they have.
        before = frame[SPLIT] if SPLIT in frame.columns else pd.Series(None, index=frame.index)
        own = [None if _is_missing(part) else str(part) for part in before]
        rows = [of_job.get(id_) or part for id_, part in zip(frame["job_id"], own, strict=True)]
    else:
        rows = given
    more = sorted({part for part in rows if part is not None} - set(names))
    parts = pd.Categorical(rows, categories=[*names, *more])
    out = results.copy()
    out[column] = pd.Series(parts, index=out.index)
    return out
