"""Names of the parts of a split in each format."""

from __future__ import annotations

import re
from collections.abc import Sequence

from infinity_frames.protocol.errors import ResultsError

__all__ = ["plain_names", "require_plain", "role_of", "word_names"]

_PLAIN = re.compile(r"\w[\w .()+=,-]*")
_LENGTH = 80
_ROLES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "development", "eval", "evaluation"),
    "test": ("test", "testing", "holdout"),
}


def require_plain(parts: Sequence[str]) -> None:
    """Refuse names of parts that cannot be names of files on every system.

    Raises
    ------
    ResultsError
        A name is empty, too long, or looks like a path.
    """
    for part in parts:
        # Windows drops a final dot or space of a name.
        if not _PLAIN.fullmatch(part) or len(part) > _LENGTH or part[-1] in ". ":
            raise ResultsError(
                f"The part {part!r} of the column 'split' cannot be the name of a folder.",
                advice="Rename it to letters, digits, '-' or '_': train, val, test, fold-1.",
                part=part,
            )
    folded = [part.casefold() for part in parts]
    for part in parts:
        if folded.count(part.casefold()) > 1:
            raise ResultsError(
                f"Parts of the column 'split' differ only in case: {part!r}.",
                advice="Rename one of them.",
                part=part,
            )


def role_of(part: str) -> str | None:
    """Purpose of a part: train, val or test; None for folds and other names."""
    name = re.sub(r"[\W_]", "", part).casefold()
    return next((role for role, names in _ROLES.items() if name in names), None)


def plain_names(parts: Sequence[str]) -> dict[str, str]:
    """Return every part under its own name."""
    return {part: part for part in parts}


def word_names(parts: Sequence[str], val: str = "validation") -> dict[str, str]:
    """Return names made of word characters: train, `val`, test, or the part's own with ``_``.

    Raises
    ------
    ResultsError
        Two parts would get one name.
    """
    roles = {"train": "train", "val": val, "test": "test"}
    names = {
        part: roles.get(role_of(part) or "") or re.sub(r"\W+", "_", part).strip("_")
        for part in parts
    }
    require_distinct(names)
    return names


def require_distinct(names: dict[str, str]) -> None:
    """Refuse two parts with one name in the format."""
    for part, name in names.items():
        others = [other for other, its in names.items() if its == name and other != part]
        if others:
            raise ResultsError(
                f"The format calls both {part!r} and {others[0]!r} of the column 'split' {name}.",
                advice="Rename one of them, or use one value for both to merge them.",
                parts=[part, *others],
            )
