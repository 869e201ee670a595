"""A job's state, from whatever a server says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Any

__all__ = ["UNFINISHED", "status", "statuses"]

UNFINISHED = ("queued", "running")


def status(job: Mapping[str, Any]) -> str:
    """A job's status; from a server that gives none: by its progress and its result."""
    told = job.get("status")
    if told is not None:
        return str(told)
    if job.get("in_progress"):
        return "running"
    return "completed" if job.get("result_url") else "failed"


def statuses(jobs: Iterable[Mapping[str, Any]], wanted: Container[str]) -> Counter[str]:
    """How many of the wanted jobs are in each status."""
    return Counter(status(job) for job in jobs if job["id"] in wanted)
