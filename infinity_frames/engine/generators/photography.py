"""Camera and light of a job: the applied values, and the sensor that they describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.generators.camera_parameters import CAMERA_AND_LIGHT
from infinity_frames.engine.generators.sensor import Sensor
from infinity_frames.engine.render import Response
from infinity_frames.protocol.spec import Choice, Normal, Parameter, Uniform

__all__ = ["Photography"]


@dataclass(frozen=True)
class Photography:
    """The applied values of a job's parameters of camera and light.

    Parameters
    ----------
    values : dict of str to float or int
        Values by parameter name.
    noisy : bool
        The sensor has noise.
    """

    values: dict[str, float | int]
    noisy: bool

    @classmethod
    def of(
        cls,
        params: Mapping[str, Any],
        seed: int,
        parameters: Sequence[Parameter] = CAMERA_AND_LIGHT,
    ) -> Photography:
        """Take the job's values; draw the unspecified ones from its seed.

        Each parameter is drawn from its own stream, so that setting one leaves the others
        unchanged.

        Parameters
        ----------
        params : mapping
            The job's parameters; those of camera and light may be absent or None.
        seed : int
            The job's seed.
        parameters : sequence of Parameter
            Those of camera and light, with the distributions of the generator.

        Returns
        -------
        Photography
        """
        values: dict[str, float | int] = {}
        for parameter in parameters:
            name, given = parameter.name, params.get(parameter.name)
            value: Any = parameter.default if given is None else given
            values[name] = _drawn(parameter, stream(seed, name)) if value is None else value
        return cls(values, params["enable_sensor_noise"])

    @property
    def info(self) -> dict[str, float | int]:
        """The applied values, for ``info`` of labels.json."""
        return dict(self.values)

    @property
    def shutter(self) -> float:
        """Duration of the exposure, s."""
        return self.values["shutter_time"] / 1000.0

    @property
    def crf(self) -> int:
        """Constant rate factor of the video's encoder."""
        return int(self.values["video_crf"])

    @property
    def response(self) -> Response:
        """The camera's response to radiance."""
        value = self.values
        return Response(
            balance=white_balance(value["white_balance_error"]),
            vignette=value["vignette"],
            softness=value["lens_softness"],
            contrast=value["contrast"],
            black=value["black_level"],
            white=value["white_level"],
            gain=value["sensor_gain"],
            denoising=value["denoising"],
            sharpening=value["sharpening"],
        )

    def sensor(self, seed: int) -> Sensor:
        """Build the camera's sensor for a job's seed."""
        stops = self.values["exposure_compensation"]
        return Sensor(seed, self.noisy, stops=stops, response=self.response)


def white_balance(mired: float) -> tuple[float, float, float]:
    """Gains of red, green and blue for an error of the white balance in mired.

    They follow a black body near 6500 K in linear sRGB.
    """
    return (float(np.exp(0.0034 * mired)), 1.0, float(np.exp(-0.0066 * mired)))


def _drawn(parameter: Parameter, rng: np.random.Generator) -> float | int:
    """Draw a value from a parameter's distribution."""
    match parameter.sampling:
        case Uniform(low, high):
            value = float(rng.uniform(low, high))
        case Normal(mean, std):
            value = float(np.clip(rng.normal(mean, std), parameter.min, parameter.max))
        case Choice(options, weights):
            share = None if weights is None else np.array(weights) / sum(weights)
            value = float(options[int(rng.choice(len(options), p=share))])
        case other:
            raise AssertionError(f"{parameter.name} is drawn by {other}")
    return int(value) if parameter.type == "int" else value
