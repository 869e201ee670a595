"""Everything that decides the pixels of jobs, and rendering them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from infinity_frames.client.batch_frames import batch_frame, updated
from infinity_frames.client.download import BatchFolder, download_jobs
from infinity_frames.client.origin import HasOrigin, Origin
from infinity_frames.client.registry import remember
from infinity_frames.client.submit import submit_jobs
from infinity_frames.client.waiting import Wait, warn_of_failures
from infinity_frames.data import JobFiles, job_files, read_results
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, NoResults
from infinity_frames.protocol.schemas import TAG_PREFIX

__all__ = ["recipe", "record_of", "replay"]

_SEED, STATE = "random_seed", "state"
SOURCE = "tag_recipe"
ABOUT = ["generator", "version", "is_preview", "job_id"]


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
        record = record_of(job)
        params = {k: v for k, v in record["params"].items() if k != STATE}
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


def record_of(job: JobFiles) -> dict[str, Any]:
    """Return the record that the engine keeps beside a job: generator, version, parameters, seed.

    Raises
    ------
    FrameError
        The record is missing or cannot be read.
    """
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
