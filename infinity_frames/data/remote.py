"""Results that stay in an object store: fetches their labels, without videos, pictures and masks.

A zip ends with a directory of its members, so a few range requests per archive read the label files
of an archive of many megabytes. They are kept in the user's cache folder, and only new or changed
archives are fetched again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Set
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import orjson
import platformdirs
from filelock import FileLock

from infinity_frames.client.download.members import open_remote
from infinity_frames.client.download.unpack import is_label, unpack
from infinity_frames.client.http import map_unordered
from infinity_frames.data.problems import Problem, report
from infinity_frames.io.atomic import write_atomically
from infinity_frames.io.progress import progress
from infinity_frames.protocol.addresses import without_secrets
from infinity_frames.protocol.errors import (
    ArchiveError,
    ExtraNotInstalled,
    NoResults,
    ResultsError,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["fetch_labels", "is_address"]

_SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "file")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SUFFIX = ".zip"
_WORKERS = 16
_INDEX = ".archives.json"


def is_address(path: object) -> bool:
    """Return whether a path is the address of an object store, rather than of a folder."""
    return isinstance(path, str) and _ADDRESS.match(path) is not None


def fetch_labels(url: str, wanted: Set[str] | None = None, *, quiet: bool = False) -> Path:
    """Fetch the labels of the archives at an address that are new or have changed.

    Parameters
    ----------
    url : str
        Address of a folder of ``{job_id}.zip``.
    wanted : set of str, optional
        Ids of the jobs to fetch; by default all.
    quiet : bool
        No progress bar.

    Returns
    -------
    Path
        A batch folder that holds the label files of these jobs, and of those fetched earlier.

    Raises
    ------
    ExtraNotInstalled
        The extra ``s3`` is missing.
    NoResults
        There are no archives at the address.
    ResultsError
        The store cannot be read, or its credentials are missing or wrong.

    Warns
    -----
    ResultsWarning
        An archive is damaged; it names the job. The others are fetched.
    """
    store = _store(url)
    folder = platformdirs.user_cache_path("infinity-frames", appauthor=False) / "remote"
    folder /= hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(folder / ".lock"):
        archives = _list(store, url)
        if wanted is not None:
            archives = {job: about for job, about in archives.items() if job in wanted}
        if not archives:
            shown = without_secrets(url)
            raise NoResults(
                f"{shown} holds no archives of these jobs."
                if wanted
                else f"{shown} holds no archives.",
                advice="Give the address that the engine has as --archives.",
                path=shown,
            )
        index = _read_index(folder / _INDEX)
        if wanted is None:
            for job in index.keys() - archives.keys():
                shutil.rmtree(folder / job, ignore_errors=True)
                del index[job]
        missing = [job for job, about in archives.items() if index.get(job) != about["version"]]
        try:
            _fetch(store, folder, archives, missing, index, quiet=quiet)
        finally:
            write_atomically(folder / _INDEX, orjson.dumps(index))
    return folder


def _fetch(
    store: ObjectStore,
    folder: Path,
    archives: dict[str, dict[str, Any]],
    missing: list[str],
    index: dict[str, str],
    *,
    quiet: bool,
) -> None:
    def fetch_one(job: str) -> None:
        about = archives[job]
        incoming = folder / f".{job}.{os.getpid()}"
        shutil.rmtree(incoming, ignore_errors=True)
        read = partial(_range, store, about["path"], about["size"])
        unpack(open_remote(read, is_label), job, incoming, only=is_label)
        shutil.rmtree(folder / job, ignore_errors=True)
        incoming.rename(folder / job)

    problems = []
    with progress(len(missing), "labels", delay=1.0, quiet=quiet) as bar:
        for job, _, error in map_unordered(fetch_one, missing, workers=_WORKERS):
            if isinstance(error, ArchiveError):
                problems.append(Problem(job, archives[job]["path"], error.problem))
            elif error is not None:
                raise error
            else:
                index[job] = archives[job]["version"]
            bar.update()
    report(problems)


def _list(store: ObjectStore, url: str) -> dict[str, dict[str, Any]]:
    """Return path, size and version of every archive, by job id."""
    import obstore
    from obstore.exceptions import BaseError

    found = {}
    try:
        for chunk in obstore.list(store):
            for item in chunk:
                path = PurePosixPath(item["path"])
                if path.suffix == _SUFFIX and not path.name.startswith("."):
                    version = f"{item['e_tag']} {item['last_modified'].isoformat()} {item['size']}"
                    about = {"path": str(path), "size": item["size"], "version": version}
                    found[path.stem] = about
    except (BaseError, FileNotFoundError) as error:
        raise _unreadable(url, error) from None
    return found


def _store(url: str) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ResultsError(
            f"Addresses of the kind {parts.scheme}:// cannot be read.",
            advice="Give a folder, or an address that starts with one of "
            f"{', '.join(f'{scheme}://' for scheme in _SCHEMES)}. Fetch results of a server with "
            "batch.download(path).",
        )
    try:
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, from_url
    except ImportError:
        raise ExtraNotInstalled(
            f"Reading {parts.scheme}:// needs the extra s3.",
            advice='Run `pip install "infinity-frames[s3]"`.',
        ) from None
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        if not folder.is_dir():
            raise NoResults(f"There is no folder {folder}.", advice="Check the address.")
        return LocalStore(folder)
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    try:
        return from_url(url, client_options={"allow_http": plain})
    except (BaseError, ValueError) as error:
        raise _unreadable(url, error) from None


def _unreadable(url: str, error: Exception) -> ResultsError:
    # The text of the error may hold keys and signatures.
    shown = without_secrets(url)
    return ResultsError(
        f"{shown} cannot be read ({type(error).__name__}).",
        advice="Check the address, and the credentials in the environment, for S3 "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL.",
        path=shown,
    )


def _read_index(file: Path) -> dict[str, str]:
    """Return the versions of the archives that were fetched, by job id."""
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _range(
    store: ObjectStore, path: str, size: int, start: int | None, count: int
) -> tuple[bytes, int]:
    """Read a range of an object; see :data:`ReadRange`."""
    import obstore
    from obstore.exceptions import BaseError

    begin = max(0, size - count) if start is None else start
    try:
        data = obstore.get_range(store, path, start=begin, end=min(begin + count, size))
    except (BaseError, FileNotFoundError) as error:
        raise _unreadable(path, error) from None
    return bytes(data), size
