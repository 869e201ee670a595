"""Unpack a job's zip, if no member would land outside the job's own folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from infinity_frames.protocol.archive_rules import (
    MOST_FILES,
    is_portable,
    name_clash,
    unpacked_limit,
)
from infinity_frames.protocol.errors import ArchiveError, DownloadError

__all__ = ["DAMAGED", "File", "is_label", "unpack"]

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)
"""What `zipfile` raises for a damaged or unusual zip."""
LABEL_SUFFIXES = (".json", ".csv", ".parquet")
COPY_BYTES = 256 * 1024


class File(NamedTuple):
    """Size in bytes and SHA-256 of an unpacked file."""

    size: int
    sha256: str


def is_label(name: str) -> bool:
    """Return whether a file of a job holds labels or sensor data, not pictures or masks."""
    return PurePosixPath(name).suffix.lower() in LABEL_SUFFIXES


def unpack(
    archive: Path | BinaryIO,
    job_id: str,
    target: Path,
    reserve: Callable[[int], None] | None = None,
    only: Callable[[str], bool] | None = None,
) -> dict[str, File]:
    """Unpack a job's archive as the new folder `target`.

    The archive's single top folder, named by the job's id, becomes `target`. An archive without a
    top folder is unpacked into `target` directly.

    Parameters
    ----------
    archive : Path or file
        The zip.
    job_id : str
        The job.
    target : Path
        The folder to make.
    reserve : callable, optional
        Called with the total size of the files in bytes before anything is written; may raise.
    only : callable, optional
        Returns whether to unpack a file, by its path in the folder; by default all are unpacked.
        Every member of the archive is checked all the same.

    Returns
    -------
    dict
        Size and digest of each file, by its path in the folder.

    Raises
    ------
    ArchiveError
        The archive is damaged, would expand excessively, or has a member that would land elsewhere.
        Nothing is left in `target`.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            names = _names(members, job_id)
            _weigh(members, opened, job_id)
            if only is not None:
                kept = [pair for pair in zip(members, names, strict=True) if only(pair[1])]
                members, names = [member for member, _ in kept], [name for _, name in kept]
            size = sum(member.file_size for member in members)
            if reserve is not None:
                reserve(size)
            _room(size, target, job_id)
            target.mkdir(parents=True)
            for folder in {(target / name).parent for name in names} - {target}:
                folder.mkdir(parents=True, exist_ok=True)
            files = {
                name: _extract(opened, member, target / name)
                for member, name in zip(members, names, strict=True)
            }
    except ArchiveError:
        shutil.rmtree(target, ignore_errors=True)
        raise
    except DAMAGED as error:
        shutil.rmtree(target, ignore_errors=True)
        raise _unsafe(f"is not a complete zip ({error})", job_id) from None
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return files


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> File:
    digest, size = hashlib.sha256(), 0
    with archive.open(member) as source, path.open("xb") as sink:
        while piece := source.read(COPY_BYTES):
            digest.update(piece)
            size += sink.write(piece)
    return File(size, digest.hexdigest())


def _names(members: list[zipfile.ZipInfo], job_id: str) -> list[str]:
    """Return the path of each member relative to the job's folder."""
    if not members:
        raise _unsafe("is empty", job_id)
    if len(members) > MOST_FILES:
        raise _unsafe(f"holds {len(members)} files", job_id)
    for member in members:
        _check_member(member, job_id)
    paths = [PurePosixPath(member.filename) for member in members]
    tops = {path.parts[0] for path in paths}
    if tops == {job_id} and all(len(path.parts) > 1 for path in paths):
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    elif job_id in tops or all(len(path.parts) > 1 for path in paths):
        shown = ", ".join(sorted(tops - {job_id})[:3])
        raise _unsafe(f"has top folders that are not the job's ({shown})", job_id)
    if clash := name_clash(str(path) for path in paths):
        raise _unsafe(clash, job_id)
    return [str(path) for path in paths]


def _check_member(member: zipfile.ZipInfo, job_id: str) -> None:
    # orig_filename: zipfile cuts a name at a NUL and turns backslashes on Windows.
    name = member.orig_filename
    if not is_portable(name):
        raise _unsafe(f"has a member named {name[:80]!r}", job_id)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _unsafe(f"has a member that is not a plain file ({name[:80]!r})", job_id)
    if member.flag_bits & 0x1:
        raise _unsafe("is encrypted", job_id)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _unsafe("uses an unsupported compression", job_id)


def _weigh(members: list[zipfile.ZipInfo], archive: zipfile.ZipFile, job_id: str) -> None:
    assert archive.fp is not None
    size = archive.fp.seek(0, os.SEEK_END)
    total = sum(member.file_size for member in members)
    if total > unpacked_limit(size):
        raise _unsafe(f"would unpack to {total:,} bytes", job_id)


def _room(needed: int, target: Path, job_id: str) -> None:
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise DownloadError(
            f"Job {job_id} needs {needed:,} bytes on the disk, and {free:,} are free.",
            advice="Free some space and download again; what has arrived is kept.",
            job=job_id,
        )


def _unsafe(what: str, job_id: str) -> ArchiveError:
    return ArchiveError(
        f"The archive of job {job_id} {what}.",
        advice="The download was discarded. Download again; if the error persists, contact the "
        "server's administrator.",
        job=job_id,
    )
