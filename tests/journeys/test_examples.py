"""Every public verb and function has an example in its docstring, and every example runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from engine_fixtures import EngineProcess
from real_results import rendered  # noqa: F401

import infinity_frames as inf
from infinity_frames import data, vis
from infinity_frames.accessor import InfinityAccessor

# Without an example: values and warnings, which are looked at and not called.
PLAIN = {"Frame", "Problem", "ResultsWarning", "errors"}
# One example for several names.
SAME = {"SenseFitSession": "Session", "SpillsSession": "Session", "VisionFitSession": "Session"}


def public() -> dict[str, Any]:
    """Every public class, function and verb, by its name."""
    found: dict[str, Any] = {}
    for module in (inf, data, vis):
        for name in module.__all__:
            found[f"{module.__name__}.{name}"] = getattr(module, name)
    for owner in (InfinityAccessor, inf.Session, inf.Batch):
        for name in dir(owner):
            if not name.startswith("_"):
                found[f"{owner.__name__}.{name}"] = inspect.getattr_static(owner, name)
    return found


def docstring(item: Any) -> str:
    if isinstance(item, ModuleType):  # callable: `inf.generators()`
        item = type(item).__call__
    return inspect.getdoc(item) or ""


class AnyOutput(doctest.OutputChecker):
    """Examples that show no output may have any: a frame or a figure is too long to print."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


@pytest.fixture(scope="module")
def world(
    rendered: Path,  # noqa: F811 - the fixture
    studio: EngineProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Any]]:
    """The names that examples use, in a folder of rendered results."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(rendered, folder / "results")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "results")
        patch.setenv("INFINITY_HOME", str(studio.home))
        mpl.use("agg")
        session = inf.Session("visionfit-v0.4.0")
        size: dict[str, Any] = {"image_width": 128, "image_height": 128, "frame_rate": 6}
        jobs = session.sample(2, seed=5, num_reps=1, **size)
        batch = session.submit(jobs.head(1), is_preview=True, batch_name="one", reuse=True)
        batch.await_completion(timeout=120)
        results = inf.read_results("videos", quiet=True)
        scored = session.sample(300, seed=1)
        noise = np.random.default_rng(0).normal(0.0, 0.05, len(scored))
        scored["oks"] = 1.0 - 0.2 * scored["camera_height"].astype("float64") + noise
        yield {
            "np": np,
            "pd": pd,
            "inf": inf,
            "session": session,
            "jobs": jobs,
            "batch": batch,
            "submitted": batch.frame,
            "videos": session.batch_from_api(results["batch_id"][0]),
            "results": results,
            "looks": inf.read_results("looks", quiet=True),
            "sweep": inf.read_results("sweep", quiet=True),
            "scored": scored,
        }


@pytest.mark.parametrize("name", public())
def test_a_public_name_has_an_example_that_runs(name: str, world: dict[str, Any]) -> None:
    short = name.rpartition(".")[2]
    if short in PLAIN or short in SAME:
        return
    text = docstring(public()[name])
    named = {
        known: getattr(module, known) for module in (inf, data, vis) for known in module.__all__
    }
    test = doctest.DocTestParser().get_doctest(text, named | world, name, None, 0)
    told: list[str] = []
    if not test.examples and "::" in text and "Example" in text:
        return  # shown as a block, where it cannot run without a person or a browser
    if not test.examples and (link := re.search(r"See :func:`([\w.]+)`", text)):
        module, _, function = link[1].rpartition(".")
        assert ">>> " in docstring(getattr(importlib.import_module(module), function))
        return  # a verb that needs much rendering: its function shows the example
    assert test.examples, f"{name} has no example"
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(AnyOutput(), optionflags=flags).run(test, out=told.append)
    assert not told, "".join(told)
