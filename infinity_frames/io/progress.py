"""Progress bars that suit where they are seen: a notebook, a terminal, or a file of log lines."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

__all__ = ["busy", "progress"]

_LOG_INTERVAL_S = 30.0
_LOG_LINE = "{desc}: {n_fmt} of {total_fmt} after {elapsed}, {remaining} left{postfix}"


def progress(total: int, what: str, *, delay: float = 0.5, quiet: bool = False) -> tqdm[Any]:
    """Return a progress bar with cheap updates; an update by 0 shows a new postfix.

    Parameters
    ----------
    total : int
        How many updates there will be.
    what : str
        Description of the task.
    delay : float
        Seconds before it shows at all: short work leaves nothing on the screen.
    quiet : bool
        Never show it.

    Returns
    -------
    tqdm
        A widget in a notebook that has ipywidgets, else a line that is drawn over again, else
        (where the output is no terminal) a line of text every half minute.
    """
    kind: type[tqdm[Any]] = tqdm
    # The rate is that of the whole time: of the last seconds it would jump with every finished job.
    options: dict[str, Any] = {"mininterval": 0.2, "smoothing": 0.0}
    if _in_kernel():
        if importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.notebook import tqdm_notebook

            kind = tqdm_notebook
    elif not sys.stderr.isatty():
        options |= {"bar_format": _LOG_LINE, "file": _Log()}
    # Without miniters, tqdm would wait for many updates where the first ones came fast.
    return kind(total=total, desc=what, delay=delay, disable=quiet, miniters=0, **options)


@contextmanager
def busy(what: str, *, delay: float = 1.0) -> Iterator[None]:
    """Print the name of a step to stderr if it takes longer than `delay` seconds, and its end.

    For steps without countable parts; others show :func:`progress`.
    """
    start = time.monotonic()
    timer = threading.Timer(delay, _say, [f"{what} ..."])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if time.monotonic() - start > delay:
        _say(f"{what}: done after {time.monotonic() - start:.1f} s")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _in_kernel() -> bool:
    """Return whether this is a notebook's kernel; IPython is not imported to find out."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    return "IPKernelApp" in getattr(shell, "config", {})


class _Log:
    """Where a log goes: a line now and then, and the last one, not each state over the other."""

    def __init__(self) -> None:
        self._next = 0.0
        self._last = self._said = ""

    def write(self, text: str) -> None:
        line = text.strip("\r\n ")
        ended = text == "\n"  # what a bar leaves behind
        self._last = line or self._last
        if self._last != self._said and (ended or time.monotonic() >= self._next):
            sys.stderr.write(f"{self._last}\n")
            self._said = self._last
            self._next = time.monotonic() + _LOG_INTERVAL_S

    def flush(self) -> None:
        sys.stderr.flush()
