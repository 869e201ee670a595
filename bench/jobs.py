"""Validating and drawing jobs, against a loop over dicts: the shape of earlier clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.measure import Line, seconds
from infinity_frames.engine.generators.visionfit import VisionFit
from infinity_frames.protocol import parameters
from infinity_frames.protocol.spec import Normal, Uniform

SPEC = VisionFit.spec


def looped_validate(jobs: list[dict[str, Any]]) -> list[str | None]:
    """Check each job's parameters one at a time, with what a client is told of them."""
    info = {p.name: p.to_json() for p in SPEC.parameters}
    types = {"int": int, "float": float, "str": str, "bool": bool, "uuid": str}
    answers: list[str | None] = []
    for job in jobs:
        problems = []
        for name, value in job.items():
            if name not in info:
                problems.append(f"unknown parameter {name}")
                continue
            options = info[name]["options"] or {}
            if value is not None:
                try:
                    types[info[name]["type"]](value)
                except (TypeError, ValueError):
                    problems.append(f"{name} is no {info[name]['type']}")
                    continue
                if options.get("min") is not None and value < options["min"]:
                    problems.append(f"{name} is below {options['min']}")
                if options.get("max") is not None and value > options["max"]:
                    problems.append(f"{name} is above {options['max']}")
                if options.get("choices") is not None and value not in options["choices"]:
                    problems.append(f"{name} is none of {options['choices']}")
        answers.append("; ".join(problems) or None)
    return answers


def looped_sample(count: int) -> list[dict[str, Any]]:
    """Draw each job's parameters one at a time with numpy, then check the job."""
    rng = np.random.default_rng(0)
    jobs = []
    for _ in range(count):
        job = {p.name: _draw(p, rng) for p in SPEC.parameters}
        looped_validate([job])
        jobs.append(job)
    return jobs


def _draw(parameter: Any, rng: np.random.Generator) -> Any:
    if parameter.choices is not None:
        return rng.choice(parameter.choices).item()
    if parameter.type == "bool":
        return bool(rng.random() < 0.5)
    match parameter.sampling:
        case Uniform(low, high):
            value = rng.uniform(low, high)
        case Normal(mean, std):
            value = np.clip(rng.normal(mean, std), parameter.min, parameter.max)
        case _ if parameter.min is not None:
            value = rng.uniform(parameter.min, parameter.max)
        case _:
            return parameter.default
    return round(value) if parameter.type == "int" else float(value)


def run() -> Iterator[Line]:
    """Measure."""
    count = 100_000
    jobs = parameters.sample(SPEC, count, seed=0)
    dicts = parameters.records(SPEC, jobs)
    size = f"{count:,} x {len(SPEC.parameters)}"
    loop = seconds(lambda: looped_validate(dicts), 1)
    ours = seconds(lambda: parameters.validate(SPEC, jobs))
    yield Line(f"validate a frame, {size}", ours, "s", loop, "loop", 20)
    ours = seconds(lambda: parameters.validate(SPEC, parameters.frame(SPEC, dicts)), 1)
    yield Line(f"validate a list of dicts, {size}", ours, "s", loop, "loop")
    loop = seconds(lambda: looped_sample(10_000), 1)
    ours = seconds(lambda: parameters.sample(SPEC, 10_000, seed=0))
    yield Line("sample 10,000 jobs", ours, "s", loop, "loop", 100)
    ours = seconds(lambda: parameters.sample(SPEC, count, seed=0))
    yield Line(f"sample {size}", ours, "s", 10 * loop, "10 x the loop at 10,000:")
