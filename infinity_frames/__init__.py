"""Make labeled synthetic data in batches, as pandas frames.

Generators render videos of people exercising, signals of sensors on their bodies, and spills on
floors, with exact labels. Describe the data as a frame of job parameters, a row per video.
Validating, estimating, submitting, waiting, downloading, plotting, querying, rerunning and sweeping
are methods under ``.infinity`` of that frame::

    import infinity_frames as inf

    session = inf.Session("visionfit-v0.4.0")
    jobs = session.sample(8, seed=1, exercise="SQUAT-BODYWEIGHT")
    results = jobs.infinity.run("squats", preview=True)
    results.infinity.sql("SELECT camera_height, avg_percent_in_fov FROM jobs")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from infinity_frames import errors

if TYPE_CHECKING:
    from infinity_frames import batch as batch
    from infinity_frames import data as data
    from infinity_frames import session as session
    from infinity_frames import vis as vis
    from infinity_frames.batch import Batch
    from infinity_frames.client.http import RetryPolicy
    from infinity_frames.data import database
    from infinity_frames.experiments import recipes
    from infinity_frames.frame import Frame, returning_frame
    from infinity_frames.generators import CallableModule
    from infinity_frames.launcher import start_engine, stop_engine
    from infinity_frames.protocol import parameters as parameters
    from infinity_frames.session import SenseFitSession, Session, SpillsSession, VisionFitSession

    generators: CallableModule  # lists a server's generators; holds what authors need
    query = returning_frame(data.query)
    read_results = returning_frame(data.read_results)
    replay = returning_frame(recipes.replay)

__all__ = [
    "Batch",
    "Frame",
    "RetryPolicy",
    "SenseFitSession",
    "Session",
    "SpillsSession",
    "VisionFitSession",
    "database",
    "errors",
    "generators",
    "query",
    "read_results",
    "replay",
    "start_engine",
    "stop_engine",
]

# The engine and each of its workers import this package too, but use none of the names below. A
# module is therefore imported when one of its names is first used (PEP 562).
_MODULES = {
    "batch": "batch",
    "data": "data",
    "generators": "generators",  # callable: lists the generators of a server
    "parameters": "protocol.parameters",
    "results": "results",  # the old name of `data`
    "session": "session",
    "vis": "vis",
}
_HOMES = {
    "Batch": "batch",
    "Frame": "frame",
    "RetryPolicy": "client.http",
    "SenseFitSession": "session",
    "Session": "session",
    "SpillsSession": "session",
    "VisionFitSession": "session",
    "database": "data",
    "query": "data",
    "read_results": "data",
    "replay": "experiments.recipes",
    "start_engine": "launcher",
    "stop_engine": "launcher",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("infinity-frames")
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{_hint(name)}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def _hint(name: str) -> str:
    if name in errors.__all__:
        return f" Did you mean infinity_frames.errors.{name}?"
    close = [] if name.startswith("_") else errors.similar(name, [*__all__, *_MODULES])
    return f" Did you mean {' or '.join(close)}?" if close else ""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES, "__version__"})


import_module(f"{__name__}.accessor")  # registers .infinity on every DataFrame
