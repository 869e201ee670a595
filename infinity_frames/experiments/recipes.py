"""Everything that decides the pixels of jobs, rendering them again, and comparing two renders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from infinity_frames.client.batch_frames import batch_frame, updated
from infinity_frames.client.download import BatchFolder, download_jobs
from infinity_frames.client.lookup import last_days
from infinity_frames.client.origin import HasOrigin, Origin
from infinity_frames.client.registry import remember
from infinity_frames.client.submit import estimate_samples, submit_jobs
from infinity_frames.client.waiting import Wait, warn_of_failures
from infinity_frames.data import JobFiles, job_files, read_results
from infinity_frames.io.pictures import decode_picture
from infinity_frames.io.video import read_frames
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, MediaError, NoResults
from infinity_frames.protocol.schemas import TAG_PREFIX

__all__ = ["cost", "recipe", "replay", "same_as"]

_SEED, _STATE = "random_seed", "state"
SOURCE = "tag_recipe"
ABOUT = ["generator", "version", "is_preview", "job_id"]
DIFFERENCES = ["job_id", "other_job_id", "file", "frame_number", "difference"]


def recipe(results: pd.DataFrame, *, path: str | Path | None = None) -> pd.DataFrame:
    """Everything that decides the pixels of downloaded jobs, a row per job.

    The same recipe on the same version of the generator and kind of machine gives equal labels and
    equal pixels; on another kind of machine, rounding may differ.

    Parameters
    ----------
    results : DataFrame
        Results rows; rows without files are left out.
    path : path, optional
        The results' folder, if they were moved.

    Returns
    -------
    DataFrame
        generator, version, is_preview, job_id, then every parameter with its resolved value
        (defaults and ``random_seed`` filled in), and tags. Parquet keeps it whole.

    Raises
    ------
    FrameError
        The rows are no results, or a job has no record of its seed.

    Examples
    --------
    >>> looks.infinity.recipe().to_parquet("recipe.parquet")
    """
    if "job_id" not in results.columns:
        raise FrameError(
            "recipe() takes results, and these rows have no job_id.",
            advice="Run the jobs first: jobs.infinity.run(path).",
        )
    there = results[results["path"].notna()] if "path" in results.columns else results
    rows = []
    for job in job_files(there, path=path):
        record = _record(job)
        params = {k: v for k, v in record["params"].items() if k != _STATE}
        if record.get("seed") is not None:
            params[_SEED] = record["seed"]
        about = [record["name"], record.get("version"), bool(record.get("is_preview"))]
        rows.append({**dict(zip(ABOUT, [*about, job.job_id], strict=True)), **params})
    out = pd.DataFrame(rows, columns=None if rows else ABOUT).convert_dtypes()
    tags = [n for n in there.columns if str(n).startswith(TAG_PREFIX) and there[n].notna().any()]
    if tags and len(out):
        out = out.merge(there[["job_id", *tags]].astype({"job_id": "string"}), on="job_id")
    out.attrs = {}
    return out


def _record(job: JobFiles) -> dict[str, Any]:
    try:
        assert job.record is not None
        record: dict[str, Any] = orjson.loads(job.record.read_bytes())
    except (AssertionError, OSError, ValueError) as error:
        raise FrameError(
            f"Job {job.job_id} has no readable record of its parameters.",
            advice="Download it again with .infinity.download(path).",
            job=job.job_id,
        ) from error
    if not isinstance(record.get("params"), dict) or "name" not in record:
        raise FrameError(
            f"The record of job {job.job_id} lacks its generator or parameters.", job=job.job_id
        )
    return record


def replay(
    recipe: pd.DataFrame | str | Path,
    path: str | Path,
    *,
    session: HasOrigin | None = None,
    server: str | None = None,
    quiet: bool = False,
    **changes: Any,
) -> pd.DataFrame:
    """Render a recipe again, perhaps with some parameters changed.

    Parameters
    ----------
    recipe : DataFrame or path
        What :func:`recipe` returned, or a Parquet file of it.
    path : path
        A folder that does not exist yet.
    session : Session, optional
        Where to render; by default the recipe's generator on `server`.
    server : str, optional
        Address; by default ``$INFINITY_SERVER``, else the embedded engine.
    quiet : bool
        No progress bar.
    **changes
        Values of parameters to change in all rows, such as ``camera_height=1.2``.

    Returns
    -------
    DataFrame
        Results frame; ``tag_recipe`` holds the original job of each row.

    Raises
    ------
    FrameError
        The rows are no recipe, or hold several generators or both previews and videos.
    UnknownGenerator
        The server does not have that version of the generator.

    Examples
    --------
    >>> again = inf.replay("recipe.parquet", "again", camera_height=1.2)  # doctest: +SKIP
    """
    rows = recipe if isinstance(recipe, pd.DataFrame) else _read(recipe)
    missing = [name for name in ABOUT if name not in rows.columns]
    if missing or not len(rows):
        raise FrameError(
            f"This is no recipe: it lacks {', '.join(missing) or 'rows'}.",
            advice="Make one with results.infinity.recipe().",
        )
    for name in ("generator", "is_preview"):
        if rows[name].nunique() > 1:
            raise FrameError(
                f"The recipe holds jobs of several kinds ({name}).",
                advice=f"Replay them one by one: recipe[recipe.{name} == ...].",
            )
    if session is None:
        origin = Origin.open(str(rows["generator"].iloc[0]), server=server)
        remember(origin)
    else:
        origin = session.origin
    if _SEED not in origin.spec.by_name:
        raise FrameError(
            f"{origin.generator} has no random_seed, so its jobs cannot be replayed from a recipe.",
            advice="On the same server, use results.infinity.seeded().",
        )
    jobs = rows.drop(columns=ABOUT).assign(**{SOURCE: rows["job_id"].astype("string")})
    jobs = origin.jobs(jobs.assign(**changes))
    BatchFolder(Path(path)).require_free()
    data, sent = submit_jobs(origin, jobs, is_preview=bool(rows["is_preview"].iloc[0]))
    frame = batch_frame(origin, data, sent)
    frame = updated(frame, Wait(origin.rest, frame, None, None).run())
    warn_of_failures(frame)
    wanted = dict(zip(frame["job_id"].astype(str), frame["batch_id"].astype(str), strict=True))
    tags = dict(zip(frame["job_id"].astype(str), parameters.tags(frame), strict=True))
    done = download_jobs(origin, wanted, Path(path), tags=tags, quiet=quiet)
    results = read_results(path, quiet=quiet)
    done.raise_if_incomplete(len(wanted), results)
    return results


def _read(path: str | Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise NoResults(f"{path} cannot be read as a recipe: {error}.", file=str(path)) from None


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
    record = _record(job)
    params = {k: v for k, v in record["params"].items() if k != _STATE}
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
        one, two = ({**x, "params": {**x["params"], _STATE: None}} for x in (one, two))
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


_RECENT_DAYS = 90
_RECENT_BATCHES = 4
_WEIGHED_JOBS = 4


def cost(origin: Origin, jobs: pd.DataFrame, *, preview: bool = False) -> pd.DataFrame:
    """What jobs would cost, before anything is submitted.

    Time and size are those of the account's latest finished batches of this generator and kind on
    this server: samples per second from the first start to the last end, so that the number of the
    server's workers is in it, and the bytes of archives per sample.

    Parameters
    ----------
    origin : Origin
        The server.
    jobs : DataFrame
        Jobs.
    preview : bool
        As previews.

    Returns
    -------
    DataFrame
        One row: jobs, samples (the server's estimate), minutes, gigabytes (both missing where the
        account has no such batch yet), measured_samples (how much was measured).

    Examples
    --------
    >>> jobs.infinity.cost(preview=True)
    """
    samples = int(estimate_samples(origin, jobs, is_preview=preview).sum())
    seconds, measured, weighed, size = 0.0, 0, 0, 0
    batches = 0
    for listed in reversed(origin.rest.batches(*last_days(_RECENT_DAYS))):
        if batches >= _RECENT_BATCHES:
            break
        runs = [
            job
            for job in origin.rest.batch(str(listed["id"]))["job_runs"]
            if job.get("name") == origin.generator
            and bool(job.get("is_preview")) == preview
            and job.get("status") == "completed"
            and job.get("num_samples")
        ]
        times = pd.to_datetime(
            [job.get(k) for job in runs for k in ("started", "finished")], utc=True
        ).dropna()
        if not len(times):
            continue
        batches += 1
        seconds += (times.max() - times.min()).total_seconds()
        measured += sum(job["num_samples"] for job in runs)
        for job in runs[:_WEIGHED_JOBS]:
            found = _bytes(origin, job)
            weighed, size = weighed + (job["num_samples"] if found else 0), size + found
    known = seconds > 0 and measured > 0
    return pd.DataFrame(
        {
            "jobs": [len(jobs)],
            "samples": [samples],
            "minutes": [samples * seconds / measured / 60 if known else np.nan],
            "gigabytes": [samples * size / weighed / 1e9 if weighed else np.nan],
            "measured_samples": [measured],
        }
    )


def _bytes(origin: Origin, job: Mapping[str, Any]) -> int:
    """Size of a job's archive; 0 if the server does not tell."""
    url = job.get("result_url")
    if not url:
        return 0
    with origin.rest.result(str(url), {"Range": "bytes=0-0"}) as answer:
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(whole) if answer.ok and whole.isdigit() else 0
