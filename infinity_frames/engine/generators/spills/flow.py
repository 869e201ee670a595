"""The spread of a liquid over a floor: around obstacles, fast at first, then slower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.generators.spills.arrival import arrival_times
from infinity_frames.engine.generators.spills.obstacles import footprints
from infinity_frames.engine.scene.rooms import Room
from infinity_frames.engine.scene.scene import Scene

__all__ = ["Flow", "Reach", "outflow"]

Array = NDArray[np.float64]

_CELLS = 60  # cells per radius of a disc of the spill's area
_REACH = 3.2  # half the side of the grid, in radii
_WIDER, _MOST_WIDER = 1.7, 1  # the grid grows by this factor if obstacles leave too little room
_PATCHES = 24  # patches of uneven floor along a side of the largest grid
_PATCH = 0.38  # size of a patch, in radii
_UNEVEN = 0.85  # logarithm of the slowness per standard deviation of unevenness
_EDGE = 2.5  # cells by which times are continued into obstacles
_EXACT = 3.0  # cells around the source whose times are set in advance


def outflow(kind: str, time: float) -> float:
    """Return the share of the final area that is wet after a share of the video.

    Spread liquid is equally deep everywhere, so the area is proportional to the volume.

    Parameters
    ----------
    kind : {"DRAINING", "STEADY", "EASED"}
        A container that drains by Torricelli's law, 1 - (1 - t)^2; a steady flow, t; a diameter
        that an animator eases in and out, (3 t^2 - 2 t^3)^2.
    time : float
        0..1.

    Returns
    -------
    float
        0..1.
    """
    match kind:
        case "DRAINING":
            return 1.0 - (1.0 - time) ** 2
        case "EASED":
            return (3.0 * time**2 - 2.0 * time**3) ** 2
    return time


@dataclass(frozen=True, eq=False)
class Reach:
    """The front's arrival at points of the floor.

    Parameters
    ----------
    time : (...) array
        Time of arrival, in meters of an even floor.
    slowness : (...) array
        Growth of the time there, per meter.
    outward : (2, ...) array
        Horizontal direction in which the front moves, of length 1.
    """

    time: Array
    slowness: Array
    outward: Array


@dataclass(frozen=True, eq=False)
class Flow:
    """The front of one spill.

    Parameters
    ----------
    center : (2,) array
        Source of the liquid, global, m.
    times : (N, N) array
        Time of arrival at each cell of the grid, continued a little into obstacles.
    open_times : (M,) array
        Sorted times of all cells that can become wet.
    to_grid : (2, 3) array
        From global x, y, 1 to column and row of the grid.
    cell_area : float
        m^2.
    area : float
        Area of the whole spill, m^2.
    """

    center: Array
    times: Array
    open_times: Array
    to_grid: Array
    cell_area: float
    area: float

    @classmethod
    def of(
        cls, params: Mapping[str, Any], scene: Scene, room: Room, center: Array, seed: int
    ) -> Flow:
        """Compute the spread of a job's liquid.

        Parameters
        ----------
        params : mapping
            ``size``, ``aspect_ratio`` and ``profile_irregularity``.
        scene : Scene
            Its objects on the floor are obstacles.
        room : Room
            Its walls are obstacles too.
        center : (2,) array
            Source of the liquid, global, m.
        seed : int
            The job's seed.
        """
        radius, area = params["size"] / 100.0, np.pi * (params["size"] / 100.0) ** 2
        reach = _REACH
        for attempt in range(_MOST_WIDER + 1):
            made = cls._spread(params, scene, room, center, seed, reach * radius)
            if made.area >= area or attempt == _MOST_WIDER:
                break
            reach *= _WIDER
        # A place that is closed on all sides may have no room for the whole spill.
        return cls(**{**vars(made), "area": min(area, made.area)})

    @classmethod
    def _spread(
        cls,
        params: Mapping[str, Any],
        scene: Scene,
        room: Room,
        center: Array,
        seed: int,
        half: float,
    ) -> Flow:
        radius = params["size"] / 100.0
        cell = radius / _CELLS
        count = 2 * int(np.ceil(half / cell)) + 1
        middle = count // 2
        # The grid is rotated and stretched so that liquid on an even floor spreads as a disc in it.
        yaw, stretch = (
            stream(seed, "spill_yaw").uniform(0.0, np.pi),
            np.sqrt(params["aspect_ratio"]),
        )
        turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        linear = np.diag([1.0 / stretch, stretch]) @ turn / cell
        to_grid = np.column_stack([linear, middle - linear @ center])
        blocked = footprints(scene, to_grid, (count, count)) | _outside(room, to_grid, count)
        rows, columns = np.mgrid[:count, :count] - middle
        away = np.hypot(rows, columns)
        blocked &= away > _EXACT  # the source is never blocked by an obstacle
        slowness = _slowness(params["profile_irregularity"], seed, rows / _CELLS, columns / _CELLS)
        start = np.where(away <= _EXACT, away * cell * slowness[middle, middle], np.inf)
        times = arrival_times(slowness, ~blocked, start, cell)
        wettable = np.isfinite(times)
        return cls(
            center=center,
            times=_continued(times, wettable),
            open_times=np.sort(times[wettable]),
            to_grid=to_grid,
            cell_area=cell**2,
            area=float(wettable.sum()) * cell**2,
        )

    def front(self, share: float) -> float:
        """Return the time at which a share of the final area is wet."""
        place = share * self.area / self.cell_area
        return float(np.interp(place, np.arange(len(self.open_times)) + 0.5, self.open_times))

    def reach(self, points: Array) -> Reach:
        """Look up points of the floor.

        Parameters
        ----------
        points : (H, W, 2) array
            Global x and y, m.

        Returns
        -------
        Reach
        """
        grid = points @ self.to_grid[:, :2].T + self.to_grid[:, 2]
        far = float(self.times.max()) * 4.0
        linear = self.to_grid[:, :2]
        # Gradient along the grid's columns and rows, then along global x and y.
        rows, columns = np.gradient(self.times)
        slopes = np.einsum("ci,crs->irs", linear, np.stack([columns, rows]))
        steepness = np.maximum(np.hypot(*slopes), 1e-9)
        layers = (self.times, steepness, slopes[0] / steepness, slopes[1] / steepness)
        time, slowness, east, north = (_looked_up(layer, grid, far) for layer in layers)
        return Reach(time, slowness, np.stack([east, north]))


def _continued(times: Array, wettable: NDArray[np.bool_]) -> Array:
    """Continue times a little into obstacles, for pixels at their edges."""
    away, nearest = cv2.distanceTransformWithLabels(
        (~wettable).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    beside = np.zeros(int(nearest.max()) + 1)
    beside[nearest[wettable]] = times[wettable]
    never = 4.0 * float(times[wettable].max())
    return np.where(away <= _EDGE, beside[nearest], never)


def _looked_up(layer: Array, grid: Array, outside: float) -> Array:
    columns, rows = (np.clip(grid[..., i], -10.0, 1e5).astype(np.float32) for i in (0, 1))
    values = cv2.remap(
        layer.astype(np.float32),
        columns,
        rows,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=outside,
    )
    return np.asarray(values, dtype=np.float64)


def _slowness(irregularity: float, seed: int, v: Array, u: Array) -> Array:
    """Draw the unevenness of the floor; it does not depend on the size of the spill."""
    coarse = stream(seed, "spill_floor").normal(size=(_PATCHES * 2, _PATCHES * 2))
    smooth = np.asarray(cv2.GaussianBlur(coarse, (0, 0), 0.6), np.float32)
    columns, rows = ((axis / _PATCH + _PATCHES).astype(np.float32) for axis in (u, v))
    uneven = cv2.remap(
        smooth / smooth.std(),
        columns,
        rows,
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    # The floor is even at the source, so that every spill begins as a drop.
    near = 1.0 - np.exp(-((u**2 + v**2) / 0.05))
    return np.asarray(np.exp(_UNEVEN * irregularity * uneven * near), dtype=np.float64)


def _outside(room: Room, to_grid: Array, count: int) -> NDArray[np.bool_]:
    """Cells beyond the walls."""
    corners = np.array(
        [
            [room.west, room.south],
            [room.east, room.south],
            [room.east, room.north],
            [room.west, room.north],
        ]
    )
    points = corners @ to_grid[:, :2].T + to_grid[:, 2]
    inside = np.zeros((count, count), np.uint8)
    cv2.fillPoly(inside, [np.round(np.clip(points, -3e4, 3e4)).astype(np.int32)[:, None]], 1)
    return np.asarray(inside == 0)
