"""The script of users of the list-of-dict client, with only its imports changed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import infinity_frames as inf
from infinity_frames.vis import visualize_job_params

SMALL = {"image_width": 128, "image_height": 128, "frame_rate": 6}


@pytest.fixture(scope="module")
def sesh(studio):
    return inf.VisionFitSession(token=studio.token, server=studio.url)


@pytest.fixture(scope="module")
def previews(sesh):
    low = sesh.parameter_info["lighting_power"]["options"]["min"]
    high = sesh.parameter_info["lighting_power"]["options"]["max"]
    job_params = [
        sesh.sample_input(
            exercise="UPPERCUT-LEFT", num_reps=1, lighting_power=low + (high - low) * k / 5, **SMALL
        )
        for k in range(1, 6)
    ]
    assert sum(sesh.estimate_samples(job_params, is_preview=True)) == len(job_params)
    batch = sesh.submit(job_params, is_preview=True, batch_name="lights")
    batch.await_completion(timeout=3600)
    return batch


def test_plain_dicts_defaults_and_random_samples(sesh):
    print(sesh.default_job)
    dicts = [{"exercise": "PUSHUP", **SMALL}, {"exercise": "SQUAT-BODYWEIGHT", **SMALL}]
    defaults = sesh.submit(dicts, is_preview=True, random_sample=False, batch_name="defaults")
    assert defaults.job_params[0]["camera_distance"] == sesh.default_job["camera_distance"]
    drawn = sesh.submit(dicts, is_preview=True, random_sample=True, batch_name="drawn")
    assert drawn.job_params[0]["exercise"] == "PUSHUP"
    assert drawn.job_params[0]["camera_distance"] != drawn.job_params[1]["camera_distance"]
    assert all(e is None for e in sesh.validate_job_params(drawn.job_params))
    assert sum(sesh.estimate_samples(dicts, is_preview=False)) > len(dicts)


def test_a_batch_answers_what_it_used_to(sesh, previews, tmp_path):
    assert previews.num_jobs == len(previews.job_ids) == len(previews.job_params) == 5
    assert previews.get_num_jobs_remaining() == 0
    assert previews.get_batch_data()["id"] == previews.batch_id
    summary = previews.get_job_summary_data(job_id=previews.job_ids[0])
    assert summary["in_progress"] is False
    assert len(previews.get_valid_completed_jobs()) == 5
    results = previews.download(path=str(tmp_path / "previews"))
    assert results["status"].eq("completed").all()
    for job_id in previews.job_ids:
        assert (tmp_path / "previews" / job_id / "video_preview.png").stat().st_size > 1000


def test_a_frame_changed_and_sent_back(sesh, previews):
    job_params = previews.job_params
    frame = pd.DataFrame.from_records(job_params)
    frame["num_reps"] = 1.0
    frame.loc[0, "camera_height"] = np.nan
    records = frame.to_dict("records")
    assert all(e is None for e in sesh.validate_job_params(records))
    again = sesh.submit(records, is_preview=True, batch_name="changed")
    assert again.job_params[0]["camera_height"] == sesh.default_job["camera_height"]
    assert {job["num_reps"] for job in again.job_params} == {1}
    assert isinstance(visualize_job_params(job_params), Figure)


def test_rerun_seeded_as_videos(sesh, previews, tmp_path):
    seeded = previews.get_job_params_seeded_for_rerun()
    for job in seeded:
        job["image_height"] = 160
    assert previews.job_params[0]["image_height"] == 128
    videos = sesh.submit(seeded[:2], is_preview=False, batch_name="videos")
    assert [job["state"] for job in videos.job_params] == previews.job_ids[:2]
    videos.await_completion(timeout=3600)
    results = videos.download(path=tmp_path / "videos")
    assert results["num_frames"].gt(3).all()
    assert previews.frame["seed"].tolist()[:2] == videos.frame["seed"].tolist()


def test_overrides_across_previews(sesh, previews):
    jobs = sesh.expand_overrides_across_each_preview_state(
        base_state_ids=previews.job_ids,
        override_params=[{"camera_height": v} for v in np.linspace(1, 2.5, 10)],
    )
    assert len(jobs) == 50
    assert all(e is None for e in sesh.validate_job_params(jobs))
    assert jobs.groupby("state").size().eq(10).all()
    assert jobs.loc[:9, "camera_height"].tolist() == pytest.approx(list(np.linspace(1, 2.5, 10)))
    assert jobs["lighting_power"].nunique() == 5


def test_a_batch_taken_up_again_in_a_new_process(studio, previews):
    script = f"""
        import infinity_frames as inf
        sesh = inf.VisionFitSession(server={studio.url!r})
        batch = sesh.batch_from_api({previews.batch_id!r})
        print(batch.num_jobs, batch.name, batch.get_num_jobs_remaining())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**studio.environment, "INFINITY_TOKEN": studio.token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["5", "lights", "0"], done.stderr
