"""The parts of a scene: solids, furniture, equipment, rooms, camera."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinity_frames.engine.render import PATTERNS
from infinity_frames.engine.scene.backdrops import LAYOUTS, backdrop
from infinity_frames.engine.scene.camera import NEAR, look, project
from infinity_frames.engine.scene.equipment import MAT_COLORS, MAT_THICKNESS, held_object, mat
from infinity_frames.engine.scene.furniture.home import FURNITURE, furniture
from infinity_frames.engine.scene.room_geometry import ceiling_lamp, room_lights, room_objects
from infinity_frames.engine.scene.rooms import ROOMS
from infinity_frames.engine.scene.scene import Mesh, Object
from infinity_frames.engine.scene.solids import (
    Box,
    Cushion,
    Quad,
    Revolved,
    merge,
    place,
    yaw_matrix,
)
from infinity_frames.engine.scene.wall_art import wall_art


def volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem: positive where faces wind outward."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def outward(mesh: Mesh) -> np.ndarray:
    """Whether each face's normals agree with its winding."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    shading = mesh.normals[mesh.faces].sum(axis=1)
    return np.einsum("ij,ij->i", np.cross(b - a, c - a), shading) > 0


def check(item: Object) -> None:
    mesh = item.mesh
    assert mesh.faces.dtype == np.int32
    assert mesh.materials.max() < len(item.materials)
    assert set(mesh.faces.ravel()) <= set(range(len(mesh.vertices)))
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    assert outward(mesh).all()
    assert {material.pattern for material in item.materials} <= set(PATTERNS)


@given(st.tuples(*[st.floats(0.05, 2.0)] * 3))
def test_a_box_has_the_volume_of_its_sides(size: tuple[float, float, float]) -> None:
    mesh = Box(size, (1.0, -2.0, 0.5)).mesh()
    assert volume(mesh) == pytest.approx(np.prod(size))
    assert outward(mesh).all()
    assert np.allclose(np.ptp(mesh.vertices, axis=0), size)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("segments", [6, 48])
def test_a_turned_cylinder_is_a_prism_along_its_axis(
    axis: Literal["x", "y", "z"], segments: int
) -> None:
    mesh = Revolved(((0.5, -1.0), (0.5, 1.0)), axis=axis, segments=segments).mesh()
    ring = segments / 2 * np.sin(2 * np.pi / segments) * 0.5**2
    assert volume(mesh) == pytest.approx(2 * ring)
    assert np.ptp(mesh.vertices, axis=0)["xyz".index(axis)] == 2
    assert outward(mesh).all()


@given(st.floats(0.0, 0.9))
def test_a_cushion_lies_between_an_ellipsoid_and_its_box(squareness: float) -> None:
    mesh = Cushion((1.0, 2.0, 0.5), (3.0, 0.0, 0.0), squareness=squareness, segments=36).mesh()
    assert 0.95 * np.pi / 6 < volume(mesh) < 1.0
    assert (np.abs(mesh.vertices - [3.0, 0.0, 0.0]) <= np.array([0.5, 1.0, 0.25]) + 1e-9).all()
    assert outward(mesh).all()


def test_a_sheet_faces_u_cross_v_and_is_cut_into_cells() -> None:
    mesh = Quad((0, 0, 0), (1, 0, 0), (0, 2, 0), cell=0.5).mesh()
    assert len(mesh.faces) == 2 * 4 * 8
    assert np.allclose(mesh.normals, [0, 0, 1])
    assert outward(mesh).all()


def test_merged_and_placed_meshes_keep_their_materials_and_shape() -> None:
    parts = [Box((1, 1, 1), (0, 0, 0.5), 0).mesh(), Cushion((1, 1, 1), (0, 0, 2), 1).mesh()]
    whole = merge(parts)
    assert volume(whole) == pytest.approx(sum(volume(part) for part in parts))
    assert np.bincount(whole.materials).tolist() == [len(part.faces) for part in parts]
    moved = place(whole, yaw_matrix(90), np.array([1.0, 2.0, 3.0]))
    assert np.allclose(moved.vertices[:, 2], whole.vertices[:, 2] + 3)
    assert np.allclose(moved.vertices[:, 1], whole.vertices[:, 0] + 2)
    assert moved.texture is not None
    assert np.array_equal(moved.texture, whole.vertices), "patterns stick to the mesh"


@pytest.mark.parametrize("kind", FURNITURE)
def test_furniture_is_solid_and_stands_on_the_floor(kind: str) -> None:
    item = furniture(FURNITURE[kind], "it", np.array([1.0, 2.0]), 30.0)
    check(item)
    assert volume(item.mesh) > 0
    assert item.mesh.vertices[:, 2].min() == pytest.approx(0, abs=0.021)
    assert item.category == FURNITURE[kind].category
    assert np.linalg.norm(item.mesh.vertices[:, :2] - [1.0, 2.0], axis=1).max() < 1.4


def test_bars_lie_along_x_around_the_hand_that_holds_them() -> None:
    for kind, length in (("dumbbell", 0.27), ("barbell", 1.9)):
        item = held_object(kind, "it")
        check(item)
        low, high = item.mesh.vertices.min(axis=0), item.mesh.vertices.max(axis=0)
        assert np.allclose(low, -high)
        assert high[0] - low[0] == pytest.approx(length)
        grip = np.abs(item.mesh.vertices[:, 0]) < 0.06
        assert np.hypot(*item.mesh.vertices[grip, 1:].T).max(initial=0) < 0.02
    rug = mat((0.5, 0.0), 90.0, 1.8, MAT_COLORS[0])
    check(rug)
    assert np.ptp(rug.mesh.vertices, axis=0) == pytest.approx([1.8, 0.7, MAT_THICKNESS])


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_is_closed_and_each_has_its_own_character(name: str) -> None:
    room = ROOMS[name]
    items = {item.name: item for item in room_objects(room, 1)}
    for item in items.values():
        check(item)
    assert {"floor", "walls", "ceiling"} <= set(items)
    assert all(items[shell].one_sided for shell in ("floor", "walls", "ceiling"))
    # The farthest camera, and any that is higher than wide, is still inside.
    assert room.south < -5.25 - 0.2
    assert room.height > 2.75
    lamp, *daylight = room_lights(room, 42.0)
    assert lamp.power == 42.0
    assert daylight == list(room_lights(room, 900.0)[1:]), "the sun knows no parameter"
    assert len(daylight) == (room.window is not None)
    for light in daylight:  # it comes in from the wall, and is cooler than the lamp's
        assert room.west < light.location[0] < room.east
        assert light.location[1] < room.north
        assert light.color[2] / light.color[0] > lamp.color[2] / lamp.color[0]
    dim, bright = (ceiling_lamp(room, power).materials[1].color for power in (0.0, 400.0))
    assert max(dim) <= 1.0 < min(bright), "above 1 it glows"
    others = [other for key, other in ROOMS.items() if key != name]
    assert all((room.floor, room.furniture) != (other.floor, other.furniture) for other in others)


@pytest.mark.parametrize("scene", LAYOUTS)
def test_every_layout_of_a_scene_is_drawn_and_keeps_the_view_free(scene: str) -> None:
    layouts = LAYOUTS[scene]
    assert len(layouts) >= 3
    looks = set()
    for seed in range(30):
        room = backdrop(scene, seed)
        objects = room_objects(room, seed)
        looks.add(tuple(sorted(item.name for item in objects if item.category)))
        for item in objects:
            if seed < 8:
                check(item)
            low, high = item.mesh.vertices.min(axis=0), item.mesh.vertices.max(axis=0)
            if item.category is not None:
                assert room.west - 0.03 < low[0] < high[0] < room.east + 0.03
                assert room.south < low[1] < high[1] < room.north + 0.03
                assert low[1] > 1.25 or low[0] > 1.2 or high[0] < -1.2, item.name
    assert len(looks) == len(layouts)
    one, again = backdrop(scene, 3), backdrop(scene, 3)
    assert (one.floor, one.walls, one.furniture) == (again.floor, again.walls, again.furniture)
    surfaces = {(room.floor, room.accent) for room in (backdrop(scene, s) for s in range(30))}
    assert len(surfaces) > 10


def test_the_view_of_a_window_is_bright_and_differs_by_seed() -> None:
    views = []
    for seed in (1, 2):
        items = {item.name: item for item in room_objects(ROOMS["BEDROOM_2"], seed)}
        colors = items["window"].mesh.colors
        assert colors is not None
        assert colors.max() > 2.0, "the sky is brighter than any paint"
        assert np.quantile(colors, 0.05) <= 1.0
        views.append(colors)
    assert not np.allclose(views[0], views[1])


@pytest.mark.parametrize("kind", ["ABSTRACT", "PHOTO", "MIRROR"])
def test_wall_art_hangs_on_the_wall_and_differs_by_seed(kind: str) -> None:
    room = ROOMS["BEDROOM_2"]
    first, second = (wall_art(room, kind, seed) for seed in (1, 2))
    check(first)
    assert first.mesh.vertices[:, 1].max() == pytest.approx(room.north)
    corners = [item.mesh.vertices.min(axis=0) for item in (first, second)]
    assert not np.allclose(*corners)


@given(
    yaw=st.floats(-180, 180),
    pitch=st.floats(5, 175),
    depth=st.floats(0.1, 20),
    x=st.floats(0, 300),
    y=st.floats(0, 200),
)
def test_a_pixels_ray_projects_back_to_it(
    yaw: float, pitch: float, depth: float, x: float, y: float
) -> None:
    camera = look((0.3, -2.0, 1.2), yaw, pitch, 300, 200)
    rotation = camera.RT[:, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[0, 2] == pytest.approx(0, abs=1e-12), "the horizon is level"
    assert np.allclose(camera.location, [0.3, -2.0, 1.2])
    ray = np.linalg.solve(camera.K, [x, y, 1.0]) * depth
    pixels, found = project(camera, (rotation.T @ ray + camera.location)[None])
    assert np.allclose(pixels, [[x, y]], atol=1e-6)
    assert found == pytest.approx(depth)


def test_points_at_or_behind_the_lens_have_no_place_in_the_image() -> None:
    camera = look((0, 0, 0), 0, 90, 64, 64)
    points = np.array([[0.01, NEAR, 0.0], [0.01, -1.0, 0.02], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    pixels, depth = project(camera, points)
    assert pixels.tolist() == [[0, 0], [0, 0], [0, 0], [32, 32]]
    assert depth.tolist() == points[:, 1].tolist()
