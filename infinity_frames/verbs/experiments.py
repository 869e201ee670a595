"""The verbs of experiments on frames; each calls a module of this package, loaded on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.frame import Frame, as_frame

if TYPE_CHECKING:
    from infinity_frames.client.origin import HasOrigin

__all__ = ["ExperimentVerbs"]


class ExperimentVerbs:
    """Verbs that say which data to make next."""

    _frame: pd.DataFrame

    def predict(
        self,
        fn: Callable[[NDArray[np.uint8]], Any],
        *,
        batch_size: int = 32,
        every: int = 1,
        key: str | None = None,
        folder: str | Path | None = None,
        path: str | Path | None = None,
        quiet: bool = False,
    ) -> Frame:
        """Run `fn` over decoded frames.

        See :func:`infinity_frames.experiments.predictions.predict`.
        """
        from infinity_frames.experiments import predictions

        return as_frame(
            predictions.predict(
                self._frame,
                fn,
                batch_size=batch_size,
                every=every,
                key=key,
                folder=folder,
                path=path,
                quiet=quiet,
            )
        )

    def evaluate(
        self,
        predictions: pd.DataFrame,
        *,
        task: Literal["boxes", "masks", "keypoints", "classification", "regression"],
        target: str | None = None,
        per: Literal["frame", "job"] = "frame",
        **options: Any,
    ) -> Frame:
        """Compare predictions with labels: a metric per frame or job, beside the parameters.

        See :func:`infinity_frames.experiments.evaluation.evaluate`.
        """
        from infinity_frames.experiments import evaluation

        return as_frame(
            evaluation.evaluate(
                self._frame, predictions, task=task, target=target, per=per, **options
            )
        )

    def sensitivity(
        self,
        metric: str,
        by: str | Sequence[str] | None = None,
        method: Literal["anova", "rbd_fast", "delta", "sobol", "morris"] = "anova",
        *,
        session: HasOrigin | None = None,
        **options: Any,
    ) -> Frame:
        """Return the share of a metric's variance that each parameter explains.

        ``by="parameters"`` leaves labels out: only parameters of the generator are examined.

        See :func:`infinity_frames.experiments.sensitivity.sensitivity`.
        """
        from infinity_frames.experiments import sensitivity as sensitivities

        by = self._factors(metric, by, session)
        return as_frame(
            sensitivities.sensitivity(self._frame, metric, by=by, method=method, **options)
        )

    def contrast(self, parameter: str, metric: str, **options: Any) -> Frame:
        """Paired differences in a sweep.

        See :func:`infinity_frames.experiments.contrasts.contrast`.
        """
        from infinity_frames.experiments import contrasts

        return as_frame(contrasts.contrast(self._frame, parameter, metric, **options))

    def slices(
        self,
        metric: str,
        worst: Literal["low", "high"] = "low",
        *,
        by: str | Sequence[str] | None = None,
        session: HasOrigin | None = None,
        **options: Any,
    ) -> Frame:
        """Rules under which a metric is worst.

        ``by="parameters"`` looks for rules over parameters of the generator alone, which
        ``sample(where=)`` can draw; by default rules may also hold labels.

        See :func:`infinity_frames.experiments.slices.slices`.

        Examples
        --------
        >>> found = scored.infinity.slices("oks", by="parameters")
        >>> more = session.sample(200, where=found["rule"].iloc[0])
        """
        from infinity_frames.experiments import slices as rules

        by = self._factors(metric, by, session)
        return as_frame(rules.slices(self._frame, metric, worst=worst, by=by, **options))

    def _factors(
        self, metric: str, by: str | Sequence[str] | None, session: HasOrigin | None
    ) -> str | Sequence[str] | None:
        """Return columns that `by` names.

        "parameters" stands for those of the frame's generator.
        """
        if by != "parameters" or "parameters" in self._frame.columns:
            return by
        from infinity_frames.client.registry import origin_for
        from infinity_frames.experiments.factors import parameters_in

        return parameters_in(self._frame, metric, origin_for(self._frame, session).spec)

    def near(
        self,
        n: int = 5,
        spread: float = 0.1,
        vary: str | Sequence[str] | None = None,
        *,
        reseed: bool = False,
        seed: int | None = None,
        session: HasOrigin | None = None,
    ) -> Frame:
        """Return jobs around each row.

        See :func:`infinity_frames.experiments.neighbors.near`.
        """
        from infinity_frames.client.registry import origin_for
        from infinity_frames.experiments import neighbors

        used = origin_for(self._frame, session)
        jobs = neighbors.near(
            used.spec, self._frame, n, spread=spread, vary=vary, reseed=reseed, seed=seed
        )
        return as_frame(used.with_context(jobs))

    def breakpoint(
        self,
        parameter: str,
        score: Callable[[pd.DataFrame], Any],
        threshold: float,
        *,
        folder: str | Path,
        session: HasOrigin | None = None,
        **options: Any,
    ) -> Frame:
        """Find the value of a parameter at which each row starts to fail, by bisection.

        See :func:`infinity_frames.experiments.breakpoints.breakpoint_of`.
        """
        from infinity_frames.client.registry import origin_for
        from infinity_frames.experiments import breakpoints

        origin = origin_for(self._frame, session)
        found = breakpoints.breakpoint_of(
            origin, self._frame, parameter, score, threshold, folder=folder, **options
        )
        return as_frame(origin.with_context(found))

    def compare_to(
        self, real: pd.DataFrame | str | Path | Mapping[str, Any], **options: Any
    ) -> Frame:
        """Compare distributions with another data set: a frame, or a COCO file of real labels.

        See :func:`infinity_frames.experiments.comparisons.compare_to`.
        """
        from infinity_frames.experiments import comparisons

        return as_frame(comparisons.compare_to(self._frame, real, **options))

    def recipe(self, *, path: str | Path | None = None) -> Frame:
        """Everything that decides the pixels of these jobs, for ``inf.replay``.

        See :func:`infinity_frames.experiments.recipes.recipe`.
        """
        from infinity_frames.experiments import recipes

        return as_frame(recipes.recipe(self._frame, path=path))

    def same_as(self, other: pd.DataFrame, *, tolerance: int = 0) -> Frame:
        """Compare with another render: which jobs, files and frames differ; empty if none.

        See :func:`infinity_frames.experiments.differences.same_as`.
        """
        from infinity_frames.experiments import differences

        return as_frame(differences.same_as(self._frame, other, tolerance=tolerance))

    def cost(self, preview: bool = False, *, session: HasOrigin | None = None) -> Frame:
        """Samples, minutes on this server and gigabytes that these jobs would take.

        See :func:`infinity_frames.experiments.costs.cost`.
        """
        from infinity_frames.batch import jobs_origin_for
        from infinity_frames.experiments import costs

        origin = jobs_origin_for(self._frame, session, "cost")
        return as_frame(costs.cost(origin, self._frame, preview=preview))

    def gaps(self, by: str | Sequence[str], **options: Any) -> Frame:
        """Empty and thin cells over one to three columns.

        See :func:`infinity_frames.experiments.coverage.gaps`.
        """
        from infinity_frames.experiments import coverage

        return as_frame(coverage.gaps(self._frame, by, **options))

    def cover(
        self,
        n: int,
        by: str | Sequence[str],
        *,
        session: HasOrigin | None = None,
        **options: Any,
    ) -> Frame:
        """Return jobs that fill empty and thin cells, of parameters or of outcomes.

        See :func:`infinity_frames.experiments.coverage.cover`.
        """
        from infinity_frames.client.registry import origin_for
        from infinity_frames.experiments import coverage

        used = origin_for(self._frame, session)
        jobs = coverage.cover(used.spec, self._frame, n, by, **options)
        return as_frame(used.with_context(jobs))
