"""Checks at the border: what a runner reports is validated before the store records it."""

from __future__ import annotations

import re
from dataclasses import fields, replace

from infinity_frames.engine.service.ports import MAX_SAMPLES, Archives, Outcome
from infinity_frames.protocol.label_summary import LabelSummary

__all__ = ["checked_outcome", "clean_text"]

_ERROR_LENGTH = 2000
_TRACEBACK_LENGTH = 50_000
_LARGEST = 2**53
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = ("completed", "failed", "lost", "no_space", "interrupted")


def clean_text(text: object, length: int) -> str:
    """Return text that every database and JSON can hold, shortened to `length` characters.

    Lone surrogates, which ``os.fsdecode`` makes of undecodable file names, and NUL characters are
    replaced. Of a long text the end is kept too.
    """
    clean = str(text).encode("utf-8", "replace").decode().replace("\0", "?")
    if len(clean) <= length:
        return clean
    half = length // 2
    return f"{clean[: length - half - 5]} ... {clean[-half:]}"


def checked_outcome(outcome: Outcome, archives: Archives) -> Outcome:
    """Return an outcome that can be recorded: an invalid one becomes a failure with its reason.

    Parameters
    ----------
    outcome : Outcome
        As a runner reported it; any field may hold a wrong value.
    archives : Archives
        Must hold the archive of a completed job.
    """
    outcome = replace(
        outcome,
        error=clean_text(outcome.error, _ERROR_LENGTH),
        traceback=clean_text(outcome.traceback, _TRACEBACK_LENGTH),
        labels=_clean_numbers(outcome.labels),
    )
    problem = None
    if outcome.kind not in _KINDS:
        problem = f"The runner reported an unknown outcome {str(outcome.kind)[:80]!r}."
    elif outcome.kind == "completed":
        problem = _problem_of_completed(outcome, archives)
    if problem is None:
        return outcome
    return Outcome(outcome.job_id, "failed", error=problem, traceback=outcome.traceback)


def _clean_numbers(labels: object) -> dict[str, int | float]:
    """Return the values of a summary that are numbers; a missing one hides nothing of the job."""
    if not isinstance(labels, dict):
        return {}
    return {
        field.name: labels[field.name]
        for field in fields(LabelSummary)
        if type(labels.get(field.name)) in (int, float) and abs(labels[field.name]) < _LARGEST
    }


def _problem_of_completed(outcome: Outcome, archives: Archives) -> str | None:
    samples = outcome.samples
    if type(samples) is not int or not 0 <= samples <= MAX_SAMPLES:
        return (
            f"The generator reported {str(samples)[:80]} samples; a whole number from 0 to "
            f"{MAX_SAMPLES} is allowed."
        )
    if not isinstance(outcome.sha256, str) or not _SHA256.fullmatch(outcome.sha256):
        return "The runner reported no valid SHA-256 of the archive."
    stored = archives.find(outcome.job_id)
    if stored is None or not stored.size:
        return "The job was reported as completed, but its archive is missing."
    if outcome.archive_bytes and stored.size != outcome.archive_bytes:
        return (
            f"The job was reported as completed with an archive of {outcome.archive_bytes} bytes, "
            f"but the stored one has {stored.size}."
        )
    return None
