"""A job's scene: room, avatar, camera, light, from parameters and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.generators.photography import Photography
from infinity_frames.engine.generators.visionfit.occlusion import place_occluder
from infinity_frames.engine.generators.visionfit.trajectory import Performance
from infinity_frames.engine.people.actor import extent
from infinity_frames.engine.people.body import Appearance, build_body
from infinity_frames.engine.people.exercises import exercise
from infinity_frames.engine.scene.backdrops import backdrop
from infinity_frames.engine.scene.camera import look
from infinity_frames.engine.scene.equipment import MAT_COLORS, MAT_THICKNESS, mat
from infinity_frames.engine.scene.room_geometry import ceiling_lamp, room_lights, room_objects, sun
from infinity_frames.engine.scene.scene import Camera, Object, Scene
from infinity_frames.engine.scene.wall_art import wall_art

__all__ = ["Stage", "build_stage"]

# How far the avatar may be from the middle of the room's free floor along x and y, m.
_PLAY = 0.12

# What rests on the floor in exercises done on a mat.
_ON_A_MAT = ("hand", "knee", "seat", "shoulders", "belly", "side")


@dataclass(frozen=True, eq=False)
class Stage:
    """All that one job renders.

    Parameters
    ----------
    scene : Scene
    performance : Performance
        What the avatar does in it.
    info : dict
        What labels.json says about the whole video.
    photography : Photography
        Camera and light that apply.
    """

    scene: Scene
    performance: Performance
    info: dict[str, Any]
    photography: Photography


def build_stage(params: Mapping[str, Any], seed: int, steps_aside: int = 0) -> Stage:
    """Set the scene of a job.

    Parameters
    ----------
    params : mapping
        Every parameter of VisionFit, valid.
    seed : int
        The job's seed.
    steps_aside : int
        Steps by which the occluder stands farther aside than it would.

    Returns
    -------
    Stage
    """
    room = backdrop(params["scene"], seed)
    on_a_mat = _needs_mat(params["exercise"])
    location = np.append(
        stream(seed, "avatar_location").uniform(-_PLAY, _PLAY, 2), MAT_THICKNESS * on_a_mat
    )
    yaw = params["relative_avatar_angle_deg"]
    body = build_body(_appearance(params, seed))
    performance = Performance(params, seed, body, location, yaw)
    photography = Photography.of(params, seed)
    camera, camera_info = _camera(params, location, photography)
    objects: list[Object] = [*performance.objects, *room_objects(room, seed)]
    objects.append(ceiling_lamp(room, params["lighting_power"]))
    if params["add_wall_art"]:
        objects.append(wall_art(room, params["wall_art_type"], seed))
    if on_a_mat:
        objects.append(_mat(params["exercise"], location, yaw, seed))
    # Last, so that it takes no other object's color.
    objects += place_occluder(
        room, performance, camera, location, params["allowable_occlusion"], seed, steps_aside
    )
    lights = room_lights(
        room,
        params["lighting_power"],
        photography.values["lamp_size"],
        sun(room, photography.values["sun_irradiance"], location, seed),
    )
    info = {
        "scene": params["scene"],
        **camera_info,
        **photography.info,
        "avatar_location": location.tolist(),
        "avatar_yaw": yaw,
        "avatar_identity": params["avatar_identity"],
        "avatar_presenting_gender": params["gender"],
        "avatar_attire_top": body.attire_top,
        "avatar_attire_bottom": body.attire_bottom,
        "avatar_betas": body.betas.tolist(),
        "avatar_waist_circumference": body.waist_circumference,
    }
    return Stage(Scene(tuple(objects), camera, lights), performance, info, photography)


def _appearance(params: Mapping[str, Any], seed: int) -> Appearance:
    tone = int(stream(seed, "skin_tone").integers(2**31)) if params["randomize_skin_tone"] else None
    return Appearance(
        gender=params["gender"],
        relative_height=params["relative_height"],
        relative_weight=params["relative_weight"],
        identity=params["avatar_identity"],
        outfit=params["outfit"],
        hide_shoes=params["hide_shoes"],
        add_socks=params["add_socks"],
        skin_tone_seed=tone,
    )


def _camera(
    params: Mapping[str, Any], location: NDArray[np.float64], photography: Photography
) -> tuple[Camera, dict[str, Any]]:
    """Camera in front of the avatar, turned away from the exercise's middle, and its ``info``."""
    distance, height = params["camera_distance"], params["camera_height"]
    aim = extent(exercise(params["exercise"])).middle[1]
    down = np.degrees(np.arctan2(height - aim, distance))
    yaw = params["relative_camera_yaw_deg"]
    pitch = 90.0 - float(down) + params["relative_camera_pitch_deg"]
    where = [float(location[0]), float(location[1]) - distance, height]
    camera = look(
        where,
        yaw,
        pitch,
        params["image_width"],
        params["image_height"],
        focal_length=photography.values["focal_length"] / 1000.0,
        distortion=photography.values["lens_distortion"] / 100.0,
    )
    return camera, {
        "camera_pitch": pitch,
        "camera_yaw": yaw,
        "camera_location": where,
        "camera_height": height,
        "camera_K_matrix": camera.K.tolist(),
        "camera_RT_matrix": camera.RT.tolist(),
        "camera_P_matrix": camera.P.tolist(),
        # As OpenCV orders them: k1, k2, p1, p2, k3.
        "camera_distortion_coefficients": [camera.distortion, 0.0, 0.0, 0.0, 0.0],
    }


def _needs_mat(name: str) -> bool:
    return any(part.endswith(_ON_A_MAT) for part in exercise(name).contacts)


def _mat(name: str, location: NDArray[np.float64], yaw: float, seed: int) -> Object:
    """Return a mat along the longer side of what the exercise takes up."""
    room = extent(exercise(name))
    across, along = (room.high - room.low)[[0, 2]]
    turn = yaw + (90.0 if across > along else 0.0)
    color = MAT_COLORS[int(stream(seed, "mat").integers(len(MAT_COLORS)))]
    length = max(1.75, float(max(across, along)) + 0.35)
    return mat((float(location[0]), float(location[1])), turn, length, color)
