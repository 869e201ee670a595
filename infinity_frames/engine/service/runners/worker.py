"""The worker process: renders one job after another and stores their archives.

A worker keeps generators prepared between jobs. It writes only into its scratch folder until a
job's archive is complete, and then stores the archive in one step.
"""

from __future__ import annotations

import contextlib
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
from typing import Any

import orjson
from filelock import FileLock

from infinity_frames.engine.core.author_errors import error_text
from infinity_frames.engine.generators.base import Generator
from infinity_frames.engine.service import registry
from infinity_frames.engine.service.forks import adopt_mark
from infinity_frames.engine.service.outcomes import clean_text
from infinity_frames.engine.service.ports import Outcome, Preparation, Sink, Task
from infinity_frames.engine.service.runners.output_checks import (
    check_output,
    check_size,
    checked_samples,
)
from infinity_frames.engine.service.runners.processes import adopt_orphans, kill_family
from infinity_frames.engine.service.runners.reports import EngineGone, Report, send_report
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import ArchivesUnavailable, RenderError

__all__ = ["disk_is_full", "main", "scratch_folder"]

_ERROR_LENGTH = 2000
_TRACEBACK_LENGTH = 50_000
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
# Below this free space, any error of a library is taken for a full disk.
_FULL_BELOW_BYTES = 1 << 20
# Stored as they are, since they are compressed already; text shrinks to a fifth.
_STORED = {".png", ".mp4", ".zip", ".jpg", ".npz", ".parquet"}


def main(connection: Connection, home: Home, sink: Sink | None, mark: str) -> None:
    """Render tasks from `connection` until the engine closes it.

    Parameters
    ----------
    connection : Connection
        Delivers `Task` and `Preparation` objects, accepts reports.
    home : Home
        Holds the scratch folder.
    sink : Sink or None
        Stores the finished archives of tasks without a sink of their own.
    mark : str
        Marks this process and its descendants, see `adopt_mark`.
    """
    adopt_mark(mark)
    # A new session: Ctrl-C in the engine's terminal does not reach it, and one signal to its
    # process group also ends the processes that a generator starts.
    os.setsid()
    # The engine's standard output is for its address, and may be a pipe that is read only once.
    os.dup2(2, 1)
    adopt_orphans()
    threading.Thread(target=_die_with_engine, args=(mark,), daemon=True).start()
    code = 1
    try:
        _work(connection, home, sink)
    except (EOFError, EngineGone):
        code = 0
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc(file=sys.stderr)
    finally:
        # Threads and exit handlers that a generator left would keep the process alive.
        os._exit(code)


def _work(connection: Connection, home: Home, sink: Sink | None) -> None:
    prepared: set[str] = set()
    while True:
        order = connection.recv()
        if isinstance(order, Preparation):
            _prepare(order.generator, home, prepared, connection)
            send_report(connection, Report("idle"))
        else:
            send_report(connection, _outcome(order, home, sink, prepared, connection))


def scratch_folder(home: Home, job_id: str, pid: int | None) -> Path:
    """Return the folder in which a worker renders a job.

    The process id keeps it apart from that of a worker of a killed engine.
    """
    return home.scratch / f"{job_id}.{pid}"


def disk_is_full(folder: Path) -> bool:
    """Return whether the disk of a folder has no room for any job."""
    return shutil.disk_usage(folder).free < _FULL_BELOW_BYTES


def _die_with_engine(mark: str) -> None:
    engine = multiprocessing.parent_process()
    if engine is not None:
        engine.join()
    kill_family(os.getpid(), mark)
    os.killpg(0, signal.SIGKILL)


def _prepare(name: str, home: Home, prepared: set[str], connection: Connection) -> None:
    try:
        _prepared(name, home, prepared, connection)
    except EngineGone:
        raise
    except BaseException:
        # No job is waiting yet; the first one fails with this error and reports it.
        traceback.print_exc(file=sys.stderr)


def _prepared(name: str, home: Home, prepared: set[str], connection: Connection) -> Generator:
    if name not in prepared:
        send_report(connection, Report("preparing"))
    generator = registry.generator(name)
    if name not in prepared:
        # One worker compiles; the others wait, and load the result from the cache.
        with FileLock(home.scratch / "prepare.lock"):
            generator.prepare()
        prepared.add(name)
    return generator


def _outcome(
    task: Task, home: Home, sink: Sink | None, prepared: set[str], connection: Connection
) -> Report:
    scratch = scratch_folder(home, task.job_id, os.getpid())
    try:
        generator = _prepared(task.generator, home, prepared, connection)
        send_report(connection, Report("rendering"))
        samples, labels = _render(generator, task, scratch / task.job_id)
        archive = scratch / "archive.zip"
        sha256 = _pack(scratch / task.job_id, archive)
        size = archive.stat().st_size
        target = task.sink or sink
        if target is None:
            raise RuntimeError("the task names no place for its archive")
        try:
            target.put(task.job_id, archive)
        except ArchivesUnavailable as error:
            text = clean_text(error, _ERROR_LENGTH)
            return Report("idle", Outcome(task.job_id, "interrupted", error=text))
        done = Outcome(task.job_id, "completed", "", samples, sha256, size, labels=labels)
        return Report("idle", done)
    except EngineGone:
        raise
    except BaseException as error:
        # Generator code may raise anything, SystemExit too; only its own job fails.
        if _is_full(error, home):
            return Report("idle", Outcome(task.job_id, "no_space", error="The disk is full."))
        return _failure(task.job_id, error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _failure(job_id: str, error: BaseException) -> Report:
    """Describe an exception, which may be of a class whose own methods fail."""
    sentence, trace = _sentence(error), ""
    unexpected = not isinstance(error, RenderError)
    with contextlib.suppress(BaseException):
        trace = clean_text("".join(traceback.format_exception(error)), _TRACEBACK_LENGTH)
        if unexpected:
            sys.stderr.write(trace)
    outcome = Outcome(job_id, "failed", error=sentence, traceback=trace)
    return Report("idle", outcome, unexpected)


def _render(generator: Generator, task: Task, folder: Path) -> tuple[int, dict[str, Any]]:
    """Render a job, check its files, and return the number of samples and the labels' summary."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    reported = generator.render(dict(task.params), task.seed, folder, task.is_preview)
    samples = checked_samples(reported)
    labels = check_output(folder, samples)
    given = {name: value for name, value in task.params.items() if value is not None}
    about = {
        "name": task.generator,
        "version": generator.spec.version,
        "params": given,
        "seed": task.seed,
        "is_preview": task.is_preview,
    }
    (folder / "job.json").write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
    return samples, labels


def _pack(folder: Path, archive: Path) -> str:
    """Zip a folder under its own name, flush it to disk, and return its SHA-256.

    Entries are sorted and carry a fixed time, so that the same job makes the same bytes again.
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
    check_size((path for path in folder.rglob("*") if path.is_file()), archive)
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_full(error: BaseException, home: Home) -> bool:
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return True
    return disk_is_full(home.scratch)


def _sentence(error: BaseException) -> str:
    match error:
        case RenderError():
            text = error_text(error)
        case SystemExit():
            code = repr(error_text(error)) if isinstance(error.code, str) else error_text(error)
            text = f"The generator ended its process with sys.exit({code})."
        case _:
            text = f"{type(error).__name__}: {error_text(error)}"
    return clean_text(text, _ERROR_LENGTH)
