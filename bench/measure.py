"""Timing, and one line per work."""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psutil


@dataclass(frozen=True)
class Line:
    """One work: what was measured, the baseline it is compared with, and the ratio to beat."""

    work: str
    ours: float
    unit: str
    baseline: float | None = None
    baseline_name: str = ""
    target: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the baseline; rates count upwards, seconds downwards."""
        if self.baseline is None:
            return None
        per_second = self.unit.endswith("/s")
        return self.ours / self.baseline if per_second else self.baseline / self.ours

    def __str__(self) -> str:
        text = f"{self.work:<52} {self.ours:>10.3g} {self.unit:<9}"
        if self.ratio is not None:
            text += f" {self.baseline_name} {self.baseline:.3g}: {self.ratio:.1f}x"
        if self.target is not None:
            measured = self.ours if self.ratio is None else self.ratio
            text += f" (to reach: {self.target:g}, {'ok' if measured >= self.target else 'MISSED'})"
        return text


def seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """Best of a few runs: the least disturbed one, s."""
    best = float("inf")
    for _ in range(repeat):
        gc.collect()
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def alone(
    work: Callable[..., object], *given: object, imports: Sequence[str] = ()
) -> tuple[float, float]:
    """Seconds that a work takes in a fresh process, and MB that process grows by at most.

    Parameters
    ----------
    work : callable
        A function of a module, called with `given`.
    imports : sequence of str
        Modules that an idle process has loaded already.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(work, given, imports, there))
    process.start()
    there.close()
    idle: float = here.recv()
    peak = idle
    while not here.poll(0.005):
        peak = max(peak, memory(process.pid))
    taken: float = here.recv()
    process.join()
    return taken, (peak - idle) / 1e6


def _work(
    work: Callable[..., object], given: Sequence[Any], imports: Sequence[str], pipe: Connection
) -> None:
    for name in imports:
        importlib.import_module(name)
    pipe.send(memory(os.getpid()))
    start = time.perf_counter()
    work(*given)
    pipe.send(time.perf_counter() - start)


def memory(pid: int | None) -> float:
    """Bytes of memory that a process holds now."""
    try:
        return float(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0.0
