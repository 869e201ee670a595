"""The parameters of Spills: names, types, ranges, defaults, sampling."""

from __future__ import annotations

from infinity_frames.engine.generators.exercise_parameters import MAX_SEED
from infinity_frames.protocol.spec import Generator, Parameter, Uniform

__all__ = ["COLORS", "SCENES", "SPEC"]

SCENES = (
    "WAREHOUSE_0001",
    "WAREHOUSE_0002",
    "WAREHOUSE_0003",
    "GROCERY_0001",
    "GROCERY_0002",
    "OFFICE_0001",
    "RESTAURANT_0001",
)
COLORS = ("RED", "BROWN", "WHITE", "TRANSPARENT")

SPEC = Generator(
    name="spills-v0.1.0",
    version="0.1.0",
    parameters=(
        Parameter(
            "scene",
            "str",
            "WAREHOUSE_0001",
            choices=SCENES,
            groups={
                place: tuple(name for name in SCENES if name.startswith(place))
                for place in ("WAREHOUSE", "GROCERY", "OFFICE", "RESTAURANT")
            },
            description="The place; each has a fixed camera that shows its floor.",
        ),
        Parameter("color", "str", "RED", choices=COLORS, description="Color of the liquid."),
        Parameter(
            "size",
            "float",
            50.0,
            min=1.0,
            max=100.0,
            description="Size of the final spill: the radius of a disc of the same area, in cm.",
        ),
        Parameter(
            "aspect_ratio",
            "float",
            1.0,
            min=1.0,
            max=3.0,
            description="Ratio of its length to its width.",
        ),
        Parameter(
            "profile_irregularity",
            "float",
            0.3,
            min=0.0,
            max=1.0,
            description="Deviation of its outline from an ellipse.",
        ),
        Parameter(
            "depth",
            "float",
            1.0,
            min=1.0,
            max=4.0,
            unit="mm",
            description="Depth of the liquid: deeper liquid hides more of the floor.",
        ),
        Parameter(
            "frame_rate",
            "int",
            24,
            choices=(24, 12, 8, 6),
            unit="Hz",
            description="Frames per second of the video.",
        ),
        Parameter(
            "video_duration",
            "float",
            2.0,
            min=1.0,
            max=120.0,
            unit="s",
            sampling=Uniform(1.0, 5.0),
            description="Length of the video; the spill grows during all of it.",
        ),
        Parameter(
            "random_seed",
            "int",
            0,
            min=0,
            max=MAX_SEED,
            description="Seed of every random decision.",
        ),
        Parameter(
            "state", "uuid", description="An earlier job, whose random decisions this job repeats."
        ),
    ),
    preview=True,
)
