"""The REST client: a method per endpoint; time limits, retries, errors that say what to do."""

from infinity_frames.client.http.endpoints import Rest
from infinity_frames.client.http.responses import UNFINISHED, status, statuses, written
from infinity_frames.client.http.threads import concurrently
from infinity_frames.client.http.transport import (
    CONNECTIONS,
    Backoff,
    Limits,
    never_sent,
    pieces,
    retry_after,
    server_address,
)

__all__ = [
    "CONNECTIONS",
    "UNFINISHED",
    "Backoff",
    "Limits",
    "Rest",
    "concurrently",
    "never_sent",
    "pieces",
    "retry_after",
    "server_address",
    "status",
    "statuses",
    "written",
]
