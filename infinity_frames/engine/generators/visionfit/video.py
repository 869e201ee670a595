"""Renders a VisionFit job frame by frame."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import cv2

from infinity_frames.engine.core.jit import compiled_once
from infinity_frames.engine.generators.recorder import Recorder
from infinity_frames.engine.generators.visionfit.categories import CATEGORY_LIST
from infinity_frames.engine.generators.visionfit.labels import SceneAnnotator
from infinity_frames.engine.generators.visionfit.occlusion import OcclusionLimit
from infinity_frames.engine.generators.visionfit.parameters import SPEC
from infinity_frames.engine.generators.visionfit.stage import build_stage
from infinity_frames.engine.render import Renderer

__all__ = ["render_attempt", "render_job", "warm_up"]


def render_job(params: Mapping[str, Any], seed: int, directory: Path, preview: bool) -> int:
    """Render one job into its folder.

    Parameters
    ----------
    params : mapping
        Every parameter of VisionFit, validated.
    seed : int
        The job's seed.
    directory : Path
        Receives the job's files.
    preview : bool
        Whether to render frame 0 only, without a video.

    Returns
    -------
    int
        Frames rendered.
    """
    for steps_aside in count():
        try:
            return render_attempt(params, seed, directory, preview, steps_aside)
        except OcclusionTooLarge:
            continue
    raise AssertionError("an occluder that is far enough aside hides nobody")


class OcclusionTooLarge(Exception):
    """The occluder hides more of the person in some frame than the job allows."""


def render_attempt(
    params: Mapping[str, Any], seed: int, directory: Path, preview: bool, steps_aside: int
) -> int:
    """Render a job with the occluder moved aside.

    Parameters
    ----------
    params, seed, directory, preview
        As in `render_job`.
    steps_aside : int
        Steps by which the occluder stands farther aside than planned.

    Returns
    -------
    int
        Frames rendered.

    Raises
    ------
    OcclusionTooLarge
        The occluder hides too much in some frame.
    """
    stage = build_stage(params, seed, steps_aside)
    performance = stage.performance
    renderer, annotator = Renderer(stage.scene), SceneAnnotator(stage.scene)
    limit = OcclusionLimit(stage.scene, params["allowable_occlusion"])
    sensor = stage.photography.sensor(seed)
    with Recorder(
        directory,
        categories=CATEGORY_LIST,
        frame_rate=params["frame_rate"],
        crf=stage.photography.crf,
        preview=preview,
        info=stage.info,
    ) as recorder:
        for state in performance.frames(1 if preview else None, stage.photography.shutter):
            seen = renderer.labels(state.placements)
            if not limit.holds(seen):
                raise OcclusionTooLarge
            labels = annotator.label(
                state.frame, seen, state.placements, state.person, state.rep_counts
            )
            radiance = renderer.picture(state.placements, state.later)
            recorder.write(sensor.picture(radiance, state.frame), labels)
    return recorder.frames


def warm_up() -> None:
    """Compile every kernel, unless this machine has done so; for a worker with one core."""
    cv2.setNumThreads(1)
    compiled_once(_small_preview)


def _small_preview() -> None:
    params = {**SPEC.defaults, "image_width": 128, "image_height": 128, "allowable_occlusion": 20.0}
    with tempfile.TemporaryDirectory() as folder:
        render_job(params, 0, Path(folder), preview=True)
