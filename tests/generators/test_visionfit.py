"""VisionFit as a generator: its parameters, what each of them governs, determinism, occlusion."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import read_bgr

from infinity_frames.engine.generators.base import Generator
from infinity_frames.engine.generators.visionfit import VisionFit
from infinity_frames.engine.generators.visionfit.categories import CATEGORIES
from infinity_frames.engine.generators.visionfit.stage import Stage, build_stage
from infinity_frames.engine.render import Renderer
from infinity_frames.engine.scene.backdrops import backdrop
from infinity_frames.engine.scene.room_geometry import room_objects
from infinity_frames.engine.scene.rooms import ROOMS
from infinity_frames.protocol.spec import Generator as Description
from infinity_frames.protocol.spec import Parameter

SPEC = VisionFit.spec
TINY = {
    **SPEC.defaults,
    "exercise": "SQUAT-BODYWEIGHT",
    "image_width": 128,
    "image_height": 128,
    "frame_rate": 6,
    "random_seed": 3,
}


def job(**changes: Any) -> dict[str, Any]:
    return {**TINY, **changes}


def stage(**changes: Any) -> Stage:
    params = job(**changes)
    return build_stage(params, params["random_seed"])


def render(folder: Path, *, preview: bool = True, **changes: Any) -> dict[str, Any]:
    params = job(**changes)
    folder.mkdir(parents=True, exist_ok=True)
    VisionFit().render(params, params["random_seed"], folder, preview)
    labels: dict[str, Any] = orjson.loads((folder / "labels.json").read_bytes())
    return labels


def people(labels: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in labels["annotations"] if one["category_id"] == 1]


def joints(labels: dict[str, Any]) -> np.ndarray:
    """Global joint positions of every frame, (F, 55, 3)."""
    axes = ("x_global", "y_global", "z_global")
    return np.array(
        [
            [[point[axis] for axis in axes] for point in person["armature_keypoints"].values()]
            for person in people(labels)
        ]
    )


# The description


def test_it_is_a_generator_whose_description_survives_json() -> None:
    assert isinstance(VisionFit(), Generator)
    again = Description.from_json(orjson.loads(orjson.dumps(SPEC.to_json())))
    assert again.parameters == SPEC.parameters
    assert again.constraints == SPEC.constraints
    assert (again.name, again.preview) == ("visionfit-v0.4.0", True)


def test_the_exercises_are_those_documented() -> None:
    exercise = SPEC.by_name["exercise"]
    assert exercise.choices is not None
    assert len(exercise.choices) == 35
    assert exercise.groups["UPPERCUT"] == ("UPPERCUT-LEFT", "UPPERCUT-RIGHT")
    assert "PUSHUP" not in exercise.groups, "an exercise's own name means that exercise"
    grouped = {name for members in exercise.groups.values() for name in members}
    assert grouped <= set(exercise.choices)
    assert all(
        name.split("-")[0] in exercise.groups or name.split("-")[0] in exercise.choices
        for name in map(str, exercise.choices)
    )


def test_describing_needs_nothing_that_renders() -> None:
    code = (
        "import sys, importlib\n"
        "module = importlib.import_module('infinity_frames.engine.generators.visionfit')\n"
        "module.VisionFit().spec.to_json()\n"
        "print(sorted({'numba', 'cv2', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_the_estimate_is_near_what_the_timeline_makes(data: st.DataObject) -> None:
    params = job(
        exercise=data.draw(st.sampled_from(SPEC.by_name["exercise"].choices or ())),
        num_reps=data.draw(st.integers(1, 20)),
        rel_baseline_speed=data.draw(st.floats(0.33, 3.0)),
        inter_rep_delay_avg=data.draw(st.floats(0, 5)),
        frame_rate=data.draw(st.sampled_from([30, 24, 12, 8, 6])),
    )
    from infinity_frames.engine.people.exercises import exercise
    from infinity_frames.engine.people.motion.timeline import Timeline

    frames = Timeline.from_params(params, exercise(params["exercise"]), 0).num_frames
    estimate = VisionFit().estimate(pd.DataFrame([params]))
    assert estimate.dtype == np.int64
    assert abs(int(estimate[0]) - frames) <= 1


def extremes(parameter: Parameter) -> st.SearchStrategy[Any]:
    if parameter.name in ("image_width", "image_height"):
        return st.sampled_from([128, 129])
    if parameter.name in ("state", "random_seed"):
        return st.just(parameter.default if parameter.name == "state" else 0)
    if parameter.type == "bool":
        return st.booleans()
    if parameter.choices is not None:
        return st.sampled_from(parameter.choices)
    assert parameter.min is not None
    assert parameter.max is not None
    ends = (parameter.min, parameter.max)
    return st.sampled_from([int(end) if parameter.type == "int" else end for end in ends])


@pytest.mark.slow
@given(params=st.fixed_dictionaries({p.name: extremes(p) for p in SPEC.parameters}))
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_parameter_is_rendered_at_its_extremes(
    params: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A whole video's occlusion check would make the longest of these slow; previews suffice.
    params |= {"trim_start_frac": 0.0, "trim_end_frac": 0.0, "num_reps": 1, "frame_rate": 6}
    folder = tmp_path_factory.mktemp("extremes")
    labels = render(folder, **params)
    (person,) = people(labels)
    (image,) = labels["images"]
    assert (image["width"], image["height"]) == (params["image_width"], params["image_height"])
    assert np.isfinite(joints(labels)).all()
    assert person["area"] <= image["width"] * image["height"]
    assert (folder / "video_preview.png").stat().st_size > 500


# What governs what


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, orjson\n"
        "from infinity_frames.engine.generators.visionfit import VisionFit\n"
        "params = orjson.loads(sys.argv[2])\n"
        "VisionFit().render(params, 3, pathlib.Path(sys.argv[1]), True)"
    )
    changes: dict[str, Any] = {
        "add_wall_art": True,
        "allowable_occlusion": 30.0,
        "randomize_skin_tone": True,
    }
    other = tmp_path / "other"
    other.mkdir()
    params = orjson.dumps(job(**changes)).decode()
    subprocess.run([sys.executable, "-c", code, str(other), params], check=True)
    render(tmp_path / "here", **changes)
    for name in ("labels.json", "segmentation.zip", "video_preview.png"):
        assert (tmp_path / "here" / name).read_bytes() == (other / name).read_bytes()


def test_another_seed_moves_the_room_and_the_noise() -> None:
    first, second = stage(random_seed=3), stage(random_seed=4)
    assert first.info["avatar_location"] != second.info["avatar_location"]
    rooms = [
        {o.name: o.mesh.vertices.round(6).tolist() for o in one.scene.objects if o.category}
        for one in (first, second)
    ]
    assert rooms[0] != rooms[1]
    # Even in the same layout, furniture stands a little elsewhere.
    room = ROOMS["BEDROOM_2"]
    chair = [
        next(o.mesh.vertices for o in room_objects(room, seed) if o.category == "chair")
        for seed in (3, 4)
    ]
    assert not np.allclose(chair[0], chair[1])


def test_the_camera_height_changes_nothing_but_the_camera() -> None:
    low, high = stage(camera_height=0.3), stage(camera_height=2.5)
    differing = {key for key, value in low.info.items() if value != high.info[key]}
    assert differing == {
        "camera_pitch",
        "camera_location",
        "camera_height",
        "camera_RT_matrix",
        "camera_P_matrix",
    }
    for a, b in zip(low.scene.objects, high.scene.objects, strict=True):
        assert a.name == b.name
        assert np.array_equal(a.mesh.vertices, b.mesh.vertices)
    for one, other in zip(low.performance.frames(), high.performance.frames(), strict=True):
        assert one.rep_counts == other.rep_counts
        assert np.array_equal(one.person.joints, other.person.joints)
        person = (state.placements["person"].vertices for state in (one, other))
        assert np.array_equal(next(person), next(person))


def test_more_reps_leave_the_first_ones_as_they_were(tmp_path: Path) -> None:
    changes = {
        "max_rel_speed_change": 0.5,
        "rel_baseline_speed": 3.0,
        "inter_rep_delay_avg": 0.2,
        "enable_sensor_noise": False,
    }
    one = render(tmp_path / "one", preview=False, num_reps=1, **changes)
    two = render(tmp_path / "two", preview=False, num_reps=2, **changes)
    shared = len(one["images"]) - 1  # the last frame is past the end of the only rep
    assert len(two["images"]) > shared + 2
    assert one["images"][:shared] == two["images"][:shared]
    assert people(one)[:shared] == people(two)[:shared]


def test_the_avatar_turns_with_its_angle_and_the_camera_with_its_own(tmp_path: Path) -> None:
    front = joints(render(tmp_path / "front", kinematic_noise_factor=0.0))[0]
    turned = stage(kinematic_noise_factor=0.0, relative_avatar_angle_deg=180.0)
    back = next(turned.performance.frames(1)).person.joints
    middle = np.array(turned.info["avatar_location"])
    assert np.allclose((front - middle)[:, :2], -(back - middle)[:, :2], atol=1e-4)
    # At angle 0 the avatar faces the camera, which looks along +Y.
    ahead = stage(kinematic_noise_factor=0.0, relative_camera_yaw_deg=30.0)
    direction = ahead.scene.camera.RT[2, :3]
    assert np.degrees(np.arctan2(-direction[0], direction[1])) == pytest.approx(30)


def test_bodies_differ_by_their_parameters() -> None:
    def height(**changes: Any) -> float:
        return float(stage(**changes).performance.body.stature)

    def waist(**changes: Any) -> float:
        return float(stage(**changes).info["avatar_waist_circumference"])

    assert height(relative_height=2.0) > height() > height(relative_height=-2.0)
    assert waist(relative_weight=2.0) > waist() > waist(relative_weight=-2.0)
    assert stage(outfit=1).info["avatar_attire_top"] != stage(outfit=0).info["avatar_attire_top"]


@pytest.mark.parametrize("weight", [-4.0, 4.0])
@pytest.mark.parametrize("exercise", ["CRUNCHES", "SUPERMAN", "CLAMSHELL-LEFT"])
def test_no_body_sinks_into_the_floor(exercise: str, weight: float) -> None:
    lying = stage(exercise=exercise, relative_weight=weight)
    for state in lying.performance.frames():
        heights = state.placements["person"].vertices[:, 2]
        assert -0.025 < heights.min() < 0.035
        assert (heights < -0.01).mean() < 0.01


def test_sensor_noise_changes_pixels_and_nothing_else(tmp_path: Path) -> None:
    clean, noisy = tmp_path / "clean", tmp_path / "noisy"
    render(clean, enable_sensor_noise=False)
    render(noisy, enable_sensor_noise=True)
    for name in ("labels.json", "segmentation.zip"):
        assert (clean / name).read_bytes() == (noisy / name).read_bytes()
    pictures = [read_bgr(folder / "video_preview.png").astype(float) for folder in (clean, noisy)]
    assert 0.2 < np.abs(pictures[0] - pictures[1]).mean() < 6


@pytest.mark.parametrize("kind", ["ABSTRACT", "PHOTO", "MIRROR"])
def test_wall_art_hangs_only_where_asked_for(kind: str) -> None:
    hung = stage(add_wall_art=True, wall_art_type=kind).scene.objects
    bare = stage(add_wall_art=False, wall_art_type=kind).scene.objects
    assert {o.name for o in hung} - {o.name for o in bare} == {"wall_art"}


def test_light_follows_its_power(tmp_path: Path) -> None:
    def brightness(power: float) -> float:
        scene = stage(lighting_power=power).scene
        performance = stage().performance
        return float(Renderer(scene).picture(next(performance.frames(1)).placements).mean())

    dark, lit, bright = (brightness(power) for power in (0.0, 100.0, 1000.0))
    assert dark < lit < bright


# Rooms and occlusion


@pytest.mark.parametrize("scene", ROOMS)
def test_a_room_keeps_its_furniture_inside_and_the_view_free(scene: str) -> None:
    built = stage(scene=scene, random_seed=7)
    room = backdrop(scene, 7)
    for item in built.scene.objects:
        if item.category in (None, "person", "mat"):
            continue
        assert item.category in CATEGORIES
        low, high = item.mesh.vertices.min(axis=0), item.mesh.vertices.max(axis=0)
        assert room.west - 0.03 < low[0] < high[0] < room.east + 0.03
        assert room.south < low[1] < high[1] < room.north + 0.03
        assert low[2] > -1e-9
        # Nothing between the farthest camera and the avatar, arms spread.
        assert low[1] > 1.25 or low[0] > 1.2 or high[0] < -1.2


def worst_hiding(one: Stage) -> float:
    """Largest share of the person that the occluder hides in any frame, %, all else in place."""
    renderer = Renderer(one.scene)
    owners = {item.name: number for number, item in enumerate(one.scene.objects, start=1)}
    worst = 0.0
    for state in one.performance.frames():
        seen = renderer.labels(state.placements)
        alone = seen.unoccluded(owners["person"])
        hidden = alone & (seen.ids == owners["occluder"])
        worst = max(worst, 100 * hidden.sum() / max(alone.sum(), 1))
    return worst


def test_no_furniture_is_put_before_the_avatar_where_nothing_may_be_hidden() -> None:
    assert not any(item.occluder for item in stage(allowable_occlusion=0.0).scene.objects)


@pytest.mark.parametrize("allowed", [3.0, 20.0, 60.0])
def test_furniture_before_the_avatar_hides_no_more_than_is_allowed(allowed: float) -> None:
    hiding = []
    for seed, scene in enumerate(ROOMS):
        one = stage(
            random_seed=seed,
            scene=scene,
            camera_distance=4.0,
            camera_height=0.8,
            allowable_occlusion=allowed,
            kinematic_noise_factor=2.0,
            rel_baseline_speed=2.0,
            num_reps=2,
        )
        if any(item.occluder for item in one.scene.objects):
            hiding.append(worst_hiding(one))
    assert hiding, "furniture should fit before at least one avatar"
    assert max(hiding) <= allowed
    assert max(hiding) > 0
