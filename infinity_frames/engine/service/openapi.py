"""The protocol's objects as the OpenAPI page documents them.

These models document and do not validate: a batch of 100,000 jobs is validated as one frame, which
is two orders of magnitude faster than one object per job.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = [
    "REFUSALS",
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
    "TokenCreated",
    "TokenListed",
    "TokenRequest",
    "Traceback",
    "request_body",
]


class JobRunRequest(BaseModel):
    """A job to submit."""

    name: str = Field(description="Name of the generator.", examples=["visionfit-v0.4.0"])
    is_preview: bool = False
    param_values: dict[str, Any] = Field(
        default={}, description="Omitted parameters take the generator's defaults."
    )
    tags: dict[str, Any] = Field(default={}, description="Your own values; they stay with the job.")


class BatchRequest(BaseModel):
    """A batch to submit or to estimate."""

    name: str
    job_runs: list[JobRunRequest] = Field(min_length=1)


class SingleRequest(BaseModel):
    """One job for the single-job endpoints."""

    name: str = Field(description="Name of the generator.")
    param_values: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    batch_id: str | None = Field(default=None, description="Without it a new batch is created.")


class Job(BaseModel):
    """A job and its state."""

    id: str
    name: str = Field(description="Name of the generator.")
    is_preview: bool
    in_progress: bool
    result_url: str | None = Field(description="Signed and expiring; fetch it without a token.")
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    error: str | None
    estimated_samples: int
    num_samples: int | None
    seed: int
    sha256: str | None = Field(description="Of the archive behind result_url.")
    created: str
    started: str | None
    finished: str | None
    expired: str | None = Field(description="When the archive was deleted; null if it was not.")
    batch_id: str | None = Field(default=None, description="Not in a summary.")
    param_values: dict[str, Any] | None = Field(default=None, description="Not in a summary.")
    tags: dict[str, Any] | None = Field(default=None, description="Not in a summary.")


class JobState(BaseModel):
    """The state of a job, without its parameters; empty values are missing or null."""

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
    expired: str | None = None


class JobStates(BaseModel):
    """The states of jobs as columns of equal length, one element per job."""

    id: list[str]
    status: list[Literal["queued", "running", "completed", "failed", "cancelled"]]
    error: list[str | None]
    num_samples: list[int | None]
    started: list[str | None]
    finished: list[str | None]


class Traceback(BaseModel):
    """The Python traceback of a failed job."""

    traceback: str | None = Field(description="null if the job did not fail with an exception.")


class BatchListed(BaseModel):
    """A batch in a list."""

    id: str
    name: str
    created: str


class Batch(BatchListed):
    """A batch and its jobs in submission order."""

    message: str | None = Field(description="What delays its jobs; null if nothing does.")
    job_runs: list[Job]


class Summary(BatchListed):
    """A batch and the states of its jobs."""

    message: str | None = Field(description="What delays its jobs; null if nothing does.")
    job_runs: list[JobState]


class Progress(BatchListed):
    """The changes of a batch since an earlier poll."""

    message: str | None = Field(description="What delays its jobs; null if nothing does.")
    revision: int = Field(description="The `since` of the next poll.")
    changed: JobStates


class GeneratorListed(BaseModel):
    """A generator in the list."""

    name: str
    version: str
    error: str | None = Field(default=None, description="Why it cannot be used, if it cannot.")


class GeneratorDescription(BaseModel):
    """The parameters and rules of a generator."""

    name: str
    version: str
    params: list[dict[str, Any]]
    options: dict[str, Any]
    constraints: list[dict[str, Any]]


class Usage(BaseModel):
    """Jobs submitted to a generator."""

    jobs: int
    samples: int


class Counts(BaseModel):
    """Usage by generator."""

    counts_by_generator: dict[str, Usage]


class Account(BaseModel):
    """The samples of an account."""

    samples_remaining: int | None = Field(description="null if the account is not metered.")
    samples_reserved: int


class TokenRequest(BaseModel):
    """A token to create."""

    account: str = Field(
        min_length=1, max_length=200, description="Its account; created if it is missing."
    )
    samples: int | None = Field(
        default=None, ge=0, le=2**53, description="Samples to grant on top of the balance."
    )


class TokenCreated(BaseModel):
    """A new token."""

    account: str
    token: str = Field(description="Shown once; the engine keeps only its digest.")


class TokenListed(BaseModel):
    """A token in a list, without the token itself."""

    id: str
    account: str
    created: str


class SignInCode(BaseModel):
    """A one-time code that signs a browser in."""

    path: str = Field(description="Path and query to open in a browser; it works once.")
    expires_in: int = Field(description="Seconds.")


class Violation(BaseModel):
    """One violated rule of one job."""

    job: int = Field(description="Position in job_runs.")
    parameter: str
    rule: Literal["unknown", "type", "min", "max", "choices", "constraint"]
    value: Any
    message: str


class Error(BaseModel):
    """The problem and what to do about it."""

    detail: str
    errors: list[Violation] | None = None
    needed: int | None = Field(default=None, description="Samples the request needs (402).")
    left: int | None = Field(default=None, description="Samples the account has left (402).")


REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Error, "description": "Rejected; `detail` names the reason."}
}
"""The error responses of every endpoint."""


def request_body(model: type[BaseModel], *, idempotent: bool = False) -> dict[str, Any]:
    """Describe a body for OpenAPI, since the endpoints read it as bytes."""
    schema = model.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    content = {"application/json": {"schema": schema}}
    extra: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    if idempotent:
        key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}
        extra["parameters"] = [key]
    return extra


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """Replace the references of a JSON schema by the definitions they point to."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items()}
