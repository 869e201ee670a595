"""Renders a SenseFit job sample by sample."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from infinity_frames.engine.core.jit import compiled_once
from infinity_frames.engine.generators.recorder import Recorder
from infinity_frames.engine.generators.sensefit.parameters import SPEC
from infinity_frames.engine.generators.sensefit.picture import Sketch, build_scene
from infinity_frames.engine.generators.sensefit.watch import readings
from infinity_frames.engine.generators.sensefit.wearer import Wearer
from infinity_frames.engine.generators.sensor import Sensor
from infinity_frames.engine.people.actor import extent
from infinity_frames.engine.render import Renderer

__all__ = ["render_job", "warm_up"]


def render_job(params: Mapping[str, Any], seed: int, directory: Path) -> int:
    """Render one job into its folder.

    Parameters
    ----------
    params : mapping
        Every parameter of SenseFit, valid.
    seed : int
        The job's seed.
    directory : Path
        Receives the files.

    Returns
    -------
    int
        Samples made.
    """
    wearer = Wearer(params, seed)
    width, height, turned = (
        params[name] for name in ("image_width", "image_height", "ref_xy_rotation")
    )
    room = extent(wearer.actor.exercise)
    scene = build_scene(wearer.objects, room, params["watch_location"], width, height)
    renderer, sketch = Renderer(scene), Sketch(scene.camera, turned)
    sensor, matrices = Sensor(), []
    with Recorder(directory, frame_rate=params["frames_per_second"], poster=None) as recorder:
        for moment in wearer.moments():
            matrices.append(moment.matrix)
            radiance = renderer.picture(wearer.placements(moment))
            picture = sensor.picture(radiance, recorder.frames)
            sketch.draw(picture, moment)
            recorder.write(picture)
        series = readings(wearer.time, np.array(matrices), turned, wearer.counts)
        recorder.series(series)
    return len(series)


def warm_up() -> None:
    """Compile every kernel, unless this machine has done so; for a worker with one core."""
    cv2.setNumThreads(1)
    compiled_once(_small_job)


def _small_job() -> None:
    params = {
        **SPEC.defaults,
        "use_random_motion": True,
        "num_random_frames": 2,
        "image_width": 224,
        "image_height": 224,
    }
    with tempfile.TemporaryDirectory() as folder:
        render_job(params, 0, Path(folder))
