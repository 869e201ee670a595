"""A pandas-native toolkit for batches of synthetic data.

Write a frame of job parameters; validating, estimating, submitting, waiting, downloading, plotting,
querying, rerunning and sweeping are methods on it::

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
    from infinity_frames import parameters as parameters
    from infinity_frames import results as results
    from infinity_frames import session as session
    from infinity_frames import vis as vis
    from infinity_frames.batch import Batch
    from infinity_frames.embedded import start_engine, stop_engine
    from infinity_frames.results import database, query, read_results
    from infinity_frames.schemas import Frame
    from infinity_frames.session import (
        SenseFitSession,
        Session,
        SpillsSession,
        VisionFitSession,
        generators,
    )

__all__ = [
    "Batch",
    "Frame",
    "SenseFitSession",
    "Session",
    "SpillsSession",
    "VisionFitSession",
    "database",
    "errors",
    "generators",
    "query",
    "read_results",
    "start_engine",
    "stop_engine",
]

# The engine and each of its workers import this package too, and use nothing below: what a name
# needs is imported when the name is first used (PEP 562).
_MODULES = ("batch", "parameters", "results", "session", "vis")
_HOMES = {
    "Batch": "batch",
    "Frame": "schemas",
    "SenseFitSession": "session",
    "Session": "session",
    "SpillsSession": "session",
    "VisionFitSession": "session",
    "database": "results",
    "generators": "session",
    "query": "results",
    "read_results": "results",
    "start_engine": "embedded",
    "stop_engine": "embedded",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


import_module(f"{__name__}.accessor")  # registers .infinity on every DataFrame
