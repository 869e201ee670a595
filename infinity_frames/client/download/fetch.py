"""One archive over HTTP: streamed, resumed, checked."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from infinity_frames.client.download.partial_file import Part
from infinity_frames.client.http import CONNECTIONS, RestClient, never_sent, pieces, retry_after
from infinity_frames.protocol.errors import ArchiveError, DownloadError, InfinityError

__all__ = ["Fetcher", "Interrupted"]

SLOWEST = 1024
"""Bytes per second, over a minute; a server that dribbles less is one that hangs."""
WATCHED = 60.0
EXPIRED = (401, 403, 404, 410)


class Interrupted(Exception):
    """The download was told to stop."""


class _Cut(Exception):
    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _Expired(_Cut):
    """The address of the result is no longer good."""


class Fetcher:
    """Fetches the archives of one batch's jobs.

    Parameters
    ----------
    rest : RestClient
        The server.
    jobs : mapping of str to dict
        The batch's jobs by id, with their ``result_url``.
    renew : callable
        Gives the jobs anew, with fresh URLs, when one has expired.
    """

    def __init__(
        self,
        rest: RestClient,
        jobs: Mapping[str, Mapping[str, Any]],
        renew: Callable[[], Mapping[str, Mapping[str, Any]]],
    ) -> None:
        self.rest, self.jobs, self.renew = rest, jobs, renew
        self._connections = threading.Semaphore(CONNECTIONS)
        self._stop = threading.Event()
        self._renewing = threading.Lock()
        self._streams: set[requests.Response] = set()

    def fetch(self, job_id: str, part: Part) -> tuple[str | None, int]:
        """Fill `part` with a job's archive; its sha256, where the server tells it, and size.

        Raises
        ------
        DownloadError
            It did not come, however often it was tried; what came is kept for the next time.
        ArchiveError
            It came altered, twice.
        Interrupted
            :meth:`interrupt` was called.
        """
        policy = self.rest.retry
        failures, altered, expired = 0, 0, 0
        while True:
            before = part.size
            try:
                with self._connections:
                    self._attempt(job_id, part)
            except _Cut as cut:
                failures = 1 if part.size > before else failures + 1
                expired += isinstance(cut, _Expired)
                asked = cut.wait or 0.0
                if asked > self.rest.limits.total:
                    raise DownloadError(
                        f"The archive of job {job_id} did not come: {cut}, and asks to wait "
                        f"{asked:.0f} s.",
                        advice="Download again then; it goes on where it stopped.",
                        job=job_id,
                    ) from None
                if failures >= policy.attempts or expired > 2:
                    raise DownloadError(
                        f"The archive of job {job_id} did not come: {cut}.",
                        advice="Download again; it goes on where it stopped.",
                        job=job_id,
                    ) from None
                if self._stop.wait(policy.backoff.pause(failures, cut.wait)):
                    raise Interrupted from None
                continue
            wanted = self.jobs[job_id].get("sha256")
            if wanted is None or part.sha256() == wanted:
                return wanted, part.size
            part.drop()
            altered += 1
            if altered == 2:
                raise ArchiveError(
                    f"The archive of job {job_id} is not the one the server describes.",
                    advice="Nothing of it was kept; tell who runs the server, or what is between.",
                    job=job_id,
                )

    def interrupt(self) -> None:
        """Stop at once, also those that wait for a server that hangs."""
        self._stop.set()
        for stream in list(self._streams):
            with contextlib.suppress(RuntimeError, ValueError, OSError):  # it has just ended
                stream.raw.shutdown()

    def _attempt(self, job_id: str, part: Part) -> None:
        """Ask for what is missing and append it."""
        if self._stop.is_set():
            raise Interrupted
        url = self.jobs[job_id].get("result_url")
        if not isinstance(url, str):
            raise DownloadError(
                f"The server has no archive of job {job_id} any more.",
                advice="Run the job again: .infinity.seeded() makes the same.",
                job=job_id,
            )
        offset, etag = part.size, part.etag
        headers: dict[str, str] = {}
        if offset and etag:
            headers = {"Range": f"bytes={offset}-", "If-Range": etag}
        try:
            response = self.rest.result(url, headers)
        except requests.RequestException as error:
            if never_sent(error):
                self._renew(url)  # an engine that restarted serves the same at another address
            raise _Cut(f"no answer ({type(error).__name__})") from None
        self._streams.add(response)
        try:
            self._receive(job_id, part, url, response)
        finally:
            self._streams.discard(response)
            response.close()

    def _receive(self, job_id: str, part: Part, url: str, response: requests.Response) -> None:
        status, offset = response.status_code, part.size
        if status == 416 and response.headers.get("Content-Range") == f"bytes */{offset}":
            return  # killed after the last byte: it is all here
        if status == 416:
            part.drop()
            raise _Cut("the server has less than what is here")
        if status in EXPIRED:
            self._renew(url)
            raise _Expired(f"the server answers {status}, as for an address that has expired")
        if 400 <= status < 500 and status not in (408, 429):
            raise DownloadError(
                f"The server refuses the archive of job {job_id} ({status}).",
                advice="Download again; if it goes on, tell who runs the server.",
                job=job_id,
            )
        if status not in (200, 206):
            raise _Cut(f"the server answers {status}", retry_after(response))
        begins = response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        if status == 206 and not begins:
            part.drop()
            raise _Cut("the server sent another piece than was asked for")
        length = response.headers.get("Content-Length", "")
        expected = int(length) if length.isdecimal() else None
        _room(expected, part.path, job_id)
        if status == 200:
            part.start(response.headers.get("ETag"), expected)
        try:
            self._append(response, part)
        except BaseException as error:
            part.flush()
            if not isinstance(error, requests.RequestException):
                raise
            if self._stop.is_set():
                raise Interrupted from None
            raise _Cut("the connection broke") from None

    def _append(self, response: requests.Response, part: Part) -> None:
        got, since, mark = 0, time.monotonic(), 0
        for piece in pieces(response):
            if self._stop.is_set():
                raise Interrupted
            part.write(piece)
            got += len(piece)
            if (passed := time.monotonic() - since) > WATCHED:
                if got - mark < SLOWEST * passed:
                    raise _Cut("the server sends next to nothing")
                since, mark = time.monotonic(), got

    def _renew(self, stale: str) -> None:
        """Ask for fresh URLs, once for all the threads that hold a stale one."""
        with self._renewing:
            unchanged = any(str(job.get("result_url")) == stale for job in self.jobs.values())
            if self._stop.is_set() or not unchanged:
                return
            try:
                self.jobs = {**self.jobs, **self.renew()}
            except InfinityError as error:
                raise _Cut(f"no fresh address: {error.problem}") from None


def _room(needed: int | None, path: Path, job_id: str) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed is not None and needed > free:
        raise DownloadError(
            f"Job {job_id} needs {needed:,} bytes on the disk, and {free:,} are free.",
            advice="Make room and download again; what is there is kept.",
            job=job_id,
        )
