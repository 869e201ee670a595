"""Bodies of every build doing every exercise, judged on their skin: floor, grip, no piercing."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from infinity_frames.engine.people.body import Appearance, Body, build_body
from infinity_frames.engine.people.body.skin import OWNER
from infinity_frames.engine.people.exercises import VISIONFIT_EXERCISES, exercise
from infinity_frames.engine.people.floor_contact import clearances
from infinity_frames.engine.people.motion.motion import Motion
from infinity_frames.engine.people.motion.timeline import Timeline
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS
from infinity_frames.engine.scene.equipment import held_object

ONE_SIDE = [name for name in VISIONFIT_EXERCISES if not name.endswith("-RIGHT")]
HOLDING = [name for name in ONE_SIDE if exercise(name).held]
WHO = {
    "average": Appearance(),
    "heavy": Appearance(relative_weight=3.0, identity=2, outfit=2),
    "slight": Appearance("FEMALE", relative_height=-2.0, relative_weight=-3.0, identity=9),
}
# As stout as people are made: what they rest on is measured on themselves.
STOUT = {"stout": Appearance("FEMALE", relative_height=-4.0, relative_weight=4.0)}
POSES = 6

# How far skin may sink into the floor, and arms into the body, m; soft flesh gives way as much.
# Behind a head hands lie in the hair.
SUNK = 0.017
PIERCED = {"average": 0.025, "heavy": 0.040, "slight": 0.030}
# Thighs crossed or laid on each other press together, each by half of this.
PRESSED = {"average": 0.040, "heavy": 0.045, "slight": 0.030}
IRON_PIERCED = 0.010
TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head", "jaw", "left_hip", "right_hip")
SIDES = ("left", "right")
LEG = ("hip", "knee", "ankle", "foot")
ARM = ("elbow", "wrist", "index", "middle", "ring", "pinky", "thumb")


@cache
def done(name: str, who: str, noise: float = 0.0) -> tuple[Motion, dict, list, Body]:
    """The exercise's motion, what is held, and the skin at some moments of a rep."""
    body, what = build_body({**WHO, **STOUT}[who]), exercise(name)
    timeline = Timeline(what, seed=0)
    motion = Motion(what, 5, noise, body.rest_joints, clearances(what, body), body.flesh)
    pose = motion.pose(timeline.at(np.linspace(0.0, timeline.duration, POSES + 1)[:-1]))
    skins = [body.pose(*state) for state in zip(pose.quaternions, pose.root, strict=True)]
    return motion, motion.held(pose), skins, body


def moved_by(body: Body, *parts: str) -> np.ndarray:
    """Vertices that are moved most by the joints whose names contain a part."""
    joints = [i for i, name in enumerate(JOINTS) if any(part in name for part in parts)]
    return np.flatnonzero(np.isin(OWNER[body.bones[:, 0]], joints))


def deepest(points: np.ndarray, skin: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> float:
    """How deep the deepest point is below the surface that some vertices make up, m."""
    vertices, normals = skin[0][rows], skin[1][rows]
    distance, nearest = cKDTree(vertices).query(points, k=4, distance_upper_bound=0.12)
    near = np.isfinite(distance).all(axis=1)
    offset = points[near, None] - vertices[nearest[near]]
    height = np.einsum("pkc,pkc->pk", offset, normals[nearest[near]])
    # Beyond the border of the surface the nearest vertex is aside, not below.
    above = np.sqrt(np.maximum(distance[near, 0] ** 2 - height[:, 0] ** 2, 0.0)) < 0.03
    inside = (height < 0.0).all(axis=1) & above
    return float(-height[inside].max(axis=1).min(initial=0.0))


@pytest.mark.parametrize("who", [*WHO, *STOUT])
@pytest.mark.parametrize("name", ONE_SIDE)
def test_skin_rests_on_the_floor(name: str, who: str) -> None:
    lowest = np.array([vertices[:, 1].min() for vertices, _ in done(name, who)[2]])
    assert lowest.min() > -SUNK
    if name != "BURPEE":  # whoever does not jump touches the floor all the time
        assert lowest.max() < 0.008


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", ONE_SIDE)
def test_arms_do_not_pierce_the_body(name: str, who: str) -> None:
    _, _, skins, body = done(name, who)
    arms, trunk = moved_by(body, *ARM), moved_by(body, *TRUNK)
    for skin in skins:
        assert deepest(skin[0][arms], skin, trunk) < PIERCED[who]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", ONE_SIDE)
def test_legs_do_not_pierce_each_other(name: str, who: str) -> None:
    _, _, skins, body = done(name, who)
    left, right = (moved_by(body, *(f"{side}_{part}" for part in LEG)) for side in SIDES)
    for skin in skins:
        assert deepest(skin[0][left], skin, right) < PRESSED[who]
        assert deepest(skin[0][right], skin, left) < PRESSED[who]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", HOLDING)
def test_equipment_does_not_pierce_the_body(name: str, who: str) -> None:
    motion, places, skins, body = done(name, who)
    rest = moved_by(body, *TRUNK, "knee", "ankle")
    for held in motion.exercise.held:
        mesh = held_object(held.object, held.name).mesh.vertices
        for skin, place in zip(skins, places[held.name], strict=True):
            assert deepest(mesh @ place[:3, :3].T + place[:3, 3], skin, rest) < IRON_PIERCED


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", HOLDING)
def test_hands_close_round_the_handle(name: str, who: str) -> None:
    motion, places, skins, body = done(name, who, noise=1.0)
    for held in motion.exercise.held:
        sides = ["left", "right"] if held.grip != "hand" else [held.joint.split("_")[0]]
        for side in sides:
            hand = moved_by(body, *(f"{side}_{part}" for part in ("wrist", *ARM[2:])))
            for (vertices, _), place in zip(skins, places[held.name], strict=True):
                local = (vertices[hand] - place[:3, 3]) @ place[:3, :3]
                gap = np.hypot(local[:, 1], local[:, 2]) - 0.015  # the radius of a bar
                if held.grip == "goblet":  # the hands cup the upper head
                    assert np.abs(local[:, 0]).min() < 0.15
                    assert gap.min() < 0.04
                    continue
                touching = np.abs(gap) < 0.01
                assert touching.sum() > 20
                # On both sides of it, or it would fall.
                angle = np.arctan2(local[touching, 1], local[touching, 2])
                assert np.hypot(np.cos(angle).mean(), np.sin(angle).mean()) < 0.9


def test_a_heavy_person_holds_the_arms_further_out() -> None:
    out = []
    for who in ("slight", "average", "heavy"):
        motion, _, _, body = done("DEADLIFT-DUMBBELL", who)
        joints, rotations = motion.exact(np.zeros(1)).joints(body.rest_joints)
        arm = joints[0, JOINT_INDEX["left_wrist"]] - joints[0, JOINT_INDEX["left_shoulder"]]
        out.append((rotations[0, JOINT_INDEX["spine3"]].T @ arm)[0] / np.linalg.norm(arm))
    assert out[0] < out[2]
    assert out[1] < out[2]


def test_collars_rise_with_the_arm_and_leave_its_direction() -> None:
    body = build_body(WHO["average"])
    motion = Motion(exercise("PRESS-SINGLE_ARM-DUMBBELL-LEFT"), rest_joints=body.rest_joints)
    joints, rotations = motion.exact(np.array([0.0, 1.0])).joints(body.rest_joints)
    spine, shoulder = JOINT_INDEX["spine3"], JOINT_INDEX["left_shoulder"]
    places = np.einsum("fji,fj->fi", rotations[:, spine], joints[:, shoulder] - joints[:, spine])
    assert 0.02 < places[1, 1] - places[0, 1] < 0.06
    arm = joints[1, JOINT_INDEX["left_elbow"]] - joints[1, shoulder]
    assert arm[1] / np.linalg.norm(arm) > 0.95
