"""Parameters of camera and light, shared by the generators of photographs."""

from __future__ import annotations

from infinity_frames.protocol.spec import Choice, Normal, Parameter, Sampling, Uniform

__all__ = ["CAMERA_AND_LIGHT", "PHOTOGRAPHY"]


def _camera(
    name: str,
    default: float | None,
    ends: tuple[float, float],
    unit: str | None,
    sampling: Sampling,
    description: str,
) -> Parameter:
    """Return a parameter of camera or light; one without a default is drawn from the job's seed."""
    if default is None:
        description += " Drawn from the seed where unspecified."
    low, high = ends
    return Parameter(
        name,
        "float",
        default,
        min=low,
        max=high,
        unit=unit,
        sampling=sampling,
        description=description,
        extension=True,
    )


_LENS = (
    _camera(
        "focal_length",
        35.0,
        (18.0, 85.0),
        "mm",
        Uniform(36.0, 60.0),
        "Focal length on a sensor 36 mm wide along the longer side of the image.",
    ),
    _camera(
        "lens_distortion",
        0.0,
        (-15.0, 15.0),
        "%",
        Normal(-0.5, 1.5),
        "Displacement of the image's corners by the lens: outward (pincushion) or inward (barrel).",
    ),
    _camera(
        "lens_softness",
        None,
        (0.0, 3.0),
        "px",
        Uniform(0.3, 0.7),
        "Standard deviation of the lens's blur.",
    ),
    _camera(
        "vignette",
        None,
        (0.0, 1.0),
        None,
        Uniform(0.0, 0.4),
        "Loss of light in the corners of the image (vignetting).",
    ),
    _camera(
        "shutter_time",
        None,
        (0.0, 40.0),
        "ms",
        Uniform(1.0, 20.0),
        "Exposure time of a frame; labels show the middle of the exposure.",
    ),
)
_TONE = (
    _camera(
        "exposure_compensation",
        None,
        (-3.0, 3.0),
        "EV",
        Normal(-0.7, 0.4),
        "Correction of the exposure that the camera chooses; limited so that the picture never "
        "turns all black or all white.",
    ),
    _camera(
        "contrast",
        None,
        (0.5, 2.5),
        None,
        Uniform(0.95, 1.25),
        "Slope of the tone curve in the mid tones, relative to film.",
    ),
    _camera(
        "black_level",
        None,
        (-0.3, 0.2),
        None,
        Normal(-0.03, 0.03),
        "Level at which black is shown, of 1; below 0, shadows are clipped.",
    ),
    _camera(
        "white_level",
        None,
        (0.5, 1.2),
        None,
        Uniform(0.85, 1.0),
        "Level that is shown as white, of 1; below 1, highlights are clipped.",
    ),
    _camera(
        "white_balance_error",
        None,
        (-150.0, 150.0),
        "mired",
        Normal(0.0, 20.0),
        "Error of the white balance; positive pictures are too warm.",
    ),
)
_SENSOR = (
    _camera(
        "sensor_gain",
        None,
        (0.25, 64.0),
        None,
        Choice((1.0, 2.0, 4.0, 8.0, 16.0), (0.3, 0.3, 0.2, 0.15, 0.05)),
        "Gain of the sensor relative to its base sensitivity; noise grows with it.",
    ),
    _camera(
        "denoising",
        None,
        (0.0, 1.0),
        None,
        Uniform(0.0, 0.8),
        "Strength of the camera's noise reduction, which smears fine texture.",
    ),
    _camera(
        "sharpening",
        None,
        (0.0, 2.0),
        None,
        Uniform(0.0, 0.8),
        "Strength of the camera's edge sharpening.",
    ),
    Parameter(
        "video_crf",
        "int",
        None,
        min=10,
        max=45,
        sampling=Choice((18, 21, 24, 27, 30)),
        description="Constant rate factor of the video's H.264 encoder: a higher one gives smaller "
        "files of lower quality. Drawn from the seed where unspecified.",
        extension=True,
    ),
)
_LIGHT = (
    _camera(
        "sun_irradiance",
        None,
        (0.0, 400.0),
        "W/m^2",
        Choice((0.0, 5.0, 10.0, 25.0), (0.5, 0.2, 0.2, 0.1)),
        "Hard sunlight that falls through the window, or from a skylight where there is none.",
    ),
    _camera(
        "lamp_size",
        None,
        (0.05, 2.4),
        "m",
        Uniform(0.15, 1.4),
        "Side of the room's lamp: a small one casts hard shadows.",
    ),
)

CAMERA_AND_LIGHT = (*_LENS, *_TONE, *_SENSOR, *_LIGHT)
"""The parameters; one without a default is drawn from the job's seed where unspecified."""

PHOTOGRAPHY = tuple(parameter.name for parameter in CAMERA_AND_LIGHT)
"""Their names."""
