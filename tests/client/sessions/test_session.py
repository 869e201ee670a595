"""Sessions: describing, submitting and repeating jobs; the account; Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from base_server import TEST_GENERATOR, TOKEN, UNLUCKY
from fault_server import FaultServer, answer, hang, lose_answer

import infinity_frames as inf
from infinity_frames.client import registry
from infinity_frames.protocol import errors
from infinity_frames.protocol.schemas import PARAMETERS

NAME = TEST_GENERATOR.name


def dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


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
