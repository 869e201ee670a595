"""What liquids look like, and what they do to a floor: of Spills from v0.2.0 on."""

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
        Natural logarithm by which 1 mm dims red, green and blue light: what makes it clear and
        colored, darker where it is deeper.
    scatters : float
        Share of the light that 1 mm of it scatters back: what makes it cloudy.
    color : tuple of float
        Of a deep layer of what scatters, linear RGB.
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
    """What a floor does with a liquid.

    Parameters
    ----------
    darkens : float
        What is left of the brightness of a soaked surface: wet pores scatter less light back.
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
    """Return how a floor takes liquids, by its pattern."""
    return _WETTINGS.get(floor.pattern, _SEALED)
