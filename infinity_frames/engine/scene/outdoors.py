"""The view from a window: sky, hills, trees and houses, different for every seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["outdoor_view"]

Array = NDArray[np.float64]

# Zenith and horizon of a sky. It is day outside: windows are brighter than any paint, and
# overexposed in the picture of a dim room.
_SKIES = (
    ((1.8, 2.6, 4.2), (3.4, 3.9, 4.4)),  # clear
    ((3.2, 3.4, 3.6), (3.8, 3.9, 4.0)),  # overcast
    ((2.0, 2.3, 3.2), (4.2, 3.4, 2.6)),  # evening
)
_FOLIAGE = ((0.20, 0.36, 0.10), (0.10, 0.26, 0.10), (0.34, 0.38, 0.14), (0.42, 0.26, 0.08))
_FACADES = ((0.75, 0.62, 0.48), (0.52, 0.24, 0.17), (0.66, 0.66, 0.64), (0.85, 0.80, 0.70))


def outdoor_view(u: Array, v: Array, draw: np.random.Generator) -> Array:
    """Colors of the view from a window.

    Parameters
    ----------
    u, v : (N,) array
        Coordinates to the right and up, in heights of the window.
    draw : numpy.random.Generator
        Draws the view.

    Returns
    -------
    (N, 3) array
        Linear RGB; the part above 1 is emitted light, W/m^2/sr.
    """
    zenith, horizon = np.array(_SKIES[int(draw.integers(len(_SKIES)))])
    ground = draw.uniform(0.15, 0.4)
    rise = np.clip((v - ground) / (1.0 - ground), 0.0, 1.0)[:, None]
    picture = horizon + (zenith - horizon) * rise
    cloud = np.clip(_noise(u, 2.2 * v, draw, 5.0) - 0.15, 0.0, 1.0)[:, None]
    picture = picture + cloud * (np.array([4.2, 4.2, 4.2]) - picture)
    hill = ground + 0.1 + 0.08 * _noise(u, 0.0 * v, draw, 3.0)
    picture = _over(picture, hill - v, 0.55 * horizon * np.array([0.55, 0.7, 0.8]))
    for _ in range(int(draw.integers(0, 4))):
        picture = _house(picture, u, v, ground, draw)
    for _ in range(int(draw.integers(2, 7))):
        picture = _tree(picture, u, v, ground, draw)
    lawn = np.array(_FOLIAGE[int(draw.integers(3))]) * draw.uniform(0.8, 1.8)
    return _over(picture, ground - v + 0.01 * _noise(u, v, draw, 25.0), lawn)


def _over(picture: Array, inside: Array, color: Array, soft: float = 0.015) -> Array:
    """Paint a color at the points where ``inside`` is above 0."""
    cover = np.clip(inside / soft + 0.5, 0.0, 1.0)[:, None]
    return np.asarray(picture * (1.0 - cover) + color * cover)


def _noise(u: Array, v: Array, draw: np.random.Generator, finest: float) -> Array:
    """Smooth noise around 0 as a sum of waves of random directions."""
    total = np.zeros_like(u)
    for octave in range(6):
        angle, phase = draw.uniform(0, 2 * np.pi, 2)
        frequency = finest * 0.6 ** (octave - 2)
        wave = np.sin(frequency * (u * np.cos(angle) + v * np.sin(angle)) + phase)
        total += wave * 0.75 ** (5 - octave)
    return total / 2.5


def _house(picture: Array, u: Array, v: Array, ground: float, draw: np.random.Generator) -> Array:
    left, wide = draw.uniform(-0.3, float(u.max())), draw.uniform(0.2, 0.6)
    top = ground + draw.uniform(0.2, 0.6)
    wall = np.array(_FACADES[int(draw.integers(len(_FACADES)))]) * draw.uniform(0.9, 2.0)
    inside = np.minimum(np.minimum(u - left, left + wide - u), top - v)
    picture = _over(picture, inside, wall)
    across, up = (u - left) / 0.11, (v - ground) / 0.14
    pane = np.minimum(0.28 - np.abs(across % 1.0 - 0.5), 0.32 - np.abs(up % 1.0 - 0.5))
    glass = np.minimum(pane * 0.1, inside - 0.02)
    picture = _over(picture, glass, np.array([0.12, 0.15, 0.20]), 0.01)
    roof = np.minimum(top + 0.12 - v, v - top)
    slope = roof - np.maximum(np.abs(u - left - wide / 2) - wide / 2, -0.12) * 0.8
    return _over(picture, np.minimum(roof, slope), np.array([0.34, 0.16, 0.11]))


def _tree(picture: Array, u: Array, v: Array, ground: float, draw: np.random.Generator) -> Array:
    x, high = draw.uniform(-0.1, float(u.max()) + 0.1), draw.uniform(0.15, 0.5)
    size = high * draw.uniform(0.4, 0.6)
    green = np.array(_FOLIAGE[int(draw.integers(len(_FOLIAGE)))]) * draw.uniform(0.5, 1.8)
    trunk = np.minimum(0.02 - np.abs(u - x), ground + high - v)
    picture = _over(picture, trunk, np.array([0.12, 0.08, 0.05]))
    rough = 0.05 * _noise(u, v, draw, 45.0)
    inside = size - np.hypot(u - x, v - ground - high) + rough
    shade = np.clip(0.6 + 1.2 * (v - ground - high) / size, 0.3, 1.3)[:, None]
    return _over(picture, inside, green * shade, 0.03)
