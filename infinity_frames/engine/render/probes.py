"""Shadows of static objects on moving ones, cached on a lattice of points in the room.

The light on a body changes with every frame, and looking it up in every depth map at every pixel
misses the processor's caches. Shadows of furniture on the body are soft, so they are interpolated
between lattice points a few hand widths apart (irradiance volumes: Greger, Shirley, Hubbard and
Greenberg, 1998). The values of a point are computed when they are first needed and depend only on
the point: pictures do not depend on the frames drawn before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import inlined
from infinity_frames.engine.render.shadow_maps import DepthMaps, occluded, shadowed

__all__ = ["REACH", "Probes", "gather", "lattice"]

REACH = 1.2
"""Greatest distance at which an object still dims the ambient light of a point, m."""

_CELL = 0.18  # m
_MOST = 60_000  # lattice points; larger scenes get wider cells


class Probes(NamedTuple):
    """Points on a lattice, and the hidden share of each light at each point."""

    low: NDArray[np.float64]  # (3,) the first point, m
    cell: float  # m
    hidden: NDArray[np.uint8]  # (X, Y, Z, N + D) hidden share of each source, 0..255
    known: NDArray[np.bool_]  # (X, Y, Z) computed already


def lattice(vertices: NDArray[np.float64], lights: int) -> Probes:
    """Build a lattice around vertices, without computed values.

    Parameters
    ----------
    vertices : (V, 3) array
        Vertices of the static objects that block light, m.
    lights : int
        Lamp points and ambient directions.

    Returns
    -------
    Probes
    """
    if not len(vertices):
        vertices = np.zeros((1, 3))
    low, high = vertices.min(axis=0) - REACH, vertices.max(axis=0) + REACH
    cell = max(_CELL, float(np.cbrt(np.prod(high - low) / _MOST)))
    shape = tuple(int(count) for count in np.ceil((high - low) / cell) + 1)
    return Probes(low, cell, np.zeros((*shape, lights), np.uint8), np.zeros(shape, np.bool_))


@inlined
def gather(
    probes: Probes,
    shadow: DepthMaps,
    ambient: DepthMaps,
    position: tuple[float, float, float],
    hidden: NDArray[np.float32],
) -> None:
    """Fill ``hidden`` (N + D,): the share of every lamp point and direction that is hidden."""
    hidden[:] = 0.0
    i, fi = _between(position[0] - probes.low[0], probes.cell, probes.known.shape[0])
    j, fj = _between(position[1] - probes.low[1], probes.cell, probes.known.shape[1])
    k, fk = _between(position[2] - probes.low[2], probes.cell, probes.known.shape[2])
    for a in range(i, i + 2):
        wa = fi if a > i else 1.0 - fi
        for b in range(j, j + 2):
            wb = wa * (fj if b > j else 1.0 - fj)
            for c in range(k, k + 2):
                weight = np.float32(wb * (fk if c > k else 1.0 - fk) / 255.0)
                values = probes.hidden[a, b, c]
                if not probes.known[a, b, c]:
                    x = probes.low[0] + a * probes.cell
                    y = probes.low[1] + b * probes.cell
                    z = probes.low[2] + c * probes.cell
                    _measure(shadow, ambient, x, y, z, values)
                    probes.known[a, b, c] = True
                for light in range(len(hidden)):
                    hidden[light] += weight * values[light]


@inlined
def _between(offset: float, cell: float, count: int) -> tuple[int, float]:
    """Return the lattice point before an offset, and the fraction of the step after it, 0..1."""
    at = min(max(offset / cell, 0.0), count - 1.001)
    first = math.floor(at)
    return first, at - first


@inlined
def _measure(
    shadow: DepthMaps,
    ambient: DepthMaps,
    x: float,
    y: float,
    z: float,
    values: NDArray[np.uint8],
) -> None:
    lamps = len(shadow.projection)
    for i in range(lamps):
        values[i] = int(255.0 * shadowed(shadow, i, x, y, z, 0.0) + 0.5)
    for i in range(len(ambient.projection)):
        values[lamps + i] = int(255.0 * occluded(ambient, i, x, y, z, 0.0, REACH) + 0.5)
