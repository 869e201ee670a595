"""What the engine's pages read from its store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Row

from infinity_frames.engine.service import ledger, registry
from infinity_frames.engine.service.stores.tables import accounts, batches, jobs
from infinity_frames.engine.service.stores.tables import ledger as ledger_table
from infinity_frames.protocol.errors import InfinityError, UnknownJob
from infinity_frames.protocol.schemas import TAG_PREFIX
from infinity_frames.protocol.spec import (
    Choice,
    Constant,
    Generator,
    Joint,
    Normal,
    Parameter,
    Uniform,
)
from infinity_frames.web.tables import Column, shown

__all__ = [
    "Overview",
    "account_name",
    "account_rows",
    "batch_columns",
    "described",
    "facts",
    "failed_jobs",
    "generator_of",
    "job_of_account",
    "samples_by_day",
    "siblings",
    "sweep_of",
    "values_of",
]

_LABEL_UNITS = {"avg_percent_in_fov": "%", "avg_percent_occlusion": "%"}
_LISTED = 200
_MOST_CACHED = 2000
_MOST_SIBLINGS = 24


class Overview:
    """Batches with counts of their jobs; counts are computed again only after a change."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, dict[str, Any]]] = {}

    def batches(
        self, connection: Connection, account: int, search: str, before: str | None
    ) -> list[dict[str, Any]]:
        """Return the latest batches of an account, newest first.

        Parameters
        ----------
        connection : Connection
        account : int
        search : str
            Part of the name or of the id.
        before : str or None
            Only batches created before this time.
        """
        query = sa.select(batches.c.id, batches.c.name, batches.c.created, _revision())
        query = query.where(batches.c.account_id == account)
        if search:
            name = batches.c.name.icontains(search, autoescape=True)
            query = query.where(name | batches.c.id.startswith(search, autoescape=True))
        if before is not None:
            query = query.where(batches.c.created < before)
        rows = connection.execute(query.order_by(batches.c.created.desc()).limit(_LISTED)).all()
        changed = [row for row in rows if self._counts.get(row.id, (-1,))[0] != row.revision]
        if len(self._counts) > _MOST_CACHED:
            self._counts.clear()
            changed = list(rows)
        counted = _counted(connection, [row.id for row in changed])
        for row in changed:
            self._counts[row.id] = row.revision, counted.get(row.id, _NOTHING)
        return [
            {"id": r.id, "name": r.name, "created": r.created, **self._counts[r.id][1]}
            for r in rows
        ]


_NOTHING: dict[str, Any] = {
    "jobs": 0,
    "counts": {},
    "generators": [],
    "samples": 0,
    "bytes": 0,
    "previews": 0,
}


def _revision() -> sa.Label[int]:
    largest = sa.select(sa.func.coalesce(sa.func.max(jobs.c.revision), 0))
    return largest.where(jobs.c.batch_id == batches.c.id).scalar_subquery().label("revision")


def _counted(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not ids:
        return {}
    rows = connection.execute(
        sa.select(
            jobs.c.batch_id,
            jobs.c.status,
            jobs.c.generator,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(jobs.c.samples), 0),
            sa.func.coalesce(sa.func.sum(jobs.c.archive_bytes), 0),
            sa.func.sum(sa.cast(jobs.c.is_preview, sa.Integer)),
        )
        .where(jobs.c.batch_id.in_(ids))
        .group_by(jobs.c.batch_id, jobs.c.status, jobs.c.generator)
    )
    out: dict[str, dict[str, Any]] = {}
    for batch_id, status, generator, count, samples, size, previews in rows:
        one = out.setdefault(batch_id, {**_NOTHING, "counts": {}, "generators": []})
        one["jobs"] += count
        one["counts"][status] = one["counts"].get(status, 0) + count
        if generator not in one["generators"]:
            one["generators"].append(generator)
        one["samples"] += int(samples)
        one["bytes"] += int(size)
        one["previews"] += int(previews)
    return out


def generator_of(connection: Connection, batch_id: str) -> str | None:
    """Return the generator of the first job of a batch, None if it has no jobs."""
    query = sa.select(jobs.c.generator).where(jobs.c.batch_id == batch_id)
    return connection.execute(query.order_by(jobs.c.seq).limit(1)).scalar()


def batch_columns(connection: Connection, batch_id: str) -> tuple[list[str], list[Column], int]:
    """Return the job ids of a batch, its columns, and its revision.

    Columns are named as in batch and results frames, so that code of the page runs on these.
    """
    state = ["status", "error", "generator", "is_preview", "samples"]
    rows = connection.execute(
        sa.select(
            *(jobs.c.id, jobs.c.status, jobs.c.error, jobs.c.generator, jobs.c.is_preview),
            *(jobs.c.samples, jobs.c.params, jobs.c.tags, jobs.c.labels, jobs.c.revision),
        )
        .where(jobs.c.batch_id == batch_id)
        .order_by(jobs.c.seq)
    ).all()
    columns = [
        Column(name, "state", [row[1 + at] for row in rows]) for at, name in enumerate(state)
    ]
    units = _units({row.generator for row in rows})
    columns[2:2] = [
        *_spread([orjson.loads(row.labels or "{}") for row in rows], "label", "", _LABEL_UNITS),
        *_spread([orjson.loads(row.params) for row in rows], "parameter", "", units),
        *_spread([orjson.loads(row.tags) for row in rows], "tag", TAG_PREFIX, {}),
    ]
    return [row.id for row in rows], columns, max((row.revision for row in rows), default=0)


def _spread(
    rows: Sequence[dict[str, Any]], group: str, prefix: str, units: dict[str, str]
) -> list[Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [
        Column(prefix + name, group, [row.get(name) for row in rows], units.get(name, ""))
        for name in names
    ]


def _units(generators: set[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for name in generators:
        try:
            spec = registry.generator(name).spec
        except InfinityError:  # it was uninstalled since
            continue
        out.update({p.name: p.unit for p in spec.parameters if p.unit})
    return out


def job_of_account(connection: Connection, account: int, job_id: str) -> Row[Any]:
    """Return the row of a job, with the name of its batch.

    Raises
    ------
    UnknownJob
        The account has no such job.
    """
    row = connection.execute(
        sa.select(jobs, batches.c.name.label("batch_name"))
        .join(batches)
        .where(jobs.c.id == job_id, jobs.c.account_id == account)
    ).one_or_none()
    if row is None:
        raise UnknownJob(f"Unknown job {job_id[:80]!r}.", advice="Open it from its batch.")
    return row


def siblings(connection: Connection, job: Row[Any]) -> list[dict[str, Any]]:
    """Return jobs of the batch with the same random decisions, and how their parameters differ."""
    rows = connection.execute(
        sa.select(jobs.c.id, jobs.c.status, jobs.c.params)
        .where(jobs.c.batch_id == job.batch_id, jobs.c.seed == job.seed, jobs.c.id != job.id)
        .where(jobs.c.generator == job.generator)
        .order_by(jobs.c.seq)
        .limit(_MOST_SIBLINGS)
    ).all()
    mine = orjson.loads(job.params)
    out = []
    for row in rows:
        theirs = orjson.loads(row.params)
        names = [n for n in dict.fromkeys([*mine, *theirs]) if mine.get(n) != theirs.get(n)]
        differs = [(name, shown(theirs.get(name))) for name in names if name != "state"]
        out.append({"id": row.id, "status": row.status, "differs": differs})
    return out


def facts(job: Row[Any]) -> list[str]:
    """Return what the page of a job says first."""
    out = [job.generator, job.status, "preview" if job.is_preview else ""]
    if job.samples is not None:
        out.append(f"{job.samples} samples")
    if job.started and job.finished:
        took = datetime.fromisoformat(job.finished) - datetime.fromisoformat(job.started)
        out.append(f"rendered in {took.total_seconds():.1f} s")
    if job.expired:
        out.append(f"the files expired at {job.expired[:16]}")
    return [*filter(None, out), f"id {job.id}"]


def values_of(job: Row[Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the tags and the parameters of a job, with units and descriptions."""
    try:
        known = registry.generator(job.generator).spec.by_name
    except InfinityError:  # it was uninstalled since
        known = {}
    given = orjson.loads(job.params)
    rows = []
    for name, value in given.items():
        about = known.get(name)
        unit, text = (about.unit or "", about.description) if about else ("", "")
        rows.append({"name": name, "value": shown(value), "unit": unit, "description": text})
    tags = [
        {"name": name, "value": shown(value), "unit": "", "description": ""}
        for name, value in orjson.loads(job.tags).items()
    ]
    return [("Tags", tags), ("Parameters", rows)]


def sweep_of(generator: str) -> str | None:
    """Return example arguments of ``sweep()`` for a generator, None without a fitting parameter."""
    try:
        spec = registry.generator(generator).spec
    except InfinityError:
        return None
    for parameter in sorted(spec.parameters, key=lambda item: item.name != "camera_height"):
        low, high = parameter.min, parameter.max
        if parameter.type == "float" and low is not None and high is not None:
            values = [round(low + share * (high - low), 3) for share in (0.25, 0.5, 0.75)]
            return f"{parameter.name}={values}"
    return None


def failed_jobs(connection: Connection, batch_id: str) -> list[dict[str, Any]]:
    """Return the failed jobs of a batch as entries of ``job_runs``, to be rendered with new seeds.

    The random seed and ``state`` are left out: with them, a job would fail in the same way again.
    """
    rows = connection.execute(
        sa.select(jobs.c.generator, jobs.c.is_preview, jobs.c.params, jobs.c.tags)
        .where(jobs.c.batch_id == batch_id, jobs.c.status == "failed")
        .order_by(jobs.c.seq)
    )
    fixed = ("random_seed", "state")
    return [
        {
            "name": row.generator,
            "is_preview": row.is_preview,
            "param_values": {
                name: value
                for name, value in orjson.loads(row.params).items()
                if name not in fixed and value is not None
            },
            "tags": orjson.loads(row.tags),
        }
        for row in rows
    ]


def described(spec: Generator) -> dict[str, Any]:
    """Return a generator's description for its form; how a value is sampled becomes a text."""
    listed = [
        {
            "name": p.name,
            "type": p.type,
            "default": p.default,
            "min": p.min,
            "max": p.max,
            "choices": p.choices,
            "unit": p.unit,
            "description": p.description,
            "sampling": _sampling(p),
        }
        for p in spec.parameters
    ]
    return {"name": spec.name, "preview": spec.preview, "parameters": listed}


def _sampling(parameter: Parameter) -> str:
    match parameter.sampling:
        case Constant(value):
            return f"always {value}"
        case Uniform(low, high):
            return f"uniformly from {low:g} to {high:g}"
        case Normal(mean, std):
            return f"normally around {mean:g} with a standard deviation of {std:g}"
        case Choice(values):
            return f"one of {len(values)} values"
        case Joint(names):
            return f"together with {', '.join(n for n in names if n != parameter.name)}"
    return ""


def samples_by_day(connection: Connection, account: int) -> list[tuple[str, int]]:
    """Return the samples that an account rendered on each of its last 30 days with any."""
    day = sa.func.substr(ledger_table.c.created, 1, 10)
    rows = connection.execute(
        sa.select(day, sa.func.sum(ledger_table.c.settled))
        .where(ledger_table.c.account_id == account, ledger_table.c.settled > 0)
        .group_by(day)
        .order_by(day.desc())
        .limit(30)
    )
    return [(str(name), int(samples)) for name, samples in rows]


def account_name(connection: Connection, account: int) -> str:
    """Return the name of an account."""
    query = sa.select(accounts.c.name).where(accounts.c.id == account)
    return str(connection.execute(query).scalar_one())


def account_rows(connection: Connection, account: int) -> list[dict[str, Any]]:
    """Return accounts with their samples and tokens: all for the engine's own, else this one."""
    query = sa.select(accounts).order_by(accounts.c.name)
    if not ledger.is_own_account(connection, account):
        query = query.where(accounts.c.id == account)
    listed = ledger.list_tokens(connection)
    return [
        {
            "name": row.name,
            "created": row.created,
            "rendered": row.settled,
            "reserved": row.reserved,
            "left": row.granted - row.reserved - row.settled if row.metered else None,
            "tokens": [token for token in listed if token["account"] == row.name],
        }
        for row in connection.execute(query)
    ]
