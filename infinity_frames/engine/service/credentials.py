"""Credentials in the environment, which processes that run generator code must not inherit."""

from __future__ import annotations

import os

__all__ = ["hide_credentials"]

# The engine has read its own from the options; a store of archives reads the last three itself.
_OURS = ("INFINITY_TOKEN", "INFINITY_DATABASE")
_OF_STORES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def hide_credentials(*, of_stores: bool = False) -> None:
    """Remove the user's token, and the password of the database, from the environment.

    Processes that run generator code inherit it.

    Parameters
    ----------
    of_stores : bool
        Also remove the keys of object stores, where none is used.
    """
    for name in _OURS + (_OF_STORES if of_stores else ()):
        os.environ.pop(name, None)
