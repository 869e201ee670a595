"""How long a server has sent next to nothing."""

from __future__ import annotations

import time

__all__ = ["SLOWEST", "Silence"]

SLOWEST = 1024
"""Bytes per second; a server that sends less is treated as one that hangs."""


class Silence:
    """How long a server has sent next to nothing, over attempts in a row."""

    def __init__(self) -> None:
        self._since: float | None = None

    def note(self, began: float, received: int) -> None:
        """Add an attempt that hung after it had received so many bytes."""
        if received >= SLOWEST * (time.monotonic() - began):
            self._since = None
        elif self._since is None:
            self._since = began

    def end(self) -> None:
        """Forget earlier attempts, since the server sends."""
        self._since = None

    @property
    def seconds(self) -> float:
        """Length of the silence."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since
