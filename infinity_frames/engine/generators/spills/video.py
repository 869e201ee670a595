"""A whole job: the spill over the empty place, frame by frame, labelled and written."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2

from infinity_frames.engine.core.jit import compiled_once
from infinity_frames.engine.core.job_files import LabelWriter, MaskWriter, picture_png
from infinity_frames.engine.generators.spills.floor import Floor
from infinity_frames.engine.generators.spills.labels import Annotator, category_table
from infinity_frames.engine.generators.spills.liquid import LIQUIDS, Spill
from infinity_frames.engine.generators.spills.parameters import SPEC
from infinity_frames.engine.generators.spills.places import HEIGHT, PLACES, WIDTH
from infinity_frames.engine.render import auto_exposure, tonemap
from infinity_frames.io.video import VideoWriter

__all__ = ["get_ready", "render_job"]


def render_job(params: Mapping[str, Any], seed: int, directory: Path, preview: bool) -> int:
    """Render one job into its folder.

    Parameters
    ----------
    params : mapping
        Every parameter of Spills, valid.
    seed : int
        The job's seed.
    directory : Path
        Receives the files.
    preview : bool
        The last frame only, and no video.

    Returns
    -------
    int
        Frames rendered.
    """
    place = PLACES[params["scene"]]
    scene = place.scene(seed)
    spill = Spill.of(params, place.start(seed), seed)
    floor = Floor(scene, spill, LIQUIDS[params["color"]], params["depth"])
    annotator = Annotator(floor.visible)
    exposure = auto_exposure(floor.dry)
    count = round(params["video_duration"] * params["frame_rate"])
    picture = None
    with ExitStack() as files:
        info = {
            "scene_id": params["scene"],
            "spill_location": [*spill.center.tolist(), 0.0],
            "camera_location": scene.camera.location.tolist(),
            "camera_K_matrix": scene.camera.K.tolist(),
            "camera_RT_matrix": scene.camera.RT.tolist(),
            "camera_P_matrix": scene.camera.P.tolist(),
        }
        labels = files.enter_context(LabelWriter(directory / "labels.json", info, category_table()))
        masks = files.enter_context(MaskWriter(directory / "segmentation.zip"))
        # One thread: a machine runs a worker per core.
        video = (
            None
            if preview
            else files.enter_context(
                VideoWriter(directory / "video.mp4", WIDTH, HEIGHT, params["frame_rate"], threads=1)
            )
        )
        for frame in range(count - 1 if preview else 0, count):
            grown = frame / (count - 1)
            labelled = annotator.label(frame, floor.wet(grown))
            labels.add(labelled.image, labelled.annotations)
            for name, mask in labelled.masks.items():
                masks.add(name, mask)
            picture = tonemap(floor.picture(grown), rng=None, exposure=exposure)
            if video is not None:
                video.write(picture)
        if picture is not None:
            (directory / "video_preview.png").write_bytes(picture_png(picture))
    return 1 if preview else count


def get_ready() -> None:
    """Compile every kernel, unless this machine has; for a worker that has one core."""
    cv2.setNumThreads(1)
    compiled_once(_a_preview)


def _a_preview() -> None:
    with tempfile.TemporaryDirectory() as folder:
        render_job(SPEC.defaults, 0, Path(folder), preview=True)
