"""Tests of sums of squares that hold for noise of unequal variance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fit", "SumOfSquares"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SumOfSquares:
    """What a block of columns explains, against what noise alone would explain."""

    gain: float
    share: float
    """Omega squared (Hays 1963)."""
    noise: float
    """Expected sum of squares without an effect."""
    df: float
    freedom: float
    """Degrees of freedom of `noise`."""
    residual: float
    """Residual degrees of freedom of the model."""
    spread: float
    """Variance of the sum of squares without an effect."""
    loudest: float
    """Largest variance of the metric along one contrast of the block."""
    scale: float
    """The sum of squares that is a share of 1."""

    def p(self, stats: Any) -> float:
        """Probability of this sum of squares without an effect."""
        return float(stats.f.sf(self.gain / self.noise, self.df, self.freedom))

    def floor(self, stats: Any) -> float:
        """Return the share that a block without effect stays below with 95 % probability."""
        limit = stats.f.ppf(0.95, self.df, self.freedom)
        return float(max(limit - 1, 0.0) * self.noise / self.scale)

    def interval(self, stats: Any) -> tuple[float, float]:
        """95 % interval of the share by a normal approximation of the sum of squares."""
        center = max(self.gain - self.noise, 0.0)
        margin = stats.norm.ppf(0.975) * np.sqrt(self.spread + 4 * center * self.loudest)
        return max(center - margin, 0.0) / self.scale, (center + margin) / self.scale


class Fit:
    """Least squares of a centered metric on centered columns.

    Brunner, Dette and Munk (1997), J. Am. Stat. Assoc. 92:1494, compare a sum of squares y'QQ'y
    with its first two moments without an effect. With M = Q'SQ it is tr(M) on average, with
    tr(M)^2 / tr(M^2) degrees of freedom. S holds the variance of each row, here the squared
    residual divided by one minus the leverage (HC2; MacKinnon and White 1985). With equal
    variances this is the F test.
    """

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y = x, y
        self.basis = _orthonormal(x, x)

    def without(self, own: NDArray[np.bool_]) -> SumOfSquares:
        """Return the test of some columns of the fit, given all others (type II)."""
        mine, others = self.x[:, own], self.x[:, ~own]
        gram = self._products
        known = np.linalg.lstsq(gram[np.ix_(~own, ~own)], gram[np.ix_(~own, own)], rcond=1e-9)[0]
        q = _orthonormal(mine - others @ known, mine)
        return self._test(q, self.errors, self.leverage, self.basis.shape[1])

    def beside(self, block: Array) -> SumOfSquares:
        """Return the test of further columns, given those of the fit."""
        block = block - block.mean(0)
        q = _orthonormal(block - self.basis @ (self.basis.T @ block), block)
        errors = self.errors - q @ (q.T @ self.y)
        leverage = self.leverage + np.einsum("ij,ij->i", q, q)
        return self._test(q, errors, leverage, self.basis.shape[1] + q.shape[1])

    def _test(self, q: Array, errors: Array, leverage: Array, rank: int) -> SumOfSquares:
        n, total = len(self.y), float(self.y @ self.y)
        residual = max(n - 1 - rank, 1)
        mse = max(float(errors @ errors), 1e-12 * total) / residual
        free = 1 - leverage
        variance = np.where(free > 1e-6, errors**2 / np.maximum(free, 1e-6), mse)
        variance = np.maximum(variance, 1e-12 * total / n)
        moment = q.T @ (variance[:, None] * q)
        if not q.shape[1]:  # the other columns say the same
            moment = np.array([[mse]])
        noise, squared = float(np.trace(moment)), float((moment**2).sum())
        # A normal error has E[e^4] = 3 s^4, so that e^2 varies by two thirds of its square.
        weights = float(((np.einsum("ij,ij->i", q, q) * variance) ** 2).sum())
        freedom = 3 * noise**2 / weights * residual / n if weights else residual
        gain = float(((q.T @ self.y) ** 2).sum())
        return SumOfSquares(
            gain=gain,
            share=(gain - max(q.shape[1], 1) * mse) / (total + mse),
            noise=noise,
            df=noise**2 / squared,
            freedom=float(np.clip(freedom, 1, residual)),
            residual=residual,
            spread=2 * squared,
            loudest=float(np.linalg.eigvalsh(moment)[-1]),
            scale=total + mse,
        )

    @cached_property
    def errors(self) -> Array:
        """What the fit leaves of the metric."""
        return np.asarray(self.y - self.basis @ (self.basis.T @ self.y))

    @cached_property
    def leverage(self) -> Array:
        """The diagonal of the hat matrix."""
        return np.asarray(np.einsum("ij,ij->i", self.basis, self.basis) + 1 / len(self.y))

    @cached_property
    def _products(self) -> Array:
        return np.asarray(self.x.T @ self.x)


def _orthonormal(x: Array, scale: Array) -> Array:
    """Return an orthonormal basis of columns.

    Directions of no length beside `scale` are left out.
    """
    values, vectors = np.linalg.eigh(x.T @ x)
    kept = values > 1e-9 * max(float((scale**2).sum(0).max(initial=0.0)), 1e-300)
    return np.asarray(x @ (vectors[:, kept] / np.sqrt(values[kept])))
