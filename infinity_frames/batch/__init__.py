"""Submitted jobs: their state, waiting, cancelling and running them again."""

from infinity_frames.batch.batch import (
    Batch,
    await_frame,
    batch_of,
    cancel_frame,
    download_frame,
    refresh_frame,
    retry,
    seeded,
)
from infinity_frames.batch.frames import conformed

__all__ = [
    "Batch",
    "await_frame",
    "batch_of",
    "cancel_frame",
    "conformed",
    "download_frame",
    "refresh_frame",
    "retry",
    "seeded",
]
