"""Write a generator of your own; call the module to list the generators of a server.

A generator is a class with a ``spec``, an ``estimate`` and a ``render`` method. A package declares
it as an entry point in the group ``infinity_frames.generators``, and the engine then validates,
samples, runs, stores and reads its jobs like those of the built-in generators::

    import infinity_frames.generators as ifg

    class Balls(ifg.Generator):
        spec = ifg.Spec("balls-v1.0.0", "1.0.0", (ifg.Parameter("frames", "int", 10, min=1),))

        def estimate(self, jobs):
            return jobs["frames"].to_numpy()

        def render(self, params, seed, directory, preview):
            with ifg.Recorder(directory, frame_rate=24, preview=preview) as recorder:
                ...
            return recorder.frames

``infinity_frames.generators(token=None, server=None)`` still lists the generators of a server: the
module is callable because it shares its name with that function.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from infinity_frames.client.origin import generators as list_generators
from infinity_frames.frame import Frame, as_frame
from infinity_frames.launcher import require_engine
from infinity_frames.protocol.errors import RenderError
from infinity_frames.protocol.spec import (
    Choice,
    Conditional,
    Constant,
    Joint,
    Linear,
    Normal,
    Parameter,
    Uniform,
)
from infinity_frames.protocol.spec import Generator as Spec

if TYPE_CHECKING:
    from infinity_frames.engine.core.rng import stream
    from infinity_frames.engine.generators.annotations import (
        Category,
        LabeledObject,
        distinct_colors,
    )
    from infinity_frames.engine.generators.base import Generator, Limits
    from infinity_frames.engine.generators.recorder import Recorder
    from infinity_frames.generators.conformance import check

__all__ = [
    "Category",
    "Choice",
    "Conditional",
    "Constant",
    "Generator",
    "Joint",
    "LabeledObject",
    "Limits",
    "Linear",
    "Normal",
    "Parameter",
    "Recorder",
    "RenderError",
    "Spec",
    "Uniform",
    "check",
    "distinct_colors",
    "stream",
]

# Imported on first use: the recorder needs the extra "engine", a specification does not.
_HOMES = {
    "Category": "engine.generators.annotations",
    "Generator": "engine.generators.base",
    "LabeledObject": "engine.generators.annotations",
    "Limits": "engine.generators.base",
    "Recorder": "engine.generators.recorder",
    "check": "generators.conformance",
    "distinct_colors": "engine.generators.annotations",
    "stream": "engine.core.rng",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"infinity_frames.{_HOMES[name]}"), name)
    except ModuleNotFoundError:
        require_engine()  # says how to install the extra, if it is missing
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class CallableModule(ModuleType):
    """The type of this module."""

    def __call__(self, token: str | None = None, server: str | None = None) -> Frame:
        """List the generators of a server.

        Parameters
        ----------
        token : str, optional
            Token for the server; default: ``$INFINITY_TOKEN`` or the embedded engine's own.
        server : str, optional
            Address of the server; default: ``$INFINITY_SERVER`` or the embedded engine.

        Returns
        -------
        Frame
            Name, version and whatever else the server publishes, a row per generator.

        Examples
        --------
        >>> "visionfit-v0.4.0" in inf.generators()["name"].tolist()
        True
        """
        return as_frame(list_generators(token, server))


sys.modules[__name__].__class__ = CallableModule
