"""Every label of a rendered job against its masks, its camera and an independent ray caster."""

import io
import itertools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import pytest
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from pictures import decode_bgr, read_bgr
from pycocotools import mask as coco_mask
from scipy.spatial.transform import Rotation

from infinity_frames.engine.generators.annotations import distinct_colors
from infinity_frames.engine.generators.keypoints import named, visibility
from infinity_frames.engine.generators.visionfit import VisionFit
from infinity_frames.engine.generators.visionfit.categories import CATEGORIES
from infinity_frames.engine.generators.visionfit.labels import SceneAnnotator
from infinity_frames.engine.generators.visionfit.stage import build_stage
from infinity_frames.engine.people.skeleton import JOINTS, PARENTS
from infinity_frames.engine.render import Renderer
from infinity_frames.engine.render.labels import LabelPass
from infinity_frames.engine.scene.camera import look, project
from infinity_frames.engine.scene.scene import Object, Scene
from infinity_frames.io.video import read_frames, video_info

# pycocotools' decoder has not caught up with numpy 2's __array__.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SEED = 5
# Odd sizes, a turned avatar, something held, something before it, something at the image's edge.
PARAMS: dict[str, Any] = {
    **VisionFit.spec.defaults,
    "scene": "BEDROOM_4",
    "exercise": "BICEP_CURL-ALTERNATING-DUMBBELL",
    "rel_baseline_speed": 3.0,
    "frame_rate": 6,
    "image_width": 161,
    "image_height": 129,
    "camera_distance": 3.2,
    "camera_height": 1.1,
    "relative_camera_yaw_deg": 12.0,
    "relative_avatar_angle_deg": 35.0,
    "allowable_occlusion": 40.0,
    "random_seed": SEED,
}


@dataclass
class Job:
    """A job folder, read with nothing but the formats' own libraries."""

    folder: Path
    samples: int

    def __post_init__(self) -> None:
        self.labels: dict[str, Any] = orjson.loads((self.folder / "labels.json").read_bytes())
        self.masks: dict[str, np.ndarray] = {}
        with zipfile.ZipFile(io.BytesIO((self.folder / "segmentation.zip").read_bytes())) as pack:
            assert pack.testzip() is None
            for name in pack.namelist():
                self.masks[name] = decode_bgr(pack.read(name))[..., ::-1]

    @property
    def annotations(self) -> list[dict[str, Any]]:
        return self.labels["annotations"]

    @property
    def people(self) -> list[dict[str, Any]]:
        return [one for one in self.annotations if one["category_id"] == 1]

    def mask(self, annotation: Mapping[str, Any], *, alone: bool) -> np.ndarray:
        """Where an annotation's colour is, exactly: in the frame, or where it is alone."""
        stem = f"image.{annotation['image_id']:06d}.iseg"
        name = f"{stem}.{annotation['id']:06d}.png" if alone else f"{stem}.png"
        color = np.array(annotation["color"]) * 255
        assert np.array_equal(color, np.round(color))
        return (self.masks[name] == color).all(axis=2)


def rendered(folder: Path, *, preview: bool = False, **changes: Any) -> Job:
    params = {**PARAMS, **changes}
    folder.mkdir()
    return Job(folder, VisionFit().render(params, params["random_seed"], folder, preview))


def in_label_order(scene: Scene) -> list[Object]:
    """What is labelled, in the order of instance ids: the person, then as the scene lists it."""
    return sorted((o for o in scene.objects if o.category), key=lambda o: o.name != "person")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return rendered(tmp_path_factory.mktemp("labels") / "job")


def test_a_frame_has_an_image_and_a_person(job: Job) -> None:
    numbers = list(range(job.samples))
    assert [image["frame_number"] for image in job.labels["images"]] == numbers
    assert [image["id"] for image in job.labels["images"]] == numbers
    assert [person["image_id"] for person in job.people] == numbers
    assert all((image["width"], image["height"]) == (161, 129) for image in job.labels["images"])


def test_ids_are_unique_and_instances_keep_theirs(job: Job) -> None:
    ids = [one["id"] for one in job.annotations]
    assert len(set(ids)) == len(ids)
    kinds = {(one["instance_id"], one["category_id"], *one["color"]) for one in job.annotations}
    instances = {one["instance_id"] for one in job.annotations}
    colors = {tuple(one["color"]) for one in job.annotations}
    assert len(kinds) == len(instances) == len(colors)
    assert {"person", "dumbbell"} <= {CATEGORIES[one["category_id"] - 1] for one in job.annotations}


def test_boxes_areas_and_outlines_are_those_of_the_instance_mask(job: Job) -> None:
    for one in job.annotations:
        mask = job.mask(one, alone=False)
        rows, columns = np.nonzero(mask)
        assert one["area"] == len(rows) > 0
        assert one["bbox"] == [
            columns.min(),
            rows.min(),
            np.ptp(columns) + 1,
            np.ptp(rows) + 1,
        ]
        assert np.array_equal(coco_mask.decode(one["segmentation"]).astype(bool), mask)


def test_a_mask_has_no_other_colours_than_its_annotations(job: Job) -> None:
    categories = {one["id"]: one for one in job.labels["categories"]}
    for image in job.labels["images"]:
        present = [one for one in job.annotations if one["image_id"] == image["id"]]
        for kind, colors in (
            ("iseg", [one["color"] for one in present]),
            ("cseg", [categories[one["category_id"]]["color"] for one in present]),
        ):
            mask = job.masks[f"image.{image['frame_number']:06d}.{kind}.png"]
            expected = {tuple(np.round(np.array(color) * 255).astype(int)) for color in colors}
            found = {tuple(color) for color in np.unique(mask.reshape(-1, 3), axis=0)}
            assert found - {(0, 0, 0)} == expected


def test_occlusion_is_the_hidden_share_of_the_mask_alone(job: Job) -> None:
    hidden = set()
    for one in job.annotations:
        alone, seen = job.mask(one, alone=True), job.mask(one, alone=False)
        assert not (seen & ~alone).any()
        share = 100 * (1 - seen.sum() / alone.sum())
        assert one["percent_occlusion"] == pytest.approx(share, abs=1e-3)
        hidden.add(share > 0)
    assert hidden == {True, False}


def test_masks_are_named_as_documented_and_nothing_else_is_there(job: Job) -> None:
    expected = {
        f"image.{number:06d}.{kind}.png"
        for number in range(job.samples)
        for kind in ("cseg", "iseg")
    } | {f"image.{one['image_id']:06d}.iseg.{one['id']:06d}.png" for one in job.annotations}
    assert set(job.masks) == expected
    assert {path.name for path in job.folder.iterdir()} == {
        "labels.json",
        "segmentation.zip",
        "video.mp4",
        "video_preview.png",
    }


def test_the_projection_matrix_takes_global_points_to_their_pixels(job: Job) -> None:
    info = job.labels["info"]
    projection = np.array(info["camera_P_matrix"])
    assert np.allclose(
        projection, np.array(info["camera_K_matrix"]) @ np.array(info["camera_RT_matrix"])
    )
    for person in job.people:
        for points in (person["armature_keypoints"], person["vertex_keypoints"]):
            table = np.array(
                [[p["x_global"], p["y_global"], p["z_global"], 1.0] for p in points.values()]
            )
            x, y, depth = projection @ table.T
            labels = np.array([[p["x"], p["y"], p["z"]] for p in points.values()])
            assert np.allclose(x / depth, labels[:, 0], atol=0.05)
            assert np.allclose(y / depth, labels[:, 1], atol=0.05)
            assert np.allclose(depth, labels[:, 2], atol=1e-4)


def test_the_camera_is_a_35_mm_lens_before_the_avatar(job: Job) -> None:
    info = job.labels["info"]
    intrinsics = np.array(info["camera_K_matrix"])
    assert intrinsics[0, 0] == intrinsics[1, 1] == pytest.approx(35 / 36 * 161)
    assert intrinsics[:2, 2].tolist() == [161 / 2, 129 / 2]
    offset = np.array(info["camera_location"]) - info["avatar_location"]
    assert np.allclose(offset[:2], [0, -PARAMS["camera_distance"]])
    assert info["camera_location"][2] == info["camera_height"] == PARAMS["camera_height"]
    assert info["camera_yaw"] == PARAMS["relative_camera_yaw_deg"]
    level = look((0, 0, 1), 0, 90, 64, 64)
    assert np.allclose(level.RT[2, :3], [0, 1, 0]), "yaw 0, pitch 90 looks along +Y"


def test_keypoints_are_complete_and_their_states_are_consistent(job: Job) -> None:
    states = set()
    for person in job.people:
        assert tuple(person["armature_keypoints"]) == tuple(person["quaternions"]) == JOINTS
        norms = np.linalg.norm(list(person["quaternions"].values()), axis=1)
        assert np.allclose(norms, 1, atol=1e-5)
        assert {"nose", "left_ear", "left_heel", "left_big_toe"} <= set(person["vertex_keypoints"])
        coco = np.array(person["keypoints"]).reshape(17, 3)
        assert person["num_keypoints"] == (coco[:, 2] > 0).sum()
        for points in (person["armature_keypoints"], person["vertex_keypoints"]):
            for point in points.values():
                inside = 0 <= point["x"] < 161 and 0 <= point["y"] < 129 and point["z"] > 0.05
                assert (point["v"] > 0) == inside
                states.add(point["v"])
    assert states >= {1, 2}


def test_coco_hips_lie_more_lateral_than_the_joints(job: Job) -> None:
    person = job.people[0]
    coco = np.array(person["keypoints"]).reshape(17, 3)
    joints = person["armature_keypoints"]
    width = np.hypot(*(coco[11, :2] - coco[12, :2]))
    left, right = joints["left_hip"], joints["right_hip"]
    assert width > np.hypot(left["x"] - right["x"], left["y"] - right["y"]) * 1.1


def test_cuboids_hold_their_object_in_the_drawn_order(job: Job) -> None:
    for one in job.annotations:
        corners = np.array(one["cuboid_coordinates"])
        assert corners.shape == (8, 3)
        if (corners[:, 2] > 0.05).all():
            x, y, width, height = one["bbox"]
            assert corners[:, 0].min() <= x + 1
            assert corners[:, 0].max() >= x + width - 1
            assert corners[:, 1].min() <= y + 1
            assert corners[:, 1].max() >= y + height - 1
            # 0 1 are the near side, 4 5 below them; 0 and 4 left of 1 and 5.
            assert corners[[0, 1, 4, 5], 2].sum() < corners[[3, 2, 7, 6], 2].sum()
            assert (corners[:4, 1] < corners[4:, 1]).all()
            assert corners[0, 0] < corners[1, 0]
            assert corners[4, 0] < corners[5, 0]


def test_share_in_view_counts_vertices(job: Job) -> None:
    stage = build_stage(PARAMS, SEED)
    state = next(stage.performance.frames(1))
    labelled = {one["instance_id"]: one for one in job.annotations if one["image_id"] == 0}
    shares = []
    for instance_id, item in enumerate(in_label_order(stage.scene), start=1):
        if instance_id in labelled:
            mesh = state.placements.get(item.name, item.mesh)
            pixels, depth = project(stage.scene.camera, mesh.vertices)
            inside = (depth > 0.05) & (pixels >= 0).all(axis=1) & (pixels < [161, 129]).all(axis=1)
            shares.append(100 * inside.mean())
            assert labelled[instance_id]["percent_in_fov"] == pytest.approx(shares[-1], abs=1e-3)
    assert min(shares) < 100, "the scene should have something at the image's edge"


def test_instance_masks_agree_with_a_ray_caster(job: Job) -> None:
    stage = build_stage(PARAMS, SEED)
    camera = stage.scene.camera
    caster = rtcore_scene.EmbreeScene(robust=True)
    states = {state.frame: state for state in stage.performance.frames(4)}
    frame = 3
    for item in stage.scene.objects:
        mesh = states[frame].placements.get(item.name, item.mesh)
        TriangleMesh(caster, mesh.vertices.astype(np.float32), item.mesh.faces)
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    pixels = np.stack([columns.ravel(), rows.ravel(), np.ones(columns.size)])
    rays = (camera.RT[:, :3].T @ np.linalg.solve(camera.K, pixels)).T.astype(np.float32)
    origins = np.tile(camera.location.astype(np.float32), (len(rays), 1))
    hits = caster.run(origins, rays, output=True)["geomID"].reshape(camera.height, camera.width)
    colors = {one["instance_id"]: one for one in job.annotations if one["image_id"] == frame}
    expected = np.zeros((camera.height, camera.width, 3))
    for instance_id, item in enumerate(in_label_order(stage.scene), start=1):
        if instance_id in colors:
            owner = stage.scene.objects.index(item)
            expected[hits == owner] = np.round(np.array(colors[instance_id]["color"]) * 255)
    actual = job.masks[f"image.{frame:06d}.iseg.png"]
    wrong = (actual != expected).any(axis=2)
    # A ray through a shared edge may hit either side: single precision against double.
    assert wrong.sum() <= 2
    padded = np.pad(actual, ((1, 1), (1, 1), (0, 0)), mode="edge")
    for row, column in zip(*np.nonzero(wrong), strict=True):
        around = padded[row : row + 3, column : column + 3].reshape(-1, 3)
        assert len(np.unique(around, axis=0)) > 1


def test_quaternions_make_the_joints_of_every_frame_from_one_skeleton(job: Job) -> None:
    """From the avatar's own axes down: x to its left, y up, z ahead, turned by its yaw."""
    yaw = Rotation.from_euler("z", job.labels["info"]["avatar_yaw"], degrees=True)
    upright = Rotation.from_euler("x", 90, degrees=True)  # y up becomes Z up, ahead becomes -Y
    bones = []
    for person in (one for one in job.annotations if one["category_id"] == 1):
        turns: dict[str, Rotation] = {}
        offsets = []
        at = {
            name: np.array([point[f"{axis}_global"] for axis in "xyz"])
            for name, point in person["armature_keypoints"].items()
        }
        for joint, parent in zip(JOINTS, PARENTS, strict=True):
            above = yaw * upright if parent < 0 else turns[JOINTS[parent]]
            own = Rotation.from_quat(person["quaternions"][joint], scalar_first=True)
            turns[joint] = above * own
            if parent >= 0:
                offsets.append(above.inv().apply(at[joint] - at[JOINTS[parent]]))
        bones.append(offsets)
    assert len(bones) == job.samples
    assert np.ptp(bones, axis=0).max() < 1e-4
    left = bones[0][[name for name in JOINTS if name != "pelvis"].index("left_hip")]
    assert left[0] > 0.05


@pytest.mark.parametrize("angle", [-170, -90, -35, 0, 90, 135])
@pytest.mark.parametrize("exercise", ["SQUAT-BODYWEIGHT", "PUSHUP", "CRUNCHES"])
def test_a_point_on_the_skin_is_visible_where_a_ray_reaches_it(exercise: str, angle: int) -> None:
    """In profile and from behind too: none seen is called hidden, and none hidden seen.

    A point that a ray reaches through a gap between the pixels' centers is hidden: the masks do not
    show its surroundings.
    """
    turned = {"exercise": exercise, "relative_avatar_angle_deg": float(angle)}
    seen_by_us, seen_by_rays = skin_seen({**PARAMS, **turned, "allowable_occlusion": 20.0})
    assert len(seen_by_us) > 10
    assert (seen_by_us == seen_by_rays).all()


def skin_seen(params: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Which points on the skin are visible: by the labels, and by an independent ray caster."""
    stage = build_stage(params, SEED)
    scene, camera = stage.scene, stage.scene.camera
    state = next(stage.performance.frames(1))
    seen = Renderer(scene).labels(state.placements)
    person = (
        SceneAnnotator(scene)
        .label(0, seen, state.placements, state.person, state.rep_counts)
        .annotations[0]
    )
    states = np.array([one["v"] for one in person["vertex_keypoints"].values()])
    caster = rtcore_scene.EmbreeScene(robust=True)
    for item in scene.objects:
        vertices = state.placements.get(item.name, item.mesh).vertices
        faces = item.mesh.faces
        if item.one_sided:  # seen from its front only: walls let the camera look in, rugs do not
            a, b, c = vertices[faces].swapaxes(0, 1)
            faces = faces[(np.cross(b - a, c - a) * (camera.location - a)).sum(axis=1) > 0]
        TriangleMesh(caster, vertices.astype(np.float32), faces)
    rays = state.person.skin - camera.location
    distance = np.linalg.norm(rays, axis=1)
    rays /= distance[:, None]
    origins = np.tile(camera.location.astype(np.float32), (len(rays), 1))
    behind = distance - caster.run(origins, rays.astype(np.float32), output=True)["tfar"]
    owner = [item.name for item in scene.objects].index("person")
    shown = np.zeros(len(rays), bool)  # the center of a pixel at most one away shows the person
    for step in itertools.product((-1, 0, 1), repeat=2):
        pixels = np.floor(project(camera, state.person.skin)[0]) + 0.5 + step
        limits = np.array([camera.width, camera.height]) - 0.5
        pixels = np.column_stack([np.clip(pixels, 0.5, limits), np.ones(len(pixels))])
        centers = (camera.RT[:, :3].T @ np.linalg.solve(camera.K, pixels.T)).T.astype(np.float32)
        shown |= caster.run(origins, centers, output=True)["geomID"] == owner
    # Within the image, and clearly seen or clearly hidden.
    sure = (states > 0) & ((behind < 0.002) | (behind > 0.008))
    return states[sure] == 2, (behind[sure] < 0.005) & shown[sure]


def test_the_video_has_the_frames_and_the_preview_is_the_first(job: Job) -> None:
    info = video_info(job.folder / "video.mp4")
    assert (info.num_frames, info.frame_rate) == (job.samples, 6)
    picture = read_bgr(job.folder / "video_preview.png")[..., ::-1]
    assert picture.shape == (129, 161, 3)
    first = next(iter(read_frames(job.folder / "video.mp4")))[:129, :161]
    assert np.abs(first.astype(float) - picture).mean() < 4


def test_rep_counts_rise_and_the_second_runs_ahead_by_what_follows_the_midpoint(job: Job) -> None:
    start = np.array([image["rep_count_from_start"] for image in job.labels["images"]])
    middle = np.array([image["rep_count_from_intermediate"] for image in job.labels["images"]])
    assert start[0] == 0
    assert start[-1] == 1
    assert (np.diff(start) > 0).all()
    assert np.allclose(middle - start, 0.5)


def test_a_preview_is_frame_0_of_the_video(job: Job, tmp_path: Path) -> None:
    preview = rendered(tmp_path / "preview", preview=True)
    assert preview.samples == 1
    assert not (preview.folder / "video.mp4").exists()
    assert preview.labels["info"] == job.labels["info"]
    assert preview.labels["images"] == job.labels["images"][:1]
    assert preview.annotations == [one for one in job.annotations if one["image_id"] == 0]
    assert all(np.array_equal(mask, job.masks[name]) for name, mask in preview.masks.items())
    pictures = [one.folder / "video_preview.png" for one in (preview, job)]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_a_person_out_of_view_is_annotated_as_unseen(tmp_path: Path) -> None:
    away = rendered(
        tmp_path / "away", preview=True, camera_distance=5.25, relative_camera_yaw_deg=45.0
    )
    (person,) = away.people
    assert (person["area"], person["bbox"]) == (0, [0, 0, 0, 0])
    assert person["percent_occlusion"] is None
    assert person["percent_in_fov"] == 0
    assert person["num_keypoints"] == 0
    assert not any(person["keypoints"])
    assert not coco_mask.decode(person["segmentation"]).any()
    assert not away.mask(person, alone=True).any()


class _Seen:
    """A label pass by hand: object 1 at 2 m on the left half, object 2 at 1 m on the right."""

    ids = np.where(np.arange(64) < 32, 1, 2) * np.ones((64, 1), int)
    depth = np.where(np.arange(64) < 32, 2.0, 1.0) * np.ones((64, 1))

    def depth_at(self, pixels: np.ndarray) -> np.ndarray:
        assert len(pixels) == 0  # points inside of a body are compared with their pixels
        return np.empty(0)


@pytest.mark.parametrize(
    ("point", "tolerance", "state"),
    [
        ((-0.5, 2.0, 0.0), 0.03, 2),
        ((-0.5, 2.02, 0.0), 0.03, 2),
        ((-0.5, 2.05, 0.0), 0.03, 1),
        ((0.5, 2.0, 0.0), 0.03, 1),
        ((0.2, 1.02, 0.0), 0.03, 1),
        ((0.005, 1.0, 0.0), 0.03, 2),  # thinner than a pixel, beside one of its own
        ((0.2, 1.0, 0.0), 0.03, 1),  # nothing of its own is seen near it
        ((5.0, 2.0, 0.0), 0.03, 0),
        ((0.0, 0.04, 0.0), 0.03, 0),
        ((0.0, -2.0, 0.0), 0.03, 0),
    ],
)
def test_a_point_is_visible_where_nothing_but_its_own_flesh_is_before_it(
    point: tuple[float, float, float], tolerance: float, state: int
) -> None:
    camera = look((0, 0, 0), 0, 90, 64, 64)
    points = np.array([point])
    inner = np.array([False])
    states = visibility(
        camera,
        cast("LabelPass", _Seen()),
        1,
        *project(camera, points),
        np.array([tolerance]),
        inner,
    )
    assert states.tolist() == [state]
    label = named(("it",), camera, points, states)["it"]
    assert (label["z"], label["v"]) == (point[1], state)
    if point[1] <= 0.05:
        assert (label["x"], label["y"]) == (0, 0)


def test_colours_are_distinct() -> None:
    colors = distinct_colors(60)
    assert len(np.unique(colors, axis=0)) == 60
    assert colors.any(axis=1).all()
    nearest = min(
        np.abs(a.astype(int) - b).sum() for a, b in itertools.combinations(colors[:24], 2)
    )
    assert nearest > 20
