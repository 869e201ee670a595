"""The interface of a generator: a class that describes, estimates and renders jobs.

A generator is found by its entry point in the group ``infinity_frames.generators``; a package of a
user adds its own the same way. The server imports the class for ``spec`` and ``estimate`` only, so
importing it must stay cheap; whatever renders is imported by ``prepare`` and ``render``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.spec import Generator as Description

__all__ = ["Generator"]


@runtime_checkable
class Generator(Protocol):
    """Turns the parameters of a job into a folder of labeled data."""

    spec: Description
    """Name, version, parameters and joint rules; the server validates jobs by them."""

    def estimate(self, jobs: pd.DataFrame) -> NDArray[np.int64]:
        """Estimate the samples of each standard job.

        Parameters
        ----------
        jobs : DataFrame
            A row per job, a typed column per parameter of the spec; complete and valid.

        Returns
        -------
        (len(jobs),) int64 array
            In the order of `jobs`. A preview is one sample, which the server knows.
        """
        ...

    def prepare(self) -> None:
        """Import and compile what ``render`` needs; each worker calls it once, before its jobs."""
        ...

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        """Make one job.

        Parameters
        ----------
        params : dict
            A value for every parameter of the spec; valid.
        seed : int
            Where every random decision of the job comes from, 0 or more.
        directory : Path
            An empty, writable folder; receives the job's files, but not ``job.json``.
        preview : bool
            Make one sample to look at instead of the whole job.

        Returns
        -------
        int
            Samples made.

        Raises
        ------
        RenderError
            The job could not be made; the sentence tells its owner why.
        """
        ...
