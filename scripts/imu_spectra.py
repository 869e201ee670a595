"""Spectra of SenseFit's signals beside a real smart watch: the data set BasicMotions.

    python -m scripts.imu_spectra [PATH] [--figure docs/sensefit-spectra.png]

BasicMotions (four students with a smart watch; force without gravity and rotation rate at 10 Hz,
10 s each) ships in the packages aeon and sktime; PATH is its file ``BasicMotions_TRAIN.ts``.
Nothing of it is kept here.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.signal import welch

from infinity_frames.engine.generators.sensefit.parameters_v3 import SPEC
from infinity_frames.engine.generators.sensefit.video_v3 import build_wearer, series_of

Array = NDArray[np.float64]

RATE, SECONDS = 10.0, 10.0  # of BasicMotions
FILE = "datasets/data/BasicMotions/BasicMotions_TRAIN.ts"
OURS: dict[str, dict[str, Any]] = {
    "random motion": {"use_random_motion": True, "random_duration": 12.0},
    "bicep curl": {"exercise": "BICEP_CURL-DUMBBELL", "num_reps": 8},
    "uppercut": {"exercise": "UPPERCUT-LEFT", "num_reps": 12},
    "squat": {"exercise": "SQUAT-BODYWEIGHT", "num_reps": 8},
}


def packaged() -> Path:
    """Where an installed package has the data set."""
    for name in ("aeon", "sktime"):
        spec = find_spec(name)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (Path(folder) / FILE).exists():
                return Path(folder) / FILE
    raise SystemExit("BasicMotions was not found: name its file, or install aeon or sktime")


def basic_motions(path: Path) -> dict[str, list[Array]]:
    """Recordings by class, each (100, 6): force, m/s^2, and rotation rate, rad/s."""
    found: dict[str, list[Array]] = {}
    for line in path.read_text().split("@data\n", 1)[1].splitlines():
        *channels, label = line.strip().split(":")
        values = np.array([[float(x) for x in channel.split(",")] for channel in channels]).T
        found.setdefault(label, []).append(values)
    return found


def simulated(given: dict[str, Any], seed: int) -> Array:
    """A job's measured force without gravity and rotation rate, as the watch recorded, (100, 6)."""
    params = {**SPEC.defaults, "render_video": False, "sample_rate": 100, **given}
    frame = series_of(build_wearer(params, seed), params, seed)
    force = vectors(frame, "measured_specific_force") + vectors(frame, "gravity")
    both = np.column_stack([force, vectors(frame, "measured_rotation_rate")])
    # The mean of ten samples, as a filter before 10 Hz.
    whole = len(both) // 10 * 10
    return both[:whole].reshape(-1, 10, 6).mean(axis=1)[: int(RATE * SECONDS)]


def vectors(frame: pd.DataFrame, name: str) -> Array:
    """Columns x, y and z of a signal, (N, 3)."""
    return frame[[f"{name}_{axis}" for axis in "xyz"]].to_numpy()


def density(recordings: list[Array], columns: slice) -> tuple[Array, Array]:
    """Frequencies, and the median spectral density summed over three axes."""
    spectra = []
    for values in recordings:
        length = min(64, len(values))
        frequency, power = welch(values[:, columns], RATE, nperseg=length, axis=0)
        spectra.append(np.interp(np.linspace(0.2, 5, 40), frequency, power.sum(axis=1)))
    return np.linspace(0.2, 5, 40), np.median(spectra, axis=0)


def main() -> None:
    """Print levels, and draw the spectra."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    real = basic_motions(asked.path or packaged())
    ours = {name: [simulated(given, seed) for seed in range(5)] for name, given in OURS.items()}
    matplotlib.use("Agg")
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    both = figure.subplots(1, 2)
    kinds = (("force", slice(0, 3), "m/s$^2$"), ("rotation rate", slice(3, 6), "rad/s"))
    for axes, (name, columns, unit) in zip(both, kinds, strict=True):
        for group, style in ((real, "-"), (ours, "--")):
            for label, recordings in group.items():
                rms = np.median([np.sqrt((r[:, columns] ** 2).sum(1).mean()) for r in recordings])
                frequency, power = density(recordings, columns)
                origin = "watch" if group is real else "SenseFit"
                print(f"{name:14}{origin:10}{label:14} rms {rms:8.3f}  at 4 Hz {power[-9]:.2e}")
                axes.loglog(frequency, power, style, label=f"{origin}: {label}")
        key = "accel_noise_density" if name == "force" else "gyro_noise_density"
        noise = SPEC.defaults[key]
        assert isinstance(noise, float)
        floor = 3 * 2 * noise**2  # one-sided, three axes
        axes.axhline(floor, color="k", lw=1, ls=":", label="SenseFit: noise of the sensor")
        axes.set(title=name, xlabel="Hz", ylabel=f"({unit})$^2$/Hz, three axes")
        print(f"{name:14}noise floor {floor:.2e}; quietest watch {quietest(real, columns):.2e}")
    both[1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if asked.figure:
        figure.savefig(asked.figure, dpi=80)


def quietest(real: dict[str, list[Array]], columns: slice) -> float:
    """The lowest density from 3 to 5 Hz of any recording: an upper bound of the watch's noise."""
    levels = []
    for recordings in real.values():
        for values in recordings:
            frequency, power = density([values], columns)
            levels.append(power[frequency > 3.0].mean())
    return float(min(levels))


if __name__ == "__main__":
    main()
