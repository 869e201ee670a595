"""Label tables as Parquet, built once per job and kept next to the files they were read from.

A cache folder holds shards (one Parquet file per table, the rows of many jobs) and a manifest that
says which job's rows are in which shard and from which state of its files they were read. Shards
are never changed, only superseded, and the manifest is replaced in one step: a reader sees either
the old tables or the new ones, whatever another process does meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import platformdirs
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from infinity_frames.data.labels import TABLES, Parsed, Summary, parse
from infinity_frames.data.layout import JobFiles
from infinity_frames.data.problems import Problem
from infinity_frames.data.processes import in_processes
from infinity_frames.data.row_builder import tables_of
from infinity_frames.data.type_inference import as_text
from infinity_frames.io.progress import progress

__all__ = ["LabelCache"]

READER_VERSION = 1
_CHUNK_BYTES = 2 * 2**20
"""Files read for one shard: with what is made of them, what a process holds at a time."""
_MANY_BYTES = 64 * 2**20
"""Files to read from which on a second process pays for its start."""
_LARGE_BYTES = 8 * 2**20
"""A job's files that are read one at a time: they take six times that in memory."""
_PROCESSES = 2
"""This one and another: a third would take more memory than a batch may, 200 MB."""
_FEW_SHARDS = 16
"""Small shards that may lie about before they are put together."""
_SMALL_BYTES = 256 * 2**10
_MERGED_BYTES = 2**20
"""Bytes of small shards put together at a time: on disk a thirtieth of what they are in memory."""
_KEEP_SECONDS = 24 * 3600.0


class LabelCache:
    """The label tables of one batch folder or published data set.

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
        """Read the files of jobs that are new or changed; of all others, nothing.

        Parameters
        ----------
        jobs : sequence of JobFiles
            Jobs of this batch folder.
        tables : bool
            Whether their tables are wanted, or only what a results frame says of them.
        quiet : bool
            No progress bar (one shows after a second otherwise).
        """
        sources = {job.job_id: _source(job) for job in jobs}
        manifest = self._manifest()
        self._known = manifest["jobs"]
        if not _stale(manifest, sources, tables):
            return
        with FileLock(self.folder / "lock"):
            # Another process may have done the work while this one waited.
            manifest = self._manifest()
            self._known = manifest["jobs"]
            stale = _stale(manifest, sources, tables)
            todo = [(job, sources[job.job_id]) for job in jobs if job.job_id in stale]
            tasks = [_Task(self.folder, chunk, tables) for chunk in _chunks(todo)]
            shards = in_processes(_build, tasks, processes=_processes(todo))
            with progress(len(todo), "labels", delay=1.0, quiet=quiet) as bar:
                self._record(manifest, _carried_over(self.folder, manifest["jobs"], stale))
                for entries in shards:
                    self._record(manifest, entries)
                    bar.update(len(entries))
            self._sweep(manifest)

    def summaries(self, job_ids: Iterable[str]) -> dict[str, Summary]:
        """What is known of each job's labels as of the last refresh."""
        known = self._known
        return {id_: Summary(**known[id_]["summary"]) for id_ in job_ids if id_ in known}

    def problems(self, job_ids: Iterable[str]) -> list[Problem]:
        """What could not be read of these jobs."""
        known = self._known
        found = (known[id_]["problem"] for id_ in job_ids if id_ in known)
        return [Problem(**problem) for problem in found if problem is not None]

    def files(self, table: str, job_ids: Iterable[str]) -> list[Path]:
        """Parquet files that hold these jobs' rows of a table (and maybe those of other jobs)."""
        known = self._known
        shards = dict.fromkeys(known[id_]["shard"] for id_ in job_ids if id_ in known)
        files = (_shard_file(self.folder, table, shard) for shard in shards if shard is not None)
        return [file for file in files if file.is_file()]

    def _manifest(self) -> dict[str, Any]:
        try:
            manifest: dict[str, Any] = orjson.loads((self.folder / "manifest.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            manifest = {}
        if manifest.get("version") != READER_VERSION:
            return {"version": READER_VERSION, "jobs": {}}
        return manifest

    def _record(self, manifest: dict[str, Any], entries: Mapping[str, Any]) -> None:
        """Let readers see a shard that has been written."""
        manifest["jobs"] |= entries
        _replace(self.folder / "manifest.json", orjson.dumps(manifest))

    def _sweep(self, manifest: Mapping[str, Any]) -> None:
        """Delete shards that nothing refers to, once no reader can still be using them."""
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


def _chunks(
    jobs: Sequence[tuple[JobFiles, list[Any]]],
) -> Iterator[list[tuple[JobFiles, list[Any]]]]:
    """Jobs a shard each; one that is larger than a shard has its own."""
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


def _build(task: _Task) -> dict[str, Any]:
    """Read jobs and write their shard; what the manifest is to say of them."""
    entries, tables = _read(task)
    shard = _write_shard(task.folder, tables)
    return {id_: {**entry, "shard": shard} for id_, entry in entries.items()}


def _read(task: _Task) -> tuple[dict[str, Any], dict[str, list[pa.Table]]]:
    read = {job.job_id: parse(job, tables=task.tables) for job, _ in task.jobs}
    tables, odd = tables_of({id_: parsed.rows for id_, parsed in read.items()})
    entries = {}
    for job, source in task.jobs:
        error = odd.get(job.job_id)
        parsed = read[job.job_id] if error is None else Parsed.odd(job, error)
        entries[job.job_id] = {"source": source, "tables": task.tables, **parsed.to_json()}
        if parsed.series is not None and parsed.series.num_rows:
            tables.setdefault("timeseries", []).append(parsed.series)
    return entries, tables


def _carried_over(folder: Path, jobs: Mapping[str, Any], stale: set[str]) -> dict[str, Any]:
    """Write anew what stays of shards with changed jobs, and of small ones once they are many."""
    shards = {entry["shard"] for entry in jobs.values()} - {None}
    changed = {jobs[id_]["shard"] for id_ in stale if id_ in jobs} - {None}
    for shard in changed:
        # What nothing refers to is kept for a day from now: open connections still read it.
        for file in folder.glob(f"*-{shard}.parquet"):
            file.touch()
    gone = changed | _small_ones({shard: _shard_bytes(folder, shard) for shard in shards})
    kept = {id_: e for id_, e in jobs.items() if e["shard"] in gone and id_ not in stale}
    if not kept:
        return {}
    parts: dict[str, list[pa.Table]] = defaultdict(list)
    for name in TABLES:
        for shard in dict.fromkeys(entry["shard"] for entry in kept.values()):
            file = _shard_file(folder, name, shard)
            if file.is_file():
                table = pq.read_table(file)
                mask = pc.is_in(table["job_id"], pa.array(sorted(kept), pa.string()))
                parts[name].append(table.filter(mask))
    fresh = _write_shard(folder, parts)
    return {id_: {**entry, "shard": fresh} for id_, entry in kept.items()}


def _small_ones(sizes: Mapping[str, int]) -> set[str]:
    """The smallest shards to put together, where there are many small ones."""
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


def _source(job: JobFiles) -> list[Any]:
    """The state of the files that tables are made from, as the manifest keeps it."""
    found = []
    for file in (job.record, job.labels, job.series):
        if file is not None and file.is_file():  # a download may be replacing it just now
            state = file.stat()
            found.append([file.name, state.st_size, state.st_mtime_ns])
    return found


def _write_shard(folder: Path, tables: Mapping[str, list[pa.Table]]) -> str | None:
    """Write tables as a new shard; its name, or None where there is nothing to write."""
    shard = uuid.uuid4().hex
    for name, parts in tables.items():
        file = _shard_file(folder, name, shard)
        temporary = file.with_suffix(".parquet.tmp")
        pq.write_table(_concatenated(parts), temporary, compression="zstd")
        os.replace(temporary, file)
    return shard if tables else None


def _concatenated(parts: list[pa.Table]) -> pa.Table:
    """Tables one after the other; a label whose type differs between jobs becomes text."""
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


def _replace(file: Path, content: bytes) -> None:
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, file)


def _writable(root: Path) -> Path:
    """The folder for tables: in the batch folder, else in the user's cache folder."""
    own = root / ".infinity"
    # A folder marked read-only stays as it is, even for a user who could write to it.
    if root.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        try:
            own.mkdir(exist_ok=True)
        except OSError:
            pass
        else:
            if os.access(own, os.W_OK):
                return own
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:20]
    elsewhere = platformdirs.user_cache_path("infinity_frames") / "labels" / name
    elsewhere.mkdir(parents=True, exist_ok=True)
    return elsewhere
