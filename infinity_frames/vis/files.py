"""Where a job's picture, video, labels and masks lie, whichever layout its folder has."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from infinity_frames.errors import MediaError

__all__ = ["JobFiles", "job_files"]

_CAMERA = re.compile(r"_cam\d+$")


@dataclass(frozen=True)
class JobFiles:
    """The files of one job; what it does not have is None."""

    name: str
    folder: Path
    video: Path | None
    preview: Path | None
    labels: Path | None
    series: Path | None
    job: Path | None

    def params(self) -> dict[str, Any]:
        """The job's parameters as its own record gives them; empty where there is no record.

        Raises
        ------
        MediaError
            The record is there and cannot be read.
        """
        if self.job is None:
            return {}
        try:
            found = orjson.loads(self.job.read_bytes())
            return dict(found["params"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MediaError(
                f"The job record {self.job} cannot be read: {error}.", file=str(self.job)
            ) from error

    def require_video(self) -> Path:
        """The video's path.

        Raises
        ------
        MediaError
            The job has none.
        """
        if self.video is None:
            raise MediaError(
                f"The job {self.name} has no video in {self.folder}.",
                advice="A preview has only a picture; submit the job without preview for a video.",
                file=str(self.folder),
            )
        return self.video

    def require_labels(self) -> Path:
        """The labels' path.

        Raises
        ------
        MediaError
            The job has none.
        """
        if self.labels is None:
            raise MediaError(
                f"The job {self.name} has no labels.json in {self.folder}.",
                file=str(self.folder),
            )
        return self.labels


def job_files(path: str | os.PathLike[str]) -> JobFiles:
    """Find the files of a job.

    Parameters
    ----------
    path : path
        A job folder; or, in a published data set where many jobs share one folder, the path of the
        job's video, with or without ``.mp4``.

    Raises
    ------
    MediaError
        Nothing is there, or the folder holds several jobs.
    """
    place = Path(path)
    if place.is_dir():
        stems = _flat_stems(place)
        if not stems:
            return _own_folder(place)
        if len(stems) > 1:
            raise MediaError(
                f"The folder {place} holds {len(stems)} jobs.",
                advice=f"Pass the path of one of them, such as {place / stems[0]}.mp4.",
                file=str(place),
            )
        return _flat(place, stems[0])
    stem = place.stem if place.suffix in {".mp4", ".csv", ".json"} else place.name
    if place.is_file() and stem in {"video", "video.rgb"}:
        return _own_folder(place.parent)
    if place.parent.is_dir() and stem in _flat_stems(place.parent):
        return _flat(place.parent, stem)
    raise MediaError(f"There is no job at {place}.", file=str(place))


def _own_folder(folder: Path) -> JobFiles:
    return JobFiles(
        name=folder.name,
        folder=folder,
        video=_first(folder, ("video.mp4", "video.rgb.mp4")),
        preview=_first(folder, ("video_preview.png",)),
        labels=_first(folder, ("labels.json", "video.rgb.json")),
        series=_first(folder, ("data.csv",)),
        job=_first(folder, ("job.json",)),
    )


def _flat(folder: Path, stem: str) -> JobFiles:
    scene = _CAMERA.sub("", stem)
    return JobFiles(
        name=stem,
        folder=folder,
        video=_first(folder, (f"{stem}.mp4",)),
        preview=_first(folder, (f"{stem}.png",)),
        labels=_first(folder, (f"{stem}_labels.json", f"{stem}.json")),
        series=_first(folder, (f"{stem}.csv", f"{scene}.csv")),
        job=_first(folder, (f"{stem}_params.json", f"{scene}_params.json")),
    )


def _flat_stems(folder: Path) -> list[str]:
    """Names of the videos of a published data set, where files are called after their job."""
    return sorted(
        video.stem
        for video in folder.glob("*.mp4")
        if (folder / f"{_CAMERA.sub('', video.stem)}_params.json").is_file()
    )


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
