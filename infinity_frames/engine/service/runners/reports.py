"""Messages of a worker process to its engine: the current phase, or the outcome of a task.

Generator code shares the worker process and can write anything into its pipe. A report is therefore
JSON and never unpickled, and a thread of its own reads it: half a message, or none, keeps nothing
else waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from multiprocessing.connection import Connection
from typing import Any, Literal

import orjson

from infinity_frames.engine.service.ports import Outcome

__all__ = ["BadReport", "EngineGone", "Phase", "Report", "listen", "send_report"]

Phase = Literal["preparing", "rendering", "idle", "ended"]
_PHASES: tuple[Phase, ...] = ("preparing", "rendering", "idle")
_MAX_BYTES = 1 << 20
_FIELDS = {field.name for field in fields(Outcome)}


class BadReport(Exception):
    """A message that is no report."""


class EngineGone(BaseException):
    """Nothing reads the reports of this worker any more.

    Not an `OSError`, which generator code raises for reasons of its own.
    """


@dataclass(frozen=True)
class Report:
    """A message of a worker.

    Parameters
    ----------
    phase : {"preparing", "rendering", "idle", "ended"}
        ``ended``: the connection is closed, because the process has died.
    outcome : Outcome or None
        Of the task that the worker had.
    unexpected : bool
        Whether an error ended the task that is not one of `RenderError`.
    """

    phase: Phase
    outcome: Outcome | None = None
    unexpected: bool = False


def send_report(connection: Connection, report: Report) -> None:
    """Send a report to the engine.

    Raises
    ------
    EngineGone
        The connection is closed.
    """
    outcome = None if report.outcome is None else asdict(report.outcome)
    message = {"phase": report.phase, "outcome": outcome, "unexpected": report.unexpected}
    try:
        connection.send_bytes(orjson.dumps(message))
    except OSError:
        raise EngineGone from None


def listen(connection: Connection, receive: Callable[[Report | BadReport], None]) -> None:
    """Pass the reports of a worker to `receive`, from a thread, until its process ends.

    The last report has the phase ``ended``, or is a `BadReport`. The thread closes the connection.
    """

    def work() -> None:
        with connection:
            while True:
                report = _next(connection)
                receive(report)
                if isinstance(report, BadReport) or report.phase == "ended":
                    return

    threading.Thread(target=work, name="reports of a worker", daemon=True).start()


def _next(connection: Connection) -> Report | BadReport:
    try:
        message = connection.recv_bytes(_MAX_BYTES)
    except EOFError:
        return Report("ended")
    except OSError as error:
        # The system numbers its errors; a length that is not allowed has no number.
        return BadReport("an impossible length") if error.errno is None else Report("ended")
    try:
        return _parsed(orjson.loads(message))
    except Exception as error:
        return BadReport(type(error).__name__)


def _parsed(message: dict[str, Any]) -> Report:
    phase, given = _PHASES[_PHASES.index(message["phase"])], message["outcome"]
    if given is None:
        return Report(phase)
    if not isinstance(given, dict) or given.keys() != _FIELDS:
        raise TypeError("an outcome with other fields")
    return Report(phase, Outcome(**given), message["unexpected"] is True)
