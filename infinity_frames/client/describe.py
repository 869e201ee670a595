"""The server's description of a generator, and views of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

from infinity_frames.client.http import RestClient
from infinity_frames.protocol.errors import UnknownGenerator
from infinity_frames.protocol.schemas import PARAMETERS
from infinity_frames.protocol.spec import Generator

__all__ = ["describe", "parameter_frame", "parameter_info"]

_VERSIONED = re.compile(r"(?P<name>.+)-v(?P<version>\d+(?:\.\d+)*)")


def describe(rest: RestClient, generator: str) -> Generator:
    """Read a generator's description from the server.

    Parameters
    ----------
    generator : str
        Full name, such as ``"sensefit-v0.2.0"``, or the name without its version, which stands for
        the newest version on the server.

    Raises
    ------
    UnknownGenerator
        The server has no such generator; the error lists those that it has.
    """
    name = str(generator).strip()
    if not _VERSIONED.fullmatch(name):
        name = _newest(name, _names(rest)) or name
    try:
        return Generator.from_json(rest.generator(name))
    except UnknownGenerator as error:
        reason = rest.broken_generators().get(name)
        if reason is not None:
            raise UnknownGenerator(
                f"The generator {name!r} is installed on the server but cannot be used: {reason}",
                advice="Repair or update its package there.",
                **error.where,
            ) from None
        names = _names(rest)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.3)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise UnknownGenerator(
            f"The server has no generator {name!r}.",
            advice=f"{hint}Available: {', '.join(names) or 'none'}.",
            **error.where,
        ) from None


def _names(rest: RestClient) -> list[str]:
    return [str(item.get("name")) for item in rest.generators()]


def _newest(name: str, names: Iterable[str]) -> str | None:
    """Full name of the newest version; None if the server has none, or has the bare name itself."""
    versions = []
    for full in names:
        if full == name:
            return None
        match = _VERSIONED.fullmatch(full)
        if match and match["name"] == name:
            versions.append((tuple(map(int, match["version"].split("."))), full))
    return max(versions)[1] if versions else None


def parameter_frame(spec: Generator) -> pd.DataFrame:
    """Build the parameters frame: a row per parameter, indexed by name."""
    rows = [
        {
            "name": parameter.name,
            "type": parameter.type,
            "default": parameter.default,
            "min": parameter.min,
            "max": parameter.max,
            "choices": None if parameter.choices is None else list(parameter.choices),
            "unit": parameter.unit,
            "description": parameter.description,
        }
        for parameter in spec.parameters
    ]
    frame = pd.DataFrame(rows, columns=["name", *PARAMETERS.columns], dtype="object")
    return PARAMETERS.conform(frame.set_index("name"))


def parameter_info(spec: Generator) -> dict[str, dict[str, Any]]:
    """``{name: {"type", "default_value", "options"}}``; options may be empty, never None."""
    described = [parameter.to_json() for parameter in spec.parameters]
    return {
        item["name"]: {
            "type": item["type"],
            "default_value": item["default_value"],
            "options": item["options"] or {},
        }
        for item in described
    }
