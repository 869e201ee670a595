"""The engine's side of its home folder: one owner at a time, private files, atomic writes."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from infinity_frames.io.atomic import write_atomically
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import EngineError

__all__ = [
    "claimed",
    "make_private",
    "private_bytes",
    "publish",
    "unusable_home",
]

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
    make_private(home)
    try:
        home.results.resolve().mkdir(exist_ok=True, mode=0o700)
        lock = FileLock(home.owner_lock, mode=0o600)
        lock.acquire(timeout=_CLAIM_TIMEOUT_S)
    except Timeout:
        address = home.address() or {}
        raise EngineError(
            f"An engine already runs for {home.path}"
            + (f", at {address['url']}." if address else "."),
            advice="Use that one, stop it with `infinity-frames stop`, or choose another --home.",
        ) from None
    except OSError as error:
        raise unusable_home(home, error) from None
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


def make_private(home: Home) -> None:
    """Create the home, or close it and its files to other users (modes 0700 and 0600).

    Raises
    ------
    EngineError
        The home or one of its files belongs to another user, is a symbolic link where a file is
        expected, or cannot be closed.
    """
    try:
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sys.platform == "win32":
            return
        _close(home.path.resolve(), 0o700)
        # Results may be kept on a larger disk, behind a symbolic link.
        _close(home.results.resolve(), 0o700)
        database = home.database_file
        for path in (
            home.scratch,
            home.owner_lock,
            home.start_lock,
            home.stopped_file,
            home.address_file,
            home.token_file,
            home.key_file,
            home.proof_key_file,
            home.log_file,
            database,
            database.with_name(f"{database.name}-wal"),
            database.with_name(f"{database.name}-shm"),
        ):
            _refuse_link(path)
            if path.exists() and path.is_dir() != (path == home.scratch):
                wrong = "a folder, not a file" if path.is_dir() else "a file, not a folder"
                raise EngineError(
                    f"{path} in the engine's home is {wrong}.",
                    advice="Move it away, or choose another folder with --home or $INFINITY_HOME.",
                )
            _close(path, 0o700 if path.is_dir() else 0o600)
    except OSError as error:
        raise unusable_home(home, error) from None


def unusable_home(home: Home, error: OSError) -> EngineError:
    """Build the error for a home that cannot be created, read or written."""
    return EngineError(
        f"The engine's home {home.path} cannot be used: {error.strerror or error}.",
        advice="Choose another folder with --home or $INFINITY_HOME.",
    )


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise EngineError(
            f"{path} in the engine's home is a symbolic link, so other files could be overwritten.",
            advice="Delete the link, or choose another folder with --home or $INFINITY_HOME.",
        )


def _close(path: Path, mode: int) -> None:
    """Remove the permissions of other users from a file or folder."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if status.st_uid != os.geteuid():
        raise EngineError(
            f"{path} belongs to another user, who could read tokens and block the engine.",
            advice="Make it yours with chown, or choose another folder with --home or "
            "$INFINITY_HOME.",
        )
    if stat.S_IMODE(status.st_mode) & 0o077 == 0:
        return
    path.chmod(mode)
    if stat.S_IMODE(path.lstat().st_mode) & 0o077:
        raise EngineError(
            f"{path} cannot be closed to other users, who could read tokens and block the engine.",
            advice="Choose a folder on another file system with --home or $INFINITY_HOME.",
        )


def publish(home: Home, url: str, version: str) -> None:
    """Write the address file: it tells clients where the engine listens, and that it is ready."""
    address = {"url": url, "pid": os.getpid(), "version": version}
    write_atomically(home.address_file, json.dumps(address).encode(), private=True)


def private_bytes(path: Path, length: int = 32) -> bytes:
    """Return the secret in a file of mode 0600; create it at first use.

    A shorter one, such as a file that a full disk cut, is replaced: anyone could guess it.
    """
    with contextlib.suppress(FileNotFoundError):
        found = path.read_bytes()
        if len(found) >= length:
            return found
    write_atomically(path, secrets.token_bytes(length), private=True)
    return path.read_bytes()
