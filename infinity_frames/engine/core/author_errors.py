"""Describes errors of a generator's author: type, message, file and line."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["error_text", "explain"]

_PACKAGE = str(Path(__file__).parents[2])


def error_text(error: BaseException) -> str:
    """Return the message of an exception, also if its class has a ``__str__`` that fails."""
    try:
        return str(error)
    except BaseException as failure:
        return f"(no message: __str__() raised {type(failure).__name__})"


def explain(error: BaseException) -> str:
    """Describe an error that the code of a generator raised.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
        Type, message, file and line. The file is the last one outside of this package and of
        installed libraries, because that is where the author can mend it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if _PACKAGE not in frame.filename
        and "site-packages" not in frame.filename
        and not frame.filename.startswith("<frozen ")
        and "/importlib/" not in frame.filename
    ]
    text = " ".join(error_text(error).split()) or "no message"
    where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    if isinstance(error, SyntaxError):
        where = f" ({error.filename}, line {error.lineno})"
    return f"{type(error).__name__}: {text}{where}"
