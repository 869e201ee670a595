"""The engine's side of its home folder: one owner at a time, private files, atomic writes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import EngineError

__all__ = ["claimed", "private_bytes", "publish", "write_private"]

# A client that checks whether an engine runs holds the lock for a moment.
_CLAIM_TIMEOUT_S = 1.0


@contextmanager
def claimed(home: Home) -> Iterator[set[str]]:
    """Own the home while the block runs, after removing temporary files of a killed owner.

    Yields
    ------
    set of str
        Jobs that a killed owner was rendering; one of them may have caused the crash.

    Raises
    ------
    EngineError
        Another engine owns the home, or the home cannot be written.
    """
    try:
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.results.mkdir(exist_ok=True, mode=0o700)
        lock = FileLock(home.owner_lock)
        lock.acquire(timeout=_CLAIM_TIMEOUT_S)
    except Timeout:
        address = home.address() or {}
        raise EngineError(
            f"An engine already runs for {home.path}"
            + (f", at {address['url']}." if address else "."),
            advice="Use that one, stop it with `infinity-frames stop`, or choose another --home.",
        ) from None
    except OSError as error:
        raise EngineError(
            f"The engine's home {home.path} cannot be written: {error.strerror or error}.",
            advice="Choose another folder with --home or $INFINITY_HOME.",
        ) from None
    try:
        home.stopped_file.unlink(missing_ok=True)
        home.address_file.unlink(missing_ok=True)
        # A scratch folder is named after its job and the process that renders it.
        rendering = {path.name.partition(".")[0] for path in home.scratch.glob("*.*/")}
        shutil.rmtree(home.scratch, ignore_errors=True)
        home.scratch.mkdir(mode=0o700)
        yield rendering
    finally:
        home.address_file.unlink(missing_ok=True)
        lock.release()


def publish(home: Home, url: str, version: str) -> None:
    """Write the address file: it tells clients where the engine listens, and that it is ready."""
    address = {"url": url, "pid": os.getpid(), "version": version}
    write_private(home.address_file, json.dumps(address).encode())


def private_bytes(path: Path, length: int = 32) -> bytes:
    """Return the secret in a file of mode 0600; create it at first use."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        write_private(path, secrets.token_bytes(length))
        return path.read_bytes()


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 atomically: readers see the whole new content, or the old."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
