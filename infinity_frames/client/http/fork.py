"""Renew connections, locks and threads in a forked process."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["renew_after_fork"]


class _Renewable(Protocol):
    def renew(self) -> None: ...


_living: weakref.WeakSet[_Renewable] = weakref.WeakSet()


def renew_after_fork(item: _Renewable) -> None:
    """Call ``item.renew()`` in every process that is forked while `item` exists.

    Two processes that share a socket would read each other's responses.
    """
    _living.add(item)


def _renew_all() -> None:
    for item in list(_living):
        item.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
