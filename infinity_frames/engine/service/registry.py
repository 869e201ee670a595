"""The generators this engine has, found by their entry points.

A package adds a generator by declaring an entry point in the group
``infinity_frames.generators``, named as the generator is, that leads to its class.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib.metadata import entry_points

from infinity_frames.engine.generators.base import Generator
from infinity_frames.protocol.errors import UnknownGenerator

__all__ = ["all_generators", "generator"]

_GROUP = "infinity_frames.generators"
_log = logging.getLogger(__name__)


def generator(name: str) -> Generator:
    """The generator of that name, one object per process.

    Raises
    ------
    UnknownGenerator
        There is none, or none that can be used; the message names those there are.
    """
    found = _load(name) if name in _names() else None
    if found is None:
        there_are = ", ".join(all_generators()) or "none: no package declares one"
        raise UnknownGenerator(
            f"There is no generator {name!r}.", advice=f"There are: {there_are}."
        )
    return found


def all_generators() -> dict[str, Generator]:
    """Every generator that can be used, by name; one that cannot is logged and left out."""
    found = {name: _load(name) for name in _names()}
    return {name: one for name, one in found.items() if one is not None}


@cache
def _names() -> list[str]:
    return sorted(entry_points(group=_GROUP).names)


@cache
def _load(name: str) -> Generator | None:
    (entry, *_) = entry_points(group=_GROUP, name=name)
    try:
        made: Generator = entry.load()()
        if made.spec.name != name:
            _log.error(
                "%s is declared as %s but calls itself %s", entry.value, name, made.spec.name
            )
            return None
    except Exception:
        # A stranger's package may fail in any way; the other generators must still work.
        _log.exception("the generator %s of %s cannot be used", name, entry.value)
        return None
    return made
