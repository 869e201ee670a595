"""Render jobs in rounds and score them; a run that stops goes on where it was."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.client.batch_frames import batch_frame, updated
from infinity_frames.client.download import download_jobs
from infinity_frames.client.origin import Origin
from infinity_frames.client.submit import estimate_samples, submit_jobs
from infinity_frames.client.waiting import Wait
from infinity_frames.data import read_results
from infinity_frames.io.atomic import replacing, write_atomically
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, InfinityError, NoResults
from infinity_frames.protocol.warnings import warn_user

__all__ = ["Round", "Rounds", "Score"]

Score = Callable[[pd.DataFrame], Any]


class Round:
    """Scores of some jobs, in their order, and how many of them were within the budget."""

    def __init__(self, scores: NDArray[np.float64], job_ids: NDArray[Any], paid: int) -> None:
        self.scores = scores
        self.job_ids = job_ids
        self.paid = paid


class Rounds:
    """Renders jobs a batch a round, each into a folder of its own, and keeps the scores.

    Parameters
    ----------
    origin : Origin
        Where jobs are rendered.
    score : callable
        Takes a results frame; returns a number per row: an array, a Series (by ``job_id`` if its
        index holds the ids), or a frame with ``job_id`` and one column of numbers.
    folder : path
        One folder per round. An unfinished run with the same jobs goes on there.
    preview : bool
        Render one frame of each job.
    budget : int, optional
        Samples that all rounds together may take.
    quiet : bool
        No progress.

    Raises
    ------
    FrameError
        The folder holds rounds of other jobs.
    """

    def __init__(
        self,
        origin: Origin,
        score: Score,
        folder: str | Path,
        *,
        preview: bool = True,
        budget: int | None = None,
        quiet: bool = False,
    ) -> None:
        self.origin, self.score, self.folder = origin, score, Path(folder)
        self.preview, self.budget, self.quiet = preview, budget, quiet
        self.spent = 0
        self.number = 0

    def run(self, jobs: pd.DataFrame) -> Round:
        """Render and score the jobs of the next round; those past the budget have no score."""
        scores = np.full(len(jobs), np.nan)
        ids: NDArray[Any] = np.full(len(jobs), None, dtype=object)
        if not len(jobs):
            return Round(scores, ids, 0)
        costs = estimate_samples(self.origin, jobs, is_preview=self.preview).to_numpy()
        paid = len(jobs)
        if self.budget is not None:
            paid = int(np.searchsorted(np.cumsum(costs), self.budget - self.spent, side="right"))
        if not paid:
            return Round(scores, ids, 0)
        kept = jobs.iloc[:paid].reset_index(drop=True)
        name = f"round_{self.number:03d}"
        self.number += 1
        self.spent += int(costs[:paid].sum())
        ids[:paid], scores[:paid] = self._scored(kept, self.folder / name)
        return Round(scores, ids, paid)

    def _scored(self, jobs: pd.DataFrame, folder: Path) -> tuple[Any, Any]:
        records = parameters.records(self.origin.spec, jobs)
        content = [self.origin.generator, self.preview, records]
        digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
        note = self._note(folder, digest)
        kept = folder.with_suffix(".parquet")
        if note is not None and kept.is_file():
            known = pd.read_parquet(kept)
            return known["job_id"].to_numpy(object), known["score"].to_numpy(float)
        results, ids = self._rendered(jobs, folder, note, digest)
        good = results[(results["status"] == "completed") & results["path"].notna()]
        try:
            found = _numbers(self.score(good.reset_index(drop=True)), good) if len(good) else {}
        except Exception as error:
            error.add_note(
                f"All rendered jobs are kept in {self.folder}. Run again with the same folder to "
                "go on; nothing is rendered twice."
            )
            raise
        scores = np.array([found.get(job, np.nan) for job in ids])
        with replacing(kept) as part:
            pd.DataFrame({"job_id": ids, "score": scores}).to_parquet(part)
        return np.asarray(ids, dtype=object), scores

    def _note(self, folder: Path, digest: str) -> Mapping[str, Any] | None:
        file = folder.with_suffix(".json")
        if not file.is_file():
            return None
        try:
            note: dict[str, Any] = json.loads(file.read_text())
        except ValueError:
            return None
        if note.get("digest") != digest:
            raise FrameError(
                f"{self.folder} holds a run with other jobs.",
                advice="Pass another folder, or run with the same rows and options as before.",
                file=str(file),
            )
        return note

    def _rendered(
        self, jobs: pd.DataFrame, folder: Path, note: Mapping[str, Any] | None, digest: str
    ) -> tuple[pd.DataFrame, list[str]]:
        """Results of the jobs and their ids in order; submits them unless that was done."""
        if note is not None and (known := _complete(folder, note["job_ids"])) is not None:
            return known, note["job_ids"]
        if note is None:
            # A batch that an earlier run submitted just before it stopped is found by its name.
            data, sent = submit_jobs(self.origin, jobs, is_preview=self.preview, reuse=True)
            ids = [str(job["id"]) for job in data["job_runs"]]
            file = folder.with_suffix(".json")
            _write_text(file, json.dumps({"digest": digest, "batch": data["id"], "job_ids": ids}))
        else:
            data, sent, ids = self.origin.rest.batch(str(note["batch"])), None, note["job_ids"]
        frame = batch_frame(self.origin, data, sent)
        frame = updated(frame, Wait(self.origin.rest, frame, None, None).run())
        failed = int((frame["status"] == "failed").sum())
        if failed:
            first = frame.loc[frame["status"] == "failed", "error"].iloc[0]
            warn_user(f"{failed} of {len(frame)} jobs failed and have no score: {first}.")
        wanted = dict(zip(frame["job_id"].astype(str), frame["batch_id"].astype(str), strict=True))
        tags = dict(zip(frame["job_id"].astype(str), parameters.tags(frame), strict=True))
        done = download_jobs(self.origin, wanted, folder, tags=tags, quiet=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # failed jobs were reported above
            results = read_results(folder, quiet=True)
        done.raise_if_incomplete(len(wanted), results)
        return results, ids


def _complete(folder: Path, ids: list[str]) -> pd.DataFrame | None:
    """Results of a round that is on disk as a whole: the server is not needed for it."""
    try:
        results = read_results(folder, quiet=True)
    except (NoResults, InfinityError):
        return None
    there = results[(results["status"] == "completed") & results["path"].notna()]
    return results if set(ids) <= set(there["job_id"]) else None


def _numbers(returned: Any, results: pd.DataFrame) -> dict[str, float]:
    """Return what a score returned, by job id."""
    ids = results["job_id"].astype(str).tolist()
    if isinstance(returned, pd.DataFrame):
        more = [
            name
            for name in returned.columns
            if name != "job_id" and pd.api.types.is_numeric_dtype(returned[name])
        ]
        if "score" in more:
            more = ["score"]
        if "job_id" not in returned.columns or len(more) != 1:
            raise FrameError(
                "The score returned a frame without job_id, or with several columns of numbers.",
                advice="Return a Series, or a frame with the columns job_id and score.",
            )
        returned = returned.groupby("job_id", observed=True)[more[0]].mean()
    if isinstance(returned, pd.Series) and set(map(str, returned.index)) & set(ids):
        return {str(job): float(value) for job, value in returned.items()}
    values = np.asarray(returned, dtype=float).reshape(-1)
    if len(values) != len(ids):
        raise FrameError(
            f"The score returned {len(values)} numbers for {len(ids)} jobs.",
            advice="Return one number per row of the results frame.",
        )
    return dict(zip(ids, values.tolist(), strict=True))


def _write_text(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text.encode())
    except OSError as error:
        raise InfinityError(
            f"{file.parent} cannot be written: {error.strerror}.",
            advice="Pass folder= with a place that can be written.",
            file=str(file),
        ) from error
