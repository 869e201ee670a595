"""Uploads to an object store by a presigned URL: a worker needs no credentials for them."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

from infinity_frames.protocol.errors import ArchivesUnavailable, RenderError

__all__ = ["PresignedUpload"]

_TIMEOUT_S = (10.0, 120.0)
_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
# Limit of the S3 protocol for an upload in one request.
_MAX_BYTES = 5 * 2**30
# Responses to an archive that the store never accepts; other refusals may pass.
_PERMANENT = (400, 411, 413)


@dataclass(frozen=True)
class PresignedUpload:
    """Stores the archive of one job; implements :class:`.ports.Sink`.

    Parameters
    ----------
    url : str
        Grants one upload for a limited time; it is a secret and not shown.
    """

    url: str = field(repr=False)

    def put(self, job_id: str, archive: Path) -> None:  # noqa: ARG002
        """Upload a finished zip; the store checks its MD5 and makes it visible as a whole."""
        size = archive.stat().st_size
        if size > _MAX_BYTES:
            raise RenderError(
                f"The archive has {size / 2**30:.1f} GiB; object stores accept at most 5 GiB.",
                advice="Reduce the number of samples of the job.",
            )
        with archive.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        headers = {"Content-MD5": base64.b64encode(md5).decode(), "Content-Length": str(size)}
        problem = ""
        for pause in (*_PAUSES_S, None):
            problem, permanent = self._try(archive, headers)
            if not problem:
                archive.unlink()
                return
            if permanent:
                raise RenderError(f"The object store refuses the archive: {problem}.")
            if pause is not None:
                time.sleep(pause)
        raise ArchivesUnavailable(
            f"The object store does not accept archives now: {problem}.",
            advice="Check that it runs, has room, and can be reached from the workers.",
        )

    def _try(self, archive: Path, headers: dict[str, str]) -> tuple[str, bool]:
        """Upload once; return what went wrong, and whether it would go wrong again."""
        try:
            with archive.open("rb") as file:
                response = requests.put(self.url, file, headers=headers, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            # The text of the error holds the URL, and with it the signature.
            return type(error).__name__, False
        if response.ok:
            return "", False
        return f"HTTP status {response.status_code}", response.status_code in _PERMANENT
