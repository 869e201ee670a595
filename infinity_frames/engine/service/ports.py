"""The three interfaces that deployments replace: where jobs run, are recorded, and end up.

========  ============================  ==============================================
port      for one machine               past one machine
========  ============================  ==============================================
Runner    ``runners/local.py``          ``runners/dask.py`` (Dask distributed)
Store     ``stores/sqlite.py``          ``stores/postgresql.py``
Archives  ``archives/folder.py``        ``archives/s3.py``, a folder on a shared disk
========  ============================  ==============================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # workers import this module and need no database
    from sqlalchemy import Connection

__all__ = [
    "MAX_SAMPLES",
    "Archives",
    "Outcome",
    "Preparation",
    "Runner",
    "Sink",
    "Store",
    "StoredArchive",
    "Task",
]

MAX_SAMPLES = 1_000_000_000
"""Largest number of samples that one job can have."""


class Sink(Protocol):
    """Where workers put finished archives. Implementations pickle."""

    def put(self, job_id: str, archive: Path) -> None:
        """Store a finished zip durably and atomically, replacing an earlier one.

        Parameters
        ----------
        job_id : str
        archive : Path
            A file of the caller's scratch folder; the implementation may move it away.

        Raises
        ------
        ArchivesUnavailable
            The place cannot be reached, or refuses to store anything, for now.
        """
        ...


@dataclass(frozen=True)
class Task:
    """One job to render."""

    job_id: str
    generator: str
    params: dict[str, Any]
    seed: int
    is_preview: bool
    time_limit: float
    """Seconds that rendering may take, without the preparation of the worker."""
    memory_limit: int | None = None
    """Bytes that the worker may use, if less than the runner's own limit."""
    sink: Sink | None = None
    """Where to put the archive; runners fill it in."""


@dataclass(frozen=True)
class Preparation:
    """A request to import and compile a generator's rendering code before its jobs arrive."""

    generator: str


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    ``completed``: its archive is stored. ``failed``: the job cannot be made; `error` says why.
    ``lost``: the process that rendered it died. ``no_space``: the disk had no room for its files.
    ``interrupted``: something outside the job failed, such as the network or the object store; the
    job is tried again and the attempt does not count.
    """

    job_id: str
    kind: Literal["completed", "failed", "lost", "no_space", "interrupted"]
    error: str = ""
    samples: int = 0
    sha256: str = ""
    archive_bytes: int = 0
    traceback: str = ""
    """Traceback of the generator's exception, for the owner of the job."""
    labels: dict[str, Any] = field(default_factory=dict)
    """The fields of a `LabelSummary`, empty for files without labels."""


class Runner(Protocol):
    """Starts tasks, reports their outcomes, and stops them.

    The dispatcher's thread calls the methods; other threads may call `wake` and `activity`.
    """

    stop_delay: float
    """Seconds for which a stopped task may still run, and store its archive."""

    def capacity(self) -> int:
        """Return how many more tasks could start now."""
        ...

    def prepare(self, preparation: Preparation) -> None:
        """Prepare one worker for a generator, unless one is prepared or none is free."""
        ...

    def start(self, task: Task) -> None:
        """Start a task; callers start at most `capacity` of them."""
        ...

    def poll(self, timeout: float) -> Sequence[Outcome]:
        """Return outcomes since the last call; wait at most `timeout` s for one, or for `wake`."""
        ...

    def stop(self, job_id: str) -> None:
        """Stop a task without reporting an outcome, and delete its temporary files."""
        ...

    def wake(self) -> None:
        """Make a waiting `poll` return."""
        ...

    def activity(self) -> str | None:
        """Return a sentence about what delays the tasks, None if nothing does."""
        ...

    def close(self) -> None:
        """Stop every task and release all resources."""
        ...


class Store(Protocol):
    """A database of accounts, batches and jobs; see ``stores/tables.py`` for its tables.

    Transactions that write are serializable: a condition that one has read holds when it commits.
    """

    shared: bool
    """Whether several engines may use the database at once."""

    def read(self) -> AbstractContextManager[Connection]:
        """Open a connection that sees one consistent state of the database."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """Open a transaction that is committed as a whole, or rolled back on an error."""
        ...

    def maintain(self) -> None:
        """Give disk space that is no longer needed back; called at intervals."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True)
class StoredArchive:
    """Size in bytes of an archive, and its local file where it is one."""

    size: int
    file: Path | None = None


class Archives(Sink, Protocol):
    """The finished archives, one zip per job.

    Every method raises `ArchivesUnavailable` when the place cannot be reached for now.
    """

    def sink(self, job_id: str, lifetime: float) -> Sink:
        """Return where a worker on another machine puts the archive of one job.

        It holds no credentials other than the right to store this archive within `lifetime` s.
        """
        ...

    def find(self, job_id: str) -> StoredArchive | None:
        """Return the stored archive of a job, None if there is none."""
        ...

    def read(self, job_id: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes ``start`` to ``stop - 1`` of an archive.

        Raises
        ------
        FileNotFoundError
            The job has no archive.
        """
        ...

    def url(self, job_id: str, lifetime: float) -> str | None:
        """Return a presigned URL valid for `lifetime` s; None if the engine has to serve it."""
        ...

    def delete(self, job_ids: Iterable[str]) -> None:
        """Delete archives; jobs without one are ignored."""
        ...

    def job_ids(self) -> Iterator[str]:
        """Yield the job id of every stored archive."""
        ...
