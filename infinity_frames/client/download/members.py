"""Some files of an archive on a server, by range requests, without the rest of the archive."""

from __future__ import annotations

import bisect
import contextlib
import io
import os
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

from infinity_frames.client.download.unpack import DAMAGED

__all__ = ["ReadRange", "open_remote"]

ReadRange = Callable[[int | None, int], tuple[bytes, int]]

_TAIL_BYTES = 64 * 1024
"""Fetched first: a zip ends with the directory of its members, and job archives have few."""
_REQUEST_BYTES = 4 * 2**20
_BUFFER_BYTES = 16 * 1024


def open_remote(read: ReadRange, wanted: Callable[[str], bool]) -> BinaryIO:
    """Open a zip on a server as a seekable file that is read by range requests.

    Parameters
    ----------
    read : callable
        Given the first byte and a number of bytes, returns these bytes and the size of the zip.
        None for the first byte means the last bytes of the zip.
    wanted : callable
        Returns whether a member will be read, by its name in the archive. A request ends before the
        next member that will not.
    """
    ranges = _Ranges(read)
    file: BinaryIO = io.BufferedReader(ranges, _BUFFER_BYTES)
    # Unpacking describes what is wrong with a damaged archive.
    with contextlib.suppress(*DAMAGED), zipfile.ZipFile(file) as opened:
        others = [item for item in opened.infolist() if not wanted(item.filename)]
        ranges.ends = sorted(item.header_offset for item in others)
    return file


class _Ranges(io.RawIOBase):
    """An archive on the server; keeps the bytes of one request."""

    def __init__(self, read: ReadRange) -> None:
        self._read = read
        self._held, self._size = read(None, _TAIL_BYTES)
        self._held_from = self._size - len(self._held)
        self._position = 0
        self.ends: list[int] = []
        """Positions beyond which no request reads, sorted."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size:
            return 0
        if not self._held_from <= self._position < self._held_from + len(self._held):
            self._held, _ = self._read(self._position, self._ahead())
            self._held_from = self._position
        at = self._position - self._held_from
        data = self._held[at : at + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _ahead(self) -> int:
        """Return how many bytes to request from the present position on."""
        following = bisect.bisect_right(self.ends, self._position)
        end = self.ends[following] if following < len(self.ends) else self._size
        return min(end - self._position, _REQUEST_BYTES)
