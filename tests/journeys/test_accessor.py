"""Verbs on frames, on the real engine: what pandas does to a frame in between does not matter."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from engine_fixtures import EngineProcess

import infinity_frames as inf
from infinity_frames.protocol import errors
from infinity_frames.protocol.schemas import BATCH, RESULTS, VIOLATIONS, context


@pytest.fixture(scope="module")
def engine(tmp_path_factory, toys):
    made = EngineProcess(tmp_path_factory.mktemp("frames") / "home", toys)
    try:
        yield made.start("--workers", "2")
    finally:
        made.stop()


@pytest.fixture(scope="module")
def session(engine):
    return inf.Session("toy-v1.0.0", server=engine.url, token=engine.token)


@pytest.fixture(scope="module")
def batch(session):
    jobs = session.sample(6, seed=1, behaviour="work", kilobytes=1, seconds=0.0, tag_fold=range(6))
    return jobs.infinity.submit(name="six").infinity.await_completion(timeout=60)


@pytest.fixture
def results(batch, tmp_path):
    return batch.infinity.download(tmp_path / "six", quiet=True)


@pytest.mark.slow
def test_the_loop_in_one_chain(session, tmp_path):
    results = (
        session.sample(4, seed=2, behaviour="work", kilobytes=1, seconds=0.0)
        .query("size >= 0")
        .assign(tag_mine="x")
        .infinity.run(tmp_path / "run", name="chain", timeout=60)
    )
    RESULTS.schema.validate(results)
    assert results["status"].eq("completed").all()
    assert results["tag_mine"].eq("x").all()
    assert context(results)["generator"] == "toy-v1.0.0"
    answer = results.infinity.sql("SELECT count(*) AS n, max(size) AS size FROM jobs")
    assert answer["n"].tolist() == [4]
    assert answer["size"].iloc[0] == pytest.approx(results["size"].max())


def test_a_run_again(session, engine, tmp_path):
    jobs = session.sample(2, seed=9, behaviour="work", kilobytes=1, seconds=0.0)
    first = jobs.infinity.run(tmp_path / "again", name="again", timeout=60, reuse=True)
    again = jobs.infinity.run(tmp_path / "again", name="again", timeout=60, reuse=True)
    assert again["job_id"].tolist() == first["job_id"].tolist()
    before = len(session.get_batches_last_n_days(1))
    with pytest.raises(errors.DownloadError, match="reuse=True"):
        jobs.infinity.run(tmp_path / "again", name="again", timeout=60)
    assert len(session.get_batches_last_n_days(1)) == before  # refused before it cost anything


def test_the_same_parameters_with_fresh_randomness(session, results):
    for frame in (results, results.infinity.seeded()):
        fresh = frame.infinity.renew(3, seed=5)
        assert len(fresh) == 18
        assert fresh["random_seed"].nunique() == 18
        assert fresh["size"].tolist() == frame["size"].repeat(3).tolist()
        assert fresh.infinity.valid().all()
        assert frame.infinity.renew(3, seed=5).equals(fresh)
        with pytest.raises(errors.FrameError, match="copies"):
            frame.infinity.renew(0)


def test_jobs_verbs(session):
    jobs = session.jobs(
        pd.DataFrame({"frames": [2, 0, 5], "size": [1.0, 1.0, 9.0]}, index=["a", "b", "c"])
    )
    found = jobs.infinity.violations()
    VIOLATIONS.schema.validate(found)
    assert found["label"].tolist() == ["b", "c"]
    assert jobs.infinity.valid().tolist() == [True, False, False]
    good = jobs[jobs.infinity.valid()]
    assert good.infinity.validate()["frames"].dtype == "Int64"
    assert good.infinity.estimate().to_dict() == {"a": 2}
    assert good.infinity.estimate(preview=True).to_dict() == {"a": 1}
    assert good.infinity.fill()["behaviour"].tolist() == ["work"]
    assert good.infinity.fill(random=True, seed=1)["end"].notna().all()
    with pytest.raises(errors.InvalidJobs, match="job 1: frames is 0"):
        jobs.infinity.submit()
    assert len(jobs.infinity.visualize().axes) >= 1


def test_a_batch_frame_is_a_frame(batch):
    BATCH.schema.validate(batch)
    assert batch["status"].eq("completed").all()
    assert batch.infinity.batch.num_jobs == 6
    assert batch["samples"].eq(batch["frames"]).all()


def test_a_job_the_server_never_had_is_not_finished(batch):
    strange = batch.head(1).assign(job_id="00000000-0000-4000-8000-000000000000")
    with pytest.raises(errors.UnknownJob, match="00000000"):
        strange.infinity.await_completion(timeout=5)


def test_concat_of_two_batches_with_different_columns(session, batch, tmp_path):
    other = session.jobs([{"frames": 3, "tag_other": 1}]).infinity.submit(name="other")
    both = pd.concat([batch.head(2), other])
    done = both.infinity.await_completion(timeout=60)
    results = done.infinity.download(tmp_path / "both", quiet=True)
    assert results["job_id"].tolist() == both["job_id"].tolist()
    assert results["batch_id"].nunique() == 2
    again = inf.read_results(tmp_path / "both")
    assert len(again) == 7  # a batch's record has all of its jobs
    assert set(again["job_id"][again["path"].notna()]) == set(results["job_id"])


def test_a_batch_the_server_lost_does_not_keep_the_others_back(batch, tmp_path):
    nowhere = "00000000-0000-4000-8000-000000000000"
    lost = batch.tail(1).assign(batch_id=nowhere, job_id=nowhere.replace("4000", "4001"))
    with pytest.raises(
        errors.DownloadIncomplete, match="1 of 3 jobs could not be fetched"
    ) as caught:
        pd.concat([lost, batch.head(2)]).infinity.download(tmp_path / "some", quiet=True)
    assert caught.value.where["results"]["job_id"].tolist() == batch["job_id"].tolist()[:2]
    assert caught.value.where["failures"]["batch_id"].tolist() == [nowhere]
    with pytest.raises(errors.UnknownBatch):
        lost.infinity.download(tmp_path / "none", quiet=True)


def test_merge_with_a_frame_of_the_users_own(batch, tmp_path):
    mine = pd.DataFrame({"tag_fold": range(6), "weight": np.linspace(0, 1, 6)})
    merged = batch.merge(mine, on="tag_fold")
    assert merged.infinity.refresh()["weight"].tolist() == mine["weight"].tolist()
    results = merged.infinity.download(tmp_path / "merged", quiet=True)
    sums = results.merge(mine, on="tag_fold").infinity.sql("SELECT sum(weight) AS w FROM jobs")
    assert sums["w"].iloc[0] == pytest.approx(3.0)


def test_groupby_then_a_verb_per_group(batch):
    batch = batch.assign(half=[0, 0, 0, 1, 1, 1])
    waited = pd.concat(
        [group.infinity.await_completion(timeout=60) for _, group in batch.groupby("half")]
    )
    assert waited["job_id"].tolist() == batch["job_id"].tolist()


def test_a_parquet_round_trip_into_a_new_process(engine, session, batch, results, tmp_path):
    session.sample(3, seed=4, behaviour="work").to_parquet(tmp_path / "jobs.parquet")
    batch.to_parquet(tmp_path / "batch.parquet")
    results.to_parquet(tmp_path / "results.parquet")
    script = f"""
        import pandas as pd, infinity_frames as inf
        session = inf.Session("toy-v1.0.0", server={engine.url!r})
        folder = {str(tmp_path)!r}
        jobs = pd.read_parquet(folder + "/jobs.parquet")
        print(len(jobs.infinity.violations()), jobs.infinity.estimate().sum() > 0)
        batch = pd.read_parquet(folder + "/batch.parquet")
        print(batch.infinity.refresh().status.eq("completed").all(), len(batch.infinity.seeded()))
        results = pd.read_parquet(folder + "/results.parquet")
        print(results.infinity.sql("SELECT count(*) AS n FROM jobs").n[0])
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env={**engine.environment, "INFINITY_TOKEN": engine.token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["0", "True", "True", "6", "6"], done.stderr


def test_a_frame_from_csv_needs_its_context_back(session, tmp_path):
    session.sample(3, seed=4, behaviour="work").to_csv(tmp_path / "jobs.csv", index=False)
    loose = pd.read_csv(tmp_path / "jobs.csv")
    with pytest.raises(errors.FrameError, match=r"session\.jobs\(frame\)"):
        loose.infinity.validate()
    assert loose.infinity.validate(session=session)["state"].isna().all()
    assert session.jobs(loose).infinity.validate()["frames"].dtype == "Int64"


def test_a_strangers_parquet_gets_no_token(session, tmp_path, monkeypatch):
    jobs = session.sample(1, seed=0)
    jobs.attrs["infinity"] = {"server": "http://127.0.0.1:9", "generator": "toy-v1.0.0"}
    jobs.to_parquet(tmp_path / "strange.parquet")
    monkeypatch.setenv("INFINITY_TOKEN", "do-not-send-this")
    with pytest.raises(errors.SessionError, match=r"127\.0\.0\.1:9") as caught:
        pd.read_parquet(tmp_path / "strange.parquet").infinity.submit()
    assert "do-not-send-this" not in str(caught.value)


def test_again_and_differently(batch):
    again = batch.head(2).infinity.seeded()
    assert again["state"].tolist() == batch["job_id"].tolist()[:2]
    assert "job_id" not in again.columns
    repeated = again.infinity.submit(name="again").infinity.await_completion(timeout=60)
    assert repeated["seed"].tolist() == batch["seed"].tolist()[:2]
    swept = batch.head(2).infinity.sweep(size=[0.1, 0.2, 0.3])
    assert len(swept) == 6
    assert swept["tag_base"].nunique() == 2
    assert not len(swept.infinity.violations())


def test_failed_jobs_are_rows_and_can_be_retried(session, tmp_path):
    jobs = session.jobs([{"frames": 2}, {"behaviour": "refuse"}])
    submitted = jobs.infinity.submit(name="half")
    with pytest.warns(UserWarning, match="1 of 2 jobs failed: The toy will not"):
        done = submitted.infinity.await_completion(timeout=60)
    assert done["status"].tolist() == ["completed", "failed"]
    results = done.infinity.download(tmp_path / "half", quiet=True)
    assert results["status"].tolist() == ["completed", "failed"]
    assert "The toy will not" in results["error"].iloc[1]
    retry = done.infinity.retry()
    assert len(retry) == 1
    assert retry["behaviour"].tolist() == ["refuse"]


def test_a_submitted_frame_is_not_submitted_again_by_mistake(batch):
    for verb in ("submit", "validate", "estimate", "violations"):
        with pytest.raises(errors.FrameError, match="seeded"):
            getattr(batch.infinity, verb)()


def test_editors_and_terminals(batch):
    assert "await_completion" in dir(batch.infinity)
    assert hasattr(pd.DataFrame(), "infinity")
    assert "6 batch rows" in repr(batch.infinity)


def test_the_public_names():
    assert sorted(inf.__all__) == [
        "Batch",
        "Frame",
        "RetryPolicy",
        "SenseFitSession",
        "Session",
        "SpillsSession",
        "VisionFitSession",
        "database",
        "errors",
        "generators",
        "query",
        "read_results",
        "replay",
        "start_engine",
        "stop_engine",
    ]


def test_every_public_name_is_there_once_asked_for():
    assert set(inf.__all__) <= set(dir(inf))
    for name in inf.__all__:
        assert getattr(inf, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'Sesion'"):
        inf.Sesion  # noqa: B018


CLIENT = {
    "requests",
    "duckdb",
    "tqdm",
    "pandera",
    "infinity_frames.client.http",
    "infinity_frames.data",
}
DRAWING = {"cv2", "matplotlib", "seaborn", "av"}
RENDERING = {"numba", "scipy", "skimage"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("infinity_frames", CLIENT | DRAWING | RENDERING | {"fastapi", "sqlalchemy"}),
        ("infinity_frames.session", DRAWING | RENDERING | {"fastapi", "infinity_frames.engine"}),
        ("infinity_frames.engine.service.main", CLIENT | DRAWING | RENDERING),
        (
            "infinity_frames.engine.service.runners.worker",
            CLIENT | DRAWING | RENDERING | {"fastapi", "sqlalchemy"},
        ),
        ("infinity_frames.engine.generators.visionfit", CLIENT | DRAWING | RENDERING),
    ],
)
def test_importing_is_light(module, absent):
    code = f"import sys, {module}; print(*sorted({absent!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("", "")
