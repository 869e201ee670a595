"""The shoulder girdle: collar and shoulder blade rise with the arm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.people.skeleton import JOINT_INDEX, matrices

__all__ = ["raised_collars"]

Array = NDArray[np.float64]

# From which elevation of the arm on the collar rises, and by how much with the arm overhead, deg.
# About a third of the arm's elevation comes from the shoulder blade: Inman, Saunders and Abbott,
# "Observations on the function of the shoulder joint", J. Bone Joint Surg. 26 (1944). Some of it
# turns the blade without lifting the shoulder, hence less than 60 deg.
_FROM, _OVERHEAD, _RISE = 40.0, 180.0, 18.0


def raised_collars(turns: Array) -> Array:
    """Joint rotations with the collars raised as far as the arms ask for.

    The upper arms point where they did: the shoulders turn back by as much.

    Parameters
    ----------
    turns : (F, 55, 4) array
        Rotations relative to the parents, w x y z.

    Returns
    -------
    (F, 55, 4) array
    """
    out = turns.copy()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        collar, shoulder = (JOINT_INDEX[f"{side}_{part}"] for part in ("collar", "shoulder"))
        upward = sign * matrices(turns[:, shoulder])[:, 1, 0]
        elevation = np.degrees(np.arccos(np.clip(-upward, -1.0, 1.0)))
        share = np.clip((elevation - _FROM) / (_OVERHEAD - _FROM), 0.0, 1.0)
        half = np.radians(0.5 * sign * _RISE * share * share * (3.0 - 2.0 * share))
        out[:, collar] = _turned_about_z(half, turns[:, collar])
        out[:, shoulder] = _turned_about_z(-half, turns[:, shoulder])
    return out


def _turned_about_z(half: Array, turns: Array) -> Array:
    """Rotations (F, 4) followed by a turn of twice `half` (F,) about the parent's z, rad."""
    c, s = np.cos(half), np.sin(half)
    w, x, y, z = turns.T
    return np.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w], axis=-1)
