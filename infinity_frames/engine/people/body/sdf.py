"""Signed-distance fields of smoothly joined shapes: evaluate, project onto, take normals of.

A field is a table of shapes, evaluated in order and joined by a smooth minimum [1]_ (or cut out by
a smooth maximum). A body is symmetric, so most shapes are given for its left side and evaluated at
``|x|``. Lofts have elliptic cross sections that change along a straight axis; their distance is
exact on the surface and first order near it, which is all that meshing and projection need.

References
----------
.. [1] I. Quilez, "Smooth minimum", https://iquilezles.org/articles/smin/
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from infinity_frames.engine.core.jit import inlined, kernel

__all__ = ["Field", "evaluate", "normals", "project", "sample"]

Array = NDArray[np.float64]

_ELLIPSOID, _CONE, _LOFT = 0.0, 1.0, 2.0
_WIDTH = 24  # columns of a shape: kind, blend, cut, mirrored, bounding sphere, then 16 of its own
_SAMPLES = 160  # of a loft's cross sections along its axis
_FOLD = 0.003  # how softly the mirror plane folds, m


@dataclass
class Field:
    """A signed-distance field under construction; every method adds a shape and returns itself."""

    shapes: list[Array] = field(default_factory=list)
    sections: list[Array] = field(default_factory=list)

    def _add(
        self, kind: float, values: list[float] | Array, blend: float, cut: bool, mirrored: bool
    ) -> Field:
        row = np.zeros(_WIDTH)
        row[:4] = kind, blend, cut, mirrored
        row[8 : 8 + len(values)] = values
        row[4:8] = _bound(kind, row[8:], self.sections)
        self.shapes.append(row)
        return self

    def ellipsoid(
        self,
        center: ArrayLike,
        radii: ArrayLike,
        blend: float = 0.02,
        *,
        pitch: float = 0.0,
        yaw: float = 0.0,
        roll: float = 0.0,
        cut: bool = False,
        mirrored: bool = True,
    ) -> Field:
        """An ellipsoid, turned by pitch (about x), yaw (about y) and roll (about z), in rad."""
        axes = _turn(pitch, yaw, roll)
        values = np.concatenate([np.asarray(center), np.asarray(radii), axes.ravel()])
        return self._add(_ELLIPSOID, values, blend, cut, mirrored)

    def cone(
        self,
        start: ArrayLike,
        end: ArrayLike,
        radius: float,
        end_radius: float,
        blend: float = 0.02,
        *,
        cut: bool = False,
        mirrored: bool = True,
    ) -> Field:
        """Return a round cone: spheres of changing radius along a segment."""
        values = [*np.asarray(start), *np.asarray(end), radius, end_radius]
        return self._add(_CONE, values, blend, cut, mirrored)

    def loft(
        self,
        origin: ArrayLike,
        axis: ArrayLike,
        side: ArrayLike,
        stations: Array,
        blend: float = 0.02,
        *,
        power: float = 2.0,
        mirrored: bool = True,
    ) -> Field:
        """Elliptic cross sections along an axis.

        Parameters
        ----------
        origin, axis, side : (3,) sequence
            Where station 0 lies; the unit axis; a unit vector across it, the section's first axis.
        stations : (N, 7) array
            Distance along the axis; centre along ``side`` and along ``axis x side``; radii along
            +side, -side, +second axis, -second axis, m.
        blend : float
            Radius of the smooth union, m.
        power : float
            2 is an ellipse, more is boxier.
        mirrored : bool
            Evaluated at ``|x|``.
        """
        start, length = stations[0, 0], stations[-1, 0] - stations[0, 0]
        grid = np.linspace(0.0, length, _SAMPLES)
        spline = CubicSpline(stations[:, 0] - start, stations[:, 1:], bc_type="natural")
        # A cubic may swing below a small radius at the ends; the monotone curve never does.
        table = np.array(spline(grid))
        safe = PchipInterpolator(stations[:, 0] - start, stations[:, 1:])(grid)
        table[:, 2:] = np.maximum(table[:, 2:], 0.85 * safe[:, 2:])
        self.sections.append(table)
        frame = np.asarray(axis, float), np.asarray(side, float)
        at = np.asarray(origin, float) + start * frame[0]
        values = [*at, *frame[0], *frame[1], *np.cross(*frame), length, power]
        return self._add(_LOFT, [*values, len(self.sections) - 1], blend, False, mirrored)

    def arrays(self) -> tuple[Array, Array]:
        """Shapes (S, 24) and section tables (T, samples, 6) as the kernels take them."""
        tables = np.stack(self.sections) if self.sections else np.zeros((1, _SAMPLES, 6))
        return np.stack(self.shapes), tables

    def __call__(self, points: Array) -> Array:
        """Signed distance at points (N, 3), negative inside, m."""
        return np.asarray(evaluate(np.ascontiguousarray(points), *self.arrays()))


def _bound(kind: float, own: Array, sections: list[Array]) -> Array:
    """Centre and radius of a sphere round a shape, with room for inexact distances."""
    if kind == _ELLIPSOID:
        return np.array([*own[:3], 1.2 * own[3:6].max()])
    if kind == _CONE:
        half = 0.5 * float(np.linalg.norm(own[3:6] - own[:3]))
        return np.array([*(0.5 * (own[:3] + own[3:6])), half + own[6:8].max()])
    table, length = sections[int(own[14])], own[12]
    across = float(np.abs(table[:, :2]).max() + 1.2 * table[:, 2:].max())
    return np.array([*(own[:3] + 0.5 * length * own[3:6]), np.hypot(0.5 * length, across)])


def _turn(pitch: float, yaw: float, roll: float) -> Array:
    (cx, sx), (cy, sy), (cz, sz) = ((np.cos(a), np.sin(a)) for a in (pitch, yaw, roll))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


@inlined
def _ellipsoid(x: float, y: float, z: float, s: Array) -> float:
    dx, dy, dz = x - s[8], y - s[9], z - s[10]
    a = (s[14] * dx + s[17] * dy + s[20] * dz) / s[11]
    b = (s[15] * dx + s[18] * dy + s[21] * dz) / s[12]
    c = (s[16] * dx + s[19] * dy + s[22] * dz) / s[13]
    k0 = math.sqrt(a * a + b * b + c * c)
    k1 = math.sqrt((a / s[11]) ** 2 + (b / s[12]) ** 2 + (c / s[13]) ** 2)
    return k0 * (k0 - 1.0) / max(k1, 1e-9)


@inlined
def _cone(x: float, y: float, z: float, s: Array) -> float:
    bx, by, bz = s[11] - s[8], s[12] - s[9], s[13] - s[10]
    px, py, pz = x - s[8], y - s[9], z - s[10]
    t = (px * bx + py * by + pz * bz) / (bx * bx + by * by + bz * bz)
    t = min(max(t, 0.0), 1.0)
    px, py, pz = px - t * bx, py - t * by, pz - t * bz
    radius: float = s[14] + t * (s[15] - s[14])
    return math.sqrt(px * px + py * py + pz * pz) - radius


@inlined
def _loft(x: float, y: float, z: float, s: Array, tables: Array) -> float:
    px, py, pz = x - s[8], y - s[9], z - s[10]
    along = px * s[11] + py * s[12] + pz * s[13]
    length = s[20]
    table = tables[int(s[22])]
    position = min(max(along / length, 0.0), 1.0) * (table.shape[0] - 1)
    i = min(int(position), table.shape[0] - 2)
    f = position - i
    u = px * s[14] + py * s[15] + pz * s[16] - (table[i, 0] * (1 - f) + table[i + 1, 0] * f)
    v = px * s[17] + py * s[18] + pz * s[19] - (table[i, 1] * (1 - f) + table[i + 1, 1] * f)
    ku = 2 if u > 0 else 3
    kv = 4 if v > 0 else 5
    a = abs(u) / (table[i, ku] * (1 - f) + table[i + 1, ku] * f)
    b = abs(v) / (table[i, kv] * (1 - f) + table[i + 1, kv] * f)
    rho = math.sqrt(a * a + b * b) if s[21] == 2.0 else (a ** s[21] + b ** s[21]) ** (1.0 / s[21])
    radius = math.sqrt(u * u + v * v)
    radial: float = radius * (1.0 - 1.0 / rho) if rho > 1e-3 else -table[i, ku]
    outside: float = max(-along, along - length)
    if outside <= 0.0:
        return max(radial, outside)
    return outside if radial <= 0.0 else math.sqrt(radial * radial + outside * outside)


@kernel
def _distance(x: float, y: float, z: float, shapes: Array, tables: Array) -> float:
    folded = math.sqrt(x * x + _FOLD * _FOLD)
    d = 1e3
    for k in range(shapes.shape[0]):
        s = shapes[k]
        sx = folded if s[3] == 1.0 else x
        away = math.sqrt((sx - s[4]) ** 2 + (y - s[5]) ** 2 + (z - s[6]) ** 2) - s[7]
        if away > s[1] + (-d if s[2] == 1.0 else d):
            continue
        if s[0] == 0.0:
            e = _ellipsoid(sx, y, z, s)
        elif s[0] == 1.0:
            e = _cone(sx, y, z, s)
        else:
            e = _loft(sx, y, z, s, tables)
        h = max(s[1] - abs(d + e if s[2] == 1.0 else d - e), 0.0) / s[1]
        rounding = h * h * s[1] * 0.25
        d = max(d, -e) + rounding if s[2] == 1.0 else min(d, e) - rounding
    return d


@kernel
def evaluate(points: Array, shapes: Array, tables: Array) -> Array:
    """Signed distance of points (N, 3); see `Field`."""
    out = np.empty(points.shape[0])
    for i in range(points.shape[0]):
        out[i] = _distance(points[i, 0], points[i, 1], points[i, 2], shapes, tables)
    return out


@kernel
def sample(
    x: Array, y: Array, z: Array, matrix: Array, shapes: Array, tables: Array, block: int
) -> Array:
    """Signed distances on a grid, exact only where the surface may pass.

    Parameters
    ----------
    x, y, z : (N,) arrays
        Grid lines.
    matrix : (3, 4) array
        Takes grid coordinates to space.
    shapes, tables : arrays
        See `Field.arrays`.
    block : int
        Points per side of the blocks that are skipped together.
    """
    out = np.empty((x.size, y.size, z.size))
    for i0 in range(0, x.size, block):
        i1 = min(i0 + block, x.size)
        for j0 in range(0, y.size, block):
            j1 = min(j0 + block, y.size)
            for k0 in range(0, z.size, block):
                k1 = min(k0 + block, z.size)
                # One voxel more on every side: neighbours share the cells between them.
                ex = 0.5 * (x[i1 - 1] - x[i0]) + x[1] - x[0]
                ey = 0.5 * (y[j1 - 1] - y[j0]) + y[1] - y[0]
                ez = 0.5 * (z[k1 - 1] - z[k0]) + z[1] - z[0]
                a = 0.5 * (x[i0] + x[i1 - 1])
                b = 0.5 * (y[j0] + y[j1 - 1])
                c = 0.5 * (z[k0] + z[k1 - 1])
                d = _distance_at(a, b, c, matrix, shapes, tables)
                near = abs(d) < 1.6 * math.sqrt(ex * ex + ey * ey + ez * ez)
                for i in range(i0, i1):
                    for j in range(j0, j1):
                        for k in range(k0, k1):
                            if near:
                                d = _distance_at(x[i], y[j], z[k], matrix, shapes, tables)
                            out[i, j, k] = d
    return out


@kernel
def _distance_at(a: float, b: float, c: float, m: Array, shapes: Array, tables: Array) -> float:
    return _distance(
        m[0, 0] * a + m[0, 1] * b + m[0, 2] * c + m[0, 3],
        m[1, 0] * a + m[1, 1] * b + m[1, 2] * c + m[1, 3],
        m[2, 0] * a + m[2, 1] * b + m[2, 2] * c + m[2, 3],
        shapes,
        tables,
    )


@kernel
def _gradient(
    x: float, y: float, z: float, shapes: Array, tables: Array, h: float
) -> tuple[float, float, float]:
    gx = _distance(x + h, y, z, shapes, tables) - _distance(x - h, y, z, shapes, tables)
    gy = _distance(x, y + h, z, shapes, tables) - _distance(x, y - h, z, shapes, tables)
    gz = _distance(x, y, z + h, shapes, tables) - _distance(x, y, z - h, shapes, tables)
    return gx / (2 * h), gy / (2 * h), gz / (2 * h)


@kernel
def project(points: Array, shapes: Array, tables: Array, level: float, step: float) -> Array:
    """Move points (N, 3) onto the surface at distance `level`: two Newton steps of gradient."""
    out = points.copy()
    for i in range(points.shape[0]):
        x, y, z = out[i]
        for _ in range(2):
            d = _distance(x, y, z, shapes, tables) - level
            gx, gy, gz = _gradient(x, y, z, shapes, tables, step)
            move = d / max(gx * gx + gy * gy + gz * gz, 0.25)
            x, y, z = x - move * gx, y - move * gy, z - move * gz
        out[i, 0], out[i, 1], out[i, 2] = x, y, z
    return out


@kernel
def normals(points: Array, shapes: Array, tables: Array, step: float) -> Array:
    """Unit outward normals of a field at points (N, 3), by central differences over `step`, m."""
    out = np.empty_like(points)
    for i in range(points.shape[0]):
        gx, gy, gz = _gradient(points[i, 0], points[i, 1], points[i, 2], shapes, tables, step)
        size = max(math.sqrt(gx * gx + gy * gy + gz * gz), 1e-12)
        out[i, 0], out[i, 1], out[i, 2] = gx / size, gy / size, gz / size
    return out
