"""The camera's sensor: turns linear radiance into 8-bit pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.render import Response, auto_exposure, tonemap

__all__ = ["Sensor"]


class Sensor:
    """Tone-maps frames with one exposure for the whole video and fresh noise in each frame.

    Parameters
    ----------
    seed : int
        The job's seed, 0 or more.
    noisy : bool
        Whether to add photon shot noise and read noise.
    exposure : float, optional
        Factor on the radiance; default: chosen automatically for the first frame.
    stops : float
        Exposure compensation of the automatic choice, EV; it never blanks the picture.
    response : Response, optional
        Lens, tone curve and processing of the camera; default: neutral.
    """

    def __init__(
        self,
        seed: int = 0,
        noisy: bool = False,
        exposure: float | None = None,
        *,
        stops: float = 0.0,
        response: Response | None = None,
    ) -> None:
        self._seed = seed
        self._noisy = noisy
        self._exposure = exposure
        self._stops = stops
        self._response = Response() if response is None else response

    def expose(self, radiance: NDArray[np.float32]) -> None:
        """Choose the exposure of the whole video by a picture, (H, W, 3) linear RGB."""
        if self._exposure is None:
            self._exposure = auto_exposure(radiance, stops=self._stops, response=self._response)

    def picture(self, radiance: NDArray[np.float32], frame: int) -> NDArray[np.uint8]:
        """Tone-map one frame.

        Parameters
        ----------
        radiance : (H, W, 3) float32 array
            Linear RGB.
        frame : int
            Frame number; selects the noise.

        Returns
        -------
        (H, W, 3) uint8 array
            sRGB.
        """
        self.expose(radiance)
        rng = stream(self._seed, "sensor_noise", frame) if self._noisy else None
        return tonemap(radiance, rng=rng, exposure=self._exposure, response=self._response)
