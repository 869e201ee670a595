"""Signals of an inertial sensor on a given path: ideal ones, and those of a real sensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import BSpline, make_interp_spline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from infinity_frames.engine.core.rng import stream

__all__ = ["GRAVITY", "KNOT_RATE", "Path", "Sensor", "sample_times", "signals"]

Array = NDArray[np.float64]

GRAVITY = 9.80665
"""Standard gravity, m/s^2."""

KNOT_RATE = 80.0
"""Poses per second that a path is fitted to, Hz."""

_SMOOTHING_S = 0.012  # strap and soft tissue do not follow faster motion
_DEGREE = 5
# Total intensity and inclination of the Earth's field at middle latitudes; +Y is magnetic north.
_FIELD_UT, _DIP_DEG = 48.0, 62.0
_FIELD = _FIELD_UT * np.array([0.0, np.cos(np.radians(_DIP_DEG)), -np.sin(np.radians(_DIP_DEG))])
_AXES = ("x", "y", "z")


@dataclass(frozen=True, eq=False)
class Path:
    """A smooth path of a rigid body; velocities and accelerations are its exact derivatives.

    Parameters
    ----------
    position : BSpline
        Global position over time, m.
    attitude : BSpline
        A quaternion (w, x, y, z) over time that is not normalized; it rotates vectors of the
        device into global axes.
    """

    position: BSpline
    attitude: BSpline

    @classmethod
    def through(cls, time: Array, positions: Array, rotations: Array) -> Path:
        """Fit a path to evenly spaced poses.

        Parameters
        ----------
        time : (N,) array
            `KNOT_RATE` apart, beyond both ends of what is needed by 0.1 s, s.
        positions : (N, 3) array
            m.
        rotations : (N, 3, 3) array
            From device axes to global axes.
        """
        quaternions = Rotation.from_matrix(rotations).as_quat(scalar_first=True)
        # Neighbors must have the same sign: q and -q are the same rotation.
        flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=1))
        quaternions[1:] *= np.cumprod(np.where(flips < 0, -1.0, 1.0))[:, None]
        width = _SMOOTHING_S * KNOT_RATE
        smooth = [
            gaussian_filter1d(values, width, axis=0, mode="nearest")
            for values in (positions, quaternions)
        ]
        return cls(*(make_interp_spline(time, values, k=_DEGREE) for values in smooth))

    def rotations(self, time: Array) -> Rotation:
        """Rotations from device axes to global axes."""
        return Rotation.from_quat(self.attitude(time), scalar_first=True)

    def rotation_rate(self, time: Array) -> Array:
        """Angular velocity in device axes, (N, 3) rad/s."""
        s, ds = self.attitude(time), self.attitude(time, 1)
        # 2 conj(s) ds / |s|^2; a change of the norm of s affects the scalar part only.
        w, v, dw, dv = s[:, :1], s[:, 1:], ds[:, :1], ds[:, 1:]
        vector = w * dv - dw * v - np.cross(v, dv)
        return np.asarray(2.0 * vector / (s**2).sum(axis=1, keepdims=True))

    def acceleration(self, time: Array) -> Array:
        """Kinematic acceleration in device axes, without gravity, (N, 3) m/s^2."""
        return np.asarray(self.rotations(time).inv().apply(self.position(time, 2)))


def signals(path: Path, time: Array, ref_xy_rotation: float, magnetic: bool) -> pd.DataFrame:
    """Ideal signals at some times.

    Parameters
    ----------
    path : Path
    time : (N,) array
        s.
    ref_xy_rotation : float
        Turn of the reference frame about the vertical, rad.
    magnetic : bool
        Whether to add the magnetic field.

    Returns
    -------
    DataFrame
        Columns as listed in `docs/sensefit.md`.
    """
    device = path.rotations(time)
    attitude = Rotation.from_euler("z", ref_xy_rotation).inv() * device
    gravity = device.inv().apply([0.0, 0.0, -GRAVITY])
    user = path.acceleration(time)
    columns: dict[str, Any] = {"time": time, "ref_xy_rotation": ref_xy_rotation}
    matrix = attitude.inv().as_matrix()
    for row in range(3):
        for column in range(3):
            columns[f"rotation_matrix_m{row + 1}{column + 1}"] = matrix[:, row, column]
    quaternion = attitude.as_quat(scalar_first=True, canonical=True)
    columns.update(zip((f"attitude_{name}" for name in ("w", *_AXES)), quaternion.T, strict=True))
    vectors = {
        "rotation_rate": path.rotation_rate(time),
        "specific_force": user - gravity,
        "gravity": gravity,
        "user_acceleration": user,
        "position": path.position(time),
    }
    if magnetic:
        vectors["magnetic_field"] = device.inv().apply(_FIELD)
    for name, values in vectors.items():
        columns.update(zip((f"{name}_{axis}" for axis in _AXES), values.T, strict=True))
    return pd.DataFrame(columns)


def sample_times(params: Mapping[str, Any], seed: int, duration: float) -> Array:
    """Draw the sample times of a sensor: evenly spaced with jitter, some dropped, (N,) s."""
    rate = params["sample_rate"]
    count = int(np.ceil(duration * rate - 1e-9)) + 1
    time = np.arange(count) / rate
    jitter = params["time_jitter"] * stream(seed, "time_jitter").normal(size=count)
    # Samples keep their order.
    time = time + np.clip(jitter, -0.45 / rate, 0.45 / rate)
    kept = stream(seed, "dropped_samples").uniform(size=count) >= params["dropped_fraction"]
    kept[[0, -1]] = True
    return np.asarray(time[kept])


class Sensor:
    """The error model of an inertial sensor; its constants are drawn from the job's seed.

    ``measured = quantize(clip((I + E) ideal + bias + walk + noise))`` with white noise of density N
    (standard deviation N sqrt(rate)) and a bias that walks by K sqrt(dt) per step: the model of
    IEEE Std 952, whose Allan deviation is N / sqrt(tau) and K sqrt(tau / 3).

    Parameters
    ----------
    params : mapping
        The parameters of SenseFit from ``accel_noise_density`` on.
    seed : int
        The job's seed.
    """

    def __init__(self, params: Mapping[str, Any], seed: int) -> None:
        self._params, self._seed = params, seed

    def measured(self, kind: str, ideal: Array, rate: float) -> Array:
        """Measure a signal.

        Parameters
        ----------
        kind : {"accel", "gyro"}
        ideal : (N, 3) array
            m/s^2 or rad/s.
        rate : float
            Samples per second, Hz.

        Returns
        -------
        (N, 3) array
        """
        p, shape = self._params, ideal.shape
        draws = stream(self._seed, f"{kind}_noise")
        noise = p[f"{kind}_noise_density"] * np.sqrt(rate) * draws.normal(size=shape)
        steps = stream(self._seed, f"{kind}_bias_walk").normal(size=shape)
        walk = p[f"{kind}_bias_walk"] / np.sqrt(rate) * np.cumsum(steps, axis=0)
        distorted = ideal @ self.distortion(kind).T + self.bias(kind) + walk + noise
        limit = p[f"{kind}_range"]
        step = 2.0 * limit / 2 ** p["resolution_bits"]
        return np.asarray(np.clip(np.round(distorted / step) * step, -limit, limit - step))

    def bias(self, kind: str) -> Array:
        """Constant offset, (3,)."""
        draw = stream(self._seed, f"{kind}_bias").normal(size=3)
        return np.asarray(self._params[f"{kind}_bias"] * draw)

    def distortion(self, kind: str) -> Array:
        """Scale errors on the diagonal, misalignment beside it, (3, 3)."""
        draw = stream(self._seed, f"{kind}_distortion").normal(size=(3, 3))
        scale, tilt = self._params["scale_error"], self._params["misalignment_deg"]
        errors = np.where(np.eye(3, dtype=bool), scale, np.radians(tilt)) * draw
        return np.asarray(np.eye(3) + errors)
