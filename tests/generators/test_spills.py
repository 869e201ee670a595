"""Spills: where the liquid is, against its own geometry, its masks, its picture and its camera."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pictures import decode_bgr, read_bgr
from pycocotools import mask as coco_mask

import infinity_frames as inf
from infinity_frames import vis
from infinity_frames.engine.generators.spills import Spills
from infinity_frames.engine.generators.spills.floor import Floor
from infinity_frames.engine.generators.spills.liquid import LIQUIDS, Spill
from infinity_frames.engine.generators.spills.parameters import COLORS, SCENES
from infinity_frames.engine.generators.spills.places import HEIGHT, PLACES, WIDTH
from infinity_frames.engine.scene.camera import project
from infinity_frames.io.video import read_frames, video_info

# pycocotools' decoder has not caught up with numpy 2's __array__.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SPEC = Spills.spec
AREA = np.pi * 0.5**2  # of a spill of size 50, m^2


def spill(seed: int = 3, **over) -> Spill:
    return Spill.of({**SPEC.defaults, **over}, np.zeros(2), seed)


def outline(of: Spill, grown: float = 1.0) -> np.ndarray:
    """The edge as points around the centre, (N, 2) m."""
    around = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    edge = of.edge(around, grown)
    return of.center + edge[:, None] * np.column_stack([np.cos(around), np.sin(around)])


def area(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def rendered(folder: Path, preview: bool = True, seed: int = 3, **over: Any) -> dict[str, Any]:
    folder.mkdir()
    generator = Spills()
    generator.prepare()
    generator.render({**SPEC.defaults, **over}, seed, folder, preview)
    return orjson.loads((folder / "labels.json").read_bytes())


def masks(folder: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO((folder / "segmentation.zip").read_bytes())) as pack:
        return {name: decode_bgr(pack.read(name))[..., ::-1] for name in pack.namelist()}


def test_the_parameters_are_those_of_the_documentation():
    described = {p.name: (p.type, p.min, p.max, p.default) for p in SPEC.parameters}
    assert described == {
        "scene": ("str", None, None, "WAREHOUSE_0001"),
        "color": ("str", None, None, "RED"),
        "size": ("float", 1, 100, 50),
        "aspect_ratio": ("float", 1, 3, 1),
        "profile_irregularity": ("float", 0, 1, 0.3),
        "depth": ("float", 1, 4, 1),
        "frame_rate": ("int", None, None, 24),
        "video_duration": ("float", 1, 120, 2),
        "random_seed": ("int", 0, 2**31 - 1, 0),
        "state": ("uuid", None, None, None),
    }
    assert SPEC.by_name["frame_rate"].choices == (24, 12, 8, 6)
    assert set(PLACES) == set(SCENES)
    assert set(LIQUIDS) == set(COLORS)
    jobs = pd.DataFrame(
        [SPEC.defaults, {**SPEC.defaults, "video_duration": 6.378, "frame_rate": 24}]
    )
    assert Spills().estimate(jobs).tolist() == [48, 153]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    size=st.floats(1, 100),
    aspect_ratio=st.floats(1, 3),
    profile_irregularity=st.floats(0, 1),
)
@example(seed=17, size=1.0, aspect_ratio=1.0, profile_irregularity=1.0)
def test_a_spill_grows_everywhere_to_the_area_asked_for(seed, **over):
    of = spill(seed, **over)
    assert area(outline(of)) == pytest.approx(np.pi * (over["size"] / 100) ** 2, rel=1e-3)
    around = np.linspace(-7, 7, 500)
    edges = [of.edge(around, grown) for grown in np.linspace(0, 1, 40)]
    assert (np.diff(edges, axis=0) >= -1e-12).all()
    assert (edges[-1] > 0).all()


def test_every_shape_parameter_does_what_it_says():
    for ratio in (1.0, 1.5, 3.0):
        points = outline(spill(aspect_ratio=ratio, profile_irregularity=0.0))
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        reach = np.linalg.norm(points, axis=1)
        assert reach.max() / reach.min() == pytest.approx(ratio, rel=1e-2)
        assert (spread[0] / spread[1] > 1.2) == (ratio > 1.2)
        assert area(points) == pytest.approx(AREA, rel=1e-3)

    def roundness(irregularity: float) -> float:
        points = outline(spill(profile_irregularity=irregularity))
        around = np.linalg.norm(np.diff(points, axis=0, append=points[:1]), axis=1).sum()
        return 4 * np.pi * area(points) / around**2

    found = [roundness(value) for value in (0.0, 0.3, 0.6, 1.0)]
    assert found[0] == pytest.approx(1.0, abs=1e-3)
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.8


@pytest.mark.parametrize("scene", SCENES)
def test_the_spill_of_every_place_is_seen_and_measures_what_it_should(scene):
    """From the masks alone: each pixel's share of the floor, by the camera, adds up to the area."""
    shares = []
    for seed in (1, 2, 3):
        place = PLACES[scene]
        of = Spill.of(SPEC.defaults, place.start(seed), seed)
        stage = place.scene(seed)
        floor = Floor(stage, of, LIQUIDS["RED"], 1.0)
        assert 0.15 < floor.visible.mean() < 0.9
        wet = floor.wet(1.0)
        rows, columns = wet.nonzero()
        corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
        pixels = np.array([np.column_stack([columns + x, rows + y]) for x, y in corners])
        x, y = on_the_floor(stage.camera, pixels).transpose(2, 0, 1)
        turned = [np.roll(values, -1, axis=0) for values in (x, y)]
        found = np.abs((x * turned[1] - turned[0] * y).sum(axis=0)).sum() / 2
        shares.append(found / AREA)
    # Furniture may hide some of it, never add any.
    assert max(shares) == pytest.approx(1.0, abs=0.01)
    assert min(shares) > 0.6


def on_the_floor(camera, pixels: np.ndarray) -> np.ndarray:
    """Where rays through pixels (..., 2) meet z = 0: the inverse of the floor's homography."""
    homography = np.linalg.inv(camera.P[:, [0, 1, 3]])
    points = np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1) @ homography.T
    return points[..., :2] / points[..., 2:]


@pytest.mark.slow
def test_labels_agree_with_masks_and_grow_with_the_video(tmp_path):
    job: dict[str, Any] = {
        "scene": "GROCERY_0002",
        "frame_rate": 6,
        "video_duration": 1.0,
        "aspect_ratio": 2.0,
    }
    labels = rendered(tmp_path / "a", preview=False, **job)
    found = masks(tmp_path / "a")
    frames = list(read_frames(tmp_path / "a" / "video.mp4"))
    assert len(labels["images"]) == len(frames) == 6
    info = video_info(tmp_path / "a" / "video.mp4")
    assert (info.width, info.height, info.frame_rate) == (WIDTH, HEIGHT, 6)
    assert [image["spill_visible"] for image in labels["images"]] == [False] + [True] * 5
    colors = {c["name"]: np.round(np.array(c["color"]) * 255) for c in labels["categories"]}
    names = {c["id"]: c["name"] for c in labels["categories"]}
    before = np.zeros((HEIGHT, WIDTH), bool)
    for image in labels["images"]:
        stem = f"image.{image['frame_number']:06d}"
        for annotation in (a for a in labels["annotations"] if a["image_id"] == image["id"]):
            mask = coco_mask.decode(annotation["segmentation"]).astype(bool)
            name = names[annotation["category_id"]]
            instance = np.round(np.array(annotation["color"]) * 255)
            assert ((found[f"{stem}.iseg.png"] == instance).all(axis=-1) == mask).all()
            assert ((found[f"{stem}.cseg.png"] == colors[name]).all(axis=-1) == mask).all()
            rows, columns = mask.nonzero()
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert annotation["bbox"] == box
            assert annotation["area"] == mask.sum()
            if name == "spill":
                assert (mask | ~before).all()
                before = mask
    areas = [a["area"] for a in labels["annotations"] if names[a["category_id"]] == "spill"]
    # As much comes out in every second: the fifth frame of five holds all.
    assert np.array(areas) / areas[-1] == pytest.approx(np.arange(1, 6) / 5, abs=0.02)
    ids = [a["id"] for a in labels["annotations"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.slow
def test_what_changes_in_the_picture_is_what_is_labelled():
    place = PLACES["GROCERY_0002"]
    of = Spill.of({**SPEC.defaults, "profile_irregularity": 0.8}, place.start(3), 3)
    floor = Floor(place.scene(3), of, LIQUIDS["RED"], 1.0)
    for grown in (0.3, 1.0):
        wet = floor.wet(grown)
        changed = np.abs(floor.picture(grown) - floor.dry).max(axis=-1) > 1e-3
        around = cv2.dilate(wet.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        assert not (changed & ~around).any()
        assert changed[wet].mean() > 0.995
    assert not floor.wet(0.0).any()
    assert floor.picture(0.0) is floor.dry


@pytest.mark.slow
def test_a_preview_is_the_last_frame(tmp_path):
    job: dict[str, Any] = {
        "scene": "OFFICE_0001",
        "color": "BROWN",
        "frame_rate": 6,
        "video_duration": 1.0,
    }
    video = rendered(tmp_path / "video", preview=False, **job)
    preview = rendered(tmp_path / "preview", preview=True, **job)
    assert not (tmp_path / "preview" / "video.mp4").exists()
    pictures = [
        (tmp_path / name / "video_preview.png").read_bytes() for name in ("video", "preview")
    ]
    assert pictures[0] == pictures[1]
    assert preview["images"] == video["images"][-1:]
    drop = ("id",)  # numbered through the video

    def of_last(labels: dict) -> list[dict]:
        return [
            {key: value for key, value in one.items() if key not in drop}
            for one in labels["annotations"]
            if one["image_id"] == 5
        ]

    assert of_last(preview) == of_last(video)


@pytest.mark.slow
def test_what_a_spill_looks_like_leaves_its_labels_alone(tmp_path):
    plain = rendered(tmp_path / "plain", scene="OFFICE_0001")
    looks: dict[str, Any] = {"color": "WHITE", "depth": 3.0, "frame_rate": 6, "video_duration": 9.0}
    other = rendered(tmp_path / "other", scene="OFFICE_0001", **looks)
    segments = [[a["segmentation"] for a in labels["annotations"]] for labels in (plain, other)]
    assert segments[0] == segments[1]
    wet = coco_mask.decode(segments[0][0]).astype(bool)
    pictures = [
        read_bgr(tmp_path / name / "video_preview.png").astype(int) for name in ("plain", "other")
    ]
    inner = cv2.erode(wet.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    blue, green, red = (pictures[0][inner].mean(axis=0)).tolist()
    assert red > 1.2 * max(blue, green)  # the rest mirrors grey walls
    assert np.ptp(pictures[1][inner].mean(axis=0)) < 25
    assert pictures[1][inner].mean() > pictures[0][inner].mean() + 40


@pytest.mark.slow
def test_deeper_liquid_hides_more_of_the_floor():
    place = PLACES["GROCERY_0002"]
    of = Spill.of(SPEC.defaults, place.start(1), 1)
    scene = place.scene(1)
    wet, contrast = None, []
    floors = [Floor(scene, of, LIQUIDS["RED"], depth) for depth in (1.0, 2.0, 4.0)]
    for floor in floors[1:]:  # they differ in the liquid only
        vars(floor).update(dry=floors[0].dry, _lit=floors[0]._lit, _mirrored=floors[0]._mirrored)
    for floor in floors:
        wet = cv2.erode(floor.wet(1.0).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
        contrast.append(float(floor.picture(1.0)[wet][:, 1].mean()))
    assert contrast[0] > contrast[1] > contrast[2]


def test_a_wet_floor_mirrors_what_stands_behind_it():
    """The tubes under the ceiling, as bright as they are, where their mirror images project."""
    place = PLACES["RESTAURANT_0001"]
    scene = place.scene(1)
    floor = Floor(scene, spill(), LIQUIDS["TRANSPARENT"], 1.0)
    tubes = next(item for item in scene.objects if item.name == "tubes")
    flipped = tubes.mesh.vertices * [1.0, 1.0, -1.0]
    pixels, depth = project(scene.camera, flipped)
    x, y = pixels.T
    inside = (depth > 0) & (x > 2) & (x < WIDTH - 3) & (y > 2) & (y < HEIGHT - 3)
    faces = tubes.mesh.faces[inside[tubes.mesh.faces].all(axis=1)]
    below = faces[(np.ptp(flipped[faces][..., 2], axis=1) < 1e-9)]
    middles = pixels[below].mean(axis=1).astype(int)
    seen = floor._mirrored[middles[:, 1], middles[:, 0]].max(axis=-1)
    assert len(seen) > 3
    assert (seen > 3.0).mean() > 0.4  # the others are hidden by furniture, or face up
    assert np.median(floor._mirrored) < 1.5


@pytest.mark.slow
def test_a_drop_too_small_to_see_has_no_annotation(tmp_path):
    labels = rendered(tmp_path / "a", scene="WAREHOUSE_0003", size=1.0, seed=2)
    wide = [a["bbox"][2:] for a in labels["annotations"] if a["category_id"] == 0]
    assert all(max(box) >= 3 for box in wide)
    assert labels["images"][0]["spill_visible"] == bool(wide)
    floor = Floor(
        PLACES["OFFICE_0001"].scene(0), spill(size=1.0), LIQUIDS["RED"], 1.0
    )  # behind the camera
    assert not floor.wet(1.0).any()


def test_from_a_session_to_a_table(embedded_studio, tmp_path):
    session = inf.SpillsSession("spills-v0.1.0")
    jobs = session.jobs(
        [
            {"scene": "GROCERY_0001", "frame_rate": 6, "video_duration": 1.0, "color": "WHITE"},
            {"scene": "WAREHOUSE_0002", "frame_rate": 6, "video_duration": 1.0},
        ]
    )
    results = jobs.infinity.run(tmp_path / "run", session=session)
    assert results["status"].tolist() == ["completed"] * 2
    spilt = results.infinity.annotations("spill")
    assert (
        spilt.groupby("job_id")["area"].apply(lambda areas: areas.is_monotonic_increasing)
    ).all()
    shown = results.infinity.sql(
        "SELECT job_id, sum(spill_visible::INT) AS frames FROM images GROUP BY ALL"
    )
    assert shown["frames"].tolist() == [5, 5]
    assert results.infinity.verify(quiet=True).empty
    grid = vis.visualize_all_labels(results.iloc[0])
    assert video_info(grid).num_frames == 6
