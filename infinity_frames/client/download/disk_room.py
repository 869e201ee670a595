"""Share the free space of a disk among the jobs that are being downloaded."""

from __future__ import annotations

import contextlib
import math
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infinity_frames.client.download.partial_file import Part

__all__ = ["DiskRoom", "NoRoom"]

_RECHECK_S = 0.5


class NoRoom(Exception):
    """The disk has no room for a job beside the others that are being written.

    Parameters
    ----------
    needed : float
        Bytes that the job needs; infinite if unknown.
    """

    def __init__(self, needed: float) -> None:
        super().__init__(needed)
        self.needed = needed


class DiskRoom:
    """Admits jobs as long as the disk has room for all that they will write.

    On a nearly full disk, jobs that are each half downloaded would fill it so that none could ever
    be finished. Therefore a job that does not fit waits for the others, and a job that is alone may
    delete the partial archives of jobs that wait.

    Parameters
    ----------
    folder : Path
        The folder of the partial archives.
    stop : Event
        Ends all waiting when it is set.
    """

    def __init__(self, folder: Path, stop: threading.Event) -> None:
        self._folder = folder
        self._stop = stop
        self._changed = threading.Condition()
        self._working: dict[str, float] = {}
        """Bytes that each admitted job may write."""
        self._waiting: dict[str, Part] = {}

    @contextmanager
    def job(self, job_id: str) -> Iterator[None]:
        """Count a job as being written while the block runs."""
        with self._changed:
            self._working[job_id] = 0
        try:
            yield
        finally:
            with self._changed:
                self._working.pop(job_id, None)
                self._changed.notify_all()

    def reserve(self, job_id: str, needed: float) -> None:
        """Reserve room for what a job will write, in bytes.

        A job that is alone is always admitted; partial archives of other jobs are deleted if it
        needs their room.

        Raises
        ------
        NoRoom
            There is no room beside the other jobs; see :meth:`wait`.
        """
        with self._changed:
            others = [size for job, size in self._working.items() if job != job_id]
            if not self._fits(needed + sum(others)):
                if others and not self.alone(job_id):
                    raise NoRoom(needed)
                self._delete_partial_archives(job_id, needed)
            if not self.alone(job_id):
                self._working[job_id] = needed

    def alone(self, job_id: str) -> bool:
        """Return whether a job has the disk for itself, after a :meth:`wait` for infinite room."""
        return self._working.get(job_id) == math.inf

    def wait(self, job_id: str, part: Part, needed: float) -> None:
        """Wait until other jobs have left enough room, or none of them is being written.

        Meanwhile another job may delete `part`. A job that waits for infinite room, since the disk
        was full, has the disk for itself until it ends.
        """
        with self._changed:
            del self._working[job_id]
            self._waiting[job_id] = part
            self._changed.notify_all()
            while self._working and not self._fits(needed + sum(self._working.values())):
                if self._stop.is_set():
                    break
                self._changed.wait(_RECHECK_S)
            del self._waiting[job_id]
            self._working[job_id] = needed
            if self.alone(job_id) and not self._stop.is_set():
                self._delete_partial_archives(job_id, needed)

    def _fits(self, needed: float) -> bool:
        return needed <= shutil.disk_usage(self._folder).free

    def _delete_partial_archives(self, job_id: str, needed: float) -> None:
        for part in self._waiting.values():
            if self._fits(needed):
                return
            part.drop()
        for path in self._folder.glob("*.part"):
            if self._fits(needed):
                return
            if path.name != f"{job_id}.zip.part":
                with contextlib.suppress(OSError):
                    path.unlink()
