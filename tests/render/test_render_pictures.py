"""Pictures: light, shadow, repeatability, and what a camera makes of them."""

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core import event

from infinity_frames.engine.generators.visionfit import VisionFit
from infinity_frames.engine.render import PATTERNS, Renderer, Response, auto_exposure, tonemap
from infinity_frames.engine.render.tonemap import FULL_WELL, READ_NOISE, tone
from infinity_frames.engine.scene.scene import (
    Aperture,
    Camera,
    Light,
    Material,
    Mesh,
    Object,
    Placement,
    Scene,
)

GREY = Material((0.5, 0.5, 0.5))
DOWN_CAMERA = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])


def square(centre, half: float, up=(0.0, 0.0, 1.0)) -> Mesh:
    """A level square that faces up, or down."""
    offsets = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)]) * half
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    if up[2] < 0:
        faces = faces[:, ::-1].copy()
    return Mesh(np.array(centre) + offsets, faces, np.tile(up, (4, 1)), np.zeros(2, np.int32))


def box(centre, half: float) -> Mesh:
    corners: list[np.ndarray] = []
    faces: list[tuple[int, ...]] = []
    normals: list[np.ndarray] = []
    for axis in range(3):
        for side in (-1.0, 1.0):
            normal = np.zeros(3)
            normal[axis] = side
            u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            start = len(corners)
            corners += [normal + a * u + b * v for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            quad = [(start, start + 1, start + 2), (start, start + 2, start + 3)]
            faces += quad if side > 0 else [f[::-1] for f in quad]
            normals += [normal] * 4
    vertices = np.array(centre) + half * np.array(corners)
    materials = np.zeros(len(faces), np.int32)
    return Mesh(vertices, np.array(faces, np.int32), np.array(normals), materials)


def above(size: int = 64) -> Camera:
    """Looks straight down from 4 m upon 4 m x 4 m."""
    intrinsics = np.array([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1.0]])
    return Camera(intrinsics, np.c_[DOWN_CAMERA, -DOWN_CAMERA @ [0, 0, 4.0]], size, size)


def lamp(power: float = 100.0, x: float = 0.0) -> Light:
    return Light((x, 0.0, 3.0), (0.0, 0.0, 0.0), 0.4, power)


FLOOR = Object("floor", square((0, 0, 0), 3.0), (GREY,), casts_shadow=False)


def render(*objects: Object, lights=None, placements=None, ambient=(0.1, 0.1, 0.1)):
    lights = [lamp()] if lights is None else lights
    scene = Scene((FLOOR, *objects), above(), tuple(lights), ambient)
    return Renderer(scene).picture(placements or {})


@pytest.mark.parametrize("stops", [-3.0, 3.0])
@pytest.mark.parametrize("power", [1e-3, 1.0, 30.0])
def test_no_combination_of_tone_and_exposure_blanks_a_picture(stops: float, power: float) -> None:
    rng = np.random.default_rng(0)
    gray = rng.lognormal(0.0, 1.0, (64, 64, 1)) * power
    radiance = np.repeat(gray, 3, axis=2).astype(np.float32)
    for contrast, black, white in itertools.product((0.5, 2.5), (-0.3, 0.2), (0.5, 1.2)):
        response = Response(contrast=contrast, black=black, white=white)
        exposure = auto_exposure(radiance, stops=stops, response=response)
        picture = tonemap(radiance, rng=None, exposure=exposure, response=response)
        assert (picture > 25).mean() > 0.09
        assert (picture < 230).mean() > 0.09


def test_irradiance_falls_as_physics_says():
    # A lamp of power P straight above a white floor: radiance = albedo / pi * P / pi / d^2.
    light = Light((0.0, 0.0, 3.0), (0.0, 0.0, 0.0), 0.05, 100.0)
    picture = render(lights=[light], ambient=(0, 0, 0))
    dark = render(lights=[Light((9.0, 0, 3), (9.0, 0, 9.0), 0.05, 100.0)], ambient=(0, 0, 0))
    direct = picture - dark  # the other lamp faces away: its light only comes from the room
    under, aside = direct[32, 32, 1], direct[32, 56, 1]
    expected = 0.5 * 0.96 / np.pi * 100 / np.pi / 9
    assert under == pytest.approx(expected, rel=0.2)
    distance = np.hypot(24.5 / 64 * 4, 3.0)
    assert aside / under == pytest.approx((3 / distance) ** 4, rel=0.15)


@pytest.mark.parametrize("moving", [False, True])
def test_a_box_casts_a_shadow_away_from_the_lamp(moving):
    item = Object("box", box((0, 0, 0.8), 0.25), (GREY,))
    placements = {"box": Placement(item.mesh.vertices, item.mesh.normals)} if moving else {}
    light = lamp(x=-1.5)
    empty = render(lights=[light])
    picture = render(item, lights=[light], placements=placements)
    ratio = (picture / empty)[..., 1]
    # The ray from the lamp by the box's middle meets the floor 0.55 m to the right.
    shadow, mirrored = ratio[32, 42:46].mean(), ratio[32, 10:14].mean()
    assert shadow < 0.55
    assert mirrored > 0.9
    # The penumbra is soft: values between the extremes on the way out.
    row = ratio[32, 42:62]
    assert ((row > shadow + 0.1) & (row < 0.9)).sum() >= 2


def test_what_casts_no_shadow_darkens_no_light():
    item = Object("sheet", square((0, 0, 1.0), 0.2), (GREY,), casts_shadow=False)
    caster = Object("sheet", item.mesh, (GREY,))
    light = lamp(x=-1.5)
    empty = render(lights=[light])[32, 39:42, 1]
    assert render(item, lights=[light])[32, 39:42, 1] == pytest.approx(empty, rel=0.15)
    assert (render(caster, lights=[light])[32, 39:42, 1] < 0.7 * empty).all()


def test_moving_and_unmoving_things_look_alike():
    item = Object("box", box((0.2, 0.1, 0.5), 0.3), (GREY,))
    still = render(item, lights=[lamp(x=-1.0)])
    placed = {"box": Placement(item.mesh.vertices, item.mesh.normals)}
    moved = render(item, lights=[lamp(x=-1.0)], placements=placed)
    # Not quite: what stands still is part of the room that reflects light.
    assert np.abs(still - moved).mean() < 0.08 * still.mean()
    assert np.quantile(np.abs(still - moved), 0.99) < 0.25 * still.mean()


def test_ambient_light_dims_beside_a_box():
    item = Object("box", box((0, 0, 0.45), 0.4), (GREY,))
    empty = render(lights=[])
    picture = render(item, lights=[])
    ratio = (picture / empty)[32, :, 1]
    assert ratio[40] < 0.9  # 0.1 m off its side
    assert ratio[40] < ratio[43] < ratio[47]
    assert ratio[62] > 0.98


def test_more_power_is_brighter_and_neither_end_is_lost():
    item = Object("box", box((0.3, 0, 0.3), 0.3), (Material((0.7, 0.3, 0.2)),))
    means = []
    for power in (0.0, 10.0, 50.0, 100.0, 300.0, 1000.0, 2000.0):
        picture = render(item, lights=[lamp(power)])
        assert np.isfinite(picture).all()
        assert picture.min() >= 0
        developed = tonemap(picture, rng=None)
        means.append(developed.mean())
        assert 5 < developed.mean() < 245
        assert (developed.max(axis=2) < 255).mean() > 0.5
        assert (developed.max(axis=2) > 0).all()
    assert (np.diff(means) > 0).all()
    assert means[1] < 0.75 * means[-2]


def test_edges_are_smooth_and_flat_areas_untouched():
    bright = Material((0.9, 0.9, 0.9))
    tilted = square((0, 0, 0.5), 0.8)
    turn = np.array([[0.94, -0.34, 0], [0.34, 0.94, 0], [0, 0, 1]])
    mesh = Mesh(tilted.vertices @ turn.T, tilted.faces, tilted.normals, tilted.materials)
    item = Object("sheet", mesh, (bright,), casts_shadow=False)
    dark = Object("floor2", square((0, 0, 0.01), 3.0), (Material((0.02, 0.02, 0.02)),))
    picture = render(item, dark)[..., 1]
    middle = picture[32, 26:38]
    assert np.ptp(middle) < 0.1 * middle.mean()
    step = picture[20] / middle.mean()
    assert ((step > 0.15) & (step < 0.85)).any()


def test_a_wall_seen_from_behind_is_not_in_the_picture():
    # A ceiling between the camera and the floor, lit from below it.
    ceiling = square((0, 0, 3.5), 3.0, up=(0, 0, -1.0))
    room = Object("ceiling", ceiling, (GREY,), one_sided=True, casts_shadow=False)
    picture = render(room, lights=[lamp()])
    ids = Renderer(Scene((FLOOR, room), above(), (lamp(),))).labels({}).ids
    assert (ids == 1).all()
    assert picture[32, 32, 1] > 0.5 * render(lights=[lamp()])[32, 32, 1]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_finite_and_seen(pattern):
    material = Material((0.6, 0.4, 0.2), (0.1, 0.1, 0.3), pattern, 0.2, 0.5)
    item = Object("panel", square((0, 0, 0.1), 1.5), (material,), casts_shadow=False)
    one_color = Material((0.6, 0.4, 0.2), roughness=0.5)
    plain = Object("panel", item.mesh, (one_color,), casts_shadow=False)
    picture = render(item, lights=[lamp()])[16:48, 16:48]
    assert np.isfinite(picture).all()
    spread = picture.std() / picture.mean()
    even = render(plain, lights=[lamp()])[16:48, 16:48]
    assert (pattern == "plain") == np.allclose(picture, even)
    assert spread < 2.0


def test_fine_patterns_fade_instead_of_aliasing():
    # Stripes of a few millimetres under pixels of six centimetres: an even mixture.
    fine = Material((0.9, 0.9, 0.9), (0.0, 0.0, 0.0), "stripes", 0.004, 1.0, 0.0)
    item = Object("panel", square((0, 0, 0.1), 1.5), (fine,), casts_shadow=False)
    middle = render(item, lights=[lamp()])[28:36, 28:36, 1]
    assert middle.std() < 0.03 * middle.mean()


def test_a_pattern_sticks_to_what_moves():
    mesh = square((0, 0, 0.1), 0.5)
    mesh = Mesh(mesh.vertices, mesh.faces, mesh.normals, mesh.materials, texture=mesh.vertices)
    tiles = Material((0.8, 0.8, 0.8), (0.1, 0.1, 0.1), "tiles", 0.25)
    item = Object("tile", mesh, (tiles,))
    shift = np.array([0.5, 0.0, 0.0])  # 8 px and a bit, by perspective
    one = render(item, lights=[], placements={"tile": Placement(mesh.vertices, mesh.normals)})
    two = render(
        item, lights=[], placements={"tile": Placement(mesh.vertices + shift, mesh.normals)}
    )
    columns = round(0.5 * 64 / 3.9)
    np.testing.assert_allclose(
        one[28:36, 27:37, 1], two[28:36, 27 + columns : 37 + columns, 1], atol=0.03
    )


def test_sensor_noise_is_drawn_from_the_generator_and_grows_with_gain():
    picture = render(lights=[lamp()])
    clean = tonemap(picture, rng=None).astype(int)
    one = tonemap(picture, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(one, tonemap(picture, rng=np.random.default_rng(1)))
    assert (one != tonemap(picture, rng=np.random.default_rng(2))).any()
    assert 0.3 < np.abs(one - clean).mean() < 6
    exposure = auto_exposure(picture)
    brighter = tonemap(picture, rng=None, exposure=2 * exposure)
    assert brighter.mean() > clean.mean()
    np.testing.assert_array_equal(tonemap(picture, rng=None, exposure=exposure), clean)


def test_nothing_to_see_is_black():
    scene = Scene((FLOOR,), Camera(above().K, np.eye(4)[:3], 64, 64), ())
    picture = Renderer(scene).picture({})
    assert not picture.any()
    assert not tonemap(picture, rng=None).any()


SCRIPT = """
import hashlib, sys
sys.path.insert(0, {tests!r})
from test_render_pictures import frames
print(hashlib.sha256(frames()).hexdigest())
"""


def frames() -> bytes:
    item = Object("box", box((0.2, 0.1, 0.5), 0.3), (GREY,))
    still = Object("still", box((-0.8, 0.1, 0.3), 0.3), (GREY,))
    renderer = Renderer(Scene((FLOOR, item, still), above(), (lamp(), lamp(50.0, 1.0))))
    parts = []
    for step in range(2):
        moved = Placement(item.mesh.vertices + 0.1 * step, item.mesh.normals)
        parts.append(renderer.labels({"box": moved}).ids.tobytes())
        radiance = renderer.picture({"box": moved})
        parts.append(radiance.tobytes())
        parts.append(tonemap(radiance, rng=np.random.default_rng(step)).tobytes())
    return b"".join(parts)


@pytest.mark.slow
def test_repeats_bit_for_bit_in_another_process():
    here = hashlib.sha256(frames()).hexdigest()
    assert here == hashlib.sha256(frames()).hexdigest()
    code = SCRIPT.format(tests=str(Path(__file__).parent))
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_frames_do_not_depend_on_those_before():
    item = Object("box", box((0.2, 0.1, 0.5), 0.3), (GREY,))
    world = Scene((FLOOR, item), above(), (lamp(),))
    here = {"box": Placement(item.mesh.vertices, item.mesh.normals)}
    there = {"box": Placement(item.mesh.vertices + 0.3, item.mesh.normals)}
    used = Renderer(world)
    used.picture(there)
    used.labels({})
    np.testing.assert_array_equal(used.picture(here), Renderer(world).picture(here))


def test_a_generator_that_is_ready_leaves_nothing_to_compile():
    VisionFit().prepare()
    with event.install_recorder("numba:compile") as recorder:
        frames()
    assert not recorder.buffer


def test_a_mirror_shows_what_stands_before_it_where_geometry_says():
    # A mirror stands upright behind a red ball's place; the camera sees both from the front.
    glass = Material((1.0, 1.0, 1.0), roughness=0.0)
    upright = Mesh(
        np.array([[-1.5, 2.0, 0], [1.5, 2.0, 0], [1.5, 2.0, 2.0], [-1.5, 2.0, 2.0]]),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        np.tile([0.0, -1.0, 0.0], (4, 1)),
        np.zeros(2, np.int32),
    )
    ball = Object("ball", box((0.7, 0.6, 1.2), 0.15), (Material((0.7, 0.02, 0.02)),))
    wall = Object("mirror", upright, (glass,), casts_shadow=False)
    view = Camera(
        np.array([[60.0, 0, 48], [0, 60.0, 32], [0, 0, 1]]),
        np.array([[1.0, 0, 0, 0], [0, 0, -1.0, 1.0], [0, 1.0, 0, 2.5]]),
        96,
        64,
    )
    world = Scene((FLOOR, ball, wall), view, (lamp(300.0),))
    renderer = Renderer(world)
    still = renderer.picture({})
    image = view.P @ np.array([0.7, 2.0 + 1.4, 1.2, 1.0])  # the ball's, behind the glass
    column, row = (image[:2] / image[2]).astype(int)
    assert renderer.labels({}).ids[row, column] == 3, "labels know of no reflections"
    assert still[row, column, 0] > 5 * still[row, column, 1]
    # It moves with what it reflects.
    moved = Placement(ball.mesh.vertices - np.array([1.4, 0, 0]), ball.mesh.normals)
    after = renderer.picture({"ball": moved})
    assert after[row, column, 0] < 0.1 * still[row, column, 0]
    mirrored = 2 * 48 - column - 1
    assert after[row, mirrored, 0] > 5 * after[row, mirrored, 1]


def test_noise_is_that_of_photons_and_of_reading_out():
    # Patches of one radiance each: the variance in electrons is their number plus the reading's.
    exposure, levels = 1.0, np.linspace(0.02, 0.5, 7, dtype=np.float32)
    flat = np.repeat(levels, 40_000).reshape(len(levels), -1, 1).repeat(3, axis=2)
    noisy = tonemap(flat, rng=np.random.default_rng(0), exposure=exposure).astype(float)
    shades = np.linspace(0.0, 1.0, 4001)
    signal = np.interp(noisy, 255 * tone(shades), shades) * FULL_WELL  # back to electrons
    variances = signal.var(axis=(1, 2))
    expected = levels * FULL_WELL + READ_NOISE**2
    assert (np.diff(variances) > 0).all()
    # Eight bits add their own rounding, most where the curve is flattest.
    np.testing.assert_allclose(variances, expected, rtol=0.25)
    np.testing.assert_allclose(signal.mean(axis=(1, 2)), levels * FULL_WELL, rtol=0.02)


def test_motion_blur_smears_what_moves_and_nothing_else():
    white = Material((0.9, 0.9, 0.9))
    item = Object("box", box((0.0, 0.0, 0.5), 0.3), (white,), casts_shadow=False)
    still = Object("still", box((-1.2, 0.1, 0.3), 0.3), (GREY,))
    renderer = Renderer(Scene((FLOOR, item, still), above(128), (lamp(),)))
    now = {"box": Placement(item.mesh.vertices, item.mesh.normals)}
    later = {"box": Placement(np.add(item.mesh.vertices, (0.2, 0, 0)), item.mesh.normals)}
    sharp, same, smeared = (
        renderer.picture(now),
        renderer.picture(now, now),
        renderer.picture(now, later),
    )
    np.testing.assert_array_equal(sharp, same)
    changed = (np.abs(smeared - sharp) > 1e-6).any(axis=2)
    assert changed.sum() > 300
    assert not changed[:, :45].any(), "what stands far from the motion stays sharp"
    # Along the motion, the edge spreads over what the box passes within the exposure, 0.4 m.
    row = smeared[64, :, 1]
    low, high = row[100], sharp[64, 64, 1]
    ramp = (row > low + 0.1 * (high - low)) & (row < low + 0.9 * (high - low))
    assert 4 <= ramp[64:90].sum() <= 16
    across = np.abs(smeared - sharp)[40:50, 58:70].max()
    assert across < 0.1 * high, "across the motion, edges stay where they are"


def test_sunlight_falls_through_its_openings_only():
    # The sun stands straight above an opening of 1 m x 0.5 m, 1 m above the floor.
    opening = Aperture((0.5, 0.0, 1.0), (0.5, 0.0, 0.0), (0.0, 0.25, 0.0))
    sun = Light((0.5, 0.0, 50.0), (0.5, 0.0, 0.0), 0.1, 1e5, (1.0, 1.0, 1.0), (opening,))
    lit = render(lights=[sun])
    dark = render(lights=[lamp(0.0)])
    extra = (lit - dark)[..., 1]
    patch = extra > 0.5 * extra.max()
    rows, columns = patch.nonzero()
    # 64 px are 4 m at 4 m; x grows with the column.
    assert np.ptp(columns) + 1 == pytest.approx(16, abs=2)
    assert np.ptp(rows) + 1 == pytest.approx(8, abs=2)
    assert columns.mean() == pytest.approx(40 - 0.5, abs=1)
    outside = np.ones_like(patch)
    outside[rows.min() - 1 : rows.max() + 2, columns.min() - 1 : columns.max() + 2] = False
    assert extra[outside].max() < 0.2 * extra.max(), "only reflected light elsewhere"


def test_the_camera_response_does_what_its_fields_say():
    picture = render(lights=[lamp()])
    plain = tonemap(picture, rng=None).astype(float)

    def with_(**fields):
        return tonemap(picture, rng=None, response=Response(**fields)).astype(float)

    np.testing.assert_array_equal(with_(), plain)
    dim = with_(vignette=0.6)
    assert dim[0, 0].mean() < 0.8 * plain[0, 0].mean()
    assert abs(dim[32, 32].mean() - plain[32, 32].mean()) < 2
    warm = with_(balance=(1.2, 1.0, 0.8))
    assert (warm[..., 0] >= plain[..., 0]).all()
    assert (warm[..., 2] <= plain[..., 2]).all()
    item = Object("box", box((0.3, 0, 0.3), 0.3), (Material((0.8, 0.8, 0.8)),))
    edges = render(item)

    def levels(noise_seed, **fields):
        rng = None if noise_seed is None else np.random.default_rng(noise_seed)
        return tonemap(edges, rng=rng, response=Response(**fields)).astype(float)

    spread = [
        np.abs(np.diff(levels(None, **fields), axis=1)).max()
        for fields in ({"softness": 1.0}, {}, {"sharpening": 1.0})
    ]
    assert spread[0] < spread[1] < spread[2]
    noise = [
        np.diff(levels(0, **fields)[:12], axis=1).std()
        for fields in ({"gain": 8.0}, {"gain": 8.0, "denoising": 1.0}, {"gain": 1.0})
    ]
    assert noise[0] > 1.5 * noise[1]
    assert noise[0] > 1.5 * noise[2]
