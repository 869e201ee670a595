"""A server whose answers are damaged: the client says so in its own words, and goes on if it can.

``FUZZ=1000 pytest tests/client/test_responses_fuzz.py -s`` tries that many and prints the outcome.
"""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from base_server import TOKEN, BaseServer
from damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infinity_frames import Session
from infinity_frames.data import ResultsWarning
from infinity_frames.protocol.errors import InfinityError

EXAMPLES = int(os.environ.get("FUZZ", "30"))
ALL = ("idempotency", "tags", "cancel", "account", "status", "batch_id")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OddServer(BaseServer):
    """A server that remembers what it answers to each kind of request, and can answer it oddly."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.answers: dict[str, Any] = {}
        self.instead: dict[str, Any] = {}

    def send_json(
        self, handler: BaseHTTPRequestHandler, status: int, answer: Any, **extra: str
    ) -> None:
        kind = f"{handler.command} {UUID.sub('ID', handler.path.split('?')[0])}"
        if status < 300:
            self.answers.setdefault(kind, copy.deepcopy(answer))
            answer = self.instead.get(kind, answer)
        super().send_json(handler, status, answer, **extra)


class Day:
    """A day's work with a server, step by step; a step that fails ends none of the others."""

    def __init__(self, server: BaseServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.errors: list[InfinityError] = []

    def work(self) -> None:
        session = self.step(lambda: Session(token=TOKEN, server=self.server.url))
        if session is None:
            return
        jobs = pd.DataFrame({"num_reps": [1, 2, 3], "tag_fold": ["a", "b", "c"]})
        for look in (session._repr_html_, lambda: session.parameters, lambda: session.default_job):
            self.step(look)
        self.step(lambda: session.sample(3, seed=1))
        self.step(lambda: session.estimate_samples(jobs))
        self.step(lambda: session.get_batches_last_n_days(1))
        self.step(lambda: session.get_usage_stats_last_n_days(1))
        self.step(session.account)
        batch = self.step(lambda: session.submit(jobs, batch_name="n"))
        if batch is not None:
            self.finish(session, batch)

    def finish(self, session: Session, batch: Any) -> None:
        again = self.step(lambda: session.batch_from_api(batch.batch_id)) or batch
        for taken in (batch, again):
            self.step(partial(taken.await_completion, 0.01, timeout=0.05))
            self.step(taken._repr_html_)
            self.step(partial(getattr, taken, "frame"))
            self.step(partial(repr, taken))
            self.step(partial(getattr, taken, "job_params"))
            self.step(taken.cancel)
        self.step(lambda: batch.frame.infinity.retry(session=session))
        self.step(
            lambda: session.expand_overrides_across_each_video_state(
                batch.job_ids, [{"num_reps": 4}]
            )
        )
        self.step(lambda: again.download(self.folder, quiet=True))

    def step(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except InfinityError as error:
            self.errors.append(error)
            return None


@pytest.fixture(scope="module")
def server() -> Iterator[OddServer]:
    with OddServer(extensions=ALL) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(60 + EXAMPLES)
def test_what_a_server_should_not_say_is_an_error_of_ours(server, tmp_path):
    healthy = Day(server, tmp_path)
    healthy.work()
    assert not healthy.errors
    usual = dict(server.answers)
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data):
        kind = data.draw(st.sampled_from(sorted(usual)))
        server.instead = {kind: damaged(data.draw, copy.deepcopy(usual[kind]))}
        with TemporaryDirectory() as scratch, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            day = Day(server, Path(scratch, "results"))
            day.work()
        assert {warning.category for warning in told} <= {UserWarning, ResultsWarning}, told
        assert all(error.problem and TOKEN not in str(error) for error in day.errors)
        outcomes.update([type(error).__name__ for error in day.errors] or ["all well"])

    try:
        check()
    finally:
        server.instead = {}
    print(f"\n{EXAMPLES} days: {dict(outcomes)}")
