"""How every kernel of the renderer is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

__all__ = ["inlined", "kernel"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile on first call and keep the machine code on disk.

    numba notices a change of the file a kernel is in, but not of the files of what it calls: remove
    ``__pycache__`` after editing those.

    IEEE arithmetic is kept as written (no fastmath, no contraction): the coverage rule and
    repeatability rest on it. Single-threaded: a process renders one job, processes run abreast.
    """
    compiled = numba.njit(cache=True, error_model="numpy")(function)
    return cast("Callable[_P, _R]", compiled)


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile into the callers, as a call that hands over a scene's arrays costs microseconds."""
    compiled = numba.njit(cache=True, error_model="numpy", forceinline=True)(function)
    return cast("Callable[_P, _R]", compiled)
