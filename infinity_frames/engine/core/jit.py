"""How every kernel of the engine is compiled, and where its machine code is kept.

numba keys its cache by the file that a kernel is written in, and so misses a change in what the
kernel calls. Machine code is kept in a folder named after the sources of all kernels instead:
after any change it is another folder, and what is stale is never found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
import platformdirs
from llvmlite.binding import get_host_cpu_name

__all__ = ["compiled_once", "inlined", "kernel", "machine_code_folder"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_ENGINE = Path(__file__).parent.parent
_MARK = b"core.jit import"  # every module with kernels has this line
_PREFIX = "kernels-"
_UNUSED_FOR = 7 * 24 * 3600.0  # s, after which what older sources left is removed


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile on first call and keep the machine code on disk.

    IEEE arithmetic is kept as written (no fastmath, no contraction): the coverage rule and
    repeatability rest on it. Single-threaded: a process renders one job, processes run abreast;
    but the interpreter's lock is let go, so that a caller who waits may run two at a time.
    """
    return cast("Callable[_P, _R]", _compiled(function, nogil=True))


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
    for source in [Path(__file__), *sorted(_ENGINE.rglob("*.py"))]:
        text = source.read_bytes()
        if source == Path(__file__) or _MARK in text:
            digest.update(source.name.encode() + b"\0" + text + b"\0")
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(chosen)] if chosen else [_ENGINE / "__pycache__"]
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


def compiled_once(work: Callable[[], object]) -> None:
    """Do what compiles every kernel, unless it has been done to the end on this machine.

    Parameters
    ----------
    work : callable
        Calls every kernel; named by its module and name.
    """
    # All that numba finds its files by, beside the sources.
    target = (numba.__version__, sys.implementation.cache_tag, get_host_cpu_name(), str(_ENGINE))
    name = f"{work.__module__}.{work.__qualname__}".replace("<", "").replace(">", "")
    digest = hashlib.sha256("\0".join(map(str, target)).encode()).hexdigest()
    done = machine_code_folder() / f"{name}-{digest[:16]}.done"
    if not done.exists():
        work()
        with suppress(OSError):  # where nothing can be kept, it is done again
            done.touch()


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
