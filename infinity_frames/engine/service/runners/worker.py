"""What runs in a worker process: renders one job after another into archives.

A worker holds generators warm between jobs. It writes only in its scratch folder until a job's
archive is whole and on disk, and then moves it to the results in one step.
"""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import traceback
import zipfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import orjson
from filelock import FileLock

from infinity_frames.engine.generators.base import Generator
from infinity_frames.engine.service import registry as catalog
from infinity_frames.engine.service.ports import Outcome, Preparation, Task
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import RenderError

__all__ = ["Report", "archive_name", "main"]

Report = Literal["preparing", "rendering", "idle"] | Outcome
"""What a worker tells its engine: what it is at, and how a task ended."""

_ERROR_LENGTH = 2000
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
# A disk with less room than this is full, whatever the error of the library that met it.
_FULL_BELOW_BYTES = 1 << 20
# Already compressed; everything else is text and shrinks to a fifth.
_STORED = {".png", ".mp4", ".zip", ".jpg", ".npz", ".parquet"}


def main(connection: Connection, home: Home) -> None:
    """Render tasks from `connection` until the engine hangs up.

    Parameters
    ----------
    connection : Connection
        Brings a `Task` or a `Preparation`, takes `Report`s.
    home : Home
        Where the scratch and result folders are.
    """
    # A session of its own: Ctrl-C in the engine's terminal does not reach it, and one signal
    # reaches it together with whatever a generator starts.
    os.setsid()
    threading.Thread(target=_die_with_engine, daemon=True).start()
    prepared: set[str] = set()
    try:
        while True:
            order = connection.recv()
            if isinstance(order, Preparation):
                _prepare(order.generator, home, prepared, connection)
                connection.send("idle")
            else:
                connection.send(_outcome(order, home, prepared, connection))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def archive_name(job_id: str) -> str:
    """File name of a job's archive in the results."""
    return f"{job_id}.zip"


def _die_with_engine() -> None:
    engine = multiprocessing.parent_process()
    if engine is not None:
        engine.join()
    os.killpg(0, signal.SIGKILL)


def _prepare(name: str, home: Home, prepared: set[str], connection: Connection) -> None:
    try:
        _prepared(name, home, prepared, connection)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception:
        # Nobody has asked for a job yet; the first one to ask will be told.
        traceback.print_exc(file=sys.stderr)


def _prepared(name: str, home: Home, prepared: set[str], connection: Connection) -> Generator:
    generator = catalog.generator(name)
    if name not in prepared:
        connection.send("preparing")
        # What one worker compiles the others load from the cache, if they wait for it.
        with FileLock(home.scratch / "prepare.lock"):
            generator.prepare()
        prepared.add(name)
    return generator


def _outcome(task: Task, home: Home, prepared: set[str], connection: Connection) -> Outcome:
    # A worker of an engine that was killed may still be at the same job for a moment.
    scratch = home.scratch / f"{task.job_id}.{os.getpid()}"
    try:
        generator = _prepared(task.generator, home, prepared, connection)
        connection.send("rendering")
        samples = _render(generator, task, scratch / task.job_id)
        archive = scratch / archive_name(task.job_id)
        sha256 = _archive(scratch / task.job_id, archive)
        archive.replace(home.results / archive.name)
        _sync_folder(home.results)
        return Outcome(task.job_id, "completed", samples=samples, sha256=sha256)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        if _is_full(error, home):
            return Outcome(task.job_id, "no_space", error="The disk is full.")
        if not isinstance(error, RenderError):
            traceback.print_exc(file=sys.stderr)
        return Outcome(task.job_id, "failed", error=_sentence(error))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _render(generator: Generator, task: Task, folder: Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    samples = generator.render(dict(task.params), task.seed, folder, task.is_preview)
    given = {name: value for name, value in task.params.items() if value is not None}
    about = {
        "name": task.generator,
        "version": generator.spec.version,
        "params": given,
        "seed": task.seed,
        "is_preview": task.is_preview,
    }
    (folder / "job.json").write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
    return int(samples)


def _archive(folder: Path, archive: Path) -> str:
    """Zip a folder under its own name, onto the disk for good; SHA-256 of the archive.

    Entries are in order and carry no time of day: the same job makes the same archive again.
    """
    with archive.open("wb") as file:
        with zipfile.ZipFile(file, "w") as packed:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix())
                entry.external_attr = 0o644 << 16
                stored = path.suffix.lower() in _STORED
                entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                entry.file_size = path.stat().st_size
                with path.open("rb") as source, packed.open(entry, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    # The rename itself must be on disk before the store says that the archive is there.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_full(error: BaseException, home: Home) -> bool:
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return True
    return shutil.disk_usage(home.scratch).free < _FULL_BELOW_BYTES


def _sentence(error: Exception) -> str:
    text = str(error) if isinstance(error, RenderError) else f"{type(error).__name__}: {error}"
    return text[:_ERROR_LENGTH]
