"""Arrival times of a spreading front on a grid: the eikonal equation, by fast sweeping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import kernel

__all__ = ["arrival_times"]

Array = NDArray[np.float64]

_FAR = 1e9
_MOST_ROUNDS = 40


def arrival_times(slowness: Array, passable: NDArray[np.bool_], known: Array, cell: float) -> Array:
    """Solve |grad T| = slowness outward from the cells with known times.

    Zhao, "A fast sweeping method for eikonal equations" (2005), first order.

    Parameters
    ----------
    slowness : (N, M) array
        Time per meter, above 0.
    passable : (N, M) bool array
        Cells to solve for.
    known : (N, M) array
        Known times; infinite for the other cells.
    cell : float
        Side of a cell, m.

    Returns
    -------
    (N, M) array
        Infinite for cells that the front never reaches.
    """
    times = np.where(np.isfinite(known), known, _FAR)
    frozen = np.isfinite(known) | ~passable
    for _ in range(_MOST_ROUNDS):
        if _sweep(times, slowness * cell, frozen) < 1e-9:
            break
    return np.where(times < _FAR / 2, times, np.inf)


@kernel
def _sweep(times: Array, cost: Array, frozen: NDArray[np.bool_]) -> float:
    """Update every cell in the four diagonal orders; return the largest change."""
    rows, columns = times.shape
    largest = 0.0
    for order in range(4):
        for i in range(rows):
            row = i if order % 2 == 0 else rows - 1 - i
            for j in range(columns):
                column = j if order < 2 else columns - 1 - j
                if frozen[row, column]:
                    continue
                up = times[row - 1, column] if row > 0 else 1e9
                down = times[row + 1, column] if row < rows - 1 else 1e9
                left = times[row, column - 1] if column > 0 else 1e9
                right = times[row, column + 1] if column < columns - 1 else 1e9
                a, b = min(up, down), min(left, right)
                f = cost[row, column]
                if abs(a - b) >= f:
                    new = min(a, b) + f
                else:
                    new = 0.5 * (a + b + np.sqrt(2.0 * f * f - (a - b) ** 2))
                change = times[row, column] - new
                if change > 0.0:
                    times[row, column] = new
                    largest = max(largest, change)
    return largest
