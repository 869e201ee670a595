"""Archives as objects of a bucket in S3, or in any store that speaks its protocol.

Credentials, region and endpoint come from the usual places: ``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``, or the machine's role.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from infinity_frames.engine.service.archives.presigned import PresignedUpload
from infinity_frames.engine.service.ports import StoredArchive
from infinity_frames.protocol.errors import ArchivesUnavailable, EngineError

try:
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store
except ImportError:
    raise EngineError(
        "The library for S3 is not installed.",
        advice='Run `pip install "infinity-frames[s3]"`.',
    ) from None

if TYPE_CHECKING:
    from obstore.store import RetryConfig

__all__ = ["S3Archives"]

_CHUNK_BYTES = 4 << 20
_SUFFIX = ".zip"
# Short, since a job or a request waits meanwhile and is tried again as a whole.
_RETRIES: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
_RETRY_AFTER_S = 5
# Longest lifetime of a presigned URL.
_MAX_LIFETIME_S = 7 * 86400.0


@dataclass(frozen=True)
class S3Archives:
    """Objects ``{prefix}/{job_id}.zip``; implements :class:`.ports.Archives`.

    Parameters
    ----------
    bucket : str
    prefix : str
        Without slashes at its ends; may be empty.
    """

    bucket: str
    prefix: str

    @classmethod
    def open(cls, bucket: str, prefix: str) -> S3Archives:
        """Open the archives and check that the bucket can be listed.

        Raises
        ------
        EngineError
            The bucket does not exist, or the credentials are missing or wrong.
        """
        archives = cls(bucket, prefix)
        try:
            next(iter(obstore.list(_bucket(bucket), prefix=prefix or None, chunk_size=1)), None)
        except BaseError as error:
            raise EngineError(
                f"The archives s3://{bucket} cannot be used ({type(error).__name__}).",
                advice="Check the bucket's name, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
                "AWS_REGION and AWS_ENDPOINT_URL.",
            ) from None
        return archives

    def put(self, job_id: str, archive: Path) -> None:
        """Upload a finished zip; it becomes visible as a whole."""
        with _reached("write to"):
            obstore.put(_bucket(self.bucket), self._key(job_id), archive)
        archive.unlink()

    def sink(self, job_id: str, lifetime: float) -> PresignedUpload:
        """Return a presigned upload of the archive of one job."""
        expires = timedelta(seconds=min(lifetime, _MAX_LIFETIME_S))
        return PresignedUpload(
            obstore.sign(_bucket(self.bucket), "PUT", self._key(job_id), expires)
        )

    def find(self, job_id: str) -> StoredArchive | None:
        """Return the size of an archive, None if there is none."""
        try:
            with _reached("read"):
                found = obstore.head(_bucket(self.bucket), self._key(job_id))
        except FileNotFoundError:
            return None
        return StoredArchive(found["size"])

    def read(self, job_id: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes ``start`` to ``stop - 1`` of an archive."""
        for first in range(start, stop, _CHUNK_BYTES):
            last = min(first + _CHUNK_BYTES, stop)
            with _reached("read"):
                part = obstore.get_range(
                    _bucket(self.bucket), self._key(job_id), start=first, end=last
                )
            yield bytes(part)

    def url(self, job_id: str, lifetime: float) -> str | None:
        """Return a presigned URL of the object."""
        expires = timedelta(seconds=lifetime)
        return obstore.sign(_bucket(self.bucket), "GET", self._key(job_id), expires)

    def delete(self, job_ids: Iterable[str]) -> None:
        """Delete archives; jobs without one are ignored."""
        for job_id in job_ids:
            with suppress(FileNotFoundError), _reached("write to"):
                obstore.delete(_bucket(self.bucket), self._key(job_id))

    def job_ids(self) -> Iterator[str]:
        """Yield the job id of every archive."""
        listed = iter(obstore.list(_bucket(self.bucket), prefix=self.prefix or None))
        while True:
            with _reached("list"):
                chunk = next(listed, None)
            if chunk is None:
                return
            for item in chunk:
                name = item["path"].rpartition("/")[2]
                if name.endswith(_SUFFIX) and item["path"] == self._key(name[: -len(_SUFFIX)]):
                    yield name.removesuffix(_SUFFIX)

    def _key(self, job_id: str) -> str:
        name = f"{job_id}{_SUFFIX}"
        return f"{self.prefix}/{name}" if self.prefix else name


@contextmanager
def _reached(verb: str) -> Iterator[None]:
    """Translate errors of the object store, which may hold addresses and keys."""
    try:
        yield
    except FileNotFoundError:
        raise
    except BaseError as error:
        raise ArchivesUnavailable(
            f"The engine cannot {verb} its object store now ({type(error).__name__}).",
            advice="Check that it runs and has room; nothing was lost, so try again.",
            status=503,
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        ) from None


@cache
def _bucket(name: str) -> S3Store:
    """Return the client of a bucket, one per process."""
    # Servers that are not Amazon's are often reached without TLS inside a cluster.
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return S3Store(name, client_options={"allow_http": plain}, retry_config=_RETRIES)
