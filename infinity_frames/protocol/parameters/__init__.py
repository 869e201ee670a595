"""Rules, defaults, sampling and sweeps over frames of jobs. Frame in, frame out, no I/O."""

from infinity_frames.protocol.parameters.columns import frame, records, tags
from infinity_frames.protocol.parameters.defaults import fill
from infinity_frames.protocol.parameters.rules import jobs_schema, validate, violations
from infinity_frames.protocol.parameters.sampling import sample
from infinity_frames.protocol.parameters.single import sample_one
from infinity_frames.protocol.parameters.sweeps import (
    jobs_of,
    renewed,
    reseeded,
    seeded,
    sweep,
)

__all__ = [
    "fill",
    "frame",
    "jobs_of",
    "jobs_schema",
    "records",
    "renewed",
    "reseeded",
    "sample",
    "sample_one",
    "seeded",
    "sweep",
    "tags",
    "validate",
    "violations",
]
