"""How every kernel of the renderer is compiled.

numba keys its cache by the file that a kernel is written in, and so misses a change in what the
kernel calls. Machine code is kept in a folder named after all sources of this package instead:
after any change it is another folder, and what is stale is never found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
import platformdirs

__all__ = ["inlined", "kernel", "machine_code_folder"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_SOURCES = Path(__file__).parent
_PREFIX = "kernels-"
_UNUSED_FOR = 7 * 24 * 3600.0  # s, after which what older sources left is removed


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile on first call and keep the machine code on disk.

    IEEE arithmetic is kept as written (no fastmath, no contraction): the coverage rule and
    repeatability rest on it. Single-threaded: a process renders one job, processes run abreast.
    """
    return cast("Callable[_P, _R]", _compiled(function))


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile into the callers, as a call that hands over a scene's arrays costs microseconds."""
    return cast("Callable[_P, _R]", _compiled(function, forceinline=True))


@cache
def machine_code_folder() -> Path:
    """Where the machine code of these very sources is kept.

    Beside the sources, as Python's own compiled files are, or under ``$NUMBA_CACHE_DIR`` or, where
    neither can be written, in the user's cache folder.
    """
    digest = hashlib.sha256()
    for source in sorted(_SOURCES.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(chosen)] if chosen else [_SOURCES / "__pycache__"]
    places.append(platformdirs.user_cache_path("infinity-frames", appauthor=False))
    for place in places:
        folder = place / f"{_PREFIX}{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            os.utime(folder)
            _remove_unused(place)
            break
    return folder


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    with _cached_in(machine_code_folder()):
        return numba.njit(cache=True, error_model="numpy", **options)(function)


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Have numba keep what is declared within in a folder; other packages' kernels stay theirs."""
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _remove_unused(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_mtime < time.time() - _UNUSED_FOR:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another process has just removed it
            continue
