"""The interface of a generator: a class that describes, estimates and renders jobs.

A generator is found by its entry point in the group ``infinity_frames.generators``; a package of a
user adds its own the same way. The server imports the class for ``spec`` and ``estimate`` only, so
importing it must stay cheap; ``prepare`` and ``render`` import the rendering code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.spec import Generator as Description

__all__ = ["Generator", "Limits", "limits_of"]


@dataclass(frozen=True)
class Limits:
    """Time and memory that one job of a generator may take; the engine stops a job beyond them.

    Parameters
    ----------
    seconds : float
        Time for rendering a job, without the preparation of the worker, s.
    seconds_per_sample : float
        Further time for each sample of the estimate, s.
    memory : int, optional
        Bytes of resident memory of the worker process and the processes that it starts. A worker
        that has done nothing yet uses about 200 MB. Default: the engine's own limit.

    Raises
    ------
    ValueError
        A limit is not positive.

    Examples
    --------
    >>> Limits(seconds=30.0, memory=2 * 2**30).time(samples=10)
    80.0
    """

    seconds: float = 600.0
    seconds_per_sample: float = 5.0
    memory: int | None = None

    def __post_init__(self) -> None:
        if not (self.seconds > 0.0 and self.seconds_per_sample >= 0.0):
            raise ValueError("the time limits of a generator must be positive")
        if self.memory is not None and not self.memory > 0:
            raise ValueError("the memory limit of a generator must be positive")

    def time(self, samples: int) -> float:
        """Return the seconds that a job with so many samples may take."""
        return self.seconds + self.seconds_per_sample * samples


def limits_of(generator: object) -> Limits | None:
    """Return the limits that a generator states as its attribute ``limits``; None for none.

    Raises
    ------
    TypeError
        The attribute is something else.
    """
    limits = getattr(generator, "limits", None)
    if limits is not None and not isinstance(limits, Limits):
        raise TypeError(f"its limits are of type {type(limits).__name__}; expected Limits")
    return limits


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
            In the order of `jobs`. The server counts a preview as one sample by itself.
        """
        ...

    def prepare(self) -> None:
        """Import and compile what ``render`` needs; each worker calls it once, before its jobs.

        Optional for classes that inherit from this one: by default there is nothing to prepare.
        """
        return None  # noqa: RET501 - without a body, type checkers call the method abstract

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        """Make one job.

        Parameters
        ----------
        params : dict
            A value for every parameter of the spec; valid.
        seed : int
            Seed of every random decision of the job, 0 or more.
        directory : Path
            An empty, writable folder; receives the job's files, but not ``job.json``.
        preview : bool
            Make a single sample instead of the whole job.

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
