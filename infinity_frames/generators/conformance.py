"""Checks that a generator keeps its promises; behind ``infinity-frames check NAME``."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from infinity_frames.data import read_results, verify
from infinity_frames.engine.core.author_errors import explain
from infinity_frames.engine.generators.base import Generator, Limits, limits_of
from infinity_frames.io.progress import progress
from infinity_frames.protocol.errors import InfinityError
from infinity_frames.protocol.parameters import fill, sample, violations
from infinity_frames.protocol.spec import Constraint, Joint, Parameter, Sampling
from infinity_frames.protocol.spec import Generator as Spec

__all__ = ["CHECKS", "check"]

CHECKS: dict[str, str] = {
    "spec": "the name carries the version; types, ranges, defaults and rules fit together",
    "estimate": "one whole number per job, at most a quarter (or 2 samples) off what is rendered",
    "files": "jobs have readable files and leave job.json to the engine",
    "seed": "the same parameters and seed make the same bytes",
    "labels": "boxes, areas, outlines, masks and videos agree",
    "preview": "a preview is one sample without a video, and a frame of the whole job",
    "parameters": "what `unaffected` declares stays the same when a parameter changes alone",
    "limits": "jobs at the ends of every range and with every choice fit in time and memory",
}
"""The property that each check verifies."""

_NAME = re.compile(r"[a-z][a-z0-9_]*-v(\d+\.\d+\.\d+)")
_ESTIMATE_SHARE, _ESTIMATE_SAMPLES = 0.25, 2
_SECONDS = 60.0  # for a job of a generator that states no limits
_MEMORY_INTERVAL_S = 0.02
_MOST_LIMITS = 40  # jobs rendered for the check "limits"


def check(
    generator: Generator,
    *,
    jobs: int = 3,
    seed: int = 0,
    seconds: float | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Run the conformance suite on a generator.

    A generator may have an attribute ``unaffected``: a dict from the name of a parameter to the
    files of a job that must not change when only that parameter changes, as
    ``{"noise": ("labels.json", "segmentation.zip")}``.

    Parameters
    ----------
    generator : Generator
    jobs : int
        How many random jobs to render; each is rendered twice.
    seed : int
        Seed of the random jobs.
    seconds : float, optional
        The longest that one job may take, s. Default: what the generator states as ``limits``, or
        60 s.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        A row per check: check, passed (NA where an earlier failure makes it meaningless), message
        (what is wrong and where; empty if passed), ensures (what the check ensures).
    """
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        progress(len(CHECKS), "checks", quiet=quiet) as bar,
    ):
        suite = _Suite(generator, jobs, seed, seconds, Path(folder))
        broken = False
        for name, ensures in CHECKS.items():
            bar.set_postfix_str(name)
            problems = None if broken else _problems(suite.checks[name])
            broken = broken or (name == "spec" and bool(problems))
            passed = pd.NA if problems is None else not problems
            message = "skipped: mend the spec first" if problems is None else "; ".join(problems)
            rows.append({"check": name, "passed": passed, "message": message, "ensures": ensures})
            bar.update(1)
    return pd.DataFrame(rows).astype({"passed": "boolean"})


def _problems(run: Callable[[], Iterator[str]]) -> list[str]:
    problems: list[str] = []
    try:
        problems.extend(run())
    except Exception as error:
        problems.append(explain(error))
    return problems


class _Suite:
    """The checks of one generator; rendered jobs are kept for all of them."""

    def __init__(
        self, generator: Generator, jobs: int, seed: int, seconds: float | None, folder: Path
    ) -> None:
        self._generator, self._spec = generator, generator.spec
        self._count, self._seed, self._seconds = jobs, seed, seconds
        self._folder, self._made = folder, 0
        self.checks: dict[str, Callable[[], Iterator[str]]] = {
            "spec": self._check_spec,
            "estimate": self._check_estimate,
            "files": self._check_files,
            "seed": self._check_seed,
            "labels": self._check_labels,
            "preview": self._check_preview,
            "parameters": self._check_parameters,
            "limits": self._check_limits,
        }

    @cached_property
    def _jobs(self) -> pd.DataFrame:
        return fill(self._spec, sample(self._spec, self._count, seed=self._seed))

    @cached_property
    def _rendered(self) -> list[tuple[dict[str, Any], Path, int]]:
        self._generator.prepare()
        return [(params, *self._render(params)) for params in _params(self._spec, self._jobs)]

    def _render(self, params: Mapping[str, Any], preview: bool = False) -> tuple[Path, int]:
        folder = self._folder / f"job{self._made:04d}"
        self._made += 1
        folder.mkdir()
        seed = params.get("random_seed")
        samples = self._generator.render(
            dict(params), 1 if seed is None else int(seed), folder, preview
        )
        if not isinstance(samples, int | np.integer) or samples < 0:
            raise TypeError(f"render() returned {samples!r}; expected the number of samples made")
        return folder, int(samples)

    def _check_spec(self) -> Iterator[str]:
        problems = list(self._structural_problems())
        yield from problems
        if problems:
            return
        spec = self._spec
        text = json.dumps(spec.to_json())
        if Spec.from_json(json.loads(text)).to_json() != json.loads(text):
            yield "the spec changes on its way through JSON: use plain numbers, texts and tuples"
        broken = violations(spec, fill(spec, pd.DataFrame(index=range(1))))
        yield from (f"the job of all defaults is invalid: {m}" for m in broken["message"])

    def _structural_problems(self) -> Iterator[str]:
        spec = self._spec
        if not isinstance(spec, Spec):
            yield f"spec is of type {type(spec).__name__}; expected infinity_frames.generators.Spec"
            return
        found = _NAME.fullmatch(spec.name)
        if not found or found[1] != spec.version:
            yield (
                f"the name {spec.name!r} is not of the form NAME-vX.Y.Z with the version "
                f"{spec.version!r}; for example 'balls-v1.0.0' and '1.0.0'"
            )
        names = [parameter.name for parameter in spec.parameters]
        yield from (
            f"duplicate parameter {n!r}" for n in sorted({n for n in names if names.count(n) > 1})
        )
        for parameter in spec.parameters:
            yield from _parameter_problems(parameter, names)
        for rule in spec.constraints:
            yield from _rule_problems(rule, names)
        known = getattr(self._generator, "unaffected", {})
        yield from (f"`unaffected` names no parameter {n!r}" for n in known if n not in names)
        try:
            limits_of(self._generator)
        except TypeError as error:
            yield str(error)

    def _check_estimate(self) -> Iterator[str]:
        estimates = np.asarray(self._generator.estimate(self._jobs))
        if estimates.shape != (len(self._jobs),) or estimates.dtype.kind not in "iu":
            yield (
                f"estimate() returned {estimates.dtype} of shape {estimates.shape}; expected whole "
                f"numbers of shape ({len(self._jobs)},)"
            )
            return
        for number, (_, _, samples) in enumerate(self._rendered):
            allowed = max(_ESTIMATE_SHARE * samples, _ESTIMATE_SAMPLES)
            if abs(int(estimates[number]) - samples) > allowed:
                yield f"job {number}: estimated {estimates[number]} samples, rendered {samples}"

    def _check_files(self) -> Iterator[str]:
        for number, (_, folder, _) in enumerate(self._rendered):
            names = {path.name for path in folder.iterdir()}
            if "job.json" in names:
                yield f"job {number}: render() wrote job.json, which the engine writes itself"
            if not names & {"labels.json", "data.csv", "video.mp4"}:
                there = ", ".join(sorted(names)) or "nothing"
                yield (
                    f"job {number}: found {there}; a job needs labels.json, data.csv or video.mp4 "
                    "to be read as a table (use Recorder)"
                )

    def _check_seed(self) -> Iterator[str]:
        for number, (params, folder, _) in enumerate(self._rendered):
            again, _ = self._render(params)
            for name in _differences(_digests(folder), _digests(again)):
                yield (
                    f"job {number}: {name} differs when rendered again with the same seed; draw "
                    "with stream(seed, ...) only, and write no times or ids"
                )

    def _check_labels(self) -> Iterator[str]:
        root = self._folder / "batch"
        for number, (params, folder, _) in enumerate(self._rendered):
            target = root / f"{number:08d}-0000-4000-8000-000000000000"
            target.mkdir(parents=True)
            for path in folder.iterdir():
                (target / path.name).write_bytes(path.read_bytes())
            given = {key: value for key, value in params.items() if value is not None}
            about = {"name": self._spec.name, "version": self._spec.version, "params": given}
            (target / "job.json").write_text(json.dumps(about))
        found = verify(read_results(root), quiet=True)
        for row in found.head(5).itertuples():
            yield f"job {int(str(row.job_id)[:8])}, frame {row.frame_number}: {row.message}"
        if len(found) > 5:
            yield f"{len(found) - 5} further discrepancies"

    def _check_preview(self) -> Iterator[str]:
        if not self._spec.preview:
            return
        for number, (params, folder, _) in enumerate(self._rendered):
            preview, samples = self._render(params, preview=True)
            if samples != 1:
                yield f"job {number}: the preview returned {samples} samples; expected 1"
            if not (preview / "video_preview.png").exists():
                yield f"job {number}: the preview has no video_preview.png"
            if (preview / "video.mp4").exists():
                yield f"job {number}: the preview has a video"
            if (folder / "labels.json").exists() and not _is_frame_of(preview, folder):
                yield (
                    f"job {number}: the labels of the preview are not those of a frame of the "
                    "whole job"
                )

    def _check_parameters(self) -> Iterator[str]:
        unaffected: Mapping[str, tuple[str, ...]] = getattr(self._generator, "unaffected", {})
        params, folder, _ = self._rendered[0]
        base = _digests(folder)
        for name, files in unaffected.items():
            value = _other_value(self._spec.by_name[name], params[name])
            if value is None or not self._is_valid({**params, name: value}):
                continue
            changed, _ = self._render({**params, name: value})
            different = _differences(base, _digests(changed))
            for file in sorted(set(files) & set(different)):
                yield f"{name}={value!r} instead of {params[name]!r} changes {file}"

    def _check_limits(self) -> Iterator[str]:
        # The shortest job: what is changed decides how long the others take.
        params, _, _ = min(self._rendered, key=lambda made: made[2])
        for name, value in _extremes(self._spec)[:_MOST_LIMITS]:
            job = {**params, name: value}
            if not self._is_valid(job):
                continue
            start = time.monotonic()
            memory = _PeakMemory()
            samples = 0
            try:
                with memory:
                    _, samples = self._render(job, preview=self._spec.preview)
            except Exception as error:
                yield f"{name}={value!r}: {explain(error)}"
            taken, allowed = time.monotonic() - start, self._allowed(samples)
            if taken > allowed:
                yield f"{name}={value!r}: took {taken:.0f} s, more than {allowed:g} s"
            most = (limits_of(self._generator) or Limits()).memory
            if most is not None and memory.peak > most:
                yield (
                    f"{name}={value!r}: used {memory.peak / 2**20:.0f} MiB of memory, more than "
                    f"{most / 2**20:.0f} MiB"
                )

    def _allowed(self, samples: int) -> float:
        if self._seconds is not None:
            return self._seconds
        limits = limits_of(self._generator)
        return limits.time(samples) if limits else _SECONDS

    def _is_valid(self, params: Mapping[str, Any]) -> bool:
        given = {name: [value] for name, value in params.items() if value is not None}
        try:
            return violations(self._spec, pd.DataFrame(given)).empty
        except InfinityError:
            return False


class _PeakMemory:
    """Measures the largest resident memory of this process while a block runs."""

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> _PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _measure(self) -> None:
        process = psutil.Process()
        while True:
            self.peak = max(self.peak, process.memory_info().rss)
            if self._done.wait(_MEMORY_INTERVAL_S):
                return


def _params(spec: Spec, jobs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return every parameter of every job as Python values; None where a job has no value."""
    rows = jobs[list(spec.by_name)].astype(object).to_dict("records")
    return [
        {
            str(name): None if pd.isna(value) else getattr(value, "item", lambda v=value: v)()
            for name, value in row.items()
        }
        for row in rows
    ]


def _parameter_problems(parameter: Parameter, names: list[str]) -> Iterator[str]:
    at, default = f"parameter {parameter.name!r}", parameter.default
    low, high = parameter.min, parameter.max
    if not parameter.name.isidentifier():
        yield f"{at}: the name must be a Python identifier, to be used as a column"
    if low is not None and high is not None and low > high:
        yield f"{at}: min {low} is above max {high}"
    if (low is not None or high is not None) and parameter.type not in ("int", "float"):
        yield f"{at}: min and max are for numbers, and its type is {parameter.type}"
    if parameter.choices is not None and not parameter.choices:
        yield f"{at}: choices is empty"
    if default is not None and parameter.choices and default not in parameter.choices:
        yield f"{at}: the default {default!r} is not among its choices"
    if isinstance(default, int | float) and not (
        (low is None or low <= default) and (high is None or default <= high)
    ):
        yield f"{at}: the default {default!r} is outside of its range"
    if not parameter.description:
        yield f"{at}: it has no description"
    yield from _sampling_problems(at, parameter.sampling, names)


def _sampling_problems(at: str, sampling: Sampling | None, names: list[str]) -> Iterator[str]:
    if isinstance(sampling, Joint):
        unknown = [name for name in sampling.parameters if name not in names]
        yield from (f"{at}: its sampling names no parameter {name!r}" for name in unknown)


def _rule_problems(rule: Constraint, names: list[str]) -> Iterator[str]:
    for name in rule.parameters:
        if name not in names:
            yield f"the rule `{rule.describe()}` names no parameter {name!r}"


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _is_frame_of(preview: Path, folder: Path) -> bool:
    try:
        sample_, whole = (
            json.loads((path / "labels.json").read_text()) for path in (preview, folder)
        )
    except FileNotFoundError:
        return False
    if len(sample_["images"]) != 1 or sample_["images"][0] not in whole["images"]:
        return False
    frame = sample_["images"][0]["id"]
    expected = [one for one in whole["annotations"] if one["image_id"] == frame]
    return _without_ids(sample_["annotations"]) == _without_ids(expected)


def _without_ids(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: v for key, v in one.items() if key != "id"} for one in annotations]


def _other_value(parameter: Parameter, value: Any) -> Any:
    """Return a value other than the given one; None without one."""
    others = [other for _, other in _ends(parameter) if other != value]
    return others[-1] if others else None


def _ends(parameter: Parameter) -> list[tuple[str, Any]]:
    if parameter.name in ("random_seed", "state"):
        return []
    if parameter.choices:
        values: list[Any] = list(parameter.choices)
    elif parameter.type == "bool":
        values = [False, True]
    else:
        kind = int if parameter.type == "int" else float
        values = [kind(end) for end in (parameter.min, parameter.max) if end is not None]
    return [(parameter.name, value) for value in values]


def _extremes(spec: Spec) -> list[tuple[str, Any]]:
    return [pair for parameter in spec.parameters for pair in _ends(parameter)]
