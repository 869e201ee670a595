"""Start, find and stop the embedded engine, a program that is known by the files in its home.

This module imports no part of the engine. It outlives the process that started it, so that work
continues when a notebook closes, and exits when idle.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from infinity_frames.io.home import Home
from infinity_frames.io.progress import busy
from infinity_frames.io.proof import PROOF_PATH
from infinity_frames.protocol.errors import EngineNotInstalled, EngineNotStarted, EngineStopped

__all__ = [
    "find_engine",
    "read_token",
    "require_engine",
    "restart_engine",
    "start_engine",
    "stop_engine",
]

IDLE_TIMEOUT_S = 900.0
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.02
_ANSWER_TIMEOUT_S = 5.0
_LOG_LINES = 8
_MAX_LOG_BYTES = 5 * 2**20
_NEEDS = (
    "fastapi",
    "fastapi_offline",
    "uvicorn",
    "sqlalchemy",
    "alembic",
    "psutil",
    "numba",
    "skimage",
    "scipy",
    "pycocotools",
)

_Path = str | os.PathLike[str]


def start_engine(home: _Path | None = None, workers: int | None = None) -> str:
    """Return the address of the engine of a home; start one if none runs there.

    Parameters
    ----------
    home : path, optional
        Its folder; by default ``$INFINITY_HOME``, else the platform's user-data folder.
    workers : int, optional
        Jobs rendered at once; one per core by default. A running engine keeps its number.

    Returns
    -------
    str
        Its URL. Two simultaneous callers get that of the same engine.

    Raises
    ------
    EngineNotInstalled
        The extra ``engine`` is not installed.
    EngineNotStarted
        It did not start (the message quotes the end of its log), or an older version is running.

    Examples
    --------
    >>> address = inf.start_engine()  # doctest: +SKIP
    """
    place = Home.at(home)
    return find_engine(place.path) or _started(place, workers, wanted=True)


def restart_engine(home: _Path | None = None) -> str:
    """Like :func:`start_engine`, but does not restart an engine that was stopped deliberately.

    Raises
    ------
    EngineStopped
        It was stopped by :func:`stop_engine` and has not been started since.
    """
    place = Home.at(home)
    return find_engine(place.path) or _started(place, None, wanted=False)


def find_engine(home: _Path | None = None) -> str | None:
    """Return the address of the engine that runs for a home, None if none runs.

    Raises
    ------
    EngineNotStarted
        The engine that runs is of a version that cannot prove its identity.
    """
    place = Home.at(home)
    # The address may be that of a killed engine, and another program may have its port by now,
    # which must never receive the token. Only a living engine holds the lock.
    address = place.address() if _is_owned(place) else None
    if address is None:
        return None
    if _answers(address["url"], place):
        return str(address["url"])
    _refuse_if_old(address, place)
    return None


def stop_engine(home: _Path | None = None) -> bool:
    """Stop the engine of a home; unfinished jobs continue when it is started again.

    Clients that wait for these jobs get `EngineStopped`; they restart an engine only if it crashed.

    Returns
    -------
    bool
        Whether an engine was running.

    Raises
    ------
    EngineNotStarted
        It is running and cannot be stopped.

    Examples
    --------
    >>> inf.stop_engine()  # doctest: +SKIP
    """
    place = Home.at(home)
    if not _is_owned(place):
        return False
    address = _wait_for_address(place)
    # Before the engine exits: clients that lose it must find that it was stopped deliberately.
    place.stopped_file.touch(mode=0o600)
    for force in (False, True):
        _signal(address, force=force)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            if not _is_owned(place):
                return True
            time.sleep(_POLL_S)
    raise EngineNotStarted(
        f"The engine of {place.path} (process {address['pid']}) does not stop.",
        advice="End that process yourself.",
    )


def read_token(home: _Path | None = None) -> str:
    """Read the engine's own token.

    Raises
    ------
    EngineNotStarted
        The token's file does not exist or cannot be read.
    """
    place = Home.at(home)
    try:
        return place.token_file.read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise EngineNotStarted(
            f"The engine's token in {place.path} cannot be read.",
            advice="Start the engine with start_engine() or `infinity-frames serve`.",
        ) from error


def require_engine() -> None:
    """Raise `EngineNotInstalled` unless the packages that the engine needs are installed."""
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise EngineNotInstalled(
            f"The embedded engine is not installed: {', '.join(missing)} missing.",
            advice='Run `pip install "infinity-frames[engine]"`, or set $INFINITY_SERVER to the '
            "address of a server.",
        )


def _started(place: Home, workers: int | None, *, wanted: bool) -> str:
    require_engine()
    try:
        place.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            busy("Starting the engine of this machine"),
            FileLock(place.start_lock, timeout=_START_TIMEOUT_S),
        ):
            if wanted:
                place.stopped_file.unlink(missing_ok=True)
            return _start(place, workers)
    except Timeout:
        raise EngineNotStarted(
            f"Another program has been starting the engine of {place.path} for a minute.",
            advice=f"See its log, {place.log_file}.",
        ) from None
    except OSError as error:
        raise EngineNotStarted(
            f"The engine's home {place.path} cannot be used: {error.strerror or error}.",
            advice="Set $INFINITY_HOME to another folder.",
        ) from None


def _start(place: Home, workers: int | None) -> str:
    engine: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        url = find_engine(place.path)
        if url is not None:
            return url
        # An engine that holds the lock and does not answer yet is starting, or busy.
        if not _is_owned(place):
            if engine is None:
                _refuse_if_stopped(place)
                engine = _launch(place, workers)
            elif engine.returncode is not None:
                break
        time.sleep(_POLL_S)
    if engine is not None:
        engine.terminate()
    raise EngineNotStarted(
        f"The engine did not start. The end of its log, {place.log_file}:\n{_tail(place.log_file)}",
        advice="`infinity-frames serve` starts it in the foreground.",
    )


def _refuse_if_stopped(place: Home) -> None:
    if place.stopped_file.exists():
        raise EngineStopped(
            f"The engine of {place.path} was stopped.",
            advice="Its jobs are kept, and continue when a new Session or `infinity-frames serve` "
            "starts it; then wait for the batch again.",
        )


def _launch(place: Home, workers: int | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "infinity_frames", "serve", "--home", str(place.path)]
    command += ["--idle-timeout", f"{IDLE_TIMEOUT_S:g}"]
    if workers is not None:
        command += ["--workers", str(workers)]
    with _open_log(place.log_file) as log:
        engine = subprocess.Popen(  # noqa: S603 (this very interpreter and package)
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.path,
            start_new_session=True,
        )
    # Collects the exit status, so that no zombie remains.
    threading.Thread(target=engine.wait, daemon=True).start()
    return engine


def _open_log(path: Path) -> IO[bytes]:
    too_long = path.exists() and path.stat().st_size > _MAX_LOG_BYTES
    return path.open("wb" if too_long else "ab")


def _tail(path: Path) -> str:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    return "\n".join(lines[-_LOG_LINES:]) or "(the log is empty)"


def _answers(url: str, place: Home) -> bool:
    # Imported here: the engine imports this module but never calls another engine.
    from requests import RequestException

    from infinity_frames.client.http.proof import EngineProof
    from infinity_frames.client.http.transport import Http, Token

    token = Token(read_token(place.path))
    with Http(EngineProof(place.proof_key_file)) as http:
        try:
            answer = http.get(f"{url}/api/account/", auth=token, timeout=_ANSWER_TIMEOUT_S)
        except RequestException:
            return False
    return answer.status_code == HTTPStatus.OK


def _refuse_if_old(address: dict[str, Any], place: Home) -> None:
    """Raise if the engine is alive and lacks the endpoint with which engines prove their identity.

    Without the proof the client must not send its token, so it would wait in vain.
    """
    from requests import RequestException

    from infinity_frames.client.http.transport import Http

    try:
        os.kill(address["pid"], 0)
    except OSError:
        return  # a file that a crash left
    with Http() as http:
        try:
            answer = http.get(
                f"{address['url']}{PROOF_PATH}", params={"nonce": "0"}, timeout=_ANSWER_TIMEOUT_S
            )
        except RequestException:
            return
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise EngineNotStarted(
            f"The running engine of {place.path} is of an older version (process {address['pid']}),"
            " which this version cannot use.",
            advice="Stop it with `infinity-frames stop` and try again; its jobs are kept.",
        )


def _is_owned(place: Home) -> bool:
    """Return whether a living engine holds the home's lock."""
    try:
        descriptor = os.open(place.owner_lock, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise EngineNotStarted(
            f"The engine's home {place.path} cannot be used: {error.strerror or error}.",
            advice="Set $INFINITY_HOME to another folder.",
        ) from None
    try:
        _refuse_other_owner(place)
        return not _shareable(descriptor)
    finally:
        os.close(descriptor)


def _refuse_other_owner(place: Home) -> None:
    """Refuse the home of another user, who could name any engine or process in it."""
    if sys.platform != "win32" and place.path.stat().st_uid != os.geteuid():
        raise EngineNotStarted(
            f"The engine's home {place.path} belongs to another user.",
            advice="Set $INFINITY_HOME to a folder of your own.",
        )


def _shareable(descriptor: int) -> bool:
    # A shared lock, so that two clients that look at once do not take each other for the engine.
    if sys.platform == "win32":
        return True  # no engine runs here
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_address(place: Home) -> dict[str, int]:
    """Return the address of a running engine; one that is just starting will write it soon."""
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        address = place.address()
        if address is not None:
            return address
        time.sleep(_POLL_S)
    raise EngineNotStarted(
        f"The engine of {place.path} is running but has not written its address.",
        advice=f"See its log, {place.log_file}.",
    )


def _signal(address: dict[str, int], *, force: bool) -> None:
    # Windows has only the hard way; the store survives that too.
    hard = getattr(signal, "SIGKILL", signal.SIGTERM)
    try:
        os.kill(address["pid"], hard if force else signal.SIGTERM)
    except ProcessLookupError:
        return
