"""When a request is sent again, and after which pause: one policy for calls and downloads."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

__all__ = ["Backoff", "Limits", "RetryPolicy"]

FIRST_CONTACT = 4
"""Attempts for a server that has never answered: a wrong address should be reported quickly."""
_random = random.SystemRandom()


@dataclass(frozen=True)
class Backoff:
    """Pauses between attempts: they double up to `longest`, with jitter to spread clients out.

    Parameters
    ----------
    first : float
        Pause after the first failure, in seconds.
    longest : float
        Upper limit of a pause, in seconds.
    """

    first: float = 0.2
    longest: float = 5.0

    def pause(self, failures: int, retry_after: float | None = None) -> float:
        """Return seconds to wait after the given number of failures in a row.

        Parameters
        ----------
        failures : int
            Failed attempts so far, at least 1.
        retry_after : float, optional
            Seconds that the server asked for; these are always waited.
        """
        exponent = min(failures - 1, 60)
        jittered: float = min(self.first * 2.0**exponent, self.longest) * _random.uniform(0.5, 1.0)
        return jittered if retry_after is None else retry_after + 0.1 * jittered


@dataclass(frozen=True)
class RetryPolicy:
    """How often a request is sent, after which pauses, and for which HTTP statuses.

    A request that creates something is repeated only if the server cannot have received it, or if
    the server recognizes repeats. Answers 429, and 503 with ``Retry-After``, are always retried
    within the time limit, since the server states that it has done nothing.

    Parameters
    ----------
    attempts : int
        Attempts in a row without progress; 1 means no retry.
    backoff : Backoff
        Pauses between attempts.
    retryable : frozenset of int
        HTTP statuses that are treated as passing faults of a server.

    Examples
    --------
    >>> RetryPolicy(attempts=2).attempts
    2
    """

    attempts: int = 6
    backoff: Backoff = field(default_factory=Backoff)
    retryable: frozenset[int] = frozenset({502, 503, 504})

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; it must be at least 1.")

    def attempts_to_connect(self, *, known: bool) -> int:
        """Attempts while no connection can be made; `known` says that the server answered before.

        A server that restarts may need ten seconds, so it gets two attempts more.
        """
        if known and self.attempts > 1:
            return self.attempts + 2
        return min(self.attempts, FIRST_CONTACT)


@dataclass(frozen=True)
class Limits:
    """How long to wait for a server, in seconds.

    Parameters
    ----------
    connect : float
        Until a connection is made.
    read : float
        Between two pieces of an answer.
    total : float
        For a whole call, its retries included.
    """

    connect: float = 5.0
    read: float = 60.0
    total: float = 180.0

    @classmethod
    def of(cls, timeout: float | None) -> Limits:
        """Limits for a whole call of `timeout` seconds; the defaults for None."""
        if timeout is None:
            return cls()
        return cls(connect=min(5.0, timeout), read=min(60.0, timeout), total=timeout)
