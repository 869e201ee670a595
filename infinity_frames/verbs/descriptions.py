"""Methods of a session that describe jobs: drafts, draws, designs, searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from infinity_frames.client.origin import Jobs, Origin
from infinity_frames.experiments import designs, sampling, searches
from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol import parameters
from infinity_frames.protocol.completion import completing

__all__ = ["JobDescriptions"]


class JobDescriptions:
    """Methods of a Session that make jobs frames."""

    origin: Origin

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
        """Draw one job uniformly from the allowed ranges.

        Examples
        --------
        >>> session.random_job()["exercise"]
        """
        return self._record(parameters.fill(self.origin.spec, self.jobs([{}]), random=True))

    @completing(lambda session: session.spec.by_name)
    def sample_input(self, **fixed: Any) -> dict[str, Any]:
        """Draw one sensible job; `fixed` parameters are kept, the joint rules hold.

        Examples
        --------
        >>> session.sample_input(num_reps=3)["num_reps"]
        3
        """
        drawn = parameters.sample_one(self.origin.spec, fixed)
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
            A rule as for ``DataFrame.query``; jobs follow the usual distributions, conditioned on
            it.
        like : DataFrame, optional
            A frame whose columns give the distributions of the parameters of the same names.
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
                self.origin.spec, n, seed=seed, given=given, outside=outside, fixed=fixed
            )
            return as_frame(self.origin.with_context(drawn))
        drawn = sampling.sample(
            self.origin.spec,
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
        """Return the jobs of a designed experiment, for ``sensitivity`` by Sobol or Morris.

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
        made = designs.design(self.origin.spec, kind, n, by=by, seed=seed, fixed=fixed)
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
            Folder of renders and scores; the same call continues there.
        worst : {"low", "high"}
            The scores that count as failures.
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

    def _record(self, frame: pd.DataFrame) -> dict[str, Any]:
        record: dict[str, Any] = parameters.records(self.origin.spec, frame)[0]
        return record
