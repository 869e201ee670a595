"""predict() over real videos."""

import numpy as np
import pandas as pd
import pytest
from vis_factory import make_job, picture

import infinity_frames as inf
from infinity_frames.errors import FrameError


@pytest.fixture
def results(tmp_path):
    for name, frames in (("a", 6), ("b", 4)):
        make_job(tmp_path / "batch" / name, frames)
    return inf.read_results(tmp_path / "batch", quiet=True)


def mean(pictures):
    return {"mean": pictures.mean((1, 2, 3))}


def test_every_frame_has_a_row_whatever_the_batch_size(results):
    found = results.infinity.predict(mean, batch_size=4, quiet=True)
    assert list(found.columns) == ["job_id", "frame_number", "mean"]
    assert found.groupby("job_id").size().to_dict() == {"a": 6, "b": 4}
    assert found["mean"][2] == pytest.approx(picture(2).mean(), abs=3)
    pd.testing.assert_frame_equal(found, results.infinity.predict(mean, batch_size=1, quiet=True))
    assert len(results.infinity.predict(mean, every=3, quiet=True)) == 4


def test_detections_are_rows_of_their_picture(results):
    def detect(pictures):
        return pd.DataFrame({"frame": [1, 0, 0], "score": [0.3, 0.1, 0.2]})

    found = results.infinity.predict(detect, batch_size=2, quiet=True)
    assert found["frame_number"].tolist()[:6] == [0, 0, 1, 2, 2, 3]
    assert found["score"].tolist()[:3] == [0.1, 0.2, 0.3]


def test_a_damaged_video_costs_one_job(results):
    with open(results["video"].iloc[0], "wb") as file:
        file.write(b"no video")
    with pytest.warns(UserWarning, match="1 of 2 jobs have no predictions: a"):
        found = results.infinity.predict(mean, quiet=True)
    assert set(found["job_id"]) == {"b"}


def test_a_model_that_raises_loses_no_finished_job(results):
    calls = []

    def fails_later(pictures):
        calls.append(len(pictures))
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return mean(pictures)

    with pytest.raises(RuntimeError, match="out of memory"):
        results.infinity.predict(fails_later, key="m1", quiet=True)
    found = results.infinity.predict(fails_later, key="m1", quiet=True)
    assert calls == [6, 4, 4]
    assert len(found) == 10
    results.infinity.predict(fails_later, key="m1", quiet=True)
    assert len(calls) == 3


def test_wrong_models_are_explained(results):
    with pytest.raises(FrameError, match="returned 2 rows for 6 pictures"):
        results.infinity.predict(lambda x: np.zeros(2), quiet=True)
    with pytest.raises(FrameError, match="a single value"):
        results.infinity.predict(lambda x: 3.0, quiet=True)
    with pytest.raises(FrameError, match="different lengths"):
        results.infinity.predict(lambda x: {"a": [1], "b": [1, 2]}, quiet=True)
