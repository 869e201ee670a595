"""Result URLs that are their own permission: an HMAC over the job and the time it expires."""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode

from infinity_frames.protocol.errors import NotFound, RequestRejected

__all__ = ["Signer"]

_LIFETIME_S = 24 * 3600
# Expiries fall on whole hours, so that the URL of a job stays the same between two polls.
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
        """When a URL made now expires, in Unix seconds: a day from now, rounded up to an hour."""
        return (int(time.time()) + _LIFETIME_S + _STEP_S) // _STEP_S * _STEP_S

    def path(self, job_id: str, expiry: int) -> str:
        """Path and query under which a job's archive may be fetched until `expiry`."""
        signature = self._signature(job_id, expiry)
        return f"api/results/{job_id}.zip?expires={expiry}&signature={signature}"

    def check(self, job_id: str, expires: str, signature: str) -> None:
        """Let a URL pass that this engine signed and that has not expired.

        Raises
        ------
        NotFound
            It was altered, or signed with another key.
        RequestRejected
            It has expired (403).
        """
        genuine = expires.isascii() and expires.isdigit() and len(expires) <= 12
        if not genuine or not hmac.compare_digest(
            self._signature(job_id, int(expires)).encode(), signature.encode()
        ):
            raise NotFound(
                "This result URL is not one that the engine gave out.",
                advice="Ask for the batch or the job again and use its result_url unaltered.",
            )
        if int(expires) < time.time():
            raise RequestRejected(
                "This result URL has expired.",
                advice="Ask for the batch or the job again: it comes with a fresh result_url.",
                status=403,
            )

    def _signature(self, job_id: str, expiry: int) -> str:
        message = f"{job_id} {expiry}".encode()
        digest = hmac.digest(self._key, message, "sha256")
        return urlsafe_b64encode(digest[:24]).decode()
