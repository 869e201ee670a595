"""Files that appear whole, and files of our own in folders that may come from a stranger."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["clear_irregular", "read_regular", "replacing", "write_atomically"]


@contextmanager
def replacing(path: Path, *, staged: Path | None = None) -> Iterator[Path]:
    """Yield the path of a temporary file, which replaces `path` when the block succeeds.

    Parameters
    ----------
    path : Path
        The file that is written or replaced.
    staged : Path, optional
        The temporary file, on the same file system; by default a new name in the same folder.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp(), "numbers.txt")
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("1 2 3", encoding="utf-8")
    >>> target.read_text(encoding="utf-8")
    '1 2 3'
    """
    temporary = staged or path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(
    path: Path, content: bytes, *, private: bool = False, staged: Path | None = None
) -> None:
    """Write a file so that readers see either its old content or the whole new content.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        Its new content.
    private : bool
        Give the file mode 0600, and flush it to the disk before it is renamed.
    staged : Path, optional
        The temporary file; see :func:`replacing`.
    """
    with replacing(path, staged=staged) as temporary:
        if not private:
            temporary.write_bytes(content)
            return
        # O_EXCL: a planted file or link of this name must not be written through.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def read_regular(path: Path) -> bytes | None:
    """Return the content of a regular file; None for anything else.

    Opening a named pipe would wait for ever, and a link may lead outside the folder.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def clear_irregular(path: Path) -> None:
    """Delete a link, pipe or folder that is where a file of our own belongs."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    elif not stat.S_ISREG(mode):
        path.unlink()
