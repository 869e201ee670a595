"""Session: one generator on one server, for one account."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import pandas as pd

from infinity_frames.batch import Batch
from infinity_frames.client.describe import parameter_frame
from infinity_frames.client.http import RestClient, RetryPolicy, Token
from infinity_frames.client.origin import Jobs, Origin
from infinity_frames.client.registry import forget, remember
from infinity_frames.client.submit import estimate_samples, submit_jobs
from infinity_frames.compat import SessionVocabulary
from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol.spec import Constraint, Generator
from infinity_frames.verbs.account import Account
from infinity_frames.verbs.descriptions import JobDescriptions

__all__ = ["RetryPolicy", "SenseFitSession", "Session", "SpillsSession", "VisionFitSession"]


class Session(JobDescriptions, Account, SessionVocabulary):
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
        token: str | Token | None = None,
        server: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> None:
        chosen = self._default_generator if generator is None else generator
        # From here on no local variable holds the text, which a traceback could show.
        token = Token.of(token)
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
        if "origin" not in vars(self):  # a traceback with local variables of a failed __init__
            return f"<{type(self).__name__}, not open>"
        return f"{type(self).__name__}({self.generator!r}, server={self.server!r})"

    def _repr_html_(self) -> str:
        # Imported when a notebook shows it: drawing is not part of a script's start.
        from infinity_frames.vis.repr import to_html

        return to_html(self._summary())

    def _summary(self) -> dict[str, Any]:
        """Return what the HTML view shows; nothing is requested from the server."""
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

    # Batches

    def estimate_samples(self, jobs: Jobs, is_preview: bool = False) -> pd.Series[int]:
        """Return samples (frames) that each job will take, estimated by the server.

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


class VisionFitSession(Session):
    """A Session for VisionFit: videos of people exercising."""


class SenseFitSession(Session):
    """A Session for SenseFit, a body-worn IMU; without a version, the newest on the server."""

    _default_generator = "sensefit"


class SpillsSession(Session):
    """A Session for Spills, liquid on a floor; without a version, the newest on the server."""

    _default_generator = "spills"
