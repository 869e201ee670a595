"""Importing a generator from its entry point, and checking what it says about itself."""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint

import orjson

from infinity_frames.engine.generators.base import Generator, limits_of
from infinity_frames.protocol.spec import Generator as Description

__all__ = ["load_entry"]


def load_entry(entry: EntryPoint) -> Generator:
    """Import and create a generator.

    Raises
    ------
    TypeError, ValueError
        Its description cannot be used; the message names its file. Its own code may raise anything.
    """
    made: Generator = entry.load()()
    try:
        _check_description(made, entry.name)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}{_place(made)}") from None
    return made


def _place(made: object) -> str:
    """Return the file and line of a generator's class, for its author."""
    try:
        file = inspect.getsourcefile(type(made))
        _, line = inspect.getsourcelines(type(made))
    except (OSError, TypeError):
        return ""
    return f" ({file}, line {line})"


def _check_description(made: Generator, name: str) -> None:
    if not isinstance(made.spec, Description):
        raise TypeError(f"its spec is of type {type(made.spec).__name__}, not a Generator spec")
    if made.spec.name != name:
        raise ValueError(
            f"its entry point is named {name!r} but its spec says {made.spec.name!r}; if the "
            "package was updated while the engine runs, restart the engine with "
            "`infinity-frames stop`"
        )
    orjson.dumps(made.spec.to_json())
    limits_of(made)
    for method in ("estimate", "prepare", "render"):
        if not callable(getattr(made, method, None)):
            raise TypeError(f"it has no method {method}()")
