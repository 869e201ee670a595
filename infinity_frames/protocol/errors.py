"""Every error this package raises on purpose.

::

    InfinityError
    ├── SpecError                a server's description of a generator cannot be read
    ├── InvalidJobs              job parameters break rules (ValueError); carries them as a frame
    ├── FrameError               a frame lacks the columns or the context a verb needs (ValueError)
    ├── SessionError             no session, or more than one, fits a frame
    │   └── SessionNotCopied     a session cannot be copied or pickled (TypeError)
    ├── ExtraNotInstalled        an optional dependency is missing (ImportError)
    ├── EngineError              the embedded engine
    │   ├── ArchivesUnavailable  its archives cannot be reached, or refuse writes, for now
    │   ├── EngineNotInstalled   its extra is not installed (ImportError)
    │   ├── EngineNotStarted     it could not be started or reached
    │   └── EngineStopped        it was stopped on purpose, and nobody has started it since
    ├── ServerError              talking to a server
    │   ├── ServerUnreachable    nothing answers there (ConnectionError)
    │   ├── RequestTimeout       it did not answer in time (TimeoutError)
    │   ├── SubmissionUnknown    the connection broke while a batch was being sent
    │   ├── AuthenticationError  401: token missing or wrong
    │   ├── NotFound             404 (LookupError)
    │   │   ├── UnknownGenerator
    │   │   ├── UnknownBatch
    │   │   └── UnknownJob
    │   ├── NotEnoughSamples     402: the account has too few samples left
    │   ├── RequestRejected      any other 4xx: the server names the reason
    │   └── ServerFault          5xx, or an answer that is not the protocol's
    ├── BatchTimeout             a batch was not done in time (TimeoutError)
    ├── DownloadError            results could not be fetched
    │   ├── ArchiveError         an archive is cut, altered or unsafe
    │   └── DownloadIncomplete   some jobs came, others did not; carries both
    ├── ResultsError             downloaded results cannot be read
    │   ├── NoResults            there is nothing to read at that path (LookupError)
    │   └── QueryError           a SQL query is wrong; says which names are near
    ├── MediaError               a picture or video cannot be read or written
    └── RenderError              a generator could not make a job (raised inside the engine)

An error is data: ``problem`` states the fault, ``where`` names the job, parameter, file or address,
and ``advice`` suggests the next step. All of them pickle.
"""

from __future__ import annotations

import difflib
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ArchiveError",
    "ArchivesUnavailable",
    "AuthenticationError",
    "BatchTimeout",
    "DownloadError",
    "DownloadIncomplete",
    "EngineError",
    "EngineNotInstalled",
    "EngineNotStarted",
    "EngineStopped",
    "ExtraNotInstalled",
    "FrameError",
    "InfinityError",
    "InvalidJobs",
    "MediaError",
    "NoResults",
    "NotEnoughSamples",
    "NotFound",
    "QueryError",
    "RenderError",
    "RequestRejected",
    "RequestTimeout",
    "ResultsError",
    "ServerError",
    "ServerFault",
    "ServerUnreachable",
    "SessionError",
    "SessionNotCopied",
    "SpecError",
    "SubmissionUnknown",
    "UnknownBatch",
    "UnknownGenerator",
    "UnknownJob",
    "nearest",
    "similar",
]

_PACKAGE = Path(__file__).parents[1]
_LIBRARIES = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")})
_LINES_SHOWN = 3  # of the user's code: a cell, and the functions of it that were called
_ROWS_SHOWN = 10
_STEM, _SHORTEST_STEM = 5, 3  # letters of a word that count: parameters, params


def nearest(name: str, known: Iterable[str]) -> str:
    """Advise on an unknown name: the similar names, or all names."""
    names = list(dict.fromkeys(known))
    close = similar(name, names)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Available: {', '.join(names) or 'none'}."


def similar(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three of the known names that are spelled alike or share most words.

    Parameters
    ----------
    name : str
        The unknown name.
    known : iterable of str
        The names there are.

    Examples
    --------
    >>> similar("avatar", ["avatar_identity", "outfit"])
    ['avatar_identity']
    """
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return close
    words = [word[:_STEM] for word in name.lower().split("_")]
    stems = [word for word in words if len(word) >= _SHORTEST_STEM]
    shared = dict.fromkeys(names, 0)
    for other in names:
        parts = other.lower().split("_")
        shared[other] = sum(any(part.startswith(stem) for part in parts) for stem in stems)
    most = max(shared.values(), default=0)
    return [other for other, count in shared.items() if count == most > 0][:3]


class InfinityError(Exception):
    """Base of every error of this package.

    Parameters
    ----------
    problem : str
        The fault, as a sentence.
    advice : str, optional
        What to do next, a sentence.
    **where
        Where it was wrong: ``job=``, ``parameter=``, ``file=``, ``url=``, ``status=`` and the like.
        Never contains a token or a signed URL.
    """

    def __init__(self, problem: str, *, advice: str | None = None, **where: Any) -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice
        self.where = where

    def __str__(self) -> str:
        return self.problem if self.advice is None else f"{self.problem} {self.advice}"

    def _render_traceback_(self) -> list[str]:
        """Build what IPython and Jupyter show: the user's lines of code, and the message.

        ``traceback.print_last()`` prints the lines of the packages too.
        """
        lines = [
            f"{Path(place.filename).name if Path(place.filename).exists() else 'In this cell'}, "
            f"line {place.lineno}:\n    {place.line}"
            for place in traceback.extract_tb(self.__traceback__)
            if not _installed(place.filename)
        ]
        return [*lines[-_LINES_SHOWN:], f"{type(self).__name__}: {self}", *self._details()]

    def _details(self) -> list[str]:
        """Return lines that a notebook shows below the message."""
        return []

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way of pickling calls the class with positional arguments only.
        return _rebuild, (type(self), self.problem, self.advice, self.where)


def _installed(filename: str) -> bool:
    """Return whether a line of code belongs to a package, and not to the user."""
    path = Path(filename)
    return _PACKAGE in path.parents or any(str(path).startswith(root) for root in _LIBRARIES)


def _rebuild(
    cls: type[InfinityError], problem: str, advice: str | None, where: dict[str, Any]
) -> InfinityError:
    return cls(problem, advice=advice, **where)


class SpecError(InfinityError):
    """A server's description of a generator cannot be read."""


class InvalidJobs(InfinityError, ValueError):
    """Job parameters break rules; ``violations`` is the frame of every broken rule of every job."""

    def _details(self) -> list[str]:
        found = self.violations
        shown = found[["label", "parameter", "rule", "value", "message"]].head(_ROWS_SHOWN)
        more = len(found) - len(shown)
        rest = [f"... and {more} more rows in the error's .violations"] if more else []
        return [shown.to_string(index=False, max_colwidth=60), *rest]

    @property
    def violations(self) -> pd.DataFrame:
        """Violations frame: a row per broken rule of a job."""
        frame: pd.DataFrame = self.where["violations"]
        return frame


class FrameError(InfinityError, ValueError):
    """A frame lacks the columns or the context that a verb needs."""


class SessionError(InfinityError):
    """No session, or more than one, fits a frame."""


class SessionNotCopied(SessionError, TypeError):
    """A session cannot be copied or pickled, since it holds a token."""


class ExtraNotInstalled(InfinityError, ImportError):
    """The libraries of an optional extra are not installed."""


class EngineError(InfinityError):
    """The embedded engine."""


class ArchivesUnavailable(EngineError):
    """The engine's archives cannot be reached, or refuse writes, for now."""


class EngineNotInstalled(EngineError, ImportError):
    """The engine's own dependencies (the extra ``engine``) are not installed."""


class EngineNotStarted(EngineError):
    """The embedded engine could not be started or reached."""


class EngineStopped(EngineError):
    """The embedded engine was stopped on purpose, and nobody has started it since."""


class ServerError(InfinityError):
    """Talking to a server failed; ``where`` holds ``status``, ``method`` and ``url`` if known."""


class ServerUnreachable(ServerError, ConnectionError):
    """Nothing answers at the server's address."""


class RequestTimeout(ServerError, TimeoutError):
    """The server did not answer in time."""


class SubmissionUnknown(ServerError):
    """The connection broke while a batch was sent: the server may or may not have it."""


class AuthenticationError(ServerError):
    """401: the token is missing or wrong."""


class NotFound(ServerError, LookupError):
    """404: the server has no such thing, or this token may not see it."""


class UnknownGenerator(NotFound):
    """The server has no generator of that name."""


class UnknownBatch(NotFound):
    """The server has no batch of that id."""


class UnknownJob(NotFound):
    """The server has no job of that id."""


class NotEnoughSamples(ServerError):
    """402: the account has too few samples left; ``where`` holds ``needed`` and ``left``."""


class RequestRejected(ServerError):
    """The server refused the request and named the reason."""


class ServerFault(ServerError):
    """The server failed (5xx), or answered something that is not the protocol's."""


class BatchTimeout(InfinityError, TimeoutError):
    """A batch was not done in time; ``where`` holds ``batch`` and ``remaining``."""


class DownloadError(InfinityError):
    """Results could not be fetched."""


class ArchiveError(DownloadError):
    """A result archive is cut, altered or unsafe; ``where`` holds ``job`` and ``file``."""


class DownloadIncomplete(DownloadError):
    """Some jobs came, others did not; ``where`` holds ``results`` and ``failures`` (frames)."""


class ResultsError(InfinityError):
    """Downloaded results cannot be read."""


class NoResults(ResultsError, LookupError):
    """There is nothing to read at that path."""


class QueryError(ResultsError):
    """A SQL query is wrong."""


class MediaError(InfinityError):
    """A picture or video cannot be read or written."""


class RenderError(InfinityError):
    """A generator could not make a job."""
