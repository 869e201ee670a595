"""What a notebook needs of verbs: completion, ids in the index, own frames in SQL, growing data."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import vis_factory
from engine_fixtures import EngineProcess

import infinity_frames as inf
from infinity_frames.protocol import errors

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session(tmp_path_factory, toys):
    engine = EngineProcess(tmp_path_factory.mktemp("grow") / "home", toys)
    try:
        made = engine.start("--workers", "2")
        yield inf.Session("toy-v1.0.0", server=made.url, token=made.token)
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("notebook") / "batch"
    for number in range(3):
        vis_factory.make_job(root / f"job{number}", 2, camera_height=0.5 + number)
    return inf.read_results(root)


def test_a_data_set_grows_batch_by_batch(session, tmp_path: Path) -> None:
    work = {"behaviour": "work", "kilobytes": 1, "seconds": 0.0}
    first = session.sample(2, seed=1, **work).infinity.run(tmp_path / "all", append=True)
    more = session.sample(3, seed=2, **work).infinity.run(tmp_path / "all", append=True)
    assert (len(first), len(more)) == (2, 3)
    everything = inf.read_results(tmp_path / "all")
    assert set(everything["job_id"]) == {*first["job_id"], *more["job_id"]}
    inside = tmp_path / "all" / first["batch_id"].iloc[0]
    with pytest.raises(errors.DownloadError, match="no batch can be added"):
        session.sample(1, **work).infinity.run(inside, append=True)


def test_parameters_complete_in_sample_and_sweep(session) -> None:
    jobs = session.sample(2, seed=1)
    for method in (session.sample, session.sample_input, jobs.infinity.sweep):
        names = inspect.signature(method).parameters
        assert set(session.spec.by_name) <= set(names)
    completer = pytest.importorskip("IPython.core.completer")
    at_hand = {"session": session, "jobs": jobs, "verbs": jobs.infinity}
    # Jedi parses all of pandas for an attribute of a frame (20 s with an empty cache), so the
    # accessor is at hand under a name of its own.
    for jedi, verb in ((True, "verbs"), (False, "jobs.infinity")):
        found = completer.IPCompleter(namespace=at_hand, use_jedi=jedi)
        for text in ("session.sample(4, kilob", f"{verb}.sweep(kilob"):
            with completer.provisionalcompleter():
                offered = {item.text for item in found.completions(text, len(text))}
            assert "kilobytes=" in offered, (jedi, text, offered)
    assert session.sample.__doc__.startswith("Draw `n` sensible jobs")


def test_ids_in_the_index_work_in_every_verb(results: pd.DataFrame) -> None:
    indexed = results.set_index("job_id")
    assert len(indexed.infinity.images()) == 6
    assert indexed.infinity.show(k=1, path=Path(results["path"].iloc[0]).parent).axes
    assert indexed.infinity.sql("SELECT job_id FROM jobs")["job_id"].tolist() == list(
        results["job_id"]
    )
    frames = results.infinity.images().set_index(["job_id", "frame_number"])
    assert len(frames.infinity.annotations()) == 6
    assert frames.infinity.show(k=2).axes
    assert indexed.infinity.colors().empty


def test_sql_takes_frames_of_the_caller_by_name(results: pd.DataFrame) -> None:
    scores = pd.DataFrame({"job_id": results["job_id"], "iou": np.arange(3) / 10})
    assert len(scores) == 3
    query = "SELECT max(iou) AS best FROM jobs JOIN scores USING (job_id)"
    assert results.infinity.sql(query, tables=["scores"])["best"].tolist() == [0.2]
    assert results.infinity.sql(query, tables="scores")["best"].tolist() == [0.2]
    with pytest.raises(errors.FrameError, match="Did you mean scores"):
        results.infinity.sql(query, tables="score")
    with pytest.raises(errors.QueryError, match="tables="):
        results.infinity.sql(query)  # not by accident


def test_typos_and_frames_of_the_wrong_kind_say_what_to_do(results: pd.DataFrame) -> None:
    with pytest.raises(errors.FrameError, match="Did you mean camera_height"):
        results.infinity.split({"a": 0.5, "b": 0.5}, by="camera_hight")
    with pytest.raises(errors.FrameError, match="Did you mean annotation_id"):
        results.infinity.keypoints().infinity.wide(by="anotation_id")
    with pytest.raises(errors.FrameError, match="Invalid seed 'x'"):
        results.infinity.split({"a": 0.5, "b": 0.5}, seed="x")
    jobs = pd.DataFrame({"exercise": ["PUSHUP"]})
    for verb in ("await_completion", "refresh", "seeded", "masks"):
        with pytest.raises(errors.FrameError, match=r"infinity\.submit\(\)"):
            list(getattr(jobs.infinity, verb)())
    with pytest.raises(errors.FrameError, match="not rendered"):
        jobs.infinity.previews()
