"""A generator for tests of the engine that breaks the rules for generators, as its job demands."""

import contextlib
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.engine.generators.base import Limits
from infinity_frames.protocol.spec import Generator, Parameter

SLEEP = "import time; time.sleep(3600)"
HOARD = "import time; hoard = bytearray(900 * 2**20); time.sleep(3600)"


class Hostile:
    """Reports `returns`, writes `writes`, and does what `does` names."""

    spec = Generator(
        name="hostile-v1.0.0",
        version="1.0.0",
        parameters=(
            Parameter("does", "str", "nothing"),
            Parameter("writes", "str", "a file"),
            Parameter("returns", "str", "1"),
            Parameter("estimates", "str", "1"),
            Parameter("optional", "int", None),
        ),
    )

    def estimate(self, jobs: pd.DataFrame) -> np.ndarray:
        texts = jobs["estimates"]
        if (texts == "raises").any():
            raise KeyError("no such column")
        if (texts == "hangs").any():
            time.sleep(3600)
        if (texts == "exits").any():
            os._exit(3)
        if (texts == "prints").any():
            print("x" * 2**20)
        if (texts == "short").any():
            return np.zeros(len(jobs) + 1, np.int64)
        texts = texts.replace("prints", "1")
        return np.array([float(text) if "." in text else int(text) for text in texts])

    def prepare(self) -> None:
        pass

    def render(self, params: dict[str, Any], seed: int, directory: Path, preview: bool) -> object:
        _write(directory, params["writes"])
        _act(params["does"], directory)
        return eval(params["returns"])


def _write(directory: Path, what: str) -> None:
    labels: dict[str, list[dict[str, Any]]] = {
        "images": [{"id": 1}],
        "annotations": [{"id": 1, "image_id": 1}],
    }
    match what:
        case "a file":
            (directory / "x.txt").write_text("x")
        case "a link":
            (directory / "x.txt").symlink_to(Path(os.environ["INFINITY_HOME"]) / "token")
        case "a linked folder":
            (directory / "folder").symlink_to(os.environ["INFINITY_HOME"])
        case "cut labels":
            (directory / "labels.json").write_text(json.dumps(labels)[:-5])
        case "a list as labels":
            (directory / "labels.json").write_text("[]")
        case "labels of a frame that is missing":
            labels["annotations"][0]["image_id"] = 2
            (directory / "labels.json").write_text(json.dumps(labels))
        case "labels that are no numbers":
            labels["categories"] = [{"id": 1, "name": "person"}]
            labels["annotations"][0] |= {"category_id": 1, "percent_in_fov": "all"}
            (directory / "labels.json").write_text(json.dumps(labels))
        case "labels with a list as id":
            (directory / "labels.json").write_text('{"images": [{"id": [1]}]}')
        case "a folder as labels":
            (directory / "labels.json").mkdir()
            (directory / "labels.json" / "x").write_text("x")
        case "a name with a line break":
            (directory / "a\nb.txt").write_text("x")
        case "a name that is no UTF-8":
            (Path(os.fsdecode(os.fsencode(directory) + b"/caf\xe9"))).write_text("x")
        case "names that differ in case":
            (directory / "a.txt").write_text("x")
            (directory / "A.txt").write_text("x")
        case "a zip bomb":
            with (directory / "x.bin").open("wb") as file:
                file.truncate(64 * 2**20)
        case "an empty video":
            (directory / "video.mp4").touch()
        case "good labels":
            (directory / "labels.json").write_text(json.dumps(labels))
        case "a broken video":
            (directory / "labels.json").write_text(json.dumps(labels))
            (directory / "video.mp4").write_bytes(b"not a video")
        case "a ragged series":
            (directory / "data.csv").write_text("a,b\n1,2\n3\n")


def _act(what: str, directory: Path) -> None:
    match what:
        case "exit":
            sys.exit("giving up")
        case "surrogate":
            raise RuntimeError("cannot read " + os.fsdecode(b"caf\xe9.png") + "\0")
        case "deep error":
            _recurse(30)
        case "sleep":
            (directory / "big").write_bytes(bytes(2**20))
            time.sleep(3600)
        case "children":
            # One child in its group, one in a session of its own, two that lost their parents, of
            # which one is only forked.
            _fork_an_orphan(directory)
            for apart in (False, True):
                subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=apart)
            orphan = f"import subprocess as s, sys; s.Popen([sys.executable, '-c', {SLEEP!r}])"
            subprocess.run([sys.executable, "-c", orphan], check=True, start_new_session=True)
            time.sleep(3600)
        case "hoarding child":
            subprocess.Popen([sys.executable, "-c", HOARD], start_new_session=True)
            time.sleep(3600)
        case "hoard a little":
            hoard = bytearray(400 * 2**20)
            time.sleep(len(hoard))
        case "forge a report":
            _send_to_engine(_message(b"\x80\x04this is no pickle"))
        case "send a pickle that ends the engine":
            _send_to_engine(_message(pickle.dumps(Ender())))
            time.sleep(3600)
        case "send half a report":
            _send_to_engine(_message(b"{}")[:5])
            time.sleep(3600)
        case "send an endless report":
            _send_to_engine(b"\xff\xff\xff\xff" + (2**60).to_bytes(8, "big"))
            time.sleep(3600)
        case "report rendering again and again":
            report = b'{"phase": "rendering", "outcome": null, "unexpected": false}'
            while True:
                _send_to_engine(_message(report))
                time.sleep(0.1)
        case "raise what has no text":
            raise Unprintable
        case "leave a thread, raise what has no text":
            threading.Thread(target=time.sleep, args=(3600,)).start()
            raise Unprintable
        case "raise as a closed pipe":
            raise BrokenPipeError("my renderer has gone")
        case "raise as a cut file":
            raise EOFError("my file is cut")
        case "print":
            print("x" * 2**20)
        case "spoil the process":
            os.environ.clear()
            os.chdir("/")
            sys.setrecursionlimit(60)
            json.dumps = Path.write_text = None  # type: ignore[assignment,method-assign]


def _fork_an_orphan(directory: Path) -> None:
    parent = os.fork()
    if parent:
        os.waitpid(parent, 0)
        return
    os.setsid()
    if not os.fork():
        (directory / "forked").write_text(str(os.getpid()))
        time.sleep(3600)
    os._exit(0)


class Unprintable(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise SystemExit("no text")

    __repr__ = __str__


class Ender:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)


def _recurse(depth: int) -> None:
    if depth == 0:
        raise ValueError("at the bottom")
    _recurse(depth - 1)


def _send_to_engine(data: bytes) -> None:
    """Write into every pipe of this process, one of which leads to the engine."""
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:"):
                os.write(descriptor, data)


def _message(data: bytes) -> bytes:
    """Frame data as ``multiprocessing`` does."""
    return len(data).to_bytes(4, "big") + data


class Undescribed:
    """A generator without a proper description."""

    spec = {"name": "undescribed-v1.0.0"}  # noqa: RUF012
    estimate, prepare, render = Hostile.estimate, Hostile.prepare, Hostile.render


class Limited(Hostile):
    """States limits of its own, below those of the engine of the tests."""

    spec = Generator("limited-v1.0.0", "1.0.0", Hostile.spec.parameters)
    limits = Limits(seconds=2.0, seconds_per_sample=0.0)


class Frugal(Hostile):
    """States less memory than the engine of the tests allows."""

    spec = Generator("frugal-v1.0.0", "1.0.0", Hostile.spec.parameters)
    limits = Limits(memory=450 * 2**20)


class Unlimited(Hostile):
    """States limits that are no limits."""

    spec = Generator("unlimited-v1.0.0", "1.0.0", Hostile.spec.parameters)
    limits: Any = 60.0
