"""Check keypoints and cuboids of an annotation against the camera and the mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.data.verify.report import AuditReport

__all__ = ["PointAudit"]

_NEAR = 0.05
"""Depth in m up to which a point is not projected: its x, y and v are 0."""
_PIXEL = 0.05
"""How far a projected point may be from its label, px: labels round."""
_METER = 1e-3
_ROUNDED = 1e-5
"""Rounding of global coordinates, m; the nearer a point, the more pixels that is."""
_REACH = 2
"""Largest distance of a visible point from the person's mask, px: fingers are thin."""
_EDGE = 2e-3
"""Distance from the edge, px, within which rounding may put a point on the other side."""
_SKELETONS = ("armature_keypoints", "vertex_keypoints")


class _Lens:
    """Radial distortion of a camera, as OpenCV writes it; none where it is not described."""

    def __init__(self, K: NDArray[np.float64] | None, radial: float) -> None:  # noqa: N803
        self._k = radial if K is not None else 0.0
        identity = np.eye(3) if K is None else K
        self._center, self._focal = identity[:2, 2], identity[[0, 1], [0, 1]]

    @classmethod
    def of(cls, K: NDArray[np.float64] | None, coefficients: Any) -> _Lens:  # noqa: N803
        """Read ``camera_distortion_coefficients``: k1 first, the others must be 0."""
        radial = _matrix(coefficients, (5,))
        return cls(K, 0.0 if radial is None or radial[1:].any() else float(radial[0]))

    def distorted(
        self, pixels: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where the lens shows image points (N, 2), and how much it magnifies there (N,)."""
        if not self._k:
            return pixels, np.ones(len(pixels))
        flat = (pixels - self._center) / self._focal
        squared = (flat**2).sum(axis=1)
        # A barrel lens folds back beyond the radius at which its slope is 0.
        squared = np.minimum(squared, 1.0 / (-3.0 * self._k) if self._k < 0 else np.inf)
        factor = 1.0 + self._k * squared
        stretch = np.maximum(1.0 + 3.0 * self._k * squared, factor)
        return self._center + flat * self._focal * factor[:, None], stretch

    def edges(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points along all lines between distorted corners, which the lens bends."""
        if not self._k:
            return corners
        target = np.linalg.norm((corners - self._center) / self._focal, axis=1)
        top = 1.0 / np.sqrt(-3.0 * self._k) if self._k < 0 else target.max() + 1.0
        low, high = np.zeros_like(target), np.full_like(target, top)
        for _ in range(60):
            middle = (low + high) / 2
            short = middle * (1.0 + self._k * middle**2) < target
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        straight = self._center + (corners - self._center) / (1.0 + self._k * low**2)[:, None]
        first, second = np.triu_indices(len(corners), 1)
        along = np.linspace(0.0, 1.0, 17)[:, None, None]
        lines = straight[first] * (1.0 - along) + straight[second] * along
        return self.distorted(lines.reshape(-1, 2))[0]


class PointAudit:
    """Projection and visibility of one job's points.

    Parameters
    ----------
    info : mapping
        Labels of the scene, with the camera's matrices where it has them.
    report : AuditReport
        Receives the comparisons.
    """

    def __init__(self, info: Mapping[str, Any], report: AuditReport) -> None:
        self._report = report
        self._P = _matrix(info.get("camera_P_matrix"), (3, 4))
        inner = _matrix(info.get("camera_K_matrix"), (3, 3))
        outer = _matrix(info.get("camera_RT_matrix"), (3, 4))
        self._lens = _Lens.of(inner, info.get("camera_distortion_coefficients"))
        if self._P is not None and inner is not None and outer is not None:
            apart = float(np.abs(self._P - inner @ outer).max())
            what = f"P and K times RT differ by up to {apart:.3g}"
            fits = apart <= 1e-6 * np.abs(self._P).max()
            report.check("camera", fits, what, expected=0, found=apart)

    def annotation(
        self,
        number: int,
        image: Mapping[str, Any],
        annotation: Mapping[str, Any],
        mask: NDArray[np.bool_] | None,
    ) -> None:
        """Check one annotation; `mask` is its visible pixels where they are known."""
        at = {"frame": number, "annotation": annotation.get("id")}
        for skeleton in _SKELETONS:
            points = annotation.get(skeleton)
            if points:
                self._points(points, image, mask, at)
        flat = annotation.get("keypoints")
        if flat:
            coco = np.asarray(flat, float).reshape(-1, 3)
            labeled = int(np.count_nonzero(coco[:, 2]))
            count = annotation.get("num_keypoints")
            what = f"num_keypoints is {count} and {labeled} are labeled"
            self._report.check(
                "keypoints", count == labeled, what, expected=labeled, found=count, **at
            )
        corners = annotation.get("cuboid_coordinates")
        box = annotation.get("bbox")
        if corners and box and box[2] > 0:
            self._cuboid(corners, box, at)

    def _points(
        self,
        points: Mapping[str, Mapping[str, Any]],
        image: Mapping[str, Any],
        mask: NDArray[np.bool_] | None,
        at: Mapping[str, Any],
    ) -> None:
        names = list(points)
        table = np.array(
            [
                [_number(p.get(key)) for key in ("x", "y", "z", "v")]
                + [_number(p.get(f"{axis}_global")) for axis in "xyz"]
                for p in points.values()
            ]
        )
        x, y, depth, v = table[:, :4].T
        if self._P is not None:
            self._project(names, table, at)
        width, height = image["width"], image["height"]
        near_edge = (
            np.minimum.reduce([np.abs(x), np.abs(y), np.abs(x - width), np.abs(y - height)]) < _EDGE
        )
        # A point without a depth only has to be inside the picture.
        ahead = ~(depth <= _NEAR)
        within = (x >= 0) & (x < width) & (y >= 0) & (y < height) & ahead
        wrong = ((v > 0) != within) & ~near_edge & ~np.isnan(v)
        self._listed("visibility", wrong, names, "have a v that contradicts their position", at)
        if mask is not None:
            seen = (v == 2) & within
            self._listed(
                "visibility",
                seen & ~_touches(mask, x, y, seen),
                names,
                "are labeled visible far from the person's visible pixels",
                at,
            )

    def _project(self, names: list[str], table: NDArray[np.float64], at: Mapping[str, Any]) -> None:
        assert self._P is not None
        x, y, depth = table[:, :3].T
        homogeneous = np.column_stack([table[:, 4:], np.ones(len(table))]) @ self._P.T
        w = homogeneous[:, 2]
        ahead = w > _NEAR
        with np.errstate(divide="ignore", invalid="ignore"):
            straight = homogeneous[:, :2] / w[:, None]
        seen, stretch = self._lens.distorted(np.where(ahead[:, None], straight, 0.0))
        expected = np.where(ahead[:, None], seen, 0.0)
        focal = np.abs(self._P[:2, :3]).max()
        slack = _PIXEL + _ROUNDED * focal * stretch / np.maximum(np.abs(w), _NEAR)
        apart = np.hypot(x - expected[:, 0], y - expected[:, 1])
        # Rounding may bring a point to the other side of the nearest depth.
        wrong = (apart > slack) & (np.abs(w - _NEAR) > _ROUNDED)
        wrong |= np.abs(depth - w) > _METER
        self._listed("projection", wrong, names, "are not where P projects them to", at)

    def _cuboid(self, corners: Any, box: Any, at: Mapping[str, Any]) -> None:
        points = [list(c.values()) if isinstance(c, Mapping) else c for c in corners]
        x, y, depth = np.asarray(points, float).T
        if (depth <= _NEAR).any():
            return
        x, y = self._lens.edges(np.stack([x, y], axis=1)).T
        hull = [float(x.min()), float(y.min()), float(x.max()), float(y.max())]
        edges = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
        out = max(hull[0] - edges[0], hull[1] - edges[1], edges[2] - hull[2], edges[3] - hull[3])
        what = f"the box reaches {out:.3g} px out of its cuboid"
        # A pixel belongs to an object if its center does, so a box may reach half a pixel further.
        self._report.check(
            "projection", out <= 0.5 + _PIXEL, what, expected=hull, found=edges, **at
        )

    def _listed(
        self,
        check: str,
        wrong: NDArray[np.bool_],
        names: list[str],
        message: str,
        at: Mapping[str, Any],
    ) -> None:
        found = [name for name, is_wrong in zip(names, wrong, strict=True) if is_wrong]
        few = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        what = f"{len(found)} of {len(names)} points {message}: {few}"
        self._report.check(check, not found, what, expected=0, found=len(found), **at)


def _touches(
    mask: NDArray[np.bool_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    selected: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which of the selected points have a pixel of the mask within reach."""
    near = np.zeros(len(x), bool)
    for point in np.flatnonzero(selected):
        row, column = int(y[point]), int(x[point])
        around = mask[
            max(row - _REACH, 0) : row + _REACH + 1, max(column - _REACH, 0) : column + _REACH + 1
        ]
        near[point] = around.any()
    return near


def _matrix(value: Any, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    if value is None:
        return None
    matrix = np.asarray(value, float)
    return matrix if matrix.shape == shape else None


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)
