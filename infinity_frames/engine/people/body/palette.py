"""Colors of skin, hair, eyes and clothes, and the materials that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.people.body.appearance import Appearance
from infinity_frames.engine.scene.scene import Color, Material

__all__ = ["Look", "Surface", "complexion", "look", "materials"]

Array = NDArray[np.float64]


class Surface(IntEnum):
    """Index of each material of a body."""

    SKIN = 0
    PAINT = 1
    EYE = 2
    HAIR = 3
    TOP = 4
    BOTTOM = 5
    SHOE = 6
    SOLE = 7
    SOCK = 8
    ACCENT = 9
    TOP_BAND = 10
    BOTTOM_BAND = 11


# sRGB. Skin runs from light to dark; an identity or a seed picks a place between two neighbours.
_SKIN = ("#e2b699", "#d6a382", "#c58f6c", "#ad7753", "#94613f", "#6f452c", "#4c2f20", "#38231a")
_HAIR = ("#17120f", "#2a1c13", "#3f2917", "#5d3d20", "#8a5f31", "#b98d4e", "#6e2f17")
_GRAY = "#8f877e"
_IRIS = ("#3b2314", "#54351c", "#6f5a2e", "#51683f", "#4b6f8c", "#6d8794")
_TOP = (
    *("#2f6fb5", "#b8322f", "#2f7d5b", "#e6e6e2", "#2b2d33", "#6b4a93", "#d9822b", "#7fa6b8"),
    *("#c65b7c", "#8f9499", "#17494d", "#d8c04a"),
)
_BOTTOM = ("#22252b", "#2b3550", "#4a4d52", "#1d3b36", "#5a2e3a", "#6b6a5e", "#101114", "#3a2c4f")
_SHOE = ("#e9e9e6", "#25272b", "#b7332d", "#2d5e9e", "#7c8288", "#3d7a5d")
_SOCK = ("#f2f2ee", "#2a2b2f", "#b9bcc0")
_ACCENT = ("#e6e6e2", "#1b1d22", "#d8c04a", "#2f6fb5", "#b8322f")


@dataclass(frozen=True)
class Look:
    """Linear RGB of everything about one person."""

    skin: Color
    hair: Color
    iris: Color
    top: Color
    bottom: Color
    shoe: Color
    sole: Color
    sock: Color


def _linear(code: str) -> Array:
    srgb = np.array([int(code[k : k + 2], 16) for k in (1, 3, 5)]) / 255.0
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


_ACCENTS = tuple(_linear(code) for code in _ACCENT)


def _color(values: Array) -> Color:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _skin_tone(place: float) -> Color:
    """Skin between two neighbours of the palette; `place` is 0 (lightest) to 1."""
    at = place * (len(_SKIN) - 1.0)
    low = min(int(at), len(_SKIN) - 2)
    mix = at - low
    tone = (1 - mix) * _linear(_SKIN[low]) + mix * _linear(_SKIN[low + 1])
    return _color(0.95 * tone + 0.05 * tone.mean())


def look(appearance: Appearance) -> Look:
    """Colors of a person: the identity's, the skin tone drawn anew where a seed is given."""
    place, seed = appearance.tone, appearance.skin_tone_seed
    tone = place if seed is None else float(stream(seed, "skin_tone").uniform())
    draws = appearance.draws("colors")
    # Fair hair and eyes go with fair skin more often than not.
    fair = place < 0.42
    hair = _linear(_HAIR[draws.integers(0, len(_HAIR) if fair else 3)])
    gray = float(np.clip((appearance.age - 38.0 - 14.0 * draws.uniform()) / 22.0, 0.0, 1.0))
    hair = (1.0 - gray) * hair + gray * _linear(_GRAY)
    iris = draws.integers(0, len(_IRIS) if fair else 2)
    clothes = appearance.draws("clothes")
    # Another outfit is other clothes of the same wardrobe.
    first = int(clothes.integers(0, len(_TOP))) + 5 * appearance.outfit
    second = int(clothes.integers(0, len(_BOTTOM))) + 3 * appearance.outfit
    shoe, sock = clothes.integers(0, len(_SHOE)), clothes.integers(0, len(_SOCK))
    return Look(
        skin=_skin_tone(tone),
        hair=_color(hair),
        iris=_color(_linear(_IRIS[iris])),
        top=_color(_linear(_TOP[first % len(_TOP)])),
        bottom=_color(_linear(_BOTTOM[second % len(_BOTTOM)])),
        shoe=_color(_linear(_SHOE[shoe])),
        sole=_color(_linear("#e4e2dc")),
        sock=_color(_linear(_SOCK[sock])),
    )


def complexion(points: Array, flushed: Array, pale: Array) -> Array:
    """Factors on the skin's color, (N, 3): redder over bone and blood, lighter in palms and soles.

    Parameters
    ----------
    points : (N, 3) array
        Places, m.
    flushed : (K, 4) array
        Centers and radii of redder places: cheeks, nose, ears, knuckles, knees, elbows, m.
    pale : (L, 4) array
        Centers and radii of lighter places, m.
    """
    colors = np.ones((len(points), 3))
    for spots, tint in ((flushed, (1.0, 0.80, 0.78)), (pale, (1.12, 1.06, 1.06))):
        for *center, radius in spots:
            near = np.exp(-(((points - center) ** 2).sum(axis=1) / radius**2))
            colors *= 1.0 + near[:, None] * (np.array(tint) - 1.0)
    return colors


def materials(colors: Look, bottom: str) -> tuple[Material, ...]:
    """Materials in the order of `Surface`."""
    skin = np.array(colors.skin)
    flushed = _color(np.clip(skin * (1.0, 0.86, 0.82), 0, 1))
    sheen = {"LEGGINGS": 0.62}.get(bottom, 0.9)
    white = (1.0, 1.0, 1.0)

    def cloth(color: Color, roughness: float = 0.92) -> Material:
        darker = _color(0.72 * np.array(color))
        return Material(color, darker, "fabric", 0.0022, roughness, 0.03)

    accent = _color(_ACCENTS[int(1000 * sum(colors.top)) % len(_ACCENTS)])
    return (
        Material(colors.skin, flushed, "skin", 0.03, 0.58, 0.028),
        Material(white, roughness=0.55, specular=0.03),
        Material(white, roughness=0.12, specular=0.05),
        Material(colors.hair, _color(0.5 * np.array(colors.hair)), "fabric", 0.004, 0.6, 0.04),
        cloth(colors.top),
        cloth(colors.bottom, sheen),
        cloth(colors.shoe, 0.7),
        Material(colors.sole, roughness=0.75, specular=0.04),
        cloth(colors.sock),
        cloth(accent),
        cloth(_color(0.68 * np.array(colors.top))),
        cloth(_color(0.68 * np.array(colors.bottom) + 0.004), sheen),
    )
