"""The shape of a body: cross sections of trunk, arms, legs, feet as signed-distance shapes.

Tables are in the reference body, m; `Proportions` fits them to a person. Garments are the same
shapes with ease added, so that cloth never sinks into skin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.body.appearance import ARM_DROP, LEG_SPREAD, Proportions
from infinity_frames.engine.people.body.sdf import Field
from infinity_frames.engine.people.skeleton import JOINT_INDEX

__all__ = ["ARM_AXES", "add_arm", "add_foot", "add_legs", "add_neck", "add_trunk", "hand_points"]

Array = NDArray[np.float64]

# Height; half-width; front and back depth from x = z = 0, m.
_TRUNK = {
    False: np.array(
        [
            [0.800, 0.060, 0.050, 0.055],
            [0.840, 0.120, 0.084, 0.088],
            [0.900, 0.160, 0.098, 0.106],
            [0.960, 0.163, 0.104, 0.110],
            [1.020, 0.154, 0.106, 0.098],
            [1.080, 0.145, 0.105, 0.092],
            [1.140, 0.145, 0.107, 0.097],
            [1.200, 0.152, 0.111, 0.108],
            [1.270, 0.160, 0.116, 0.118],
            [1.340, 0.160, 0.106, 0.122],
            [1.400, 0.138, 0.076, 0.114],
            [1.440, 0.100, 0.050, 0.096],
            [1.475, 0.055, 0.020, 0.075],
        ]
    ),
    True: np.array(
        [
            [0.800, 0.060, 0.050, 0.055],
            [0.840, 0.125, 0.080, 0.092],
            [0.900, 0.172, 0.094, 0.112],
            [0.960, 0.168, 0.100, 0.110],
            [1.020, 0.150, 0.101, 0.092],
            [1.080, 0.129, 0.096, 0.083],
            [1.140, 0.124, 0.094, 0.085],
            [1.200, 0.130, 0.094, 0.094],
            [1.270, 0.138, 0.096, 0.102],
            [1.340, 0.136, 0.086, 0.106],
            [1.400, 0.116, 0.062, 0.100],
            [1.440, 0.084, 0.040, 0.086],
            [1.475, 0.048, 0.015, 0.068],
        ]
    ),
}

# Distance from the shoulder; centre up and forward; radii up, down, forward, back, m.
_ARM = np.array(
    [
        [-0.030, 0.000, 0.000, 0.036, 0.045, 0.042, 0.042],
        [0.030, 0.000, 0.000, 0.048, 0.056, 0.053, 0.054],
        [0.080, 0.000, 0.000, 0.049, 0.053, 0.054, 0.055],
        [0.140, 0.000, 0.002, 0.045, 0.046, 0.050, 0.049],
        [0.200, 0.000, 0.001, 0.040, 0.041, 0.044, 0.044],
        [0.270, 0.000, -0.002, 0.037, 0.038, 0.035, 0.039],
        [0.330, 0.000, 0.000, 0.040, 0.037, 0.042, 0.040],
        [0.400, 0.000, 0.002, 0.034, 0.031, 0.037, 0.035],
        [0.470, 0.000, 0.003, 0.025, 0.023, 0.030, 0.028],
        [0.525, 0.000, 0.002, 0.020, 0.019, 0.028, 0.027],
        [0.570, 0.000, 0.000, 0.018, 0.018, 0.034, 0.036],
    ]
)

# Height; centre outward from the line through the hip, and forward; radii out, in, front, back, m.
_LEG = np.array(
    [
        [0.990, 0.000, 0.000, 0.050, 0.040, 0.055, 0.060],
        [0.930, 0.002, 0.000, 0.078, 0.070, 0.080, 0.090],
        [0.860, 0.003, 0.000, 0.083, 0.082, 0.088, 0.096],
        [0.800, 0.003, 0.002, 0.080, 0.082, 0.088, 0.088],
        [0.720, 0.004, 0.004, 0.075, 0.073, 0.083, 0.080],
        [0.630, 0.008, 0.006, 0.064, 0.062, 0.072, 0.068],
        [0.550, 0.011, 0.006, 0.054, 0.055, 0.058, 0.058],
        [0.490, 0.013, 0.005, 0.051, 0.052, 0.055, 0.052],
        [0.440, 0.013, 0.000, 0.049, 0.049, 0.047, 0.054],
        [0.370, 0.014, -0.008, 0.054, 0.052, 0.042, 0.062],
        [0.310, 0.015, -0.014, 0.050, 0.048, 0.038, 0.056],
        [0.230, 0.016, -0.022, 0.039, 0.038, 0.034, 0.042],
        [0.150, 0.017, -0.028, 0.032, 0.031, 0.032, 0.035],
        [0.100, 0.018, -0.030, 0.033, 0.033, 0.034, 0.036],
        [0.045, 0.018, -0.030, 0.032, 0.031, 0.034, 0.036],
    ]
)

# Forward from the ankle; centre outward and up from the floor; radii out, in, up, down, m.
_FOOT = np.array(
    [
        [-0.062, -0.002, 0.030, 0.008, 0.008, 0.010, 0.012],
        [-0.050, -0.002, 0.032, 0.026, 0.026, 0.030, 0.034],
        [-0.020, -0.001, 0.032, 0.032, 0.031, 0.046, 0.038],
        [0.030, 0.002, 0.030, 0.033, 0.031, 0.050, 0.036],
        [0.070, 0.006, 0.026, 0.037, 0.034, 0.038, 0.032],
        [0.110, 0.009, 0.021, 0.043, 0.040, 0.026, 0.027],
        [0.140, 0.011, 0.018, 0.044, 0.042, 0.018, 0.023],
        [0.165, 0.010, 0.014, 0.038, 0.040, 0.011, 0.018],
    ]
)
_TOE_CAP = np.array(
    [
        [0.190, 0.008, 0.014, 0.031, 0.034, 0.016, 0.018],
        [0.204, 0.007, 0.012, 0.021, 0.023, 0.012, 0.014],
        [0.210, 0.007, 0.011, 0.008, 0.008, 0.006, 0.008],
    ]
)
_TOES = (  # centre outward from the ankle, reach forward, radius, m
    (-0.022, 0.201, 0.0135),
    (-0.001, 0.203, 0.0095),
    (0.016, 0.196, 0.0090),
    (0.031, 0.187, 0.0085),
    (0.045, 0.176, 0.0085),
)

ARM_AXES: Array = np.array(
    [
        [np.cos(ARM_DROP), -np.sin(ARM_DROP), 0.0],
        [np.sin(ARM_DROP), np.cos(ARM_DROP), 0.0],
        [0.0, 0.0, 1.0],
    ]
)
"""Rows: along the left arm, up across it, forward, in the A-pose."""


def _joint(body: Proportions, name: str) -> Array:
    return np.asarray(body.rest[JOINT_INDEX[name]])


def _trunk_girth(body: Proportions, y: Array) -> tuple[Array, Array, Array]:
    """Factors on width, front and back by reference height: a belly grows in front."""
    belly = np.exp(-(((y - 1.05) / 0.12) ** 2))
    chest = np.clip((y - 1.15) / 0.1, 0, 1)
    neck = np.clip((1.47 - y) / 0.1, 0.25, 1)
    girth, paunch = body.girth, 0.04 * float(body.betas[6]) * belly
    build = 0.025 * float(body.betas[5]) * chest
    width = 1 + neck * girth * (0.78 + 0.2 * belly) + build + 0.4 * paunch
    front = 1 + neck * girth * (0.75 + 0.75 * belly) + 0.4 * build + paunch
    back = 1 + neck * girth * (0.72 - 0.15 * belly) + 0.6 * build
    return width, front, back


def add_trunk(
    field: Field, body: Proportions, ease: float = 0.0, drape: float = 0.0, loose: float = 0.0
) -> Field:
    """Torso, seat, chest, shoulder slope.

    Parameters
    ----------
    field : Field
        Added to.
    body : Proportions
        Whose.
    ease : float
        Distance from the skin, m.
    drape : float
        0..1: how much cloth hangs straight from the chest instead of following the waist.
    loose : float
        More ease from the waist down, where a shirt hangs over trousers, m.
    """
    table = _TRUNK[body.female]
    y, width, front, back = table.T
    across = np.clip((y - 1.10) / 0.25, 0, 1)
    width = width * (1 + across * (body.shoulders / (0.885 if body.female else 1.0) - 1))
    width = width * (1 + (1 - across) * (body.hips / (1.02 if body.female else 1.0) - 1))
    wider, deeper, back_deeper = _trunk_girth(body, y)
    width, front, back = width * wider, front * deeper, back * back_deeper
    if drape:
        hang = y < 1.27
        for radii in (width, front, back):
            level = radii[y == 1.27] + (1.27 - y) * 0.02
            radii[hang] = np.maximum(radii, radii + drape * (level - radii))[hang]
    middle = (front - back) / 2
    depth = (front + back) / 2
    stations = np.stack([body.height(y), 0 * y, -middle, width, width, depth, depth], axis=1)
    stations[:, 3:] += (ease + loose * np.clip((1.14 - y) / 0.1, 0, 1))[:, None]
    # axis x side = up x left = backward, hence the sign of the centres.
    field.loft((0, 0, 0), (0, 1, 0), (1, 0, 0), stations, 0.03, power=2.25)
    return _add_relief(field, body, ease, ease + loose)


def _add_relief(field: Field, body: Proportions, ease: float, seat_ease: float) -> Field:
    """Seat, chest or bust, shoulder blades, the slope from neck to shoulder."""
    girth, muscle, chest = body.girth, float(body.betas[5]), float(body.betas[7])
    seat = 1 + 0.6 * girth
    lift = float(body.height(1.0)) - 1.0
    radii = np.array([0.078, 0.085, 0.072]) * seat * (1.06 if body.female else 1.0) + seat_ease
    field.ellipsoid((0.072 * body.hips, 0.895 + lift, -0.070 * seat), radii, 0.045)
    if body.female:
        size = 1 + 0.10 * chest + 0.55 * max(girth, -0.15)
        at = (0.068 * (1 + 0.5 * girth), 1.262 + lift, 0.062 + 0.07 * girth)
        field.ellipsoid(at, np.array([0.058, 0.060, 0.058]) * size + ease, 0.035, pitch=0.25)
    else:
        swell = 1 + 0.05 * muscle + 0.05 * chest + 0.5 * girth
        at = (0.070 * swell, 1.315 + lift, 0.058 * (1 + 0.5 * girth))
        field.ellipsoid(at, np.array([0.080, 0.056, 0.050]) * swell + ease, 0.045, roll=0.2)
    shoulder = _joint(body, "left_shoulder")
    slope = (0.046 if body.female else 0.052) * (1 + 0.3 * girth + 0.03 * muscle)
    field.cone(
        (0.020, 1.462 + lift, -0.045),
        (shoulder[0] - 0.025, shoulder[1] - 0.003, shoulder[2]),
        slope - 0.008 + ease,
        slope - 0.006 + ease,
        0.05,
    )
    return field


def add_neck(field: Field, body: Proportions, ease: float = 0.0) -> Field:
    """The neck, from between the shoulders into the skull."""
    lift = float(body.height(1.0)) - 1.0
    radius = (0.047 if body.female else 0.056) * (1 + 0.32 * body.girth) + ease
    field.cone(
        (0.0, 1.44 + lift, -0.040), (0.0, 1.585 + lift, -0.020), radius * 1.06, radius, 0.035
    )
    return field


def add_arm(field: Field, body: Proportions, ease: float = 0.0, flare: float = 0.0) -> Field:
    """The left arm to just past the wrist, and its shoulder; `flare` widens sleeves, m."""
    stations = _ARM.copy()
    stations[:, 0] *= body.arm
    upper = np.clip((0.30 - _ARM[:, 0]) / 0.2, 0.0, 1.0)
    muscle = 1 + 0.035 * float(body.betas[5]) * upper
    wrist = np.clip((0.525 - _ARM[:, 0]) / 0.1, 0.3, 1.0)
    factor = 1 + (body.limb - 1) * wrist
    factor = factor * muscle * ((0.80 + 0.06 * (1 - upper)) if body.female else 1.0)
    stations[:, 3:] *= factor[:, None]
    stations[:, 3:] += ease + flare * np.clip(_ARM[:, :1] / 0.12, 0, 1)
    shoulder = _joint(body, "left_shoulder")
    field.loft(shoulder, ARM_AXES[0], ARM_AXES[1], stations, 0.055)
    return field


def add_legs(field: Field, body: Proportions, ease: float = 0.0, flare: float = 0.0) -> Field:
    """The left leg from inside the pelvis to inside the foot; `flare` widens shorts, m."""
    y, out, forward = _LEG[:, 0], _LEG[:, 1], _LEG[:, 2]
    hip = _joint(body, "left_hip")
    thigh = np.clip((y - 0.45) / 0.25, 0, 1)
    factor = 1 + (body.limb - 1) * np.clip(y / 0.35, 0.3, 1) * (0.8 + 0.35 * thigh)
    if body.female:
        factor = factor * (0.92 + 0.09 * thigh)
    radii = _LEG[:, 3:] * factor[:, None] + ease
    radii = radii + flare * np.clip((0.90 - y) / 0.15, 0, 1)[:, None]
    stations = np.column_stack([hip[1] - body.height(y), out, forward, radii])
    axis = (np.sin(LEG_SPREAD), -np.cos(LEG_SPREAD), 0.0)
    side = (np.cos(LEG_SPREAD), np.sin(LEG_SPREAD), 0.0)
    field.loft(hip, axis, side, stations, 0.022)
    return field


def add_foot(field: Field, body: Proportions, ease: float = 0.0, toes: bool = True) -> Field:
    """The left foot, level under the ankle; the mesher cuts its sole flat.

    Without toes it is what a shoe or a sock shows.
    """
    ankle = _joint(body, "left_ankle")
    floor = ankle[1] - body.joints[JOINT_INDEX["left_ankle"], 1]
    wide = body.foot * (1 + 0.12 * body.girth)
    stations = _FOOT.copy() if toes else np.vstack([_FOOT, _TOE_CAP])
    stations[:, 1] *= wide
    stations[:, 3:5] *= wide
    stations[:, 3:] += ease
    origin = (ankle[0], floor, ankle[2])
    field.loft(origin, (0, 0, 1), (1, 0, 0), stations, 0.02, power=2.3)
    if toes:
        for out, reach, radius in _TOES:
            start = (ankle[0] + wide * out * 0.9, floor + 0.016, ankle[2] + 0.13)
            end = (ankle[0] + wide * out, floor + radius * 0.9, ankle[2] + reach - radius)
            field.cone(start, end, radius * 1.1, radius, 0.008)
    return field


def hand_points(body: Proportions, local: Array) -> Array:
    """A-pose places of points along, up across and forward of the left wrist, reference hand."""
    return np.asarray(_joint(body, "left_wrist") + body.hand * np.asarray(local) @ ARM_AXES)
