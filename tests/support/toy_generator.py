"""A generator for tests of the engine: quick, and on request slow, broken or deadly."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.protocol.errors import RenderError
from infinity_frames.protocol.spec import Constant, Generator, Linear, Parameter, Uniform

BEHAVIOURS = (
    "work",
    "raise",
    "refuse",
    "die",
    "hang",
    "hoard",
    "overrun",
    "die_once",
    "label",
    "full",
    "environment",
)


class Toy:
    """Writes the numbers it drew; `behaviour` says what goes wrong."""

    spec = Generator(
        name="toy-v1.0.0",
        version="1.0.0",
        parameters=(
            Parameter("frames", "int", 3, min=1, max=1000, sampling=Uniform(1, 10)),
            Parameter("size", "float", 1.0, min=0.0, max=2.0, unit="m"),
            Parameter("start", "float", 0.0, min=0.0, max=0.9, sampling=Constant(0.0)),
            Parameter("end", "float", 0.0, min=0.0, max=0.9),
            Parameter("behaviour", "str", "work", choices=BEHAVIOURS),
            Parameter("seconds", "float", 0.0, min=0.0, max=600.0),
            Parameter("kilobytes", "int", 1, min=1, max=100_000),
            Parameter("loud", "bool", False),
            Parameter("state", "uuid"),
            Parameter("random_seed", "int", None, min=0, max=2**31 - 1),
        ),
        constraints=(Linear({"start": 1, "end": 1}, max=0.9),),
    )

    def __init__(self) -> None:
        self.prepared = 0

    def estimate(self, jobs: pd.DataFrame) -> np.ndarray:
        return jobs["frames"].to_numpy(np.int64)

    def prepare(self) -> None:
        self.prepared += 1
        if "TOY_MARKS" in os.environ:
            (Path(os.environ["TOY_MARKS"]) / f"prepared-{os.getpid()}").touch()
        time.sleep(float(os.environ.get("TOY_PREPARE_SECONDS", "0")))

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> int:
        samples = 1 if preview else params["frames"]
        rng = np.random.default_rng(seed)
        time.sleep(params["seconds"])
        # A test that needs a running job holds it by a file, whatever the machine's load.
        while "TOY_HOLD" in os.environ and Path(os.environ["TOY_HOLD"]).exists():
            time.sleep(0.02)
        match params["behaviour"]:
            case "raise":
                raise ValueError("the toy broke")
            case "refuse":
                raise RenderError("The toy will not.", advice="Ask it for something else.")
            case "die":
                os._exit(9)
            case "die_once":
                marker = Path(os.environ["TOY_MARKS"]) / str(seed)
                if not marker.exists():
                    marker.touch()
                    os._exit(9)
            case "hang":
                time.sleep(3600)
            case "hoard":
                hoard = [np.ones(2**24) for _ in range(64)]
                time.sleep(len(hoard))
            case "overrun":
                samples *= 10
            case "full":
                raise OSError(28, "No space left on device")
        labels = {"draws": rng.integers(0, 1000, samples).tolist(), "prepared": self.prepared}
        if params["behaviour"] == "environment":
            labels["environment"] = dict(os.environ)
        if params["behaviour"] == "label":
            _write_person(directory, samples)
            return samples
        (directory / "labels.json").write_text(json.dumps(labels))
        (directory / "video.mp4").write_bytes(rng.bytes(params["kilobytes"] * 1024))
        return samples


def _write_person(directory: Path, frames: int) -> None:
    """Label a person: 0 % of it are in view in the first frame, 10 % more in each further one."""
    labels = {
        "categories": [{"id": 1, "name": "person"}],
        "images": [{"id": at} for at in range(frames)],
        "annotations": [
            {"id": at, "image_id": at, "category_id": 1, "percent_in_fov": 10.0 * at}
            for at in range(frames)
        ],
    }
    (directory / "labels.json").write_text(json.dumps(labels))


class SoundToy(Toy):
    """The toy without previews."""

    spec = Generator("sound-v1.0.0", "1.0.0", Toy.spec.parameters, preview=False)
