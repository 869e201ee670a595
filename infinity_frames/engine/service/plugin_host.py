"""Generators of installed packages, described and estimated in processes of their own.

The engine needs a generator's description and its estimates. Both run the package's code, which may
end its process, crash or hang. Only built-in generators run in the engine itself. Workers, which
are supervised, import any generator themselves.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import time
from importlib.metadata import EntryPoint
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.engine.generators.base import Limits
from infinity_frames.engine.service import forks, plugin_process
from infinity_frames.engine.service.plugin_calls import PluginHangs
from infinity_frames.protocol.spec import Generator as Description

__all__ = ["HostedGenerator", "PluginFailed", "close_all"]

# The reply with 250,000 estimates of ten digits takes less than a tenth.
_MAX_BYTES = 1 << 26
_hosts: set[_Host] = set()


class PluginFailed(Exception):
    """Generator code raised an error, or ended its process; the message is for its author."""


def close_all() -> None:
    """End the processes of all hosted generators, since the engine stops."""
    for host in list(_hosts):
        host.kill()


class HostedGenerator:
    """A generator whose code runs in a process of its own; implements ``base.Generator``.

    Parameters
    ----------
    entry : EntryPoint
        Names the generator and its class.
    limit : float
        Seconds that a call may take; its process is then killed, and the next call starts another.

    Raises
    ------
    PluginFailed
        The generator cannot be imported or described.
    PluginHangs
        Its import does not end.
    """

    def __init__(self, entry: EntryPoint, limit: float) -> None:
        self._entry = entry
        self._limit = limit
        self._lock = threading.Lock()
        self._host: _Host | None = None
        about = self._call(None)
        self.spec = Description.from_json(about["spec"])
        self.limits = None if about["limits"] is None else Limits(**about["limits"])

    def estimate(self, jobs: pd.DataFrame) -> NDArray[Any]:
        """Return what the generator's ``estimate`` returns; the values may be invalid.

        Raises
        ------
        PluginFailed
            It raised an error, or ended its process.
        PluginHangs
            It did not return in time.
        """
        reply = self._call(jobs)
        try:
            kind, shape = np.dtype(reply["type"]), tuple(reply["shape"])
            if reply["values"] is not None:
                return np.array(reply["values"], kind).reshape(shape)
            return np.broadcast_to(np.zeros((), kind), shape)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise PluginFailed(f"its process sent a bad reply ({type(error).__name__})") from None

    def prepare(self) -> None:
        """Raise, since workers import generators themselves."""
        raise RuntimeError("only workers prepare generators")

    def render(self, *_: object, **__: object) -> int:
        """Raise, since workers import generators themselves."""
        raise RuntimeError("only workers render jobs")

    def _call(self, jobs: pd.DataFrame | None) -> Any:
        """Return the reply of the process: a description, or the estimates of `jobs`."""
        deadline = time.monotonic() + self._limit
        with self._lock:
            if time.monotonic() > deadline:
                raise PluginHangs("earlier calls have not returned yet")
            if self._host is None or not self._host.alive:
                self._host = _Host(self._entry)
                if jobs is not None:
                    self._host.ask(None, self._limit)
            return self._host.ask(jobs, self._limit)


class _Host:
    """A process of ``plugin_process``, and the connection to it."""

    def __init__(self, entry: EntryPoint) -> None:
        context = forks.context()
        self._connection: Connection
        self._connection, theirs = context.Pipe()
        given = (theirs, entry.name, entry.value)
        self._process: BaseProcess = context.Process(target=plugin_process.main, args=given)
        self._process.start()
        theirs.close()
        self.alive = True
        _hosts.add(self)

    def ask(self, jobs: pd.DataFrame | None, limit: float) -> Any:
        """Send an order and return the value of the reply; a process that fails is ended."""
        start = time.monotonic()
        killer = threading.Timer(limit, self.kill)
        killer.daemon = True
        killer.start()
        try:
            self._connection.send_bytes(pickle.dumps(jobs))
            reply = orjson.loads(self._connection.recv_bytes(_MAX_BYTES))
            value, error = reply["value"], reply["error"]
        except (EOFError, OSError, ValueError, TypeError, KeyError):
            how = self._end()
            if time.monotonic() - start >= limit:
                raise PluginHangs(f"it did not return within {limit:g} s") from None
            doing = "importing it" if jobs is None else "its estimate"
            raise PluginFailed(f"{doing} {how}") from None
        finally:
            killer.cancel()
        if error:
            raise PluginFailed(str(error))
        return value

    def kill(self) -> None:
        """Kill the process and what it started."""
        if self._process.pid is not None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def _end(self) -> str:
        """End the process after an exchange that failed, and describe how it ended."""
        self._process.join(0.5)
        code = self._process.exitcode
        self.kill()
        self._process.join()
        self._connection.close()
        self.alive = False
        _hosts.discard(self)
        if code is None:
            return "sent an unreadable reply"
        return f"ended its process {f'by signal {-code}' if code < 0 else f'with exit code {code}'}"
