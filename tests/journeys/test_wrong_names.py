"""Wrong names of verbs, arguments, columns and folders: the error names the right one."""

from __future__ import annotations

import pandas as pd
import pytest
from engine_fixtures import EngineProcess

import infinity_frames as inf
from infinity_frames import errors
from infinity_frames.generators import Parameter, Spec
from infinity_frames.protocol.errors import nearest, similar


@pytest.fixture(scope="module")
def session(tmp_path_factory, toys):
    engine = EngineProcess(tmp_path_factory.mktemp("names") / "home", toys)
    try:
        engine.start("--workers", "1")
        yield inf.Session("toy-v1.0.0", server=engine.url, token=engine.token)
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def batch(session):
    jobs = session.jobs([{"frames": 1}, {"frames": 2}])
    return jobs.infinity.submit(name="two").infinity.await_completion(timeout=60)


@pytest.fixture(scope="module")
def results(batch, tmp_path_factory):
    return batch.infinity.download(tmp_path_factory.mktemp("two") / "two", quiet=True)


def test_a_wrong_public_name_suggests_the_right_one():
    with pytest.raises(AttributeError, match=r"Did you mean infinity_frames\.errors\.NoResults\?"):
        _ = inf.NoResults
    with pytest.raises(AttributeError, match="Did you mean read_results"):
        _ = inf.load_results
    with pytest.raises(AttributeError, match=r"no attribute 'xyzzy'\.$"):
        _ = inf.xyzzy


def test_similar_names_share_a_word_or_the_spelling():
    known = ["avatar_identity", "outfit", "camera_height"]
    assert similar("avatar", known) == ["avatar_identity"]
    assert similar("outfi", known) == ["outfit"]
    assert similar("zzz", known) == similar("", known) == similar("_", known) == []
    assert similar("zzz", []) == []
    assert nearest("height", known) == "Did you mean camera_height?"
    assert nearest("zzz", known) == "Available: avatar_identity, outfit, camera_height."


def test_a_wrong_column_to_split_by_is_named(results):
    with pytest.raises(errors.FrameError, match=r"no column 'siz' to split by\. Did you mean size"):
        results.infinity.split({"train": 0.5, "val": 0.5}, by="siz")
    with pytest.raises(errors.FrameError, match="no column 'statuss' to split by"):
        results.infinity.split({"train": 0.5, "val": 0.5}, stratify="statuss")


def test_a_dict_is_no_sweep(results):
    with pytest.raises(errors.FrameError, match=r"keywords: sweep\(camera_height=") as caught:
        results.infinity.sweep({"size": [0.1, 0.2]})
    assert "0.5" in str(caught.value)


def test_submitted_rows_have_no_cost(batch):
    with pytest.raises(errors.FrameError, match=r"cost\(\) takes jobs.*seeded"):
        batch.infinity.cost()


@pytest.mark.parametrize(
    ("below", "options"),
    [("below", {}), ("far/below", {"reuse": True, "name": "x"}), ("", {"append": True})],
)
def test_a_folder_that_cannot_be_made_is_found_before_anything_renders(
    session, tmp_path, below, options
):
    (tmp_path / "file").write_text("")
    before = len(session.get_batches_last_n_days(1))
    with pytest.raises(errors.DownloadError, match=r"file is a file\. Choose another folder"):
        session.sample(1, seed=1).infinity.run(tmp_path / "file" / below, **options)
    assert len(session.get_batches_last_n_days(1)) == before


def test_a_choice_that_is_none_lists_the_choices_or_examples():
    many = tuple(f"A_LONG_NAME_{number}" for number in range(30))
    few = ("RED", "BROWN", "WHITE", "BLUE", "GREEN", "BLACK", "PINK", "GRAY", "ORANGE")
    spec = Spec(
        name="toy-v1.0.0",
        version="1.0.0",
        parameters=(
            Parameter("color", "str", "RED", choices=few, description="Color."),
            Parameter("what", "str", many[0], choices=many, description="What."),
        ),
    )
    jobs = pd.DataFrame({"color": ["PURPLE"], "what": ["zzz"]})
    messages = inf.parameters.violations(spec, jobs)["message"].tolist()
    assert messages[0] == f"color is 'PURPLE'; it must be one of {', '.join(few)}"
    assert messages[1] == (
        "what is 'zzz'; it must be one of its 30 choices "
        "(A_LONG_NAME_0, A_LONG_NAME_1, A_LONG_NAME_2, ...)"
    )
    with pytest.raises(errors.FrameError, match=r"weights: color=\{'RED': 1, 'BLUE': 1\}"):
        inf.parameters.sample(spec, 3, fixed={"color": ["RED", "BLUE"]})


def test_cancelled_jobs_are_counted_when_failed_ones_are_retried(session):
    submitted = session.jobs([{"frames": 2}]).infinity.submit(name="stopped")
    rows = submitted.assign(status=pd.Series(["cancelled"], dtype=submitted["status"].dtype))
    with pytest.warns(UserWarning, match=r"1 cancelled job is not repeated.*seeded\(\)"):
        assert not len(rows.infinity.retry())
