"""Writes the package of a new generator; behind ``infinity-frames new-generator NAME``."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from infinity_frames.protocol.errors import InfinityError

__all__ = ["new_generator"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")

_FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "$name"
version = "0.1.0"
description = "The generator $name for infinity_frames."
requires-python = ">=3.11"
dependencies = ["infinity-frames[engine]"]

[project.entry-points."infinity_frames.generators"]
"$name-v0.1.0" = "$name:$title"

[tool.hatch.build.targets.wheel]
packages = ["$name"]
""",
    "README.md": """\
# $name

A generator for infinity_frames.

    pip install -e .
    infinity-frames check $name
    python -m pytest

A running engine finds the package by itself. For a new version, add a class and an entry point
beside the old ones ("$name-v0.2.0"); both can be used, and the newest is the default.
""",
    "$name/__init__.py": '''\
"""$title: a disc that moves over a plain background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.generators import (
    Category,
    Generator,
    LabeledObject,
    Parameter,
    Recorder,
    Spec,
    Uniform,
    stream,
)

SIZE = 96  # of the picture, px
FRAME_RATE = 12
DISC = Category("disc", keypoints=("center",))


class $title(Generator):
    """Renders videos of a disc."""

    spec = Spec(
        name="$name-v0.1.0",
        version="0.1.0",
        parameters=(
            Parameter(
                "radius", "float", 12.0, min=2.0, max=40.0, unit="px", description="Of the disc."
            ),
            Parameter(
                "brightness", "int", 200, min=50, max=255, description="Of the disc, sRGB."
            ),
            Parameter(
                "num_frames",
                "int",
                12,
                min=1,
                max=240,
                sampling=Uniform(6, 24),
                description="Frames of the video.",
            ),
            Parameter("random_seed", "int", min=0, max=2**31 - 1, description="Seed of all draws."),
        ),
    )
    # Files that must not change when only this parameter changes; `infinity-frames check` tries it.
    unaffected = {"brightness": ("labels.json", "segmentation.zip")}

    def estimate(self, jobs: pd.DataFrame) -> NDArray[np.int64]:
        """Frames of each job."""
        return jobs["num_frames"].to_numpy(np.int64)

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        """Render one job."""
        start = stream(seed, "start").uniform(0, SIZE, 2)
        step = stream(seed, "step").normal(0, 2, 2)
        columns, rows = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
        with Recorder(
            directory, categories=[DISC], frame_rate=FRAME_RATE, preview=preview
        ) as recorder:
            for frame in range(1 if preview else params["num_frames"]):
                x, y = (start + frame * step) % SIZE
                mask = np.hypot(columns - x, rows - y) < params["radius"]
                picture = np.full((SIZE, SIZE, 3), 30, np.uint8)
                picture[mask] = params["brightness"]
                recorder.add(picture, [LabeledObject("disc", 0, mask, np.array([[x, y]]))])
        return recorder.frames
''',
    "tests/test_$name.py": '''\
"""The generator keeps the promises of every generator, and its own."""

import json

from infinity_frames.generators import check
from $name import $title


def test_the_generator_passes_all_checks() -> None:
    found = check($title())
    failed = found[~found["passed"].fillna(False)]
    assert failed.empty, failed[["check", "message"]].to_string()


def test_a_larger_radius_makes_a_larger_disc(tmp_path) -> None:
    areas = []
    for radius in (10.0, 20.0):
        folder = tmp_path / str(radius)
        folder.mkdir()
        $title().render({**$title.spec.defaults, "radius": radius}, 1, folder, preview=True)
        (disc,) = json.loads((folder / "labels.json").read_text())["annotations"]
        areas.append(disc["area"])
    assert areas[0] < areas[1]
''',
}


def new_generator(name: str, folder: Path | None = None) -> Path:
    """Write a package with a generator that works, a test and a readme.

    Parameters
    ----------
    name : str
        Name of the generator and of its package: lower case letters, digits and underscores.
    folder : Path, optional
        Where to create the folder `name`; default: the current folder.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    InfinityError
        The name is not usable, or the folder exists already.
    """
    if not _NAME.fullmatch(name):
        raise InfinityError(
            f"Invalid generator name {name!r}.",
            advice="Use lower case letters, digits and underscores, as in 'bouncing_balls'.",
        )
    target = (folder or Path()) / name
    if target.exists():
        raise InfinityError(
            f"{target} exists already.", advice="Choose another name, or remove it first."
        )
    title = "".join(part.capitalize() for part in name.split("_"))
    for path, text in _FILES.items():
        file = target / Template(path).substitute(name=name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(name=name, title=title))
    return target
