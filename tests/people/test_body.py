"""The person: shape, clothes, skinning, keypoints."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from infinity_frames.engine.people.body import COCO, Appearance, Body, build_body
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS, forward, matrices

STILL = np.tile([1.0, 0.0, 0.0, 0.0], (len(JOINTS), 1))
OPEN = ("eye", "lids", "brow", "lips", "skin", "head", "palm", "foot")
FINGERS = ("index", "middle", "ring", "pinky", "thumb")


def pose(**degrees: tuple[float, float, float]) -> np.ndarray:
    """Quaternions of rotation vectors in degrees; a part without a side is mirrored."""
    quaternions = STILL.copy()
    for name, angles in degrees.items():
        both = (
            [(name, 1.0)] if name in JOINT_INDEX else [(f"left_{name}", 1), (f"right_{name}", -1)]
        )
        for joint, sign in both:
            turn = np.radians(angles) * (1.0, sign, sign)
            size = np.linalg.norm(turn)
            quaternions[JOINT_INDEX[joint]] = [
                np.cos(size / 2),
                *(np.sin(size / 2) / size * turn),
            ]
    return quaternions


SQUAT = pose(pelvis=(38, 0, 0), hip=(-108, 12, 12), knee=(106, 0, 0), ankle=(-34, 0, 0))
OVERHEAD = pose(shoulder=(0, 0, 80))
CURL = pose(shoulder=(0, 0, -75), elbow=(0, -140, 0))
FIST = pose(
    **{
        f"{finger}{k}": (0, 0, -80)
        for finger in ("index", "middle", "ring", "pinky")
        for k in (1, 2, 3)
    }
)


@pytest.fixture(scope="module")
def man() -> Body:
    return build_body(Appearance())


@pytest.fixture(scope="module")
def woman() -> Body:
    return build_body(Appearance(gender="FEMALE", identity=6, outfit=1, hide_shoes=True))


@pytest.fixture(params=["man", "woman"])
def body(request: pytest.FixtureRequest) -> Body:
    found: Body = request.getfixturevalue(request.param)
    return found


def standing(body: Body) -> tuple[np.ndarray, np.ndarray]:
    return body.pose(STILL, body.rest_joints[0])


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


Gender = Literal["MALE", "FEMALE"]


def test_rest_pose_is_the_mesh(body: Body) -> None:
    vertices, normals = body.pose(body.rest_pose, body.rest_joints[0])
    np.testing.assert_allclose(vertices, body.mesh.vertices, atol=1e-9)
    np.testing.assert_allclose(normals, body.mesh.normals, atol=1e-9)


def test_arrays_fit_each_other(body: Body) -> None:
    mesh = body.mesh
    assert mesh.texture is not None
    assert mesh.colors is not None
    assert mesh.vertices.shape == mesh.normals.shape == mesh.texture.shape == mesh.colors.shape
    assert mesh.faces.dtype == mesh.materials.dtype == np.int32
    assert mesh.colors.dtype == np.float32
    assert len(mesh.materials) == len(mesh.faces)
    assert mesh.faces.max() < len(mesh.vertices)
    assert mesh.materials.max() < len(body.materials)
    assert sum(end - start for start, end in body.parts.values()) == len(mesh.faces)
    assert 1500 < len(body.shadow_faces) < 3500
    assert body.shadow_faces.max() < len(mesh.vertices)


def test_parts_are_wound_outward(body: Body) -> None:
    for name, (start, end) in body.parts.items():
        if not name.endswith(OPEN):  # sheets, and skin that goes on in another part
            # A cone from the middle of its border closes a part that is open at one end.
            border, _ = open_edges(body, name)
            origin = border.mean(axis=0) if len(border) else np.zeros(3)
            assert volume(body.mesh.vertices - origin, body.mesh.faces[start:end]) > 0, name
    corners = body.mesh.vertices[body.mesh.faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    shading = body.mesh.normals[body.mesh.faces].mean(axis=1)
    agree = np.einsum("ij,ij->i", area, shading) > 0
    size = np.linalg.norm(area, axis=1)
    assert size[agree].sum() > 0.99 * size.sum()


def open_edges(body: Body, *names: str) -> tuple[np.ndarray, int]:
    """Middles of the edges that one face alone of some parts has, and how many edges there are."""
    # Parts have vertices of their own, so join by place before counting.
    places, place = np.unique(np.round(body.mesh.vertices, 6), axis=0, return_inverse=True)
    faces = np.vstack([place[body.mesh.faces[slice(*body.parts[name])]] for name in names])
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    edges = edges[edges[:, 0] != edges[:, 1]]
    one_way, counts = np.unique(edges, axis=0, return_counts=True)
    forth = {tuple(edge): int(n) for edge, n in zip(one_way.tolist(), counts, strict=True)}
    alone = [edge for edge, n in forth.items() if forth.get((edge[1], edge[0]), 0) != n]
    return places[np.array(alone, int).reshape(-1, 2)].mean(axis=1), len(edges)


def test_clothes_are_closed(body: Body) -> None:
    for name in ("top", "bottom"):
        alone, edges = open_edges(body, name)
        assert len(alone) <= 0.002 * edges, name


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hand_is_closed_but_at_the_wrist(body: Body, side: str) -> None:
    joints, _ = forward(body.rest_pose, body.rest_joints[0], body.rest_joints)
    wrist, knuckle = (joints[JOINT_INDEX[f"{side}_{part}"]] for part in ("wrist", "middle1"))
    alone, edges = open_edges(body, *(f"{side}_{part}" for part in ("palm", *FINGERS)))
    along = (alone - wrist) @ (knuckle - wrist) / np.linalg.norm(knuckle - wrist)
    assert along.max() < 0.03
    assert len(alone) < 0.05 * edges


def test_parts_of_the_skin_join_without_gaps() -> None:
    bare = build_body(Appearance(identity=5, outfit=4, hide_shoes=True))
    parts = ["skin", "head", "lips"]
    parts += [f"{s}_{p}" for s in ("left", "right") for p in ("palm", "foot", *FINGERS)]
    alone, edges = open_edges(bare, *parts)
    cloth = np.vstack(
        [bare.mesh.vertices[bare.mesh.faces[slice(*bare.parts[p])]] for p in ("top", "bottom")]
    ).reshape(-1, 3)
    eyes = bare.vertex_keypoints["left_eye"], bare.vertex_keypoints["right_eye"]
    holes = np.vstack([cloth, bare.mesh.vertices[list(eyes)]])
    distance, _ = cKDTree(holes).query(alone)
    mouth = np.linalg.norm(alone - bare.mesh.vertices[bare.vertex_keypoints["nose"]], axis=1)
    assert len(alone) < 0.05 * edges
    assert ((distance < 0.03) | (mouth < 0.08)).all()


@pytest.mark.parametrize(
    ("gender", "identity"), [("FEMALE", 14), ("FEMALE", 10), ("FEMALE", 7), ("MALE", 2)]
)
def test_ponytails_and_buns_grow_from_the_hair(
    gender: Literal["MALE", "FEMALE"], identity: int
) -> None:
    person = build_body(Appearance(gender=gender, identity=identity))
    hair, locks = (
        person.mesh.vertices[np.unique(person.mesh.faces[slice(*person.parts[name])])]
        for name in ("hair", "locks")
    )
    distance, _ = cKDTree(hair).query(locks)
    assert (distance < 0.005).sum() >= 8


def test_normals_are_unit_and_leave_the_body(body: Body) -> None:
    for quaternions in (STILL, SQUAT, OVERHEAD):
        _, normals = body.pose(quaternions, body.rest_joints[0])
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-9)


def test_weights_sum_to_one(body: Body) -> None:
    assert body.weights.min() >= 0
    np.testing.assert_allclose(body.weights.sum(axis=1), 1.0, atol=1e-12)


def test_pelvis_moves_everything_rigidly(body: Body) -> None:
    quaternions = SQUAT.copy()
    before, facing = body.pose(quaternions, np.zeros(3))
    turn = np.array([np.cos(0.6), 0.0, np.sin(0.6), 0.0])
    w, v = turn[0], turn[1:]
    own, rest = quaternions[0, 0], quaternions[0, 1:]
    quaternions[0] = [w * own - v @ rest, *(w * rest + own * v + np.cross(v, rest))]
    shift = np.array([0.3, -0.1, 0.7])
    after, turned = body.pose(quaternions, shift)
    rotation = matrices(turn)
    np.testing.assert_allclose(after, before @ rotation.T + shift, atol=1e-9)
    np.testing.assert_allclose(turned, facing @ rotation.T, atol=1e-9)


@pytest.mark.parametrize(
    ("gender", "deviations", "stature"),
    [("MALE", 0, 1.76), ("MALE", 4, 2.044), ("FEMALE", 0, 1.63), ("FEMALE", -4, 1.374)],
)
def test_stature(gender: Gender, deviations: float, stature: float) -> None:
    body = build_body(Appearance(gender=gender, relative_height=deviations, hide_shoes=True))
    vertices, _ = standing(body)
    skin, hair = (
        vertices[body.mesh.faces[slice(*body.parts[part])]][..., 1].max()
        for part in ("head", "hair")
    )
    assert body.stature == pytest.approx(stature, abs=1e-9)
    assert skin - 0.001 < stature < hair  # what hair hides of the head is not there
    assert vertices[:, 1].min() == pytest.approx(0.0, abs=1e-3)


def test_bald_head_ends_at_the_stature() -> None:
    bald = build_body(Appearance(identity=5))
    assert "hair" not in bald.parts
    vertices, _ = standing(bald)
    assert vertices[:, 1].max() == pytest.approx(bald.stature, abs=0.002)


@pytest.mark.parametrize("appearance", [Appearance(), Appearance(hide_shoes=True, add_socks=True)])
def test_soles_lie_flat_on_the_ground(appearance: Appearance) -> None:
    vertices, _ = standing(build_body(appearance))
    low = vertices[vertices[:, 1] < 0.002]
    assert low[:, 1].min() == pytest.approx(0.0, abs=1e-6)
    for side in (1.0, -1.0):
        foot = low[low[:, 0] * side > 0]
        assert np.ptp(foot[:, 2]) > 0.18


def test_waist_grows_with_weight() -> None:
    for gender in ("MALE", "FEMALE"):
        waists = [
            build_body(Appearance(gender=gender, relative_weight=w)).waist_circumference
            for w in (-4, 0, 4)
        ]
        assert 0.5 < waists[0] < waists[1] - 0.05 < waists[2] - 0.2 < 1.3


@pytest.mark.parametrize("quaternions", [STILL, SQUAT, OVERHEAD])
def test_both_sides_are_alike(quaternions: np.ndarray) -> None:
    body = build_body(Appearance(identity=5))
    vertices, _ = body.pose(quaternions, body.rest_joints[0])
    for part in ("palm", "thumb", "shoe", "eye"):
        left, right = (body.parts[f"{side}_{part}"] for side in ("left", "right"))
        a = vertices[body.mesh.faces[slice(*left)]].reshape(-1, 3)
        b = vertices[body.mesh.faces[slice(*right)]][:, ::-1].reshape(-1, 3)
        np.testing.assert_allclose(a, b * (-1, 1, 1), atol=1e-9)
    a, b = vertices[vertices[:, 0] > 0.02], vertices[vertices[:, 0] < -0.02]
    np.testing.assert_allclose(a.mean(axis=0), b.mean(axis=0) * (-1, 1, 1), atol=0.004)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 24), st.sampled_from(["MALE", "FEMALE"]), st.integers(0, 4))
def test_every_identity_builds(identity: int, gender: Gender, outfit: int) -> None:
    body = build_body(Appearance(gender=gender, identity=identity, outfit=outfit))
    assert 8_000 < len(body.mesh.faces) < 30_000
    assert np.isfinite(body.mesh.vertices).all()
    assert body.mesh.colors is not None
    assert body.mesh.colors.min() >= 0
    assert np.abs(body.betas[2:]).max() <= 1.6
    assert body.rest_joints.shape == (55, 3)


def test_identities_differ() -> None:
    looks = {build_body(Appearance(identity=i)).materials[0].color for i in range(4)}
    shapes = {tuple(Appearance(identity=i).betas) for i in range(25)}
    assert len(looks) == 4
    assert len(shapes) == 25


def test_same_request_same_body(man: Body) -> None:
    again = build_body(Appearance())
    assert again is man
    build_body.cache_clear()
    np.testing.assert_array_equal(build_body(Appearance()).mesh.vertices, man.mesh.vertices)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_any_pose_is_finite_and_bounded(seed: int) -> None:
    body = build_body(Appearance())
    quaternions = np.random.default_rng(seed).normal(size=(55, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    vertices, normals = body.pose(quaternions, np.zeros(3))
    assert np.abs(vertices).max() < 2.2
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-9)


@pytest.mark.parametrize(
    ("quaternions", "kept"), [(SQUAT, 0.86), (OVERHEAD, 0.86), (CURL, 0.80), (FIST, 0.95)]
)
def test_bends_keep_their_volume(woman: Body, quaternions: np.ndarray, kept: float) -> None:
    # Leggings follow the legs; plain blending of two bones loses a quarter of a knee.
    faces = woman.mesh.faces[slice(*woman.parts["bottom"])]
    straight, _ = standing(woman)
    bent, _ = woman.pose(quaternions, woman.rest_joints[0])
    assert kept < volume(bent, faces) / volume(straight, faces) < 1.1


@pytest.mark.parametrize(
    ("quaternions", "joint", "child", "radius"),
    [(SQUAT, "left_knee", "left_ankle", 0.035), (CURL, "left_elbow", "left_wrist", 0.02)],
)
def test_bent_joints_do_not_collapse(
    woman: Body, quaternions: np.ndarray, joint: str, child: str, radius: float
) -> None:
    joints, _ = forward(quaternions, woman.rest_joints[0], woman.rest_joints)
    vertices, _ = woman.pose(quaternions, woman.rest_joints[0])
    at, parent = joints[JOINT_INDEX[joint]], joints[JOINT_INDEX[joint.replace("knee", "hip")]]
    if joint == "left_elbow":
        parent = joints[JOINT_INDEX["left_shoulder"]]
    out = at - 0.5 * (parent + joints[JOINT_INDEX[child]])
    out /= np.linalg.norm(out)
    offset = vertices - at
    tip = offset[np.linalg.norm(offset, axis=1) < 0.09] @ out
    assert radius < tip.max() < 0.085


def test_keypoints_lie_where_they_should(body: Body) -> None:
    vertices, _ = standing(body)
    point = {name: vertices[index] for name, index in body.vertex_keypoints.items()}
    joint = dict(zip(JOINTS, body.rest_joints, strict=True))
    head = joint["head"]
    assert point["nose"][2] > max(point["left_eye"][2], point["chin"][2], head[2] + 0.08)
    assert abs(point["nose"][0]) < 0.006
    assert point["chin"][1] < point["nose"][1] < point["left_eye"][1] < point["head_top"][1]
    for side, sign in (("left", 1), ("right", -1)):
        ear, eye = point[f"{side}_ear"], point[f"{side}_eye"]
        assert ear[0] * sign > 0.06
        assert eye[0] * sign > 0.02
        assert np.linalg.norm(eye - joint[f"{side}_eye_smplhf"]) < 0.03
        assert point[f"{side}_hip"][0] * sign > joint[f"{side}_hip"][0] * sign + 0.05
        heel, toe = point[f"{side}_heel"], point[f"{side}_big_toe"]
        assert 0.17 < toe[2] - heel[2] < 0.32
        assert abs(point[f"{side}_small_toe"][0]) > abs(toe[0])
        assert max(heel[1], toe[1]) < 0.05
        tip = point[f"{side}_middle_tip"]
        assert tip[0] * sign > joint[f"{side}_middle3"][0] * sign + 0.01


def test_coco_keypoints(body: Body) -> None:
    vertices, _ = standing(body)
    points = dict(zip(COCO, body.coco_keypoints(vertices, body.rest_joints), strict=True))
    assert list(points)[:5] == ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
    assert len(points) == 17
    np.testing.assert_array_equal(points["left_knee"], body.rest_joints[JOINT_INDEX["left_knee"]])
    for side in ("left", "right"):
        joint = body.rest_joints[JOINT_INDEX[f"{side}_hip"]]
        to_skin = np.linalg.norm(vertices[body.vertex_keypoints[f"{side}_hip"]] - joint)
        assert np.linalg.norm(points[f"{side}_hip"] - joint) == pytest.approx(0.1 * to_skin)
        rise = points[f"{side}_shoulder"] - body.rest_joints[JOINT_INDEX[f"{side}_shoulder"]]
        assert 0.010 < rise[1] < 0.020
        assert abs(rise[0]) < 1e-9
    np.testing.assert_allclose(points["left_hip"], points["right_hip"] * (-1, 1, 1), atol=0.02)


def test_fingers_curl_into_a_fist(man: Body) -> None:
    open_hand, _ = standing(man)
    fist, _ = man.pose(FIST, man.rest_joints[0])
    wrist = man.rest_joints[JOINT_INDEX["left_wrist"]]
    tip = man.vertex_keypoints["left_middle_tip"]
    assert np.linalg.norm(open_hand[tip] - wrist) > 0.17
    assert np.linalg.norm(fist[tip] - wrist) < 0.11
    thumb = man.vertex_keypoints["left_thumb_tip"]
    np.testing.assert_allclose(fist[thumb], open_hand[thumb], atol=1e-9)


def test_shoes_and_socks_change_only_the_feet() -> None:
    shod, bare, socked, both = (
        build_body(Appearance(identity=3, hide_shoes=hide, add_socks=socks))
        for hide, socks in ((False, False), (True, False), (True, True), (False, True))
    )
    assert {"left_shoe", "right_sole"} <= set(shod.parts)
    assert "left_foot" in bare.parts
    assert not {"left_shoe", "left_sole", "left_sock"} & set(bare.parts)
    assert "left_sock" in socked.parts
    assert not {"left_shoe", "left_foot"} & set(socked.parts)
    assert {"left_sock", "left_shoe"} <= set(both.parts)
    for other in (bare, socked, both):
        np.testing.assert_array_equal(other.rest_joints, shod.rest_joints)
        np.testing.assert_array_equal(other.betas, shod.betas)
        assert other.materials == shod.materials
        assert other.waist_circumference == pytest.approx(shod.waist_circumference, abs=1e-9)
        for part in ("top", "hair", "lips"):
            a, b = (
                body.mesh.vertices[body.mesh.faces[slice(*body.parts[part])]]
                for body in (shod, other)
            )
            np.testing.assert_array_equal(a, b)


def test_outfits_change_only_clothes() -> None:
    bodies = [build_body(Appearance(identity=2, outfit=k, gender="FEMALE")) for k in range(5)]
    names = {(body.attire_top, body.attire_bottom) for body in bodies}
    assert len(names) == 5
    for body in bodies[1:]:
        np.testing.assert_array_equal(body.rest_joints, bodies[0].rest_joints)
        assert body.materials[0] == bodies[0].materials[0]
        assert body.waist_circumference == bodies[0].waist_circumference
    reach = {
        body.attire_top: np.abs(body.mesh.vertices[body.mesh.faces[slice(*body.parts["top"])]])[
            ..., 0
        ].max()
        for body in bodies
    }
    assert reach["TANK_TOP"] < reach["FITTED_T_SHIRT"] < reach["T_SHIRT"] < reach["LONG_SLEEVE"]


def test_hems_are_straight(man: Body) -> None:
    cloth = man.mesh.vertices[man.mesh.faces[slice(*man.parts["top"])]].reshape(-1, 3)
    trunk = cloth[np.abs(cloth[:, 0]) < 0.1]
    low = trunk[:, 1].min()
    rim = trunk[trunk[:, 1] < low + 0.0005]
    # All the way round the hips at one height, to half a millimetre.
    angles = np.sort(np.arctan2(rim[:, 0], rim[:, 2]))
    assert np.ptp(rim[:, 2]) > 0.2
    assert len(angles) > 20


def test_random_skin_tone_changes_only_the_skin() -> None:
    own, drawn, again, other = (
        build_body(Appearance(skin_tone_seed=seed)) for seed in (None, 0, 0, 1)
    )
    assert own.materials[0].color != drawn.materials[0].color != other.materials[0].color
    assert drawn.materials[0] == again.materials[0]
    assert own.materials[3:] == drawn.materials[3:]
    np.testing.assert_array_equal(own.mesh.vertices, drawn.mesh.vertices)
