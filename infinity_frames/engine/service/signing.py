"""Signed result URLs: an HMAC over job and expiry grants access without a token."""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode

from infinity_frames.protocol.errors import NotFound, RequestRejected

__all__ = ["Signer"]

_LIFETIME_S = 24 * 3600
# Expiry times are rounded to whole hours, so that the URL of a job is stable between polls.
_STEP_S = 3600


class Signer:
    """Signs and checks result URLs.

    Parameters
    ----------
    key : bytes
        The home's secret.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def expiry(self) -> int:
        """Return the expiry of a URL signed now, in Unix seconds: in a day, rounded up to hours."""
        return (int(time.time()) + _LIFETIME_S + _STEP_S) // _STEP_S * _STEP_S

    def path(self, job_id: str, expiry: int) -> str:
        """Return path and query that give access to a job's archive until `expiry`."""
        signature = self._signature(job_id, expiry)
        return f"api/results/{job_id}.zip?expires={expiry}&signature={signature}"

    def check(self, job_id: str, expires: str, signature: str) -> None:
        """Check that this engine signed a URL and that it has not expired.

        Raises
        ------
        NotFound
            The URL was altered, or signed with another key.
        RequestRejected
            The URL has expired (403).
        """
        genuine = expires.isascii() and expires.isdigit() and len(expires) <= 12
        if not genuine or not hmac.compare_digest(
            self._signature(job_id, int(expires)).encode(), signature.encode()
        ):
            raise NotFound(
                "This result URL was not issued by this engine.",
                advice="Request the batch or the job again and use its result_url unaltered.",
            )
        if int(expires) < time.time():
            raise RequestRejected(
                "This result URL has expired.",
                advice="Request the batch or the job again: it carries a fresh result_url.",
                status=403,
            )

    def _signature(self, job_id: str, expiry: int) -> str:
        message = f"{job_id} {expiry}".encode()
        digest = hmac.digest(self._key, message, "sha256")
        return urlsafe_b64encode(digest[:24]).decode()
