"""A whole job: every frame drawn, labelled and written, one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.jit import compiled_once
from infinity_frames.engine.core.job_files import LabelWriter, MaskWriter, picture_png
from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.generators.visionfit.categories import category_table
from infinity_frames.engine.generators.visionfit.labels import Annotator
from infinity_frames.engine.generators.visionfit.occlusion import Watch
from infinity_frames.engine.generators.visionfit.parameters import SPEC
from infinity_frames.engine.generators.visionfit.stage import build_stage
from infinity_frames.engine.generators.visionfit.trajectory import Instant
from infinity_frames.engine.render import Renderer, auto_exposure, tonemap
from infinity_frames.engine.scene.scene import Camera
from infinity_frames.io.video import VideoWriter

__all__ = ["Film", "get_ready", "render_job"]


class Film:
    """Develops pictures: one exposure for the whole video, sensor noise of each frame's own.

    Parameters
    ----------
    seed : int
        The job's seed.
    noisy : bool
        Whether there is noise.
    """

    def __init__(self, seed: int, noisy: bool) -> None:
        self._seed = seed
        self._noisy = noisy
        self._exposure: float | None = None

    def develop(self, radiance: NDArray[np.float32], frame: int) -> NDArray[np.uint8]:
        """The 8-bit picture of a frame; the first one decides the exposure."""
        if self._exposure is None:
            self._exposure = auto_exposure(radiance)
        rng = stream(self._seed, "sensor_noise", frame) if self._noisy else None
        return tonemap(radiance, rng=rng, exposure=self._exposure)


def render_job(params: Mapping[str, Any], seed: int, directory: Path, preview: bool) -> int:
    """Render one job into its folder.

    Parameters
    ----------
    params : mapping
        Every parameter of VisionFit, valid.
    seed : int
        The job's seed.
    directory : Path
        Receives the files.
    preview : bool
        Frame 0 only, and no video.

    Returns
    -------
    int
        Frames rendered.
    """
    for further in count():
        try:
            return _take(params, seed, directory, preview, further)
        except _TooMuchHidden:
            continue  # all over again, with the occluder a step farther aside
    raise AssertionError("far enough aside, furniture hides nobody")


class _TooMuchHidden(Exception):
    """A frame in which the occluder hides more than it may."""


def _take(
    params: Mapping[str, Any], seed: int, directory: Path, preview: bool, further: int
) -> int:
    stage = build_stage(params, seed, further)
    camera, performance = stage.scene.camera, stage.performance
    renderer, annotator = Renderer(stage.scene), Annotator(stage.scene)
    watch = Watch(stage.scene, params["allowable_occlusion"])
    film = Film(seed, params["enable_sensor_noise"])
    frames = 1 if preview else performance.timeline.num_frames
    with ExitStack() as files:
        labels = files.enter_context(
            LabelWriter(directory / "labels.json", stage.info, category_table())
        )
        masks = files.enter_context(MaskWriter(directory / "segmentation.zip"))
        # One thread: a machine runs a worker per core.
        video = (
            None
            if preview
            else files.enter_context(
                VideoWriter(
                    directory / "video.mp4",
                    camera.width,
                    camera.height,
                    params["frame_rate"],
                    threads=1,
                )
            )
        )
        for instant in performance.instants(frames):
            seen = renderer.labels(instant.placements)
            if not watch.holds(seen):
                raise _TooMuchHidden
            labelled = annotator.label(instant.frame, seen, instant.placements, instant.person)
            labels.add(_image(instant, camera), labelled.annotations)
            for name, mask in labelled.masks.items():
                masks.add(name, mask)
            picture = film.develop(renderer.picture(instant.placements), instant.frame)
            if instant.frame == 0:
                (directory / "video_preview.png").write_bytes(picture_png(picture))
            if video is not None:
                video.write(picture)
    return frames


def get_ready() -> None:
    """Compile every kernel, unless this machine has; for a worker that has one core."""
    cv2.setNumThreads(1)
    compiled_once(_small_preview)


def _small_preview() -> None:
    params = {**SPEC.defaults, "image_width": 128, "image_height": 128, "allowable_occlusion": 20.0}
    with tempfile.TemporaryDirectory() as folder:
        render_job(params, 0, Path(folder), preview=True)


def _image(instant: Instant, camera: Camera) -> dict[str, Any]:
    from_start, from_intermediate = instant.rep_counts
    return {
        "id": instant.frame,
        "width": camera.width,
        "height": camera.height,
        "frame_number": instant.frame,
        "rep_count_from_start": round(from_start, 6),
        "rep_count_from_intermediate": round(from_intermediate, 6),
    }
