"""Colors, fonts and figures shared by every plot and overlay.

A figure works with and without pyplot. In a script's main thread it becomes pyplot's current
figure, so that ``plt.savefig`` and ``plt.show`` find it; the oldest ones are released, so that
nothing has to be closed. In notebooks and threads pyplot is not used.
"""

from __future__ import annotations

import base64
import io
import sys
import tempfile
import textwrap
import threading
import warnings
import weakref
import webbrowser
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from infinity_frames.protocol.errors import FrameError

__all__ = [
    "DARK",
    "LIGHT",
    "PALETTE",
    "Drawing",
    "PictureGrid",
    "Theme",
    "axes_on",
    "caption",
    "color",
    "counted",
    "drawing_on",
    "figure",
    "in_notebook",
    "look",
    "on_dark_pages",
    "rgb",
    "set_theme",
    "short",
    "theme",
    "wrap",
]

# Okabe and Ito, "Color Universal Design" (2008): apart for every common kind of color blindness.
PALETTE = (
    "#0072B2",  # blue
    "#E69F00",  # orange
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#56B4E9",  # sky blue
    "#D55E00",  # vermillion
    "#F0E442",  # yellow
)


@dataclass(frozen=True)
class Theme:
    """Colors of a plot, as ``#rrggbb``: background, text and the palette of the data."""

    name: str
    paper: str
    ink: str
    gray: str
    grid: str
    empty: str
    palette: tuple[str, ...]

    def color(self, index: int) -> str:
        """Color of a series by its index."""
        return color(index, self.palette)


LIGHT = Theme("light", "#FFFFFF", "#2B2B2B", "#8C8C8C", "#E3E3E3", "#F1F1F1", PALETTE)
# The same hues; the two blues change places, since the darker one is hard to see on dark paper.
DARK = Theme(
    "dark",
    "#16191F",
    "#E6E8EB",
    "#8B929C",
    "#2E343D",
    "#232831",
    ("#56B4E9", "#E69F00", "#1BB38A", "#CC79A7", "#3F8FD2", "#E8702A", "#F0E442"),
)
_THEMES = {theme.name: theme for theme in (LIGHT, DARK)}
# Of the process, not of a thread or task: notebooks may run each cell in a separate context.
_current: dict[str, Any] = {"theme": LIGHT, "chosen": False}


def theme() -> Theme:
    """Return the current theme."""
    now: Theme = _current["theme"]
    return now


class set_theme:  # noqa: N801 - read as a verb, as torch.set_grad_enabled is
    """Set the light or dark theme of plots, for good or inside a ``with`` block.

    Without it, plots are light and notebooks with a dark page show them dark.

    Parameters
    ----------
    name : {"light", "dark"}
        The theme. Pictures with labels over them look the same in both.

    Raises
    ------
    FrameError
        The theme is unknown.

    Examples
    --------
    >>> with set_theme("dark"):
    ...     figure = visualize_job_params(jobs)
    """

    def __init__(self, name: str) -> None:
        if name not in _THEMES:
            raise FrameError(f"Unknown theme {name!r}.", advice=f"Available: {', '.join(_THEMES)}.")
        self._before = dict(_current)
        _current.update(theme=_THEMES[name], chosen=True)

    def __enter__(self) -> set_theme:
        return self

    def __exit__(self, *_: object) -> None:
        _current.update(self._before)


def _settings(now: Theme) -> Any:
    return {
        "figure.facecolor": now.paper,
        "figure.dpi": 100,
        "savefig.facecolor": now.paper,
        "axes.facecolor": now.paper,
        "axes.edgecolor": now.gray,
        "axes.labelcolor": now.ink,
        "axes.labelsize": 9,
        "axes.titlecolor": now.ink,
        "axes.titlelocation": "left",
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.formatter.limits": (-4, 5),
        "grid.color": now.grid,
        "grid.linewidth": 0.6,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", *_other_scripts()],  # DejaVu ships with matplotlib
        "font.size": 9,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "text.color": now.ink,
        "text.parse_math": False,  # a $ in somebody's tag is a $
        "xtick.color": now.ink,
        "ytick.color": now.ink,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
    }


@cache
def _other_scripts() -> list[str]:
    """Installed fonts for scripts that DejaVu Sans lacks, by the names that systems give them."""
    wanted = ("Noto Sans CJK", "Noto Sans", "Noto Emoji", "Symbola", "Arial Unicode", "Segoe UI")
    there = {font.name for font in font_manager.fontManager.ttflist}
    return [name for start in wanted for name in sorted(there) if name.startswith(start)]


class Drawing(Figure):
    """A matplotlib figure that notebooks show without pyplot."""

    def pixels(self) -> NDArray[np.uint8]:
        """Render the figure as an RGB picture, uint8 of shape (height, width, 3)."""
        before = self.canvas
        canvas: Any = FigureCanvasAgg(self)
        with _missing_letters_as_boxes():
            canvas.draw()
        self.set_canvas(before)
        return np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3].copy()

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """Write the figure to a file, as :meth:`matplotlib.figure.Figure.savefig` does."""
        with _missing_letters_as_boxes():
            super().savefig(fname, **kwargs)

    def show(self, warn: bool = True) -> None:
        """Show the figure: in the notebook, in a window, or else as a picture in the browser.

        Parameters
        ----------
        warn : bool
            As in :meth:`matplotlib.figure.Figure.show`.
        """
        if in_notebook():
            from IPython.display import display  # only where a notebook has imported it

            display(self)  # type: ignore[no-untyped-call]
        elif mpl.get_backend().lower() in _windows():
            super().show(warn)
        else:
            path = Path(tempfile.mkdtemp(prefix="infinity-")) / "figure.png"
            self.savefig(path)
            print(f"Figure written to {path}")
            webbrowser.open(path.as_uri())

    adapts = False
    """Whether a notebook with a dark page shows it in dark colors."""

    def _encoded(self, kind: str) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format=kind, facecolor=self.get_facecolor())
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self._encoded("png")

    def _repr_html_(self) -> str | None:
        """Return the picture with colors that follow the page; None where the user set a theme."""
        return _page(self._encoded("png"), "png", "infinity-plot") if self.adapts else None


class PictureGrid(Drawing):
    """A figure of photographs; notebooks store it as JPEG, a tenth of the size of PNG."""

    _repr_png_ = None  # type: ignore[assignment]

    def _repr_jpeg_(self) -> bytes:
        return self._encoded("jpg")

    def _repr_html_(self) -> str | None:
        """Return an image element; captions are readable on light and on dark pages."""
        if not self.adapts:
            return None
        texts = [(text, text.get_color()) for text in self.findobj(Text)]
        empty = [axes for axes in self.axes if not axes.images]
        grounds = [(axes, axes.get_facecolor()) for axes in empty]
        try:
            for text, _ in texts:
                text.set_color(_MIDDLE_GRAY)
            for axes in empty:
                axes.set_facecolor("none")
            buffer = io.BytesIO()
            self.savefig(buffer, format="webp", facecolor="none")
        finally:
            for text, before in texts:
                text.set_color(before)
            for axes, ground in grounds:
                axes.set_facecolor(ground)
        return _page(buffer.getvalue(), "webp", "infinity-pictures")


# On white and on near-black the contrast is 4.4 to 1.
_MIDDLE_GRAY = "#777777"
_DARK_PAGES = (
    'body[data-jp-theme-light="false"]',
    "body.vscode-dark",
    'html[data-theme="dark"]',
    'body[data-theme="dark"]',
)


def on_dark_pages(element: str, rules: str) -> str:
    """CSS that applies to an element on dark pages only.

    JupyterLab, VS Code and documentation pages mark a dark page in their own ways; elsewhere the
    preference of the browser decides.
    """
    known = ", ".join(f"{page} {element}" for page in _DARK_PAGES)
    other = f"body:not([data-jp-theme-light]):not(.vscode-light) {element}"
    return f"{known} {{{rules}}} @media (prefers-color-scheme: dark) {{{other} {{{rules}}}}}"


def _page(picture: bytes, kind: str, name: str) -> str:
    """Embed a picture in a page; plots turn dark where the page is, keeping their hues."""
    dark = on_dark_pages("img.infinity-plot", "filter: invert(0.92) hue-rotate(180deg);")
    style = f"<style>img.{name} {{max-width: 100%;}} {dark}</style>"
    data = base64.b64encode(picture).decode("ascii")
    return f'{style}<img class="{name}" src="data:image/{kind};base64,{data}" alt="">'


@contextmanager
def look() -> Iterator[None]:
    """Apply the package's matplotlib settings inside the block and restore the user's after it."""
    with mpl.rc_context(_settings(theme())):
        yield


def figure(width: float, height: float, kind: type[Drawing] = Drawing) -> Drawing:
    """Return an empty figure with constrained layout; sizes in inches."""
    made = kind(figsize=(width, height), layout="constrained", facecolor=theme().paper)
    made.adapts = not _current["chosen"]
    _make_current(made)
    return made


def drawing_on(axis: Axes) -> Figure:
    """Return the figure that an axes belongs to, also where it lies in a subfigure.

    Raises
    ------
    FrameError
        The axes was removed from its figure.
    """
    found = axis.get_figure(root=True)
    if not isinstance(found, Figure):
        raise FrameError("The axes of ax= belongs to no figure.", advice="Pass ax of plt.subplots.")
    return found


@contextmanager
def axes_on(ax: Axes | None, width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Yield the caller's figure and axes, or new ones in the style of the package."""
    if ax is not None:
        yield drawing_on(ax), ax
        return
    drawing = figure(width, height)
    with look():
        yield drawing, drawing.subplots()


def in_notebook() -> bool:
    """Return whether this process is a notebook's kernel, which shows figures by itself."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


_MOST_CURRENT = 8
_current_figures: deque[weakref.ref[Drawing]] = deque()


def _make_current(made: Drawing) -> None:
    """Let pyplot know a figure; release the oldest, which pyplot would otherwise keep for good."""
    if in_notebook() or threading.current_thread() is not threading.main_thread():
        return
    import matplotlib.pyplot as plt  # seaborn has imported it anyway

    plt.figure(made)
    _current_figures.append(weakref.ref(made))
    while len(_current_figures) > _MOST_CURRENT:
        if (oldest := _current_figures.popleft()()) is not None:
            plt.close(oldest)


def _windows() -> set[str]:
    """Backends of matplotlib that open windows, in lower case."""
    from matplotlib.backends.registry import BackendFilter, backend_registry

    registry: Any = backend_registry
    return {name.lower() for name in registry.list_builtin(BackendFilter.INTERACTIVE)}


@contextmanager
def _missing_letters_as_boxes() -> Iterator[None]:
    """Draw letters that no installed font has as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def caption(axes: Axes, text: str, *, empty: bool = False) -> None:
    """Write a text in place of a plot; `empty` shades the background, for a missing picture."""
    axes.set(xticks=[], yticks=[], facecolor=theme().empty if empty else theme().paper)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def color(index: int, palette: tuple[str, ...] = PALETTE) -> str:
    """Color by index: the palette, then darker, then lighter shades of it, then repeated."""
    lap, place = divmod(index, len(palette))
    towards, share = ((0, 0.0), (0, 0.4), (255, 0.55))[lap % 3]
    mixed = (round(value * (1 - share) + towards * share) for value in rgb(palette[place]))
    return "#{:02X}{:02X}{:02X}".format(*mixed)


def rgb(name: str) -> tuple[int, int, int]:
    """Convert a ``#rrggbb`` color to three values of 0..255."""
    value = int(name.removeprefix("#"), 16)
    return value >> 16, value >> 8 & 255, value & 255


def counted(count: int, noun: str) -> str:
    """Count with its noun: 1 job, 1,200 jobs."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def wrap(text: str, width: int) -> str:
    """Break a text into lines, and a long_name_of_many_words at its underscores."""
    lines = []
    for line in text.splitlines():
        breakable = line.replace("_", "_ ").replace("-", "- ")
        parts = textwrap.wrap(breakable, width, break_on_hyphens=False) or [""]
        lines += [part.replace("_ ", "_").replace("- ", "-") for part in parts]
    return "\n".join(lines)


def short(text: str, longest: int) -> str:
    """Shorten a long text in its middle, so that both ends stay readable."""
    if len(text) <= longest:
        return text
    keep = longest - 1
    return f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"
