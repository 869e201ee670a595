"""Renders a job of Spills v0.2.0 frame by frame."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from infinity_frames.engine.core.jit import compiled_once
from infinity_frames.engine.generators.photography import Photography
from infinity_frames.engine.generators.recorder import Recorder
from infinity_frames.engine.generators.spills.clutter import clutter
from infinity_frames.engine.generators.spills.flow import Flow, outflow
from infinity_frames.engine.generators.spills.labels import CATEGORIES, floor_annotator, label_frame
from infinity_frames.engine.generators.spills.liquids import LIQUIDS, wetting
from infinity_frames.engine.generators.spills.parameters_v2 import PHOTOGRAPHY, SPEC
from infinity_frames.engine.generators.spills.places import PLACES, Place
from infinity_frames.engine.generators.spills.pool import Pool
from infinity_frames.engine.scene.camera import look
from infinity_frames.engine.scene.room_geometry import sun
from infinity_frames.engine.scene.scene import Scene

__all__ = ["build_pool", "render_job", "warm_up"]


def render_job(params: Mapping[str, Any], seed: int, directory: Path, preview: bool) -> int:
    """Render one job into its folder.

    Parameters
    ----------
    params : mapping
        Every parameter of Spills v0.2.0, validated.
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
    photography = Photography.of(params, seed, PHOTOGRAPHY)
    scene, flow, pool = build_pool(params, seed, photography)
    sensor = photography.sensor(seed)
    sensor.expose(pool.dry)
    annotator = floor_annotator()
    count = round(params["video_duration"] * params["frame_rate"])
    with Recorder(
        directory,
        categories=CATEGORIES,
        frame_rate=params["frame_rate"],
        crf=photography.crf,
        preview=preview,
        info=_info(params, scene, flow, photography),
        poster="last",
    ) as recorder:
        for frame in range(count - 1 if preview else 0, count):
            share = outflow(params["outflow"], frame / (count - 1))
            extra = {"spill_area": share * flow.area}
            labels = label_frame(annotator, frame, pool.visible, pool.wet(share), extra)
            recorder.write(sensor.picture(pool.picture(share), frame), labels)
    return recorder.frames


def build_pool(
    params: Mapping[str, Any], seed: int, photography: Photography
) -> tuple[Scene, Flow, Pool]:
    """Build the scene of a job, let the liquid flow in it, and put the spill on its floor."""
    place = PLACES[params["scene"]]
    scene = _scene(params, place, seed, photography)
    flow = Flow.of(params, scene, place.room, place.start(seed), seed)
    fluid = LIQUIDS[params["color"]]
    return scene, flow, Pool(scene, flow, fluid, wetting(place.room.floor), params["depth"])


def _scene(params: Mapping[str, Any], place: Place, seed: int, photography: Photography) -> Scene:
    x, y, z, yaw, pitch = place.camera
    camera = look(
        [x, y, z * params["relative_camera_height"]],
        yaw + params["relative_camera_yaw_deg"],
        pitch + params["relative_camera_pitch_deg"],
        params["image_width"],
        params["image_height"],
        focal_length=photography.values["focal_length"] / 1000.0,
        distortion=photography.values["lens_distortion"] / 100.0,
    )
    start = place.start(seed)
    target = np.array([*start, 0.0])
    scene = place.scene(
        seed,
        camera,
        lamp_size=photography.values["lamp_size"],
        power=params["relative_lighting_power"],
        sunlight=sun(place.room, photography.values["sun_irradiance"], target, seed),
    )
    return clutter(scene, place.room, start, params["size"] / 100.0, params["num_obstacles"], seed)


def _info(
    params: Mapping[str, Any], scene: Scene, flow: Flow, photography: Photography
) -> dict[str, Any]:
    return {
        "scene_id": params["scene"],
        "spill_location": [*flow.center.tolist(), 0.0],
        "spill_final_area": flow.area,
        "camera_location": scene.camera.location.tolist(),
        "camera_K_matrix": scene.camera.K.tolist(),
        "camera_RT_matrix": scene.camera.RT.tolist(),
        "camera_P_matrix": scene.camera.P.tolist(),
        **photography.info,
    }


def warm_up() -> None:
    """Compile every kernel, unless this machine has done so; for a worker with one core."""
    cv2.setNumThreads(1)
    compiled_once(_small_preview)


def _small_preview() -> None:
    params = {**SPEC.defaults, "image_width": 224, "image_height": 224}
    with tempfile.TemporaryDirectory() as folder:
        render_job(params, 0, Path(folder), preview=True)
