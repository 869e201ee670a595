"""The files of a job out of its archive, for the engine's pages."""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
import time
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from infinity_frames.engine.service.ports import Archives, StoredArchive
from infinity_frames.protocol.errors import NotFound

if TYPE_CHECKING:
    from infinity_frames.data.layout import JobFiles

__all__ = ["Unpacked", "picture"]

_MOST_UNPACKED = 8
_KEPT_S = 600.0
_MOST_BYTES = 2 * 2**30
_PICTURE = "video_preview.png"
# Masks per frame are not needed: the labels have the same masks as run lengths.
_SHOWN = frozenset(
    ("job.json", "labels.json", "video.mp4", "video_preview.png", "data.csv", "video.rgb.json")
)


class Unpacked:
    """Folders of the jobs that pages showed last; a job is unpacked when a page first needs it.

    Ten minutes after the last request everything is deleted: closed pages cost nothing.

    Parameters
    ----------
    archives : Archives
        Where the archives are.
    """

    def __init__(self, archives: Archives) -> None:
        self._archives = archives
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._known: OrderedDict[str, JobFiles] = OrderedDict()
        self._used = 0.0
        self._watch: threading.Timer | None = None

    def files(self, job_id: str) -> JobFiles:
        """Return the unpacked files of a job.

        Raises
        ------
        NotFound
            The archive was deleted, or is damaged.
        """
        from infinity_frames.data.layout import locate  # the engine itself does not need pandas SQL

        with self._lock:
            self._used = time.monotonic()
            if job_id in self._known:
                self._known.move_to_end(job_id)
                return self._known[job_id]
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="infinity-pages-")
                self._look_after(_KEPT_S)
            folder = Path(self._folder.name, job_id)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            with _opened(self._archives, job_id) as archive:
                for member in archive.infolist():
                    name = Path(member.filename).name
                    if name in _SHOWN and member.file_size <= _MOST_BYTES:
                        with archive.open(member) as source, (folder / name).open("wb") as target:
                            shutil.copyfileobj(source, target, 1 << 20)
            (found,) = locate([(job_id, str(folder))])
            self._known[job_id] = found
            while len(self._known) > _MOST_UNPACKED:
                oldest, _ = self._known.popitem(last=False)
                shutil.rmtree(Path(self._folder.name, oldest), ignore_errors=True)
            return found

    def _look_after(self, seconds: float) -> None:
        self._watch = threading.Timer(seconds, self._forget_if_unused)
        self._watch.daemon = True
        self._watch.start()

    def _forget_if_unused(self) -> None:
        from infinity_frames.web.job_data import forget_labels

        with self._lock:
            left = self._used + _KEPT_S - time.monotonic()
            if left > 0:
                self._look_after(left)
                return
            if self._folder is not None:
                self._folder.cleanup()
            self._folder = None
            self._known.clear()
        forget_labels()


def picture(archives: Archives, job_id: str) -> bytes | None:
    """Return the preview picture in a job's archive, None if the archive has none.

    Raises
    ------
    NotFound
        The archive was deleted, or is damaged.
    """
    with _opened(archives, job_id) as archive:
        for member in archive.infolist():
            if Path(member.filename).name == _PICTURE and member.file_size < 2**28:
                return archive.read(member)
    return None


@contextmanager
def _opened(archives: Archives, job_id: str) -> Iterator[zipfile.ZipFile]:
    stored = archives.find(job_id)
    if stored is None:
        raise NotFound("The files of this job are not here.", advice="Render the job again.")
    try:
        source = stored.file or io.BufferedReader(_Remote(archives, job_id, stored))
        with zipfile.ZipFile(source) as found:
            yield found
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError) as error:
        raise NotFound(f"The archive of this job cannot be read: {error}.") from None


class _Remote(io.RawIOBase):
    """An archive in an object store as a file: only the parts that are read are transferred."""

    def __init__(self, archives: Archives, job_id: str, stored: StoredArchive) -> None:
        self._archives, self._job_id, self._size, self._at = archives, job_id, stored.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        stop = min(self._size, self._at + len(buffer))
        if stop <= self._at:
            return 0
        data = b"".join(self._archives.read(self._job_id, self._at, stop))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
