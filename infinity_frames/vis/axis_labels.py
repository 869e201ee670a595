"""Axis labels: names of columns, with their units where known."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from infinity_frames.client import registry
from infinity_frames.data import recorded_parameters
from infinity_frames.protocol.schemas import context
from infinity_frames.protocol.spec import Parameter

__all__ = ["Headings", "headings"]

_PERCENT = (
    "avg_percent_in_fov",
    "avg_percent_occlusion",
    "percent_in_fov",
    "percent_occlusion",
)


class Headings(dict[str, str]):
    """Axis label by column, such as ``"camera_height [m]"``; without a unit, the name."""

    def __missing__(self, name: object) -> str:
        return str(name)


def headings(frame: pd.DataFrame) -> Headings:
    """Axis labels of a frame's columns.

    Units come from the batch records beside its results, and from the sessions of this process for
    the generator that the frame remembers. Where these disagree on one, it is left out.
    """
    units = {name: {"%"} for name in _PERCENT}
    for parameter in _parameters(frame):
        if parameter.unit:  # records of older versions have none, and are ignored
            units.setdefault(parameter.name, set()).add(parameter.unit)
    agreed = {name: found.pop() for name, found in units.items() if len(found) == 1}
    return Headings({name: f"{name} [{unit}]" for name, unit in agreed.items()})


def _parameters(frame: pd.DataFrame) -> Iterator[Parameter]:
    yield from recorded_parameters(frame)
    known = context(frame)
    generators = {known.get("generator")}
    if "generator" in frame.columns:
        generators |= set(frame["generator"].dropna())
    for origin in registry.opened:
        if origin.generator in generators and known.get("server") in (None, origin.server):
            yield from origin.spec.parameters
