"""Downloading whole batches into folders, and reporting what could not be fetched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from infinity_frames.client.download.disk_room import NoRoom
from infinity_frames.client.download.fetch import Fetcher, NoRanges
from infinity_frames.client.download.folder import (
    RECORD,
    BatchFolder,
    Receipt,
    check_name,
    checked_id,
)
from infinity_frames.client.download.members import open_remote
from infinity_frames.client.download.partial_file import Part
from infinity_frames.client.download.unpack import File, is_label, unpack
from infinity_frames.client.http import CONNECTIONS, UNFINISHED, map_unordered, status
from infinity_frames.client.origin import Origin
from infinity_frames.io.progress import progress
from infinity_frames.protocol.errors import (
    ArchiveError,
    DownloadError,
    DownloadIncomplete,
    InfinityError,
    UnknownBatch,
)
from infinity_frames.protocol.spec import Parameter
from infinity_frames.protocol.warnings import warn_user

__all__ = ["Downloaded", "download_jobs"]

UNPACKING = 4
"""Archives that are unpacked while others arrive, so that no connection waits for a disk."""
COLUMNS = ("all", "labels")
Job = Mapping[str, Any]


@dataclass
class Downloaded:
    """How many jobs have not finished, and which jobs could not be fetched."""

    unfinished: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)

    def raise_if_incomplete(self, total: int, results: pd.DataFrame) -> None:
        """Raise an error that carries the results frame, if a job could not be fetched.

        Raises
        ------
        DownloadIncomplete
            Some jobs could not be fetched; all others are safe.
        """
        if not self.failures:
            return
        columns = ["job_id", "batch_id", "reason"]
        first = self.failures[0]
        raise DownloadIncomplete(
            f"{len(self.failures)} of {total} jobs could not be fetched. "
            f"Job {first['job_id']}: {first['reason']}",
            advice="The others are safe; the error's where holds results and failures. "
            "Download again to fetch only what is missing.",
            results=results,
            failures=pd.DataFrame(self.failures, columns=columns, dtype="string"),
        )


def download_jobs(
    origin: Origin,
    wanted: Mapping[str, str],
    path: Path,
    *,
    tags: Mapping[str, Mapping[str, Any]],
    columns: str = "all",
    overwrite: bool = False,
    check: bool = False,
    quiet: bool = False,
) -> Downloaded:
    """Fetch jobs' results into batch folders, only what is missing.

    Parameters
    ----------
    origin : Origin
        The server; it and the generator's parameters are noted in ``batch.json``.
    wanted : mapping of str to str
        The batch of each job to fetch, by job id.
    path : Path
        The batch's folder. Several batches get a folder each inside it, named by its id; a single
        batch that has such a folder from before continues in it.
    tags : mapping of str to mapping
        Tags by job id, for servers that do not keep tags.
    columns : {"all", "labels"}
        ``"labels"`` fetches labels and sensor data by range requests, without videos, pictures and
        masks. A server without range requests sends whole archives, which are kept whole.
    overwrite : bool
        Fetch these jobs again even where they are complete.
    check : bool
        Compare the files with the digests noted when they arrived; fetch changed ones again.
    quiet : bool
        No progress bar.

    Raises
    ------
    DownloadError
        A folder holds another batch, or cannot be written; `columns` is another word.
    UnknownBatch
        The server knows none of the batches.
    """
    if columns not in COLUMNS:
        raise DownloadError(
            f"columns={columns!r} is neither 'all' nor 'labels'.",
            advice="Leave it out to fetch everything.",
        )
    check_name(path.absolute())
    batches: dict[str, list[str]] = {}
    for job, batch in wanted.items():
        batches.setdefault(batch, []).append(job)
    folders = {batch: path / checked_id(batch) for batch in batches}
    if len(batches) == 1 and not any((folder / RECORD).exists() for folder in folders.values()):
        folders = dict.fromkeys(batches, path)
    elif (path / RECORD).exists():
        raise DownloadError(
            f"{path} is the folder of one batch, but the jobs belong to {len(batches)} batches.",
            advice="Choose another folder; each batch gets its own folder inside.",
            file=str(path),
        )
    done = Downloaded()
    unknown: list[UnknownBatch] = []
    for batch, jobs in batches.items():
        try:
            download = _BatchDownload(origin, batch, jobs, tags)
        except UnknownBatch as error:
            # The jobs of the other batches are still fetched.
            unknown.append(error)
            done.failures += [
                {"job_id": job, "batch_id": batch, "reason": error.problem} for job in jobs
            ]
            continue
        folder = BatchFolder(folders[batch])
        options = {"overwrite": overwrite, "check": check, "quiet": quiet}
        done.failures += download.run(folder, columns, **options)
        done.unfinished += download.unfinished
    if len(unknown) == len(batches):
        raise unknown[0]
    return done


class _BatchDownload:
    """The part of a download that concerns one batch."""

    def __init__(
        self,
        origin: Origin,
        batch_id: str,
        wanted: Sequence[str],
        tags: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.origin, self.rest, self.batch_id, self.tags = origin, origin.rest, batch_id, tags
        self.data = self.rest.batch(batch_id)
        self.jobs: dict[str, Job] = {job["id"]: job for job in self.data["job_runs"]}
        self.wanted = [job for job in dict.fromkeys(wanted) if job in self.jobs]
        self.unknown_jobs = [job for job in wanted if job not in self.jobs]
        self.unfinished = sum(status(self.jobs[job]) in UNFINISHED for job in self.wanted)

    def run(
        self, folder: BatchFolder, columns: str, *, overwrite: bool, check: bool, quiet: bool
    ) -> list[dict[str, str]]:
        """Fetch what is missing; return what failed, with the reason."""
        failed = [
            {"job_id": job, "batch_id": self.batch_id, "reason": "The batch has no such job."}
            for job in self.unknown_jobs
        ]
        with folder.opened(self.batch_id, quiet=quiet):
            folder.write_record(self._record(folder.record()))
            completed = [job for job in self.wanted if status(self.jobs[job]) == "completed"]
            missing = [
                job
                for job in completed
                if overwrite or not folder.has(job, self.jobs[job].get("sha256"), columns)
            ]
            if check and not overwrite:
                missing += self._changed(folder, sorted({*completed} - {*missing}), quiet)
            for job, reason in self._fetch(folder, missing, columns, quiet):
                failed.append({"job_id": job, "batch_id": self.batch_id, "reason": reason})
        return failed

    def _changed(self, folder: BatchFolder, jobs: Sequence[str], quiet: bool) -> list[str]:
        """Return the jobs with files that were changed since they arrived; warn about them."""
        changed: dict[str, list[str]] = {}
        with progress(len(jobs), "check", delay=1.0, quiet=quiet) as bar:
            for job, files, error in map_unordered(folder.changed_files, jobs, workers=UNPACKING):
                if error is not None:
                    raise error
                if files:
                    changed[job] = files
                bar.update()
        if changed:
            first = min(changed)
            warn_user(
                f"Files of {len(changed)} jobs were changed since they were downloaded, and are "
                f"fetched again, such as {', '.join(changed[first][:3])} of job {first}."
            )
        return sorted(changed)

    def _fetch(
        self, folder: BatchFolder, missing: Sequence[str], columns: str, quiet: bool
    ) -> list[tuple[str, str]]:
        fetcher = Fetcher(self.rest, self.jobs, self._renewed, folder.incoming)

        def one(job: str) -> None:
            part, receipt = folder.part(job), folder.receipts.get(job)
            with fetcher.room.job(job):
                # A job that is here whole stays whole.
                if columns == "labels" and (receipt is None or receipt.columns == "labels"):
                    with contextlib.suppress(NoRanges):
                        return self._fetch_labels(folder, fetcher, job, part)
                return self._fetch_archive(folder, fetcher, job, part)

        failed = []
        with progress(len(missing), "download", quiet=quiet) as bar:
            workers = CONNECTIONS + UNPACKING
            done = map_unordered(one, missing, workers=workers, interrupt=fetcher.interrupt)
            for job, _, error in done:
                if error is None:
                    bar.update()
                else:
                    failed.append((job, _reason(error)))
                    bar.set_postfix_str(f"{len(failed)} failed", refresh=False)
        return failed

    def _fetch_archive(self, folder: BatchFolder, fetcher: Fetcher, job: str, part: Part) -> None:
        digest, size = fetcher.fetch(job, part)
        while True:
            try:
                self._place(folder, fetcher, Receipt(job, digest, size, {}), part)
                return
            except NoRoom as short:
                fetcher.room.wait(job, part, short.needed)
            except OSError as error:
                fetcher.make_room(job, part, error)
            if part.size != size:  # deleted for the sake of another job
                digest, size = fetcher.fetch(job, part)

    def _fetch_labels(self, folder: BatchFolder, fetcher: Fetcher, job: str, part: Part) -> None:
        """Fetch a job's labels by range requests; `part` is what an earlier download left."""
        archive = open_remote(partial(fetcher.read, job), is_label)
        size = archive.seek(0, os.SEEK_END)
        receipt = Receipt(job, self.jobs[job].get("sha256"), size, {}, columns="labels")
        while True:
            staged = folder.staging(job)
            try:
                files = unpack(
                    archive,
                    job,
                    staged,
                    lambda size: fetcher.room.reserve(job, size),
                    only=is_label,
                )
                folder.place(staged, _filled(receipt, files))
                return
            except NoRoom as short:
                fetcher.room.wait(job, part, short.needed)
            except OSError as error:
                fetcher.make_room(job, part, error)

    def _place(self, folder: BatchFolder, fetcher: Fetcher, receipt: Receipt, part: Part) -> None:
        """Unpack an archive into its job's folder and delete the archive."""
        job = receipt.job
        staged = folder.staging(job)
        try:
            with part.open() as archive:
                files = unpack(archive, job, staged, lambda size: fetcher.room.reserve(job, size))
        except ArchiveError:
            part.drop()
            raise
        folder.place(staged, _filled(receipt, files))
        part.drop()

    def _renewed(self) -> dict[str, Job]:
        self.rest.relocate()
        fresh = self.rest.batch_summary(self.batch_id)["job_runs"]
        return {job["id"]: {**self.jobs.get(job["id"], {}), **job} for job in fresh}

    def _record(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of ``batch.json``: no result URL, since that is a permission."""
        earlier = {job.get("id"): job.get("tags") for job in known.get("job_runs") or ()}
        jobs = []
        for job_id, job in self.jobs.items():
            tags = job.get("tags") or self.tags.get(job_id) or earlier.get(job_id) or {}
            kept = {key: value for key, value in job.items() if key != "result_url"}
            jobs.append({**kept, "status": status(job), "tags": tags})
        about = {key: self.data.get(key) for key in ("id", "name", "created")}
        place = {
            "server": self.origin.server,
            "generator": self.origin.generator,
            "parameters": [_recorded(parameter) for parameter in self.origin.spec.parameters],
        }
        return {**place, **about, "job_runs": jobs}


def _filled(receipt: Receipt, files: Mapping[str, File]) -> Receipt:
    sizes = {name: file.size for name, file in files.items()}
    digests = {name: file.sha256 for name, file in files.items()}
    return replace(receipt, files=sizes, digests=digests)


def _recorded(parameter: Parameter) -> dict[str, Any]:
    """Return what readers of results need of a parameter: the type of its column, and its unit."""
    options = {} if parameter.choices is None else {"choices": list(parameter.choices)}
    out = {"name": parameter.name, "type": parameter.type, "options": options}
    return out if parameter.unit is None else {**out, "unit": parameter.unit}


def _reason(error: Exception) -> str:
    if isinstance(error, InfinityError):
        return str(error)
    if isinstance(error, OSError):
        return f"The files could not be written: {error.strerror or error}."
    return f"{type(error).__name__}: {error}"
