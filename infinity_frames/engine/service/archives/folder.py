"""Archives as zip files in one folder of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infinity_frames.engine.service.ports import StoredArchive
from infinity_frames.protocol.errors import ArchivesUnavailable

__all__ = ["FolderArchives"]

_CHUNK_BYTES = 1 << 20
_SUFFIX = ".zip"
_PARTIAL = ".part"
# Errors of a shared disk whose server went away.
_GONE = (errno.ESTALE, errno.EIO, errno.EROFS, errno.ETIMEDOUT, errno.EHOSTDOWN)
# A partial file that is older belongs to a worker that died.
_STALE_S = 86400.0


@dataclass(frozen=True)
class FolderArchives:
    """A folder of ``{job_id}.zip``; implements :class:`.ports.Archives`.

    Parameters
    ----------
    folder : Path
        An existing folder. On the disk of the scratch folder, `put` is a rename; elsewhere it
        copies, and then renames the copy.
    """

    folder: Path

    def put(self, job_id: str, archive: Path) -> None:
        """Move a finished zip into the folder."""
        try:
            self._move(job_id, archive)
        except OSError as error:
            if error.errno not in _GONE and self.folder.is_dir():
                raise
            raise ArchivesUnavailable(
                f"Archives cannot be stored in {self.folder} now: {error.strerror or error}.",
                advice="Check that the disk is mounted and healthy on this machine.",
            ) from None

    def _move(self, job_id: str, archive: Path) -> None:
        try:
            archive.replace(self._file(job_id))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(job_id, archive)
        # The rename must be on disk before the store records that the archive exists.
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sink(self, job_id: str, lifetime: float) -> FolderArchives:  # noqa: ARG002
        """Return the folder itself: other machines must see it under the same path."""
        return self

    def find(self, job_id: str) -> StoredArchive | None:
        """Return size and file of an archive, None if there is none."""
        file = self._file(job_id)
        try:
            return StoredArchive(file.stat().st_size, file)
        except FileNotFoundError:
            return None

    def read(self, job_id: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes ``start`` to ``stop - 1`` of an archive."""
        with self._file(job_id).open("rb") as file:
            file.seek(start)
            while start < stop and (chunk := file.read(min(_CHUNK_BYTES, stop - start))):
                start += len(chunk)
                yield chunk

    def url(self, job_id: str, lifetime: float) -> str | None:  # noqa: ARG002
        """Return None: the engine serves the files itself."""
        return None

    def delete(self, job_ids: Iterable[str]) -> None:
        """Delete archives; jobs without one are ignored."""
        for job_id in job_ids:
            self._file(job_id).unlink(missing_ok=True)

    def job_ids(self) -> Iterator[str]:
        """Yield the job id of every archive."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIX) and entry.is_file(follow_symlinks=False):
                    yield entry.name.removesuffix(_SUFFIX)

    def delete_stale(self) -> None:
        """Delete partial files that dead workers left."""
        for path in self.folder.glob(f"*{_PARTIAL}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_S:
                    path.unlink()

    def _copy(self, job_id: str, archive: Path) -> None:
        """Copy a zip from another disk; it becomes visible as a whole."""
        partial = self.folder / f"{job_id}.{uuid.uuid4().hex}{_PARTIAL}"
        try:
            with archive.open("rb") as source, partial.open("xb") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
                target.flush()
                os.fsync(target.fileno())
            partial.replace(self._file(job_id))
        finally:
            partial.unlink(missing_ok=True)
        archive.unlink()

    def _file(self, job_id: str) -> Path:
        return self.folder / f"{job_id}{_SUFFIX}"
