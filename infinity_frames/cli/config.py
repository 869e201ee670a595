"""Options of ``serve`` from a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from infinity_frames.protocol.errors import EngineError

__all__ = ["options_of_file"]


def options_of_file(path: Path) -> list[str]:
    """Return the arguments that stand for the entries of a TOML file.

    Parameters
    ----------
    path : Path
        Keys are the names of the options, such as ``job-timeout``; a list repeats its option.

    Returns
    -------
    list of str
        To be parsed before the arguments of the command line, which then take precedence.

    Raises
    ------
    EngineError
        The file cannot be read, is not TOML, or holds something other than texts and numbers.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise EngineError(
            f"{path} is not valid TOML: {error}.", advice='Write lines such as keep = "30d".'
        ) from None
    arguments = []
    for key, value in entries.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, bool) or not isinstance(item, str | int | float):
                raise EngineError(
                    f"The value of {key!r} in {path} is not a text or a number.",
                    advice='Write lines such as keep = "30d".',
                )
            arguments.append(f"--{key}={item}")
    return arguments
