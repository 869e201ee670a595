"""The label pass, against an independent ray caster and against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from hypothesis import given, settings
from hypothesis import strategies as st

from infinity_frames.engine.render import LabelPass, Renderer
from infinity_frames.engine.scene.camera import distort, look, project, undistort
from infinity_frames.engine.scene.scene import Camera, Material, Mesh, Object, Placement, Scene
from infinity_frames.protocol.errors import RenderError

PLAIN = (Material((0.5, 0.5, 0.5)),)


def mesh(vertices, faces) -> Mesh:
    vertices = np.asarray(vertices, float)
    faces = np.asarray(faces, np.int32)
    normals = np.tile([0.0, 0.0, 1.0], (len(vertices), 1))
    return Mesh(vertices, faces, normals, np.zeros(len(faces), np.int32))


def soup(rng: np.random.Generator, count: int, spread: float, size: float) -> Mesh:
    """Triangles all about the camera, some of them through its plane."""
    corners = rng.uniform(-spread, spread, (count, 1, 3)) + rng.normal(0, size, (count, 3, 3))
    return mesh(corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3))


def camera(
    size: int = 96, focal: float = 80.0, rotation=None, at=(0.0, 0.0, 0.0), distortion: float = 0.0
) -> Camera:
    rotation = np.eye(3) if rotation is None else rotation
    intrinsics = np.array([[focal, 0, size / 2 + 3.3], [0, focal * 1.1, size / 2 - 2.1], [0, 0, 1]])
    return Camera(
        intrinsics, np.c_[rotation, -rotation @ np.asarray(at)], size, size - 10, distortion
    )


def scene(*objects: Object, view: Camera | None = None) -> Scene:
    return Scene(objects, view or camera(), ())


def radial_factor(seen: np.ndarray, k: float) -> np.ndarray:
    """1 + k r^2 where r (1 + k r^2) is the radius at which a point is seen; by bisection."""
    low, high = np.zeros_like(seen), np.full_like(seen, 1 / np.sqrt(-3 * k) if k < 0 else 9.0)
    for _ in range(80):
        middle = (low + high) / 2
        below = middle * (1 + k * middle**2) < seen
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 1 + k * low**2


def cast_rays(world: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Ids and z by Embree; one-sided faces turned away from the camera left out beforehand."""
    view = world.camera
    caster = rtcore_scene.EmbreeScene()
    geometry_ids: dict[int, int] = {}
    for number, item in enumerate(world.objects, start=1):
        triangles = item.mesh.vertices[item.mesh.faces]
        if item.one_sided:
            normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
            seen = np.einsum("ij,ij->i", normal, view.location - triangles[:, 0]) > 0
            triangles = triangles[seen]
        if len(triangles):
            geometry_ids[len(geometry_ids)] = number
            flat = triangles.reshape(-1, 3).astype(np.float32)
            TriangleMesh(caster, flat, np.arange(len(flat), dtype=np.int32).reshape(-1, 3))
    x, y = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    pixels = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
    flat = pixels @ np.linalg.inv(view.K).T  # z of 1 in camera axes
    flat[:, :2] /= radial_factor(np.hypot(*flat[:, :2].T), view.distortion)[:, None]
    rays = flat @ view.RT[:, :3]
    origins = np.tile(view.location, (len(rays), 1))
    hit = caster.run(origins.astype(np.float32), rays.astype(np.float32), output=True)
    ids = np.array([0, *geometry_ids.values()])[hit["geomID"] + 1]
    depth = np.where(hit["geomID"] >= 0, hit["tfar"], np.inf)
    shape = (view.height, view.width)
    return ids.reshape(shape), depth.reshape(shape)


def border_ties(labels: LabelPass, ids: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Pixels where the two differ, but a neighbour of ours agrees: the sample lies on an edge."""
    near = np.zeros(ids.shape, bool)
    padded = np.pad(labels.ids, 1, mode="edge")
    for row in range(3):
        for column in range(3):
            shifted = padded[row : row + ids.shape[0], column : column + ids.shape[1]]
            near |= shifted == ids
    return (labels.ids != ids) & near


@pytest.mark.parametrize("distortion", [0.0, -0.15, 0.3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ids_and_depth_are_those_of_a_ray_caster(seed, distortion):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    objects = [
        Object(f"o{i}", soup(rng, 150, 6.0, 0.35), PLAIN, one_sided=i % 3 == 0) for i in range(8)
    ]
    world = scene(
        *objects, view=camera(rotation=turn, at=rng.normal(0, 0.5, 3), distortion=distortion)
    )
    labels = Renderer(world).labels({})
    ids, depth = cast_rays(world)

    ties = border_ties(labels, ids, depth)
    differ = labels.ids != ids
    assert len(np.unique(ids)) >= 8
    assert not (differ & ~ties).any()
    assert ties.mean() < 1e-3  # single against double precision, at edges only
    same = ~differ & (ids > 0)
    np.testing.assert_allclose(labels.depth[same], depth[same], rtol=2e-4, atol=2e-4)
    assert np.isinf(labels.depth[labels.ids == 0]).all()


@settings(max_examples=40, deadline=None)
@given(
    x=st.integers(0, 60),
    y=st.integers(0, 39),
    column=st.integers(20, 70),
    row=st.integers(20, 49),  # so that the hub lies within the rim
)
def test_a_fan_of_triangles_covers_every_pixel_once(x, y, column, row):
    # All corners lie on pixel centres, so edges run through centres wherever they can.
    view = Camera(np.diag([1.0, 1.0, 1.0]), np.eye(4)[:3], 96, 86)
    rim = [(0.5, 0.5), (90.5, 0.5), (90.5, 80.5), (90.5 - x, 80.5), (0.5, 80.5 - y)]
    hub = (column + 0.5, row + 0.5)
    points = [(*p, 1.0) for p in [hub, *rim]]
    triangles = [(0, i, i % 5 + 1) for i in range(1, 6)]
    parts = [
        Object(f"t{i}", mesh(points, [triangle]), PLAIN) for i, triangle in enumerate(triangles)
    ]
    labels = Renderer(scene(*parts, view=view)).labels({})
    times = np.sum([labels.unoccluded(i + 1) for i in range(5)], axis=0)
    assert times.max() == 1
    assert (times[2:39, 2:50] == 1).all()
    np.testing.assert_array_equal(times > 0, labels.ids > 0)


def test_geometry_through_the_camera_plane_is_seen_where_it_is_in_front():
    # A floor one metre below that runs from behind the camera to far ahead of it.
    floor = mesh([(-50, 1, -50), (50, 1, -50), (50, 1, 50), (-50, 1, 50)], [(0, 2, 1), (0, 3, 2)])
    view = camera()
    labels = Renderer(scene(Object("floor", floor, PLAIN), view=view)).labels({})
    y = (np.arange(view.height) + 0.5 - view.K[1, 2]) / view.K[1, 1]
    expected = np.where(y > 1 / 50, 1.0 / np.where(y > 0, y, 1), np.inf).astype(np.float32)
    np.testing.assert_allclose(labels.depth, np.repeat(expected[:, None], view.width, 1), rtol=1e-5)


def test_what_lies_behind_the_camera_is_not_seen():
    behind = mesh([(-9, -9, -1), (9, -9, -1), (0, 9, -1)], [(0, 1, 2), (0, 2, 1)])
    labels = Renderer(scene(Object("behind", behind, PLAIN))).labels({})
    assert not labels.ids.any()
    assert not labels.unoccluded(1).any()


def test_a_one_sided_wall_seen_from_behind_hides_nothing():
    wall = mesh([(-9, -9, 2), (9, -9, 2), (9, 9, 2), (-9, 9, 2)], [(0, 1, 2), (0, 2, 3)])
    front = mesh(wall.vertices, wall.faces[:, ::-1])
    box = Object("box", soup(np.random.default_rng(3), 9, 0.5, 0.9), PLAIN)
    view = camera(at=(0, 0, -4))
    for walls, blocks in ((wall, False), (front, True)):
        world = scene(Object("wall", walls, PLAIN, one_sided=True), box, view=view)
        labels = Renderer(world).labels({})
        assert (labels.ids == 1).any() == blocks
        assert (labels.ids == 2).any()


def test_equal_depth_goes_to_the_first_object():
    square = mesh([(-1, -1, 2), (1, -1, 2), (0, 1, 2)], [(0, 1, 2)])
    placed = {"a": Placement(square.vertices, square.normals)}
    world = scene(Object("a", square, PLAIN), Object("b", square, PLAIN))
    renderer = Renderer(world)
    for placements in ({}, placed, {"b": placed["a"]}):  # whatever is drawn first
        assert set(np.unique(renderer.labels(placements).ids)) == {0, 1}


def test_unoccluded_contains_visible_and_moving_objects_follow_their_placement():
    rng = np.random.default_rng(5)
    objects = [Object(f"o{i}", soup(rng, 20, 3.0, 0.8), PLAIN) for i in range(5)]
    renderer = Renderer(scene(*objects))
    shift = np.array([0.4, -0.3, 0.2])
    moved = objects[2].mesh
    placements = {"o2": Placement(moved.vertices + shift, moved.normals)}
    labels = renderer.labels(placements)
    for i in range(1, 6):
        assert labels.unoccluded(i)[labels.ids == i].all()
    objects[2] = Object("o2", mesh(moved.vertices + shift, moved.faces), PLAIN)
    again = Renderer(scene(*objects)).labels({})
    np.testing.assert_array_equal(labels.ids, again.ids)
    np.testing.assert_array_equal(labels.depth, again.depth)
    # A pass stays what it was when the next frame is drawn.
    before = labels.unoccluded(3).copy()
    renderer.labels({})
    np.testing.assert_array_equal(labels.unoccluded(3), before)


def test_wrong_placements_say_what_fits():
    renderer = Renderer(scene(Object("a", soup(np.random.default_rng(0), 2, 1, 1), PLAIN)))
    with pytest.raises(RenderError, match=r"'b'.*no such object.*Place one of: a"):
        renderer.labels({"b": Placement(np.zeros((6, 3)), np.zeros((6, 3)))})
    with pytest.raises(RenderError, match="Pose the same mesh"):
        renderer.labels({"a": Placement(np.zeros((5, 3)), np.zeros((5, 3)))})


def test_an_unknown_pattern_names_those_there_are():
    odd = (Material((1, 1, 1), pattern="zebra"),)
    item = Object("a", soup(np.random.default_rng(0), 2, 1, 1), odd)
    with pytest.raises(RenderError, match=r"zebra.*planks"):
        Renderer(scene(item))


@pytest.mark.parametrize("share", [-0.15, -0.05, 0.0, 0.1, 0.15])
def test_points_are_projected_where_the_lens_shows_them(share):
    view = look((0.0, -3.0, 1.2), 10.0, 85.0, 160, 120, focal_length=0.028, distortion=share)
    rng = np.random.default_rng(4)
    points = rng.uniform((-1.5, -0.5, -0.5), (1.5, 2.5, 2.5), (40, 3))
    spots = [
        Object(f"s{i}", mesh(p + 0.004 * np.eye(3) - 0.004 / 3, [(0, 1, 2)]), PLAIN)
        for i, p in enumerate(points)
    ]
    pixels, depth = project(view, points)
    inside = ((pixels >= 0) & (pixels < [160, 120])).all(axis=1)
    assert inside.sum() > 15
    labels = Renderer(scene(*spots, view=view)).labels({})
    np.testing.assert_allclose(labels.depth_at(pixels[inside]), depth[inside], atol=0.01)
    np.testing.assert_allclose(distort(view, undistort(view, pixels)), pixels, atol=1e-9)
    corner = distort(view, np.zeros(2)) if not share else undistort(view, np.zeros(2))
    # The corner of the image is seen at (1 + share) times its undistorted radius.
    assert np.linalg.norm(corner - [80, 60]) == pytest.approx(100 / (1 + share))


def test_what_a_barrel_lens_folds_back_stays_outside():
    view = look((0.0, 0.0, 1.0), 0.0, 90.0, 128, 128, focal_length=0.018, distortion=-0.15)
    wide = np.array([[x, 1.0, 1.0] for x in np.linspace(1.3, 60.0, 200)])
    pixels, _ = project(view, wide)
    assert (pixels[:, 0] > 128).all()
    assert (np.diff(pixels[:, 0]) > 0).all()
