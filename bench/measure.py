"""Timing, and one line per work."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass


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
