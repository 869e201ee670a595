"""``/health`` and ``/metrics`` for monitoring systems; neither needs a token."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from infinity_frames.engine.service.dependencies import Engine
from infinity_frames.engine.service.responses import json_response
from infinity_frames.engine.service.stores.tables import jobs

__all__ = ["router"]

_STATUSES = ("queued", "running", "completed", "failed", "cancelled")
router = APIRouter(include_in_schema=False)


@router.get("/health")
def get_health(service: Engine) -> Response:
    """Answer 200 if the database can be read; otherwise the error handlers answer 503."""
    with service.store.read() as connection:
        connection.execute(sa.select(sa.literal(1))).scalar()
    return json_response({"status": "ok", "message": service.dispatcher.message()})


@router.get("/metrics")
def get_metrics(service: Engine) -> Response:
    """Return counts of all accounts in the text format of Prometheus."""
    with service.store.read() as connection:
        rows = connection.execute(
            sa.select(
                jobs.c.status,
                sa.func.count(),
                sa.func.coalesce(sa.func.sum(jobs.c.samples), 0),
                sa.func.coalesce(
                    sa.func.sum(jobs.c.archive_bytes).filter(jobs.c.expired.is_(None)), 0
                ),
            ).group_by(jobs.c.status)
        ).all()
    counts = {row[0]: row[1] for row in rows}
    lines = [
        "# HELP infinity_jobs Jobs by status.",
        "# TYPE infinity_jobs gauge",
        *(f'infinity_jobs{{status="{name}"}} {counts.get(name, 0)}' for name in _STATUSES),
        "# HELP infinity_rendered_samples_total Samples rendered by completed jobs.",
        "# TYPE infinity_rendered_samples_total counter",
        f"infinity_rendered_samples_total {sum(row[2] for row in rows)}",
        "# HELP infinity_archive_bytes Bytes of the stored archives.",
        "# TYPE infinity_archive_bytes gauge",
        f"infinity_archive_bytes {sum(row[3] for row in rows)}",
        "# HELP infinity_delayed Whether something delays all jobs, such as a full disk.",
        "# TYPE infinity_delayed gauge",
        f"infinity_delayed {int(service.dispatcher.message() is not None)}",
    ]
    return PlainTextResponse(
        "\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8"
    )
