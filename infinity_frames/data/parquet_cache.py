"""Label tables as Parquet, built once per job and kept next to the files they were read from.

A cache folder holds shards (one Parquet file per table, with the rows of many jobs) and a manifest.
The manifest lists each job's shard, the state of the files that its rows were read from, and the
state of each shard's files. Shards are never changed, only superseded, and the manifest is replaced
in one step: a reader sees either the old tables or the new ones.

The folder may come from another machine, so nothing in it is trusted: a manifest of another shape,
a shard that is missing, cut, changed or outside of the folder is ignored, and its jobs are read
again.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson
import platformdirs
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from infinity_frames.data.label_tables import TABLES, Parsed, parse
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.problems import Problem
from infinity_frames.data.processes import in_processes
from infinity_frames.data.row_builder import tables_of
from infinity_frames.data.type_inference import as_text
from infinity_frames.io.atomic import (
    clear_irregular,
    read_regular,
    replacing,
    write_atomically,
)
from infinity_frames.io.progress import progress
from infinity_frames.protocol.errors import ResultsError
from infinity_frames.protocol.label_summary import LabelSummary

__all__ = ["LabelCache"]

_LAYOUT = 2
"""Version of the manifest's own layout."""


def _reader_version() -> str:
    """Return a digest of the tables' schemas, so that caches of other columns are read again."""
    tables = {name: [[c, str(d)] for c, d in kind.columns.items()] for name, kind in TABLES.items()}
    return hashlib.sha256(orjson.dumps([_LAYOUT, tables])).hexdigest()[:16]


READER_VERSION = _reader_version()
_SHARD_NAME = re.compile(r"[0-9a-f]{32}")
_CHUNK_BYTES = 2 * 2**20
"""Bytes of source files per shard: the files and their rows are in memory together."""
_MANY_BYTES = 64 * 2**20
"""Bytes of source files above which a second process saves time."""
_LARGE_BYTES = 8 * 2**20
"""Bytes of one job's files above which jobs are read by one process: they take six times that."""
_PROCESSES = 2
"""This process and another: a third would take more than 200 MB together."""
_FEW_SHARDS = 16
"""Most small shards before they are compacted."""
_SMALL_BYTES = 256 * 2**10
_MERGED_BYTES = 2**20
"""Bytes of small shards that are compacted at a time; in memory they take thirty times that."""
_KEEP_SECONDS = 24 * 3600.0


class LabelCache:
    """Label tables of one batch folder or published data set.

    Parameters
    ----------
    root : Path
        The batch folder. Tables go to ``.infinity`` in it, or to the user's cache folder where it
        is not writable.
    """

    def __init__(self, root: Path) -> None:
        self.folder = _writable(root)
        self._known: dict[str, Any] = {}

    def refresh(self, jobs: Sequence[JobFiles], *, tables: bool, quiet: bool = False) -> None:
        """Read the files of jobs that are new or changed, or whose shard is damaged.

        Parameters
        ----------
        jobs : sequence of JobFiles
            Jobs of this batch folder.
        tables : bool
            Whether to build tables too, or only the summaries.
        quiet : bool
            No progress bar (otherwise one shows after a second).

        Raises
        ------
        ResultsError
            The tables cannot be written, for example because the disk is full.
        """
        sources = {job.job_id: _source(job) for job in jobs}
        manifest = self._manifest()
        self._known = manifest["jobs"]
        if not _stale(manifest, sources, tables):
            return
        try:
            for name in ("lock", "manifest.json"):
                clear_irregular(self.folder / name)
            with FileLock(self.folder / "lock"):
                self._update(jobs, sources, tables=tables, quiet=quiet)
        except OSError as error:
            raise ResultsError(
                f"Label tables cannot be written to {self.folder}: {error.strerror or error}.",
                advice="Free some space there, or make the folder writable.",
                path=str(self.folder),
            ) from error

    def _update(
        self, jobs: Sequence[JobFiles], sources: Mapping[str, Any], *, tables: bool, quiet: bool
    ) -> None:
        # Another process may have done the work while this one waited for the lock.
        manifest = self._manifest()
        self._known = manifest["jobs"]
        stale = _stale(manifest, sources, tables)
        todo = [(job, sources[job.job_id]) for job in jobs if job.job_id in stale]
        tasks = [_Task(self.folder, chunk, tables) for chunk in _chunks(todo)]
        shards = in_processes(_build, tasks, processes=_processes(todo))
        with progress(len(todo), "labels", delay=1.0, quiet=quiet) as bar:
            self._record(manifest, _carried_over(self.folder, manifest, stale))
            for built in shards:
                self._record(manifest, built)
                bar.update(len(built.jobs))
        self._sweep(manifest)

    def is_damaged(self) -> bool:
        """Return whether a table cannot be read; errors of a damaged file often do not name it."""
        try:
            for file in self.folder.glob("*.parquet"):
                pq.read_table(file)
        except (OSError, pa.ArrowException):
            return True
        return False

    def discard(self) -> None:
        """Forget all tables, so that the next refresh reads every job again."""
        (self.folder / "manifest.json").unlink(missing_ok=True)
        self._known = {}

    def summaries(self, job_ids: Iterable[str]) -> dict[str, LabelSummary]:
        """Summaries of these jobs as of the last refresh."""
        known = self._known
        return {id_: LabelSummary(**known[id_]["summary"]) for id_ in job_ids if id_ in known}

    def problems(self, job_ids: Iterable[str]) -> list[Problem]:
        """Problems of these jobs as of the last refresh."""
        known = self._known
        found = (known[id_]["problem"] for id_ in job_ids if id_ in known)
        return [Problem(**problem) for problem in found if problem is not None]

    def files(self, table: str, job_ids: Iterable[str]) -> list[Path]:
        """Parquet files with these jobs' rows of a table; they may hold rows of other jobs too."""
        known = self._known
        shards = dict.fromkeys(known[id_]["shard"] for id_ in job_ids if id_ in known)
        files = (_shard_file(self.folder, table, shard) for shard in shards if shard is not None)
        return [file for file in files if file.is_file()]

    def _manifest(self) -> dict[str, Any]:
        """Read the manifest, without the jobs whose entry or shard is damaged."""
        try:
            found = orjson.loads(read_regular(self.folder / "manifest.json") or b"")
        except (OSError, orjson.JSONDecodeError):
            found = None
        if not isinstance(found, dict) or found.get("version") != READER_VERSION:
            found = {}
        jobs, shards = found.get("jobs"), found.get("shards")
        if not isinstance(jobs, dict) or not isinstance(shards, dict):
            jobs, shards = {}, {}
        intact = {s: state for s, state in shards.items() if _is_intact(self.folder, s, state)}
        kept = {id_: entry for id_, entry in jobs.items() if _is_entry(entry, intact)}
        # A job without an entry is read again: a shard that still has its rows would double them.
        counts = Counter(entry["shard"] for entry in kept.values())
        whole = {s: state for s, state in intact.items() if state["jobs"] == counts[s]}
        kept = {id_: e for id_, e in kept.items() if e["shard"] is None or e["shard"] in whole}
        return {"version": READER_VERSION, "jobs": kept, "shards": whole}

    def _record(self, manifest: dict[str, Any], built: _Built) -> None:
        """Publish shards that have been written."""
        manifest["jobs"] |= built.jobs
        manifest["shards"] |= built.shards
        used = {entry["shard"] for entry in manifest["jobs"].values()}
        manifest["shards"] = {s: state for s, state in manifest["shards"].items() if s in used}
        write_atomically(self.folder / "manifest.json", orjson.dumps(manifest))

    def _sweep(self, manifest: Mapping[str, Any]) -> None:
        """Delete unused shards, once no reader can still be using them."""
        used = {entry["shard"] for entry in manifest["jobs"].values()}
        for file in self.folder.glob("*.parquet*"):
            unused = file.name.split(".")[0].rpartition("-")[2] not in used
            try:
                if unused and time.time() - file.stat().st_mtime > _KEEP_SECONDS:
                    file.unlink()
            except OSError:
                continue  # on Windows an open file cannot be deleted; the next build will


@dataclass(frozen=True)
class _Task:
    """One shard to build: its jobs, each with the state of its files."""

    folder: Path
    jobs: Sequence[tuple[JobFiles, list[Any]]]
    tables: bool


@dataclass(frozen=True)
class _Built:
    """Entries of the manifest: jobs by id, and the state of shards by name."""

    jobs: Mapping[str, Any]
    shards: Mapping[str, Any]

    @classmethod
    def of(cls, entries: Mapping[str, Any], shard: tuple[str, Any] | None) -> _Built:
        """Entries of jobs whose rows are all in one shard, or that have none."""
        name = None if shard is None else shard[0]
        jobs = {id_: {**entry, "shard": name} for id_, entry in entries.items()}
        if shard is None:
            return cls(jobs, {})
        return cls(jobs, {shard[0]: {"files": shard[1], "jobs": len(jobs)}})


def _chunks(
    jobs: Sequence[tuple[JobFiles, list[Any]]],
) -> Iterator[list[tuple[JobFiles, list[Any]]]]:
    """Divide jobs into shards; a job that is larger than a shard has its own."""
    chunk: list[tuple[JobFiles, list[Any]]] = []
    size = 0
    for job, source in jobs:
        if chunk and size + _bytes(source) > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append((job, source))
        size += _bytes(source)
    if chunk:
        yield chunk


def _processes(jobs: Sequence[tuple[JobFiles, list[Any]]]) -> int:
    sizes = [_bytes(source) for _, source in jobs]
    is_worth_it = sum(sizes) >= _MANY_BYTES and max(sizes) <= _LARGE_BYTES
    return _PROCESSES if is_worth_it else 1


def _bytes(source: Iterable[Any]) -> int:
    return sum(size for _, size, _ in source)


def _build(task: _Task) -> _Built:
    """Read jobs and write their shard."""
    entries, tables = _read(task)
    return _Built.of(entries, _write_shard(task.folder, tables))


def _read(task: _Task) -> tuple[dict[str, Any], dict[str, list[pa.Table]]]:
    read = {job.job_id: parse(job, tables=task.tables) for job, _ in task.jobs}
    tables, malformed = tables_of({id_: parsed.rows for id_, parsed in read.items()})
    entries = {}
    for job, source in task.jobs:
        error = malformed.get(job.job_id)
        parsed = read[job.job_id] if error is None else Parsed.malformed(job, error)
        entries[job.job_id] = {"source": source, "tables": task.tables, **parsed.to_json()}
        if parsed.series is not None and parsed.series.num_rows:
            tables.setdefault("timeseries", []).append(parsed.series)
    return entries, tables


def _carried_over(folder: Path, manifest: Mapping[str, Any], stale: set[str]) -> _Built:
    """Rewrite the surviving rows of shards with changed jobs, and compact many small shards."""
    jobs = manifest["jobs"]
    shards = {entry["shard"] for entry in jobs.values()} - {None}
    changed = {jobs[id_]["shard"] for id_ in stale if id_ in jobs} - {None}
    for shard in changed:
        # Unused files are kept for a day from now: open connections still read them.
        for file in folder.glob(f"*-{shard}.parquet"):
            file.touch()
    gone = changed | _small_ones({shard: _shard_bytes(folder, shard) for shard in shards})
    kept = {id_: e for id_, e in jobs.items() if e["shard"] in gone and id_ not in stale}
    if not kept:
        return _Built({}, {})
    parts: dict[str, list[pa.Table]] = defaultdict(list)
    for name in TABLES:
        for shard in dict.fromkeys(entry["shard"] for entry in kept.values()):
            file = _shard_file(folder, name, shard)
            if file.is_file():
                table = pq.read_table(file)
                mask = pc.is_in(table["job_id"], pa.array(sorted(kept), pa.string()))
                parts[name].append(table.filter(mask))
    return _Built.of(kept, _write_shard(folder, parts))


def _small_ones(sizes: Mapping[str, int]) -> set[str]:
    """Return the smallest shards, to be compacted; none where there are few."""
    small = sorted((size, shard) for shard, size in sizes.items() if size < _SMALL_BYTES)
    chosen, total = set(), 0
    for size, shard in small if len(small) > _FEW_SHARDS else ():
        total += size
        if total > _MERGED_BYTES:
            break
        chosen.add(shard)
    return chosen


def _shard_bytes(folder: Path, shard: str) -> int:
    return sum(file.stat().st_size for file in folder.glob(f"*-{shard}.parquet"))


def _stale(manifest: Mapping[str, Any], sources: Mapping[str, Any], tables: bool) -> set[str]:
    known = manifest["jobs"]

    def is_fresh(job_id: str) -> bool:
        entry = known.get(job_id)
        if entry is None or entry["source"] != sources[job_id]:
            return False
        return bool(entry["tables"] or not tables or entry["problem"] is not None)

    return {job_id for job_id in sources if not is_fresh(job_id)}


def _is_entry(entry: Any, intact: Mapping[str, Any]) -> bool:
    """Return whether an entry has this version's format and its shard, if any, is intact."""
    if not isinstance(entry, dict) or entry.keys() != _ENTRY:
        return False
    summary, problem, shard = entry["summary"], entry["problem"], entry["shard"]
    if not isinstance(summary, dict) or summary.keys() != _SUMMARY:
        return False
    if problem is not None and (not isinstance(problem, dict) or problem.keys() != _PROBLEM):
        return False
    if shard is None:
        return not entry["tables"] or problem is not None or not summary["num_frames"]
    return isinstance(shard, str) and shard in intact


_ENTRY = {"source", "tables", "summary", "problem", "shard"}
_SUMMARY = {field.name for field in fields(LabelSummary)}
_PROBLEM = {field.name for field in fields(Problem)}


def _is_intact(folder: Path, shard: str, state: Any) -> bool:
    """Return whether all files of a shard are in the folder and unchanged."""
    if not _SHARD_NAME.fullmatch(shard) or not isinstance(state, dict):
        return False
    files = state.get("files")
    if not isinstance(files, dict) or "jobs" not in state or not files.keys() <= TABLES.keys():
        return False
    return all(_state(_shard_file(folder, name, shard)) == was for name, was in files.items())


def _state(file: Path) -> list[int] | None:
    """Return the size of a regular file.

    None for anything but a regular file, including symbolic links.
    """
    try:
        found = file.lstat()
    except OSError:
        return None
    return [found.st_size] if stat.S_ISREG(found.st_mode) else None


def _source(job: JobFiles) -> list[Any]:
    """Return the state of a job's source files, as the manifest keeps it."""
    found = []
    for file in (job.record, job.labels, job.series):
        if file is not None and file.is_file():  # a download may be replacing it just now
            state = file.stat()
            found.append([file.name, state.st_size, state.st_mtime_ns])
    return found


def _write_shard(
    folder: Path, tables: Mapping[str, list[pa.Table]]
) -> tuple[str, dict[str, Any]] | None:
    """Write tables as a new shard; return its name and state, or None if there are no tables."""
    shard = uuid.uuid4().hex
    state = {}
    for name, parts in tables.items():
        file = _shard_file(folder, name, shard)
        with replacing(file) as temporary:
            pq.write_table(_concatenated(parts), temporary, compression="zstd")
        state[name] = _state(file)
    return (shard, state) if tables else None


def _concatenated(parts: list[pa.Table]) -> pa.Table:
    """Concatenate tables; a label whose type differs between jobs becomes text."""
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        pass
    for name in dict.fromkeys(name for part in parts for name in part.column_names):
        holders = [i for i, part in enumerate(parts) if name in part.column_names]
        fields = [pa.schema([parts[i].schema.field(name)]) for i in holders]
        try:
            pa.unify_schemas(fields, promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            for i in holders:
                column = parts[i].schema.get_field_index(name)
                parts[i] = parts[i].set_column(column, name, as_text(parts[i][name].to_pylist()))
    return pa.concat_tables(parts, promote_options="permissive")


def _shard_file(folder: Path, table: str, shard: str) -> Path:
    return folder / f"{table}-{shard}.parquet"


def _writable(root: Path) -> Path:
    """Return the folder for tables: in the batch folder, else in the user's cache folder."""
    own = root / ".infinity"
    # A folder marked read-only stays as it is, even for a user who could write to it.
    # A symbolic link that came with a folder must not decide where files are written.
    is_writable = root.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    if is_writable and not own.is_symlink():
        try:
            own.mkdir(exist_ok=True)
        except OSError:
            pass
        else:
            if os.access(own, os.W_OK):
                return own
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:20]
    elsewhere = platformdirs.user_cache_path("infinity_frames") / "labels" / name
    try:
        elsewhere.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(
            f"Label tables can be written neither to {own} nor to {elsewhere}: {error.strerror}.",
            advice="Make one of the two folders writable.",
            path=str(root),
        ) from error
    return elsewhere
