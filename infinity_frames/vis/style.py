"""One look for every plot and overlay: colours, fonts and figures, in one place.

Figures are made without pyplot: nothing is registered globally, nothing has to be closed, and
plots can be made in threads.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = [
    "GREY",
    "INK",
    "PALETTE",
    "Drawing",
    "caption",
    "colour",
    "figure",
    "look",
    "rgb",
    "wrap",
]

# Okabe and Ito, "Color Universal Design" (2008): apart for every common kind of colour blindness.
PALETTE = (
    "#0072B2",  # blue
    "#E69F00",  # orange
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#56B4E9",  # sky blue
    "#D55E00",  # vermillion
    "#F0E442",  # yellow
)
INK = "#2B2B2B"
GREY = "#8C8C8C"
PAPER = "#FFFFFF"
"""Figures bring their own light paper, so they read the same on a dark page as on a light one."""

_LOOK: Any = {
    "figure.facecolor": PAPER,
    "figure.dpi": 100,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.limits": (-4, 5),
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same widths everywhere
    "font.size": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.color": INK,
    "text.parse_math": False,  # a $ in somebody's tag is a $
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}


class Drawing(Figure):
    """A matplotlib figure that notebooks show, though pyplot has never heard of it."""

    def pixels(self) -> NDArray[np.uint8]:
        """The figure as an RGB picture, (height, width, 3)."""
        canvas: Any = FigureCanvasAgg(self)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3].copy()

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


@contextmanager
def look() -> Iterator[None]:
    """Everything drawn inside has the package's look; the user's own settings come back after."""
    with mpl.rc_context(_LOOK):
        yield


def figure(width: float, height: float) -> Drawing:
    """An empty figure, sizes in inches, whose parts never overlap."""
    return Drawing(figsize=(width, height), layout="constrained", facecolor=PAPER)


def caption(axes: Axes, text: str, *, empty: bool = False) -> None:
    """Write a text where a plot would be; `empty` shades the place a picture should have had."""
    axes.set(xticks=[], yticks=[], facecolor="#F1F1F1" if empty else PAPER)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def colour(index: int) -> str:
    """A colour for every index: the palette, then darker, then lighter shades of it, then again."""
    lap, place = divmod(index, len(PALETTE))
    towards, share = ((0, 0.0), (0, 0.4), (255, 0.55))[lap % 3]
    mixed = (round(value * (1 - share) + towards * share) for value in rgb(PALETTE[place]))
    return "#{:02X}{:02X}{:02X}".format(*mixed)


def rgb(name: str) -> tuple[int, int, int]:
    """A ``#rrggbb`` colour as three values of 0..255."""
    value = int(name.removeprefix("#"), 16)
    return value >> 16, value >> 8 & 255, value & 255


def wrap(text: str, width: int) -> str:
    """Break a text into lines, and a long_name_of_many_words at its underscores."""
    lines = []
    for line in text.splitlines():
        breakable = line.replace("_", "_ ").replace("-", "- ")
        parts = textwrap.wrap(breakable, width, break_on_hyphens=False) or [""]
        lines += [part.replace("_ ", "_").replace("- ", "-") for part in parts]
    return "\n".join(lines)
