"""The verbs of experiments on frames; each calls a module of this package, loaded on first use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass

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
    ) -> pd.DataFrame:
        """Run `fn` over decoded frames.

        See :func:`infinity_frames.experiments.predictions.predict`.
        """
        from infinity_frames.experiments import predictions

        return predictions.predict(
            self._frame,
            fn,
            batch_size=batch_size,
            every=every,
            key=key,
            folder=folder,
            path=path,
            quiet=quiet,
        )

    def sensitivity(
        self,
        metric: str,
        by: str | Sequence[str] | None = None,
        method: Literal["anova", "rbd_fast", "delta", "sobol", "morris"] = "anova",
        **options: Any,
    ) -> pd.DataFrame:
        """Share of a metric's variance that each parameter explains.

        See :func:`infinity_frames.experiments.sensitivity.sensitivity`.
        """
        from infinity_frames.experiments import sensitivity as sensitivities

        return sensitivities.sensitivity(self._frame, metric, by=by, method=method, **options)

    def contrast(self, parameter: str, metric: str, **options: Any) -> pd.DataFrame:
        """Paired differences in a sweep.

        See :func:`infinity_frames.experiments.contrasts.contrast`.
        """
        from infinity_frames.experiments import contrasts

        return contrasts.contrast(self._frame, parameter, metric, **options)

    def slices(
        self, metric: str, worst: Literal["low", "high"] = "low", **options: Any
    ) -> pd.DataFrame:
        """Rules under which a metric is worst.

        See :func:`infinity_frames.experiments.slices.slices`.
        """
        from infinity_frames.experiments import slices as rules

        return rules.slices(self._frame, metric, worst=worst, **options)

    def near(
        self,
        n: int = 5,
        spread: float = 0.1,
        vary: str | Sequence[str] | None = None,
        *,
        reseed: bool = False,
        seed: int | None = None,
        session: Any = None,
    ) -> pd.DataFrame:
        """Jobs around each row.

        See :func:`infinity_frames.experiments.neighbors.near`.
        """
        from infinity_frames.client.registry import origin_for
        from infinity_frames.experiments import neighbors

        used = origin_for(self._frame, session)
        jobs = neighbors.near(
            used.spec, self._frame, n, spread=spread, vary=vary, reseed=reseed, seed=seed
        )
        return used.with_context(jobs)

    def gaps(self, by: str | Sequence[str], **options: Any) -> pd.DataFrame:
        """Empty and thin cells over one to three columns.

        See :func:`infinity_frames.experiments.coverage.gaps`.
        """
        from infinity_frames.experiments import coverage

        return coverage.gaps(self._frame, by, **options)

    def cover(
        self,
        n: int,
        by: str | Sequence[str],
        *,
        session: Any = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Jobs that fill empty and thin cells, of parameters or of outcomes.

        See :func:`infinity_frames.experiments.coverage.cover`.
        """
        from infinity_frames.client.registry import origin_for
        from infinity_frames.experiments import coverage

        used = origin_for(self._frame, session)
        jobs = coverage.cover(used.spec, self._frame, n, by, **options)
        return used.with_context(jobs)
