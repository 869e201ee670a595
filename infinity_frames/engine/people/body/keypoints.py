"""Named points on the skin, and how the COCO keypoints are made of them and the joints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from infinity_frames.engine.people.body.appearance import Proportions
from infinity_frames.engine.people.body.garments import floor_height
from infinity_frames.engine.people.body.head import Face
from infinity_frames.engine.people.body.shape import hand_points
from infinity_frames.engine.people.skeleton import JOINT_INDEX

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
# distance from spine3 to the neck (0.21 m) by which the shoulder is above its joint.
HIP_SHARE, SHOULDER_RISE = 0.1, 0.07


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


def _targets(body: Proportions, face: Face) -> dict[str, Array]:
    """Where the points of the middle and the left side lie in the A-pose."""
    eye, width = face.eye, face.width
    ankle, hip = body.rest[JOINT_INDEX["left_ankle"]], body.rest[JOINT_INDEX["left_hip"]]
    neck, chest = body.rest[JOINT_INDEX["neck"]], body.rest[JOINT_INDEX["spine3"]]
    floor = floor_height(body)
    ground = np.array([ankle[0], floor, ankle[2]])
    points = {
        "nose": face.at((0.0, 1.608, 0.125)),
        "chin": face.at((0.0, 1.540, 0.095)),
        "head_top": face.at((0.0, 1.80, -0.012)),
        "neck_front": neck + np.array([0.0, -0.02, 0.09]),
        "sternum": chest + np.array([0.0, 0.0, 0.20]),
        "upper_back": chest + np.array([0.0, 0.03, -0.20]),
        "left_eye": face.at(eye + np.array([0.0, 0.0, 0.014])),
        "left_ear": face.at((0.079 * width, 1.632, -0.008)),
        "left_mouth": face.at((0.024, 1.578, 0.080)),
        "left_hip": hip + np.array([0.16 * (1 + body.girth), 0.02, 0.0]),
        "left_heel": ground + np.array([0.0, 0.02, -0.075]),
        "left_big_toe": ground + np.array([-0.020, 0.012, 0.215]),
        "left_small_toe": ground + np.array([0.052, 0.010, 0.180]),
    }
    for finger, local in {
        "thumb": (0.090, -0.029, 0.090),
        "index": (0.175, -0.005, 0.036),
        "middle": (0.187, -0.003, 0.007),
        "ring": (0.174, -0.005, -0.020),
        "pinky": (0.143, -0.009, -0.045),
    }.items():
        points[f"left_{finger}_tip"] = hand_points(body, np.array(local))
    return points


def locate(vertices: Array, body: Proportions, face: Face) -> dict[str, int]:
    """Vertex index of each named point: the vertex nearest to where the point should be.

    Parameters
    ----------
    vertices : (V, 3) array
        Unit body in its A-pose.
    body : Proportions
        Whose body.
    face : Face
        Whose face.

    Returns
    -------
    dict of str to int
    """
    tree = cKDTree(vertices)
    points: dict[str, Array] = {}
    for name, point in _targets(body, face).items():
        points[name] = point
        if name.startswith("left_"):
            points["right_" + name.removeprefix("left_")] = point * np.array([-1.0, 1.0, 1.0])
    _, nearest = tree.query(np.stack(list(points.values())))
    return dict(zip(points, nearest.tolist(), strict=True))
