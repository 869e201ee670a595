"""Limits of a job's archive: the engine makes no others, and the client unpacks no others."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

__all__ = ["MOST_BYTES", "MOST_FILES", "is_portable", "name_clash", "unpacked_limit"]

MOST_FILES = 100_000
MOST_BYTES = 64 * 2**30
_MOST_EXPANSION = 200
"""Labels compress about twentyfold, pictures hardly at all, zip bombs a thousandfold."""
_FREE_EXPANSION = 16 * 2**20
"""Small archives may expand by any factor up to this many bytes."""


def is_portable(name: str) -> bool:
    """Return whether every file system and a zip can hold a relative path, with ``/`` between.

    Examples
    --------
    >>> is_portable("masks/0001.png"), is_portable("a:b"), is_portable("../x")
    (True, False, False)
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") or part != part.rstrip(" .") for part in parts):
        return False
    return name.isprintable() and not any(sign in name for sign in '\\:\0*?"<>|')


def name_clash(names: Iterable[str]) -> str | None:
    """Return what is wrong with files that a file system could take for one, None if nothing is.

    Names that differ only in case, or in how letters are composed, are one file on macOS.

    Examples
    --------
    >>> name_clash(["a.png", "A.png"])
    'contains a file twice'
    """
    folded = [unicodedata.normalize("NFC", name).casefold() for name in names]
    if len(set(folded)) < len(folded):
        return "contains a file twice"
    parents = {str(parent) for name in folded for parent in PurePosixPath(name).parents}
    if parents & set(folded):
        return "has a file that is also a folder"
    return None


def unpacked_limit(archive_bytes: int) -> int:
    """Return the most bytes that an archive of a size may unpack to."""
    return min(MOST_BYTES, archive_bytes * _MOST_EXPANSION + _FREE_EXPANSION)
