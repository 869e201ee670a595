"""When each rep happens: the time model of a job.

Every duration is a pure function of the job's seed and the rep, and time is continuous before it is
sampled: more reps leave the first ones as they were, another frame rate sees the same motion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.people.exercises import Exercise, exercise

__all__ = ["Frames", "Timeline", "expected_frames"]

Array = NDArray[np.float64]

PAUSE_SECONDS = (0.4, 1.0)
"""Range of the hold at a rep's midpoint that ``add_pauses`` asks for, s."""

# So that 72.00000000000001 frames are 72.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Frames:
    """Where the motion is at some times; arrays of shape (F,).

    Parameters
    ----------
    time : array
        Seconds from the start.
    rep : array of int
        Index of the rep, counted from 0; a delay belongs to the rep before it.
    phase : array
        Phase of the untrimmed motion, 0..1, eased: its velocity is 0 at start and midpoint.
    clock : array
        Reps done, eased in the same way but over the whole of 0..num_reps: smooth in time.
    rep_count_from_start : array
        4.23 = 4 reps done and 23 % of the next.
    rep_count_from_intermediate : array
        The same from a midpoint on: the first + 1 - m.
    """

    time: Array
    rep: NDArray[np.intp]
    phase: Array
    clock: Array
    rep_count_from_start: Array
    rep_count_from_intermediate: Array


@dataclass(frozen=True, eq=False)
class Timeline:
    """The time model of one job.

    Parameters
    ----------
    exercise : Exercise
        What is done.
    seed : int
        The job's seed.
    num_reps : int
        How many times.
    frame_rate : float
        Frames per second, Hz.
    rel_baseline_speed, max_rel_speed_change : float
        A rep's speed is ``baseline * (1 + change) ** u``, u uniform in -1..1.
    inter_rep_delay_avg, inter_rep_delay_var : float
        The delay between two reps is uniform in ``max(0, avg - var)..avg + var``, s.
    add_pauses : bool
        Whether to hold still for a moment at each midpoint.
    trim_start_frac, trim_end_frac : float
        Shares of the motion between start and midpoint that are cut at either end.
    """

    exercise: Exercise
    seed: int
    num_reps: int = 1
    frame_rate: float = 24.0
    rel_baseline_speed: float = 1.0
    max_rel_speed_change: float = 0.0
    inter_rep_delay_avg: float = 0.0
    inter_rep_delay_var: float = 0.0
    add_pauses: bool = False
    trim_start_frac: float = 0.0
    trim_end_frac: float = 0.0

    @classmethod
    def from_params(cls, params: Mapping[str, Any], exercise: Exercise, seed: int) -> Timeline:
        """Timeline of a job's parameters; what they lack takes the default.

        Parameters
        ----------
        params : mapping
            Parameters of VisionFit or of SenseFit (whose frame rate is ``frames_per_second``);
            others are ignored.
        exercise : Exercise
            What is done.
        seed : int
            The job's seed.
        """
        names = {field.name for field in fields(cls)} - {"exercise", "seed"}
        given = {name: value for name, value in params.items() if name in names}
        if "frames_per_second" in params:
            given["frame_rate"] = params["frames_per_second"]
        return cls(exercise, seed, **given)

    @cached_property
    def active(self) -> Array:
        """Seconds that each rep moves, (num_reps,)."""
        u = np.array([stream(self.seed, "rep_speed", rep).uniform(-1, 1) for rep in self._reps])
        speed = self.rel_baseline_speed * (1.0 + self.max_rel_speed_change) ** u
        kept = 1.0 - self.trim_start_frac - self.trim_end_frac
        return np.asarray(self.exercise.seconds * kept / speed)

    @cached_property
    def pauses(self) -> Array:
        """Seconds that each rep holds still at its midpoint, (num_reps,)."""
        if not self.add_pauses:
            return np.zeros(self.num_reps)
        return np.array(
            [stream(self.seed, "rep_pause", rep).uniform(*PAUSE_SECONDS) for rep in self._reps]
        )

    @cached_property
    def delays(self) -> Array:
        """Seconds between each rep and the next; 0 after the last, (num_reps,)."""
        low = max(0.0, self.inter_rep_delay_avg - self.inter_rep_delay_var)
        high = self.inter_rep_delay_avg + self.inter_rep_delay_var
        delays = np.array(
            [stream(self.seed, "rep_delay", rep).uniform(low, high) for rep in self._reps]
        )
        delays[-1] = 0.0
        return delays

    @cached_property
    def starts(self) -> Array:
        """When each rep starts, s, (num_reps,)."""
        ends = np.cumsum(self.active + self.pauses + self.delays)
        return np.concatenate([[0.0], ends[:-1]])

    @property
    def duration(self) -> float:
        """Seconds from the start of the first rep to the end of the last."""
        return float(self.starts[-1] + self.active[-1] + self.pauses[-1])

    @property
    def num_frames(self) -> int:
        """Frames of the video: from time 0 up to the first at which the last rep is done."""
        return int(np.ceil(self.duration * self.frame_rate - _ROUNDING)) + 1

    @cached_property
    def frames(self) -> Frames:
        """Where the motion is in each frame of the video."""
        return self.at(np.arange(self.num_frames) / self.frame_rate)

    def at(self, time: Array) -> Frames:
        """Return where the motion is at any times.

        Parameters
        ----------
        time : (F,) array
            Seconds from the start; before it and after the end the motion stands still.
        """
        m = self.exercise.midpoint
        rep = np.clip(np.searchsorted(self.starts, time, side="right") - 1, 0, None)
        active, pause = self.active[rep], self.pauses[rep]
        within = np.clip(time - self.starts[rep], 0.0, active + pause)
        there = np.minimum(within, m * active)
        back = np.clip(within - m * active - pause, 0.0, (1.0 - m) * active)
        progress = np.clip((there + back) / active, 0.0, 1.0)
        eased_there = _minimum_jerk(there / (m * active))
        eased_back = _minimum_jerk(back / ((1.0 - m) * active))
        count = rep + progress
        return Frames(
            time=np.asarray(time, dtype=np.float64),
            rep=rep,
            phase=self._phase(eased_there, eased_back),
            clock=rep + m * eased_there + (1.0 - m) * eased_back,
            rep_count_from_start=count,
            rep_count_from_intermediate=count + 1.0 - m,
        )

    def _phase(self, there: Array, back: Array) -> Array:
        m, kept = self.exercise.midpoint, 1.0 - self.trim_start_frac - self.trim_end_frac
        outward = m * (self.trim_start_frac + kept * there)
        homeward = 1.0 - (1.0 - m) * (1.0 - self.trim_end_frac - kept * back)
        return np.clip(np.where(back > 0.0, homeward, outward), 0.0, 1.0)

    @property
    def _reps(self) -> range:
        return range(self.num_reps)


def _minimum_jerk(x: Array) -> Array:
    """Progress of a natural reach, 0..1 over 0..1, at rest at both ends.

    The polynomial of least jerk between two rests: Flash and Hogan, "The coordination of arm
    movements", Journal of Neuroscience 5 (1985).
    """
    # Rounding may carry it past 1.
    return np.minimum(x**3 * (10.0 + x * (6.0 * x - 15.0)), 1.0)


def expected_frames(jobs: pd.DataFrame) -> NDArray[np.int64]:
    """Expected number of frames of each job.

    Parameters
    ----------
    jobs : DataFrame
        Valid jobs of VisionFit or SenseFit that do an exercise; what is absent or NA takes the
        default.

    Returns
    -------
    (len(jobs),) int64 array

    Raises
    ------
    RenderError
        A job names an exercise that does not exist.
    """
    names = jobs["exercise"].astype(str)
    seconds = names.map({name: exercise(name).seconds for name in names.unique()})
    kept = 1.0 - _column(jobs, "trim_start_frac") - _column(jobs, "trim_end_frac")
    reps = _column(jobs, "num_reps")
    # E[(1 + c) ** -u] over u uniform in -1..1 is sinh(log(1 + c)) / log(1 + c).
    spread = np.log1p(_column(jobs, "max_rel_speed_change"))
    slowness = np.divide(np.sinh(spread), spread, out=np.ones(len(jobs)), where=spread > 0)
    active = seconds.to_numpy(float) * kept * slowness / _column(jobs, "rel_baseline_speed")
    average, variation = _column(jobs, "inter_rep_delay_avg"), _column(jobs, "inter_rep_delay_var")
    delay = (np.maximum(0.0, average - variation) + average + variation) / 2.0
    pause = _column(jobs, "add_pauses") * np.mean(PAUSE_SECONDS)
    duration = reps * (active + pause) + (reps - 1.0) * delay
    rate = "frames_per_second" if "frames_per_second" in jobs else "frame_rate"
    frames = np.ceil(duration * _column(jobs, rate) - _ROUNDING) + 1.0
    return np.asarray(frames.astype(np.int64))


_DEFAULTS: dict[str, float] = {
    field.name: field.default
    for field in fields(Timeline)
    if isinstance(field.default, (bool, int, float))
} | {"frames_per_second": 20.0}


def _column(jobs: pd.DataFrame, name: str) -> Array:
    default = float(_DEFAULTS[name])
    if name not in jobs:
        return np.full(len(jobs), default)
    values = jobs[name].astype("Float64").fillna(default)
    return np.asarray(values, dtype=np.float64)
