"""Libraries of the extra ``experiments``, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from infinity_frames.protocol.errors import ExtraNotInstalled

__all__ = ["library"]


def library(name: str) -> Any:
    """Import a module of the extra ``experiments``.

    Raises
    ------
    ExtraNotInstalled
        The library is missing.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ExtraNotInstalled(
            f"This needs {name.split('.')[0]}, which cannot be imported: {error}.",
            advice="Install the extra: pip install 'infinity-frames[experiments]'.",
        ) from error
