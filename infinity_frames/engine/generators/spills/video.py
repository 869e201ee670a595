"""Renders a Spills job frame by frame."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from infinity_frames.engine.core.jit import compiled_once
from infinity_frames.engine.generators.recorder import Recorder
from infinity_frames.engine.generators.sensor import Sensor
from infinity_frames.engine.generators.spills.floor import Floor
from infinity_frames.engine.generators.spills.labels import CATEGORIES, floor_annotator, label_frame
from infinity_frames.engine.generators.spills.liquid import LIQUIDS, Spill
from infinity_frames.engine.generators.spills.parameters import SPEC
from infinity_frames.engine.generators.spills.places import PLACES
from infinity_frames.engine.render import auto_exposure

__all__ = ["render_job", "warm_up"]


def render_job(params: Mapping[str, Any], seed: int, directory: Path, preview: bool) -> int:
    """Render one job into its folder.

    Parameters
    ----------
    params : mapping
        Every parameter of Spills, validated.
    seed : int
        The job's seed.
    directory : Path
        Receives the job's files.
    preview : bool
        Whether to render the last frame only, without a video.

    Returns
    -------
    int
        Frames rendered.
    """
    place = PLACES[params["scene"]]
    scene = place.scene(seed)
    spill = Spill.of(params, place.start(seed), seed)
    floor = Floor(scene, spill, LIQUIDS[params["color"]], params["depth"])
    sensor = Sensor(exposure=auto_exposure(floor.dry))
    annotator = floor_annotator()
    count = round(params["video_duration"] * params["frame_rate"])
    info = {
        "scene_id": params["scene"],
        "spill_location": [*spill.center.tolist(), 0.0],
        "camera_location": scene.camera.location.tolist(),
        "camera_K_matrix": scene.camera.K.tolist(),
        "camera_RT_matrix": scene.camera.RT.tolist(),
        "camera_P_matrix": scene.camera.P.tolist(),
    }
    with Recorder(
        directory,
        categories=CATEGORIES,
        frame_rate=params["frame_rate"],
        preview=preview,
        info=info,
        poster="last",
    ) as recorder:
        for frame in range(count - 1 if preview else 0, count):
            grown = frame / (count - 1)
            labels = label_frame(annotator, frame, floor.visible, floor.wet(grown))
            recorder.write(sensor.picture(floor.picture(grown), frame), labels)
    return recorder.frames


def warm_up() -> None:
    """Compile every kernel, unless this machine has done so; for a worker with one core."""
    cv2.setNumThreads(1)
    compiled_once(_default_preview)


def _default_preview() -> None:
    with tempfile.TemporaryDirectory() as folder:
        render_job(SPEC.defaults, 0, Path(folder), preview=True)
