"""How a body moves: every exercise, on the floor, smoothly, within what joints can do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinity_frames.engine.people.exercises import (
    MIRROR,
    SENSEFIT_EXERCISES,
    VISIONFIT_EXERCISES,
    exercise,
)
from infinity_frames.engine.people.motion.motion import Motion
from infinity_frames.engine.people.motion.timeline import Timeline
from infinity_frames.engine.people.skeleton import JOINT_INDEX, PARENTS, T_POSE, matrices
from infinity_frames.protocol.errors import RenderError

EVERY = sorted({*VISIONFIT_EXERCISES, *SENSEFIT_EXERCISES})
ONE_SIDE = [name for name in EVERY if not name.endswith("-RIGHT")]
LEFT = [name for name in EVERY if name.endswith("-LEFT")]

# Ballistic: they leave the floor or strike.
FAST = {"BURPEE", "PUSHUP-EXPLOSIVE", "UPPERCUT-LEFT"}

# Flesh around the joints that could touch the floor, m.
FLESH = {
    "pelvis": 0.12,
    "knee": 0.05,
    "ankle": 0.04,
    "foot": 0.03,
    "elbow": 0.04,
    "wrist": 0.03,
    "head": 0.09,
    "spine2": 0.09,
}


def moved(name, noise=0.0, reps=2, rate=100, rest=T_POSE, seed=3):
    timeline = Timeline(exercise(name), seed, num_reps=reps, frame_rate=rate)
    motion = Motion(exercise(name), seed, noise, rest)
    pose = motion.pose(timeline.frames)
    return timeline, motion, pose, pose.joints(rest)[0]


def stretched(height, legs, arms):
    """A body of other proportions: stature, and limb lengths relative to it."""
    rest = T_POSE.copy()
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        bone = T_POSE[joint] - T_POSE[parent]
        for part, scale in (("knee", legs), ("ankle", legs), ("elbow", arms), ("wrist", arms)):
            if list(JOINT_INDEX)[joint].endswith(part):
                bone = bone * scale
        rest[joint] = rest[parent] + bone
    rest *= height
    rest[:, 1] -= rest[JOINT_INDEX["left_foot"], 1] - 0.03 * height
    return rest


def test_all_the_exercises_are_there():
    assert len(VISIONFIT_EXERCISES) == 35
    assert set(VISIONFIT_EXERCISES) - set(SENSEFIT_EXERCISES) == {"LEG_RAISE", "SUPERMAN"}
    assert set(SENSEFIT_EXERCISES) - set(VISIONFIT_EXERCISES) == {
        "BICEP_CURL-DUMBBELL",
        "HAMMER_CURL-DUMBBELL",
        "OVERHEAD_PRESS-DUMBBELL",
    }


@pytest.mark.parametrize("name", EVERY)
def test_an_exercise_is_whole(name):
    what = exercise(name)
    assert what.name == name
    assert what.category == name.split("-")[0]
    assert (what.equipment or "") in name
    assert bool(what.held) == (what.equipment is not None)
    assert 0.0 < what.midpoint < 1.0
    assert what.contacts
    places = [key.at for key in what.keys]
    assert places == sorted(places)
    assert places[0] == 0.0
    assert what.course == "loop" or places[-1] == 1.0
    assert what.course == "there_and_back" or not what.allows_trimming


def test_an_unknown_exercise_is_named():
    with pytest.raises(RenderError, match="CARTWHEEL"):
        exercise("CARTWHEEL")


@pytest.mark.parametrize("noise", [0.0, pytest.param(1.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ONE_SIDE)
def test_motion_is_smooth(name, noise):
    # A jump of velocity would make the acceleration three times as large at three times the rate.
    # Ballistic motions have peaks so short that the slower rate misses some of their height.
    peaks = []
    for rate in (80, 240):
        _, _, _, joints = moved(name, noise, rate=rate)
        peaks.append(np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).max() * rate**2)
    assert peaks[0] < (700.0 if name in FAST else 120.0)
    assert peaks[1] < (2.4 if name in FAST else 1.6) * peaks[0] + 5.0


@pytest.mark.parametrize("name", ONE_SIDE)
def test_nothing_moves_faster_than_a_fist(name):
    """A boxer's fist reaches 9 m/s."""
    _, _, _, joints = moved(name, reps=1, rate=120)
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * 120
    assert speed.max() < 9.0


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("name", ONE_SIDE)
def test_what_is_planted_neither_slides_nor_sinks(name, noise):
    timeline, _, _, joints = moved(name, noise, rate=25)
    keys = timeline.exercise.keys
    always = set.intersection(
        *({(c.part.replace("_toes", "_foot"), c.place) for c in key.contacts} for key in keys)
    )
    for part, _ in always:
        joint = part.replace("hand", "wrist").replace("seat", "pelvis").replace("belly", "pelvis")
        joint = joint.replace("side", "pelvis").replace("shoulders", "spine3")
        if joint == "spine3":
            continue  # the body turns about a point between spine and neck
        track = joints[:, JOINT_INDEX[joint]]
        assert np.ptp(track, axis=0).max() < 0.01, part


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("name", ONE_SIDE)
def test_nothing_sinks_into_the_floor(name, noise):
    _, _, _, joints = moved(name, noise, rate=25)
    for joint, index in JOINT_INDEX.items():
        flesh = FLESH.get(joint.removeprefix("left_").removeprefix("right_"), 0.0)
        assert joints[:, index, 1].min() > flesh - 0.02, joint


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(ONE_SIDE),
    height=st.floats(0.85, 1.15),
    legs=st.floats(0.93, 1.07),
    arms=st.floats(0.93, 1.07),
    noise=st.floats(0.0, 1.0),
)
def test_other_bodies_stand_on_the_floor_too(name, height, legs, arms, noise):
    rest = stretched(height, legs, arms)
    timeline, _, pose, joints = moved(name, noise, reps=1, rate=20, rest=rest)
    np.testing.assert_allclose(np.linalg.norm(pose.quaternions, axis=-1), 1.0, atol=1e-9)
    feet = joints[:, [JOINT_INDEX["left_foot"], JOINT_INDEX["right_foot"]], 1]
    assert feet.min() > rest[JOINT_INDEX["left_foot"], 1] - 0.02
    if timeline.exercise.contacts == ("left_foot", "right_foot"):
        assert feet.max() < feet.min() + 0.005


def angle(quaternions, joint):
    """Whole angle of a joint's rotation, deg."""
    w = quaternions[:, JOINT_INDEX[joint], 0]
    return np.degrees(2.0 * np.arccos(np.clip(np.abs(w), 0.0, 1.0)))


@pytest.mark.parametrize("name", ONE_SIDE)
def test_joints_stay_within_human_ranges(name):
    _, _, pose, _ = moved(name, noise=1.0, rate=30)
    turns = matrices(pose.quaternions)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shin, forearm = (turns[:, JOINT_INDEX[f"{side}_{part}"]] for part in ("knee", "elbow"))
        # Flexion carries the shin (-y) backwards and the forearm (x) forwards.
        knee = np.degrees(np.arctan2(shin[:, 2, 1], shin[:, 1, 1]))
        elbow = np.degrees(np.arctan2(sign * forearm[:, 2, 0], forearm[:, 0, 0]))
        assert knee.min() > -2.0
        assert knee.max() < 155.0
        assert elbow.min() > -2.0
        assert elbow.max() < 162.0
        hand = turns[:, JOINT_INDEX[f"{side}_wrist"]]
        assert np.degrees(np.arccos(hand[:, 0, 0].clip(-1, 1))).max() < 95.0
        assert angle(pose.quaternions, f"{side}_ankle").max() < 65.0
        assert angle(pose.quaternions, f"{side}_collar").max() < 25.0
    for joint in ("spine1", "spine2", "spine3"):
        assert angle(pose.quaternions, joint).max() < 25.0
    for joint in ("neck", "head"):
        assert angle(pose.quaternions, joint).max() < 45.0


@pytest.mark.parametrize("name", LEFT)
def test_right_mirrors_left(name):
    _, _, left, _ = moved(name, rate=20)
    _, _, right, _ = moved(name.removesuffix("-LEFT") + "-RIGHT", rate=20)
    mirrored = left.quaternions[:, MIRROR] * [1.0, 1.0, -1.0, -1.0]
    same = np.abs(np.sum(mirrored * right.quaternions, axis=-1))
    np.testing.assert_allclose(same, 1.0, atol=1e-9)
    np.testing.assert_allclose(left.root * [-1.0, 1.0, 1.0], right.root, atol=1e-9)


def test_without_noise_every_rep_is_the_same():
    timeline, motion, _, _ = moved("SQUAT-BODYWEIGHT")
    times = np.linspace(0.0, timeline.active[0], 30)[:-1]
    first, second = (motion.pose(timeline.at(times + timeline.starts[rep])) for rep in (0, 1))
    np.testing.assert_allclose(first.quaternions, second.quaternions, atol=1e-9)


def test_noise_makes_every_rep_different_and_grows_with_its_factor():
    timeline, plain, _, _ = moved("SQUAT-BODYWEIGHT", reps=3)
    times = timeline.starts + timeline.exercise.midpoint * timeline.active
    exact = plain.pose(timeline.at(times)).joints()[0]
    change = []
    for factor in (0.5, 1.0, 2.0):
        noisy = Motion(timeline.exercise, 3, factor).pose(timeline.at(times)).joints()[0]
        assert np.linalg.norm(noisy[0] - noisy[1], axis=-1).max() > 0.005
        change.append(np.linalg.norm(noisy - exact, axis=-1).mean())
    assert change[0] < change[1] < change[2]


def test_more_reps_and_other_frame_rates_leave_shared_poses_alone():
    few, motion, pose, _ = moved("PUSHUP", noise=1.0, reps=2, rate=12)
    many = Timeline(few.exercise, few.seed, num_reps=5, frame_rate=24)
    again = motion.pose(many.at(few.frames.time[:-1]))
    np.testing.assert_allclose(again.quaternions, pose.quaternions[:-1], atol=1e-9)


def test_another_seed_moves_differently():
    timeline, _, pose, _ = moved("PUSHUP", noise=1.0, reps=1, rate=12)
    other = Motion(timeline.exercise, 4, 1.0).pose(timeline.frames)
    assert np.abs(other.quaternions - pose.quaternions).max() > 0.005


@pytest.mark.parametrize("name", [name for name in ONE_SIDE if exercise(name).held])
def test_hands_stay_on_what_they_hold(name):
    timeline, motion, pose, joints = moved(name, noise=1.0, rate=30)
    places = motion.held(pose)
    assert set(places) == {held.name for held in timeline.exercise.held}
    for held in timeline.exercise.held:
        place = places[held.name]
        turn = place[:, :3, :3]
        np.testing.assert_allclose(
            turn @ np.swapaxes(turn, 1, 2), np.eye(3)[None] + 0 * turn, atol=1e-9
        )
        hands = [held.joint] if held.grip == "hand" else ["left_wrist", "right_wrist"]
        for hand in hands:
            knuckle = joints[:, JOINT_INDEX[hand.replace("wrist", "middle1")]] - place[:, :3, 3]
            along = np.sum(knuckle * turn[..., 0], axis=-1)
            away = np.linalg.norm(knuckle - along[:, None] * turn[..., 0], axis=-1)
            assert away.max() < 0.11
            # A bar does not slip through the hands.
            assert np.ptp(along) < 0.03


def test_a_bar_across_the_palm_points_to_the_thumb():
    _, motion, pose, joints = moved("ARM_RAISE-DUMBBELL", rate=10)
    bar = motion.held(pose)["dumbbell_left"][:, :3, 0]
    across = joints[:, JOINT_INDEX["left_index1"]] - joints[:, JOINT_INDEX["left_pinky1"]]
    cosine = np.sum(bar * across, axis=-1) / np.linalg.norm(across, axis=-1)
    assert cosine.min() > 0.9
