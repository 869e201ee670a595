"""Where jobs are rendered: the interface the engine uses, so that a cluster can take its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

__all__ = ["Outcome", "Preparation", "Runner", "Task"]


@dataclass(frozen=True)
class Task:
    """One job to render."""

    job_id: str
    generator: str
    params: dict[str, Any]
    seed: int
    is_preview: bool
    time_limit: float
    """Seconds it may take, not counting the preparation of a worker."""


@dataclass(frozen=True)
class Preparation:
    """Import and compile what a generator renders with: its jobs are about to come."""

    generator: str


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    ``completed``: its archive lies in the results. ``failed``: it cannot be made, `error` says why.
    ``lost``: whatever rendered it died. ``no_space``: there was no room for its files.
    """

    job_id: str
    kind: Literal["completed", "failed", "lost", "no_space"]
    error: str = ""
    samples: int = 0
    sha256: str = ""


class Runner(Protocol):
    """Starts tasks, tells how they ended, stops them.

    One thread uses it; any thread may call `wake` and `activity`.
    """

    def capacity(self) -> int:
        """How many tasks more could start now."""
        ...

    def prepare(self, preparation: Preparation) -> None:
        """Get ready for a generator's tasks, if nothing is and there is room for it."""
        ...

    def start(self, task: Task) -> None:
        """Begin a task; at most `capacity` of them."""
        ...

    def poll(self, timeout: float) -> Sequence[Outcome]:
        """Tasks that ended since the last call; waits for one, for `wake`, or for `timeout` s."""
        ...

    def stop(self, job_id: str) -> None:
        """End a task without an outcome, and throw away what it has made."""
        ...

    def wake(self) -> None:
        """Make a `poll` that is waiting return."""
        ...

    def activity(self) -> str | None:
        """What keeps tasks waiting that a user should know of."""
        ...

    def close(self) -> None:
        """End every task and let go of everything."""
        ...
