"""Downloading archives, against whole zips in memory."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

import infinity_frames as inf
from bench.jobs import SPEC
from bench.measure import Line, alone
from bench.stub import BATCH, TOKEN, stub
from infinity_frames.protocol import parameters

MB = 2**20
CLIENT = ("infinity_frames.session", "infinity_frames.data", "pandera.pandas")


def download_whole(url: str, folder: Path) -> None:
    """Fetch each zip into memory, a few at a time, and extract it from there."""
    headers = {"Authorization": f"Token {TOKEN}"}
    batch = requests.get(f"{url}/api/batch/{BATCH}/", headers=headers, timeout=60).json()

    def fetch(job: dict[str, str]) -> None:
        content = requests.get(job["result_url"], timeout=600).content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)

    with ThreadPoolExecutor() as pool:
        list(pool.map(fetch, batch["job_runs"]))


def download(url: str, folder: Path) -> None:
    """Fetch the batch as a user does."""
    session = inf.Session(SPEC.name, server=url, token=TOKEN)
    results = session.batch_from_api(BATCH).download(folder, quiet=True)
    assert results["path"].notna().all()


def run() -> Iterator[Line]:
    """Measure."""
    yield from _compared(200, 1, latency=0.05, speed=2.0)
    yield from _compared(8, 100, latency=0.0, speed=1.0)


def _compared(count: int, size: int, *, latency: float, speed: float) -> Iterator[Line]:
    params = parameters.records(SPEC, parameters.sample(SPEC, count, seed=0))
    what = f"{count} zips of {size} MB"
    if latency:
        what += f", {1000 * latency:g} ms latency"
    with stub(SPEC.to_json(), params, latency=latency, size=size * MB) as url:
        with tempfile.TemporaryDirectory(prefix="infinity-bench-") as folder:
            loop, most = alone(download_whole, url, Path(folder), imports=CLIENT)
        with tempfile.TemporaryDirectory(prefix="infinity-bench-") as folder:
            ours, grown = alone(download, url, Path(folder), imports=CLIENT)
    yield Line(what, ours, "s", loop, "in memory", speed)
    yield Line(f"{what}: growth (at most 100)", grown, "MB", most, "in memory")
