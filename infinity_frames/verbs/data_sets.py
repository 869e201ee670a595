"""Verbs that make a data set for training: split, export, PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol.lazy import LazyModule

if TYPE_CHECKING:
    from infinity_frames import data
else:  # imported when a verb first needs it
    data = LazyModule("infinity_frames.data")

__all__ = ["DataSetVerbs"]


class DataSetVerbs:
    """Verbs that hand these rows to a training program."""

    _frame: pd.DataFrame

    def split(
        self,
        sizes: Mapping[str, float] | Sequence[float],
        by: str | Sequence[str] = (),
        seed: int = 0,
        stratify: str | Sequence[str] = (),
        exact: bool = False,
        *,
        path: str | Path | None = None,
    ) -> Frame:
        """Assign the jobs to parts, a column ``split``; related jobs get the same part.

        Jobs that have a part keep it, and further jobs do not change the parts of the others. Jobs
        before rendering get the column ``tag_split``, which returns with their results.

        Parameters
        ----------
        sizes : mapping of str to float, or sequence of float
            Shares: ``{"train": 0.8, "val": 0.1, "test": 0.1}``. Below a sum of 1 the rest of the
            jobs is left out.
        by : str or sequence of str
            Columns whose values must not occur in two parts, besides seeds, reruns and sweeps.
        seed : int
            Another seed gives other parts.
        stratify : str or sequence of str
            Columns whose values should be equally frequent in every part; implies `exact`.
        exact : bool
            Keep the shares as closely as possible, instead of within the chance of hashing.

        Examples
        --------
        >>> parts = results.infinity.split({"train": 0.5, "test": 0.5}, seed=1, exact=True)
        >>> sorted(parts["split"])
        ['test', 'train']
        """
        return as_frame(
            data.split(
                self._frame, sizes, by=by, stratify=stratify, seed=seed, exact=exact, path=path
            )
        )

    def export(
        self,
        path: str | Path,
        format: str = "coco",
        *,
        pictures: Literal["png", "jpg"] = "png",
        categories: str | Sequence[str] | None = None,
        stride: int = 1,
        size: int | tuple[int, int] | None = None,
        source: str | Path | None = None,
        quiet: bool = False,
    ) -> Frame:
        """Write these rows as a data set into the new folder `path`, divided by column ``split``.

        Rows of ``images()`` export just those frames, rows of ``annotations()`` just those objects.
        YOLO needs a part to validate on: ``.infinity.split({"train": 0.8, "val": 0.2})`` first;
        without it, validation uses the training pictures, and a warning says so.

        Parameters
        ----------
        path : path
            A folder that does not exist yet.
        format : str
            A name of ``infinity_frames.data.exports.FORMATS``, ``"yolo-pose"`` for example, or a
            format of another package.
        pictures : {"png", "jpg"}
            File format of the pictures.
        categories : str or sequence of str, optional
            The only categories to export, in the order of their class numbers.
        stride : int
            Take every n-th frame.
        size : int or (int, int), optional
            Longer side, or width and height, of the pictures in pixels.
        source : path, optional
            The folder the results are in now, if they were moved.
        quiet : bool
            No progress bar.

        Returns
        -------
        Frame
            The labels that were left out, with counts; empty if none were.

        Examples
        --------
        >>> results.infinity.export("dataset", "coco", pictures="jpg", stride=5, quiet=True)
        """
        losses = data.export(
            self._frame,
            path,
            format,
            pictures=pictures,
            categories=categories,
            stride=stride,
            size=size,
            source=source,
            quiet=quiet,
        )
        return as_frame(losses)

    def torch(
        self,
        labels: str | Sequence[str] = ("boxes",),
        transform: Callable[..., Any] | None = None,
        *,
        streaming: bool = False,
        shuffle: int = 0,
        seed: int = 0,
        categories: str | Sequence[str] | None = None,
        stride: int = 1,
        size: int | tuple[int, int] | None = None,
        path: str | Path | None = None,
    ) -> Any:
        """Read these rows as a PyTorch dataset, straight from the videos.

        An item is a uint8 picture (3, height, width) and a dict of targets as torchvision's
        detection models take them: ``labels`` (class numbers from 1), ``boxes`` (n, 4) as x1, y1,
        x2, y2 in pixels, ``keypoints`` (n, 17, 3), ``masks`` (n, height, width), ``job_id`` and
        ``frame_number``. Of sensor series an item is a float32 tensor (samples, columns) and the
        job's parameters. Rows without a part in the column ``split`` are left out; filter by it.

        Parameters
        ----------
        labels : str or sequence of str
            The targets: ``"boxes"``, ``"keypoints"``, ``"masks"``.
        transform : callable, optional
            ``transform(picture, targets)`` makes the item, as transforms of torchvision do.
        streaming : bool
            An iterable dataset: each video is decoded once per epoch by one of the workers. Else a
            map-style dataset, whose workers keep decoded videos in memory.
        shuffle : int
            With `streaming`: frames in the buffer from which the next is drawn; 0 keeps the order.
        seed : int
            With `streaming`: the same seed and ``set_epoch`` repeat the order.
        categories, stride, size
            As for :meth:`export`.
        path : path, optional
            The folder the results are in now, if they were moved.

        Raises
        ------
        ExtraNotInstalled
            PyTorch is not installed; it is not a dependency of this package.

        Examples
        --------
        >>> train = parts[parts.split == "train"]  # doctest: +SKIP
        >>> dataset = train.infinity.torch(("boxes", "masks"), size=320)  # doctest: +SKIP
        >>> DataLoader(dataset, batch_size=8, num_workers=2, collate_fn=list)  # doctest: +SKIP
        """
        return data.torch_dataset(
            self._frame,
            labels,
            transform,
            streaming=streaming,
            shuffle=shuffle,
            seed=seed,
            categories=categories,
            stride=stride,
            size=size,
            path=path,
        )
