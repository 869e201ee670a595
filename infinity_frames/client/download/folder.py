"""A batch's folder on disk: its record, its complete jobs, and a lock for writing to it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
from filelock import FileLock, Timeout
from tqdm import tqdm

from infinity_frames.client.download.journal import Journal
from infinity_frames.client.download.partial_file import Part
from infinity_frames.io.atomic import clear_irregular, read_regular, write_atomically
from infinity_frames.protocol.errors import DownloadError

__all__ = ["BatchFolder", "Receipt"]

FORMAT = 1
RECORD = "batch.json"
_LONGEST_NAME = 255
_LONGEST_PATH = 3500
"""Linux allows 4096 bytes, of which the names inside a batch's folder need some."""
_JOB_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


@dataclass(frozen=True)
class Receipt:
    """What arrived for a job.

    Parameters
    ----------
    job : str
        Its id.
    sha256 : str or None
        Digest of the archive, if the server states it.
    size : int
        Size of the archive in bytes.
    files : dict
        Size in bytes of each unpacked file, by its path in the job's folder.
    digests : dict
        SHA-256 of each; empty in receipts of versions before 0.2.
    columns : {"all", "labels"}
        Whether all files of the archive arrived, or its labels only.
    """

    job: str
    sha256: str | None
    size: int
    files: dict[str, int]
    digests: dict[str, str] = field(default_factory=dict)
    columns: str = "all"


class BatchFolder:
    """The folder of one batch.

    Unfinished downloads are kept in ``.infinity/``. A job's own folder appears complete, by one
    rename, and only then gets its line in ``.infinity/receipts.jsonl``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.private = self.path / ".infinity"
        self.incoming = self.private / "incoming"
        self._replaced = self.private / "replaced"
        self._receipts = Journal(self.private / "receipts.jsonl")
        self._etags = Journal(self.private / "etags.jsonl")
        self._noted: dict[str, str | None] = {}
        self.receipts: dict[str, Receipt] = {}

    @contextmanager
    def opened(self, batch_id: str, *, quiet: bool) -> Iterator[BatchFolder]:
        """Lock the folder for this batch; another process that downloads into it waits.

        Raises
        ------
        DownloadError
            The folder holds another batch, or cannot be written.
        """
        self._check_owner(batch_id)
        for own in (self.private, self.incoming, self._replaced):
            if own.is_symlink():
                raise DownloadError(
                    f"{own} is a symbolic link, which could lead anywhere.",
                    advice="Choose another folder, or delete the link.",
                    file=str(own),
                )
        try:
            self.incoming.mkdir(parents=True, exist_ok=True)
            clear_irregular(self.private / "download.lock")
            lock = FileLock(self.private / "download.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if not quiet:
                    tqdm.write(f"Another process is downloading into {self.path}; waiting for it.")
                lock.acquire(poll_interval=0.1)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        try:
            self._check_owner(batch_id)
            self._tidy()
            self.receipts = self.read_receipts()
            self._noted = dict(line for line in self._etags.read() if _is_pair(line))
            yield self
            self._etags.close()
            if not any(self.incoming.iterdir()):
                self._etags.path.unlink(missing_ok=True)
        finally:
            self._receipts.close()
            self._etags.close()
            lock.release()

    def record(self) -> dict[str, Any]:
        """Read ``batch.json``; empty if it does not exist.

        Raises
        ------
        DownloadError
            The file exists and is not a batch record.
        """
        try:
            content = read_regular(self.path / RECORD)
            if content is None and not os.path.lexists(self.path / RECORD):
                return {}
            data = orjson.loads(content or b"")
        except (orjson.JSONDecodeError, OSError):
            data = None
        if not isinstance(data, dict) or not isinstance(data.get("id"), str):
            raise DownloadError(
                f"{self.path / RECORD} is not a batch record.",
                advice="Choose another folder, or move that file away.",
                file=str(self.path / RECORD),
            )
        return data

    def write_record(self, data: Mapping[str, Any]) -> None:
        """Replace ``batch.json`` in one step.

        Raises
        ------
        DownloadError
            It cannot be written, for example on a full disk.
        """
        text = orjson.dumps({"format": FORMAT, **data}, option=orjson.OPT_INDENT_2)
        try:
            write_atomically(self.path / RECORD, text, staged=self.private / f"{RECORD}.new")
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def has(self, job_id: str, sha256: str | None, columns: str = "all") -> bool:
        """Return whether a job's results are complete: every file is there, at its full size."""
        receipt = self.receipts.get(job_id)
        if receipt is None or (sha256 is not None and receipt.sha256 != sha256):
            return False
        if receipt.columns not in ("all", columns):
            return False
        folder = self.path / job_id
        return all(_size(folder / name) == size for name, size in receipt.files.items())

    def changed_files(self, job_id: str) -> list[str]:
        """Return names of a job's files that are not as they arrived.

        Those without a digest count too.
        """
        receipt = self.receipts[job_id]
        return [
            name
            for name in receipt.files
            if receipt.digests.get(name) != file_digest(self.path / job_id / name)
        ]

    def part(self, job_id: str) -> Part:
        """Return the part of a job's archive that has arrived."""
        name = f"{checked_id(job_id)}.zip.part"
        return Part(self.incoming / name, self._etags, self._noted.get(name))

    def staging(self, job_id: str) -> Path:
        """Return an unused path for the folder to which a job's archive is unpacked."""
        path = self.incoming / checked_id(job_id)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def place(self, staged: Path, receipt: Receipt) -> None:
        """Move a job's unpacked folder to its final place in one step, and note its receipt."""
        target, aside = self.path / receipt.job, self._replaced / receipt.job
        if target.exists():
            old = self.receipts.get(receipt.job)
            _keep_users_files(target, staged, ours={*receipt.files, *(old.files if old else ())})
            self._replaced.mkdir(exist_ok=True)
            os.replace(target, aside)
        os.replace(staged, target)
        shutil.rmtree(aside, ignore_errors=True)
        self._receipts.append(asdict(receipt))
        self.receipts[receipt.job] = receipt

    def require_usable(self) -> None:
        """Raise unless this folder exists or can be made.

        Raises
        ------
        DownloadError
            The folder or one above it is a file, or may not be written to.
        """
        check_name(self.path)
        for folder in (self.path, *self.path.absolute().parents):
            if not folder.exists():
                continue
            if not folder.is_dir():
                raise DownloadError(
                    f"{folder} is a file.", advice="Choose another folder.", file=str(self.path)
                )
            if not os.access(folder, os.W_OK | os.X_OK):
                raise DownloadError(
                    f"Nothing can be written into {folder}: its permissions forbid it.",
                    advice="Choose another folder.",
                    file=str(self.path),
                )
            return

    def require_free(self) -> None:
        """Raise unless a new batch may be downloaded into this folder.

        Raises
        ------
        DownloadError
            The folder holds a batch, or is a file.
        """
        self.require_usable()
        self._check_owner("yet to be submitted")

    def require_no_batch(self) -> None:
        """Raise unless folders of batches may be made inside this folder.

        Raises
        ------
        DownloadError
            The folder is itself that of a batch, or is a file.
        """
        self.require_usable()
        held = self.record().get("id") if self.path.is_dir() else None
        if held is not None:
            raise DownloadError(
                f"{self.path} is the folder of batch {held}, so no batch can be added inside.",
                advice=f"Move it into a folder of batches first: "
                f"{self.path.parent / 'all' / str(held)}.",
                file=str(self.path),
                batch=held,
            )
        if self.path.exists() and not self.path.is_dir():
            raise DownloadError(
                f"{self.path} is a file.", advice="Choose a folder.", file=str(self.path)
            )

    def _check_owner(self, batch_id: str) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise DownloadError(
                f"{self.path} is a file.", advice="Choose a folder.", file=str(self.path)
            )
        held = self.record().get("id", batch_id)
        if held != batch_id:
            raise DownloadError(
                f"{self.path} holds batch {held}, so batch {batch_id} cannot be downloaded there.",
                advice="Nothing is lost: session.batch_from_api(batch_id).download(another_folder) "
                "fetches it. To continue the batch in this folder, submit with reuse=True.",
                file=str(self.path),
                batch=batch_id,
            )

    def _tidy(self) -> None:
        """Undo unfinished work of a killed process."""
        if self._replaced.is_dir():
            for aside in self._replaced.iterdir():
                if (self.path / aside.name).exists():
                    shutil.rmtree(aside, ignore_errors=True)
                else:
                    os.replace(aside, self.path / aside.name)
        for entry in self.incoming.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)

    def read_receipts(self) -> dict[str, Receipt]:
        """Read the receipts of all jobs, by job; later ones replace earlier ones."""
        found = {}
        for line in self._receipts.read():
            receipt = _receipt(line)
            if receipt is not None:
                found[receipt.job] = receipt
        return found


def _receipt(line: Any) -> Receipt | None:
    """Read a receipt; None if it is malformed, or names a file outside the job's folder."""
    try:
        receipt = Receipt(**line)
        typed = isinstance(receipt.job, str) and isinstance(receipt.sha256, str | None)
        typed = typed and receipt.columns in ("all", "labels")
        paths = [PurePosixPath(name) for name in (*receipt.files, *receipt.digests)]
        values = [*receipt.files.values(), *receipt.digests.values()]
    except (TypeError, AttributeError):
        return None
    inside = not any(path.is_absolute() or ".." in path.parts for path in paths)
    scalars = all(isinstance(value, int | str) for value in values)
    return receipt if typed and inside and scalars else None


def file_digest(path: Path) -> str | None:
    """Return the SHA-256 of a regular file.

    None if it cannot be read, or is a device, pipe or folder.
    """
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def recorded_digests(folder: Path) -> dict[str, dict[str, str]]:
    """Return digests that a batch's folder holds of downloaded files, by job and file name."""
    try:
        receipts = BatchFolder(folder).read_receipts()
    except OSError:
        return {}  # receipts that cannot be read prove nothing about the files
    return {job: receipt.digests for job, receipt in receipts.items()}


def _is_pair(line: Any) -> bool:
    texts = isinstance(line, list) and len(line) == 2 and isinstance(line[0], str)
    return texts and isinstance(line[1], str | None)


def _unwritable(path: Path, error: OSError) -> DownloadError:
    return DownloadError(
        f"{path} cannot be written: {error.strerror or error}.",
        advice="Free some space, or choose another folder.",
        file=str(path),
    )


def check_name(path: Path) -> None:
    """Check, before a download, that a folder can have this name.

    Raises
    ------
    DownloadError
        The name is too long, or is not valid text.
    """
    shown = ascii(str(path))
    if len(shown) > 200:
        shown = f"{shown[:150]}...{shown[-40:]}"
    problem = None
    try:
        encoded = [part.encode("utf-8") for part in path.parts]
    except UnicodeEncodeError:
        encoded, problem = [], "is not valid UTF-8"
    if any(b"\0" in part for part in encoded):
        problem = "holds a null character"
    longest = max(map(len, encoded), default=0)
    if longest > _LONGEST_NAME:
        problem = f"has a part of {longest} bytes, and file systems allow {_LONGEST_NAME}"
    total = sum(map(len, encoded)) + len(encoded)
    if problem is None and total > _LONGEST_PATH:
        problem = f"has {total} bytes, which leaves too few for the names of jobs and files"
    if problem is not None:
        raise DownloadError(
            f"The folder name {shown} {problem}.", advice="Choose another folder.", file=shown
        )


def checked_id(job_id: str) -> str:
    """Return a job id if it is safe as a folder's name.

    Raises
    ------
    DownloadError
        It is not; ids should be UUIDs.
    """
    if not _JOB_ID.fullmatch(job_id):
        raise DownloadError(
            f"Invalid job id {job_id[:80]!r} in the server's response.",
            advice="Nothing was written for it. Contact the server's administrator.",
            job=job_id,
        )
    return job_id


def _keep_users_files(old: Path, new: Path, *, ours: set[str]) -> None:
    """Copy files that a user added to a job's folder into the new folder."""
    for path in old.rglob("*"):
        name = path.relative_to(old)
        if path.is_file() and name.as_posix() not in ours:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, new / name)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
