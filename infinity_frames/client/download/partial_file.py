"""An archive while it arrives: in memory as long as that is short, then in a file."""

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
"""What arrives faster than this is not worth writing twice; what a kill may lose is no more."""


class Part:
    """What has arrived of an archive, and the ETag of what it is a part of.

    Parameters
    ----------
    path : Path
        The file it is kept in, from one process to the next.
    etags : Journal
        Where the tag of what is in the file is noted.
    etag : str or None
        The tag noted by an earlier process.
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
        """Bytes that have arrived."""
        if self._held is not None:
            return self._held.tell()
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def start(self, etag: str | None, expected: int | None) -> None:
        """Begin anew, with what may be the whole of so many bytes."""
        # A weak tag does not promise the same bytes, so it cannot join two pieces.
        self.etag = None if etag is None or etag.startswith("W/") else etag
        self._digest, self._digested = hashlib.sha256(), 0
        self._held, self._until = io.BytesIO(), time.monotonic() + HELD_SECONDS
        if expected is None or expected > HELD_BYTES:
            self._spill()

    def write(self, piece: bytes) -> None:
        """Add what has arrived."""
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
        """Write to the file what has arrived, and close it."""
        if self._held is not None:
            self._spill()
        if self._file is not None:
            self._file.close()
            self._file = None

    def open(self) -> BinaryIO:
        """All of it, to be read."""
        if self._held is not None:
            self._held.seek(0)
            return self._held
        if self._file is not None:
            self._file.close()
            self._file = None
        return self.path.open("rb")

    def sha256(self) -> str:
        """Digest of what has arrived."""
        if self._held is not None:
            return hashlib.sha256(self._held.getbuffer()).hexdigest()
        self._catch_up()
        return self._digest.hexdigest()

    def drop(self) -> None:
        """Forget all of it."""
        self._held, self.etag = None, None
        self._digest, self._digested = hashlib.sha256(), 0
        self.flush()
        self.path.unlink(missing_ok=True)

    def _spill(self) -> None:
        assert self._held is not None
        self._file = self.path.open("wb", buffering=0)
        # Emptied before it is noted: whatever is in the file is of the tag that is noted.
        self._etags.append([self.path.name, self.etag])
        write_all(self._file, self._held.getbuffer())
        self._add(self._held.getbuffer())
        self._held = None

    def _add(self, piece: bytes | memoryview) -> None:
        self._digest.update(piece)
        self._digested += len(piece)

    def _catch_up(self) -> None:
        """Digest what an earlier process left in the file."""
        if self._digested or not self.size:
            return
        with self.path.open("rb") as file:
            while block := file.read(2**20):
                self._add(block)
