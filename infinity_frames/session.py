"""Session: one generator on one server, and which session a frame belongs to."""

from __future__ import annotations

import difflib
import hashlib
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal

import orjson
import pandas as pd

from infinity_frames import parameters
from infinity_frames.batch import Batch
from infinity_frames.errors import (
    FrameError,
    InvalidJobs,
    RequestRejected,
    ServerFault,
    SessionError,
    UnknownGenerator,
    UnknownJob,
)
from infinity_frames.rest import Rest, server_address
from infinity_frames.schemas import PARAMETERS, Frame, as_frame, context, with_context
from infinity_frames.schemas import UTC as UTC_DTYPE
from infinity_frames.spec import Constraint, Generator
from infinity_frames.threads import concurrently

__all__ = [
    "SenseFitSession",
    "Session",
    "SpillsSession",
    "VisionFitSession",
    "generators",
    "session_for",
]

EMBEDDED = "embedded"
Jobs = pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Session:
    """A generator on a server, for one account.

    Parameters
    ----------
    generator : str
        Full name of the generator.
    token : str, optional
        Else ``$INFINITY_TOKEN``, else the embedded engine's own.
    server : str, optional
        Address of a server or ``"embedded"``; else ``$INFINITY_SERVER``, else ``"embedded"``, which
        starts the engine on this machine if none runs.

    Raises
    ------
    UnknownGenerator
        The server has no generator of that name; the error lists those it has.
    AuthenticationError
        The token is missing or wrong.
    ServerUnreachable, EngineNotInstalled, EngineNotStarted
        There is no server to talk to.
    """

    def __init__(
        self,
        generator: str = "visionfit-v0.4.0",
        *,
        token: str | None = None,
        server: str | None = None,
    ) -> None:
        self.server = _server(server)
        self.rest = _connect(self.server, token)
        self.spec = _describe(self.rest, generator)
        self.generator = self.spec.name
        _opened.add(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.generator!r}, server={self.server!r})"

    # What the generator takes

    @cached_property
    def _parameters(self) -> Frame:
        rows = [
            {
                "name": parameter.name,
                "type": parameter.type,
                "default": parameter.default,
                "min": parameter.min,
                "max": parameter.max,
                "choices": None if parameter.choices is None else list(parameter.choices),
                "unit": parameter.unit,
                "description": parameter.description,
            }
            for parameter in self.spec.parameters
        ]
        frame = pd.DataFrame(rows, columns=["name", *PARAMETERS.columns], dtype="object")
        return PARAMETERS.conform(frame.set_index("name"))

    @property
    def parameters(self) -> Frame:
        """Parameters frame: a row per parameter, indexed by name."""
        return as_frame(self._parameters.copy())

    @property
    def parameter_info(self) -> dict[str, dict[str, Any]]:
        """``{name: {"type", "default_value", "options"}}``; options may be empty, never None."""
        described = [parameter.to_json() for parameter in self.spec.parameters]
        return {
            item["name"]: {
                "type": item["type"],
                "default_value": item["default_value"],
                "options": item["options"] or {},
            }
            for item in described
        }

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The joint rules of the generator's parameters."""
        return self.spec.constraints

    @property
    def default_job(self) -> dict[str, Any]:
        """A whole job of default values; None where the generator decides."""
        return dict(self.spec.defaults)

    # Describing jobs

    def jobs(self, jobs: Jobs) -> Frame:
        """Draft jobs frame of this session; nothing is rejected, what fits is typed."""
        frame = parameters.frame(self.spec, jobs)
        return self._with_context(frame)

    def random_job(self) -> dict[str, Any]:
        """One job drawn uniformly from all that is allowed."""
        return self._one(parameters.fill(self.spec, self.jobs([{}]), random=True))

    def sample_input(self, **fixed: Any) -> dict[str, Any]:
        """One sensible job; `fixed` parameters are kept, the rest drawn, joint rules kept."""
        return self._one(self.sample(1, **fixed))

    def sample(
        self,
        n: int,
        seed: int | None = None,
        given: pd.DataFrame | None = None,
        outside: Literal["redraw", "clip", "raise"] = "redraw",
        **fixed: Any,
    ) -> Frame:
        """Draw `n` sensible jobs.

        Parameters
        ----------
        n : int
            How many.
        seed : int, optional
            The same seed draws the same jobs, their ``random_seed`` included.
        given : DataFrame, optional
            Columns to take as they are, a row per job.
        outside : {"redraw", "clip", "raise"}
            What to do with a drawn value outside its range.
        **fixed
            Per parameter a scalar, an array of length n, a dict of weights, anything with ``.rvs``,
            or a function ``f(df, rng)`` of the columns drawn before it.

        Returns
        -------
        DataFrame
            Jobs frame.
        """
        drawn = parameters.sample(
            self.spec, n, seed=seed, given=given, outside=outside, fixed=fixed
        )
        return self._with_context(drawn)

    def validate_job_params(self, jobs: Jobs) -> pd.Series[Any]:
        """Per job None, or what is wrong with it in words; on the frame's index."""
        draft = self.jobs(jobs)
        broken = parameters.violations(self.spec, draft)
        texts: list[str | None] = [None] * len(draft)
        for position, messages in broken.groupby("position", sort=False)["message"]:
            texts[int(position)] = "; ".join(messages)  # type: ignore[arg-type]
        return pd.Series(texts, index=draft.index, dtype="object", name="error")

    # Sending them

    def estimate_samples(self, jobs: Jobs, is_preview: bool = False) -> pd.Series[int]:
        """Samples (frames) each job will take, by the server; on the frame's index."""
        valid = parameters.validate(self.spec, self.jobs(jobs))
        records = parameters.records(self.spec, parameters.fill(self.spec, valid))
        runs = self._job_runs(records, is_preview)
        counts = self.rest.estimate("estimate", runs) if runs else []
        return pd.Series(counts, index=valid.index, dtype="int64", name="estimated_samples")

    def submit(
        self,
        jobs: Jobs,
        is_preview: bool = False,
        batch_name: str | None = None,
        random_sample: bool = False,
        reuse: bool = False,
    ) -> Batch:
        """Submit jobs as a batch.

        Parameters
        ----------
        jobs : DataFrame, mapping, or sequence of mappings
            What is unspecified takes its default.
        is_preview : bool
            Render one frame of each job only.
        batch_name : str, optional
            Else made of the generator and the time (with `reuse`, of the jobs themselves).
        random_sample : bool
            What is unspecified is drawn uniformly instead, redrawn until the joint rules hold.
        reuse : bool
            If the account has a batch of this name with the same jobs, none of them cancelled,
            return that one. The server's own list is asked, so this holds across processes.

        Raises
        ------
        InvalidJobs
            Before anything is sent; ``violations`` holds every broken rule.
        NotEnoughSamples
            Nothing was created.
        SubmissionUnknown
            The connection broke while sending to a server that cannot tell repeats.
        """
        valid = parameters.validate(self.spec, self.jobs(jobs))
        if valid.empty:
            raise FrameError("There is no job to submit.", advice="Give at least one row.")
        if is_preview and not self.spec.preview:
            raise RequestRejected(
                f"{self.generator} has no previews.", advice="Submit with is_preview=False."
            )
        asked = valid if random_sample else parameters.fill(self.spec, valid)
        name = batch_name or self._name(asked, is_preview, reuse)
        if reuse and (found := self._find_batch(name, asked, is_preview)) is not None:
            return found
        filled = parameters.fill(self.spec, valid, random=True) if random_sample else asked
        tags = parameters.tags(filled)
        runs = self._job_runs(parameters.records(self.spec, filled), is_preview)
        if self.rest.has("tags"):
            runs = [
                {**run, "tags": tag} if tag else run for run, tag in zip(runs, tags, strict=True)
            ]
        try:
            answer = self.rest.create_batch(name, runs)
        except InvalidJobs as error:
            raise _relabelled(error, valid.index) from None
        if len(answer["job_runs"]) != len(runs):
            raise ServerFault(
                f"{len(runs)} jobs were sent, and batch {answer['id']} has "
                f"{len(answer['job_runs'])}.",
                advice="Look at it with session.batch_from_api() before using it.",
                batch=answer["id"],
            )
        jobs_sent = [
            {**job, "name": self.generator, "is_preview": is_preview, **run, "tags": tag}
            for job, run, tag in zip(answer["job_runs"], runs, tags, strict=True)
        ]
        return Batch(self, {**answer, "name": answer.get("name") or name, "job_runs": jobs_sent})

    def expand_overrides_across_each_preview_state(
        self, base_state_ids: Sequence[str], override_params: Jobs
    ) -> Frame:
        """Jobs frame of every base preview with every override, ``state`` set to the base's id.

        Parameters
        ----------
        base_state_ids : sequence of str
            Ids of preview jobs already submitted.
        override_params : DataFrame or sequence of mappings
            Parameters to change, a row or mapping per variant.

        Raises
        ------
        UnknownJob
            The server has no preview job of one of these ids.
        """
        return self._expand(base_state_ids, override_params, is_preview=True)

    def expand_overrides_across_each_video_state(
        self, base_state_ids: Sequence[str], override_params: Jobs
    ) -> Frame:
        """As :meth:`expand_overrides_across_each_preview_state`, of standard jobs."""
        return self._expand(base_state_ids, override_params, is_preview=False)

    # What the account has

    def batch_from_api(self, batch_id: str) -> Batch:
        """A batch of this account taken up again, by its id, in any process.

        Raises
        ------
        UnknownBatch
            This account has no such batch.
        SessionError
            The batch belongs to another generator.
        """
        return Batch(self, self.rest.batch(str(batch_id)))

    def get_batches_last_n_days(self, n: float) -> Frame:
        """Batches of the last `n` days: batch_id, batch_name, created; oldest first."""
        rows = [
            {
                "batch_id": row.get("id"),
                "batch_name": row.get("name"),
                "created": row.get("created"),
            }
            for row in self.rest.batches(*_last_days(n))
        ]
        frame = pd.DataFrame(rows, columns=["batch_id", "batch_name", "created"], dtype="object")
        frame["created"] = pd.to_datetime(frame["created"], utc=True, format="ISO8601")
        kinds = {"batch_id": "string", "batch_name": "string", "created": UTC_DTYPE}
        return as_frame(frame.astype(kinds))

    def get_usage_stats_last_n_days(self, n: float) -> Frame:
        """Samples and jobs per generator in the last `n` days."""
        counts = self.rest.counts(*_last_days(n)).get("counts_by_generator") or {}
        rows = [
            {"generator": name, **(count if isinstance(count, Mapping) else {"samples": count})}
            for name, count in counts.items()
        ]
        first = ["generator", "samples", "jobs"]
        frame = pd.DataFrame(rows)
        frame = frame.reindex(columns=[*first, *(c for c in frame.columns if c not in first)])
        return as_frame(frame.astype({"generator": "string", "samples": "Int64", "jobs": "Int64"}))

    def account(self) -> dict[str, Any]:
        """Samples the account has left and reserved; left is None where it is unmetered.

        Raises
        ------
        RequestRejected
            The server keeps no such account.
        """
        if not self.rest.has("account"):
            raise RequestRejected(
                f"{self.server} does not say what an account has left.",
                advice="Ask whoever runs the server.",
            )
        return self.rest.account()

    # Inside

    def _with_context(self, frame: pd.DataFrame) -> Frame:
        return with_context(frame, server=self.server, generator=self.generator)

    def _one(self, frame: pd.DataFrame) -> dict[str, Any]:
        record: dict[str, Any] = parameters.records(self.spec, frame)[0]
        return record

    def _job_runs(
        self, records: Iterable[dict[str, Any]], is_preview: bool
    ) -> list[dict[str, Any]]:
        return [
            {"name": self.generator, "is_preview": is_preview, "param_values": record}
            for record in records
        ]

    def _name(self, jobs: pd.DataFrame, is_preview: bool, reuse: bool) -> str:
        if not reuse:
            return f"{self.generator} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        # The same jobs must find their batch again, so their name is made of what they are.
        said = [is_preview, parameters.records(self.spec, jobs), parameters.tags(jobs)]
        digest = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return f"{self.generator} {digest[:12]}"

    def _find_batch(self, name: str, jobs: pd.DataFrame, is_preview: bool) -> Batch | None:
        """The newest batch of that name with the same jobs; only what was asked for is compared."""
        asked = parameters.records(self.spec, jobs)
        for row in reversed(self.rest.batches(*_last_days(3650))):
            if row.get("name") != name:
                continue
            data = self.rest.batch(str(row["id"]))
            if self._same_jobs(data["job_runs"], asked, parameters.tags(jobs), is_preview):
                return Batch(self, data)
        return None

    def _same_jobs(
        self,
        found: Sequence[Mapping[str, Any]],
        asked: Sequence[Mapping[str, Any]],
        tags: Sequence[Mapping[str, Any]],
        is_preview: bool,
    ) -> bool:
        same_kind = all(
            job.get("name") == self.generator
            and bool(job.get("is_preview")) == is_preview
            and job.get("status") != "cancelled"
            for job in found
        )
        if not same_kind or len(found) != len(asked):
            return False
        # Through a frame, since a server may give back "1.02" or 1 where 1.02 or 1.0 was sent.
        typed = parameters.frame(self.spec, [dict(job.get("param_values") or {}) for job in found])
        theirs = parameters.records(self.spec, typed)
        same_tags = not self.rest.has("tags") or all(
            (job.get("tags") or {}) == tag for job, tag in zip(found, tags, strict=True)
        )
        return same_tags and all(
            {key: values.get(key) for key in wanted} == wanted
            for values, wanted in zip(theirs, asked, strict=True)
        )

    def _expand(self, ids: Sequence[str], overrides: Jobs, *, is_preview: bool) -> Frame:
        wanted = [str(base) for base in ids]
        bases = self._find_jobs(wanted, is_preview=is_preview)
        rows = self.jobs([bases[base] for base in wanted]).assign(job_id=wanted)
        variants = [overrides] if isinstance(overrides, Mapping) else overrides
        return self._with_context(parameters.sweep(self.spec, rows, variants))

    def _find_jobs(self, ids: Sequence[str], *, is_preview: bool) -> dict[str, dict[str, Any]]:
        """Parameters of jobs by id; two requests where they share a batch the server names."""
        found: dict[str, dict[str, Any]] = {}
        left = list(dict.fromkeys(ids))
        while left:
            job = self.rest.job(left[0], is_preview=is_preview)
            found[left[0]] = dict(job.get("param_values") or {})
            batch_id = job.get("batch_id")
            if batch_id is None:
                break
            if len(left) > 1:
                for other in self.rest.batch(str(batch_id))["job_runs"]:
                    if bool(other.get("is_preview")) == is_preview:
                        found.setdefault(other["id"], dict(other.get("param_values") or {}))
            left = [base for base in left if base not in found]
        left = [base for base in left if base not in found]
        for base, fetched, error in concurrently(
            lambda base: self.rest.job(base, is_preview=is_preview), left
        ):
            if isinstance(error, UnknownJob):
                kind, other = ("preview", "video") if is_preview else ("video", "preview")
                error.advice = (
                    f"{base} is no {kind} job of this account; for the other kind use "
                    f"expand_overrides_across_each_{other}_state()."
                )
            if error is not None:
                raise error
            assert fetched is not None
            found[base] = dict(fetched.get("param_values") or {})
        return found


class VisionFitSession(Session):
    """A Session for VisionFit: videos of people exercising."""


class SenseFitSession(Session):
    """A Session for SenseFit: a wrist IMU."""

    def __init__(
        self,
        generator: str = "sensefit-v0.2.0",
        *,
        token: str | None = None,
        server: str | None = None,
    ) -> None:
        super().__init__(generator, token=token, server=server)


class SpillsSession(Session):
    """A Session for Spills: liquid on a floor."""

    def __init__(
        self,
        generator: str = "spills-v0.1.0",
        *,
        token: str | None = None,
        server: str | None = None,
    ) -> None:
        super().__init__(generator, token=token, server=server)


def generators(token: str | None = None, server: str | None = None) -> Frame:
    """Frame of the generators a server has: name, version and whatever else it says of them."""
    frame = pd.DataFrame(_connect(_server(server), token).generators())
    first = ["name", "version"]
    return as_frame(frame.reindex(columns=[*first, *(c for c in frame.columns if c not in first)]))


# Which session a frame belongs to

_opened: weakref.WeakSet[Session] = weakref.WeakSet()
_default: dict[tuple[str, str], Session] = {}
"""Sessions opened here for a frame's sake: nobody else keeps them."""


def session_for(frame: pd.DataFrame, session: Session | None = None) -> Session:
    """The session a frame's verbs use.

    `session` wins; else the one opened in this process for the frame's server and generator; else
    one is opened, but only for ``$INFINITY_SERVER`` or the embedded engine: what a file says of its
    server never decides where a token goes.

    Raises
    ------
    FrameError
        The frame does not say which generator it is for.
    SessionError
        No session fits, or several with different tokens do.
    """
    if session is not None:
        return session
    known = context(frame)
    server, generator = known.get("server"), _generator(frame, known)
    fitting = [
        one
        for one in _opened
        if one.generator == generator and (server is None or one.server == server)
    ]
    # One that the user opened comes before one that was opened for some frame's sake.
    fitting = [one for one in fitting if one not in _default.values()] or fitting
    if fitting:
        first, *others = fitting
        if any(o.server != first.server or not first.rest.same_account(o.rest) for o in others):
            raise SessionError(
                f"Several sessions for {generator} are open, with different servers or tokens.",
                advice="Say which with session=.",
                generator=generator,
            )
        return first
    allowed = {EMBEDDED, _server(None)}
    if server is not None and server not in allowed:
        raise SessionError(
            f"This frame is of {server}, and no session for {generator} is open there.",
            advice=f'Open one and keep it: session = Session("{generator}", server="{server}"), or '
            "pass another with session=.",
            server=server,
            generator=generator,
        )
    opened = Session(generator, server=server)
    return _default.setdefault((opened.server, opened.generator), opened)


def _generator(frame: pd.DataFrame, known: Mapping[str, str]) -> str:
    if "generator" in frame.columns and (names := frame["generator"].dropna().unique()).size:
        if len(names) > 1:
            raise FrameError(
                f"This frame holds jobs of several generators ({', '.join(map(str, names))}).",
                advice="Take the rows of one of them at a time.",
            )
        return str(names[0])
    if "generator" not in known:
        raise FrameError(
            "This frame does not say which generator it is for; merge, pivot, CSV and SQL drop it.",
            advice="Put it back with session.jobs(frame), or pass session=.",
        )
    return known["generator"]


def _server(server: str | None) -> str:
    named = server or os.environ.get("INFINITY_SERVER") or EMBEDDED
    return EMBEDDED if named == EMBEDDED else server_address(named)


def _connect(server: str, token: str | None) -> Rest:
    if server == EMBEDDED:
        from infinity_frames import embedded

        # A token in the environment is for the server in the environment.
        ours = os.environ.get("INFINITY_TOKEN") if _server(None) == EMBEDDED else None
        url = embedded.start_engine()
        return Rest(url, token or ours or embedded.read_token(), locate=embedded.start_engine)
    return Rest(server, token or os.environ.get("INFINITY_TOKEN"))


def _describe(rest: Rest, generator: str) -> Generator:
    try:
        return Generator.from_json(rest.generator(generator))
    except UnknownGenerator as error:
        names = [str(item.get("name")) for item in rest.generators()]
        close = difflib.get_close_matches(generator, names, n=1, cutoff=0.3)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise UnknownGenerator(
            f"The server has no generator {generator!r}.",
            advice=f"{hint}It has: {', '.join(names) or 'none'}.",
            **error.where,
        ) from None


def _last_days(n: float) -> tuple[datetime, datetime]:
    # The end lies a little ahead, so that a server whose clock runs fast hides nothing new.
    now = datetime.now(UTC)
    return now - timedelta(days=float(n)), now + timedelta(days=1)


def _relabelled(error: InvalidJobs, index: pd.Index[Any]) -> InvalidJobs:
    """A server's refusal, in the labels of the frame that was submitted."""
    broken = error.violations.copy()
    inside = [p for p in broken["position"] if pd.notna(p) and 0 <= p < len(index)]
    if len(inside) == len(broken):
        broken["label"] = pd.Series(
            [index[int(p)] for p in inside], index=broken.index, dtype=object
        )
    return InvalidJobs(error.problem, advice=error.advice, **{**error.where, "violations": broken})
