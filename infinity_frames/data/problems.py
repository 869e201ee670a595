"""Report files that cannot be read as warnings, so that one bad job never hides the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infinity_frames.protocol.warnings import warn_user

__all__ = ["Problem", "ResultsWarning", "report"]


class ResultsWarning(UserWarning):
    """A job's files cannot be read; the job is skipped, the rest of the batch is not."""


@dataclass(frozen=True)
class Problem:
    """One file of one job that cannot be read.

    Parameters
    ----------
    job_id : str
        The job, or the name of the batch's folder if the batch's own record cannot be read.
    file : str
        Absolute path of the file or folder.
    what : str
        The problem, as the end of a sentence that starts with the file name.
    """

    job_id: str
    file: str
    what: str

    def __str__(self) -> str:
        return f"Skipped what cannot be read of {self.job_id}: {self.file} {self.what}."


def report(problems: Iterable[Problem]) -> None:
    """Warn of every problem once."""
    for problem in dict.fromkeys(problems):
        warn_user(str(problem), ResultsWarning)
