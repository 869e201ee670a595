"""The parameters of Spills v0.2.0."""

from __future__ import annotations

from dataclasses import replace

from infinity_frames.engine.generators.camera_parameters import CAMERA_AND_LIGHT
from infinity_frames.engine.generators.spills.parameters import SPEC as V1
from infinity_frames.protocol.spec import (
    Choice,
    Constant,
    Generator,
    Joint,
    Normal,
    Parameter,
    Sampling,
    Uniform,
)

__all__ = ["COLORS", "OUTFLOWS", "PHOTOGRAPHY", "SPEC"]

COLORS = (
    "RED",
    "BROWN",
    "WHITE",
    "TRANSPARENT",
    "ORANGE",
    "YELLOW",
    "GREEN",
    "BLUE",
    "BLACK",
)
OUTFLOWS = ("DRAINING", "STEADY", "EASED")

_SIZES = Joint(
    ("image_width", "image_height"),
    ((960, 624), (640, 416), (640, 480), (512, 512), (1280, 720)),
)
_SPILL = (
    V1.by_name["scene"],
    replace(V1.by_name["color"], choices=COLORS),
    replace(
        V1.by_name["size"],
        description="Size of the final spill: the radius of a disc of the same area.",
    ),
    V1.by_name["aspect_ratio"],
    replace(
        V1.by_name["profile_irregularity"],
        description="Unevenness of the floor, which makes the outline deviate from an ellipse.",
    ),
    replace(
        V1.by_name["depth"],
        description="Mean depth: deeper liquid hides more of the floor and has a deeper color.",
    ),
    Parameter(
        "outflow",
        "str",
        "DRAINING",
        choices=OUTFLOWS,
        sampling=Constant("DRAINING"),
        description="Growth of the area: fast and then slower, steady, or eased in and out.",
    ),
)
_CLUTTER = Parameter(
    "num_obstacles",
    "int",
    0,
    min=0,
    max=4,
    sampling=Choice((0, 1, 2, 3), (0.4, 0.25, 0.2, 0.15)),
    description="Number of cartons, canisters and signs near the spill; fewer if there is no room.",
)
_VIEW = (
    Parameter(
        "relative_camera_yaw_deg",
        "float",
        0.0,
        min=-15.0,
        max=15.0,
        unit="deg",
        sampling=Uniform(-6.0, 6.0),
        description="Turn of the camera to the left (positive) or right of the place's own view.",
    ),
    Parameter(
        "relative_camera_pitch_deg",
        "float",
        0.0,
        min=-15.0,
        max=15.0,
        unit="deg",
        sampling=Uniform(-6.0, 4.0),
        description="Turn of the camera up (positive) or down from the place's own view.",
    ),
    Parameter(
        "relative_camera_height",
        "float",
        1.0,
        min=0.6,
        max=1.2,
        sampling=Uniform(0.8, 1.15),
        description="Factor on the height of the place's camera above the floor.",
    ),
    Parameter(
        "relative_lighting_power",
        "float",
        1.0,
        min=0.1,
        max=4.0,
        sampling=Uniform(0.4, 2.0),
        description="Factor on the power of the place's lamps.",
    ),
)
_OUTPUT = (
    replace(V1.by_name["frame_rate"], choices=(30, 24, 12, 8, 6)),
    V1.by_name["video_duration"],
    *(
        Parameter(
            f"image_{side}",
            "int",
            default,
            min=224,
            max=1920,
            unit="px",
            sampling=_SIZES,
            description=f"{side.capitalize()} of the video.",
        )
        for side, default in (("width", 960), ("height", 624))
    ),
    Parameter(
        "enable_sensor_noise",
        "bool",
        True,
        sampling=Constant(True),
        description="Add the noise of the camera's sensor.",
    ),
)
# These cameras expose for a large room under lamps.
_USUAL: dict[str, Sampling] = {
    "focal_length": Uniform(26.0, 42.0),
    "exposure_compensation": Normal(0.2, 0.5),
    "contrast": Uniform(0.9, 1.4),
    "black_level": Normal(-0.03, 0.03),
    "white_level": Uniform(0.75, 1.0),
    "white_balance_error": Normal(0.0, 15.0),
}
PHOTOGRAPHY = tuple(
    replace(one, sampling=_USUAL.get(one.name, one.sampling))
    for one in CAMERA_AND_LIGHT
    # The camera stands still and liquids are slow: the shutter would change nothing.
    if one.name != "shutter_time"
)
"""Parameters of camera and light."""

SPEC = Generator(
    name="spills-v0.2.0",
    version="0.2.0",
    parameters=(
        *_SPILL,
        _CLUTTER,
        *_VIEW,
        *_OUTPUT,
        *PHOTOGRAPHY,
        V1.by_name["random_seed"],
        V1.by_name["state"],
    ),
    preview=True,
)
