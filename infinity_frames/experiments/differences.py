"""Compare two renders of the same jobs, file by file and frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from infinity_frames.data import JobFiles, job_files
from infinity_frames.experiments.recipes import SOURCE, STATE, record_of
from infinity_frames.io.pictures import decode_picture
from infinity_frames.io.video import read_frames
from infinity_frames.protocol.errors import MediaError

__all__ = ["same_as"]

DIFFERENCES = ["job_id", "other_job_id", "file", "frame_number", "difference"]


def same_as(results: pd.DataFrame, other: pd.DataFrame, *, tolerance: int = 0) -> pd.DataFrame:
    """Compare two renders of the same jobs: which jobs, files and frames differ.

    Jobs are paired by ``tag_recipe``, which :func:`replay` sets, or by equal ids, or by equal
    parameters and seeds. Equal bytes are equal; otherwise labels are compared as JSON and pictures
    and videos by their decoded pixels.

    Parameters
    ----------
    results, other : DataFrame
        Results rows.
    tolerance : int
        Largest difference of a pixel's channel (0 to 255) that is no difference.

    Returns
    -------
    DataFrame
        A row per difference: job_id, other_job_id, file, frame_number (missing where it concerns
        no frame), difference (text); empty if all are the same. ``attrs["same_as"]`` holds the
        number of jobs and files that were compared.

    Examples
    --------
    >>> again.infinity.same_as(looks)
    """
    pairs, alone = _paired(results, other)
    rows: list[tuple[Any, ...]] = [
        (job, None, None, None, "has no counterpart in the other results") for job in alone
    ]
    files = 0
    for mine, theirs in pairs:
        names = sorted({*_files(mine), *_files(theirs)})
        files += len(names)
        for name in names:
            for frame, text in _differences(mine, theirs, name, tolerance):
                rows.append((mine.job_id, theirs.job_id, name, frame, text))
    out = pd.DataFrame(rows, columns=DIFFERENCES)
    out = out.astype({n: "Int64" if n == "frame_number" else "string" for n in DIFFERENCES})
    out.attrs["same_as"] = {"jobs": len(pairs), "files": files}
    return out


def _paired(
    results: pd.DataFrame, other: pd.DataFrame
) -> tuple[list[tuple[JobFiles, JobFiles]], list[str]]:
    sides = []
    for frame in (results, other):
        there = frame[frame["path"].notna()] if "path" in frame.columns else frame
        source = there[SOURCE] if SOURCE in there.columns else pd.Series(pd.NA, there.index)
        sources = dict(zip(there["job_id"].astype(str), source, strict=True))
        sides.append((sources, {job.job_id: job for job in job_files(there)}))
    (my_sources, mine), (their_sources, theirs) = sides
    by_source = {str(s): job for job, s in their_sources.items() if pd.notna(s)}
    by_content = {_content(job): job.job_id for job in theirs.values()}
    pairs, alone = [], []
    for job_id, job in mine.items():
        original = my_sources.get(job_id)
        named = str(original) if pd.notna(original) else None
        candidates = [
            named,
            by_source.get(job_id),
            None if named is None else by_source.get(named),
            job_id,
            by_content.get(_content(job)),
        ]
        found = next((c for c in candidates if c is not None and c in theirs), None)
        if found is None:
            alone.append(job_id)
        else:
            pairs.append((job, theirs[found]))
    return pairs, alone


def _content(job: JobFiles) -> bytes:
    record = record_of(job)
    params = {k: v for k, v in record["params"].items() if k != STATE}
    kept = [record["name"], params, record.get("seed"), bool(record.get("is_preview"))]
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


def _files(job: JobFiles) -> dict[str, Path]:
    return {
        path.relative_to(job.folder).as_posix(): path
        for path in sorted(job.folder.rglob("*"))
        if path.is_file() and ".infinity" not in path.parts
    }


def _differences(
    mine: JobFiles, theirs: JobFiles, name: str, tolerance: int
) -> Iterator[tuple[int | None, str]]:
    a, b = _files(mine).get(name), _files(theirs).get(name)
    if a is None or b is None:
        yield None, f"is missing in the {'first' if a is None else 'other'} results"
        return
    one, two = a.read_bytes(), b.read_bytes()
    if one == two:
        return
    if name.endswith(".json"):
        yield from _of_json(orjson.loads(one), orjson.loads(two), name)
    elif name.endswith(".mp4"):
        yield from _of_videos(a, b, tolerance)
    elif name.endswith(".png"):
        yield from _of_pictures(decode_picture(one), decode_picture(two), 0, tolerance)
    else:
        yield None, f"has other bytes ({len(one):,} and {len(two):,})"


def _of_videos(a: Path, b: Path, tolerance: int) -> Iterator[tuple[int | None, str]]:
    for number, (one, two) in enumerate(zip_longest(read_frames(a), read_frames(b))):
        if one is None or two is None:
            yield number, f"the {'first' if one is None else 'other'} video ends before this frame"
            return
        yield from _of_pictures(one, two, number, tolerance)


def _of_pictures(
    one: Any, two: Any, frame: int, tolerance: int
) -> Iterator[tuple[int | None, str]]:
    if one is None or two is None:
        raise MediaError("A picture cannot be decoded.")
    if one.shape != two.shape:
        yield frame, f"size {one.shape[:2]} and {two.shape[:2]}"
        return
    apart = np.abs(one.astype(int) - two.astype(int))
    if apart.max() > tolerance:
        share = (apart.max(axis=-1) if apart.ndim == 3 else apart) > tolerance
        yield frame, f"{share.mean():.1%} of the pixels differ, by up to {apart.max()} of 255"


def _of_json(one: Any, two: Any, name: str) -> Iterator[tuple[int | None, str]]:
    """Places where two JSON documents differ; those of labels with their frame."""
    if name == "job.json":
        one, two = ({**x, "params": {**x["params"], STATE: None}} for x in (one, two))
    frames = {}
    if isinstance(one, Mapping):
        frames = {i.get("id"): i.get("frame_number") for i in one.get("images", [])}
    seen: dict[int | None, tuple[int, str]] = {}
    for place, text in _walk(one, two, ()):
        frame = None
        if len(place) > 1 and place[0] in ("annotations", "images"):
            item = one[place[0]][place[1]]
            frame = item.get("frame_number", frames.get(item.get("image_id")))
        count, first = seen.get(frame, (0, f"{'.'.join(map(str, place))}: {text}"))
        seen[frame] = count + 1, first
    for frame, (count, first) in seen.items():
        more = f" (and {count - 1} more)" if count > 1 else ""
        yield frame, first + more


def _walk(one: Any, two: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted({*one, *two}):
            if key not in one or key not in two:
                yield (*place, key), "only in one of the two"
            else:
                yield from _walk(one[key], two[key], (*place, key))
    elif isinstance(one, list) and isinstance(two, list):
        if len(one) != len(two):
            yield place, f"{len(one)} and {len(two)} entries"
        for number, (a, b) in enumerate(zip(one, two, strict=False)):
            yield from _walk(a, b, (*place, number))
    elif one != two:
        yield place, f"{str(one)[:40]} and {str(two)[:40]}"
