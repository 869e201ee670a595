"""Renders a job of SenseFit v0.3.0: the series, and a video if the job wants one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import compiled_once
from infinity_frames.engine.generators.recorder import Recorder
from infinity_frames.engine.generators.sensefit.imu import (
    KNOT_RATE,
    Path,
    Sensor,
    sample_times,
    signals,
)
from infinity_frames.engine.generators.sensefit.parameters_v3 import SPEC
from infinity_frames.engine.generators.sensefit.person_labels import PersonLabeler
from infinity_frames.engine.generators.sensefit.picture import Sketch, build_scene
from infinity_frames.engine.generators.sensefit.placements import mounted
from infinity_frames.engine.generators.sensefit.wearer import Wearer
from infinity_frames.engine.generators.sensor import Sensor as Camera
from infinity_frames.engine.people.actor import extent
from infinity_frames.engine.people.body import Appearance
from infinity_frames.engine.render import Renderer

__all__ = ["build_wearer", "render_job", "series_of", "warm_up"]

_LEAD_S = 0.5
_BEYOND_S = 0.15  # s, a path is fitted beyond its ends by this


def render_job(params: Mapping[str, Any], seed: int, directory: FilePath) -> int:
    """Make one job in its folder.

    Parameters
    ----------
    params : mapping
        Every parameter of SenseFit v0.3.0, validated.
    seed : int
        The job's seed.
    directory : Path
        Receives the job's files.

    Returns
    -------
    int
        Samples of the series.
    """
    wearer = build_wearer(params, seed)
    series = series_of(wearer, params, seed)
    Recorder(directory).series(series)
    if params["render_video"]:
        _film(wearer, params, directory)
    return len(series)


def build_wearer(params: Mapping[str, Any], seed: int) -> Wearer:
    """Build the person of a job with the sensor on the body."""
    rate = params["frames_per_second"]
    appearance = Appearance(
        gender=params["gender"],
        relative_height=params["relative_height"],
        relative_weight=params["relative_weight"],
        identity=params["avatar_identity"],
    )
    frames = int(np.ceil(params["random_duration"] * rate - 1e-9)) + 1
    return Wearer(
        {**params, "num_random_frames": frames},
        seed,
        appearance=appearance,
        mount=lambda body: mounted(params, body),
        lead=_LEAD_S,
    )


def series_of(wearer: Wearer, params: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Return the series of a job: ideal and measured signals, a row per sample."""
    duration = params["random_duration"] if params["use_random_motion"] else wearer.duration
    time = sample_times(params, seed, duration)
    steps = int(np.ceil((duration + 2 * _BEYOND_S) * KNOT_RATE)) + 1
    knots = np.arange(steps) / KNOT_RATE - _BEYOND_S
    path = Path.through(knots, *wearer.device_poses(knots))
    frame = signals(path, time, params["ref_xy_rotation"], params["add_magnetic_field"])
    sensor = Sensor(params, seed)
    for kind, name in (("gyro", "rotation_rate"), ("accel", "specific_force")):
        columns = [f"{name}_{axis}" for axis in "xyz"]
        values = sensor.measured(kind, frame[columns].to_numpy(), params["sample_rate"])
        measured: NDArray[np.float64] = values
        frame[[f"measured_{column}" for column in columns]] = measured
    frame.insert(1, "device_time", time + params["clock_offset"])
    return frame.assign(**wearer.counts_at(time))


def _film(wearer: Wearer, params: Mapping[str, Any], directory: FilePath) -> None:
    """Render the video, and label the person in every frame of it."""
    width, height = params["image_width"], params["image_height"]
    room = extent(wearer.actor.exercise)
    scene = build_scene(wearer.objects, room, params["watch_location"], width, height)
    renderer, sketch = Renderer(scene), Sketch(scene.camera, params["ref_xy_rotation"])
    camera, labeler = Camera(), PersonLabeler(scene)
    counts = {name: values.tolist() for name, values in wearer.counts.items()}
    with Recorder(
        directory,
        categories=labeler.categories,
        frame_rate=params["frames_per_second"],
        poster=None,
        info=labeler.info,
    ) as recorder:
        for frame, moment in enumerate(wearer.moments()):
            placements = wearer.placements(moment)
            picture = camera.picture(renderer.picture(placements), frame)
            sketch.draw(picture, moment)
            image = {"time": float(wearer.time[frame])}
            image |= {name: values[frame] for name, values in counts.items()}
            labels = labeler.label(frame, renderer.labels(placements), moment.joints, image)
            recorder.write(picture, labels)


def warm_up() -> None:
    """Compile every kernel, unless this machine has done so; for a worker with one core."""
    cv2.setNumThreads(1)
    compiled_once(_small_job)


def _small_job() -> None:
    params = {
        **SPEC.defaults,
        "use_random_motion": True,
        "random_duration": 1.0,
        "image_width": 224,
        "image_height": 224,
    }
    with tempfile.TemporaryDirectory() as folder:
        render_job(params, 0, FilePath(folder))
