"""A partially downloaded archive: in memory while it is small, then in a file."""

from __future__ import annotations

import hashlib
import io
import time
from pathlib import Path
from typing import BinaryIO

from infinity_frames.client.download.journal import Journal, write_all

__all__ = ["Part"]

HELD_BYTES = 2 * 2**20
HELD_SECONDS = 0.25
"""Archives that arrive within this time and size are never written to the disk as archives; a kill
loses no more than that."""


class Part:
    """The bytes of an archive that have arrived, and the archive's ETag.

    Parameters
    ----------
    path : Path
        The file that keeps the bytes from one process to the next.
    etags : Journal
        Notes the ETag of the file's content.
    etag : str or None
        The ETag noted by an earlier process.
    """

    def __init__(self, path: Path, etags: Journal, etag: str | None) -> None:
        self.path, self.etag = path, etag
        self._etags = etags
        self._held: io.BytesIO | None = None
        self._until = 0.0
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._digested = 0

    @property
    def size(self) -> int:
        """Number of bytes that have arrived."""
        if self._held is not None:
            return self._held.tell()
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def start(self, etag: str | None, expected: int | None) -> None:
        """Start over, with `expected` bytes to come if the server states the length."""
        # A weak tag does not promise the same bytes, so it cannot join two pieces.
        self.etag = None if etag is None or etag.startswith("W/") else etag
        self._digest, self._digested = hashlib.sha256(), 0
        self._held, self._until = io.BytesIO(), time.monotonic() + HELD_SECONDS
        if expected is None or expected > HELD_BYTES:
            self._spill()

    def write(self, piece: bytes) -> None:
        """Append bytes that have arrived."""
        if self._held is None:
            self._catch_up()
            if self._file is None:
                self._file = self.path.open("ab", buffering=0)
            try:
                write_all(self._file, piece)
            except OSError:  # an unknown part of it was written
                self._digest, self._digested = hashlib.sha256(), 0
                raise
            self._add(piece)
            return
        self._held.write(piece)
        if time.monotonic() > self._until or self._held.tell() > HELD_BYTES:
            self._spill()

    def flush(self) -> None:
        """Write bytes that are in memory to the file, and close it."""
        if self._held is not None:
            self._spill()
        if self._file is not None:
            self._file.close()
            self._file = None

    def open(self) -> BinaryIO:
        """Open the archive for reading."""
        if self._held is not None:
            self._held.seek(0)
            return self._held
        if self._file is not None:
            self._file.close()
            self._file = None
        return self.path.open("rb")

    def sha256(self) -> str:
        """Return the SHA-256 of the bytes that have arrived."""
        if self._held is not None:
            return hashlib.sha256(self._held.getbuffer()).hexdigest()
        self._catch_up()
        return self._digest.hexdigest()

    def drop(self) -> None:
        """Discard everything that has arrived."""
        self._held, self.etag = None, None
        self._digest, self._digested = hashlib.sha256(), 0
        self.flush()
        self.path.unlink(missing_ok=True)

    def _spill(self) -> None:
        assert self._held is not None
        self._file = self.path.open("wb", buffering=0)
        # The file is emptied before the ETag is noted, so that its content always matches the ETag.
        self._etags.append([self.path.name, self.etag])
        write_all(self._file, self._held.getbuffer())
        self._add(self._held.getbuffer())
        self._held = None

    def _add(self, piece: bytes | memoryview) -> None:
        self._digest.update(piece)
        self._digested += len(piece)

    def _catch_up(self) -> None:
        """Add the bytes of an earlier process to the digest."""
        if self._digested or not self.size:
            return
        with self.path.open("rb") as file:
            while block := file.read(2**20):
                self._add(block)
