"""The parameters of SenseFit: names, types, ranges, defaults, sampling, joint rules."""

from __future__ import annotations

from dataclasses import replace

from infinity_frames.engine.generators.exercise_parameters import (
    MAX_SEED,
    MOTION,
    TRIMS,
    by_category,
    no_trims_for,
)
from infinity_frames.engine.people.exercises import SENSEFIT_EXERCISES
from infinity_frames.protocol.spec import Constant, Generator, Parameter, Sampling, Uniform

__all__ = ["SPEC"]

_TAU = 6.283185307179586

# Speeds are drawn from a wider range than those of VisionFit: people of every pace wear watches.
_WIDER: dict[str, Sampling | None] = {
    "num_reps": None,
    "rel_baseline_speed": Uniform(0.5, 2.0),
    "max_rel_speed_change": Uniform(0.0, 0.5),
    "kinematic_noise_factor": Uniform(0.0, 1.0),
}
_EXERCISE = Parameter(
    "exercise",
    "str",
    "BICEP_CURL-DUMBBELL",
    choices=SENSEFIT_EXERCISES,
    groups=by_category(SENSEFIT_EXERCISES),
    description="The exercise: CATEGORY[-MODIFIER+MODIFIER][-EQUIPMENT][-SIDE].",
)
_WATCH = (
    Parameter(
        "watch_location",
        "str",
        "LEFT",
        choices=("LEFT", "RIGHT"),
        description="The wrist that wears the watch: the person's own left or right.",
    ),
    Parameter(
        "crown_orientation",
        "str",
        "RIGHT",
        choices=("LEFT", "RIGHT"),
        description="Side of the screen that has the crown, as seen by the wearer.",
    ),
    Parameter(
        "ref_xy_rotation",
        "float",
        0.0,
        min=0.0,
        max=_TAU,
        unit="rad",
        description="Turn of the reference frame about the vertical.",
    ),
    Parameter(
        "wrist_offset_deg",
        "float",
        0.0,
        min=-90.0,
        max=90.0,
        unit="deg",
        sampling=Uniform(-20.0, 20.0),
        description="Rotation of the watch about the forearm; negative as in supination.",
    ),
)
_BODY = Parameter(
    "randomize_body_shape",
    "bool",
    False,
    sampling=Constant(True),
    description="Draw the person's gender, stature, girth and looks.",
)
_RANDOM_MOTION = (
    Parameter(
        "use_random_motion",
        "bool",
        False,
        description="Move the arms at random instead of exercising; the series has no rep counts.",
    ),
    Parameter(
        "num_random_frames",
        "int",
        100,
        min=10,
        max=500,
        description="Samples of random motion, if use_random_motion is true.",
    ),
)
_OUTPUT = (
    Parameter(
        "frames_per_second",
        "int",
        20,
        choices=(20, 30, 40),
        unit="Hz",
        description="Samples of the series, and frames of the video, per second.",
    ),
    *(
        Parameter(
            f"image_{side}",
            "int",
            480,
            min=224,
            max=1024,
            unit="px",
            description=f"{side.capitalize()} of the video.",
        )
        for side in ("width", "height")
    ),
    Parameter(
        "random_seed",
        "int",
        100,
        min=0,
        max=MAX_SEED,
        description="Seed of every random decision.",
    ),
)

SPEC = Generator(
    name="sensefit-v0.2.0",
    version="0.2.0",
    parameters=(
        _EXERCISE,
        *(
            replace(parameter, sampling=_WIDER.get(parameter.name, parameter.sampling))
            for parameter in MOTION
        ),
        *_WATCH,
        _BODY,
        *_RANDOM_MOTION,
        *_OUTPUT,
    ),
    constraints=(TRIMS, *no_trims_for(SENSEFIT_EXERCISES)),
    preview=False,
)
