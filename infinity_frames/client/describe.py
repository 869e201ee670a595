"""What a server says a generator takes."""

from __future__ import annotations

import difflib
from typing import Any

import pandas as pd

from infinity_frames.client.http import Rest
from infinity_frames.protocol.errors import UnknownGenerator
from infinity_frames.protocol.schemas import PARAMETERS, Frame
from infinity_frames.protocol.spec import Generator

__all__ = ["describe", "parameter_frame", "parameter_info"]


def describe(rest: Rest, generator: str) -> Generator:
    """A generator's description; one that is missing is answered with those there are."""
    try:
        return Generator.from_json(rest.generator(generator))
    except UnknownGenerator as error:
        reason = rest.broken_generators().get(generator)
        if reason is not None:
            raise UnknownGenerator(
                f"The generator {generator!r} is installed on the server but cannot be used: "
                f"{reason}",
                advice="Repair or update its package there.",
                **error.where,
            ) from None
        names = [str(item.get("name")) for item in rest.generators()]
        close = difflib.get_close_matches(generator, names, n=1, cutoff=0.3)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise UnknownGenerator(
            f"The server has no generator {generator!r}.",
            advice=f"{hint}It has: {', '.join(names) or 'none'}.",
            **error.where,
        ) from None


def parameter_frame(spec: Generator) -> Frame:
    """Parameters frame: a row per parameter, indexed by name."""
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
    """``{name: {"type", "default_value", "options"}}``, as today's scripts read it."""
    described = [parameter.to_json() for parameter in spec.parameters]
    return {
        item["name"]: {
            "type": item["type"],
            "default_value": item["default_value"],
            "options": item["options"] or {},
        }
        for item in described
    }
