"""Audit results: check labels against masks, cameras and videos, job by job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from infinity_frames.client.download import recorded_digests
from infinity_frames.data.frames import in_context_of, job_files
from infinity_frames.data.processes import in_processes
from infinity_frames.data.verify.job import audit_download
from infinity_frames.data.verify.report import CHECKS
from infinity_frames.io.progress import progress
from infinity_frames.protocol.schemas import DISCREPANCIES

__all__ = ["verification_summary", "verify"]

_CHECKED = "infinity_checked"
_MANY = 64 * 2**20
"""Bytes of labels and masks above which starting more processes saves time."""


def verify(
    results: pd.DataFrame, *, path: str | Path | None = None, quiet: bool = False
) -> pd.DataFrame:
    """Check the labels of every job, frame by frame, against its masks, camera and video.

    Downloaded files are also compared with the digests noted when they arrived. Nothing is
    corrected. A file that cannot be read is a discrepancy too, not an error. Each
    process holds one job and one of its masks in memory.

    Parameters
    ----------
    results : DataFrame
        Results frame, or any frame with ``job_id`` whose folders are known.
    path : path, optional
        The folder the results are in now, if they were moved.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        A row per discrepancy: job_id, frame_number and annotation_id (NA where it concerns the
        whole job or frame), check, expected, found (as text), message. Empty where all is right.
        :func:`verification_summary` says how much was compared.

    Examples
    --------
    >>> len(inf.data.verify(results, quiet=True))
    0
    """
    jobs = job_files(results, path=path)
    checked: Counter[str] = Counter(dict.fromkeys(CHECKS, 0))
    found: dict[str, list[dict[str, Any]]] = {}
    # A few small jobs are done before another process has started.
    size = sum(
        file.stat().st_size
        for job in jobs
        for file in (job.labels, job.segmentation)
        if file is not None and file.is_file()
    )
    roots = {job.root: recorded_digests(job.root) for job in jobs}
    tasks = [(job, roots[job.root].get(job.folder.name, {})) for job in jobs]
    reports = in_processes(audit_download, tasks, processes=None if size > _MANY else 1)
    with progress(len(jobs), "verify", delay=1.0, quiet=quiet) as bar:
        for report in reports:
            checked.update(report.checked)
            found[report.job_id] = report.rows
            bar.update()
    rows = [row for job in jobs for row in found[job.job_id]]
    frame = DISCREPANCIES.conform(pd.DataFrame(rows, columns=list(DISCREPANCIES.columns)))
    frame.attrs[_CHECKED] = dict(checked)
    return in_context_of(results, frame, jobs)


def verification_summary(discrepancies: pd.DataFrame) -> pd.DataFrame:
    """Return sum up an audit, a row per check: comparisons, discrepancies, jobs.

    Parameters
    ----------
    discrepancies : DataFrame
        As :func:`verify` returned it, possibly filtered.

    Returns
    -------
    DataFrame
        Index ``check``; ``comparisons`` (0: the jobs have nothing to check it by; NA if pandas
        dropped what the frame remembered), ``discrepancies``, ``jobs`` with any, and
        ``makes_sure`` in words.

    Examples
    --------
    >>> inf.data.verification_summary(inf.data.verify(results, quiet=True))["discrepancies"]
    """
    DISCREPANCIES.require(discrepancies, ["check", "job_id"], "Summing up an audit")
    checked = discrepancies.attrs.get(_CHECKED)
    of_check = discrepancies.groupby("check")["job_id"]
    index = pd.Index(CHECKS, name="check", dtype="string")
    comparisons = [checked.get(c) for c in CHECKS] if isinstance(checked, Mapping) else None
    return pd.DataFrame(
        {
            "comparisons": pd.Series(comparisons, index, dtype="Int64"),
            "discrepancies": of_check.size().reindex(index, fill_value=0).astype("Int64"),
            "jobs": of_check.nunique().reindex(index, fill_value=0).astype("Int64"),
            "makes_sure": pd.Series(list(CHECKS.values()), index, dtype="string"),
        }
    )
