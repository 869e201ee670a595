"""Compile kernels, and keep their machine code in a folder that is never stale.

numba keys its cache by the file of a kernel, so it misses a change in a function that the kernel
calls. Machine code is therefore kept in a folder named after the sources of all modules that
import this one: those of the engine and, for a kernel of another package (a user's generator),
those of that package too. Any change of a source leads to another folder.
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
_MARK = b"core.jit import"  # a module registers its kernels by this line
_PREFIX = "kernels-"
_UNUSED_FOR = 7 * 24 * 3600.0  # s, after which the folder of older sources is removed


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile on first call and keep the machine code on disk.

    IEEE arithmetic is kept as written (no fastmath, no contraction): the coverage rule and
    repeatability depend on it. A kernel is single-threaded, because workers are processes; it
    releases the interpreter's lock, so that a caller may run two kernels in threads.
    """
    return cast("Callable[_P, _R]", _compiled(function, nogil=True))


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile into the callers: a call that passes a scene's arrays costs microseconds."""
    return cast("Callable[_P, _R]", _compiled(function, forceinline=True))


@cache
def machine_code_folder(package: Path | None = None) -> Path:
    """Folder for the machine code of the present sources.

    It lies beside the sources, as Python's own compiled files do, or under ``$NUMBA_CACHE_DIR``
    or, if neither can be written, in the user's cache folder.

    Parameters
    ----------
    package : Path, optional
        Folder of a package (or file of a module) outside the engine whose kernels are meant.

    Returns
    -------
    Path
        Exists and can be written.
    """
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for root in [_ENGINE] if package is None else [_ENGINE, package]:
        for source in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            text = source.read_bytes()
            if _MARK in text:
                name = str(source.relative_to(root.parent))
                digest.update(name.encode() + b"\0" + text + b"\0")
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
    """Run a function that compiles every kernel, unless it has completed on this machine.

    Parameters
    ----------
    work : callable
        Calls every kernel; identified by its module and name.
    """
    # Everything besides the sources that numba finds its files by.
    target = (numba.__version__, sys.implementation.cache_tag, get_host_cpu_name(), str(_ENGINE))
    name = f"{work.__module__}.{work.__qualname__}".replace("<", "").replace(">", "")
    digest = hashlib.sha256("\0".join(map(str, target)).encode()).hexdigest()
    done = machine_code_folder() / f"{name}-{digest[:16]}.done"
    if not done.exists():
        work()
        with suppress(OSError):  # a read-only machine repeats the work
            done.touch()


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    with _cached_in(machine_code_folder(_outside_package(function))):
        return numba.njit(cache=True, error_model="numpy", **options)(function)


def _outside_package(function: Callable[..., Any]) -> Path | None:
    """Top-level package (or module) of a kernel that does not belong to the engine."""
    path = Path(function.__code__.co_filename).resolve()
    if not path.is_file() or path.is_relative_to(_ENGINE.resolve()):
        return None
    while (path.parent / "__init__.py").exists():
        path = path.parent
    return path


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Cache kernels declared inside the block in a folder; numba's setting is restored after it."""
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
