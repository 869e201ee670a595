"""Submitting and expanding over REST, against loops over dicts and one request per seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests

import infinity_frames as inf
from bench.jobs import SPEC, looped_validate
from bench.measure import Line, seconds
from bench.stub import TOKEN, job_id, stub
from infinity_frames.protocol import parameters

JOBS = 10_000
SEEDS, OVERRIDES = 100, 10
EARLIER_SUBMIT = 1.18
"""Seconds of the earlier client itself on 2 quiet cores, whose loops were slower than ours here."""
REMAINING_MS = 30.0
HEADERS = {"Authorization": f"Token {TOKEN}"}


def looped_submit(url: str, jobs: list[dict[str, Any]]) -> int:
    """Fill each job's defaults, check it, send the batch; the number of jobs it has."""
    defaults = {p.name: p.default for p in SPEC.parameters}
    filled = [{**defaults, **job} for job in jobs]
    assert not any(looped_validate(filled))
    runs = [
        {
            "name": SPEC.name,
            "is_preview": True,
            "param_values": {key: value for key, value in job.items() if value is not None},
        }
        for job in filled
    ]
    body = {"name": "bench", "job_runs": runs}
    answer = requests.post(f"{url}/api/batch/", json=body, headers=HEADERS, timeout=60)
    return len(answer.json()["job_runs"])


def looped_expand(
    url: str, bases: list[str], overrides: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Ask for each seed on a connection of its own, then combine."""
    jobs = []
    for base in bases:
        path = f"{url}/api/job_previews/{base}/"
        values = requests.get(path, headers=HEADERS, timeout=60).json()["param_values"]
        jobs += [{**values, **override, "state": base} for override in overrides]
    return jobs


def run() -> Iterator[Line]:
    """Measure."""
    drawn = parameters.sample(SPEC, JOBS, seed=0)
    dicts = parameters.records(SPEC, drawn)
    with stub(SPEC.to_json(), dicts) as url:
        session = inf.Session(SPEC.name, server=url, token=TOKEN)
        loop = seconds(lambda: looped_submit(url, dicts), 2)
        what = f"submit {JOBS:,} jobs"
        ours = seconds(lambda: session.submit(drawn, is_preview=True))
        yield Line(f"{what}, a frame", ours, "s", loop, "loop")
        yield Line(f"{what}, a frame", ours, "s", EARLIER_SUBMIT, "earlier client", 4)
        ours = seconds(lambda: session.submit(dicts, is_preview=True))
        yield Line(f"{what}, a list of dicts", ours, "s", loop, "loop")
        batch = session.submit(drawn, is_preview=True)
        path = f"{url}/api/batch/{batch.batch_id}/summary/"

        def parsed() -> int:
            answer = requests.get(path, headers=HEADERS, timeout=60).json()
            return sum(job["in_progress"] for job in answer["job_runs"])

        loop = 1000 * seconds(parsed, 10)
        ours = 1000 * seconds(batch.get_num_jobs_remaining, 10)
        what = f"count what remains of {JOBS:,} jobs, base protocol"
        yield Line(what, ours, "ms", loop, "requests, json")
        yield Line(what, ours, "ms", REMAINING_MS, "at most", 1)
    with stub(SPEC.to_json(), dicts[:SEEDS], latency=0.005) as url:
        session = inf.Session(SPEC.name, server=url, token=TOKEN)
        bases = [job_id(number) for number in range(SEEDS)]
        overrides = [{"camera_height": 0.5 + number / 10} for number in range(OVERRIDES)]
        expand = session.expand_overrides_across_each_preview_state
        assert len(expand(bases, overrides)) == SEEDS * OVERRIDES
        loop = seconds(lambda: looped_expand(url, bases, overrides), 2)
        ours = seconds(lambda: expand(bases, overrides))
        what = f"expand {SEEDS} seeds x {OVERRIDES} overrides, 5 ms latency"
        yield Line(what, ours, "s", loop, "loop")
