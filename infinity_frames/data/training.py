"""Results as datasets of a training library, read from their folders without an export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from infinity_frames.data.exports import check_options
from infinity_frames.data.exports.base import DataSet
from infinity_frames.data.exports.choice import choose
from infinity_frames.data.exports.parts import plain_names
from infinity_frames.protocol.errors import ExtraNotInstalled

__all__ = ["torch_dataset"]


class _Tensors:
    """Not a format of files: it lets :func:`choose` find jobs, frames, objects and categories."""

    name = "torch"
    usage = ""
    takes_pictures = True
    takes_series = True

    def part_names(self, parts: Sequence[str]) -> dict[str, str]:
        """Return every part under its own name."""
        return plain_names(parts)

    def write(self, folder: Path, data: DataSet) -> None:
        """Nothing is written."""


def torch_dataset(
    frame: pd.DataFrame,
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
    """Read results as a PyTorch dataset; see ``.infinity.torch``.

    Raises
    ------
    ExtraNotInstalled
        PyTorch is not installed.
    ResultsError
        There is nothing to read, or a name is unknown.

    Examples
    --------
    >>> dataset = inf.data.torch_dataset(results, ("boxes", "masks"))  # doctest: +SKIP
    """
    check_options("png", stride, size)
    try:
        # PyTorch is not a dependency of the package.
        from infinity_frames.data import torch_datasets
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        raise ExtraNotInstalled(
            "PyTorch is not installed.", advice="Install it: pip install torch."
        ) from error
    data = choose(frame, _Tensors(), categories, path)
    data.stride = stride
    data.size = size if size is None or isinstance(size, int) else (size[0], size[1])
    return torch_datasets.make(
        data, labels, transform, streaming=streaming, shuffle=shuffle, seed=seed
    )
