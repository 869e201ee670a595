"""From radiance to the 8-bit picture a camera would deliver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.render._jit import kernel

__all__ = ["auto_exposure", "develop"]

_USUAL = 0.35  # mean luminance of a room under a lamp of 100 W
_TARGET = 0.17  # what that is exposed to
_COMPENSATION = 0.62  # share of a change of light (in stops) that the exposure makes up for
_FULL_WELL = 9000.0  # electrons at white, at unit exposure
_READ_NOISE = 6.0  # electrons
_LEVELS = 4096


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


def develop(
    radiance: NDArray[np.float32],
    *,
    rng: np.random.Generator | None,
    exposure: float | None = None,
) -> NDArray[np.uint8]:
    """Expose, add sensor noise, and encode.

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
    if rng is None:
        noise = np.empty((0, 0, 0), np.float32)
    else:
        noise = rng.standard_normal(radiance.shape, dtype=np.float32)
    out = np.empty(radiance.shape, np.uint8)
    _encode(radiance, factor, noise, _TO_SRGB, out)
    return out


@kernel
def _filmic(x: float) -> float:
    """Shoulder and toe of film (Narkowicz's fit of the ACES curve, 2015), 0..1."""
    return min(max(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0), 1.0)


@kernel
def _encode(
    radiance: NDArray[np.float32],
    exposure: float,
    noise: NDArray[np.float32],
    table: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None:
    height, width, _ = out.shape
    noisy = len(noise) == height
    # A longer exposure gathers no more electrons: it stands for a higher gain.
    well = _FULL_WELL / max(exposure, 0.25)
    for row in range(height):
        for column in range(width):
            for k in range(3):
                x = radiance[row, column, k] * exposure
                if noisy:
                    sigma = np.sqrt(max(x, 0.0) / well + (_READ_NOISE / well) ** 2)
                    x = max(x + sigma * noise[row, column, k], 0.0)
                out[row, column, k] = table[int(_filmic(x) * (_LEVELS - 1) + 0.5)]


def _srgb_table() -> NDArray[np.uint8]:
    linear = np.arange(_LEVELS) / (_LEVELS - 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


_TO_SRGB = _srgb_table()
