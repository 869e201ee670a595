"""Results as PyTorch datasets. Import this module only where PyTorch is installed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from infinity_frames.data.exports.base import DataSet, Job, is_series
from infinity_frames.data.exports.samples import Sample, load, samples, series
from infinity_frames.data.labels import COCO_KEYPOINTS, open_labels
from infinity_frames.data.rle import decode_outline
from infinity_frames.protocol.errors import MediaError, ResultsError, nearest

__all__ = ["FrameDataset", "FrameStream", "SeriesDataset", "make"]

LABELS = ("boxes", "keypoints", "masks")
Target = dict[str, Any]
Transform = Callable[[torch.Tensor, Target], Any]
_CACHE_BYTES = 512 * 1024**2


def make(
    data: DataSet,
    labels: str | Sequence[str],
    transform: Transform | None,
    *,
    streaming: bool,
    shuffle: int,
    seed: int,
) -> Dataset[Any]:
    """Build the dataset that fits the jobs; see ``data.torch``."""
    wanted = (labels,) if isinstance(labels, str) else tuple(labels)
    for name in wanted:
        if name not in LABELS:
            raise ResultsError(f"Unknown labels {name!r}.", advice=nearest(str(name), LABELS))
    if all(is_series(job.files) for job in data.jobs):
        return SeriesDataset(data, transform)
    if streaming:
        return FrameStream(data, wanted, transform, shuffle=shuffle, seed=seed)
    return FrameDataset(data, wanted, transform)


class _Frames:
    """What both datasets of frames share: the jobs, and tensors of a frame."""

    def __init__(self, data: DataSet, wanted: Sequence[str], transform: Transform | None) -> None:
        self._data = data
        data.advance = _nothing  # workers need a dataset that can be pickled
        self._wanted = tuple(wanted)
        self.transform = transform
        self.categories = ["background", *data.names]
        """Names of the classes by their numbers."""
        self.jobs = data.table
        """A row per job with its parameters."""

    def _item(self, sample: Sample) -> Any:
        image = torch.from_numpy(np.ascontiguousarray(sample.picture)).permute(2, 0, 1).contiguous()
        target = _target(sample, self._wanted)
        return (image, target) if self.transform is None else self.transform(image, target)


class FrameDataset(_Frames, Dataset[Any]):  # type: ignore[misc]
    """Map-style: ``dataset[i]`` is a picture and its labels.

    A worker decodes a video once and keeps its frames as long as they fit into the memory that is
    set aside for them; batches that hold frames of few videos are the fastest.
    """

    def __init__(
        self,
        data: DataSet,
        wanted: Sequence[str],
        transform: Transform | None,
        cache_bytes: int = _CACHE_BYTES,
    ) -> None:
        _Frames.__init__(self, data, wanted, transform)
        self._cache_bytes = cache_bytes
        self._decoded: OrderedDict[int, list[Sample]] = OrderedDict()
        counts = [_frame_count(job, data) for job in data.jobs]
        self._ends = np.cumsum([0, *counts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index = index % len(self)
        number = int(np.searchsorted(self._ends, index, side="right")) - 1
        return self._item(self._samples(number)[index - int(self._ends[number])])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_decoded": OrderedDict()}

    def _samples(self, number: int) -> list[Sample]:
        if number in self._decoded:
            self._decoded.move_to_end(number)
            return self._decoded[number]
        decoded = list(_samples(self._data.jobs[number], self._data))
        expected = int(self._ends[number + 1] - self._ends[number])
        if len(decoded) != expected:
            job = self._data.jobs[number].job_id
            raise MediaError(
                f"Job {job} has pictures of {len(decoded)} of its {expected} frames.",
                advice="Download it again, or leave it out.",
                job=job,
            )
        self._decoded[number] = decoded
        while len(self._decoded) > 1 and self._size() > self._cache_bytes:
            self._decoded.popitem(last=False)
        return decoded

    def _size(self) -> int:
        return sum(s.picture.nbytes for decoded in self._decoded.values() for s in decoded)


class FrameStream(_Frames, IterableDataset[Any]):  # type: ignore[misc]
    """Streaming: every video is decoded once per epoch, by one of the workers.

    With `shuffle`, the videos come in random order and frames leave a buffer of that many frames in
    random order. ``set_epoch`` changes the order; the same seed and epoch repeat it.
    """

    def __init__(
        self,
        data: DataSet,
        wanted: Sequence[str],
        transform: Transform | None,
        *,
        shuffle: int,
        seed: int,
    ) -> None:
        _Frames.__init__(self, data, wanted, transform)
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Use another order of videos and frames."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        place, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        order = np.arange(len(self._data.jobs))
        if self._shuffle:
            np.random.default_rng([self._seed, self._epoch]).shuffle(order)
        rng = np.random.default_rng([self._seed, self._epoch, place])
        mine = (self._data.jobs[number] for number in order[place::count])
        frames = (sample for job in mine for sample in _samples(job, self._data))
        for sample in _shuffled(frames, self._shuffle, rng):
            yield self._item(sample)


class SeriesDataset(Dataset[Any]):  # type: ignore[misc]
    """Sensor series: ``dataset[i]`` is a float32 tensor (samples, columns) and the parameters."""

    def __init__(self, data: DataSet, transform: Transform | None) -> None:
        data.advance = _nothing
        self._data, self.transform = data, transform
        self.jobs = data.table
        self.columns: list[str] = []
        """Names of the tensor's columns."""
        for job in data.jobs[:1]:
            table = series(job, data)
            if table is not None:
                kinds = table.to_pandas().select_dtypes("number")
                self.columns = [name for name in kinds.columns if name not in ("sample", "time")]

    def __len__(self) -> int:
        return len(self._data.jobs)

    def __getitem__(self, index: int) -> Any:
        job = self._data.jobs[index]
        table = series(job, self._data)
        if table is None:
            raise MediaError(f"Job {job.job_id} has no sensor series.", job=job.job_id)
        values = table.to_pandas()[self.columns].to_numpy("float32")[:: self._data.stride]
        item = torch.from_numpy(np.ascontiguousarray(values)), dict(job.parameters)
        return item if self.transform is None else self.transform(*item)


def _nothing() -> None:
    return None


def _samples(job: Job, data: DataSet) -> Iterator[Sample]:
    labels = load(job, data)
    return iter(()) if labels is None else samples(job, labels, data)


def _frame_count(job: Job, data: DataSet) -> int:
    """Return the number of chosen frames of a job, by its labels; nothing is decoded."""
    if job.files.labels is None:
        return 0
    labels, _ = open_labels(job.files.labels, job.job_id)
    if labels is None:
        return 0
    wanted = None if data.frames is None else data.frames.get(job.job_id, set())
    numbers = [n for n in labels.frame_numbers if wanted is None or n in wanted]
    return -(-len(numbers) // data.stride)


def _shuffled(frames: Iterator[Sample], size: int, rng: np.random.Generator) -> Iterator[Sample]:
    """Yield frames in the order in which they leave a buffer at random."""
    buffer: list[Sample] = []
    for sample in frames:
        if len(buffer) < size:
            buffer.append(sample)
            continue
        if size:
            place = int(rng.integers(size))
            buffer[place], sample = sample, buffer[place]
        yield sample
    rng.shuffle(buffer)
    yield from buffer


def _target(sample: Sample, wanted: Sequence[str]) -> Target:
    """Return labels of a frame as torchvision's detection models take them."""
    kept = [
        (number, annotation)
        for number, annotation in sample.objects
        if annotation.get("bbox") and min(annotation["bbox"][2:]) > 0
    ]
    boxes = np.array([a["bbox"] for _, a in kept], "float32").reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    target: Target = {
        "job_id": sample.job.job_id,
        "frame_number": sample.number,
        "labels": torch.tensor([number + 1 for number, _ in kept], dtype=torch.int64),
    }
    makers: Mapping[str, Callable[[], np.ndarray[Any, Any]]] = {
        "boxes": lambda: boxes,
        "keypoints": partial(_keypoints, kept),
        "masks": partial(_masks, kept, sample),
    }
    target.update((name, torch.from_numpy(makers[name]())) for name in wanted)
    return target


def _keypoints(kept: Sequence[tuple[int, Mapping[str, Any]]]) -> np.ndarray[Any, Any]:
    """(n, 17, 3) x, y in pixels and visibility; zeros where an object has no points."""
    out = np.zeros((len(kept), len(COCO_KEYPOINTS), 3), "float32")
    for row, (_, annotation) in enumerate(kept):
        flat = annotation.get("keypoints")
        if flat and len(flat) == out[row].size:
            out[row] = np.asarray(flat, "float32").reshape(-1, 3)
    return out


def _masks(kept: Sequence[tuple[int, Mapping[str, Any]]], sample: Sample) -> np.ndarray[Any, Any]:
    """(n, height, width) uint8: 1 at the visible pixels of an object."""
    out = np.zeros((len(kept), sample.height, sample.width), "uint8")
    for row, (_, annotation) in enumerate(kept):
        if annotation.get("segmentation"):
            out[row] = decode_outline(annotation["segmentation"], sample.height, sample.width)
    return out
