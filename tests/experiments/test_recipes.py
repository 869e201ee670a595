"""recipe(), replay(), same_as() and cost() on rendered sprites."""

import pandas as pd
import pytest

import infinity_frames as inf
from infinity_frames.errors import FrameError, NoResults


def test_a_recipe_renders_the_same_bytes_in_another_home(sprites, pictures, tmp_path):
    results = inf.read_results(pictures, quiet=True).head(4)
    file = tmp_path / "recipe.parquet"
    made = results.infinity.recipe()
    assert made["random_seed"].notna().all()
    assert "state" not in made.columns
    made.to_parquet(file)
    again = inf.replay(file, tmp_path / "again", quiet=True)
    assert again["tag_recipe"].tolist() == results["job_id"].tolist()
    same = again.infinity.same_as(results)
    assert same.empty
    assert same.attrs["same_as"]["jobs"] == 4
    assert same.attrs["same_as"]["files"] >= 12
    changed = inf.replay(made.head(2), tmp_path / "other", quiet=True, noise=0.2)
    found = changed.infinity.same_as(results)
    assert set(found["job_id"]) == set(changed["job_id"])
    assert {"job.json", "video_preview.png"} <= set(found["file"])
    assert found.query("file == 'video_preview.png'")["difference"].str.contains("of 255").all()
    assert "labels.json" not in set(found["file"])  # noise moves no label


def test_videos_are_compared_frame_by_frame(sprites, tmp_path):
    jobs = sprites.sample(1, seed=3, frames=3, shape="STAR")
    one = jobs.infinity.run(tmp_path / "one")
    other = jobs.assign(x=jobs["x"] * 0.5).infinity.run(tmp_path / "other")
    other["tag_recipe"] = one["job_id"].to_numpy()
    found = one.infinity.same_as(other)
    videos = found[found["file"].str.endswith(".mp4")]
    assert videos["frame_number"].tolist() == [0, 1, 2]
    labels = found[found["file"].str.endswith("labels.json")]
    assert set(labels["frame_number"].dropna()) == {0, 1, 2}
    alone = one.infinity.same_as(other.drop(columns="tag_recipe"))
    assert alone["difference"].tolist() == ["has no counterpart in the other results"]


def test_the_cost_is_measured_on_this_server(sprites, pictures):
    jobs = sprites.sample(100, seed=9)
    found = jobs.infinity.cost(preview=True).iloc[0]
    assert found["samples"] == 100
    assert found["measured_samples"] >= 24
    assert 0 < found["minutes"] < 60
    size = sum(file.stat().st_size for file in pictures.rglob("*/*") if file.is_file())
    assert found["gigabytes"] == pytest.approx(100 / 24 * size / 1e9, rel=0.5)
    assert jobs.infinity.cost().loc[0, "samples"] == jobs["frames"].sum()


def test_wrong_recipes_are_explained(sprites, pictures, tmp_path):
    results = inf.read_results(pictures, quiet=True)
    with pytest.raises(FrameError, match="takes results, and these rows have no job_id"):
        sprites.sample(1, seed=1).infinity.recipe()
    with pytest.raises(FrameError, match="is no recipe: it lacks generator"):
        inf.replay(pd.DataFrame({"x": [1.0]}), tmp_path / "a")
    with pytest.raises(NoResults, match="cannot be read as a recipe"):
        inf.replay(tmp_path / "nothing.parquet", tmp_path / "a")
    recipe = results.head(2).infinity.recipe()
    with pytest.raises(FrameError, match="several kinds"):
        inf.replay(recipe.assign(is_preview=[True, False]), tmp_path / "a")
