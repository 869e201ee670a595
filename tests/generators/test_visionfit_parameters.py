"""Every parameter of VisionFit changes what it governs, and nothing else.

A job's facts are what its labels and pixels come from, each by a name. For every parameter two
values are compared: exactly the named facts differ. ``docs/parameters.md`` says it in words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from infinity_frames.engine.generators.camera_parameters import PHOTOGRAPHY
from infinity_frames.engine.generators.visionfit import VisionFit
from infinity_frames.engine.generators.visionfit.labels import SceneAnnotator
from infinity_frames.engine.generators.visionfit.stage import Stage, build_stage
from infinity_frames.engine.people.exercises import exercise
from infinity_frames.engine.render import Renderer
from infinity_frames.engine.render.tonemap import graded
from infinity_frames.engine.scene.scene import Object
from infinity_frames.protocol import parameters

pytestmark = pytest.mark.slow

SPEC = VisionFit.spec
DOCS = Path(__file__).parents[2] / "docs/parameters.md"
SEED = 5
TINY = {
    **SPEC.defaults,
    "exercise": "BICEP_CURL-ALTERNATING-DUMBBELL",
    "image_width": 128,
    "image_height": 128,
    "frame_rate": 6,
}

EXACT = {"kinematic_noise_factor": 0.0}
"""Without noise, which also breathes: breath keeps its own time, whatever the speed of the reps."""

VIEW = {"camera", "masks", "pixels", "points"}
PERSON = {"skin", "joints", "masks", "pixels", "points"}


@dataclass(frozen=True)
class Governs:
    """What a parameter changes when it goes from one value to another."""

    values: tuple[Any, Any]
    facts: set[str]
    base: dict[str, Any] = field(default_factory=dict)
    more: Callable[[Stage, Stage], bool] = lambda before, after: True
    frame: int = 0


def _share(one: Stage) -> float:
    return one.performance.timeline.active.sum() / one.performance.exercise.seconds


GOVERNS: dict[str, Governs] = {
    "scene": Governs(
        ("BEDROOM_2", "GYM_1"),
        {"room", "lights", "masks", "pixels"},
        more=lambda a, b: len(b.scene.lights) == 1,  # no window
    ),
    "exercise": Governs(
        ("BICEP_CURL-ALTERNATING-DUMBBELL", "BURPEE"),
        {"motion", "held", "mat", "times", "reps", "frames", *VIEW, *PERSON} | {"place"},
        more=lambda a, b: b.performance.exercise.name == "BURPEE",
    ),
    "gender": Governs(
        ("MALE", "FEMALE"),
        {"body", "looks", "motion", "held", *PERSON},
        more=lambda a, b: b.info["avatar_presenting_gender"] == "FEMALE",
    ),
    "num_reps": Governs(
        (1, 3), {"times", "frames"}, more=lambda a, b: b.performance.timeline.num_reps == 3
    ),
    "rel_baseline_speed": Governs(
        (1.0, 2.0), {"reps", "times", "frames"}, EXACT, lambda a, b: _share(b) == _share(a) / 2
    ),
    "max_rel_speed_change": Governs((0.0, 1.0), {"reps", "times", "frames"}, EXACT),
    "trim_start_frac": Governs((0.0, 0.5), {"reps", "times", "frames", "motion", *PERSON, "held"}),
    "trim_end_frac": Governs((0.0, 0.5), {"reps", "times", "frames", "motion"}),
    "kinematic_noise_factor": Governs((1.0, 2.0), {"motion", "held", *PERSON}),
    "camera_distance": Governs((3.0, 4.0), VIEW),
    "camera_height": Governs((0.75, 1.5), VIEW),
    "avatar_identity": Governs((0, 7), {"body", "looks", "motion", "held", *PERSON}),
    "randomize_skin_tone": Governs((False, True), {"looks", "pixels"}),
    "relative_height": Governs(
        (0.0, 2.0),
        {"body", "motion", "held", *PERSON},
        more=lambda a, b: b.performance.body.stature > 1.05 * a.performance.body.stature,
    ),
    "relative_weight": Governs(
        (0.0, 2.0),
        {"body", "motion", "held", *PERSON},
        more=lambda a, b: (
            b.info["avatar_waist_circumference"] > 1.1 * a.info["avatar_waist_circumference"]
        ),
    ),
    "relative_camera_yaw_deg": Governs((0.0, 10.0), VIEW),
    "relative_camera_pitch_deg": Governs((0.0, 10.0), VIEW),
    "lighting_power": Governs((100.0, 400.0), {"lights", "pixels"}),
    "relative_avatar_angle_deg": Governs((0.0, 60.0), {"place", "held", "motion", *PERSON}),
    "frame_rate": Governs((6, 12), {"frames"}),
    "image_width": Governs((128, 160), VIEW),
    "image_height": Governs((128, 160), VIEW),
    "inter_rep_delay_avg": Governs((0.0, 2.0), {"times", "frames"}, {"num_reps": 3, **EXACT}),
    "inter_rep_delay_var": Governs(
        (0.0, 1.0), {"times", "frames"}, {"num_reps": 3, "inter_rep_delay_avg": 1.0, **EXACT}
    ),
    "add_pauses": Governs((False, True), {"times", "frames"}, EXACT),
    "add_wall_art": Governs((False, True), {"art", "pixels"}, {"camera_height": 1.6}),
    "wall_art_type": Governs(
        ("ABSTRACT", "PHOTO"), {"art", "pixels"}, {"camera_height": 1.6, "add_wall_art": True}
    ),
    # Arms keep clear of what is worn, so the motion follows.
    "outfit": Governs((0, 1), {"body", "attire", "looks", "motion", "held", *PERSON}),
    "hide_shoes": Governs((False, True), {"body", "skin", "masks", "pixels"}),
    "add_socks": Governs((False, True), {"body", "skin", "masks", "pixels"}, {"hide_shoes": True}),
    "allowable_occlusion": Governs(
        (0.0, 40.0), {"occluder", "masks", "pixels", "points"}, {"camera_distance": 4.0}
    ),
    "enable_sensor_noise": Governs((False, True), {"pixels"}),
    "focal_length": Governs((35.0, 28.0), VIEW),
    "lens_distortion": Governs((0.0, -5.0), VIEW),
    "lens_softness": Governs((0.0, 1.0), {"pixels"}),
    "vignette": Governs((0.0, 0.5), {"pixels"}),
    "shutter_time": Governs((0.0, 30.0), {"pixels"}, {"exercise": "BURPEE"}, frame=4),
    "exposure_compensation": Governs((0.0, 1.0), {"pixels"}),
    "contrast": Governs((1.0, 1.6), {"pixels"}),
    "black_level": Governs((0.0, 0.1), {"pixels"}),
    "white_level": Governs((1.0, 0.8), {"pixels"}),
    "white_balance_error": Governs((0.0, 40.0), {"pixels"}),
    "sensor_gain": Governs((1.0, 8.0), {"pixels"}),
    "denoising": Governs((0.0, 1.0), {"pixels"}),
    "sharpening": Governs((0.0, 1.0), {"pixels"}),
    "video_crf": Governs((18, 30), {"encoding"}),
    "sun_irradiance": Governs((0.0, 20.0), {"lights", "pixels"}),
    "lamp_size": Governs((1.2, 0.2), {"lights", "pixels"}),
}
"""``state`` and ``random_seed`` have tests of their own below."""


def digest(*parts: Any) -> str:
    """Of arrays, bytes and whatever orjson writes."""
    out = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            out.update(np.ascontiguousarray(part).tobytes())
        else:
            out.update(orjson.dumps(part, option=orjson.OPT_SERIALIZE_NUMPY, default=str))
    return out.hexdigest()


def of_objects(objects: Iterable[Object]) -> str:
    return digest(
        *(
            part
            for item in objects
            for part in (item.name, item.mesh.vertices, item.mesh.colors, item.materials)
        )
    )


@cache
def facts(key: str, frame: int = 0) -> tuple[dict[str, str], Stage]:
    """All facts of a job by name, and its stage; `key` is its parameters as JSON."""
    params = orjson.loads(key)
    stage = build_stage(params, SEED)
    performance, scene = stage.performance, stage.scene
    timeline, body = performance.timeline, performance.body
    first = list(performance.frames(frame + 1, stage.photography.shutter))[frame]
    renderer = Renderer(scene)
    seen = renderer.labels(first.placements)
    labels = SceneAnnotator(scene).label(0, seen, first.placements, first.person, first.rep_counts)
    person = labels.annotations[0]
    radiance = renderer.picture(first.placements, first.later)
    picture = stage.photography.sensor(SEED).picture(radiance, 0)
    fixed = {"wall_art", "ceiling_lamp", "mat", "occluder", "person", *first.placements}
    named = {item.name: item for item in scene.objects}

    def only(*names: str) -> str:
        return of_objects(named[name] for name in names if name in named)

    held = sorted(set(first.placements) - {"person"})
    found = {
        "camera": digest(
            scene.camera.K,
            scene.camera.RT,
            scene.camera.width,
            scene.camera.height,
            scene.camera.distortion,
        ),
        "encoding": digest(stage.photography.values["video_crf"]),
        "place": digest(stage.info["avatar_location"], stage.info["avatar_yaw"]),
        "body": digest(body.mesh.vertices, stage.info["avatar_betas"], body.mesh.materials),
        "attire": digest(body.attire_top, body.attire_bottom),
        "looks": digest(body.materials),
        "reps": digest(timeline.active[:1]),
        "times": digest(timeline.duration),
        "frames": digest(timeline.num_frames, timeline.frame_rate),
        "motion": digest(performance.preview_reps(2, 6).joints.round(2)),
        "skin": digest(first.placements["person"].vertices.round(4)),
        "joints": digest(first.person.joints.round(4)),
        "held": digest(*(first.placements[name].vertices.round(4) for name in held)),
        "room": of_objects(item for item in scene.objects if item.name not in fixed),
        "lights": digest(scene.lights, named["ceiling_lamp"].materials),
        "art": only("wall_art"),
        "mat": only("mat"),
        "occluder": only("occluder"),
        "masks": digest(sorted(labels.masks), *(labels.masks[k].hex() for k in labels.masks)),
        "points": digest(person["keypoints"], person["armature_keypoints"]),
        "pixels": digest(picture),
    }
    return found, stage


def job(**changes: Any) -> str:
    return orjson.dumps({**TINY, **changes}).decode()


def test_an_exercise_written_otherwise_is_recognised() -> None:
    found = parameters.violations(
        VisionFit.spec, pd.DataFrame({"exercise": ["pushup", "Squat_bodyweight", "push-up"]})
    )
    assert list(found["rule"]) == ["choices"] * 3
    assert found["message"].str.contains("did you mean").all()
    assert "PUSHUP" in found["message"].iloc[0]
    assert "SQUAT-BODYWEIGHT" in found["message"].iloc[1]


@pytest.mark.parametrize("name", GOVERNS)
def test_a_parameter_changes_what_it_governs_and_nothing_else(name: str) -> None:
    rule = GOVERNS[name]
    (before, first), (after, second) = (
        facts(job(**{**rule.base, name: value}), rule.frame) for value in rule.values
    )
    assert {fact for fact in before if before[fact] != after[fact]} == rule.facts
    assert rule.more(first, second)


def test_every_parameter_has_its_test_and_its_row_in_the_docs() -> None:
    names = {parameter.name for parameter in SPEC.parameters}
    assert set(GOVERNS) | {"state", "random_seed"} == names
    rows = re.findall(r"^\| `(\w+)`(?: \(\+\))? \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(names)


def test_the_seed_changes_what_is_random_only() -> None:
    # Another seed is another room and another course of the same exercise by the same person.
    stages = [build_stage(orjson.loads(job()), seed) for seed in (SEED, SEED + 1)]
    assert stages[0].info["avatar_location"] != stages[1].info["avatar_location"]
    assert stages[0].info["avatar_betas"] == stages[1].info["avatar_betas"]
    assert stages[0].performance.timeline.duration == stages[1].performance.timeline.duration
    courses = [
        one.performance.preview_reps(1).joints - one.info["avatar_location"] for one in stages
    ]
    assert 0.001 < np.abs(courses[0] - courses[1]).max() < 0.25


def test_no_random_decision_asks_for_the_state() -> None:
    # The server turns an earlier job into its seed; what renders sees only that.
    one, other = (facts(job(state=state))[0] for state in (None, "0" * 32))
    assert one == other


def test_unspecified_camera_and_light_are_drawn_each_from_a_stream_of_its_own() -> None:
    stages = [build_stage(orjson.loads(job()), seed) for seed in (SEED, SEED + 1)]
    again = build_stage(orjson.loads(job(contrast=1.0)), SEED)
    values = [stage.photography.values for stage in (*stages, again)]
    drawn = {name for name in PHOTOGRAPHY if SPEC.by_name[name].default is None}
    assert {name for name in PHOTOGRAPHY if name not in drawn} == {
        "focal_length",
        "lens_distortion",
    }
    assert {name for name in drawn if values[0][name] != values[1][name]} > {
        "contrast",
        "vignette",
        "shutter_time",
    }
    assert {name for name in drawn if values[0][name] != values[2][name]} == {"contrast"}
    assert {name: stages[0].info[name] for name in PHOTOGRAPHY} == values[0]


def test_the_tone_curve_clips_where_asked() -> None:
    levels = np.linspace(0.0, 1.0, 101)
    assert np.array_equal(graded(levels, 1.0, 0.0, 1.0), levels)
    assert graded(levels, 1.0, 0.1, 1.0).min() == pytest.approx(0.1)
    assert (graded(levels, 1.0, -0.1, 1.0) == 0.0).mean() > 0.08
    assert (graded(levels, 1.0, 0.0, 0.8) == 1.0).mean() > 0.19
    steeper = graded(levels, 1.6, 0.0, 1.0)
    assert (np.diff(steeper) >= 0).all()
    assert steeper[50] == pytest.approx(0.5)
    assert steeper[60] - steeper[40] > 1.5 * 0.2


def test_sampling_an_exercise_by_category_picks_one_of_it() -> None:
    given = [{"exercise": "UPPERCUT"}, {"exercise": "PRESS"}, {"exercise": "PUSHUP"}] * 8
    drawn = parameters.sample(SPEC, len(given), seed=1, given=parameters.frame(SPEC, given))
    for asked, got in zip(given, drawn["exercise"], strict=True):
        assert exercise(str(got)).category == asked["exercise"] or got == asked["exercise"]
    assert set(drawn["exercise"][::3]) == {"UPPERCUT-LEFT", "UPPERCUT-RIGHT"}
    assert len(set(drawn["exercise"][1::3])) == 2


def test_trims_cut_the_ends_of_the_motion() -> None:
    def angles(**trims: float) -> np.ndarray:
        _, stage = facts(job(kinematic_noise_factor=0.0, exercise="SQUAT-BODYWEIGHT", **trims))
        return stage.performance.preview_reps(1, 40).joints[:, 0, 2]  # of the pelvis

    whole, high, low = angles(), angles(trim_end_frac=0.5), angles(trim_start_frac=0.5)
    assert np.ptp(high) < 0.85 * np.ptp(whole)
    assert np.ptp(low) < 0.85 * np.ptp(whole)
    assert high.max() == pytest.approx(whole.max(), abs=0.01)
    assert low.min() == pytest.approx(whole.min(), abs=0.01)
    assert low.max() < whole.max() - 0.02
    assert high.min() > whole.min() + 0.02


def test_noise_grows_with_its_factor_and_no_rep_is_like_another() -> None:
    def reps(factor: float) -> np.ndarray:
        joints = facts(job(kinematic_noise_factor=factor))[1].performance.preview_reps(2, 8).joints
        return joints.reshape(2, 8, -1)

    exact, some, much = (reps(factor) for factor in (0.0, 1.0, 2.0))
    assert np.allclose(exact[0], exact[1], atol=1e-6)
    assert np.abs(some[0] - some[1]).max() > 0.005
    assert np.abs(much - exact).mean() > 1.5 * np.abs(some - exact).mean()


def test_brightness_follows_the_lamp_and_warms() -> None:
    def light(power: float) -> np.ndarray:
        stage = facts(job(lighting_power=power, enable_sensor_noise=False))[1]
        first = next(stage.performance.frames(1))
        picture = Renderer(stage.scene).picture(first.placements)
        return stage.photography.sensor(SEED).picture(picture, 0).astype(float).mean(axis=(0, 1))

    colors = [light(power) for power in (0.0, 30.0, 150.0, 800.0, 2000.0)]
    assert (np.diff([color.mean() for color in colors]) > 1).all()
    warmth = [color[0] / color[2] for color in colors]
    assert (np.diff(warmth[:3]) > 0).all(), "daylight is cool, the lamp is warm"
