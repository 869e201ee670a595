"""One archive over HTTP: streamed, resumed, checked."""

from __future__ import annotations

import contextlib
import errno
import math
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from infinity_frames.client.download.disk_room import DiskRoom, NoRoom
from infinity_frames.client.download.partial_file import Part
from infinity_frames.client.download.silence import SLOWEST, Silence
from infinity_frames.client.http import CONNECTIONS, RestClient, never_sent, pieces, retry_after
from infinity_frames.protocol.errors import ArchiveError, DownloadError, InfinityError

__all__ = ["Fetcher", "Interrupted", "NoRanges"]

WATCHED = 60.0
"""Seconds over which the speed is measured."""
EXPIRED = (401, 403, 404, 410)
EXPANSION = 2
"""Assumed size of the unpacked files per byte of archive, while that is unknown."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class Interrupted(Exception):
    """The download was told to stop."""


class NoRanges(Exception):
    """The server answers a range request with the whole archive."""


class _Cut(Exception):
    """An attempt ended before the archive did; the next one may continue."""

    def __init__(self, reason: str, wait: float | None = None, *, hung: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.hung = hung


class _Expired(_Cut):
    """The address of the result is no longer valid."""


class _Tries:
    """What has gone wrong with one archive so far."""

    def __init__(self) -> None:
        self.failures = self.expired = self.altered = 0
        self.silence = Silence()


class Fetcher:
    """Fetches the archives of one batch's jobs.

    Parameters
    ----------
    rest : RestClient
        The server. Its ``limits.total`` is also the time that a server may send nothing.
    jobs : mapping of str to dict
        The batch's jobs by id, with their ``result_url``.
    renew : callable
        Returns the jobs with fresh URLs; called when one has expired.
    folder : Path
        The folder of the partial archives.
    """

    def __init__(
        self,
        rest: RestClient,
        jobs: Mapping[str, Mapping[str, Any]],
        renew: Callable[[], Mapping[str, Mapping[str, Any]]],
        folder: Path,
    ) -> None:
        self.rest, self.jobs, self.renew = rest, jobs, renew
        self._connections = threading.Semaphore(CONNECTIONS)
        self._stop = threading.Event()
        self._renewing = threading.Lock()
        self._streams: set[requests.Response] = set()
        self._silence = Silence()
        self.room = DiskRoom(folder, self._stop)

    def fetch(self, job_id: str, part: Part) -> tuple[str | None, int]:
        """Fill `part` with a job's archive; return the server's sha256, if any, and the size.

        Raises
        ------
        DownloadError
            The archive did not arrive within all attempts; what arrived is kept for the next time.
        ArchiveError
            It arrived altered, twice.
        Interrupted
            :meth:`interrupt` was called.
        """
        tries = _Tries()
        while True:
            before, began = part.size, time.monotonic()
            try:
                self._refuse_if_silent(job_id, self._silence)
                with self._connections:
                    self._attempt(job_id, part)
            except NoRoom as short:
                self.room.wait(job_id, part, short.needed)
                continue
            except _Cut as cut:
                self._pause(job_id, cut, tries, began, part.size - before)
                continue
            except OSError as error:
                self.make_room(job_id, part, error)
                continue
            self._silence.end()
            wanted = self.jobs[job_id].get("sha256")
            if wanted is None or part.sha256() == wanted:
                return wanted, part.size
            part.drop()
            tries.altered += 1
            if tries.altered == 2:
                raise ArchiveError(
                    f"The archive of job {job_id} does not have the checksum that the server "
                    "states.",
                    advice="The download was discarded. Contact the server's administrator, or "
                    "check proxies in between.",
                    job=job_id,
                )

    def read(self, job_id: str, start: int | None, count: int) -> tuple[bytes, int]:
        """Fetch a range of a job's archive.

        Parameters
        ----------
        job_id : str
            The job.
        start : int or None
            First byte; None for the last `count` bytes of the archive.
        count : int
            Number of bytes; fewer are returned only where the archive is shorter.

        Returns
        -------
        data : bytes
            The range.
        size : int
            Size of the whole archive in bytes.

        Raises
        ------
        NoRanges
            The server answers with the whole archive.
        DownloadError
            The range did not arrive within all attempts.
        Interrupted
            :meth:`interrupt` was called.
        """
        tries = _Tries()
        wanted = f"bytes=-{count}" if start is None else f"bytes={start}-{start + count - 1}"
        while True:
            began = time.monotonic()
            try:
                self._refuse_if_silent(job_id, self._silence)
                with self._connections, self._opened(job_id, {"Range": wanted}) as response:
                    found = self._range(job_id, start, count, response)
            except _Cut as cut:
                self._pause(job_id, cut, tries, began, 0)
                continue
            self._silence.end()
            return found

    def _pause(self, job_id: str, cut: _Cut, tries: _Tries, began: float, received: int) -> None:
        """Wait before the next attempt, or raise if there have been enough."""
        if cut.hung:
            for silence in (tries.silence, self._silence):
                silence.note(began, received)
            self._refuse_if_silent(job_id, tries.silence)
        else:
            self._silence.end()
        tries.failures = 1 if received > 0 and not tries.silence.seconds else tries.failures + 1
        tries.expired += isinstance(cut, _Expired)
        requested = cut.wait or 0.0
        if requested > self.rest.limits.total:
            raise DownloadError(
                f"The archive of job {job_id} did not arrive: {cut}, and asks to wait "
                f"{requested:.0f} s.",
                advice="Download again later; it continues where it stopped.",
                job=job_id,
            ) from None
        if tries.failures >= self.rest.retry.attempts or tries.expired > 2:
            raise DownloadError(
                f"The archive of job {job_id} did not arrive: {cut}.",
                advice="Download again; it continues where it stopped.",
                job=job_id,
            ) from None
        if self._stop.wait(self.rest.retry.backoff.pause(tries.failures, cut.wait)):
            raise Interrupted from None

    def _refuse_if_silent(self, job_id: str, silence: Silence) -> None:
        # Without this, a server that hangs would cost its time limit for every archive.
        if silence.seconds >= self.rest.limits.total:
            raise DownloadError(
                f"The archive of job {job_id} did not arrive: the server has sent next to nothing "
                f"for {silence.seconds:.0f} s.",
                advice="Download again later; it continues where it stopped. "
                "Session(timeout=...) sets the limit.",
                job=job_id,
            ) from None

    def make_room(self, job_id: str, part: Part, error: OSError) -> None:
        """Wait until a job has the disk for itself, after an error of a full disk.

        Raises
        ------
        OSError
            `error`, if it is another one, or if the disk is too small for the job alone.
        """
        if error.errno not in _FULL or self.room.alone(job_id):
            raise error
        self.room.wait(job_id, part, math.inf)

    def interrupt(self) -> None:
        """Stop all downloads at once, also those that wait for a server that hangs."""
        self._stop.set()
        for stream in list(self._streams):
            with contextlib.suppress(RuntimeError, ValueError, OSError):  # it has just ended
                stream.raw.shutdown()

    def _attempt(self, job_id: str, part: Part) -> None:
        """Request the missing bytes and append them."""
        offset, etag = part.size, part.etag
        headers: dict[str, str] = {}
        if offset and etag:
            headers = {"Range": f"bytes={offset}-", "If-Range": etag}
        with self._opened(job_id, headers) as response:
            self._receive(job_id, part, response)

    @contextlib.contextmanager
    def _opened(self, job_id: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """Request a job's archive; the response is closed when the block ends."""
        if self._stop.is_set():
            raise Interrupted
        url = self.jobs[job_id].get("result_url")
        if not isinstance(url, str):
            raise DownloadError(
                f"The server has no archive of job {job_id} any more.",
                advice="Run the job again: .infinity.seeded() makes the same.",
                job=job_id,
            )
        try:
            response = self.rest.result(url, headers)
        except requests.RequestException as error:
            if never_sent(error):
                self._renew(url)  # an engine that restarted serves the same at another address
            hung = isinstance(error, requests.ReadTimeout)
            raise _Cut(f"no answer ({type(error).__name__})", hung=hung) from None
        self._streams.add(response)
        try:
            if response.status_code in EXPIRED:
                self._renew(url)
                raise _Expired(
                    f"the server answers {response.status_code}, as for an expired address"
                )
            yield response
        except requests.RequestException as error:
            if self._stop.is_set():
                raise Interrupted from None
            hung = isinstance(error, requests.ReadTimeout)
            raise _Cut("the connection broke", hung=hung) from None
        finally:
            self._streams.discard(response)
            response.close()

    def _receive(self, job_id: str, part: Part, response: requests.Response) -> None:
        status, offset = response.status_code, part.size
        if status == 416 and response.headers.get("Content-Range") == f"bytes */{offset}":
            return  # complete: an earlier process was killed after the last byte
        if status == 416:
            part.drop()
            raise _Cut("the server's archive is shorter than the part on disk")
        _check_status(job_id, response)
        begins = response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        if status == 206 and not begins:
            part.drop()
            raise _Cut("the server sent another range than the requested one")
        length = response.headers.get("Content-Length", "")
        expected = int(length) if length.isdecimal() else None
        self._reserve(job_id, part, expected, offset if status == 206 else 0)
        if status == 200:
            part.start(response.headers.get("ETag"), expected)
        try:
            self._append(response, part)
        except BaseException:
            part.flush()
            raise

    def _range(
        self, job_id: str, start: int | None, count: int, response: requests.Response
    ) -> tuple[bytes, int]:
        """Read the response to a range request."""
        if response.status_code == 416 and start is None:
            raise NoRanges  # an empty archive, or a server without ranges from the end
        _check_status(job_id, response)
        if response.status_code == 200:
            raise NoRanges
        sent = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if sent is None:
            raise NoRanges
        first, last, size = map(int, sent.groups())
        begin = max(0, size - count) if start is None else start
        if (first, last) != (begin, min(begin + count, size) - 1):
            raise _Cut("the server sent another range than the requested one")
        data = bytearray()
        for piece in self._watched(response):
            data += piece
            if len(data) > last + 1 - first:
                break
        if len(data) != last + 1 - first:
            raise _Cut("the server sent a range of another length than it states")
        return bytes(data), size

    def _reserve(self, job_id: str, part: Part, expected: int | None, offset: int) -> None:
        """Reserve disk space for the rest of the archive and for its files."""
        size = expected or 0
        self.room.reserve(job_id, size + EXPANSION * (offset + size))
        _require_room(expected, part.path, job_id)

    def _append(self, response: requests.Response, part: Part) -> None:
        for piece in self._watched(response):
            part.write(piece)

    def _watched(self, response: requests.Response) -> Iterator[bytes]:
        """Yield the pieces of a body; give the attempt up if they come next to never."""
        got, since, mark = 0, time.monotonic(), 0
        for piece in pieces(response):
            if self._stop.is_set():
                raise Interrupted
            yield piece
            got += len(piece)
            if (passed := time.monotonic() - since) > WATCHED:
                if got - mark < SLOWEST * passed:
                    raise _Cut("the server sends next to nothing", hung=True)
                self._silence.end()
                since, mark = time.monotonic(), got

    def _renew(self, stale: str) -> None:
        """Request fresh URLs, once for all the threads that hold a stale one."""
        with self._renewing:
            unchanged = any(str(job.get("result_url")) == stale for job in self.jobs.values())
            if self._stop.is_set() or not unchanged:
                return
            try:
                self.jobs = {**self.jobs, **self.renew()}
            except InfinityError as error:
                raise _Cut(f"no fresh address: {error.problem}") from None


def _check_status(job_id: str, response: requests.Response) -> None:
    """Raise unless a response holds an archive or a part of one."""
    status = response.status_code
    if 400 <= status < 500 and status not in (408, 429):
        raise DownloadError(
            f"The server refuses the archive of job {job_id} ({status}).",
            advice="Download again; if the error persists, contact the server's administrator.",
            job=job_id,
        )
    if status not in (200, 206):
        raise _Cut(f"the server answers {status}", retry_after(response))


def _require_room(needed: int | None, path: Path, job_id: str) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed is not None and needed > free:
        raise DownloadError(
            f"Job {job_id} needs {needed:,} bytes on the disk, and {free:,} are free.",
            advice="Free some space and download again; what has arrived is kept.",
            job=job_id,
        )
