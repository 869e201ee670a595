"""The runner for clusters: one Dask task per job, on whatever nodes a scheduler has.

Dask decides where a job runs and runs it again when its node is lost. The engine starts no more
jobs than the nodes have threads, so jobs wait in the store and not in Dask. `node.py` supervises
them on the nodes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from infinity_frames.engine.service import registry
from infinity_frames.engine.service.ports import Archives, Outcome, Preparation, Task
from infinity_frames.engine.service.runners import node
from infinity_frames.protocol.errors import EngineError

try:
    from distributed import Client, Future, KilledWorker
except ImportError:
    raise EngineError(
        "The library for Dask clusters is not installed.",
        advice='Run `pip install "infinity-frames[cluster]"`.',
    ) from None

__all__ = ["DaskRunner"]

_CONNECT_TIMEOUT_S = 10.0
_LOOK_S = 1.0
_FETCH_TIMEOUT_S = 30.0
# Time that a job may take besides rendering: it waits for its node to compile, and is uploaded.
_EXTRA_LIFETIME_S = 7200.0
_log = logging.getLogger(__name__)


@dataclass
class _Node:
    """A Dask worker: its threads, why it cannot render generators, and what it prepares."""

    host: str
    threads: int
    unfit: dict[str, str] = field(default_factory=dict)
    prepared: set[str] = field(default_factory=set)


@dataclass
class _Running:
    task: Task
    future: Future
    client: Client
    allowed: set[str] | None
    stranded: bool = False


class DaskRunner:
    """Renders on the workers of a Dask scheduler; implements :class:`.ports.Runner`.

    Parameters
    ----------
    address : str
        ``tcp://host:port`` or ``tls://host:port`` of the scheduler. Certificates for TLS come from
        Dask's own configuration.
    archives : Archives
        Give every job a place for its archive that needs no credentials on the nodes.
    limit : int, optional
        Maximum number of jobs at once; by default the threads of all nodes.
    memory_limit : int, optional
        Bytes that a job may use; by default its share of 3/4 of its node's memory.

    Raises
    ------
    EngineError
        The scheduler cannot be reached.
    """

    stop_delay = 60.0

    def __init__(
        self,
        address: str,
        archives: Archives,
        limit: int | None = None,
        memory_limit: int | None = None,
    ) -> None:
        self._address = address
        self._archives = archives
        self._limit = limit
        self._memory_limit = memory_limit
        self._nodes: dict[str, _Node] = {}
        self._running: dict[str, _Running] = {}
        self._ended: deque[str] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._woken = False
        self._problem: str | None = None
        self._wanted: set[str] = set()
        try:
            self._client = self._connect()
            self._look()
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineError(
                f"The Dask scheduler {address} cannot be reached ({type(error).__name__}).",
                advice="Start it with `dask scheduler`, and check the address and the network.",
            ) from None
        self._threads = [
            threading.Thread(target=self._watch, name="dask-watch", daemon=True),
            threading.Thread(target=self._collect, name="dask-collect", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def capacity(self) -> int:
        """Return how many more tasks could start now."""
        nodes = list(self._nodes.values())
        threads = sum(one.threads for one in nodes)
        most = threads if self._limit is None else min(threads, self._limit)
        return max(0, most - len(self._running))

    def prepare(self, preparation: Preparation) -> None:
        """Let every node prepare a generator, now and when it joins."""
        self._wanted.add(preparation.generator)

    def start(self, task: Task) -> None:
        """Submit a task to the nodes that have its generator."""
        packages = node.installed(task.generator)
        nodes = dict(self._nodes)
        fit = [address for address, one in nodes.items() if task.generator not in one.unfit]
        if not fit:
            self._finish(Outcome(task.job_id, "interrupted", self._misfits(task.generator)))
            return
        restricted = len(fit) < len(nodes)
        lifetime = task.time_limit + _EXTRA_LIFETIME_S
        limits = [limit for limit in (task.memory_limit, self._memory_limit) if limit]
        task = replace(
            task,
            sink=self._archives.sink(task.job_id, lifetime),
            memory_limit=min(limits, default=None),
        )
        future = self._client.submit(
            node.render,
            node.Order(task, packages),
            key=f"infinity-{task.job_id}-{uuid.uuid4().hex}",
            pure=False,
            # Without a restriction, Dask also uses nodes that join later.
            workers=fit if restricted else None,
            priority=1 if task.is_preview else 0,
        )
        self._running[task.job_id] = _Running(
            task, future, self._client, set(fit) if restricted else None
        )
        future.add_done_callback(lambda _: self._note(task.job_id))

    def poll(self, timeout: float) -> list[Outcome]:
        """Return outcomes since the last call; wait at most `timeout` s for one, or for `wake`."""
        with self._changed:
            self._changed.wait_for(lambda: self._outcomes or self._woken, timeout)
            self._woken = False
            outcomes = list(self._outcomes)
            self._outcomes.clear()
        return outcomes

    def stop(self, job_id: str) -> None:
        """Give a task up; its node notices within a second and kills its process."""
        running = self._running.pop(job_id, None)
        if running is not None:
            with contextlib.suppress(Exception):
                running.future.cancel()
        with self._changed:
            kept = [outcome for outcome in self._outcomes if outcome.job_id != job_id]
            self._outcomes = deque(kept)

    def wake(self) -> None:
        """Make a `poll` that is waiting return."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def activity(self) -> str | None:
        """Return a sentence about a missing scheduler, missing nodes, or nodes that are unfit."""
        if self._problem is not None:
            return self._problem
        if not self._nodes:
            return f"No worker is connected to the Dask scheduler {self._address}: jobs wait."
        return None

    def close(self) -> None:
        """Stop every task and disconnect."""
        self._closing.set()
        for job_id in list(self._running):
            self.stop(job_id)
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_FETCH_TIMEOUT_S)
        self._disconnect()

    # The watching thread: connection and nodes

    def _connect(self) -> Client:
        return Client(
            self._address,
            timeout=_CONNECT_TIMEOUT_S,
            set_as_default=False,
            name="infinity-frames",
        )

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)

    def _watch(self) -> None:
        while not self._closing.wait(_LOOK_S):
            try:
                if self._client.status not in ("running", "connecting"):
                    self._client = self._connect()
                self._look()
                self._give_up_stranded()
                self._problem = self._unfit_nodes()
            except Exception as error:
                self._nodes = {}
                if self._problem is None:
                    _log.warning("the Dask scheduler %s: %s", self._address, error)
                self._problem = (
                    f"The Dask scheduler {self._address} cannot be reached "
                    f"({type(error).__name__}): jobs wait."
                )

    def _look(self) -> None:
        """Update the nodes; check those that joined, and let them prepare generators."""
        info = self._client.scheduler_info(n_workers=-1)["workers"]
        known = self._nodes
        nodes = {
            address: known.get(address) or _Node(str(about["host"]), int(about["nthreads"]))
            for address, about in info.items()
        }
        joined = [address for address in nodes if address not in known]
        if joined:
            self._check(nodes, joined)
        before = len(known)
        self._nodes = nodes
        if len(nodes) > before:
            self.wake()
        for generator in self._wanted:
            self._prepare(generator)

    def _check(self, nodes: dict[str, _Node], joined: list[str]) -> None:
        for generator in registry.usable_generators():
            packages = node.installed(generator)
            found = self._client.run(node.check, packages, workers=joined, on_error="return")
            for address in joined:
                reason = found.get(address, "it does not answer")
                if isinstance(reason, BaseException):
                    reason = f"infinity-frames cannot be used there ({reason})"
                if reason is not None:
                    self._mark_unfit(nodes, address, generator, reason)

    def _mark_unfit(
        self, nodes: Mapping[str, _Node], address: str, generator: str, reason: str
    ) -> None:
        one = nodes.get(address)
        if one is not None and one.unfit.get(generator) != reason:
            _log.warning(
                "the node %s (%s) cannot render %s: %s", address, one.host, generator, reason
            )
            one.unfit[generator] = reason

    def _unfit_nodes(self) -> str | None:
        """Return a sentence about nodes that cannot render something, None if there are none."""
        for address, one in self._nodes.items():
            for generator, reason in one.unfit.items():
                return f"The node {address} ({one.host}) cannot render {generator}: {reason}."
        return None

    def _misfits(self, generator: str) -> str:
        nodes = self._nodes.items()
        reasons = "; ".join(
            f"{address} ({one.host}): {one.unfit[generator]}"
            for address, one in nodes
            if generator in one.unfit
        )
        return f"No node can render {generator}: {reasons or 'no worker is connected'}."

    def _prepare(self, generator: str) -> None:
        """Tell nodes to prepare a generator; each of them is told once."""
        told = [
            address
            for address, one in self._nodes.items()
            if generator not in one.prepared and generator not in one.unfit
        ]
        if told:
            for address in told:
                self._nodes[address].prepared.add(generator)
            self._client.run(node.prepare, generator, workers=told, on_error="ignore")

    def _give_up_stranded(self) -> None:
        """Return jobs to the queue that an earlier connection held, or that wait for no node."""
        for job_id, running in list(self._running.items()):
            if running.client is not self._client:
                self._note(job_id)
            elif running.allowed is not None and not running.allowed & self._nodes.keys():
                running.stranded = True
                self._note(job_id)

    # The collecting thread: outcomes

    def _note(self, job_id: str) -> None:
        """Record that a job may have ended."""
        with self._changed:
            self._ended.append(job_id)
            self._changed.notify_all()

    def _finish(self, outcome: Outcome) -> None:
        with self._changed:
            self._outcomes.append(outcome)
            self._changed.notify_all()

    def _collect(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._closing.is_set())
                if self._closing.is_set():
                    return
                ended = {job_id: self._running.get(job_id) for job_id in self._ended}
                self._ended.clear()
            for job_id, running in ended.items():
                # A job that was stopped, or has been collected, is no longer in the table.
                if running is not None:
                    outcome = self._outcome(running)
                    if self._running.get(job_id) is running:
                        del self._running[job_id]
                        self._finish(outcome)

    def _outcome(self, running: _Running) -> Outcome:
        job_id, future = running.task.job_id, running.future
        try:
            if running.stranded or running.client is not self._client or future.cancelled():
                future.cancel()
                return Outcome(job_id, "interrupted", "The connection to its node was lost.")
            result = future.result(timeout=_FETCH_TIMEOUT_S)
        except KilledWorker:
            return Outcome(job_id, "lost", "Several nodes died while they rendered it.")
        except Exception as error:
            if future.status == "error":
                # The node's part of the runner failed, for example because a package is missing.
                reason = f"Its node could not render it ({type(error).__name__}: {error})."
                return Outcome(job_id, "lost", reason)
            return Outcome(job_id, "interrupted", f"Its outcome was lost ({type(error).__name__}).")
        if isinstance(result, node.Unfit):
            self._mark_unfit(self._nodes, result.node, running.task.generator, result.reason)
            reason = f"The node {result.node} cannot render it: {result.reason}."
            return Outcome(job_id, "interrupted", reason)
        if not isinstance(result, Outcome) or result.job_id != job_id:
            return Outcome(job_id, "failed", "The node reported no valid outcome.")
        return result
