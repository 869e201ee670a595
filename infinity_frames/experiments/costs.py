"""What jobs would cost, from the latest batches on their server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.client.lookup import last_days
from infinity_frames.client.origin import Origin
from infinity_frames.client.submit import estimate_samples

__all__ = ["cost"]

_RECENT_DAYS = 90
_RECENT_BATCHES = 4
_WEIGHED_JOBS = 4


def cost(origin: Origin, jobs: pd.DataFrame, *, preview: bool = False) -> pd.DataFrame:
    """Return what jobs would cost, before anything is submitted.

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
    """Return the size of a job's archive; 0 if the server does not tell."""
    url = job.get("result_url")
    if not url:
        return 0
    with origin.rest.result(str(url), {"Range": "bytes=0-0"}) as answer:
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(whole) if answer.ok and whole.isdigit() else 0
