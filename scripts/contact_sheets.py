"""Contact sheets: what the generators make, at one glance.

    python -m scripts.contact_sheets [--sheets exercises,identities,parameters,wrists,spills,flows]
        [--folder docs]

Renders real jobs through the generators' own scenes and renderer, ``contact-<sheet>.jpg`` each:
every exercise at four moments, every identity as man and woman, one parameter swept per row;
watches on wrists with the axes their sensors tell; spills in every place, of v0.1.0 and (flows) of
v0.2.0.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from infinity_frames.engine.core.rng import stream
from infinity_frames.engine.generators.photography import Photography
from infinity_frames.engine.generators.sensefit.parameters import SPEC as SENSEFIT
from infinity_frames.engine.generators.sensefit.picture import Sketch, build_scene
from infinity_frames.engine.generators.sensefit.wearer import Wearer
from infinity_frames.engine.generators.spills.floor import Floor
from infinity_frames.engine.generators.spills.flow import outflow
from infinity_frames.engine.generators.spills.liquid import LIQUIDS, Spill
from infinity_frames.engine.generators.spills.parameters import SPEC as SPILLS
from infinity_frames.engine.generators.spills.parameters_v2 import PHOTOGRAPHY
from infinity_frames.engine.generators.spills.parameters_v2 import SPEC as FLOWS
from infinity_frames.engine.generators.spills.places import PLACES
from infinity_frames.engine.generators.spills.video_v2 import build_pool
from infinity_frames.engine.generators.visionfit.parameters import SPEC
from infinity_frames.engine.generators.visionfit.stage import build_stage
from infinity_frames.engine.generators.visionfit.trajectory import FrameState
from infinity_frames.engine.people.actor import extent
from infinity_frames.engine.people.exercises import VISIONFIT_EXERCISES, exercise
from infinity_frames.engine.people.skeleton import JOINT_INDEX
from infinity_frames.engine.render import Renderer, auto_exposure, tonemap
from infinity_frames.engine.scene.camera import look

Picture = NDArray[np.uint8]

SEED = 11
RENDERED = 512  # px, before it is scaled to a tile
WORKERS = 2
QUALITY = 80
CAPTION = 17  # height, px
PAPER, INK = 250, (40, 40, 40)

# The turn that shows an exercise best, deg: 0 faces the camera, 90 looks to the image's right.
# Exercises of one side are seen from that side.
_TURNS = {
    "ARM_RAISE": 20,
    "BICEP_CURL": 35,
    "CLAMSHELL": 0,
    "LUNGE": -30,
    "PRESS": 25,
    "PUSH_PRESS": 25,
    "SPLIT_SQUAT": -55,
    "SQUAT": 35,
    "SQUAT-BACK": 25,
    "TRICEP": -60,
    "DONKEY": -60,
    "UPPERCUT": -25,
}
_MIRRORED = "-RIGHT"
_DISTANCE = 1.3  # of the camera, in times of what the exercise takes up

# Loops pass through more than start and midpoint.
_MOMENTS = {
    "BURPEE": (0.0, 0.17, 0.5, 0.87),
    "PUSHUP-EXPLOSIVE": (0.0, 0.52, 0.78, 0.88),
    "BIRD_DOG": (0.0, 0.25, 0.5, 0.75),
    "BICEP_CURL-ALTERNATING-DUMBBELL": (0.0, 0.25, 0.5, 0.75),
}


class Row(NamedTuple):
    """A row of a sheet: its name, and the captions of its tiles."""

    name: str
    captions: tuple[str, ...]
    tiles: list[Picture]


def shot(params: dict[str, Any], phases: Sequence[float] = (0.0,)) -> list[Picture]:
    """Pictures of a job where its first rep reaches the given phases."""
    filled = {**SPEC.defaults, "image_width": RENDERED, "image_height": RENDERED, **params}
    seed = params.get("random_seed", SEED)
    stage = build_stage(filled, seed)
    renderer = Renderer(stage.scene)
    passed = stage.performance.timeline.frames.phase
    frames = [int(np.abs(passed - phase).argmin()) for phase in phases]
    seen: dict[int, FrameState] = {
        one.frame: one for one in stage.performance.frames(max(frames) + 1) if one.frame in frames
    }
    noisy = filled["enable_sensor_noise"]
    return [
        tonemap(
            renderer.picture(seen[frame].placements),
            rng=stream(seed, "sensor_noise", frame) if noisy else None,
        )
        for frame in frames
    ]


def view(name: str) -> dict[str, Any]:
    """Parameters of a camera that shows a whole exercise from its most telling side."""
    turn = [60, *(turn for start, turn in _TURNS.items() if name.startswith(start))][-1]
    room = extent(exercise(name))
    size = max(*(room.high - room.low).tolist(), 1.5)
    lying = room.high[1] < 1.3
    return {
        "relative_avatar_angle_deg": float(-turn if name.endswith(_MIRRORED) else turn),
        "camera_distance": max(2.1, _DISTANCE * size + 0.3),
        "camera_height": 1.2 if lying else 1.1,
    }


def moments(name: str) -> tuple[float, ...]:
    """The four phases at which an exercise is shown."""
    if name in _MOMENTS:
        return _MOMENTS[name]
    middle = exercise(name).midpoint
    return tuple(middle * share for share in (0.0, 0.4, 0.7, 1.0))


def exercise_row(name: str) -> Row:
    """An exercise at four moments; people, clothes and rooms take turns."""
    index = VISIONFIT_EXERCISES.index(name)
    scenes = SPEC.by_name["scene"].choices or ()
    params = {
        "exercise": name,
        **view(name),
        "gender": ("MALE", "FEMALE")[index % 2],
        "avatar_identity": (7 * index) % 25,
        "outfit": (2 * index + index // 5) % 5,
        "scene": scenes[index % len(scenes)],
        "lighting_power": 300.0,
    }
    phases = moments(name)
    return Row(name, tuple(f"{phase:.2f}" for phase in phases), shot(params, phases))


def identity_row(identity: int) -> Row:
    """A person and a portrait, as man and as woman."""
    tiles = []
    for gender in ("MALE", "FEMALE"):
        person = {
            "exercise": "SQUAT-BODYWEIGHT",
            "gender": gender,
            "avatar_identity": identity,
            "outfit": identity % 5,
            "lighting_power": 300.0,
            "relative_avatar_angle_deg": 15.0,
            "kinematic_noise_factor": 0.0,
        }
        whole = shot({**person, "camera_distance": 2.3, "camera_height": 1.0})[0]
        tiles += [whole[:, 128:384], portrait(person)]
    return Row(f"identity {identity}", ("man", "", "woman", ""), tiles)


def portrait(params: dict[str, Any]) -> Picture:
    """Head and shoulders, from a meter away."""
    near = {**SPEC.defaults, **params, "image_width": RENDERED, "image_height": RENDERED}
    stage = build_stage({**near, "camera_distance": 1.0, "camera_height": 1.5}, SEED)
    state = next(stage.performance.frames(1))
    head = state.person.joints[JOINT_INDEX["head"]]
    place = [float(head[0]), float(head[1]) - 0.8, float(head[2])]
    camera = look(place, 0.0, 88.0, RENDERED, RENDERED)
    scene = replace(stage.scene, camera=camera)
    picture = tonemap(Renderer(scene).picture(state.placements), rng=None)
    return picture[76:376, 181:331]


# One parameter per row: its values, and what else the row needs to show it.
_STANDING = {
    "exercise": "SQUAT-BODYWEIGHT",
    "camera_distance": 2.6,
    "relative_avatar_angle_deg": 20,
}
_FEET = {"camera_distance": 1.0, "camera_height": 0.6, "relative_camera_pitch_deg": -35.0}
_SWEEPS: tuple[tuple[str, Sequence[Any], dict[str, Any]], ...] = (
    ("relative_height", (-4.0, -2.0, 0.0, 2.0, 4.0), {}),
    ("relative_weight", (-4.0, -2.0, 0.0, 2.0, 4.0), {}),
    ("relative_weight", (-4.0, -2.0, 0.0, 2.0, 4.0), {"gender": "FEMALE"}),
    ("outfit", (0, 1, 2, 3, 4), {}),
    ("outfit", (0, 1, 2, 3, 4), {"gender": "FEMALE"}),
    ("random_seed", (1, 2, 3, 4, 5), {"randomize_skin_tone": True}),
    ("scene", ("GYM_1", "BEDROOM_2", "BEDROOM_4", "BEDROOM_5"), {"camera_distance": 4.2}),
    ("camera_height", (0.1, 0.75, 1.4, 2.1, 2.75), {}),
    ("camera_distance", (1.0, 2.0, 3.0, 4.0, 5.25), {}),
    ("relative_camera_yaw_deg", (-40.0, -20.0, 0.0, 20.0, 40.0), {}),
    ("relative_camera_pitch_deg", (-40.0, -20.0, 0.0, 20.0, 40.0), {}),
    ("relative_avatar_angle_deg", (-180.0, -90.0, 0.0, 45.0, 90.0), {}),
    ("lighting_power", (2.0, 25.0, 100.0, 500.0, 2000.0), {}),
    ("allowable_occlusion", (0.0, 10.0, 25.0, 50.0, 100.0), {}),
    ("wall_art_type", ("ABSTRACT", "PHOTO", "MIRROR"), {"add_wall_art": True}),
    ("hide_shoes", (False, True), _FEET),
    ("hide_shoes", (False, True), {**_FEET, "add_socks": True}),
    ("kinematic_noise_factor", (0.0, 0.5, 1.0, 1.5, 2.0), {}),
    ("enable_sensor_noise", (False, True), {"lighting_power": 2.0}),
)


def sweep_row(index: int) -> Row:
    """One parameter swept, all else held."""
    name, values, others = _SWEEPS[index]
    base = {**_STANDING, "lighting_power": 300.0, "camera_height": 1.1, **others}
    middle = (0.52,) if name == "kinematic_noise_factor" else (0.0,)
    tiles = [shot({**base, name: value}, middle)[0] for value in values]
    shown = ("gender", "randomize_skin_tone", "add_wall_art", "add_socks", "lighting_power")
    also = [f"{key} = {others[key]}" for key in shown if key in others]
    return Row("   ".join([name, *also]), tuple(str(value) for value in values), tiles)


_WRISTS: dict[str, dict[str, Any]] = {
    "BICEP_CURL-DUMBBELL   watch_location = LEFT": {},
    "HAMMER_CURL-DUMBBELL   watch_location = RIGHT": {
        "exercise": "HAMMER_CURL-DUMBBELL",
        "watch_location": "RIGHT",
    },
    "OVERHEAD_PRESS-DUMBBELL   crown_orientation = LEFT": {
        "exercise": "OVERHEAD_PRESS-DUMBBELL",
        "crown_orientation": "LEFT",
    },
    "PUSHUP   wrist_offset_deg = 60": {"exercise": "PUSHUP", "wrist_offset_deg": 60.0},
    "BURPEE   ref_xy_rotation = 0.8": {"exercise": "BURPEE", "ref_xy_rotation": 0.8},
    "use_random_motion": {"use_random_motion": True},
}


def wrist_row(name: str) -> Row:
    """A watch at four moments of a rep, or of random motion; people take turns."""
    seed = SEED + list(_WRISTS).index(name)
    params = {**SENSEFIT.defaults, "randomize_body_shape": True, **_WRISTS[name]}
    wearer = Wearer(params, seed)
    room = extent(wearer.actor.exercise)
    scene = build_scene(wearer.objects, room, params["watch_location"], RENDERED, RENDERED)
    renderer, sketch = Renderer(scene), Sketch(scene.camera, params["ref_xy_rotation"])
    every, count = list(wearer.moments()), len(wearer.time)
    frames = [round(share * (count - 1)) for share in (0.0, 0.25, 0.5, 0.75)]
    tiles = []
    for frame in frames:
        picture = tonemap(renderer.picture(wearer.placements(every[frame])), rng=None)
        sketch.draw(picture, every[frame])
        tiles.append(picture)
    return Row(name, tuple(f"{wearer.time[frame]:.2f} s" for frame in frames), tiles)


_SPILT: dict[str, dict[str, Any]] = {
    "WAREHOUSE_0001": {"size": 85.0, "aspect_ratio": 2.0, "profile_irregularity": 0.8},
    "WAREHOUSE_0002": {"color": "BROWN", "size": 70.0, "depth": 2.0},
    "WAREHOUSE_0003": {"color": "TRANSPARENT", "size": 95.0, "depth": 3.0},
    "GROCERY_0001": {"color": "WHITE", "size": 45.0, "profile_irregularity": 0.6},
    "GROCERY_0002": {"size": 60.0, "aspect_ratio": 1.6, "depth": 3.0},
    "OFFICE_0001": {"color": "BROWN", "size": 50.0, "aspect_ratio": 1.4},
    "RESTAURANT_0001": {"size": 55.0, "profile_irregularity": 1.0},
}


def spill_row(scene: str) -> Row:
    """A spill in a place as it grows."""
    params = {**SPILLS.defaults, **_SPILT[scene]}
    place, seed = PLACES[scene], SEED
    spill = Spill.of(params, place.start(seed), seed)
    floor = Floor(place.scene(seed), spill, LIQUIDS[params["color"]], params["depth"])
    exposure = auto_exposure(floor.dry)
    shares = (0.1, 0.4, 1.0)
    tiles = [tonemap(floor.picture(grown), rng=None, exposure=exposure) for grown in shares]
    said = ", ".join(f"{name} = {value}" for name, value in _SPILT[scene].items())
    return Row(f"{scene}   {said}", tuple(f"{grown:.0%}" for grown in shares), tiles)


_FLOWS: dict[str, dict[str, Any]] = {
    "WAREHOUSE_0001": {"color": "YELLOW", "size": 70.0, "num_obstacles": 3},
    "WAREHOUSE_0002": {"color": "RED", "size": 60.0, "aspect_ratio": 2.0, "num_obstacles": 2},
    "WAREHOUSE_0003": {"color": "BLACK", "size": 80.0, "profile_irregularity": 0.8},
    "GROCERY_0001": {"color": "BLUE", "size": 60.0, "depth": 2.0, "num_obstacles": 3},
    "GROCERY_0002": {"color": "ORANGE", "size": 55.0, "num_obstacles": 1},
    "OFFICE_0001": {"color": "BROWN", "size": 55.0, "num_obstacles": 2},
    "RESTAURANT_0001": {"color": "TRANSPARENT", "size": 60.0, "depth": 2.0, "num_obstacles": 2},
}


def flow_row(scene: str) -> Row:
    """A spill of Spills v0.2.0 as it flows round what stands in its way."""
    params = {**FLOWS.defaults, "scene": scene, **_FLOWS[scene]}
    params |= {"image_width": 480, "image_height": 312}
    photography = Photography.of(params, SEED, PHOTOGRAPHY)
    _, _, pool = build_pool(params, SEED, photography)
    sensor = photography.sensor(SEED)
    sensor.expose(pool.dry)
    times = (0.05, 0.3, 1.0)
    tiles = [sensor.picture(pool.picture(outflow("DRAINING", time)), 0) for time in times]
    said = ", ".join(f"{name} = {value}" for name, value in _FLOWS[scene].items())
    return Row(f"{scene}   {said}", tuple(f"{time:.0%} of the time" for time in times), tiles)


def montage(rows: Iterable[Row], size: int, columns: int) -> Picture:
    """Rows of tiles under their names, `columns` rows side by side; tiles are `size` px high."""
    strips = [_strip(row, size) for row in rows]
    width = max(strip.shape[1] for strip in strips)
    height = strips[0].shape[0]
    blank = np.full((height, width, 3), PAPER, np.uint8)
    cells = []
    for strip in strips:
        cell = blank.copy()
        cell[:, : strip.shape[1]] = strip
        cells.append(cell)
    cells += [blank] * (-len(cells) % columns)
    lines = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return np.vstack(lines)


def _strip(row: Row, size: int) -> Picture:
    tiles = [_tile(tile, size, text) for tile, text in zip(row.tiles, row.captions, strict=True)]
    strip = np.hstack(tiles)
    head = np.full((CAPTION, strip.shape[1], 3), PAPER, np.uint8)
    _write(head, row.name, 4, INK)
    return np.vstack([head, strip])


def _tile(tile: Picture, size: int, text: str) -> Picture:
    width = round(tile.shape[1] * size / tile.shape[0])
    small = cv2.resize(tile, (width, size), interpolation=cv2.INTER_AREA)
    out = np.full((size + 2, width + 2, 3), PAPER, np.uint8)
    out[:size, :width] = small
    if text:
        out[: CAPTION - 3, : 7 * len(text) + 5] = PAPER
        _write(out, text, 3, INK)
    return out


def _write(picture: Picture, text: str, left: int, color: tuple[int, int, int]) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(picture, text, (left, CAPTION - 6), font, 0.38, color, 1, cv2.LINE_AA)


class Quad(NamedTuple):
    """Contents of a contact sheet."""

    make: Callable[[Any], Row]
    items: Sequence[Any]
    size: int
    columns: int


SHEETS = {
    "exercises": Quad(exercise_row, VISIONFIT_EXERCISES, 150, 2),
    "flows": Quad(flow_row, tuple(_FLOWS), 220, 1),
    "identities": Quad(identity_row, range(25), 150, 4),
    "parameters": Quad(sweep_row, range(len(_SWEEPS)), 128, 2),
    "spills": Quad(spill_row, tuple(_SPILT), 220, 1),
    "wrists": Quad(wrist_row, tuple(_WRISTS), 240, 1),
}


def main() -> None:
    """Make the sheets that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheets", default=",".join(SHEETS), help="which, with commas between")
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    asked = parser.parse_args()
    # spawn: the renderer's threads do not survive a fork.
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for name in asked.sheets.split(","):
            sheet = SHEETS[name]
            picture = montage(pool.map(sheet.make, sheet.items), sheet.size, sheet.columns)
            path = asked.folder / f"contact-{name}.jpg"
            cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            print(
                f"{path}: {picture.shape[1]} x {picture.shape[0]}, {path.stat().st_size // 1000} kB"
            )


if __name__ == "__main__":
    main()
