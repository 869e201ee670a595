"""Session, and which session a frame belongs to."""

from infinity_frames.session.connect import generators
from infinity_frames.session.registry import session_for
from infinity_frames.session.session import (
    SenseFitSession,
    Session,
    SpillsSession,
    VisionFitSession,
)

__all__ = [
    "SenseFitSession",
    "Session",
    "SpillsSession",
    "VisionFitSession",
    "generators",
    "session_for",
]
