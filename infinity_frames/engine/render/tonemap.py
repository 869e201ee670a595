"""Convert radiance to the 8-bit picture of a camera."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from infinity_frames.engine.core.jit import kernel

__all__ = ["FULL_WELL", "READ_NOISE", "Response", "auto_exposure", "tone", "tonemap"]

FULL_WELL = 9000.0
"""Electrons of a pixel at exposed radiance 1 and gain 1; the gain divides them."""

READ_NOISE = 6.0
"""Standard deviation of the read noise of a pixel, electrons."""

_USUAL = 0.35  # mean luminance of a room under a lamp of 100 W
_TARGET = 0.17  # exposed radiance of that luminance
_COMPENSATION = 0.62  # share of a change of light (in stops) that the exposure compensates
_TAILS = (0.1, 0.9)  # quantiles of the luminance that must not become white or black
_LEVELS = (0.12, 0.88)  # lowest level of the brighter quantile, highest level of the darker one
_LEAST_GAIN = 0.25
_WHITE = 8.0  # exposed radiance that is shown as white, whatever the tone curve
_STEPS = 8192  # of the table from signal to 8 bits
_DRAWS = 1 << 16
_PIVOT = 0.5  # level that a change of contrast keeps


class Response(NamedTuple):
    """The response of a camera to exposed radiance; the defaults are neutral."""

    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)  # gains of red, green and blue
    vignette: float = 0.0  # loss of light in the corners, as a share
    softness: float = 0.0  # standard deviation of the lens's blur, px
    contrast: float = 1.0  # slope of the tone curve in the mid tones
    black: float = 0.0  # level at which black is shown; below 0, shadows are clipped
    white: float = 1.0  # level that is shown as 1
    gain: float = 1.0  # of the sensor: divides the electrons that a pixel gathers
    denoising: float = 0.0  # 0..1
    sharpening: float = 0.0  # 0..2


_NEUTRAL = Response()


def auto_exposure(
    radiance: NDArray[np.float32], *, stops: float = 0.0, response: Response = _NEUTRAL
) -> float:
    """Choose the exposure of a picture automatically.

    It compensates only part of the mean brightness: dim rooms stay dim. With any compensation and
    tone curve, the brightest tenth of the picture does not become black, and the darkest tenth does
    not become white.

    Parameters
    ----------
    radiance : (H, W, 3) float32 array
        As from ``Renderer.picture``.
    stops : float
        Compensation of the camera's choice, EV.
    response : Response
        Response of the camera; its tone curve decides which levels become black or white.

    Returns
    -------
    float
        Factor on the radiance.
    """
    luminance = radiance @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    lit = luminance[luminance > 0]  # an empty picture needs no exposure
    if not lit.size:
        return 1.0
    # The mean of logarithms: a lamp in view has little influence.
    mean = float(np.exp(np.mean(np.log(lit + 1e-4), dtype=np.float64)))
    chosen = _TARGET / _USUAL * (_USUAL / mean) ** _COMPENSATION * 2.0**stops
    dark, bright = (float(level) for level in np.quantile(lit, _TAILS))
    exposed = np.geomspace(1e-4, _WHITE, 2048)
    level = graded(tone(exposed), response.contrast, response.black, response.white)
    lowest, highest = exposed[np.searchsorted(level, _LEVELS).clip(0, len(exposed) - 1)]
    # If the contrast exceeds the range of the tone curve, the bright part is kept.
    return float(max(min(chosen, highest / dark), lowest / bright))


def tonemap(
    radiance: NDArray[np.float32],
    *,
    rng: np.random.Generator | None,
    exposure: float | None = None,
    response: Response = _NEUTRAL,
) -> NDArray[np.uint8]:
    """Expose, add sensor noise, and encode.

    The electrons of a pixel are Poisson distributed, and reading them adds normal noise: the
    variance grows with the brightness. Noise is added to the square root of the electrons, where it
    is normal with standard deviation 1/2 whatever the brightness (Anscombe, "The transformation of
    Poisson, binomial and negative-binomial data", 1948, generalized to read noise by Starck,
    Murtagh and Bijaoui, 1998).

    Parameters
    ----------
    radiance : (H, W, 3) float32 array
        As from ``Renderer.picture``.
    rng : numpy.random.Generator or None
        Draws photon (shot) and read noise; None gives a noiseless picture.
    exposure : float, optional
        Factor on the radiance; default: ``auto_exposure`` of this picture. A video uses the
        exposure of its first frame for all frames, to avoid flicker.
    response : Response
        Of the camera.

    Returns
    -------
    (H, W, 3) uint8 array
        sRGB.
    """
    factor = auto_exposure(radiance) if exposure is None else exposure
    radiance = _through_lens(np.ascontiguousarray(radiance, np.float32), response)
    well = FULL_WELL / max(factor, _LEAST_GAIN) / response.gain
    if rng is None:
        draws = np.empty((0, 0, 0), np.uint16)
    else:
        draws = rng.integers(0, _DRAWS, radiance.shape, np.uint16)
    out = np.empty(radiance.shape, np.uint8)
    top = float(np.sqrt(_WHITE * well + READ_NOISE**2))
    _encode(
        radiance,
        np.float32(factor * well) * np.array(response.balance, np.float32),
        np.float32((_STEPS - 1) / top),
        draws,
        _NORMAL,
        _table(well, top, response.contrast, response.black, response.white),
        out,
    )
    return _processed(out, response)


def _through_lens(radiance: NDArray[np.float32], response: Response) -> NDArray[np.float32]:
    """Apply the lens: blur the radiance, and dim it toward the corners."""
    if response.softness > 0.0:
        blurred = cv2.GaussianBlur(
            radiance, (0, 0), response.softness, borderType=cv2.BORDER_REPLICATE
        )
        radiance = np.asarray(blurred, np.float32)
    if response.vignette > 0.0:
        radiance = radiance * _falloff(radiance.shape[0], radiance.shape[1], response.vignette)
    return radiance


@lru_cache(maxsize=4)
def _falloff(height: int, width: int, share: float) -> NDArray[np.float32]:
    """Return the share of the light that reaches each pixel, (H, W, 1).

    It falls with the squared radius.
    """
    y = (np.arange(height) + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    squared = (x**2 * width**2 + y[:, None] ** 2 * height**2) / (width**2 + height**2)
    return (1.0 - share * squared).astype(np.float32)[..., None]


def _processed(picture: NDArray[np.uint8], response: Response) -> NDArray[np.uint8]:
    """Noise reduction and sharpening as phones do: color is smoothed more than brightness."""
    if response.denoising == 0.0 and response.sharpening == 0.0:
        return picture
    y, cr, cb = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb))
    if response.denoising > 0.0:
        y = cv2.bilateralFilter(y, 5, 30.0 * response.denoising, 1.5)
        spread = 0.3 + 1.5 * response.denoising
        cr, cb = (cv2.GaussianBlur(plane, (0, 0), spread) for plane in (cr, cb))
    if response.sharpening > 0.0:
        smooth = cv2.GaussianBlur(y, (0, 0), 1.2)
        y = cv2.addWeighted(y, 1.0 + response.sharpening, smooth, -response.sharpening, 0.0)
    return np.asarray(cv2.cvtColor(cv2.merge([y, cr, cb]), cv2.COLOR_YCrCb2RGB))


@kernel
def _encode(
    radiance: NDArray[np.float32],
    electrons: NDArray[np.float32],
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
                signal = np.sqrt(radiance[row, column, k] * electrons[k] + floor)
                if noisy:
                    signal += half * normal[draws[row, column, k]]
                step = int(signal * scale + half)
                out[row, column, k] = table[min(max(step, 0), len(table) - 1)]


def tone(exposed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tone curve: exposed radiance to sRGB, 0..1.

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


def graded(
    level: NDArray[np.float64], contrast: float, black: float, white: float
) -> NDArray[np.float64]:
    """Change the contrast and the clipping of encoded levels.

    Parameters
    ----------
    level : array
        sRGB levels, 0..1.
    contrast : float
        Slope at the pivot; the curve keeps 0, the pivot and 1.
    black : float
        Level at which 0 is shown; levels that come out below 0 are clipped.
    white : float
        Level from which on everything is 1.

    Returns
    -------
    array
        0..1.
    """
    low = _PIVOT * (level / _PIVOT) ** contrast
    high = 1.0 - (1.0 - _PIVOT) * ((1.0 - level) / (1.0 - _PIVOT)) ** contrast
    curved = np.where(level < _PIVOT, low, high)
    return np.clip(black + (1.0 - black) * curved / white, 0.0, 1.0)


@lru_cache(maxsize=4)
def _table(
    well: float, top: float, contrast: float, black: float, white: float
) -> NDArray[np.uint8]:
    """Table of 8-bit levels by the square root of the electrons."""
    root = np.linspace(0.0, top, _STEPS)
    exposed = np.maximum(root**2 - READ_NOISE**2, 0.0) / well
    level = graded(tone(exposed), contrast, black, white)
    return np.round(level * 255).astype(np.uint8)


# A standard normal distribution as equally likely values.
_NORMAL = ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS).astype(np.float32)
