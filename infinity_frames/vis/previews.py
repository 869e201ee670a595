"""Grids of pictures: a preview per job, or frames with their labels drawn over them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from infinity_frames.data import job_files as files_of
from infinity_frames.data import read_results
from infinity_frames.data.frames import with_columns
from infinity_frames.data.layout import JobFiles, locate
from infinity_frames.io.pictures import read_picture
from infinity_frames.io.video import Picture, read_frames, video_info
from infinity_frames.protocol.deprecation import renamed_arguments
from infinity_frames.protocol.errors import FrameError, MediaError, nearest
from infinity_frames.vis.annotators import (
    Annotator,
    BoxAnnotator,
    CuboidAnnotator,
    KeypointAnnotator,
    MaskAnnotator,
    RepCountAnnotator,
    SkeletonAnnotator,
)
from infinity_frames.vis.columns import require_column, short_id
from infinity_frames.vis.frame_labels import FrameLabels, Labels
from infinity_frames.vis.frames import Folder, as_jobs, as_results
from infinity_frames.vis.job_paths import job_files, require_labels
from infinity_frames.vis.labeled_video import annotated, fitting
from infinity_frames.vis.style import Drawing, PictureGrid, caption, figure, look, wrap
from infinity_frames.vis.video_sync import layout

__all__ = ["LABELS", "show", "view_previews", "words"]

LABELS: Mapping[str, Annotator] = {
    "masks": MaskAnnotator(),
    "cuboids": CuboidAnnotator(),
    "skeleton": SkeletonAnnotator(),
    "keypoints": KeypointAnnotator(),
    "boxes": BoxAnnotator(),
    "rep_count": RepCountAnnotator(),
}
"""Annotators by the names that ``draw=`` accepts, in drawing order."""

_LEGIBLE = 480
"""Minimum width in pixels of a picture with labels."""

_NARROWEST, _WIDEST, _PAGE = 2.5, 4.2, 10.0  # inches
_Tile = tuple[Picture | str, str]


@renamed_arguments(label="caption")
def view_previews(
    results: pd.DataFrame | Folder | Iterable[Folder | Mapping[str, Any]],
    k: int = 20,
    caption: str | Sequence[str] | None = None,
    boxes: bool = False,
    keypoints: bool = False,
) -> Drawing:
    """Show a picture of each job, in the order given.

    Parameters
    ----------
    results : frame or path or list
        A results frame, a batch folder, or a list of job folders.
    k : int
        At most this many, the first ones.
    caption : str or sequence of str, optional
        Columns to write under each picture; by default the job's id.
    boxes, keypoints : bool
        Draw the labels over the pictures.

    Returns
    -------
    Figure
        A job without a picture has a tile that says why.

    Raises
    ------
    FrameError
        The frame holds no jobs, or a column is unknown.

    Examples
    --------
    >>> inf.vis.view_previews(looks, k=2, boxes=True)
    """
    frame = as_results(results).head(_positive(k))
    if not {"path", "job_id"} & set(frame.columns):
        raise FrameError(
            "These rows are jobs that were not rendered, so there are no pictures of them.",
            advice="Render previews: .infinity.run(path, preview=True).",
        )
    drawn = [LABELS[name] for name, on in {"boxes": boxes, "keypoints": keypoints}.items() if on]
    return _grid([(_preview(row, drawn), text) for row, text in words(frame, caption)])


@renamed_arguments(labels="draw", label="caption")
def show(
    frame: pd.DataFrame,
    k: int = 20,
    draw: str | Sequence[str | Annotator] = ("boxes",),
    path: str | os.PathLike[str] | None = None,
    caption: str | Sequence[str] | None = None,
) -> Drawing:
    """Show frames of videos with their labels drawn over them.

    Parameters
    ----------
    frame : DataFrame
        A row per picture: `job_id`, and `frame_number` (without it, the middle of the video);
        several rows of the same frame are one picture.
    k : int
        At most this many pictures, the first ones.
    draw : sequence of str or Annotator
        Any of masks, boxes, cuboids, skeleton, keypoints, rep_count; annotators of your own are
        drawn after these.
    path : path, optional
        The batch folder, where the frame has no column `path`.
    caption : str or sequence of str, optional
        Columns to write under each picture, of the frame or else of its jobs' results (parameters,
        tags, outcomes); by default the job and the frame.

    Returns
    -------
    Figure

    Raises
    ------
    FrameError
        The frame does not say which jobs it holds or where they are, or `draw` or `caption`
        holds an unknown name.

    Examples
    --------
    >>> inf.vis.show(results, k=1, draw=("boxes", "skeleton"), caption="exercise")
    """
    annotators = _annotators(draw)
    rows = _asked(with_columns(as_jobs(frame)), _positive(k))
    order = [_moment(row) for _, row in rows.iterrows()]
    jobs = frame[frame["job_id"].astype("string").isin({job for job, _ in order})]
    places = {
        files.job_id: files for files in files_of(jobs, path=None if path is None else Path(path))
    }
    columns = [caption] if isinstance(caption, str) else list(caption or ())
    named = _with_results(rows, columns, places.values())
    numbers: dict[str, list[int | None]] = {}
    for job, number in order:
        numbers.setdefault(job, []).append(number)
    tiles = {
        job: _frames(job, places.get(job), wanted, annotators) for job, wanted in numbers.items()
    }
    shown = [tiles[job][number] for job, number in order]
    if columns:
        texts = [text for _, text in words(named, columns)]
        shown = [(picture, text) for (picture, _), text in zip(shown, texts, strict=True)]
    return _grid(shown)


def _asked(frame: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return rows of the first k distinct pairs of job and frame number, in the frame's order."""
    if "job_id" not in frame.columns:
        raise FrameError(
            "The frame has no column job_id, so its pictures cannot be found.",
            advice="Keep the column when selecting.",
        )
    keys = [name for name in ("job_id", "frame_number") if name in frame.columns]
    rows = frame.dropna(subset="job_id").drop_duplicates(keys).head(k)
    if rows.empty:
        raise FrameError("Nothing to show: the column job_id is empty.")
    return rows


def _with_results(
    rows: pd.DataFrame, columns: Iterable[str], places: Iterable[JobFiles]
) -> pd.DataFrame:
    """Add missing columns to the rows, from the results of their jobs."""
    lacking = [column for column in columns if column not in rows.columns]
    if not lacking:
        return rows
    read = [read_results(root, quiet=True) for root in dict.fromkeys(job.root for job in places)]
    known = pd.concat(read) if read else rows.iloc[:0]
    nowhere = [column for column in lacking if column not in known.columns]
    if nowhere:
        raise FrameError(
            f"Unknown column {nowhere[0]!r} in caption=: neither in this frame "
            "nor in its jobs' results.",
            advice=nearest(nowhere[0], map(str, [*rows.columns, *known.columns])),
        )
    of_jobs = known.drop_duplicates("job_id").set_index("job_id")[lacking]
    return rows.join(of_jobs, on="job_id")


def _moment(row: pd.Series[Any]) -> tuple[str, int | None]:
    number = row.get("frame_number")
    return str(row["job_id"]), None if number is None or pd.isna(number) else int(number)


def _positive(k: int) -> int:
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise FrameError(f"k must be a whole number of pictures, at least 1, not {k}.")
    return k


def _annotators(labels: str | Sequence[str | Annotator]) -> list[Annotator]:
    given = [labels] if isinstance(labels, str) else list(labels)
    names = [item for item in given if isinstance(item, str)]
    unknown = [name for name in names if name not in LABELS]
    if unknown:
        raise FrameError(
            f"Unknown kind of label in draw=: {', '.join(map(repr, unknown))}.",
            advice=nearest(unknown[0], LABELS),
        )
    own = [item for item in given if not isinstance(item, str)]
    return [LABELS[name] for name in LABELS if name in names] + own


def words(
    frame: pd.DataFrame, label: str | Sequence[str] | None
) -> Iterator[tuple[dict[str, Any], str]]:
    """Pair each row of a frame with its caption: the columns named, or the job's id.

    Raises
    ------
    FrameError
        The column is unknown.
    """
    columns = [label] if isinstance(label, str) else list(label or ())
    for column in columns:
        require_column(frame, column, "to write under the pictures")
    names = [str(name) for name in frame.columns]
    for values in frame.itertuples(index=False, name=None):
        row = dict(zip(names, values, strict=True))
        yield row, "\n".join(f"{name}: {_word(row[name])}" for name in columns) or _named(row)


def _named(row: Mapping[str, Any]) -> str:
    name = row.get("job_id")
    path = row.get("path")
    name = name if isinstance(name, str) else Path(path if isinstance(path, str) else "").name
    return short_id(name)


def _word(value: Any) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "unspecified"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _preview(row: Mapping[str, Any], annotators: Sequence[Annotator]) -> Picture | str:
    """Return a job's picture, or the reason why it is missing."""
    status = row.get("status")
    if isinstance(status, str) and status != "completed":
        error = row.get("error")
        return f"{status}: {error}" if isinstance(error, str) else status
    path = row.get("path")
    if not isinstance(path, str):
        return "no results downloaded"
    try:
        if isinstance(row.get("job_id"), str):
            return _picture(locate([(row["job_id"], path)])[0], annotators)
        return _picture(job_files(path), annotators)
    except (MediaError, LookupError) as error:
        return str(error)


def _require_pictures(files: JobFiles) -> None:
    """Raise for a job that has sensor data alone."""
    if files.series is not None and files.picture is None and files.video is None:
        raise MediaError(f"The job {files.job_id} has only sensor data: .infinity.timeseries().")


def _picture(files: JobFiles, annotators: Sequence[Annotator]) -> Picture:
    _require_pictures(files)
    if files.picture is None and files.video is None:
        raise MediaError(f"no picture and no video in {files.folder}")
    if files.picture is not None and not annotators:
        return read_picture(files.picture)
    if files.video is None and files.picture is not None:
        picture, position = read_picture(files.picture), 0
    else:
        # The picture's place in the video is not recorded, so labeled ones come from the video.
        position = _middle(files)
        picture = next(islice(read_frames(files.video or ""), position, None))
    return _labeled(files, picture, position, annotators) if annotators else picture


def _middle(files: JobFiles) -> int:
    return video_info(files.video).num_frames // 2 if files.video is not None else 0


def _labeled(
    files: JobFiles, picture: Picture, position: int, annotators: Sequence[Annotator]
) -> Picture:
    labels = Labels(require_labels(files))
    if position >= len(labels):
        raise MediaError(f"The labels of job {files.job_id} end before frame {position}.")
    return _drawn(files, picture, labels.frame(position), annotators)


def _drawn(
    files: JobFiles, picture: Picture, labels: FrameLabels, annotators: Sequence[Annotator]
) -> Picture:
    fitting(picture, labels, files.video or files.folder)
    return annotated(picture, labels, annotators, _LEGIBLE)


def _frames(
    job_id: str,
    files: JobFiles | None,
    numbers: Sequence[int | None],
    annotators: Sequence[Annotator],
) -> dict[int | None, _Tile]:
    """Pictures of one job by frame number; the video is read once, up to the last frame needed."""
    short = job_id[:8]
    if files is None:
        return dict.fromkeys(numbers, ("no results downloaded", short))
    found: dict[int | None, _Tile] = {}
    try:
        _require_pictures(files)
        labels = Labels(require_labels(files)) if annotators or files.labels is not None else None
        for number, picture, frame in _wanted(files, numbers, labels):
            drawn = picture if frame is None else _drawn(files, picture, frame, annotators)
            at = number if frame is None else frame.frame_number
            found[number] = (drawn, short if at is None else f"{short} frame {at}")
    except MediaError as error:
        return dict.fromkeys(numbers, (str(error), short))
    missing = (number for number in numbers if number not in found)
    return found | {n: (f"there is no frame {n}", f"{short} frame {n}") for n in missing}


def _wanted(
    files: JobFiles, numbers: Sequence[int | None], labels: Labels | None
) -> Iterator[tuple[int | None, Picture, FrameLabels | None]]:
    positions = {} if labels is None else labels.positions
    asked: dict[int, list[int | None]] = {}
    for number in numbers:
        if number is None:
            asked.setdefault(_middle(files), []).append(None)
        elif labels is None or number in positions:
            asked.setdefault(positions.get(number, number), []).append(number)
    if files.video is None and files.picture is not None:
        pictures: Iterable[Picture] = [read_picture(files.picture)]
    else:
        pictures = read_frames(files.video or files.folder)
    for position, picture in enumerate(islice(pictures, max(asked, default=-1) + 1)):
        for number in asked.get(position, ()):
            yield number, picture, None if labels is None else labels.frame(position)


def _grid(tiles: Sequence[_Tile]) -> Drawing:
    down, across = layout(len(tiles), most=4)
    shapes = [tile.shape for tile, _ in tiles if not isinstance(tile, str)]
    tall = max((shape[0] / shape[1] for shape in shapes), default=0.75)
    width = min(max(_PAGE / across, _NARROWEST), _WIDEST)
    lines = max(wrap(text, int(width * 12)).count("\n") + 1 for _, text in tiles)
    drawing = figure(
        width * across, (width * min(tall, 1.5) + 0.19 * lines + 0.12) * down, PictureGrid
    )
    with look():
        axes = list(drawing.subplots(down, across, squeeze=False).flat)
        for (content, text), axis in zip(tiles, axes, strict=False):
            if isinstance(content, str):
                caption(axis, wrap(content, 40), empty=True)
            else:
                axis.imshow(content, interpolation="antialiased")
                axis.set_axis_off()
            text = wrap(text, int(width * 12))
            axis.set_title(text, fontsize=9, loc="center", y=0, va="top", pad=-3)
        for axis in axes[len(tiles) :]:
            axis.set_axis_off()
    return drawing
