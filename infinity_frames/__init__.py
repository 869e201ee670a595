"""A pandas-native toolkit for batches of synthetic data.

Write a frame of job parameters; validating, estimating, submitting, waiting, downloading, plotting,
querying, rerunning and sweeping are methods on it::

    import infinity_frames as inf

    session = inf.Session("visionfit-v0.4.0")
    jobs = session.sample(8, seed=1, exercise="SQUAT-BODYWEIGHT")
    results = jobs.infinity.run("squats", preview=True)
    results.infinity.sql("SELECT camera_height, avg_percent_in_fov FROM jobs")
"""

import infinity_frames.accessor  # noqa: F401 - registers .infinity on every DataFrame
from infinity_frames import errors
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
