"""Parameters and joint rules shared by the generators of exercises."""

from __future__ import annotations

from collections.abc import Sequence

from infinity_frames.engine.people.exercises import exercise
from infinity_frames.protocol.spec import Conditional, Constant, Linear, Parameter, Uniform

__all__ = ["MAX_SEED", "MOTION", "TRIMS", "by_category", "no_trims_for"]

MAX_SEED = 2**31 - 1

MOTION = (
    Parameter(
        "num_reps",
        "int",
        1,
        min=1,
        max=20,
        sampling=Uniform(1, 10),
        description="How many times the exercise is repeated.",
    ),
    Parameter(
        "rel_baseline_speed",
        "float",
        1.0,
        min=0.33,
        max=3.0,
        sampling=Uniform(0.8, 1.25),
        description="Speed of the reps, relative to that of the seed motion.",
    ),
    Parameter(
        "max_rel_speed_change",
        "float",
        0.0,
        min=0.0,
        max=1.0,
        sampling=Uniform(0.0, 0.2),
        description="Largest difference of a rep's speed from the baseline, as a fraction of it.",
    ),
    Parameter(
        "trim_start_frac",
        "float",
        0.0,
        min=0.0,
        max=0.9,
        sampling=Constant(0.0),
        description="Fraction of the motion between start and midpoint cut at the start.",
    ),
    Parameter(
        "trim_end_frac",
        "float",
        0.0,
        min=0.0,
        max=0.9,
        sampling=Constant(0.0),
        description="Fraction of the motion between start and midpoint cut at the midpoint.",
    ),
    Parameter(
        "kinematic_noise_factor",
        "float",
        1.0,
        min=0.0,
        max=2.0,
        sampling=Constant(1.0),
        description="Deviation of each rep's joint trajectories from the seed motion; 0 for none.",
    ),
)
"""Parameters of the reps: number, speed, trims, noise."""

TRIMS = Linear({"trim_start_frac": 1.0, "trim_end_frac": 1.0}, max=0.9)
"""The trims must leave a part of the motion."""


def no_trims_for(exercises: Sequence[str]) -> tuple[Conditional, ...]:
    """Build the rules that forbid trims for exercises that are smooth only as a whole."""
    whole = tuple(name for name in exercises if not exercise(name).allows_trimming)
    if not whole:
        return ()
    return tuple(
        Conditional({"exercise": whole}, parameter, max=0.0)
        for parameter in ("trim_start_frac", "trim_end_frac")
    )


def by_category(exercises: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Exercises by category; a category that is itself an exercise means only that exercise."""
    groups: dict[str, tuple[str, ...]] = {}
    for name in exercises:
        category = exercise(name).category
        if category not in exercises:
            groups[category] = (*groups.get(category, ()), name)
    return groups
