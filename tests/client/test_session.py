"""Sessions: what today's scripts do with one, and which one a frame belongs to."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from base_server import TEST_GENERATOR, TOKEN, UNLUCKY, BaseServer
from fault_server import FaultServer, answer, hang, lose_answer

import infinity_frames as inf
from infinity_frames.client import registry
from infinity_frames.client.registry import origin_for
from infinity_frames.protocol import errors
from infinity_frames.protocol.schemas import PARAMETERS, context

ALL = ("idempotency", "tags", "cancel", "account", "status", "batch_id")
NAME = TEST_GENERATOR.name


def dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


@pytest.fixture(params=[(), ALL], ids=["base", "extended"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(extensions=request.param) as running:
        yield running


@pytest.fixture
def extended() -> Iterator[FaultServer]:
    with FaultServer(extensions=ALL) as running:
        yield running


@pytest.fixture
def session(server: FaultServer) -> inf.Session:
    return inf.Session(token=TOKEN, server=server.url)


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "opened", [])
    for name in ("INFINITY_SERVER", "INFINITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_a_script_of_today(server: FaultServer, tmp_path: Path) -> None:
    sesh = inf.VisionFitSession(token=TOKEN, server=server.url)
    low = sesh.parameter_info["lighting_power"]["options"]["min"]
    jobs = [
        sesh.sample_input(exercise="UPPERCUT-LEFT", num_reps=1, lighting_power=low + 10.0 * k)
        for k in range(5)
    ]
    assert [job["lighting_power"] for job in jobs] == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert all(job["exercise"] == "UPPERCUT-LEFT" and job["num_reps"] == 1 for job in jobs)
    assert all(error is None for error in sesh.validate_job_params(jobs))
    assert sum(sesh.estimate_samples(jobs, is_preview=False)) == 50

    previews = sesh.submit(jobs, is_preview=True, batch_name="previews")
    assert previews.num_jobs == 5
    assert previews.job_params == jobs
    assert previews.get_batch_data()["name"] == "previews"
    one = previews.get_job_summary_data(job_id=previews.job_ids[3])
    assert one["id"] == previews.job_ids[3]
    assert previews.await_completion(timeout=3600)["job_id"].tolist() == previews.job_ids
    assert previews.get_num_jobs_remaining() == 0
    assert len(previews.get_valid_completed_jobs()) == 5
    assert previews.download(path=tmp_path / "previews")["job_id"].tolist() == previews.job_ids

    frame = pd.DataFrame.from_records(previews.job_params)
    frame["num_reps"] = [2.0, np.nan, 1.0, 4.0, 5.0]
    again = sesh.submit(dicts(frame), is_preview=True, batch_name="changed")
    assert [job["num_reps"] for job in again.job_params] == [2, 1, 1, 4, 5]

    rerun = previews.get_job_params_seeded_for_rerun()
    for job in rerun:
        job["image_height"] = 512
    videos = sesh.submit(rerun, is_preview=False, batch_name="videos")
    assert [job["state"] for job in videos.job_params] == previews.job_ids
    assert not videos.is_preview
    assert previews.job_params == jobs  # seeding took copies

    heights = [{"camera_height": v} for v in np.linspace(1, 2.5, 10)]
    swept = sesh.expand_overrides_across_each_preview_state(
        base_state_ids=previews.job_ids, override_params=heights
    )
    assert len(swept) == 50
    assert swept["state"].tolist() == [job for job in previews.job_ids for _ in range(10)]
    assert swept["camera_height"].tolist()[:10] == pytest.approx(list(np.linspace(1, 2.5, 10)))
    assert sesh.submit(swept, is_preview=True, batch_name="sweep").num_jobs == 50


def test_plots_name_the_units_that_the_generator_knows(
    extended: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = inf.Session(token=TOKEN, server=extended.url)
    jobs = session.sample(8, seed=1)
    plots = [axes.get_title(loc="left") for axes in jobs.infinity.visualize().figure.axes]
    assert "camera_height [m]" in plots
    assert "lighting_power" in plots, "it has none"
    axes = inf.vis.visualize_joint(jobs, "lighting_power", "camera_height").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lighting_power", "camera_height [m]")
    jobs.infinity.run(tmp_path / "run")

    # Later, no session is open: what was downloaded still says it.
    monkeypatch.setattr(registry, "opened", [])
    results = inf.read_results(tmp_path / "run", quiet=True)
    results["avg_percent_occlusion"] = np.arange(8.0)
    axes = inf.vis.visualize_effect(results, "camera_height", "avg_percent_occlusion").axes[0]
    assert axes.get_xlabel() == "camera_height [m]"
    assert axes.get_ylabel() == "avg_percent_occlusion [%]"
    plain = results.drop(columns="path")
    plain.attrs.clear()
    axes = inf.vis.visualize_effect(plain, "camera_height", "avg_percent_occlusion").axes[0]
    assert axes.get_xlabel() == "camera_height", "nobody knows"


def test_defaults_and_draws(session: inf.Session, server: FaultServer) -> None:
    assert session.default_job == TEST_GENERATOR.defaults
    session.default_job.clear()
    assert session.default_job == TEST_GENERATOR.defaults
    assert session.submit([{}]).job_params == [
        {name: value for name, value in TEST_GENERATOR.defaults.items() if value is not None}
    ]
    drawn = session.submit([{"num_reps": 2}] * 30, random_sample=True).frame
    assert set(drawn["num_reps"]) == {2}
    assert drawn["lighting_power"].nunique() > 20
    assert all(error is None for error in session.validate_job_params([session.random_job()]))
    assert session.sample(4, seed=1).equals(session.sample(4, seed=1))
    if server.extensions:  # only then the joint rule is known
        assert (drawn["trim_start_frac"] + drawn["trim_end_frac"] <= 0.9).all()


def test_what_a_generator_takes_is_a_frame(session: inf.Session) -> None:
    frame = session.parameters
    PARAMETERS.schema.validate(frame)
    assert frame.index.tolist() == [parameter.name for parameter in TEST_GENERATOR.parameters]
    assert frame.loc[["num_reps"]].iloc[0][["default", "min", "max"]].tolist() == [1, 1, 20]
    assert session.parameter_info["state"]["options"] == {}
    listed = inf.generators(token=TOKEN, server=session.server)
    assert listed[["name", "version"]].values.tolist() == [[NAME, "0.4.0"]]


def test_invalid_jobs_never_leave(session: inf.Session, server: FaultServer) -> None:
    before = len(server.requests)
    frame = session.jobs(pd.DataFrame({"num_reps": [1, 99], "typo": [1, None]}, index=["a", "b"]))
    with pytest.raises(errors.InvalidJobs) as caught:
        session.submit(frame)
    broken = caught.value.violations
    assert set(zip(broken["label"], broken["rule"], strict=True)) == {
        ("a", "unknown"),
        ("b", "max"),
    }
    texts = session.validate_job_params(frame)
    assert texts.index.tolist() == ["a", "b"]
    assert "typo" in texts["a"]
    assert "99" in texts["b"]
    with pytest.raises(errors.FrameError, match="no job"):
        session.submit([])
    assert len(server.requests) == before


def test_what_the_server_alone_knows_comes_back_in_the_frames_labels(
    session: inf.Session,
) -> None:
    frame = pd.DataFrame({"lighting_power": [UNLUCKY]}, index=["unlucky"])
    with pytest.raises(errors.InvalidJobs) as caught:
        session.submit(frame)
    assert caught.value.violations["label"].tolist() == ["unlucky"]


def test_an_estimate_stands_on_the_frames_index(session: inf.Session) -> None:
    estimate = session.estimate_samples(pd.DataFrame({"num_reps": [2, 3]}, index=[7, 9]))
    assert estimate.to_dict() == {7: 20, 9: 30}
    assert session.estimate_samples([{}] * 3, is_preview=True).tolist() == [1, 1, 1]
    assert session.estimate_samples([]).empty


def test_tags_go_where_they_are_understood_and_stay_with_us_anyhow(
    session: inf.Session, server: FaultServer
) -> None:
    batch = session.submit(pd.DataFrame({"num_reps": [1, 2], "tag_fold": ["a", None]}))
    assert batch.frame["tag_fold"].isna().tolist() == [False, True]
    sent = [r for r in server.requests if r[:2] == ("POST", "/api/batch/")][-1]
    runs = json.loads(sent[3])["job_runs"]
    assert [run.get("tags") for run in runs] == (
        [{"fold": "a"}, None] if server.extensions else [None, None]
    )
    assert all("tag_fold" not in run["param_values"] for run in runs)


def test_a_batch_is_taken_up_again_by_its_id(session: inf.Session) -> None:
    batch = session.submit(session.sample(3, seed=1), batch_name="n")
    again = session.batch_from_api(batch.batch_id)
    pd.testing.assert_frame_equal(again.frame, batch.refresh())
    with pytest.raises(errors.UnknownBatch):
        session.batch_from_api("11111111-2222-4333-8444-555555555555")


def test_reuse_finds_the_same_jobs_and_only_those(session: inf.Session) -> None:
    jobs = session.sample(3, seed=1)
    first = session.submit(jobs, batch_name="n")
    assert session.submit(jobs, batch_name="n", reuse=True).batch_id == first.batch_id
    assert session.submit(dicts(jobs), batch_name="n", reuse=True).batch_id == (first.batch_id)
    others: list[dict[str, Any]] = [
        {"jobs": jobs, "batch_name": "m"},
        {"jobs": jobs.head(2), "batch_name": "n"},
        {"jobs": jobs.assign(num_reps=3), "batch_name": "n"},
        {"jobs": jobs, "batch_name": "n", "is_preview": True},
    ]
    for other in others:
        made = session.submit(**other, reuse=True)
        assert made.batch_id != first.batch_id
        assert session.submit(**other, reuse=True).batch_id == made.batch_id
    unnamed = session.submit(jobs, reuse=True)
    assert session.submit(jobs, reuse=True).batch_id == unnamed.batch_id
    drawn = session.submit([{"num_reps": 4}], batch_name="r", random_sample=True, reuse=True)
    same = session.submit([{"num_reps": 4}], batch_name="r", random_sample=True, reuse=True)
    assert same.job_params == drawn.job_params


def test_a_cancelled_batch_is_not_used_again(extended: FaultServer) -> None:
    session = inf.Session(token=TOKEN, server=extended.url)
    extended.done = False
    first = session.submit([{}], batch_name="n")
    first.cancel()
    assert session.submit([{}], batch_name="n", reuse=True).batch_id != first.batch_id


def test_reuse_is_the_way_out_of_an_unknown_submission() -> None:
    with FaultServer() as server:
        session = inf.Session(token=TOKEN, server=server.url)
        server.fail("POST", "/api/batch/", lose_answer)
        with pytest.raises(errors.SubmissionUnknown):
            session.submit([{}], batch_name="n")
        assert session.submit([{}], batch_name="n", reuse=True).batch_id in server.batches
        assert len(server.batches) == 1


def test_bases_that_share_a_batch_take_two_requests(extended: FaultServer) -> None:
    session = inf.Session(token=TOKEN, server=extended.url)
    batch = session.submit([{"num_reps": n + 1} for n in range(12)])
    before = len(extended.requests)
    swept = session.expand_overrides_across_each_video_state(
        batch.job_ids[::-1], [{"camera_height": 1.0, "scene": "BEDROOM_2"}]
    )
    assert len(extended.requests) - before == 2
    assert swept["num_reps"].tolist() == list(range(12, 0, -1))
    assert set(swept["scene"]) == {"BEDROOM_2"}
    with pytest.raises(errors.UnknownJob, match="video_state"):
        session.expand_overrides_across_each_preview_state(batch.job_ids, [{"num_reps": 1}])


def test_bases_of_several_batches(session: inf.Session) -> None:
    first, second = session.submit([{"num_reps": 1}] * 2), session.submit([{"num_reps": 2}] * 2)
    swept = session.expand_overrides_across_each_video_state(
        [*first.job_ids, *second.job_ids], pd.DataFrame({"camera_height": [1.0, 2.0]})
    )
    assert swept["num_reps"].tolist() == [1] * 4 + [2] * 4


def test_what_the_account_has(session: inf.Session, server: FaultServer) -> None:
    batch = session.submit([{}], batch_name="n")
    listed = session.get_batches_last_n_days(1)
    assert listed[["batch_id", "batch_name"]].values.tolist() == [[batch.batch_id, "n"]]
    assert str(listed["created"].dtype) == "datetime64[us, UTC]"
    assert session.get_usage_stats_last_n_days(1).values.tolist() == [[NAME, 10, 1]]
    if server.extensions:
        assert session.account() == {"samples_remaining": 90, "samples_reserved": 10}
    else:
        with pytest.raises(errors.RequestRejected, match="does not report"):
            session.account()


def test_a_time_that_is_none_is_missing_and_said(session: inf.Session, server: FaultServer) -> None:
    listed = [{"id": "a", "created": "2026-01-02T03:04:05+00:00"}, {"id": "b", "created": 2026}]
    server.fail("GET", "/api/batch/", answer(200, listed))
    with pytest.warns(UserWarning, match="Invalid value 2026 for 'created' of b"):
        batches = session.get_batches_last_n_days(1)
    assert batches["created"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": None}, "names no known type"),
        ({"type": "date"}, "names no known type"),
        ({"options": [1]}, "no objects"),
        ({"options": {"min": "a"}}, "no numbers"),
        ({"options": {"choices": {"a": 1}}}, "no list"),
        ({"default_value": [1]}, "by default"),
        ({"name": "scene"}, "twice"),
    ],
)
def test_a_description_that_cannot_be_read_says_where(
    server: FaultServer, change: dict[str, object], said: str
) -> None:
    described = server.described(server.generators[NAME])
    described["params"][3] |= change
    server.fail("GET", f"/api/jobs/{NAME}/", answer(200, described))
    with pytest.raises(errors.SpecError, match=said):
        inf.Session(token=TOKEN, server=server.url)


def test_sampling_and_rules_that_cannot_be_read_are_left_to_the_server(
    extended: FaultServer,
) -> None:
    described = extended.described(extended.generators[NAME])
    described["params"][2]["sampling"] = {"distribution": "choice", "values": [1], "weights": [-1]}
    described["params"][4]["sampling"] = {"distribution": "uniform", "min": 2, "max": "x"}
    described["constraints"] += [
        {"terms": {"unheard_of": 1}, "max": 1},
        {"terms": {}, "max": 1},
        {"terms": {"scene": 1}, "max": 1},
        {"when": []},
        7,
    ]
    extended.fail("GET", f"/api/jobs/{NAME}/", answer(200, described))
    session = inf.Session(token=TOKEN, server=extended.url)
    assert len(session.constraints) == 1
    assert session.sample(20, seed=1).infinity.valid().all()


def test_an_empty_account_is_a_typed_frame(session: inf.Session, server: FaultServer) -> None:
    assert session.get_batches_last_n_days(1).columns.tolist() == [
        "batch_id",
        "batch_name",
        "created",
    ]
    server.fail("GET", "/api/job_runs/counts/", answer(200, {"counts_by_generator": {}}))
    assert session.get_usage_stats_last_n_days(1).empty


def test_a_misspelt_generator_is_told_its_like(server: FaultServer) -> None:
    with pytest.raises(errors.UnknownGenerator, match=f"Did you mean '{NAME}'"):
        inf.Session("visionfit-0.4.0", token=TOKEN, server=server.url)


def test_a_batch_that_comes_back_short_is_no_success(extended: FaultServer) -> None:
    session = inf.Session(token=TOKEN, server=extended.url)
    short = {"id": "b", "name": "n", "job_runs": [{"id": "j"}]}
    extended.fail("POST", "/api/batch/", answer(201, short))
    with pytest.raises(errors.ServerFault, match="2 jobs were sent"):
        session.submit([{}, {}])


# Which session a frame belongs to


def test_a_frame_finds_the_session_opened_for_it(session: inf.Session) -> None:
    assert origin_for(session.sample(1)) is session.origin
    assert origin_for(session.submit([{}]).frame.query("num_reps == 1")) is session.origin
    without = pd.DataFrame(session.submit([{}]).frame)
    without.attrs.clear()  # as SQL and CSV return it: the generator's column remains
    assert origin_for(without) is session.origin


def test_a_frame_without_context_says_how_to_get_one(session: inf.Session) -> None:
    with pytest.raises(errors.FrameError, match=r"session\.jobs\(frame\)"):
        origin_for(pd.DataFrame({"num_reps": [1]}))
    assert origin_for(session.jobs(pd.DataFrame({"num_reps": [1]}))) is session.origin
    assert origin_for(pd.DataFrame({"num_reps": [1]}), session) is session.origin


def test_a_strangers_file_never_decides_where_a_token_goes(
    session: inf.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BaseServer() as stranger:
        monkeypatch.setenv("INFINITY_TOKEN", TOKEN)
        frame = session.sample(2)
        frame.attrs["infinity"]["server"] = stranger.url
        frame.to_parquet(tmp_path / "jobs.parquet")
        read = pd.read_parquet(tmp_path / "jobs.parquet")
        assert context(read)["server"] == stranger.url
        with pytest.raises(errors.SessionError, match=stranger.url):
            origin_for(read)
        assert stranger.requests == []
        monkeypatch.setenv("INFINITY_SERVER", stranger.url + "/")
        assert origin_for(read).server == stranger.url  # named by the user, it is no stranger


def test_the_server_of_the_environment_is_opened_once(
    server: FaultServer, session: inf.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFINITY_SERVER", server.url)
    monkeypatch.setenv("INFINITY_TOKEN", TOKEN)
    frame = session.sample(1)
    before = server.count("GET", f"/api/jobs/{NAME}")
    assert origin_for(frame) is session.origin
    assert server.count("GET", f"/api/jobs/{NAME}") == before
    assert inf.Session().server == server.url


def test_two_tokens_for_one_server_must_be_told_apart(
    server: FaultServer, session: inf.Session
) -> None:
    server.tokens["another"] = "another account"
    frame = session.sample(1)
    other = inf.Session(token="another", server=server.url)
    with pytest.raises(errors.SessionError, match="session="):
        origin_for(frame)
    assert origin_for(frame, other) is other.origin
    del other
    gc.collect()
    with pytest.raises(errors.SessionError, match="session="):
        origin_for(frame)  # the frame might be of the session that nobody holds any more


def test_a_batch_frame_goes_to_the_session_that_has_its_batches(tmp_path: Path) -> None:
    with FaultServer() as one, FaultServer() as another:
        ours = inf.Session(token=TOKEN, server=one.url)
        batch = ours.sample(2, seed=1, tag_fold=range(2)).infinity.submit()
        theirs = inf.Session(token=TOKEN, server=another.url)
        merged = batch.merge(pd.DataFrame({"tag_fold": range(2), "weight": [1.0, 2.0]}))
        assert "server" not in context(merged)
        assert origin_for(merged) is ours.origin
        assert merged.infinity.await_completion()["weight"].tolist() == [1.0, 2.0]
        results = merged.infinity.download(tmp_path / "results", quiet=True)
        assert origin_for(results.merge(merged[["job_id", "weight"]])) is ours.origin
        with pytest.raises(errors.SessionError, match="session="):
            origin_for(merged.drop(columns="batch_id"))
        both = pd.concat([merged, theirs.submit([{}]).frame])
        both.attrs.clear()
        with pytest.raises(errors.SessionError, match="session="):
            origin_for(both)  # no session has all of these batches
        again = inf.Session(token=TOKEN, server=one.url)
        assert origin_for(merged) is again.origin, "the same account"


def test_a_closed_session_is_no_longer_chosen() -> None:
    with FaultServer() as one, FaultServer() as another:
        ours = inf.Session(token=TOKEN, server=one.url)
        frame = ours.sample(1)
        frame["generator"] = ours.generator
        frame.attrs.clear()
        with inf.Session(token=TOKEN, server=another.url) as theirs:
            with pytest.raises(errors.SessionError, match="session="):
                origin_for(frame)
            of_theirs = theirs.sample(1)
        assert origin_for(frame) is ours.origin
        with pytest.raises(errors.SessionError, match="no session"):
            origin_for(of_theirs)
        assert origin_for(of_theirs, theirs) is theirs.origin
        assert theirs.submit([{}]).num_jobs == 1, "its verbs still work"


def test_a_frame_keeps_its_session(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.tokens["another"] = "another account"
    monkeypatch.setenv("INFINITY_SERVER", server.url)
    monkeypatch.setenv("INFINITY_TOKEN", TOKEN)
    frame = inf.Session(token="another", server=server.url).sample(1)
    gc.collect()
    batch = frame.infinity.submit()
    theirs = inf.Session(token="another", server=server.url)
    assert theirs.batch_from_api(batch["batch_id"].iloc[0]).num_jobs == 1
    assert origin_for(frame) is theirs.origin  # opened again for the same account


def test_generators_are_kept_apart() -> None:
    other = replace(TEST_GENERATOR, name="spills-v0.1.0")
    with BaseServer(generators=(TEST_GENERATOR, other)) as server:
        vision = inf.Session(token=TOKEN, server=server.url)
        spills = inf.SpillsSession(token=TOKEN, server=server.url)
        assert origin_for(vision.sample(1)) is vision.origin
        assert origin_for(spills.sample(1)) is spills.origin
        mixed = pd.concat([vision.submit([{}]).frame, spills.submit([{}]).frame])
        with pytest.raises(errors.FrameError, match="several generators"):
            origin_for(mixed)
        with pytest.raises(errors.SessionError, match=r"spills-v0\.1\.0"):
            vision.batch_from_api(spills.submit([{}]).batch_id)


def test_sessions_of_a_generator_open_its_newest_version() -> None:
    names = ("sensefit-v0.9.0", "sensefit-v0.10.0", "spills-v0.1.0", "spills-v0.2.0")
    known = tuple(replace(TEST_GENERATOR, name=name) for name in names)
    with BaseServer(generators=known) as server:
        options: dict[str, Any] = {"token": TOKEN, "server": server.url}
        assert inf.SenseFitSession(**options).generator == "sensefit-v0.10.0"
        assert inf.SpillsSession(**options).generator == "spills-v0.2.0"
        assert inf.SpillsSession("spills-v0.1.0", **options).generator == "spills-v0.1.0"


def test_the_token_shows_nowhere(session: inf.Session, tmp_path: Path) -> None:
    batch = session.submit(session.sample(2), batch_name="n")
    batch.frame.to_parquet(tmp_path / "b.parquet")
    shown = repr([session, batch, session.rest, batch.frame.attrs, batch.frame.to_dict()])
    assert TOKEN not in shown
    assert TOKEN.encode() not in (tmp_path / "b.parquet").read_bytes()


def test_a_server_needs_a_real_address() -> None:
    with pytest.raises(errors.SessionError, match="address"):
        inf.Session(token=TOKEN, server="example")


# The embedded engine, its place taken by a server of the tests


@pytest.fixture
def engine(extended: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for start in ("start_engine", "restart_engine"):
        monkeypatch.setattr(f"infinity_frames.launcher.{start}", lambda: extended.url)
    monkeypatch.setattr("infinity_frames.launcher.read_token", lambda: "engine-own")
    # A stand-in has no secret of a home; tests/client/test_engine_proof.py tries the real proof.
    monkeypatch.setattr("infinity_frames.client.origin.EngineProof", lambda path: None)
    extended.tokens["engine-own"] = "owner"
    return extended


def last_token(server: FaultServer) -> str:
    return server.requests[-1][2]["authorization"]


def test_the_embedded_engine_is_the_default_and_named_so(engine: FaultServer) -> None:
    session = inf.Session()
    assert session.server == "embedded"
    assert last_token(engine) == "Token engine-own"
    assert context(session.sample(1)) == {"server": "embedded", "generator": NAME}
    frame = session.sample(1)
    assert origin_for(frame) is session.origin


def test_which_token_goes_to_the_engine(
    engine: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.tokens["from-the-environment"] = "somebody"
    monkeypatch.setenv("INFINITY_TOKEN", "from-the-environment")
    inf.generators()
    assert last_token(engine) == "Token from-the-environment"
    inf.generators(token=TOKEN)
    assert last_token(engine) == f"Token {TOKEN}"
    # With another server in the environment, the token there is that server's.
    monkeypatch.setenv("INFINITY_SERVER", "https://elsewhere.example")
    inf.generators(server="embedded")
    assert last_token(engine) == "Token engine-own"


def test_an_engine_that_restarted_on_another_port_is_found(
    engine: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = inf.Session().submit([{}])
    engine.stop()
    batch.origin.rest._http.close()
    engine.port = 0
    engine.start()
    assert batch.refresh()["status"].tolist() == ["completed"]


# Interrupting


WORK = {
    "open": ("GET", "/api/jobs/", hang(30), "open()"),
    "estimate": ("POST", "/api/batch/estimate/", hang(30), "open().estimate_samples([{}])"),
    "submit": ("POST", "/api/batch/", hang(30), "open().submit([{}])"),
    "pausing": ("POST", "/api/batch/", answer(429, {}, Retry_After="30"), "open().submit([{}])"),
    "waiting": ("GET", "/api/batch/", None, "open().submit([{}]).await_completion(30)"),
    "polling": ("GET", "/api/batch/", hang(30), "open().submit([{}]).await_completion()"),
}


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("work", WORK)
def test_ctrl_c_is_heard_within_a_second_and_leaves_all_in_order(work: str) -> None:
    method, path, fault, code = WORK[work]
    with FaultServer(extensions=("idempotency",), done=False) as server:
        if fault is not None:
            server.fail(method, path, fault)
        begin = f"import infinity_frames as inf; open = lambda: inf.Session(token={TOKEN!r}, "
        child = subprocess.Popen(
            [sys.executable, "-c", f"{begin}server={server.url!r}); {code}"],
            stderr=subprocess.PIPE,
        )
        while not any(r[0] == method and r[1].startswith(path) for r in list(server.requests)):
            assert child.poll() is None, child.communicate()
            time.sleep(0.02)
        time.sleep(0.3)
        started = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=10)
        assert time.monotonic() - started < 1
        last = said.rstrip().splitlines()[-1]
        assert last.startswith(b"KeyboardInterrupt")
        if work in ("waiting", "polling"):
            assert b"1 job of batch" in last
            assert b"batch_from_api(" in last
        server.faults.clear()
        # A script that was interrupted can continue: what was made exists once.
        made = 1 if work in ("waiting", "polling") else 0
        assert len(server.batches) == made
        assert len(inf.Session(token=TOKEN, server=server.url).estimate_samples([{}])) == 1


def test_a_name_without_version_is_the_newest_version(server: FaultServer) -> None:
    bare = NAME.rpartition("-v")[0]
    assert inf.Session(bare, token=TOKEN, server=server.url).generator == NAME
    names = [f"{bare}-v0.9.0", f"{bare}-v0.10.0", "other-v2.0.0"]
    server.fail("GET", "/api/jobs/", answer(200, [{"name": name} for name in names]))
    with pytest.raises(errors.UnknownGenerator, match=f"{bare}-v0.10.0"):
        inf.Session(bare, token=TOKEN, server=server.url)  # chosen; this server lacks it


def test_the_old_name_of_the_data_module_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    # A process that has imported the old name is not warned again.
    monkeypatch.delitem(sys.modules, "infinity_frames.results", raising=False)
    monkeypatch.delitem(vars(inf), "results", raising=False)
    with pytest.warns(DeprecationWarning, match="renamed to infinity_frames.data"):
        assert inf.results is inf.data
    assert inf.__version__
