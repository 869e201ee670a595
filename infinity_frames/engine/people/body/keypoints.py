"""Named points on the skin, and how the COCO keypoints are made of them and the joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from infinity_frames.engine.people.body.human import human
from infinity_frames.engine.people.body.shape import Figure
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS, PARENTS

__all__ = ["COCO", "coco_points", "locate"]

Array = NDArray[np.float64]

COCO: dict[str, tuple[str | None, str | None]] = {
    "nose": (None, "nose"),
    "left_eye": (None, "left_eye"),
    "right_eye": (None, "right_eye"),
    "left_ear": (None, "left_ear"),
    "right_ear": (None, "right_ear"),
    **{
        f"{side}_{part}": (f"{side}_{part}", None)
        for part in ("shoulder", "elbow", "wrist")
        for side in ("left", "right")
    },
    "left_hip": ("left_hip", "left_hip"),
    "right_hip": ("right_hip", "right_hip"),
    **{
        f"{side}_{part}": (f"{side}_{part}", None)
        for part in ("knee", "ankle")
        for side in ("left", "right")
    },
}
"""The 17 COCO keypoints in order: the joint and the point on the skin that each is made of."""

# Annotators of COCO click the hip near the joint, not halfway to the skin, and the shoulder at the
# top of the joint. Share of the way from the hip joint to the skin beside it, and share of the
# distance from spine3 to the neck (0.35 m) by which the shoulder is above its joint.
HIP_SHARE, SHOULDER_RISE = 0.1, 0.045


def coco_points(vertices: Array, joints: Array, skin_points: Mapping[str, int]) -> Array:
    """Compute the 17 COCO points of a pose.

    Parameters
    ----------
    vertices : (V, 3) array
        Posed vertices, m.
    joints : (55, 3) array
        Joint positions of the same pose, m.
    skin_points : mapping of str to int
        Vertex of each named point on the skin.

    Returns
    -------
    (17, 3) array
        In the order of `COCO`, m.
    """
    up = joints[JOINT_INDEX["neck"]] - joints[JOINT_INDEX["spine3"]]
    points = np.empty((len(COCO), 3))
    for row, (name, (joint, vertex)) in enumerate(COCO.items()):
        if joint is None:
            points[row] = vertices[skin_points[str(vertex)]]
            continue
        points[row] = joints[JOINT_INDEX[joint]]
        if vertex is not None:
            points[row] += HIP_SHARE * (vertices[skin_points[vertex]] - points[row])
        elif name.endswith("shoulder"):
            points[row] += SHOULDER_RISE * up
    return points


def _farthest(points: Array, direction: Sequence[float]) -> Array:
    """Return the point that lies farthest in a direction."""
    return np.asarray(points[(points @ np.asarray(direction)).argmax()])


def _targets(body: Figure) -> dict[str, Array]:
    """Return where the points of the middle and the left side lie in the rest pose."""
    skin, points = human(), body.skin
    eye, neck, chest, hip = (
        body.at(name) for name in ("left_eye_smplhf", "neck", "spine3", "left_hip")
    )
    x, y, z = points.T
    size = float(y.max() - body.floor) / 1.75
    middle, left = np.abs(x) < 0.008, x > 0

    def level(height: float, half: float = 0.015) -> NDArray[np.bool_]:
        return np.asarray(np.abs(y - height) < half)

    # The collar bones meet above the breastbone, a hand's breadth below the neck's joint.
    breast = neck[1] - 0.6 * (neck[1] - chest[1])
    arms = [k for k, name in enumerate(JOINTS) if name.endswith(("elbow", "wrist", "1", "2", "3"))]
    trunk = skin.weights[:, [k for k in arms if not JOINTS[k].startswith("spine")]].sum(1) < 0.3
    foot = skin.weights[:, [JOINT_INDEX[f"left_{part}"] for part in ("ankle", "foot")]].sum(1) > 0.5
    below_eye = eye[1] - y
    out = {
        "nose": _farthest(points[middle & (np.abs(below_eye - 0.035) < 0.03)], (0, 0, 1)),
        "chin": _farthest(
            points[middle & (below_eye > 0.075) & (below_eye < 0.14) & (z > eye[2] - 0.06)],
            (0, -0.6, 1),
        ),
        "head_top": _farthest(points, (0, 1, 0)),
        "neck_front": _farthest(points[middle & level(float(neck[1]) - 0.005)], (0, 0, 1)),
        "sternum": _farthest(points[middle & level(breast)], (0, 0, 1)),
        "upper_back": _farthest(points[middle & level(breast + 0.03)], (0, 0, -1)),
        "left_eye": eye + np.array([0.0, 0.0, 0.0125]),
        "left_ear": points[left & (skin.masks["ears"] > 0.5)].mean(axis=0),
        "left_mouth": _farthest(points[skin.masks["lips"] > 0.5], (1, 0, 0)),
        "left_hip": _farthest(points[trunk & level(float(hip[1]) + 0.02 * size)], (1, 0, 0)),
        "left_heel": _farthest(points[foot], (0, -0.3, -1)),
        "left_big_toe": _farthest(points[foot], (-0.4, 0, 1)),
        "left_small_toe": _farthest(points[foot], (1.2, 0, 1)),
    }
    for finger in ("thumb", "index", "middle", "ring", "pinky"):
        last = JOINT_INDEX[f"left_{finger}3"]
        bone = body.rest[last] - body.rest[PARENTS[last]]
        out[f"left_{finger}_tip"] = _farthest(points[skin.weights[:, last] > 0.5], bone)
    return out


def locate(vertices: Array, body: Figure) -> dict[str, int]:
    """Find the vertex of each named point: the one nearest to where the point should be.

    Parameters
    ----------
    vertices : (V, 3) array
        What can be seen of the person in the rest pose, m.
    body : Figure
        Their shape.

    Returns
    -------
    dict of str to int
    """
    points: dict[str, Array] = {}
    for name, point in _targets(body).items():
        points[name] = point
        if name.startswith("left_"):
            points["right_" + name.removeprefix("left_")] = point * np.array([-1.0, 1.0, 1.0])
    _, nearest = cKDTree(vertices).query(np.stack(list(points.values())))
    return dict(zip(points, nearest.tolist(), strict=True))
