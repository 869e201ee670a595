"""Generators of one's own: the conformance suite finds faults, a new package passes it."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sprites import Sprites

from infinity_frames.cli.authoring import find_generator
from infinity_frames.cli.main import main
from infinity_frames.generators import Limits, Linear, Parameter, check
from infinity_frames.generators.conformance import CHECKS
from infinity_frames.protocol.errors import InfinityError

pytestmark = pytest.mark.slow


def messages(generator, **options) -> dict[str, str]:
    found = check(generator, jobs=2, **options)
    assert list(found["check"]) == list(CHECKS)
    failed = found[~found["passed"].fillna(False).astype(bool)]
    return dict(zip(failed["check"], failed["message"], strict=True))


def test_a_good_generator_passes_every_check():
    assert messages(Sprites()) == {}


def with_parameter(**changes):
    """Sprites with other attributes in one parameter."""
    name = changes.pop("of")
    parameters = [
        replace(one, **changes) if one.name == name else one for one in Sprites.spec.parameters
    ]

    class Changed(Sprites):
        spec = replace(Sprites.spec, parameters=tuple(parameters))

    return Changed()


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (with_parameter(of="scale", default=3.0), "'scale': the default 3.0 is outside"),
        (with_parameter(of="scale", min=0.5), "'scale': min 0.5 is above max 0.4"),
        (with_parameter(of="shape", default="CUBE"), "the default 'CUBE' is not among"),
        (with_parameter(of="shape", choices=()), "'shape': choices is empty"),
        (with_parameter(of="noise", description=""), "'noise': it has no description"),
        (with_parameter(of="noise", name="no ise"), "'no ise': the name must be"),
        (with_parameter(of="noise", name="scale"), "duplicate parameter 'scale'"),
    ],
)
def test_faults_of_the_spec_are_named(generator, message):
    found = messages(generator)
    assert message in found["spec"]
    assert "mend the spec first" in found["seed"]


def test_name_version_and_rules_are_checked():
    class Misnamed(Sprites):
        spec = replace(Sprites.spec, version="2.0.0", constraints=(Linear({"size": 1.0}, max=2.0),))

    found = messages(Misnamed())["spec"]
    assert "with the version '2.0.0'" in found
    assert "names no parameter 'size'" in found


class Dishonest(Sprites):
    def estimate(self, jobs):
        return jobs["frames"].to_numpy(np.int64) * 3


class Drifting(Sprites):
    def render(self, params, seed, directory, preview):
        return super().render({**params, "noise": 0.1}, time.time_ns() % 2**31, directory, preview)


class Mislabeled(Sprites):
    def render(self, params, seed, directory, preview):
        made = super().render(params, seed, directory, preview)
        path = directory / "labels.json"
        path.write_text(path.read_text().replace('"area":', '"area":1'))
        return made


class OtherPreview(Sprites):
    def render(self, params, seed, directory, preview):
        return super().render(params, seed + preview, directory, preview)


class Leaking(Sprites):
    unaffected = {"scale": ("segmentation.zip",)}  # noqa: RUF012


class Fragile(Sprites):
    def render(self, params, seed, directory, preview):
        if params["background"] == 1.0:
            raise ZeroDivisionError("too many")
        return super().render(params, seed, directory, preview)


class Silent(Sprites):
    def render(self, params, seed, directory, preview):
        (directory / "notes.txt").write_text("nothing")
        return params["frames"]


@pytest.mark.parametrize(
    ("generator", "failing", "message"),
    [
        (Dishonest(), "estimate", "estimated"),
        (Drifting(), "seed", "differs when rendered again with the same seed"),
        (Mislabeled(), "labels", "area"),
        (OtherPreview(), "preview", "not those of a frame"),
        (Leaking(), "parameters", "changes segmentation.zip"),
        (Fragile(), "limits", "background=1.0: ZeroDivisionError: too many"),
        (Silent(), "files", "found notes.txt; a job needs"),
    ],
)
def test_each_broken_promise_is_found(generator, failing, message):
    assert message in messages(generator)[failing]


def test_an_error_of_the_author_gives_file_and_line():
    found = messages(Fragile())["limits"]
    assert f"{__file__}, line " in found


def test_a_slow_job_breaks_its_time_limit():
    assert "more than 0.0001 s" in messages(Sprites(), seconds=0.0001)["limits"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(seconds=1e-4, seconds_per_sample=0.0), "more than 0.0001 s"),
        (Limits(memory=2**20), "MiB of memory, more than 1 MiB"),
    ],
)
def test_jobs_beyond_the_stated_limits_are_found(limits, message):
    generator: Any = Sprites()
    generator.limits = limits
    assert message in messages(generator)["limits"]


def test_limits_must_be_limits():
    class Odd(Sprites):
        limits = 60.0

    assert "its limits are of type float" in messages(Odd())["spec"]
    with pytest.raises(ValueError, match="must be positive"):
        Limits(seconds=0.0)


def run(*command: str, folder: Path) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_new_package_passes_its_own_tests(tmp_path, capsys):
    assert main(["new-generator", "bouncing_balls", "--path", str(tmp_path)]) == 0
    assert "infinity-frames check bouncing_balls" in capsys.readouterr().out
    folder = tmp_path / "bouncing_balls"
    tests = run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=folder)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    checked = run("-m", "infinity_frames", "check", "bouncing_balls:BouncingBalls", folder=folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("passed") == len(CHECKS)


@pytest.mark.parametrize("name", ["Balls", "my-balls", "", "../balls"])
def test_an_unusable_name_writes_nothing(tmp_path, name, capsys):
    assert main(["new-generator", "--path", str(tmp_path), name]) == 1
    assert "Use lower case letters" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path, capsys):
    (tmp_path / "balls").mkdir()
    assert main(["new-generator", "--path", str(tmp_path), "balls"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_a_module_that_fails_to_import_is_told_with_file_and_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "brokenpackage.py").write_text("import json\n\nx = 1 / 0\n")
    with pytest.raises(InfinityError, match=r"ZeroDivisionError.*brokenpackage\.py, line 3"):
        find_generator("brokenpackage:Anything")
    (tmp_path / "wrongsyntax.py").write_text("x = (\n")
    with pytest.raises(InfinityError, match=r"SyntaxError.*wrongsyntax\.py, line 1"):
        find_generator("wrongsyntax:Anything")


def test_a_name_without_a_version_means_the_newest(monkeypatch):
    def entry(version):
        loaded = SimpleNamespace(spec=version)
        return SimpleNamespace(name=f"a-v{version}", load=lambda: lambda: loaded)

    entries = [entry("0.9.0"), entry("0.10.0"), entry("0.2.0")]
    monkeypatch.setattr("infinity_frames.cli.authoring.entry_points", lambda group: entries)
    assert str(find_generator("a").spec) == "0.10.0"
    assert str(find_generator("a-v0.2.0").spec) == "0.2.0"
    with pytest.raises(InfinityError, match=r"Unknown generator 'b'.*Available: a-v0\.10\.0"):
        find_generator("b")


def test_a_parameter_without_a_range_needs_none():
    class Free(Sprites):
        spec = replace(
            Sprites.spec,
            parameters=(*Sprites.spec.parameters, Parameter("note", "str", "", description="Any.")),
        )

    assert messages(Free()) == {}


def test_the_generator_of_the_guide_keeps_its_promises(tmp_path, monkeypatch):
    guide = (Path(__file__).parents[2] / "docs" / "generators.md").read_text()
    code = guide.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "guideballs.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert messages(find_generator("guideballs:Balls")) == {}
