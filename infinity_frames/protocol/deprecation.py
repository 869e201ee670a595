"""Accept the old name of a renamed argument or module for one release."""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["renamed_arguments", "renamed_module"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def renamed_arguments(**new_names: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Pass arguments that are given by an old name on by their new name, with a warning.

    Parameters
    ----------
    **new_names : str
        ``old="new"`` for each renamed argument.

    Raises
    ------
    TypeError
        The decorated function raises it when an argument is given by both names.

    Examples
    --------
    >>> @renamed_arguments(label="caption")
    ... def show(caption=None):
    ...     return caption
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            arguments: dict[str, Any] = dict(kwargs)
            for old, new in new_names.items():
                if old not in arguments:
                    continue
                name = function.__name__
                if new in arguments:
                    raise TypeError(f"{name}() got both {new}= and its old name {old}=.")
                warnings.warn(
                    f"{name}({old}=...) is now called {new}=; the old name goes in version 0.3.",
                    DeprecationWarning,
                    stacklevel=2,
                )
                arguments[new] = arguments.pop(old)
            return function(*args, **arguments)

        return call

    return decorate


def renamed_module(old: str, new: str) -> None:
    """Warn that a module has a new name, and make its old name import the new module.

    The module of the old name calls this function and does nothing else.

    Parameters
    ----------
    old, new : str
        Full names of the modules.

    Warns
    -----
    DeprecationWarning
        Always; it points at the line that imports the old name.
    """
    sys.modules[old] = importlib.import_module(new)
    warnings.warn(
        f"{old} was renamed to {new}; the old name will be removed in the next release.",
        DeprecationWarning,
        stacklevel=3,
    )
