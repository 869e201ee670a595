"""Addresses that a user gives, in a form that texts may show."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["without_secrets"]


def without_secrets(address: str) -> str:
    """Return an address without its user, password, parameters, query and fragment.

    The address need not be valid: a mistyped one holds its password too. "@" also counts if it is
    percent-encoded or written with full width.

    Examples
    --------
    >>> without_secrets("s3://key:secret@bucket/prefix?version=1")
    's3://bucket/prefix'
    """
    text = unicodedata.normalize("NFKC", address.strip()).replace("%40", "@")
    before, at, rest = text.rpartition("@")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", before) if at else None
    return (scheme.group() if scheme else "") + re.split(r"[?#;\s\x00-\x1f]", rest, maxsplit=1)[0]
