"""Results as the data sets that training tools read: COCO, YOLO, Parquet, Hugging Face."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pandas as pd

from infinity_frames.data.exports.card import write_card
from infinity_frames.data.exports.coco import write_coco
from infinity_frames.data.exports.huggingface import write_huggingface
from infinity_frames.data.exports.parquet import VIEWS, write_parquet
from infinity_frames.data.exports.samples import Job, Losses, by_split
from infinity_frames.data.exports.yolo import roles, write_yolo
from infinity_frames.data.frames import job_files, with_columns
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.splits import SPLIT
from infinity_frames.io.progress import progress
from infinity_frames.protocol.errors import ResultsError
from infinity_frames.protocol.schemas import Frame, as_frame

__all__ = ["FORMATS", "export"]

FORMATS: dict[str, str] = {
    "coco": "Lossless but for pictures: `annotations/*.json` load with pycocotools; outlines and "
    "every further label are as the jobs have them.",
    "yolo-detect": "`yolo detect train data=data.yaml`. Boxes only.",
    "yolo-pose": "`yolo pose train data=data.yaml`. Boxes and 17 points of people; v is 0 outside "
    "the picture, 1 hidden, 2 visible.",
    "yolo-segment": "`yolo segment train data=data.yaml`. A polygon per object, through the middle "
    "of the outermost pixels.",
    "parquet": f"The label tables, a file each. `duckdb -init {VIEWS}` in this folder shows them "
    "as views.",
    "huggingface": '`datasets.load_dataset("<this folder>")`. What has no column of its own is '
    "JSON in the columns `labels` and `scene`.",
}
"""What ``export`` writes, and how each is read."""

_KEPT = {
    "coco": "archives of masks (semantic, instances alone) stay with the jobs",
    "yolo": "everything but boxes, points or outlines stays with the jobs: ids, crowds, occlusion, "
    "3D labels, rep counts, cameras, masks",
    "huggingface": "archives of masks (semantic, instances alone) stay with the jobs",
}


def export(
    results: pd.DataFrame,
    path: str | Path,
    format: str = "coco",
    *,
    pictures: Literal["png", "jpg"] = "png",
    source: str | Path | None = None,
    quiet: bool = False,
) -> Frame:
    """Write results as a data set.

    A column ``split`` (see :func:`split`) divides it; rows where it is NA stay out. A README says
    what is in it and what the format leaves out. Outlines are never simplified.

    Parameters
    ----------
    results : DataFrame
        Results frame; jobs without results are passed over.
    path : path
        The data set's folder; it must not exist yet. It appears whole or not at all.
    format : {"coco", "yolo-detect", "yolo-pose", "yolo-segment", "parquet", "huggingface"}
        COCO: a JSON file per part, with pictures. YOLO: as Ultralytics reads it, which asks for
        parts ``train`` and ``val``: where there is no ``val`` it is ``test``, and of one part alone
        it is that part again, with a warning. Parquet: the label tables. Hugging Face: a folder for
        ``datasets``. ``"yolo"`` is ``"yolo-detect"``.
    pictures : {"png", "jpg"}
        How frames of videos are kept: PNG without loss, JPEG at quality 95.
    source : path, optional
        The folder the results are in now, if they were moved.
    quiet : bool
        No progress bar.

    Returns
    -------
    DataFrame
        What the format could not take: ``loss`` and how many (``count``); empty if nothing.

    Raises
    ------
    ResultsError
        There is no such format, the folder exists already, or there is nothing to export.

    Warns
    -----
    UserWarning
        YOLO would validate on the pictures it trains on: there is one part only.
    """
    name = "yolo-detect" if format == "yolo" else format
    target = Path(path).expanduser().absolute()
    _check(name, pictures, target)
    frame = with_columns(results)
    chosen = frame[frame[SPLIT].notna()] if SPLIT in frame.columns else frame
    files = job_files(chosen, path=source)
    jobs = _jobs(chosen, files)
    if not jobs:
        raise ResultsError(
            "There is nothing to export: none of these jobs has results.",
            advice="Download them first, or check the filter that made the frame.",
        )
    if name.startswith("yolo"):
        _warn_of_one_part(list(by_split(jobs)))
    losses: Losses = Losses()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid4().hex}.part")
    part.mkdir()
    try:
        if name == "parquet":
            write_parquet(part, chosen, files, losses)
        else:
            done = _written(part, jobs, name, pictures, losses)
            with progress(len(jobs), "export", delay=1.0, quiet=quiet) as bar:
                for _ in done:
                    bar.update()
            losses[_KEPT[name.partition("-")[0]]] += sum(
                name.startswith("yolo") or job.files.segmentation is not None for job in jobs
            )
        configs = {s: [f"data/{s}-*.parquet"] for s in by_split(jobs)}
        front = configs if name == "huggingface" else {}
        write_card(part, chosen, jobs, losses, FORMATS[name], front)
        os.replace(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    kept = {what: count for what, count in losses.items() if count}
    return as_frame(
        pd.DataFrame(
            {
                "loss": pd.Series(list(kept), dtype="string"),
                "count": pd.Series(list(kept.values()), dtype="Int64"),
            }
        )
    )


def _warn_of_one_part(splits: Sequence[str]) -> None:
    """Before hours of writing; nothing is divided unasked, since only the user knows by what."""
    if roles(splits)["val"] == roles(splits)["train"]:
        warnings.warn(
            f"All jobs are in one part, {splits[0]}: data.yaml names it as val too, so scores will "
            "be of pictures seen in training. Divide the jobs first: "
            '.infinity.split({"train": 0.8, "val": 0.2}).',
            stacklevel=4,
        )


def _written(
    target: Path, jobs: Sequence[Job], name: str, kind: str, losses: Losses
) -> Iterator[Job]:
    if name == "coco":
        return write_coco(target, jobs, kind, losses)
    if name == "huggingface":
        return write_huggingface(target, jobs, kind, losses)
    return write_yolo(target, jobs, kind, losses, name.removeprefix("yolo-"))


def _check(name: str, pictures: str, target: Path) -> None:
    if name not in FORMATS:
        raise ResultsError(
            f"There is no export format {name!r}.", advice=f"There are: {', '.join(FORMATS)}."
        )
    if pictures not in ("png", "jpg"):
        raise ResultsError(f"Pictures cannot be kept as {pictures!r}.", advice="Use png or jpg.")
    if target.exists():
        raise ResultsError(
            f"{target} exists already.",
            advice="Choose a new folder, or remove that one first.",
            path=str(target),
        )


def _jobs(chosen: pd.DataFrame, files: Sequence[JobFiles]) -> list[Job]:
    rows = chosen.drop_duplicates("job_id").set_index("job_id")
    parts = rows[SPLIT].astype("string") if SPLIT in rows.columns else None
    known = rows["generator"] if "generator" in rows.columns else None
    return [
        Job(
            files=job,
            split="train" if parts is None else str(parts[job.job_id]),
            generator=None if known is None or pd.isna(known[job.job_id]) else known[job.job_id],
        )
        for job in files
    ]
