"""Spills v0.2.0: areas, obstacles, growth, floors and cameras, measured on the labels."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinity_frames.engine.generators.photography import Photography
from infinity_frames.engine.generators.spills import SpillsV2
from infinity_frames.engine.generators.spills.arrival import arrival_times
from infinity_frames.engine.generators.spills.flow import Flow, outflow
from infinity_frames.engine.generators.spills.liquids import LIQUIDS, wetting
from infinity_frames.engine.generators.spills.obstacles import footprints
from infinity_frames.engine.generators.spills.parameters_v2 import COLORS, OUTFLOWS, PHOTOGRAPHY
from infinity_frames.engine.generators.spills.places import PLACES
from infinity_frames.engine.generators.spills.pool import Pool
from infinity_frames.engine.generators.spills.video_v2 import build_pool
from infinity_frames.engine.scene.camera import undistort
from infinity_frames.engine.scene.scene import Object, Scene
from infinity_frames.engine.scene.solids import Box
from infinity_frames.io.video import read_frames

pytestmark = pytest.mark.slow

SPEC = SpillsV2.spec
SMALL = {"image_width": 480, "image_height": 312, "enable_sensor_noise": False}


def params(**over) -> dict:
    return {**SPEC.defaults, **SMALL, **over}


@cache
def empty_scene() -> Scene:
    """A place with a floor and nothing else on it."""
    whole = PLACES["GROCERY_0002"].scene(0)
    bare = tuple(item for item in whole.objects if item.name in ("floor", "walls", "ceiling"))
    return Scene(bare, whole.camera, whole.lights)


def flow(scene: Scene | None = None, seed: int = 3, **over) -> Flow:
    scene = scene or empty_scene()
    center = np.array([0.0, 3.0])
    return Flow.of(params(**over), scene, PLACES["GROCERY_0002"].room, center, seed)


def wet_cells(found: Flow, share: float) -> np.ndarray:
    return found.times < found.front(share)


def test_an_even_floor_spreads_a_liquid_as_an_ellipse():
    cell = 0.01
    rows, columns = np.mgrid[:201, :201] - 100.0
    away = np.hypot(rows, columns) * cell
    start = np.where(away < 0.03, away, np.inf)
    times = arrival_times(np.ones((201, 201)), np.ones((201, 201), bool), start, cell)
    assert np.abs(times - away).max() < 1.5 * cell  # of a first-order scheme, over 140 cells
    found = flow(size=50.0, profile_irregularity=0.0, aspect_ratio=2.0)
    rows, columns = wet_cells(found, 1.0).nonzero()
    grid = np.linalg.inv(found.to_grid[:, :2])
    points = (np.column_stack([columns, rows]) - found.to_grid[:, 2]) @ grid.T - found.center
    lengths = np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))
    assert lengths[1] / lengths[0] == pytest.approx(2.0, rel=0.02)


@settings(max_examples=8, deadline=None)
@given(
    size=st.floats(2.0, 100.0),
    irregularity=st.floats(0.0, 1.0),
    ratio=st.floats(1.0, 3.0),
    seed=st.integers(0, 2**31 - 1),
    share=st.floats(0.05, 1.0),
)
def test_the_area_is_what_the_job_says_and_never_shrinks(size, irregularity, ratio, seed, share):
    found = flow(seed=seed, size=size, profile_irregularity=irregularity, aspect_ratio=ratio)
    wanted = share * np.pi * (size / 100.0) ** 2
    assert wet_cells(found, share).sum() * found.cell_area == pytest.approx(wanted, rel=0.01)
    assert not (wet_cells(found, share / 2) & ~wet_cells(found, share)).any()


def test_a_wall_in_the_way_is_flowed_round_and_displaces_no_liquid():
    wall = Object("wall", Box((0.6, 0.08, 0.5), (0.0, 3.25, 0.25)).mesh(), ())
    scene = Scene((*empty_scene().objects, wall), empty_scene().camera, empty_scene().lights)
    free, blocked = (flow(one, size=60.0, profile_irregularity=0.0) for one in (None, scene))
    inside = footprints(scene, blocked.to_grid, blocked.times.shape)
    assert inside.sum() * blocked.cell_area == pytest.approx(0.6 * 0.08, rel=0.05)
    areas = [(wet_cells(one, 1.0) & ~inside).sum() * one.cell_area for one in (free, blocked)]
    assert areas[1] == pytest.approx(np.pi * 0.6**2, rel=0.01)
    assert areas[0] < areas[1] - 0.04  # without a wall, its place is wet too

    def time_at(one: Flow, x: float, y: float) -> float:
        return float(one.reach(np.array([[[x, y]]])).time[0, 0])

    # Behind the wall the way is round its end; beside it nothing changes.
    detour = np.hypot(0.3, 0.21) + 0.08 + np.hypot(0.3, 0.06)
    assert time_at(free, 0.0, 3.35) == pytest.approx(0.35, abs=0.01)
    assert time_at(blocked, 0.0, 3.35) == pytest.approx(detour, rel=0.06)
    assert time_at(blocked, 0.0, 2.6) == pytest.approx(time_at(free, 0.0, 2.6), abs=0.01)


def test_a_closed_place_holds_what_fits():
    half = 0.3
    walls = [
        Object(f"wall{i}", Box(size, at).mesh(), ())
        for i, (size, at) in enumerate(
            [
                ((2 * half, 0.1, 0.5), (0.0, 3.0 + half, 0.25)),
                ((2 * half, 0.1, 0.5), (0.0, 3.0 - half, 0.25)),
                ((0.1, 2 * half + 0.1, 0.5), (half, 3.0, 0.25)),
                ((0.1, 2 * half + 0.1, 0.5), (-half, 3.0, 0.25)),
            ]
        )
    ]
    scene = Scene((*empty_scene().objects, *walls), empty_scene().camera, empty_scene().lights)
    found = flow(scene, size=80.0)
    assert found.area == pytest.approx((2 * half - 0.1) ** 2, rel=0.06)
    inside = footprints(scene, found.to_grid, found.times.shape)
    wet = wet_cells(found, 1.0) & ~inside  # and nothing beyond the walls, however thin
    assert wet.sum() * found.cell_area == pytest.approx(found.area, rel=0.01)


def test_growth_is_fast_and_then_slow():
    time = np.linspace(0.0, 1.0, 101)
    shares = {kind: np.array([outflow(kind, float(t)) for t in time]) for kind in OUTFLOWS}
    for share in shares.values():
        assert (share[0], share[-1]) == (0.0, 1.0)
        assert (np.diff(share) >= 0.0).all()
    assert (np.diff(shares["DRAINING"], 2) < 0.0).all()
    assert shares["DRAINING"][50] == pytest.approx(0.75)
    assert shares["STEADY"] == pytest.approx(time)


def test_the_eased_growth_is_that_of_the_published_sample():
    sample = Path(__file__).parents[3] / "shared/samples/spills-basic/00000_segmentation.zip"
    if not sample.exists():
        pytest.skip("the published sample is not at hand")
    with zipfile.ZipFile(sample) as pack:
        names = sorted(name for name in pack.namelist() if name.endswith("cseg.png"))[::8]
        areas = [spill_pixels(pack.read(name)) for name in names]
        last = spill_pixels(pack.read("image.000152.cseg.png"))
    frames = np.array([int(name.split(".")[1]) for name in names])
    eased = np.array([outflow("EASED", frame / 152) for frame in frames])
    assert np.array(areas) / last == pytest.approx(eased, abs=0.05)


def spill_pixels(png: bytes) -> int:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return int((picture[..., ::-1] == (25, 25, 112)).all(axis=-1).sum())


def floor_area(camera, wet: np.ndarray) -> float:
    """Area of the floor that the pixels of a mask see, from their corners, m^2."""
    rows, columns = wet.nonzero()
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    pixels = undistort(
        camera,
        np.array([np.column_stack([columns + x, rows + y]) for x, y in corners]).astype(float),
    )
    homography = np.linalg.inv(camera.P[:, [0, 1, 3]])
    points = np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1) @ homography.T
    x, y = (points[..., :2] / points[..., 2:]).transpose(2, 0, 1)
    after = [np.roll(values, -1, axis=0) for values in (x, y)]
    return float(np.abs((x * after[1] - after[0] * y).sum(axis=0)).sum() / 2)


def test_the_labels_measure_the_area_through_a_bent_lens():
    job = params(
        scene="GROCERY_0001", focal_length=30.0, lens_distortion=-6.0, relative_camera_yaw_deg=4.0
    )
    photography = Photography.of(job, 1, PHOTOGRAPHY)
    scene, found, pool = build_pool(job, 1, photography)
    assert scene.camera.distortion != 0.0
    for share in (0.4, 1.0):
        assert floor_area(scene.camera, pool.wet(share)) == pytest.approx(
            share * found.area, rel=0.01
        )
    changed = np.abs(pool.picture(1.0) - pool.dry).max(axis=-1) > 1e-3
    wet = pool.wet(1.0)
    around = cv2.dilate(wet.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert not (changed & ~around).any()
    assert changed[wet].mean() > 0.99


def test_a_floor_decides_how_wet_it_looks():
    """Water on carpet soaks in and darkens it; on tiles it stays on top and mirrors."""
    job = params(scene="GROCERY_0001", color="TRANSPARENT", depth=2.0)
    scene, found, pool = build_pool(job, 1, Photography.of(job, 1, PHOTOGRAPHY))
    kinds = {item.name: item for item in scene.objects}
    tiles = wetting(kinds["floor"].materials[0])
    carpet = wetting(PLACES["OFFICE_0001"].room.floor)
    soaked = Pool(scene, found, LIQUIDS["TRANSPARENT"], carpet, 2.0)
    vars(soaked).update(dry=pool.dry, _lit=pool._lit, _mirrored=pool._mirrored)
    assert pool._wetting == tiles
    inner = cv2.erode(pool.wet(1.0).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    left = [float((one.picture(1.0)[inner] / pool.dry[inner]).mean()) for one in (pool, soaked)]
    assert left[1] < 0.75 < left[0]
    # How much of what stands behind it shows: with a mirror image that is brighter by 1.
    shares, mirrored = [], pool._mirrored
    for one in (pool, soaked):
        before = one.picture(1.0)[inner]
        vars(one)["_mirrored"] = mirrored + np.float32(1.0)
        shares.append(float((one.picture(1.0)[inner] - before).mean()))
    assert shares[0] > 0.02
    assert shares[0] > 3.0 * shares[1]


def test_colors_differ_and_deepen_with_depth():
    job = params(scene="GROCERY_0002", profile_irregularity=0.0)
    _, found, pool = build_pool(job, 2, Photography.of(job, 2, PHOTOGRAPHY))
    inner = cv2.erode(pool.wet(1.0).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)

    def look(color: str, depth: float) -> np.ndarray:
        one = Pool(pool._scene, found, LIQUIDS[color], pool._wetting, depth)
        vars(one).update(dry=pool.dry, _lit=pool._lit, _mirrored=pool._mirrored)
        return one.picture(1.0)[inner].mean(axis=0)

    looks = {color: look(color, 1.5) for color in COLORS}
    assert set(LIQUIDS) == set(COLORS)
    values = np.array(list(looks.values()))
    apart = np.abs(values[:, None] - values[None]).max(axis=-1) + np.eye(len(values))
    assert apart.min() > 0.02
    dry = pool.dry[inner].mean(axis=0)
    for color in ("RED", "BLUE", "GREEN", "YELLOW"):
        share = [(look(color, depth) / dry) for depth in (1.0, 4.0)]
        # The channel that it absorbs most gets darker, and the color so more saturated.
        assert share[1].min() < share[0].min()
        assert share[1].min() / share[1].max() < share[0].min() / share[0].max()


def test_a_job_from_end_to_end(tmp_path):
    generator = SpillsV2()
    generator.prepare()
    job = params(scene="RESTAURANT_0001", num_obstacles=3, frame_rate=6, video_duration=1.0)
    for name, preview in (("video", False), ("preview", True)):
        (tmp_path / name).mkdir()
        assert generator.render(job, 5, tmp_path / name, preview) == (1 if preview else 6)
    labels = orjson.loads((tmp_path / "video/labels.json").read_bytes())
    frames = list(read_frames(tmp_path / "video/video.mp4"))
    assert frames[0].shape == (312, 480, 3)
    areas = [image["spill_area"] for image in labels["images"]]
    final = labels["info"]["spill_final_area"]
    assert final == pytest.approx(np.pi * 0.5**2)
    assert np.array(areas) / final == pytest.approx([outflow("DRAINING", i / 5) for i in range(6)])
    first, last = (
        (tmp_path / name / "video_preview.png").read_bytes() for name in ("video", "preview")
    )
    assert first == last
    with zipfile.ZipFile(io.BytesIO((tmp_path / "video/segmentation.zip").read_bytes())) as pack:
        assert spill_pixels(pack.read("image.000005.cseg.png")) == max(
            one["area"] for one in labels["annotations"] if one["category_id"] == 0
        )
