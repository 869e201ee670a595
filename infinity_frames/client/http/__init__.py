"""The REST client: a method per endpoint; time limits, retries, errors that say what to do."""

from infinity_frames.client.http.concurrent import map_unordered
from infinity_frames.client.http.endpoints import RestClient
from infinity_frames.client.http.responses import UNFINISHED, status, statuses, to_json
from infinity_frames.client.http.retry import Backoff, Limits, RetryPolicy
from infinity_frames.client.http.transport import (
    CONNECTIONS,
    Token,
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
    "RestClient",
    "RetryPolicy",
    "Token",
    "map_unordered",
    "never_sent",
    "pieces",
    "retry_after",
    "server_address",
    "status",
    "statuses",
    "to_json",
]
