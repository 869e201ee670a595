"""Results as PyTorch datasets. PyTorch is installed for `make peers` only."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from pathlib import Path

import label_factory
import numpy as np
import pandas as pd
import pytest
import vis_factory

from infinity_frames.data import read_results
from infinity_frames.io import video as videos
from infinity_frames.protocol.errors import ExtraNotInstalled, ResultsError

FRAMES = 3


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("torch") / "batch"
    for job in "abc":
        vis_factory.make_job(root / job, FRAMES)
    return read_results(root)


def test_without_torch_the_error_says_what_to_install(
    results: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "infinity_frames.data.torch_datasets", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExtraNotInstalled, match="pip install torch"):
        results.infinity.torch()


def test_items_are_pictures_and_targets(results: pd.DataFrame) -> None:
    torch = pytest.importorskip("torch")
    dataset = results.infinity.torch(("boxes", "keypoints", "masks"))
    assert len(dataset) == 3 * FRAMES
    assert dataset.categories == ["background", "person"]
    image, target = dataset[FRAMES + 1]
    assert image.shape == (3, vis_factory.HEIGHT, vis_factory.WIDTH)
    assert image.dtype == torch.uint8
    assert (target["job_id"], target["frame_number"]) == ("b", 1)
    x, y, width, height = vis_factory.box(1)
    assert target["boxes"].tolist() == [[x, y, x + width, y + height]]
    assert target["labels"].tolist() == [1]
    assert target["keypoints"].shape == (1, 17, 3)
    inside = target["masks"][0].bool()
    assert int(inside.sum()) == width * height
    assert image.float().mean(0)[inside].mean() > 150
    assert dataset[-1][1]["frame_number"] == FRAMES - 1
    with pytest.raises(IndexError):
        dataset[3 * FRAMES]


def test_a_video_is_decoded_once(results: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    reads: Counter[str] = Counter()
    read = videos.read_frames

    def counted(path):
        reads[str(path)] += 1
        return read(path)

    monkeypatch.setattr(videos, "read_frames", counted)
    dataset = results.infinity.torch()
    order = np.random.default_rng(0).permutation(len(dataset))
    for index in order:
        dataset[int(index)]
    assert sorted(reads.values()) == [1, 1, 1]
    stream = results.infinity.torch(streaming=True, shuffle=4)
    assert len(list(stream)) == 3 * FRAMES
    assert sorted(reads.values()) == [2, 2, 2]


def key(target: dict[str, object]) -> tuple[object, object]:
    return target["job_id"], target["frame_number"]


def test_streams_repeat_with_a_seed_and_cover_every_frame_with_workers(
    results: pd.DataFrame,
) -> None:
    torch = pytest.importorskip("torch")
    stream = results.infinity.torch(streaming=True, shuffle=4, seed=5)
    first = [key(target) for _, target in stream]
    assert first == [key(target) for _, target in stream]
    stream.set_epoch(1)
    assert first != [key(target) for _, target in stream]
    assert pickle.loads(pickle.dumps(stream)).categories == stream.categories
    for dataset in (stream, results.infinity.torch()):
        loader = torch.utils.data.DataLoader(dataset, batch_size=2, num_workers=2, collate_fn=list)
        seen = [key(target) for batch in loader for _, target in batch]
        assert sorted(seen) == [(job, frame) for job in "abc" for frame in range(FRAMES)]


def test_chosen_rows_sizes_and_transforms(results: pd.DataFrame) -> None:
    pytest.importorskip("torch")
    images = results.infinity.images()
    chosen = images[images["frame_number"] > 0].infinity.torch(
        size=64, stride=2, transform=lambda image, target: (image.shape, key(target))
    )
    assert list(map(chosen.__getitem__, range(len(chosen)))) == [
        ((3, 48, 64), (job, 1)) for job in "abc"
    ]
    with pytest.raises(ResultsError, match="Did you mean boxes"):
        results.infinity.torch("boxs")


def test_series_are_tensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    folder = tmp_path / "run" / "watch"
    label_factory.write_job(folder, {"frames_per_second": 20}, None)
    rows = {"time": np.arange(6) / 20, "accel_x": np.arange(6), "phase": list("uuddud")}
    pd.DataFrame(rows).to_csv(folder / "data.csv")
    dataset = read_results(tmp_path / "run").infinity.torch(stride=2)
    values, parameters = dataset[0]
    assert dataset.columns == ["accel_x"]
    assert values.tolist() == [[0.0], [2.0], [4.0]]
    assert values.dtype == torch.float32
    assert parameters["frames_per_second"] == 20
