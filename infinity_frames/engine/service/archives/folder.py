"""Archives as zip files in one folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infinity_frames.engine.service.ports import StoredArchive

__all__ = ["FolderArchives"]

_CHUNK_BYTES = 1 << 20
_SUFFIX = ".zip"


@dataclass(frozen=True)
class FolderArchives:
    """A folder of ``{job_id}.zip``; implements :class:`.ports.Archives`.

    Parameters
    ----------
    folder : Path
        An existing folder on the disk of the scratch folder, so that `put` is a rename.
    """

    folder: Path

    def put(self, job_id: str, archive: Path) -> None:
        """Move a finished zip into the folder."""
        archive.replace(self._file(job_id))
        # The rename must be on disk before the store records that the archive exists.
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

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

    def _file(self, job_id: str) -> Path:
        return self.folder / f"{job_id}{_SUFFIX}"
