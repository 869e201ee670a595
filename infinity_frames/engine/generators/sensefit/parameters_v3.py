"""The parameters of SenseFit v0.3.0."""

from __future__ import annotations

from dataclasses import replace

from infinity_frames.engine.generators.sensefit.parameters import SPEC as V2
from infinity_frames.protocol.spec import (
    Choice,
    Constant,
    Generator,
    Normal,
    Parameter,
    Sampling,
    Uniform,
)

__all__ = ["SPEC"]

_REPLACED = {
    "randomize_body_shape",
    "num_random_frames",
    "frames_per_second",
    "watch_location",
    "random_seed",
    "image_width",
    "image_height",
}


def _float(
    name: str, default: float, high: float, unit: str | None, text: str, usual: float
) -> Parameter:
    """Return a parameter of the sensor model: 0 switches the fault off; drawn up to `usual`."""
    sampling: Sampling = Uniform(0.0, usual)
    return Parameter(
        name, "float", default, min=0.0, max=high, unit=unit, sampling=sampling, description=text
    )


_WHERE = (
    Parameter(
        "placement",
        "str",
        "WRIST",
        choices=("WRIST", "FOREARM", "UPPER_ARM", "ANKLE", "HIP_POCKET", "CHEST"),
        sampling=Constant("WRIST"),
        description="Placement of the sensor on the body.",
    ),
    replace(
        V2.by_name["watch_location"],
        description="Side of the body that wears it: the person's own left or right.",
    ),
)
_SUBJECT = (
    Parameter(
        "gender", "str", "MALE", choices=("MALE", "FEMALE"), description="Of the person's body."
    ),
    *(
        Parameter(
            f"relative_{name}",
            "float",
            0.0,
            min=-4.0,
            max=4.0,
            unit="std",
            sampling=Normal(0.0, 1.0),
            description=f"{what}, in standard deviations of the population.",
        )
        for name, what in (("height", "Stature"), ("weight", "Girth"))
    ),
    Parameter(
        "avatar_identity", "int", 0, min=0, max=24, description="Face, hair and skin of the person."
    ),
)
_SERIES = (
    Parameter(
        "sample_rate",
        "int",
        50,
        min=20,
        max=200,
        unit="Hz",
        sampling=Choice((50, 100)),
        description="Samples of the series per second; independent of the video.",
    ),
    Parameter(
        "random_duration",
        "float",
        5.0,
        min=1.0,
        max=24.0,
        unit="s",
        description="Duration of a random motion, if use_random_motion is true.",
    ),
    Parameter(
        "add_magnetic_field",
        "bool",
        False,
        sampling=Constant(False),
        description="Add the Earth's magnetic field to the series.",
    ),
)
_VIDEO = (
    Parameter(
        "render_video",
        "bool",
        True,
        sampling=Constant(True),
        description="Render the video; without it only the series is made, which is much faster.",
    ),
    V2.by_name["frames_per_second"],
    V2.by_name["image_width"],
    V2.by_name["image_height"],
)
_MS2, _RADS = "m/s^2", "rad/s"
_FAULTS = (
    _float("accel_noise_density", 0.0015, 0.1, "m/s^2/sqrt(Hz)", "White noise of the force.", 3e-3),
    _float("accel_bias", 0.05, 2.0, _MS2, "Standard deviation of its constant offset.", 0.2),
    _float("accel_bias_walk", 2e-4, 0.1, "m/s^2/sqrt(s)", "Random walk of its offset.", 1e-3),
    _float("gyro_noise_density", 1e-4, 0.02, "rad/s/sqrt(Hz)", "White noise of the rate.", 3e-4),
    _float("gyro_bias", 0.005, 0.5, _RADS, "Standard deviation of its constant offset.", 0.03),
    _float("gyro_bias_walk", 2e-5, 0.01, "rad/s/sqrt(s)", "Random walk of its offset.", 1e-4),
    _float(
        "scale_error", 0.005, 0.1, None, "Standard deviation of the scale error, as a share.", 0.01
    ),
    _float("misalignment_deg", 0.3, 10.0, "deg", "Deviation of the axes from right angles.", 1.0),
    Parameter(
        "accel_range",
        "float",
        157.0,
        min=9.81,
        max=400.0,
        unit=_MS2,
        sampling=Constant(157.0),
        description="Largest force that can be measured; larger ones are clipped.",
    ),
    Parameter(
        "gyro_range",
        "float",
        34.9,
        min=1.0,
        max=100.0,
        unit=_RADS,
        sampling=Constant(34.9),
        description="Largest rate that can be measured; larger ones are clipped.",
    ),
    Parameter(
        "resolution_bits",
        "int",
        16,
        min=6,
        max=24,
        sampling=Constant(16),
        description="Bits of the converter over the whole range, both signs.",
    ),
    _float(
        "time_jitter", 0.0, 0.02, "s", "Standard deviation of the sample times (jitter).", 0.001
    ),
    _float("dropped_fraction", 0.0, 0.5, None, "Share of the samples that are lost.", 0.02),
    Parameter(
        "clock_offset",
        "float",
        0.0,
        min=-5.0,
        max=5.0,
        unit="s",
        sampling=Uniform(-0.2, 0.2),
        description="Lead of the sensor's clock over the video's.",
    ),
)

SPEC = Generator(
    name="sensefit-v0.3.0",
    version="0.3.0",
    parameters=(
        *(parameter for parameter in V2.parameters if parameter.name not in _REPLACED),
        *_WHERE,
        *_SUBJECT,
        *_SERIES,
        *_VIDEO,
        *_FAULTS,
        V2.by_name["random_seed"],
    ),
    constraints=V2.constraints,
    preview=False,
)
