"""Submitted jobs: their state, waiting for them, cancelling and running them again."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from base_server import TEST_GENERATOR, TOKEN, BaseServer
from fault_server import FaultServer, answer, drop, hang

from infinity_frames import Batch, Session
from infinity_frames.batch import (
    await_frame,
    batch_of,
    cancel_frame,
    download_frame,
    refresh_frame,
    retry,
    seeded,
)
from infinity_frames.protocol import errors
from infinity_frames.protocol.schemas import BATCH, RESULTS, context

ALL = ("idempotency", "tags", "cancel", "account", "status", "batch_id")


@pytest.fixture(params=[(), ALL], ids=["base", "extended"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(extensions=request.param, done=False) as running:
        yield running


@pytest.fixture
def base() -> Iterator[FaultServer]:
    with FaultServer(done=False) as running:
        yield running


@pytest.fixture
def extended() -> Iterator[FaultServer]:
    with FaultServer(extensions=ALL, done=False) as running:
        yield running


def submit(server: BaseServer, count: int = 3, **more: Any) -> Batch:
    session = Session(token=TOKEN, server=server.url)
    jobs = pd.DataFrame({"num_reps": range(1, count + 1), "tag_fold": ["a"] * count})
    return session.submit(jobs, batch_name="n", **more)


def finish(server: BaseServer, jobs: list[str], after: float) -> None:
    threading.Timer(after, lambda: server.unfinished.difference_update(jobs)).start()


def test_a_batch_frame_is_typed_on_every_server(server: FaultServer) -> None:
    batch = submit(server)
    assert isinstance(batch.session, Session)
    for frame in (batch.frame, batch.refresh(), batch.session.batch_from_api(batch.batch_id).frame):
        BATCH.schema.validate(frame)
        assert frame["status"].tolist() == ["running"] * 3
        assert frame["batch_name"].tolist() == ["n"] * 3
        assert str(frame["num_reps"].dtype) == "Int64"
        assert frame["scene"].dtype == pd.CategoricalDtype(["GYM_1", "BEDROOM_2"])
        assert context(frame) == {"server": server.url, "generator": TEST_GENERATOR.name}
    assert batch.frame["tag_fold"].tolist() == ["a"] * 3
    given = batch.frame
    given["num_reps"] = 9
    assert batch.frame["num_reps"].tolist() == [1, 2, 3]  # what is given out is a copy


def test_a_server_without_status_is_understood(base: FaultServer) -> None:
    batch = submit(base)
    done, failed, _ = batch.job_ids
    base.unfinished -= {done, failed}
    base.failing[failed] = "This server does not say."
    assert batch.refresh()["status"].tolist() == ["completed", "failed", "running"]
    assert batch.get_num_jobs_remaining() == 1
    assert batch.get_completed_jobs()["job_id"].tolist() == [done, failed]
    assert batch.get_valid_completed_jobs()["job_id"].tolist() == [done]
    with pytest.raises(errors.UnknownJob):
        batch.get_job_summary_data("11111111-2222-4333-8444-555555555555")


def test_waiting_returns_as_soon_as_it_is_done(server: FaultServer) -> None:
    batch = submit(server)
    finish(server, batch.job_ids, after=0.5)
    started = time.monotonic()
    frame = batch.await_completion(timeout=30)
    assert time.monotonic() - started < 1.2
    assert frame["status"].tolist() == ["completed"] * 3
    # Nothing but the small summary is polled.
    assert server.count("GET", "/api/batch/") == server.count(
        "GET", f"/api/batch/{batch.batch_id}/summary/"
    )


def test_waiting_for_a_finished_batch_takes_one_look(server: FaultServer) -> None:
    batch = submit(server)
    server.unfinished.clear()
    started, before = time.monotonic(), len(server.requests)
    batch.await_completion(polling_interval=30)
    assert time.monotonic() - started < 5
    assert len(server.requests) - before == 1


def test_polls_grow_apart_unless_told_otherwise(base: FaultServer) -> None:
    batch = submit(base)
    with pytest.raises(errors.BatchTimeout):
        batch.await_completion(timeout=1.1)
    assert 3 <= base.count("GET", "/api/batch/") <= 7
    with pytest.raises(errors.BatchTimeout):
        batch.await_completion(polling_interval=0.02, timeout=0.4)
    assert base.count("GET", "/api/batch/") > 12


@pytest.mark.parametrize("fault", [None, hang(5)], ids=["running", "hanging"])
def test_a_timeout_fires_on_time_and_leaves_the_jobs_alone(base: FaultServer, fault: Any) -> None:
    batch = submit(base)
    if fault is not None:
        base.fail("GET", "/api/batch/", *[fault] * 9)
    started = time.monotonic()
    with pytest.raises(errors.BatchTimeout, match="3 of the jobs") as caught:
        batch.await_completion(polling_interval=60, timeout=0.6)
    assert 0.5 < time.monotonic() - started < 1.8
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.where == {"batch": batch.batch_id, "remaining": 3}
    base.faults.clear()
    base.unfinished.clear()
    assert len(batch.await_completion()) == 3


def test_a_timeout_of_days_is_kept_by_a_clock_that_nobody_sets(
    base: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submit(base)
    day, passed, monotonic = 86400.0, [0.0], time.monotonic
    monkeypatch.setattr(time, "sleep", lambda seconds: passed.append(passed.pop() + seconds))
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + passed[0])
    monkeypatch.setattr(time, "time", lambda: -1e9)
    before = base.count("GET", "/api/batch/")
    with pytest.raises(errors.BatchTimeout, match="3 of the jobs"):
        batch.await_completion(polling_interval=7200.0, timeout=2.5 * day)
    assert 2.5 * day - 5 < passed[0] <= 2.5 * day
    assert base.count("GET", "/api/batch/") - before == 31


def test_waiting_survives_a_restart(base: FaultServer) -> None:
    batch = submit(base)

    def restart() -> None:
        base.stop()
        time.sleep(0.8)
        base.unfinished.clear()
        base.start()

    batch.origin.rest._http.close()
    threading.Timer(0.3, restart).start()
    base.fail("GET", "/api/batch/", drop, drop, answer(502, {}), answer(500, {"detail": "Oops."}))
    assert len(batch.await_completion(timeout=30)) == 3


def test_a_wrong_token_ends_the_waiting(base: FaultServer) -> None:
    batch = submit(base)
    base.tokens.clear()
    with pytest.raises(errors.AuthenticationError):
        batch.await_completion(timeout=30)


def test_failures_are_said_with_their_reasons(extended: FaultServer) -> None:
    batch = submit(extended)
    extended.unfinished.clear()
    for job in batch.job_ids[:2]:
        extended.failing[job] = "The renderer died."
    with pytest.warns(UserWarning, match=r"2 of 3 jobs failed: The renderer died\. \(2 x\)"):
        frame = batch.await_completion()
    assert frame["job_id"].tolist() == batch.job_ids[2:]
    assert batch.frame["error"].tolist()[:2] == ["The renderer died."] * 2


def test_progress_shows_failures_and_what_the_server_is_busy_with(
    extended: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = submit(extended)
    extended.unfinished.remove(batch.job_ids[0])
    extended.failing[batch.job_ids[0]] = "The renderer died."
    extended.message = "compiling the renderer"
    finish(extended, batch.job_ids, after=1.0)
    with pytest.warns(UserWarning, match="1 of 3"):
        batch.await_completion()
    shown = capsys.readouterr().err
    assert re.search(r"1 of 3 jobs, 1 failed, compiling the renderer", shown)
    assert shown.count("\n") <= 3, "in a log, a line now and then"
    assert TOKEN not in shown


def test_a_quick_wait_shows_no_bar(base: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    batch = submit(base)
    base.unfinished.clear()
    batch.await_completion()
    assert capsys.readouterr().err.strip() == ""


def test_rows_of_several_batches_are_waited_for_together(server: FaultServer) -> None:
    first, second = submit(server, 2), submit(server, 3)
    rows = pd.concat([first.frame, second.frame.tail(1)], ignore_index=True)
    finish(server, [*first.job_ids, second.job_ids[2]], after=0.3)
    done = await_frame(rows, first.session, timeout=20)
    assert done["status"].tolist() == ["completed"] * 3
    assert done["job_id"].tolist() == rows["job_id"].tolist()
    assert context(done) == context(first.frame)
    assert second.get_num_jobs_remaining() == 2  # not asked for, not waited for
    with pytest.raises(errors.FrameError, match="2 batches"):
        batch_of(rows, first.session)
    assert batch_of(rows.tail(1), first.session).batch_id == second.batch_id


def test_rows_keep_their_index_order_and_own_columns(server: FaultServer) -> None:
    batch = submit(server)
    rows = batch.frame.sort_values("num_reps", ascending=False).set_index("tag_fold")
    rows["mine"] = [1.5, 2.5, 3.5]
    server.unfinished.clear()
    fresh = refresh_frame(rows, batch.session)
    assert fresh.index.tolist() == ["a"] * 3
    assert fresh["num_reps"].tolist() == [3, 2, 1]
    assert fresh["mine"].tolist() == [1.5, 2.5, 3.5]
    assert fresh["status"].tolist() == ["completed"] * 3


def test_round_trips_keep_the_verbs_working(server: FaultServer, tmp_path: Path) -> None:
    batch = submit(server)
    server.unfinished.clear()
    batch.frame.to_parquet(tmp_path / "b.parquet")
    batch.frame.to_csv(tmp_path / "b.csv", index=False)
    with duckdb.connect() as con:
        con.register("b", batch.frame)
        queried = con.sql("SELECT batch_id, job_id, generator, status FROM b").df()
    for back in (
        pd.read_parquet(tmp_path / "b.parquet"),
        pd.read_csv(tmp_path / "b.csv"),
        queried,
    ):
        fresh = refresh_frame(back, batch.session)
        BATCH.schema.validate(fresh)
        assert fresh["status"].tolist() == ["completed"] * 3
        assert await_frame(back, batch.session)["job_id"].tolist() == batch.job_ids


def test_a_frame_that_lost_what_a_verb_needs_is_told_so(base: FaultServer) -> None:
    batch = submit(base)
    with pytest.raises(errors.FrameError, match="job_id"):
        refresh_frame(batch.frame.drop(columns="job_id"), batch.session)
    with pytest.raises(errors.FrameError, match="status"):
        retry(batch.frame.drop(columns="status"), batch.session)


def test_no_rows_is_no_error(base: FaultServer, tmp_path: Path) -> None:
    batch = submit(base)
    none = batch.get_valid_completed_jobs()
    assert none.empty
    assert await_frame(none, batch.session).empty
    assert refresh_frame(none, batch.session).columns.tolist() == none.columns.tolist()
    results = download_frame(none, tmp_path, batch.session)
    RESULTS.schema.validate(results)
    assert results.empty


def test_cancelling(extended: FaultServer) -> None:
    batch = submit(extended)
    extended.unfinished.remove(batch.job_ids[0])
    with pytest.raises(errors.FrameError, match="1 unfinished jobs that are not in this frame"):
        cancel_frame(batch.frame.head(2), batch.session)
    assert batch.refresh()["status"].tolist() == ["completed", "running", "running"]
    assert batch.cancel()["status"].tolist() == ["completed", "cancelled", "cancelled"]
    assert batch.cancel()["status"].tolist() == ["completed", "cancelled", "cancelled"]
    assert len(batch.await_completion()) == 1


def test_a_server_that_cannot_cancel_is_not_asked(base: FaultServer) -> None:
    batch = submit(base)
    with pytest.raises(errors.RequestRejected, match="cannot cancel"):
        batch.cancel()
    assert base.count("POST") == 1


def test_jobs_are_run_again_with_their_state_or_with_fresh_seeds(extended: FaultServer) -> None:
    batch = submit(extended)
    assert isinstance(batch.session, Session)
    extended.unfinished.clear()
    extended.failing[batch.job_ids[1]] = "The renderer died."
    frame = batch.refresh()
    same = seeded(frame, batch.session)
    assert same["state"].tolist() == batch.job_ids
    assert same["num_reps"].tolist() == [1, 2, 3]
    assert same["tag_fold"].tolist() == ["a"] * 3
    assert "job_id" not in same.columns
    assert batch.session.submit(same).frame["state"].tolist() == batch.job_ids
    anew = retry(frame, batch.session)
    assert anew["num_reps"].tolist() == [2]
    assert "state" not in anew.columns or anew["state"].isna().all()
    assert batch.session.submit(anew).num_jobs == 1


def test_a_large_batch_is_polled_cheaply(base: FaultServer) -> None:
    session = Session(token=TOKEN, server=base.url)
    batch = session.submit([{"num_reps": n % 20 + 1} for n in range(2000)])
    base.unfinished.clear()
    started = time.monotonic()
    assert len(batch.await_completion()) == 2000
    assert time.monotonic() - started < 3
    assert base.count("GET", "/api/batch/") == 1
