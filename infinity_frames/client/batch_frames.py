"""Batch frames, built from server responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from infinity_frames.client.http import status
from infinity_frames.client.origin import Origin
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import SessionError
from infinity_frames.protocol.schemas import BATCH, TAG_PREFIX
from infinity_frames.protocol.warnings import warn_user

__all__ = ["batch_frame", "conformed", "updated"]


def batch_frame(
    origin: Origin, data: Mapping[str, Any], sent: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Build the batch frame of a server's batch object, typed by the session's generator.

    Parameters
    ----------
    sent : DataFrame, optional
        The jobs' parameters and tags, if known; else read from the batch object.

    Raises
    ------
    SessionError
        It holds jobs of another generator.
    """
    jobs: Sequence[Mapping[str, Any]] = data["job_runs"]
    origin.batches.add(str(data["id"]))
    others = sorted({str(job.get("name")) for job in jobs} - {origin.generator})
    if others:
        raise SessionError(
            f"Batch {data['id']} holds jobs of {', '.join(others)}, not of {origin.generator}.",
            advice=f'Open it with Session("{others[0]}").batch_from_api(...).',
            batch=data["id"],
        )
    if sent is None:
        values = [dict(job.get("param_values") or {}) for job in jobs]
        tags = pd.DataFrame([job.get("tags") or {} for job in jobs], index=range(len(jobs)))
        sent = parameters.frame(origin.spec, values).join(tags.add_prefix(TAG_PREFIX))
    own = sent.reset_index(drop=True).dropna(axis="columns", how="all")
    tagged = [column for column in own.columns if str(column).startswith(TAG_PREFIX)]
    own[tagged] = own[tagged].convert_dtypes()
    state = pd.DataFrame(_reported(jobs, *_KEYS), dtype="object")
    state = state.assign(batch_id=str(data["id"]), batch_name=str(data.get("name") or ""))
    frame = conformed(pd.concat([state, own], axis="columns"))
    return origin.with_context(frame)


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


def _reported(jobs: Iterable[Mapping[str, Any]], *columns: str) -> dict[str, list[Any]]:
    """Return columns of the jobs' reported state; fields that a server lacks are missing."""
    jobs = list(jobs)
    reported = {column: [job.get(_KEYS[column]) for job in jobs] for column in columns}
    reported["status"] = [status(job) for job in jobs]
    return reported


CHANGING = ("status", "samples", "error", "started", "finished")
FIXED = ("seed", "estimated_samples")
"""Reported once; a server that reports only changes leaves them out later."""


def updated(frame: pd.DataFrame, jobs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Update the rows with the state in `jobs`; rows without a reported job stay unchanged."""
    reported = pd.DataFrame(_reported(jobs, "job_id", *CHANGING, *FIXED), dtype="object")
    reported = conformed(reported).set_index("job_id")
    wanted = pd.Index(frame["job_id"].astype("string"))
    known = reported.index.get_indexer(wanted) >= 0
    rows = reported.reindex(wanted)
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


def conformed(reported: pd.DataFrame) -> pd.DataFrame:
    """Build a batch frame from a server response; values that do not fit are reported, dropped."""
    out, invalid = BATCH.fitting(reported)
    if invalid:
        row, column, value = invalid[0]
        of = str(reported.at[row, "job_id" if "job_id" in reported.columns else "batch_id"])
        more = f", and {len(invalid) - 1} more like it" if len(invalid) > 1 else ""
        warn_user(
            f"Invalid value {value!r} for {column!r} of {of} in the server's response{more}; "
            "treated as missing."
        )
    return out
