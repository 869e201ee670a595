"""The protocol's objects as the OpenAPI page shows them.

They describe, they do not check: a batch of 100,000 jobs is checked as a frame, which is two
orders of magnitude faster than an object per job.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = [
    "Account",
    "Batch",
    "BatchListed",
    "BatchRequest",
    "Counts",
    "Error",
    "GeneratorDescription",
    "GeneratorListed",
    "Job",
    "SingleRequest",
    "Summary",
]


class JobRunRequest(BaseModel):
    """A job to submit."""

    name: str = Field(description="Name of the generator.", examples=["visionfit-v0.4.0"])
    is_preview: bool = False
    param_values: dict[str, Any] = Field(
        default={}, description="What is left out takes the generator's default."
    )
    tags: dict[str, Any] = Field(default={}, description="Yours; they travel with the job.")


class BatchRequest(BaseModel):
    """A batch to submit or to estimate."""

    name: str
    job_runs: list[JobRunRequest] = Field(min_length=1)


class SingleRequest(BaseModel):
    """One job, the older way."""

    name: str = Field(description="Name of the generator.")
    param_values: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    batch_id: str | None = Field(default=None, description="Without it the job opens a batch.")


class Job(BaseModel):
    """A job and how it stands."""

    id: str
    name: str = Field(description="Name of the generator.")
    is_preview: bool
    in_progress: bool
    result_url: str | None = Field(description="Signed and expiring: fetch it without a token.")
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    error: str | None
    estimated_samples: int
    num_samples: int | None
    seed: int
    sha256: str | None = Field(description="Of the archive behind result_url.")
    created: str
    started: str | None
    finished: str | None
    batch_id: str | None = Field(default=None, description="Not in a summary.")
    param_values: dict[str, Any] | None = Field(default=None, description="Not in a summary.")
    tags: dict[str, Any] | None = Field(default=None, description="Not in a summary.")


class JobState(BaseModel):
    """How a job stands, without its parameters: what it does not have yet is missing or null."""

    id: str
    name: str
    is_preview: bool
    in_progress: bool
    result_url: str | None
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    error: str | None = None
    estimated_samples: int
    num_samples: int | None = None
    seed: int
    started: str | None = None
    finished: str | None = None


class JobStates(BaseModel):
    """How jobs stand: columns of one length, a job at the same place in each."""

    id: list[str]
    status: list[Literal["queued", "running", "completed", "failed", "cancelled"]]
    error: list[str | None]
    num_samples: list[int | None]
    started: list[str | None]
    finished: list[str | None]


class BatchListed(BaseModel):
    """A batch in a list."""

    id: str
    name: str
    created: str


class Batch(BatchListed):
    """A batch and its jobs, in the order submitted."""

    message: str | None = Field(description="What its jobs wait for, where a user should know.")
    job_runs: list[Job]


class Summary(BatchListed):
    """A batch and how its jobs stand."""

    message: str | None = Field(description="What its jobs wait for, where a user should know.")
    job_runs: list[JobState]


class Progress(BatchListed):
    """What changed in a batch since an earlier poll of it."""

    message: str | None = Field(description="What its jobs wait for, where a user should know.")
    revision: int = Field(description="The `since` of the next poll.")
    changed: JobStates


class GeneratorListed(BaseModel):
    """A generator in the list."""

    name: str
    version: str


class GeneratorDescription(GeneratorListed):
    """What a generator takes."""

    params: list[dict[str, Any]]
    options: dict[str, Any]
    constraints: list[dict[str, Any]]


class Usage(BaseModel):
    """What was submitted to a generator."""

    jobs: int
    samples: int


class Counts(BaseModel):
    """Usage by generator."""

    counts_by_generator: dict[str, Usage]


class Account(BaseModel):
    """The samples an account has."""

    samples_remaining: int | None = Field(description="null where the account is not metered.")
    samples_reserved: int


class RuleBroken(BaseModel):
    """One broken rule of one job."""

    job: int = Field(description="Position in job_runs.")
    parameter: str
    rule: Literal["unknown", "type", "min", "max", "choices", "constraint"]
    value: Any
    message: str


class Error(BaseModel):
    """What was wrong and what to do."""

    detail: str
    errors: list[RuleBroken] | None = None
    needed: int | None = Field(default=None, description="Samples the request needs (402).")
    left: int | None = Field(default=None, description="Samples the account has left (402).")
