"""The look of liquids, and their effect on floors, from Spills v0.2.0 on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infinity_frames.engine.scene.scene import Material

__all__ = ["LIQUIDS", "Fluid", "Wetting", "wetting"]


@dataclass(frozen=True)
class Fluid:
    """A liquid.

    Parameters
    ----------
    absorbs : tuple of float
        Absorption of red, green and blue light per mm (natural logarithm): a clear color, darker in
        deeper liquid.
    scatters : float
        Share of the light that 1 mm scatters back: the cloudiness.
    color : tuple of float
        Color of a deep scattering layer, linear RGB.
    """

    absorbs: tuple[float, float, float]
    scatters: float = 0.0
    color: tuple[float, float, float] = (0.0, 0.0, 0.0)


LIQUIDS: Mapping[str, Fluid] = {
    "TRANSPARENT": Fluid((0.020, 0.008, 0.006)),
    "RED": Fluid((0.06, 1.30, 1.15), 0.10, (0.30, 0.012, 0.012)),
    "BROWN": Fluid((0.45, 0.80, 1.45), 0.06, (0.09, 0.040, 0.014)),
    "WHITE": Fluid((0.01, 0.015, 0.03), 0.80, (0.74, 0.72, 0.66)),
    "ORANGE": Fluid((0.02, 0.35, 1.50), 0.38, (0.72, 0.27, 0.015)),
    "YELLOW": Fluid((0.015, 0.07, 0.95), 0.03, (0.60, 0.45, 0.03)),
    "GREEN": Fluid((1.25, 0.10, 0.60), 0.07, (0.03, 0.42, 0.12)),
    "BLUE": Fluid((1.35, 0.45, 0.06), 0.07, (0.02, 0.10, 0.45)),
    "BLACK": Fluid((1.70, 1.85, 2.10)),
}
"""Water, berry juice, coffee, milk, orange juice, oil, coolant, detergent, used engine oil."""


@dataclass(frozen=True)
class Wetting:
    """The effect of a liquid on a floor.

    Parameters
    ----------
    darkens : float
        Brightness of a soaked surface relative to the dry one: wet pores scatter less light back.
    film : float
        Share of the liquid that stays on top; the rest soaks in.
    soaks : float
        Width of the damp margin without a film, m.
    rim : float
        Width of the slope at the edge of the film, m.
    """

    darkens: float
    film: float
    soaks: float
    rim: float


_WETTINGS = {
    "tiles": Wetting(0.92, 1.0, 0.0, 0.022),
    "concrete": Wetting(0.62, 0.85, 0.022, 0.035),
    "planks": Wetting(0.72, 0.90, 0.012, 0.030),
    "carpet": Wetting(0.55, 0.12, 0.050, 0.090),
}
_SEALED = Wetting(0.85, 1.0, 0.0, 0.03)


def wetting(floor: Material) -> Wetting:
    """Return the wetting of a floor, by the pattern of its material."""
    return _WETTINGS.get(floor.pattern, _SEALED)
