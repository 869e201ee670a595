"""Where a job's files lie: the layouts of ``protocol.md``, "Result archives", in one place.

A *batch folder* holds a folder per job (and, from this package, ``batch.json``); a *published data
set* is one flat folder whose files share a stem. Both read as :class:`Folder`.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from infinity_frames.data.problems import Problem, report
from infinity_frames.protocol.errors import NoResults

__all__ = ["BATCH_FILE", "Folder", "JobFiles", "find_folders", "find_jobs", "locate", "read_json"]

BATCH_FILE = "batch.json"

# Newest name first; the later ones are those of older archives.
_NAMES: dict[str, tuple[str, ...]] = {
    "record": ("job.json",),
    "labels": ("labels.json", "video.rgb.json"),
    "video": ("video.mp4", "video.rgb.mp4"),
    "picture": ("video_preview.png",),
    "segmentation": ("segmentation.zip", "video.rgb.zip"),
    "series": ("data.csv",),
}
# What follows the stem in a published data set; "{n}.json" is the older name of the labels.
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "record": ("_params.json",),
    "labels": ("_labels.json", ".json"),
    "video": (".mp4",),
    "picture": ("_preview.png",),
    "segmentation": ("_segmentation.zip", "_img_labels.zip"),
    "series": (".csv",),
}
_FLAT = re.compile(r"(?P<stem>.+?)(?P<camera>_cam\d+)?(?:_params|_labels)\.json")
_CAMERA = re.compile(r"(?P<stem>.+?)(?P<camera>_cam\d+)[._].+")
_DEPTH = 3


@dataclass(frozen=True)
class JobFiles:
    """The files of one job; None where the job has no such file.

    Parameters
    ----------
    job_id : str
        The job's id; in a published data set its folder's name and the stem, ``"spills-00012"``.
    folder : Path
        Where the files lie: the job's own folder, or the published data set.
    root : Path
        The batch folder or published data set; label tables are built next to its files.
    record, labels, video, picture, segmentation, series : Path or None
        Parameters (JSON), labels (COCO JSON), video, preview picture, masks (zip), sensor data
        (CSV).

    Examples
    --------
    >>> files = inf.data.job_files(results)[0]
    >>> files.labels.name, files.video.name
    ('labels.json', 'video.mp4')
    """

    job_id: str
    folder: Path
    root: Path
    record: Path | None = None
    labels: Path | None = None
    video: Path | None = None
    picture: Path | None = None
    segmentation: Path | None = None
    series: Path | None = None

    @property
    def is_preview(self) -> bool:
        """Whether this is a preview: a picture and no video."""
        return self.picture is not None and self.video is None


@dataclass(frozen=True)
class Folder:
    """A batch folder or a published data set."""

    root: Path

    @cached_property
    def is_flat(self) -> bool:
        """Whether this is a published data set: one folder of files sharing stems."""
        names = _file_names(self.root)
        return BATCH_FILE not in names and any(_FLAT.fullmatch(name) for name in names)

    @cached_property
    def jobs(self) -> dict[str, JobFiles]:
        """The jobs found on disk by their ids, in the order of their names."""
        found = self._flat() if self.is_flat else self._folders()
        return {job.job_id: job for job in found}

    @cached_property
    def batch(self) -> tuple[dict[str, Any] | None, Problem | None]:
        """The batch's record, and the problem if it cannot be read."""
        file = self.root / BATCH_FILE
        if not file.is_file():
            return None, None
        record, problem = read_json(file, self.root.name)
        if record is not None and not isinstance(record.get("job_runs"), list):
            return None, Problem(self.root.name, str(file), "lists no jobs (job_runs)")
        return record, problem

    def _folders(self) -> Iterator[JobFiles]:
        for folder in _subfolders(self.root):
            job = _job_folder(folder)
            if job is not None:
                yield job

    def _flat(self) -> Iterator[JobFiles]:
        names = _file_names(self.root)
        stems = {match["stem"] for name in names if (match := _FLAT.fullmatch(name))}
        cameras: defaultdict[str, set[str]] = defaultdict(set)
        for name in names:
            if match := _CAMERA.fullmatch(name):
                cameras[match["stem"]].add(match["camera"])
        for stem in sorted(stems):
            for camera in sorted(cameras[stem], key=lambda name: (len(name), name)) or [""]:
                yield self._flat_job(stem, camera, names)

    def _flat_job(self, stem: str, camera: str, names: set[str]) -> JobFiles:
        files: dict[str, Path] = {}
        for role, suffixes in _SUFFIXES.items():
            # Cameras of one job share its parameters and sensor data.
            stems = (stem + camera, stem) if role in ("record", "series") else (stem + camera,)
            found = (s + suffix for s in stems for suffix in suffixes if s + suffix in names)
            name = next(found, None)
            if name is not None:
                files[role] = self.root / name
        return JobFiles(f"{self.root.name}-{stem}{camera}", self.root, self.root, **files)


def find_folders(path: str | Path) -> list[Folder]:
    """Batch folders and published data sets at a path, or below it.

    Parameters
    ----------
    path : path
        A batch folder, a published data set, a folder of these, or a single job's folder (then
        its batch folder is returned).

    Raises
    ------
    NoResults
        The folder does not exist, or contains no such files.
    """
    try:
        root = Path(path).expanduser().absolute()
    except RuntimeError:
        raise NoResults(
            f"There is no folder {path}: the user's home is unknown.",
            advice="Give the whole path of the folder.",
            path=str(path),
        ) from None
    if not root.is_dir():
        raise NoResults(
            f"There is no folder {root}.",
            advice="Pass the folder that a batch was downloaded into; if it was moved, pass path=.",
            path=str(root),
        )
    found = list(_find(root, _DEPTH))
    if found:
        return found
    if _job_folder(root) is not None:
        return [Folder(root.parent)]
    raise NoResults(
        f"{root} holds no downloaded jobs.",
        advice="Give a batch folder, a folder of batch folders, or a published data set.",
        path=str(root),
    )


def locate(places: Iterable[tuple[str, str]]) -> list[JobFiles]:
    """Return the files of jobs, from the ``job_id`` and ``path`` columns of a results frame.

    Parameters
    ----------
    places : iterable of (str, str)
        Pairs of job id and the job's folder (or the published data set it is part of).

    Raises
    ------
    NoResults
        A folder is not there, or holds no files of its job.
    """
    sets: dict[str, Folder] = {}
    return [_locate(job_id, path, sets) for job_id, path in places]


def find_jobs(paths: Iterable[str | Path], job_ids: Iterable[str]) -> list[JobFiles]:
    """Select the jobs at or below the given paths, also after their folders have moved.

    A job that lies at several of them is taken from the first.

    Raises
    ------
    NoResults
        No job lies there.
    """
    places = list(paths)
    there: dict[str, JobFiles] = {}
    for folder in (folder for path in places for folder in find_folders(path)):
        for id_, job in folder.jobs.items():
            there.setdefault(id_, job)
    wanted = list(job_ids)
    named = [(id_, _named(there, id_)) for id_ in wanted]
    found = [replace(job, job_id=id_) for id_, job in named if job is not None]
    if wanted and not found:
        raise NoResults(
            f"{', '.join(map(str, places))} holds none of the {len(wanted)} jobs of this frame.",
            advice="Pass path= with the folder that the batch was downloaded or moved to.",
            paths=[str(path) for path in places],
        )
    return found


def read_json(file: Path, job_id: str) -> tuple[dict[str, Any] | None, Problem | None]:
    """Read a JSON object, or return the problem with the file."""
    try:
        content = _parse(file.read_bytes())
    except RecursionError:
        return None, Problem(job_id, str(file), "is nested too deeply")
    except ValueError as error:
        return None, Problem(job_id, str(file), f"is no valid JSON ({error})")
    except OSError as error:
        return None, Problem(job_id, str(file), f"cannot be opened ({error.strerror})")
    if not isinstance(content, dict):
        return None, Problem(job_id, str(file), "is not a JSON object")
    return content, None


def _parse(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        if b"NaN" not in data and b"Infinity" not in data:
            raise
    # Python's own json module writes these, and JSON has no such numbers: they are missing.
    return json.loads(data, parse_constant=lambda _: None)


def _locate(job_id: str, path: str, sets: dict[str, Folder]) -> JobFiles:
    folder = Path(path)
    job = sets[path].jobs.get(job_id) if path in sets else None
    if job is None and folder.is_dir():
        job = _job_folder(folder)
        if job is None:
            job = _named(sets.setdefault(path, Folder(folder)).jobs, job_id)
    if job is None:
        raise NoResults(
            f"The files of job {job_id} are not at {path}.",
            advice="If you moved the results, pass path= with the folder they are in now. "
            "Otherwise download the batch again.",
            job=job_id,
            path=path,
        )
    return replace(job, job_id=job_id)


def _find(root: Path, depth: int) -> Iterator[Folder]:
    folder = Folder(root)
    if folder.is_flat or BATCH_FILE in _file_names(root) or folder.jobs:
        yield folder
    elif depth:
        for below in _subfolders(root):
            yield from _find(below, depth - 1)


def _job_folder(folder: Path) -> JobFiles | None:
    names = _file_names(folder)
    files = {
        role: folder / name
        for role, candidates in _NAMES.items()
        if (name := next((name for name in candidates if name in names), None)) is not None
    }
    return JobFiles(folder.name, folder, folder.parent, **files) if files else None


def _named(jobs: dict[str, JobFiles], job_id: str) -> JobFiles | None:
    """Return a job by its id.

    A job of a published data set is found even if its folder was renamed since.
    """
    if job_id in jobs:
        return jobs[job_id]
    flat = {id_: job for id_, job in jobs.items() if job.folder == job.root}
    stems = {id_.removeprefix(f"{job.root.name}-"): job for id_, job in flat.items()}
    fitting = [stem for stem in stems if job_id.endswith(f"-{stem}")]
    return stems[max(fitting, key=len)] if fitting else None


def _file_names(folder: Path) -> set[str]:
    return {entry.name for entry in _entries(folder) if _answers(entry.is_file)}


def _subfolders(folder: Path) -> list[Path]:
    """Folders below, without the hidden ones: caches and half-finished downloads."""
    entries = (entry for entry in _entries(folder) if not entry.name.startswith("."))
    return [
        folder / name for name in sorted(entry.name for entry in entries if _answers(entry.is_dir))
    ]


def _answers(question: Callable[[], bool]) -> bool:
    """Return the answer of an entry; False for links in a circle, and what the disk cannot read."""
    try:
        return question()
    except OSError:
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        what = f"cannot be opened ({error.strerror})"
        report([Problem(folder.name, str(folder), what)])
        return []
