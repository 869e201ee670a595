"""Session: one generator on one server, for one account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import pandas as pd

from infinity_frames.batch import Batch
from infinity_frames.client.batch_frames import conformed
from infinity_frames.client.connect import connect, server_named
from infinity_frames.client.describe import describe, parameter_frame, parameter_info
from infinity_frames.client.lookup import content_name, find_batch, find_jobs, last_days
from infinity_frames.client.registry import remember
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, InvalidJobs, RequestRejected, ServerFault
from infinity_frames.protocol.schemas import Frame, as_frame, with_context
from infinity_frames.protocol.spec import Constraint

__all__ = [
    "SenseFitSession",
    "Session",
    "SpillsSession",
    "VisionFitSession",
]

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
        self.server = server_named(server)
        self.rest = connect(self.server, token)
        self.spec = describe(self.rest, generator)
        self.generator = self.spec.name
        remember(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.generator!r}, server={self.server!r})"

    def _repr_html_(self) -> str:
        from infinity_frames.vis import repr as face

        return face.to_html(face.of_session(self))

    # What the generator takes

    @property
    def parameters(self) -> Frame:
        """Parameters frame: a row per parameter, indexed by name."""
        return parameter_frame(self.spec)

    @property
    def parameter_info(self) -> dict[str, dict[str, Any]]:
        """``{name: {"type", "default_value", "options"}}``; options may be empty, never None."""
        return parameter_info(self.spec)

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
        if not len(valid):
            raise FrameError("There is no job to submit.", advice="Give at least one row.")
        if is_preview and not self.spec.preview:
            raise RequestRejected(
                f"{self.generator} has no previews.", advice="Submit with is_preview=False."
            )
        asked = valid if random_sample else parameters.fill(self.spec, valid)
        name = batch_name or f"{self.generator} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        if reuse:
            name = batch_name or content_name(self.spec, asked, is_preview)
            found = find_batch(self.rest, self.spec, name, asked, is_preview)
            if found is not None:
                return Batch(self, found)
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
        for job in answer["job_runs"]:
            job.update(name=self.generator, is_preview=is_preview)
        return Batch(self, {**answer, "name": answer.get("name") or name}, sent=filled)

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
        columns = {"batch_id": "id", "batch_name": "name", "created": "created"}
        listed = self.rest.batches(*last_days(n))
        told = {column: [row.get(key) for row in listed] for column, key in columns.items()}
        return as_frame(conformed(pd.DataFrame(told, dtype="object"))[[*columns]])

    def get_usage_stats_last_n_days(self, n: float) -> Frame:
        """Samples and jobs per generator in the last `n` days."""
        counts = self.rest.counts(*last_days(n))
        frame = pd.DataFrame([{"generator": name, **count} for name, count in counts.items()])
        first = ["generator", "samples", "jobs"]
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

    def _expand(self, ids: Sequence[str], overrides: Jobs, *, is_preview: bool) -> Frame:
        wanted = [str(base) for base in ids]
        bases = find_jobs(self.rest, wanted, is_preview=is_preview)
        rows = self.jobs([bases[base] for base in wanted]).assign(job_id=wanted)
        variants = [overrides] if isinstance(overrides, Mapping) else overrides
        return self._with_context(parameters.sweep(self.spec, rows, variants))


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


def _relabelled(error: InvalidJobs, index: pd.Index[Any]) -> InvalidJobs:
    """A server's refusal, in the labels of the frame that was submitted."""
    broken = error.violations.copy()
    inside = [p for p in broken["position"] if pd.notna(p) and 0 <= p < len(index)]
    if len(inside) == len(broken):
        broken["label"] = pd.Series(
            [index[int(p)] for p in inside], index=broken.index, dtype=object
        )
    return InvalidJobs(error.problem, advice=error.advice, **{**error.where, "violations": broken})
