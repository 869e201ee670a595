"""Runners: where the jobs of an engine run."""

from __future__ import annotations

from urllib.parse import urlsplit

import psutil

from infinity_frames.engine.service.ports import Archives, Runner
from infinity_frames.engine.service.runners.local import LocalRunner, available_cores
from infinity_frames.io.home import Home
from infinity_frames.protocol.addresses import without_secrets
from infinity_frames.protocol.errors import EngineError

__all__ = ["open_runner"]

# Schemes of addresses, with those that Dask uses.
_DASK = {"dask": "tcp", "dask+tls": "tls"}


def open_runner(
    home: Home,
    archives: Archives,
    url: str | None,
    workers: int | None,
    memory_limit: int | None,
) -> Runner:
    """Open the runner at `url`, or the one of this machine without one.

    Parameters
    ----------
    home : Home
        Holds the scratch folder of this machine.
    archives : Archives
        Stores the results.
    url : str or None
        ``dask://host:port`` or ``dask+tls://host:port``.
    workers : int or None
        Maximum number of jobs at once; by default one per core, of this machine or of the nodes.
    memory_limit : int or None
        Bytes that a job may use; by default its share of 3/4 of its machine's memory.

    Raises
    ------
    EngineError
        The address is of an unknown kind, or nothing answers there.
    """
    if url is None:
        workers = workers or available_cores()
        share = psutil.virtual_memory().total * 3 // 4 // workers
        return LocalRunner(home, archives, workers, memory_limit or share)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port = None
    if port is None or parts.scheme not in _DASK or not parts.hostname or "@" in parts.netloc:
        raise EngineError(
            f"{without_secrets(url)!r} is not the address of a runner.",
            advice="Write it as dask://host:8786, or leave it out to render on this machine.",
        )
    # Imported here, so that only engines that use it need its extra.
    from infinity_frames.engine.service.runners.dask import DaskRunner

    return DaskRunner(f"{_DASK[parts.scheme]}://{parts.netloc}", archives, workers, memory_limit)
