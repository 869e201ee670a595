"""From radiance to the 8-bit picture a camera would deliver."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from infinity_frames.engine.core.jit import kernel

__all__ = ["FULL_WELL", "READ_NOISE", "auto_exposure", "tone", "tonemap"]

FULL_WELL = 9000.0
"""Electrons that a pixel gathers at exposed radiance 1; a longer exposure stands for a higher gain:
it divides them."""

READ_NOISE = 6.0
"""Standard deviation of the noise of reading a pixel out, electrons."""

_USUAL = 0.35  # mean luminance of a room under a lamp of 100 W
_TARGET = 0.17  # what that is exposed to
_COMPENSATION = 0.62  # share of a change of light (in stops) that the exposure makes up for
_LEAST_GAIN = 0.25
_WHITE = 8.0  # exposed radiance that is shown as white, whatever the tone curve
_STEPS = 8192  # of the table from signal to 8 bits
_DRAWS = 1 << 16


def auto_exposure(radiance: NDArray[np.float32]) -> float:
    """Exposure a camera would choose for a picture.

    It follows the mean brightness, but makes up only for part of it: dim rooms stay dim.

    Parameters
    ----------
    radiance : (H, W, 3) float32 array
        As from ``Renderer.picture``.

    Returns
    -------
    float
        Factor on the radiance.
    """
    luminance = radiance @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    lit = luminance[luminance > 0]  # where nothing is seen, nothing is to be exposed
    if not lit.size:
        return 1.0
    # The mean of logarithms: a lamp does not decide.
    mean = float(np.exp(np.mean(np.log(lit + 1e-4), dtype=np.float64)))
    return float(_TARGET / _USUAL * (_USUAL / mean) ** _COMPENSATION)


def tonemap(
    radiance: NDArray[np.float32],
    *,
    rng: np.random.Generator | None,
    exposure: float | None = None,
) -> NDArray[np.uint8]:
    """Expose, add sensor noise, and encode.

    A pixel's electrons are Poisson distributed about what the light brings, and reading them adds
    normal noise: the variance grows with the brightness. Noise is added to the square root of the
    electrons, where it is normal with standard deviation 1/2 whatever the brightness (Anscombe,
    "The transformation of Poisson, binomial and negative-binomial data", 1948, generalized to read
    noise by Starck, Murtagh and Bijaoui, 1998).

    Parameters
    ----------
    radiance : (H, W, 3) float32 array
        As from ``Renderer.picture``.
    rng : numpy.random.Generator or None
        Draws photon (shot) and read noise; None gives a noiseless picture.
    exposure : float, optional
        Factor on the radiance; default: ``auto_exposure`` of this picture. A video takes that of
        its first frame for all, so that it does not flicker.

    Returns
    -------
    (H, W, 3) uint8 array
        sRGB.
    """
    radiance = np.ascontiguousarray(radiance, np.float32)
    factor = auto_exposure(radiance) if exposure is None else exposure
    well = FULL_WELL / max(factor, _LEAST_GAIN)
    if rng is None:
        draws = np.empty((0, 0, 0), np.uint16)
    else:
        draws = rng.integers(0, _DRAWS, radiance.shape, np.uint16)
    out = np.empty(radiance.shape, np.uint8)
    top = float(np.sqrt(_WHITE * well + READ_NOISE**2))
    _encode(
        radiance,
        np.float32(factor * well),
        np.float32((_STEPS - 1) / top),
        draws,
        _NORMAL,
        _table(well, top),
        out,
    )
    return out


@kernel
def _encode(
    radiance: NDArray[np.float32],
    electrons: np.float32,
    scale: np.float32,
    draws: NDArray[np.uint16],
    normal: NDArray[np.float32],
    table: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None:
    height, width, _ = out.shape
    noisy = len(draws) == height
    floor, half = np.float32(READ_NOISE**2), np.float32(0.5)
    for row in range(height):
        for column in range(width):
            for k in range(3):
                signal = np.sqrt(radiance[row, column, k] * electrons + floor)
                if noisy:
                    signal += half * normal[draws[row, column, k]]
                step = int(signal * scale + half)
                out[row, column, k] = table[min(max(step, 0), len(table) - 1)]


def tone(exposed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The tone curve: exposed radiance to sRGB, 0..1.

    Shoulder and toe of film (Narkowicz's fit of the ACES curve, 2015), then sRGB's own curve.

    Parameters
    ----------
    exposed : array
        Radiance times exposure, 0 or more.

    Returns
    -------
    array
    """
    film = exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14)
    linear = np.clip(film, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(encoded)


@lru_cache(maxsize=4)
def _table(well: float, top: float) -> NDArray[np.uint8]:
    """8 bits of every step of the root of the electrons."""
    root = np.linspace(0.0, top, _STEPS)
    exposed = np.maximum(root**2 - READ_NOISE**2, 0.0) / well
    return np.round(tone(exposed) * 255).astype(np.uint8)


# A standard normal distribution as equally likely values.
_NORMAL = ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS).astype(np.float32)
