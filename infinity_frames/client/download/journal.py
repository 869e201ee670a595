"""A file of JSON lines that only grows."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from infinity_frames.io.atomic import clear_irregular, read_regular

__all__ = ["Journal", "write_all"]


def write_all(file: BinaryIO, content: bytes | memoryview) -> None:
    """Write all content to an unbuffered file, which may accept less at once on a full disk."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


class Journal:
    """A file of JSON lines that only grows; a line that a kill left incomplete is ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._writing = threading.Lock()
        self._torn = False

    def read(self) -> list[Any]:
        """Return the content of all complete lines."""
        text = read_regular(self.path) or b""
        if text and not text.endswith(b"\n"):
            self._torn = True  # the next line to be appended begins a new one
        found = []
        for line in text.splitlines():
            with contextlib.suppress(orjson.JSONDecodeError):
                found.append(orjson.loads(line))
        return found

    def append(self, item: Any) -> None:
        """Append a line with a single system call."""
        line = orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE)
        with self._writing:
            if self._file is None:
                clear_irregular(self.path)
                self._file = self.path.open("ab", buffering=0)
            torn, self._torn = self._torn, True
            write_all(self._file, b"\n" + line if torn else line)
            self._torn = False

    def close(self) -> None:
        """Close the file."""
        with self._writing:
            if self._file is not None:
                self._file.close()
            self._file = None
