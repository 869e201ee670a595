"""A file of JSON lines that only grows."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, BinaryIO

import orjson

__all__ = ["Journal", "write_all"]


def write_all(file: BinaryIO, content: bytes | memoryview) -> None:
    """Write to an unbuffered file, which may take less than it is given where the disk fills up."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


class Journal:
    """A file of JSON lines that only grows; one torn by a kill is as if it had not been written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._writing = threading.Lock()
        self._torn = False

    def read(self) -> list[Any]:
        """What its whole lines say."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return []
        if text and not text.endswith(b"\n"):
            with self.path.open("ab") as file:
                file.write(b"\n")
        found = []
        for line in text.splitlines():
            with contextlib.suppress(orjson.JSONDecodeError):
                found.append(orjson.loads(line))
        return found

    def append(self, item: Any) -> None:
        """Write a line at the end, by one call to the system."""
        line = orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE)
        with self._writing:
            if self._file is None:
                self._file = self.path.open("ab", buffering=0)
            torn, self._torn = self._torn, True
            write_all(self._file, b"\n" + line if torn else line)
            self._torn = False

    def close(self) -> None:
        """Let go of the file."""
        with self._writing:
            if self._file is not None:
                self._file.close()
            self._file = None
