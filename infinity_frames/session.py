"""Session: one generator on one server, for one account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pandas as pd

from infinity_frames.batch import Batch
from infinity_frames.client.batch_frames import conformed
from infinity_frames.client.describe import parameter_frame
from infinity_frames.client.http import RestClient, RetryPolicy
from infinity_frames.client.lookup import last_days
from infinity_frames.client.origin import Jobs, Origin
from infinity_frames.client.registry import forget, remember
from infinity_frames.client.sign_in import open_pages
from infinity_frames.client.submit import estimate_samples, submit_jobs
from infinity_frames.compat import SessionVocabulary
from infinity_frames.experiments import designs, searches
from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol import parameters
from infinity_frames.protocol.completion import completing
from infinity_frames.protocol.errors import RequestRejected
from infinity_frames.protocol.spec import Constraint, Generator

__all__ = ["RetryPolicy", "SenseFitSession", "Session", "SpillsSession", "VisionFitSession"]


class Session(SessionVocabulary):
    """A generator on a server, for one account.

    Parameters
    ----------
    generator : str, optional
        Full name of the generator, such as ``"sensefit-v0.2.0"``, or its name without a version,
        ``"sensefit"``, for the newest version on the server; ``"visionfit-v0.4.0"`` by default.
    token : str, optional
        Else ``$INFINITY_TOKEN``, else the embedded engine's own token.
    server : str, optional
        Address of a server or ``"embedded"``; else ``$INFINITY_SERVER``, else ``"embedded"``, which
        starts the engine on this machine if it does not run.
    retry : RetryPolicy, optional
        When requests and downloads are sent again.
    timeout : float, optional
        Seconds that a request may take, its retries included; 180 by default.

    Raises
    ------
    UnknownGenerator
        The server has no such generator; the error lists those that it has.
    AuthenticationError
        The token is missing or wrong.
    ServerUnreachable, EngineNotInstalled, EngineNotStarted
        No server can be reached.

    Examples
    --------
    ::

        session = inf.Session("visionfit")
        jobs = session.sample(8, seed=1, exercise="SQUAT-BODYWEIGHT")
    """

    _default_generator: ClassVar[str] = "visionfit-v0.4.0"

    def __init__(
        self,
        generator: str | None = None,
        *,
        token: str | None = None,
        server: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> None:
        chosen = self._default_generator if generator is None else generator
        self.origin = Origin.open(chosen, token=token, server=server, retry=retry, timeout=timeout)
        remember(self.origin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; verbs of frames no longer choose this session by themselves.

        Needed only where one process opens several sessions for a generator, on several servers or
        with several tokens. Jobs that were submitted continue. ``with Session(...) as session:``
        closes it at the end.

        Examples
        --------
        >>> with inf.Session("visionfit") as short:
        ...     short.generator
        'visionfit-v0.4.0'
        """
        forget(self.origin)
        self.origin.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.generator!r}, server={self.server!r})"

    def _repr_html_(self) -> str:
        # Imported when a notebook shows it: drawing is not part of a script's start.
        from infinity_frames.vis.repr import to_html

        return to_html(self._summary())

    def _summary(self) -> dict[str, Any]:
        """What the HTML view shows; nothing is requested from the server."""
        names = list(self.spec.by_name)
        about = {
            "server": self.server,
            "parameters": len(names),
            "joint rules": len(self.constraints),
            "such as": ", ".join(names[:6]),
        }
        title = f"Session for {self.generator}"
        empty: dict[str, Any] = {"counts": {}, "reasons": [], "varying": [], "rest": 0}
        return {"kind": "session", "title": title, "about": about, **empty}

    # The generator

    @property
    def server(self) -> str:
        """``"embedded"`` or the server's address.

        Examples
        --------
        >>> session.server
        'embedded'
        """
        return self.origin.server

    @property
    def generator(self) -> str:
        """Full name of the generator.

        Examples
        --------
        >>> session.generator
        'visionfit-v0.4.0'
        """
        return self.origin.generator

    @property
    def spec(self) -> Generator:
        """The generator's description.

        Examples
        --------
        >>> session.spec.by_name["num_reps"].max
        20
        """
        return self.origin.spec

    @property
    def rest(self) -> RestClient:
        """The connection to the server.

        Examples
        --------
        >>> session.rest.generator("visionfit-v0.4.0")["version"]
        '0.4.0'
        """
        return self.origin.rest

    @property
    def parameters(self) -> Frame:
        """Parameters frame: a row per parameter, indexed by name.

        Examples
        --------
        >>> session.parameters.loc["camera_height", ["default", "unit"]].tolist()
        [0.75, 'm']
        """
        return as_frame(parameter_frame(self.spec))

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """Joint rules of the generator's parameters.

        Examples
        --------
        >>> len(session.constraints) > 0
        True
        """
        return self.spec.constraints

    @property
    def default_job(self) -> dict[str, Any]:
        """A whole job of default values; None where the generator decides.

        Examples
        --------
        >>> session.default_job["num_reps"]
        1
        """
        return dict(self.spec.defaults)

    # Describing jobs

    def jobs(self, jobs: Jobs) -> Frame:
        """Build a draft jobs frame of this session.

        Nothing is rejected; columns whose values all fit their parameter become typed.

        Examples
        --------
        >>> session.jobs([{"num_reps": 2}, {"num_reps": 3}])["num_reps"].tolist()
        [2, 3]
        """
        return as_frame(self.origin.jobs(jobs))

    def random_job(self) -> dict[str, Any]:
        """Draw one job uniformly from all that is allowed.

        Examples
        --------
        >>> session.random_job()["exercise"]
        """
        return self._record(parameters.fill(self.spec, self.jobs([{}]), random=True))

    @completing(lambda session: session.spec.by_name)
    def sample_input(self, **fixed: Any) -> dict[str, Any]:
        """Draw one sensible job; `fixed` parameters are kept, the joint rules hold.

        Examples
        --------
        >>> session.sample_input(num_reps=3)["num_reps"]
        3
        """
        drawn = parameters.sample_one(self.spec, fixed)
        return self._record(self.sample(1, **fixed)) if drawn is None else drawn

    @completing(lambda session: session.spec.by_name)
    def sample(
        self,
        n: int,
        seed: int | None = None,
        given: pd.DataFrame | None = None,
        outside: Literal["redraw", "clip", "raise"] = "redraw",
        *,
        design: Literal["random", "sobol", "halton", "lhs"] = "random",
        where: str | None = None,
        like: pd.DataFrame | None = None,
        **fixed: Any,
    ) -> Frame:
        """Draw `n` sensible jobs.

        Parameters
        ----------
        n : int
            Number of jobs.
        seed : int, optional
            The same seed draws the same jobs, their ``random_seed`` included.
        given : DataFrame, optional
            Columns to take as they are, a row per job.
        outside : {"redraw", "clip", "raise"}
            What to do with a drawn value outside its range.
        design : {"random", "sobol", "halton", "lhs"}
            Spread the jobs more evenly than chance does (``scipy.stats.qmc``).
        where : str, optional
            A rule as for ``DataFrame.query``; jobs follow the usual distributions, given the rule.
        like : DataFrame, optional
            Draw the parameters it has as columns so that they are distributed as there.
        **fixed
            Per parameter a scalar, an array of length n, a dict of weights, anything with ``.rvs``,
            or a function ``f(df, rng)`` of the columns drawn before it.

        Returns
        -------
        Frame
            Jobs frame.

        Examples
        --------
        ::

            session.sample(100, seed=1, camera_height=lambda df, rng: rng.uniform(1, 2, len(df)))
        """
        if design == "random" and where is None and like is None:
            drawn = parameters.sample(
                self.spec, n, seed=seed, given=given, outside=outside, fixed=fixed
            )
            return as_frame(self.origin.with_context(drawn))
        drawn = designs.sample(
            self.spec,
            n,
            design=design,
            where=where,
            like=like,
            seed=seed,
            given=given,
            outside=outside,
            fixed=fixed,
        )
        return as_frame(self.origin.with_context(drawn))

    def design(
        self,
        kind: Literal["saltelli", "morris"],
        n: int,
        *,
        by: Sequence[str] | None = None,
        seed: int = 0,
        **fixed: Any,
    ) -> Frame:
        """Jobs of a designed experiment, for ``sensitivity(method="sobol")`` or ``"morris"``.

        Parameters
        ----------
        kind : {"saltelli", "morris"}
            n (k + 2) jobs for k factors, or n (k + 1).
        n : int
            Base sample (a power of 2) or number of trajectories.
        by : sequence of str, optional
            The factors; all that are drawn by default. The others are the same in all rows.
        seed : int
            The same seed, the same jobs.
        **fixed
            Values of other parameters.

        Examples
        --------
        >>> len(session.design("morris", 2, by=["camera_height", "num_reps"]))
        6
        """
        made = designs.design(self.spec, kind, n, by=by, seed=seed, fixed=fixed)
        return as_frame(self.origin.with_context(made))

    def search(
        self,
        score: Callable[[pd.DataFrame], Any],
        n: int,
        *,
        folder: str | Path,
        worst: Literal["low", "high"] = "low",
        fixed: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Frame:
        """Search for the jobs with the worst score, and tell distinct failures apart.

        Parameters
        ----------
        score : callable
            Takes a results frame, returns a number per row.
        n : int
            Jobs to render.
        folder : path
            Where renders and scores are kept; the same call goes on there.
        worst : {"low", "high"}
            Which scores are failures.
        fixed : mapping, optional
            Values of parameters that are not searched.
        **options
            threshold, by, sampler, batch, radius, preview, budget, seed, quiet: see
            :func:`infinity_frames.experiments.searches.search`.

        Examples
        --------
        >>> found = session.search(score, 300, folder="data/worst")  # doctest: +SKIP
        >>> found.query("distinct").infinity.previews()  # doctest: +SKIP
        """
        found = searches.search(
            self.origin, score, n, folder=folder, worst=worst, fixed=fixed, **options
        )
        return as_frame(self.origin.with_context(found))

    # Submitting jobs

    def estimate_samples(self, jobs: Jobs, is_preview: bool = False) -> pd.Series[int]:
        """Samples (frames) that each job will take, estimated by the server.

        Returns
        -------
        Series of int64
            On the frame's index.

        Examples
        --------
        >>> session.estimate_samples([{"num_reps": 1}, {"num_reps": 2}]).is_monotonic_increasing
        True
        """
        return estimate_samples(self.origin, jobs, is_preview)

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
            Unspecified parameters take their defaults.
        is_preview : bool
            Render only one frame of each job.
        batch_name : str, optional
            By default made of the generator and the time; with `reuse`, of the jobs' content.
        random_sample : bool
            Draw unspecified parameters uniformly instead, until the joint rules hold.
        reuse : bool
            If the account has a batch of this name with the same jobs and no cancelled job, return
            it. The server's list is searched, so this works across processes.

        Raises
        ------
        InvalidJobs
            Before anything is sent; ``violations`` holds every broken rule.
        NotEnoughSamples
            Nothing was created.
        SubmissionUnknown
            The connection broke while sending to a server that cannot recognize repeats.

        Examples
        --------
        >>> batch = session.submit(jobs.head(1), is_preview=True, batch_name="one", reuse=True)
        >>> batch.num_jobs
        1
        """
        data, sent = submit_jobs(
            self.origin,
            jobs,
            is_preview=is_preview,
            batch_name=batch_name,
            random_sample=random_sample,
            reuse=reuse,
        )
        return Batch(self, data, sent=sent)

    # The account

    def batch_from_api(self, batch_id: str) -> Batch:
        """Open a batch of this account by its id, in any process.

        Raises
        ------
        UnknownBatch
            This account has no such batch.
        SessionError
            The batch belongs to another generator.

        Examples
        --------
        >>> session.batch_from_api(batch.batch_id).num_jobs
        1
        """
        return Batch(self, self.rest.batch(str(batch_id)))

    def get_batches_last_n_days(self, n: float) -> Frame:
        """List the batches of the last `n` days: batch_id, batch_name, created; oldest first.

        Examples
        --------
        >>> session.get_batches_last_n_days(1)[["batch_id", "batch_name"]]
        """
        columns = {"batch_id": "id", "batch_name": "name", "created": "created"}
        listed = self.rest.batches(*last_days(n))
        found = {column: [row.get(key) for row in listed] for column, key in columns.items()}
        return as_frame(conformed(pd.DataFrame(found, dtype="object"))[[*columns]])

    def get_usage_stats_last_n_days(self, n: float) -> Frame:
        """Count samples and jobs per generator in the last `n` days.

        Examples
        --------
        >>> session.get_usage_stats_last_n_days(1)
        """
        counts = self.rest.counts(*last_days(n))
        frame = pd.DataFrame([{"generator": name, **count} for name, count in counts.items()])
        first = ["generator", "samples", "jobs"]
        frame = frame.reindex(columns=[*first, *(c for c in frame.columns if c not in first)])
        return as_frame(frame.astype({"generator": "string", "samples": "Int64", "jobs": "Int64"}))

    def account(self) -> dict[str, Any]:
        """Samples that the account has left (None if unmetered) and has reserved.

        Raises
        ------
        RequestRejected
            The server does not report it.

        Examples
        --------
        >>> session.account()["samples_remaining"]
        """
        if not self.rest.has("account"):
            raise RequestRejected(
                f"{self.server} does not report what an account has left.",
                advice="Contact the server's administrator.",
            )
        return self.rest.account()

    def open(self, *, browser: bool = True) -> str:
        """Open the engine's pages in a browser, signed in as this account.

        Parameters
        ----------
        browser : bool
            Open a browser on this machine. Without it, only the address is returned; it signs in
            one browser, within two minutes.

        Returns
        -------
        str
            Address of the pages; with ``browser=False`` the address that signs in.

        Raises
        ------
        RequestRejected
            The server has no pages.

        Examples
        --------
        ::

            inf.Session("visionfit").open()
        """
        return open_pages(self.rest, browser=browser)

    def _record(self, frame: pd.DataFrame) -> dict[str, Any]:
        record: dict[str, Any] = parameters.records(self.spec, frame)[0]
        return record


class VisionFitSession(Session):
    """A Session for VisionFit: videos of people exercising."""


class SenseFitSession(Session):
    """A Session for SenseFit, a body-worn IMU; without a version, the newest on the server."""

    _default_generator = "sensefit"


class SpillsSession(Session):
    """A Session for Spills, liquid on a floor; without a version, the newest on the server."""

    _default_generator = "spills"
