"""The engine's side of its home: one owner, files written whole, secrets kept to that owner."""

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

__all__ = ["claimed", "private_bytes", "publish", "write_whole"]

# A client that looks whether the engine lives holds the lock for a moment.
_CLAIM_TIMEOUT_S = 1.0


@contextmanager
def claimed(home: Home) -> Iterator[set[str]]:
    """Own the home while the block runs; what a killed owner left in the way is removed first.

    Yields
    ------
    set of str
        The jobs that a killed owner was rendering, which may have been what killed it.

    Raises
    ------
    EngineError
        Another engine owns this home, or the home cannot be written.
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
        # A job's folder there is named by its id and the process that renders it.
        rendering = {path.name.partition(".")[0] for path in home.scratch.glob("*.*/")}
        shutil.rmtree(home.scratch, ignore_errors=True)
        home.scratch.mkdir(mode=0o700)
        yield rendering
    finally:
        home.address_file.unlink(missing_ok=True)
        lock.release()


def publish(home: Home, url: str, version: str) -> None:
    """Say where this engine is reached, and that it is ready."""
    address = {"url": url, "pid": os.getpid(), "version": version}
    write_whole(home.address_file, json.dumps(address).encode())


def private_bytes(path: Path, length: int = 32) -> bytes:
    """The secret in a file of mode 0600, made at first use."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        write_whole(path, secrets.token_bytes(length))
        return path.read_bytes()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file (mode 0600) so that readers see all of it or what was there before."""
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
