"""The process that runs the code of an installed generator for the engine; see ``plugin_host``."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import signal
import threading
from dataclasses import asdict
from importlib.metadata import EntryPoint
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import orjson
import pandas as pd

from infinity_frames.engine.core.author_errors import explain
from infinity_frames.engine.generators.base import Generator, limits_of
from infinity_frames.engine.service.credentials import hide_credentials
from infinity_frames.engine.service.loading import load_entry
from infinity_frames.engine.service.outcomes import clean_text

__all__ = ["main"]

_ERROR_LENGTH = 500


def main(connection: Connection, name: str, value: str) -> None:
    """Describe a generator, then estimate jobs, until the engine closes the connection.

    Every reply is JSON, an object with ``value`` and ``error``: the engine unpickles nothing that
    generator code could have sent.

    Parameters
    ----------
    connection : Connection
        Delivers None for a description, a DataFrame for estimates.
    name, value : str
        Of the generator's entry point.
    """
    if hasattr(os, "setsid"):
        os.setsid()
    hide_credentials(of_stores=True)
    # The engine's standard output is for its address.
    os.dup2(2, 1)
    threading.Thread(target=_die_with_engine, daemon=True).start()
    made: Generator | None = None
    try:
        while True:
            jobs = pickle.loads(connection.recv_bytes())  # noqa: S301 (sent by the engine)
            try:
                made = made or _load(name, value)
                answer = _description(made) if jobs is None else _estimates(made, jobs)
                reply = orjson.dumps({"value": answer, "error": None})
            except BaseException as error:
                text = clean_text(explain(error), _ERROR_LENGTH)
                reply = orjson.dumps({"value": None, "error": text})
            connection.send_bytes(reply)
    finally:
        # Threads and exit handlers of generator code would keep the process alive.
        os._exit(1)


def _load(name: str, value: str) -> Generator:
    # The server that this process was forked from may not have seen the package.
    importlib.invalidate_caches()
    return load_entry(EntryPoint(name, value, "infinity_frames.generators"))


def _description(made: Generator) -> dict[str, Any]:
    limits = limits_of(made)
    return {"spec": made.spec.to_json(), "limits": None if limits is None else asdict(limits)}


def _estimates(made: Generator, jobs: pd.DataFrame) -> dict[str, Any]:
    found = np.asarray(made.estimate(jobs))
    whole = found.dtype.kind in "iu" and found.size <= len(jobs)
    values = found.ravel().tolist() if whole else None
    return {"type": found.dtype.str, "shape": found.shape, "values": values}


def _die_with_engine() -> None:
    engine = multiprocessing.parent_process()
    if engine is not None:
        engine.join()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
