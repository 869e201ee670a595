"""Batch frames, from whatever a server says of its jobs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from infinity_frames.client.http import status
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import SessionError
from infinity_frames.protocol.schemas import BATCH, TAG_PREFIX, Frame, with_context

if TYPE_CHECKING:
    from infinity_frames.session import Session

__all__ = ["batch_frame", "conformed", "updated"]


def batch_frame(
    session: Session, data: Mapping[str, Any], sent: pd.DataFrame | None = None
) -> Frame:
    """Batch frame of a server's batch object, typed by the session's generator.

    Parameters
    ----------
    sent : DataFrame, optional
        The jobs' parameters and tags, where they are at hand; else read from the batch object.

    Raises
    ------
    SessionError
        It holds jobs of another generator.
    """
    jobs: Sequence[Mapping[str, Any]] = data["job_runs"]
    others = sorted({str(job.get("name")) for job in jobs} - {session.generator})
    if others:
        raise SessionError(
            f"Batch {data['id']} holds jobs of {', '.join(others)}, not of {session.generator}.",
            advice=f'Take it up with Session("{others[0]}").batch_from_api(...).',
            batch=data["id"],
        )
    if sent is None:
        values = [dict(job.get("param_values") or {}) for job in jobs]
        tags = pd.DataFrame([job.get("tags") or {} for job in jobs], index=range(len(jobs)))
        sent = parameters.frame(session.spec, values).join(tags.add_prefix(TAG_PREFIX))
    own = sent.reset_index(drop=True).dropna(axis="columns", how="all")
    tagged = [column for column in own.columns if str(column).startswith(TAG_PREFIX)]
    own[tagged] = own[tagged].convert_dtypes()
    state = pd.DataFrame(_told(jobs, *_KEYS), dtype="object")
    state = state.assign(batch_id=str(data["id"]), batch_name=str(data.get("name") or ""))
    frame = conformed(pd.concat([state, own], axis="columns"))
    return with_context(frame, server=session.server, generator=session.generator)


# Columns of a batch frame, and what servers call them.
_KEYS = {
    "job_id": "id",
    "generator": "name",
    "is_preview": "is_preview",
    "status": "status",
    "seed": "seed",
    "estimated_samples": "estimated_samples",
    "samples": "num_samples",
    "error": "error",
    "created": "created",
    "started": "started",
    "finished": "finished",
}


def _told(jobs: Iterable[Mapping[str, Any]], *columns: str) -> dict[str, list[Any]]:
    """What is said of jobs' state, by column; what only newer servers say may be missing."""
    jobs = list(jobs)
    told = {column: [job.get(_KEYS[column]) for job in jobs] for column in columns}
    told["status"] = [status(job) for job in jobs]
    return told


CHANGING = ("status", "samples", "error", "started", "finished")
FIXED = ("seed", "estimated_samples")
"""Told once, and not again by a server that tells only what changed."""


def updated(frame: pd.DataFrame, jobs: Sequence[Mapping[str, Any]]) -> Frame:
    """The frame's rows with the state that `jobs` tell; rows not told of stay as they are."""
    told = pd.DataFrame(_told(jobs, "job_id", *CHANGING, *FIXED), dtype="object")
    told = conformed(told).set_index("job_id")
    wanted = pd.Index(frame["job_id"].astype("string"))
    known = told.index.get_indexer(wanted) >= 0
    rows = told.reindex(wanted)
    out = frame.copy()
    for column in CHANGING:
        new = rows[column].set_axis(frame.index)
        if column not in out.columns or known.all():
            out[column] = new
        else:
            out[column] = new.astype("object").where(known, out[column].astype("object"))
    for column in FIXED:
        new = rows[column].set_axis(frame.index).astype("object")
        before = out.get(column, new).astype("object")
        out[column] = new.where(new.notna(), before)
    whole = BATCH.conform(out)
    whole.attrs = dict(frame.attrs)
    return whole


def conformed(told: pd.DataFrame) -> Frame:
    """What a server tells, as a batch frame; what a column cannot hold is said and left out."""
    out, odd = BATCH.fitting(told)
    if odd:
        row, column, value = odd[0]
        of = str(told.at[row, "job_id" if "job_id" in told.columns else "batch_id"])
        more = f", and {len(odd) - 1} more like it" if len(odd) > 1 else ""
        warnings.warn(
            f"The server says that {column} of {of} is {value!r}, which it cannot be{more}: "
            "these are missing here.",
            stacklevel=4,
        )
    return out
